"""Observables of the geometry: spectra of the embedding, of the core and of the whole map.

Three matrices are measured, each as it stands at the recorded step:

- the embedding W, through F = W W^T. Where W is frozen, these are the numbers of its start at every
  step; where W = I they are known and nothing is decomposed; where it is untied, W is the encoder.
- the core B, all that a bottleneck student learns inside.
- the response M = V^T B W (B = I without a core, V = W if tied), which the output sees: in a
  student with a frozen W, this is where geometry forms. For the tied student without a core,
  M = W^T W: its singular values are the eigenvalues of F and its capacities those of W.

Latent dimensions that only pad the arrays do not count: spectra have NaN there.

On a CPU, matrices are decomposed one after the other (`jaxsup._internal.serial`). Set
OPENBLAS_NUM_THREADS=1 before Python starts, as the `jaxsup` command does: threads inside of small
decompositions cost more than they bring.
"""

import functools

import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxsup._internal.serial import one_at_a_time
from jaxsup.experiment.observables import Network, Observable
from jaxsup.experiment.students import StudentParameters
from jaxsup.spectral.arrays import exact_product, or_one
from jaxsup.spectral.frame import capacities, dimensions_per_feature, frame_potential
from jaxsup.spectral.overlap import mean_squared_cosine
from jaxsup.training.observables.frames import (
    embedding_of,
    of_each,
    of_frame,
    over_represented,
    spectrum_of,
    without_padding,
)
from jaxsup.training.observables.network import Measured

_singular_values = one_at_a_time(jnp.linalg.svdvals)
_triangle = one_at_a_time(functools.partial(jnp.linalg.qr, mode="r"))


def _mean_squared_overlap(network: Network) -> Float[Array, ""]:
    """Mean of cos^2 over pairs of represented features."""
    return mean_squared_cosine(embedding_of(network), spectrum_of(network).represented)


def _dimensions(network: Network) -> Float[Array, ""]:
    W = embedding_of(network)
    return dimensions_per_feature(W) * (network.latent / W.shape[0])


def _core_spectrum(network: Network) -> Float[Array, " latent"]:
    core = network.array("core")
    if core is None:
        return jnp.full(network.student.latent, jnp.nan, network.errors.dtype)
    return without_padding(network, _singular_values(core))


def _factors(network: Network) -> tuple[Array | None, Array | None, Array | None]:
    """V, B and W of a `Student`; None for the identity."""
    parameters = network.parameters
    return parameters.decoder, parameters.core, parameters.embedding


def _response_spectrum(network: Network) -> Float[Array, " latent"]:
    """Singular values of V^T B W through two triangles: those of R_V B R_W^T, V^T = Q_V R_V."""
    if not isinstance(network.parameters, StudentParameters):
        return jnp.full(network.student.latent, jnp.nan, network.errors.dtype)
    V, inner, W = _factors(network)
    if inner is None:
        inner = jnp.eye(network.student.latent, dtype=network.errors.dtype)
    if V is not None and W is not None:
        left, right = (_triangle(factor.T) for factor in (V, W))
        inner = exact_product(exact_product(left, inner), right.T)
    return without_padding(network, _singular_values(inner))


def _response_capacities(network: Network) -> Float[Array, " features"]:
    """M_ii^2 / sum_j M_ij^2, without forming M where K < N."""
    if not isinstance(network.parameters, StudentParameters):
        return jnp.full_like(network.errors, jnp.nan)
    V, inner, W = _factors(network)
    if V is None or W is None:
        M = jnp.eye(network.errors.shape[0], dtype=network.errors.dtype) if inner is None else inner
        diagonal, total = jnp.diagonal(M), jnp.sum(M * M, axis=1)
    else:
        pulled = V if inner is None else exact_product(inner.T, V)
        diagonal = jnp.sum(pulled * W, axis=0)
        total = jnp.sum(pulled * exact_product(exact_product(W, W.T), pulled), axis=0)
    squares = diagonal**2
    return jnp.where(total > 0, squares / or_one(jnp.maximum(total, squares)), 0.0)


GEOMETRY_OBSERVABLES: tuple[Observable, ...] = (
    Measured(
        "eigenvalues",
        ("eigenvalue",),
        "eigenvalues of F = W W^T, falling, with multiplicity",
        "squared units of W",
        of_each(
            lambda network: without_padding(network, spectrum_of(network).raw_eigenvalues),
            eigenvalues=True,
        ),
    ),
    Measured(
        "rank", (), "rank of W", "1", of_frame(None, lambda network: spectrum_of(network).rank)
    ),
    Measured(
        "eigenspaces",
        (),
        "number of eigenspaces of F",
        "1",
        of_frame(1.0, lambda network: spectrum_of(network).count),
    ),
    Measured(
        "localization",
        (),
        "localization of features on eigenspaces, mean over represented features",
        "1",
        of_frame(1.0, lambda network: over_represented(spectrum_of(network).localization, network)),
    ),
    Measured(
        "feature_localization",
        ("feature",),
        "localization of each feature, 0 if not represented",
        "1",
        of_each(lambda network: spectrum_of(network).localization),
    ),
    Measured(
        "eigenvalue_spread",
        (),
        "relative spread of F's eigenvalue over a feature, mean over represented features",
        "1",
        of_frame(
            0.0, lambda network: over_represented(spectrum_of(network).eigenvalue_spreads, network)
        ),
    ),
    Measured(
        "saturation",
        (),
        "capacity saturation sum_i D_i / rank",
        "1",
        of_frame(1.0, lambda network: spectrum_of(network).saturation),
    ),
    Measured(
        "tightness",
        (),
        "residual of tight frames on the eigenspaces, 0 = tight",
        "1",
        of_frame(0.0, lambda network: spectrum_of(network).overall_tightness),
    ),
    Measured(
        "capacities",
        ("feature",),
        "capacity D_i = |w_i|^4 / sum_j (w_i . w_j)^2",
        "dimensions",
        of_each(lambda network: capacities(embedding_of(network))),
    ),
    Measured(
        "dimensions_per_feature",
        (),
        "dimensions per feature D* = K / |W|_F^2",
        "1",
        of_frame(1.0, _dimensions),
    ),
    Measured(
        "frame_potential",
        (),
        "frame potential sum_ij (w_i . w_j)^2",
        "W to the fourth",
        of_frame(None, lambda network: frame_potential(embedding_of(network))),
    ),
    Measured(
        "mean_squared_overlap",
        (),
        "mean squared cosine of two represented features",
        "1",
        of_frame(0.0, _mean_squared_overlap),
    ),
    Measured(
        "core_spectrum",
        ("eigenvalue",),
        "singular values of the core B, falling",
        "1",
        _core_spectrum,
    ),
    Measured(
        "response_spectrum",
        ("eigenvalue",),
        "largest K singular values of the response V^T B W, falling",
        "1",
        _response_spectrum,
    ),
    Measured(
        "response_capacities",
        ("feature",),
        "own share M_ii^2 / sum_j M_ij^2 of the response M = V^T B W",
        "dimensions",
        _response_capacities,
    ),
)
