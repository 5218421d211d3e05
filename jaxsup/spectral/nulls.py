"""What matrices without structure would show: closed forms, and redrawn matrices.

A saturation of 0.985 says nothing of a 768 x 50,257 matrix, as a Gaussian one has it too. With
c = min(K, N) / max(K, N), for entries that are independent normals and K + N large:

    saturation = max(K, N) / (K + N - 1) -> 1 / (1 + c),   spread sd_mu / kappa = sqrt(c) / (1 + c),
    slack = (min(K, N) - 1) / (K + N - 1) -> c / (1 + c).

They follow from E|w|^4 = K^2, E(w_i . w_j)^2 = K and from the first three moments of the
Marchenko-Pastur law, 1, 1 + c, 1 + 3c + c^2, under which a feature's measure is weighted by lambda.
The rest is sampled: with Gaussian entries, or with the norms of the columns kept and their
directions redrawn.

Reference: Marchenko & Pastur, Math. USSR Sb. 1 (1967).
"""

import functools
from math import sqrt
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, PRNGKeyArray

from jaxsup._internal.validation import check_choice, check_positive_integer
from jaxsup.spectral.arrays import as_array, or_one, safe_sqrt
from jaxsup.spectral.measures import MeasureSummary, summarize_measures
from jaxsup.spectral.spectrum import CLUSTER_TOLERANCE, decompose_padded

NULLS = ("gaussian", "directions")


class GaussianNull(NamedTuple):
    """What a K x N matrix of independent normals shows, to first order in 1 / (K + N).

    Attributes:
        saturation: of sum_i D_i / rank.
        eigenvalue_spread: of the mean over features of sd_mu(lambda) / kappa.
        slack: of the mean over features of 1 - D_i / l_i.
    """

    saturation: float
    eigenvalue_spread: float
    slack: float


def gaussian_null(latent: int, features: int) -> GaussianNull:
    """The closed forms of this module's docstring.

    Arguments:
        latent: K >= 1.
        features: N >= 1.

    Raises:
        ValueError: a size is no positive integer.

    >>> [round(gaussian_null(768, 50_257).saturation, 3), round(gaussian_null(2, 2).slack, 3)]
    [0.985, 0.333]
    """
    check_positive_integer("latent", latent, "give W.shape[0]")
    check_positive_integer("features", features, "give W.shape[1]")
    small, large = sorted((latent, features))
    c = small / large
    total = small + large - 1
    spread = sqrt(c) / (1 + c) if small > 1 else 0.0  # one eigenvalue has no spread
    return GaussianNull(large / total, spread, (small - 1) / total)


def sample_null(
    key: PRNGKeyArray,
    W: ArrayLike,
    *,
    null: str = "gaussian",
    samples: int = 8,
    relative_tolerance: float = CLUSTER_TOLERANCE,
) -> MeasureSummary:
    """The summaries of random matrices of W's shape, decomposed one after the other.

    Arguments:
        key: a typed key of `jax.random.key`.
        W: [latent, features], finite and real.
        null: ``"gaussian"``: independent normal entries; ``"directions"``: the norms of W's
            columns are kept and their directions are independent and uniform.
        samples: matrices, at least 1.
        relative_tolerance: of eigenspaces; see `jaxsup.spectral`.

    Returns:
        A `MeasureSummary` with arrays [samples].

    Raises:
        ValueError: an argument is none of these.
    """
    check_choice("null", null, NULLS)
    check_positive_integer("samples", samples, "give the number of matrices")
    W = as_array(W)
    norms = safe_sqrt(jnp.sum(W * W, axis=0)) if null == "directions" else jnp.ones(W.shape[1])
    keys = jax.random.split(key, samples)
    return _sample(keys, norms.astype(W.dtype), W.shape[0], null, relative_tolerance)


@functools.partial(jax.jit, static_argnames=("latent", "null"))
def _sample(
    keys: PRNGKeyArray,
    norms: Float[Array, " features"],
    latent: int,
    null: str,
    relative_tolerance: float | Float[Array, ""],
) -> MeasureSummary:
    def summarize(key: PRNGKeyArray) -> MeasureSummary:
        W = jax.random.normal(key, (latent, norms.size), norms.dtype)
        if null == "directions":
            W = norms[None, :] * W / or_one(jnp.linalg.norm(W, axis=0))[None, :]
        return summarize_measures(W, decompose_padded(W, relative_tolerance, None))

    return jax.lax.map(summarize, keys)
