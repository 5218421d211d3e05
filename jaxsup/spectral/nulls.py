"""What matrices without structure would show: closed forms, and redrawn matrices.

A saturation of 0.985 says nothing of a 768 x 50,257 matrix, as a Gaussian one has it too. For
entries that are independent normals, at any size and with c = min(K, N) / max(K, N),

    saturation = max(K, N) / (K + N - 1) -> 1 / (1 + c),
    slack = (min(K, N) - 1) / (K + N - 1) -> c / (1 + c),
    spread sd_mu / kappa = 2 g(K) g(N) / (K + N - 2) -> sqrt(c) / (1 + c),

with g(n) = Gamma(n / 2) / Gamma((n - 1) / 2). All of it is exact, by one decomposition (variance
1). Given w_i, turn the latent space until w_i lies on its first axis; the other features are
independent normals still. F = w_i w_i^T + G, with G = Y Y^T of the others, so that

    kappa_i = S + A,   sd_i = sqrt(A) B,   S = |w_i|^2 ~ chi^2_K,   A ~ chi^2_(N-1),   B ~ chi_(K-1)

are independent: A is the squared norm of Y's first row, and its products with the other K - 1 rows
are sqrt(A) times independent normals. Hence D_i = S / (S + A) has the distribution Beta(K/2,
(N-1)/2), kappa_i the mean K + N - 1, and the spread is E[B] E[sqrt(A) / (S + A)], where A / (S + A)
and S + A are independent. For the slack where K < N, l_i = u / (1 + u) with u = w_i^T G^-1 w_i = S
/ V, V ~ chi^2_(N-K) the part of A outside of the span of Y's other rows: D_i / l_i = (S + V) / (S +
A), with the mean N / (K + N - 1). Where K >= N every leverage is 1.

The rest is sampled: with Gaussian entries, or with the norms of the columns kept and their
directions redrawn.

Reference: Muirhead, Aspects of Multivariate Statistical Theory (1982), sections 1.5 and 3.2
(independent gamma variables, Wishart matrices).
"""

import functools
from collections.abc import Callable
from math import exp, lgamma
from typing import NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Key, PyTree

from jaxsup._internal.keys import check_key
from jaxsup._internal.validation import check_choice, check_positive_integer
from jaxsup.spectral.arrays import check_tolerances, or_one, safe_sqrt
from jaxsup.spectral.frame import feature_norms
from jaxsup.spectral.measures import summarize_measures
from jaxsup.spectral.spectrum import CLUSTER_TOLERANCE, FrameSpectrum, decompose_compiled

NULLS = ("gaussian", "directions")
_Summary: TypeAlias = Callable[[Float[Array, "latent features"], FrameSpectrum], PyTree]


class GaussianNull(NamedTuple):
    """What a K x N matrix of independent normals shows, on average.

    Attributes:
        saturation: sum_i D_i / rank.
        latent_saturation: sum_i D_i / K.
        leverage: mean over features of l_i.
        slack: mean of 1 - D_i / l_i.
        mean_eigenvalue: mean of kappa_i, in units of the variance of an entry.
        eigenvalue_spread: mean of sd_mu(lambda) / kappa.
    """

    saturation: float
    latent_saturation: float
    leverage: float
    slack: float
    mean_eigenvalue: float
    eigenvalue_spread: float


def gaussian_null(latent: int, features: int) -> GaussianNull:
    """The closed forms of this module's docstring, exact at any size.

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
    total = small + large - 1
    spread = 0.0  # of one eigenvalue
    if small > 1:
        spread = 2 * exp(_log_ratio(small) + _log_ratio(large)) / (total - 1)
    return GaussianNull(
        saturation=large / total,
        latent_saturation=features / total,
        leverage=small / features,
        slack=(small - 1) / total,
        mean_eigenvalue=float(total),
        eigenvalue_spread=spread,
    )


def _log_ratio(size: int) -> float:
    """log of Gamma(n / 2) / Gamma((n - 1) / 2)."""
    return lgamma(size / 2) - lgamma((size - 1) / 2)


def sample_null(
    key: Key[Array, ""],
    W: ArrayLike,
    *,
    null: str = "gaussian",
    samples: int = 8,
    summary: _Summary = summarize_measures,
    relative_tolerance: float = CLUSTER_TOLERANCE,
    rank_tolerance: float | None = None,
) -> PyTree:
    """The summaries of random matrices of W's shape and size, decomposed one after the other.

    Arguments:
        key: a typed key of `jax.random.key`.
        W: [latent, features], finite and real.
        null: ``"gaussian"``: independent normal entries of W's mean square; ``"directions"``: the
            norms of W's columns are kept and their directions are independent and uniform.
        samples: matrices, at least 1.
        summary: what to keep of a random matrix and its padded spectrum, a named function (a new
            lambda compiles anew).
        relative_tolerance: of eigenspaces, in [0, 1); see `jaxsup.spectral`.
        rank_tolerance: of the rank, in [0, 1); see `jaxsup.spectral`.

    Returns:
        What `summary` gives, stacked: by default a `MeasureSummary` with arrays [samples].

    Raises:
        ValueError: an argument is none of these.
    """
    check_choice("null", null, NULLS)
    check_positive_integer("samples", samples, "give the number of matrices")
    check_key(key, None)
    check_tolerances(relative_tolerance=relative_tolerance, rank_tolerance=rank_tolerance)
    norms = feature_norms(W)
    latent, tolerances = np.shape(W)[0], (relative_tolerance, rank_tolerance)
    directions = jnp.asarray(null == "directions")
    parts = []
    for one in jax.random.split(key, samples):
        drawn = _draw(one, norms, latent, directions)
        parts.append(_compiled(summary)(drawn, decompose_compiled(drawn, *tolerances)))
    return _stack(parts)


@functools.lru_cache(maxsize=32)
def _compiled(summary: _Summary) -> _Summary:
    return jax.jit(summary)


@jax.jit
def _stack(parts: list[PyTree]) -> PyTree:
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *parts)


@functools.partial(jax.jit, static_argnames="latent")
def _draw(
    key: Key[Array, ""],
    norms: Float[Array, " features"],
    latent: int,
    directions: Bool[Array, ""],
) -> Float[Array, "latent features"]:
    """A random matrix with these norms, or of Gaussian entries with their mean square."""
    W = jax.random.normal(key, (latent, norms.size), norms.dtype)
    top = or_one(jnp.max(norms))
    entry = top * safe_sqrt(jnp.mean((norms / top) ** 2) / latent)
    lengths = or_one(jnp.linalg.norm(W, axis=0))
    return jnp.where(directions, norms / lengths, entry)[None, :] * W
