"""Observables of the geometry: spectra of the embedding, of the core and of the whole map.

Three matrices are looked at, each as it stands at the recorded step:

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
from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxsup._internal.serial import one_at_a_time
from jaxsup.spectral import capacities, dimensions_per_feature, frame_potential
from jaxsup.spectral.arrays import exact_product, normalize, or_one, safe_sqrt, smaller_product
from jaxsup.training.observables.base import Observable, View

_singular_values = one_at_a_time(jnp.linalg.svdvals)
_triangle = one_at_a_time(functools.partial(jnp.linalg.qr, mode="r"))


def _embedding(view: View) -> Float[Array, "latent features"]:
    """W, where it is not the identity."""
    embedding = view.parameters.embedding
    assert embedding is not None
    return embedding


def _of_frame(identity: float | None, measure: Callable[[View], Array]) -> Callable[[View], Array]:
    """`measure` of W as one number; where W = I, the number that is known (None: N)."""

    def measure_scalar(view: View) -> Array:
        dtype = view.errors.dtype
        if view.parameters.embedding is None:
            return jnp.asarray(view.errors.shape[0] if identity is None else identity, dtype)
        return measure(view).astype(dtype)

    return measure_scalar


def _of_features(measure: Callable[[View], Array]) -> Callable[[View], Array]:
    """`measure` of every feature, or of every eigenvalue; where W = I, each is one."""

    def measure_each(view: View) -> Array:
        if view.parameters.embedding is None:
            return jnp.ones_like(view.errors)
        return measure(view)

    return measure_each


def _over_represented(values: Array, view: View) -> Float[Array, ""]:
    """Mean over the features that W represents; NaN if there are none."""
    shown = view.spectrum.represented
    return jnp.sum(jnp.where(shown, values, 0.0)) / jnp.sum(shown).astype(values.dtype)


def _eigenvalue_spread(view: View) -> Float[Array, ""]:
    """Mean over features of |F w - lambda w| / (lambda |w|) with lambda = w^T F w / |w|^2.

    The standard deviation of the eigenvalue under the feature's spectral measure, over its mean.
    """
    V, _ = normalize(_embedding(view))
    F = exact_product(V, V.T)
    images, squares = exact_product(F, V), or_one(jnp.sum(V * V, axis=0))
    means = or_one(jnp.sum(V * images, axis=0) / squares)
    offsets = images - means[None, :] * V
    return _over_represented(safe_sqrt(jnp.sum(offsets**2, axis=0) / squares) / means, view)


def _mean_squared_overlap(view: View) -> Float[Array, ""]:
    """Mean of cos^2 over pairs of represented features: (|U U^T|_F^2 - n) / (n (n - 1))."""
    V, _ = normalize(_embedding(view))
    shown = view.spectrum.represented
    norms = safe_sqrt(jnp.sum(V * V, axis=0))
    U = jnp.where(shown[None, :], V / or_one(norms)[None, :], 0.0)
    count = jnp.sum(shown).astype(V.dtype)
    return (jnp.sum(smaller_product(U) ** 2) - count) / (count * (count - 1.0))


def _dimensions(view: View) -> Float[Array, ""]:
    W = _embedding(view)
    return dimensions_per_feature(W) * (view.latent / W.shape[0])


def _core_spectrum(view: View) -> Float[Array, " latent"]:
    core = view.parameters.core
    if core is None:
        return jnp.full(view.student.latent, jnp.nan, view.errors.dtype)
    return view.without_padding(_singular_values(core))


def _factors(view: View) -> tuple[Array | None, Array | None]:
    """V and W; None for the identity."""
    W, V = view.parameters.embedding, view.parameters.readout
    return (W if V is None else V), W


def _response_spectrum(view: View) -> Float[Array, " latent"]:
    """Singular values of V^T B W through two triangles: those of R_V B R_W^T, V^T = Q_V R_V."""
    V, W = _factors(view)
    inner = view.parameters.core
    if inner is None:
        inner = jnp.eye(view.student.latent, dtype=view.errors.dtype)
    if V is not None and W is not None:
        left, right = (_triangle(factor.T) for factor in (V, W))
        inner = exact_product(exact_product(left, inner), right.T)
    return view.without_padding(_singular_values(inner))


def _response_capacities(view: View) -> Float[Array, " features"]:
    """M_ii^2 / sum_j M_ij^2, without forming M where K < N."""
    V, W = _factors(view)
    inner = view.parameters.core
    if V is None or W is None:
        M = jnp.eye(view.errors.shape[0], dtype=view.errors.dtype) if inner is None else inner
        own, total = jnp.diagonal(M), jnp.sum(M * M, axis=1)
    else:
        pulled = V if inner is None else exact_product(inner.T, V)
        own = jnp.sum(pulled * W, axis=0)
        total = jnp.sum(pulled * exact_product(exact_product(W, W.T), pulled), axis=0)
    return jnp.where(total > 0, own**2 / or_one(jnp.maximum(total, own**2)), 0.0)


FRAME_OBSERVABLES: dict[str, Observable] = {
    "eigenvalues": Observable(
        ("eigenvalue",),
        "eigenvalues of F = W W^T, falling, with multiplicity",
        "squared units of W",
        _of_features(lambda view: view.without_padding(view.spectrum.raw_eigenvalues)),
    ),
    "rank": Observable((), "rank of W", "1", _of_frame(None, lambda view: view.spectrum.rank)),
    "eigenspaces": Observable(
        (), "number of eigenspaces of F", "1", _of_frame(1.0, lambda view: view.spectrum.count)
    ),
    "localization": Observable(
        (),
        "localisation of features on eigenspaces, mean over represented features",
        "1",
        _of_frame(1.0, lambda view: _over_represented(view.spectrum.localization, view)),
    ),
    "feature_localization": Observable(
        ("feature",),
        "localisation of each feature, 0 if not represented",
        "1",
        _of_features(lambda view: view.spectrum.localization),
    ),
    "eigenvalue_spread": Observable(
        (),
        "relative spread of F's eigenvalue over a feature, mean over represented features",
        "1",
        _of_frame(0.0, _eigenvalue_spread),
    ),
    "saturation": Observable(
        (),
        "capacity saturation sum_i D_i / rank",
        "1",
        _of_frame(1.0, lambda view: view.spectrum.saturation),
    ),
    "tightness": Observable(
        (),
        "residual of tight frames on the eigenspaces, 0 = tight",
        "1",
        _of_frame(0.0, lambda view: view.spectrum.overall_tightness),
    ),
    "capacities": Observable(
        ("feature",),
        "capacity D_i = |w_i|^4 / sum_j (w_i . w_j)^2",
        "dimensions",
        _of_features(lambda view: capacities(_embedding(view))),
    ),
    "dimensions_per_feature": Observable(
        (), "dimensions per feature D* = K / |W|_F^2", "1", _of_frame(1.0, _dimensions)
    ),
    "frame_potential": Observable(
        (),
        "frame potential sum_ij (w_i . w_j)^2",
        "W to the fourth",
        _of_frame(None, lambda view: frame_potential(_embedding(view))),
    ),
    "mean_squared_overlap": Observable(
        (),
        "mean squared cosine of two represented features",
        "1",
        _of_frame(0.0, _mean_squared_overlap),
    ),
    "core_spectrum": Observable(
        ("eigenvalue",), "singular values of the core B, falling", "1", _core_spectrum
    ),
    "response_spectrum": Observable(
        ("eigenvalue",),
        "largest K singular values of the response V^T B W, falling",
        "1",
        _response_spectrum,
    ),
    "response_capacities": Observable(
        ("feature",),
        "own share M_ii^2 / sum_j M_ij^2 of the response M = V^T B W",
        "dimensions",
        _response_capacities,
    ),
}
