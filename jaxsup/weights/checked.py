"""The matrix of a diagnosis in its range, and its spectrum beside a check in float64."""

import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Float

from jaxsup._internal.validation import fail
from jaxsup.spectral.arrays import as_array, data_rank_cut, floating_type, rounding
from jaxsup.spectral.certificate import Certificate, certify
from jaxsup.spectral.spectrum import FrameSpectrum, decompose_compiled

# Multiply-adds that the check may cost before it is left out, unless all is asked for: below a
# second on two quiet cores.
_CERTIFICATE_WORK = 2e9


def check_matrix(W: ArrayLike) -> Float[np.ndarray, "latent features"]:
    """W as float32 or float64, in the range where squares keep the digits of JAX's precision.

    Arguments:
        W: [latent, features], finite and real.

    Raises:
        ValueError: W is no finite, real, non-empty matrix, or its entries leave that range.
    """
    as_array(W)
    original = np.asarray(W)
    matrix = original.astype(floating_type(original.dtype), copy=False)
    precision = np.dtype(jnp.result_type(float))
    reach = 1e15 if precision == np.float32 else 1e120
    peak = float(np.abs(matrix).max())
    if peak > reach or 0 < peak < 1 / reach:
        expected = f"a largest entry between {1 / reach:g} and {reach:g} in {precision}"
        raise fail("W", expected, peak, "rescale the matrix")
    return matrix


def decompose_with_check(
    matrix: Float[np.ndarray, "latent features"], *, full: bool, relative_tolerance: float
) -> tuple[FrameSpectrum, Certificate | None]:
    """The padded spectrum in JAX's precision and, where it does not cost too much, its check.

    Arguments:
        matrix: W, of the type that its numbers came in.
        full: check it whatever the cost, else up to 2e9 multiply-adds.
        relative_tolerance: of eigenspaces.
    """
    wide = jnp.asarray(matrix.astype(jnp.result_type(float)))
    padded = decompose_compiled(wide, relative_tolerance, rank_tolerance_of(matrix))
    latent, features = matrix.shape
    if not full and latent * features * min(latent, features) > _CERTIFICATE_WORK:
        return padded, None
    return padded, certify(matrix, padded, relative_tolerance=relative_tolerance)


def rank_tolerance_of(matrix: Float[np.ndarray, "latent features"]) -> float | None:
    """In float64, what storing the matrix can blur; None in float32, which blurs more than that.

    Arguments:
        matrix: W, of the type that its numbers came in.
    """
    if jnp.result_type(float) == np.float32:
        return None
    return max(rounding(matrix.shape, float), data_rank_cut(matrix))
