"""Arguments of the spectral functions: checked, and scaled so that squares stay in range."""

from functools import partial
from math import sqrt
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.core import Tracer
from jax.typing import ArrayLike
from jaxtyping import Float

exact_product = partial(jnp.matmul, precision=lax.Precision.HIGHEST)


def as_array(W: ArrayLike, rank: int = 2) -> Float[Array, "..."]:
    """Check a matrix (or a stack of them) as far as it is concrete; at least single precision."""
    array = W if isinstance(W, jax.Array) else np.asarray(W)
    if array.ndim != rank or 0 in array.shape:
        shape = "[latent, features]" if rank == 2 else "[replica, latent, features]"
        raise ValueError(
            f"expected a non-empty {shape} array; got shape {array.shape}; do decompose(W) for one "
            "matrix, decompose_batch(Ws) for a stack"
        )
    if not (jnp.issubdtype(array.dtype, jnp.floating) or jnp.issubdtype(array.dtype, jnp.integer)):
        raise ValueError(
            f"expected real numbers; got dtype {array.dtype}; do W.real or a conversion"
        )
    array = jnp.asarray(array)
    if not jnp.issubdtype(array.dtype, jnp.floating) or array.dtype.itemsize < 4:
        array = array.astype(jnp.float32)
    if rank == 2 and not isinstance(array, Tracer) and not _finite(array):
        raise ValueError(
            f"expected finite numbers; got NaN or infinity in {array.dtype}; do drop diverged runs"
        )
    return array


def _finite(array: Float[Array, "..."]) -> bool:
    with jax.ensure_compile_time_eval():  # also for a constant inside jit
        return bool(jnp.all(jnp.isfinite(array)))


def check_tolerances(*tolerances: float | Array | None) -> None:
    for value in tolerances:
        if isinstance(value, float | int) and not 0 <= value < 1:
            raise ValueError(f"expected a tolerance in [0, 1); got {value}; do leave the default")


def rounding(shape: tuple[int, ...], dtype: Any) -> float:
    """r, the default rank tolerance."""
    return 4 * sqrt(max(shape)) * float(jnp.finfo(dtype).eps)


@jax.jit
def normalise(W: Float[Array, "K N"]) -> tuple[Float[Array, "K N"], Float[Array, ""]]:
    """W / scale and scale, a power of two near the largest entry (NaN for a non-finite W)."""
    top = lax.stop_gradient(jnp.max(jnp.abs(W)))
    top = jnp.where(top == 0, 1.0, top)
    scale = top / jnp.frexp(top)[0]
    return W / scale, scale


@jax.jit
def smaller_product(V: Float[Array, "K N"]) -> Float[Array, "slots slots"]:
    """F where K <= N, else the Gram matrix."""
    return exact_product(V, V.T) if V.shape[0] <= V.shape[1] else exact_product(V.T, V)


def or_one(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """A divisor with one in place of zero."""
    return jnp.where(x > 0, x, 1.0)


def safe_sqrt(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """Square root with derivative zero at zero."""
    return jnp.where(x > 0, jnp.sqrt(or_one(x)), 0.0)
