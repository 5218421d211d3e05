"""Observables of what a student does: of its core B and of its response M = V^T B W.

The output sees M alone (B = I without a core, V = W if tied, both I where W = I): in a student with
a frozen W this is where geometry forms. For the tied student without a core M = W^T W, whose
singular values are the eigenvalues of F = W W^T and whose capacities are those of W.

**The frame of the response.** Saturation, spread and localization are of a frame, N vectors in K
dimensions; M is an N x N matrix of rank at most K. With M = U S Q^T, S its K largest singular
values, the frame is

    R = S^(1/2) U^T  [K, N],    R^T R = U S U^T = |M^T| = (M M^T)^(1/2),    R R^T = S,

and what is measured of it is what `jaxsup.spectral.decompose` says of R. The choice rests on three
things. For M = W^T W it is W up to a rotation of the latent space, which no measure of geometry
sees, so that the numbers are those of W and the two papers' networks are comparable; for a
symmetric positive B it is likewise B^(1/2) W. Its Gram matrix is the symmetric positive factor of M
(M = |M^T| times a partial isometry), so that it is fixed by M alone whether M is symmetric or not.
And it is the output's frame, of U and not of Q: column i is how output i is put together, and
errors are counted at the outputs. The measure of feature i is S_k U_ik^2, normalized, on the
singular values S_k.

No N x N array is formed where K < N: V^T = Q_V R_V and W^T = Q_W R_W are triangulated, and
R_V B R_W^T = A S C^T, a K x K matrix, gives U = Q_V A.

Where a student is no `Student` all are NaN; so are means over represented features where there are
none (M = 0, as with a core that starts at zero; its saturation is 0).
"""

import functools
from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxsup._internal.serial import one_at_a_time
from jaxsup.experiment.observables import Network, Observable
from jaxsup.spectral import FrameSpectrum
from jaxsup.spectral.arrays import exact_product, or_one, safe_sqrt
from jaxsup.training.observables.frames import (
    decompose_frame,
    is_student,
    mean_over,
    without_padding,
)
from jaxsup.training.observables.network import Measured

_singular_values = one_at_a_time(jnp.linalg.svdvals)
_singular_vectors = one_at_a_time(functools.partial(jnp.linalg.svd, full_matrices=False))
_triangle = one_at_a_time(functools.partial(jnp.linalg.qr, mode="r"))
_orthonormal = one_at_a_time(functools.partial(jnp.linalg.qr, mode="reduced"))


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
    if not is_student(network):
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
    if not is_student(network):
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


def _frame(network: Network) -> Float[Array, "latent features"]:
    """R = S^(1/2) U^T, up to a rotation of the latent space; N x N where W = I."""
    V, inner, W = _factors(network)
    untied = network.array("readout") is not None
    if V is None or W is None:
        count = network.errors.size
        inner = jnp.eye(count, dtype=network.errors.dtype) if inner is None else inner
        A, S, _ = _singular_vectors(inner)
        return safe_sqrt(S)[:, None] * A.T
    if inner is None and not untied:
        return W
    basis, left = _orthonormal(V.T)
    right = _triangle(W.T) if untied else left
    inner = left if inner is None else exact_product(left, inner)
    A, S, _ = _singular_vectors(exact_product(inner, right.T))
    return safe_sqrt(S)[:, None] * exact_product(basis, A).T


def _of_response(measure: Callable[[FrameSpectrum], Array]) -> Callable[[Network], Array]:
    """`measure` of the frame's spectrum, decomposed once; NaN for a student of another class."""

    def measure_scalar(network: Network) -> Array:
        dtype = network.errors.dtype
        if not is_student(network):
            return jnp.asarray(jnp.nan, dtype)
        spectrum = network.once(
            "jaxsup.response", lambda: decompose_frame(network, _frame(network))
        )
        return measure(spectrum).astype(dtype)

    return measure_scalar


RESPONSE_OBSERVABLES: tuple[Observable, ...] = (
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
    Measured(
        "response_saturation",
        (),
        "capacity saturation of the response's frame S^(1/2) U^T, V^T B W = U S Q^T",
        "1",
        _of_response(lambda spectrum: spectrum.saturation),
    ),
    Measured(
        "response_spread",
        (),
        "relative spread of the response's singular value over an output, mean over represented",
        "1",
        _of_response(lambda s: mean_over(s.eigenvalue_spreads, s.represented)),
    ),
    Measured(
        "response_localization",
        (),
        "localization of outputs on singular spaces of the response, mean over represented",
        "1",
        _of_response(lambda s: mean_over(s.localization, s.represented)),
    ),
)
