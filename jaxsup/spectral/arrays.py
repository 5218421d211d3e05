"""Arguments of the spectral functions: checked, and scaled so that squares stay in range."""

import functools
from collections.abc import Callable
from functools import partial
from math import sqrt
from typing import Concatenate, ParamSpec, Protocol, TypeVar, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.core import Tracer
from jax.typing import ArrayLike
from jaxtyping import Bool, Float

from jaxsup._internal.validation import fail

exact_product = partial(jnp.matmul, precision=lax.Precision.HIGHEST)
COMPLEX_ADVICE = "stack real and imaginary parts along the latent axis, 2K x N"
"""What to do with complex numbers: K + K real dimensions keep the inner products' real part."""


def as_array(W: ArrayLike, rank: int = 2) -> Float[Array, "..."]:
    """A matrix (or a stack of them), checked as far as it is concrete; at least single precision.

    Arguments:
        W: [latent, features] for rank 2, [replicas, latent, features] for rank 3.
        rank: number of axes, 2 or 3.

    Returns:
        The same numbers as float32 or a wider type; integers in JAX's precision.

    Raises:
        ValueError: the array has other axes or is empty, its numbers are not real, are masked or
            leave the range of JAX's precision, or a concrete matrix holds NaN or infinity (in a
            stack, those are diverged replicas).
    """
    name = "W" if rank == 2 else "Ws"
    check_unmasked(name, W)
    array = W if isinstance(W, jax.Array) else np.asarray(W)
    if array.ndim != rank or 0 in array.shape:
        axes = "[latent, features]" if rank == 2 else "[replicas, latent, features]"
        do = "give one matrix to decompose, a stack of them to decompose_batch"
        raise fail(name, f"a non-empty {axes} array", f"shape {array.shape}", do, described=True)
    if not (jnp.issubdtype(array.dtype, jnp.floating) or jnp.issubdtype(array.dtype, jnp.integer)):
        do = COMPLEX_ADVICE
        if not jnp.issubdtype(array.dtype, jnp.complexfloating):
            do = "convert it to floating-point numbers"
        raise fail(name, "real numbers", f"dtype {array.dtype}", do, described=True)
    if isinstance(array, np.ndarray):
        if array.dtype.kind in "iu":  # JAX would cut large ones to 32 bits
            array = array.astype(jnp.result_type(float))
        if rank == 2:
            _check_range(name, array)
    array = jnp.asarray(array)
    if not jnp.issubdtype(array.dtype, jnp.floating):
        array = array.astype(jnp.result_type(float))
    elif array.dtype.itemsize < 4:
        array = array.astype(jnp.float32)
    if rank == 2 and not isinstance(array, Tracer) and not _is_finite(array):
        text = f"NaN or infinity in {array.dtype}"
        raise fail(name, "finite numbers", text, "leave out runs that diverged", described=True)
    return array


def check_unmasked(name: str, array: object) -> None:
    """Raise ValueError if NumPy masks any entry: what lies under a mask would be computed with."""
    if isinstance(array, np.ma.MaskedArray) and np.ma.is_masked(array):
        text = f"{np.ma.count_masked(array):,} masked ones"
        do = "leave out their features, or fill them"
        raise fail(name, "numbers without a mask", text, do, described=True)


def _check_range(name: str, array: np.ndarray) -> None:
    """Raise ValueError if JAX's precision makes infinity of a finite number."""
    largest = float(jnp.finfo(jnp.result_type(float)).max)
    if array.dtype.kind != "f" or array.dtype.itemsize <= 4:
        return
    with np.errstate(invalid="ignore"):
        beyond = np.isfinite(array) & (np.abs(array) > largest)
    if beyond.any():
        text = f"{float(np.abs(array[beyond]).max()):g}"
        do = "rescale the matrix, or compute in float64"
        expected = f"numbers up to {largest:.3g}, float32's largest"
        raise fail(name, expected, text, do, described=True)


def _is_finite(array: Float[Array, "..."]) -> bool:
    with jax.ensure_compile_time_eval():  # also for a constant inside jit
        return bool(jnp.all(jnp.isfinite(array)))


def check_tolerances(**tolerances: float | Array | None) -> None:
    """Raise ValueError for a concrete number outside of [0, 1), by the argument's name."""
    for name, value in tolerances.items():
        if isinstance(value, float | int) and not 0 <= value < 1:
            raise fail(name, "a number in [0, 1)", value, "give a relative size, say 1e-4")


def rounding(shape: tuple[int, ...], dtype: np.typing.DTypeLike) -> float:
    """r = 4 sqrt(max(K, N)) machine epsilons, the default rank tolerance."""
    return 4 * sqrt(max(shape)) * float(jnp.finfo(dtype).eps)


def data_rank_cut(W: ArrayLike) -> float:
    """r^2 with the r of the type that W's numbers have: eigenvalues of F that storing W can make.

    Rounding W to its type moves singular values by at most r times the largest one, as
    `numpy.linalg.matrix_rank` has it. Types narrower than float32 count as float32, since what is
    computed with is no narrower; integers are exact and count as float64.
    """
    dtype = np.dtype(getattr(W, "dtype", np.float64))
    narrow = jnp.issubdtype(dtype, jnp.floating) and dtype.itemsize <= 4
    return rounding(np.shape(W), np.float32 if narrow else np.float64) ** 2


@runtime_checkable
class _HasNorms(Protocol):
    norms: Float[Array, " features"]


_Spectrum = TypeVar("_Spectrum", bound=_HasNorms)
_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


def in_own_precision(
    function: Callable[Concatenate[_Spectrum, _Arguments], _Result],
) -> Callable[Concatenate[_Spectrum, _Arguments], _Result]:
    """A function of a spectrum that computes in float64 for one of float64, whatever JAX's default.

    JAX would cut such arrays to float32 where float64 is not enabled.
    """

    @functools.wraps(function)
    def computed(
        spectrum: _Spectrum, *args: _Arguments.args, **kwargs: _Arguments.kwargs
    ) -> _Result:
        if spectrum.norms.dtype == np.float64 and jnp.result_type(float) == np.float32:
            with jax.enable_x64(True):
                return function(spectrum, *args, **kwargs)
        return function(spectrum, *args, **kwargs)

    return computed


@jax.jit
def normalize(
    W: Float[Array, "latent features"],
) -> tuple[Float[Array, "latent features"], Float[Array, ""]]:
    """W / scale and scale, a power of two near the largest entry (NaN for a non-finite W)."""
    top = lax.stop_gradient(jnp.max(jnp.abs(W)))
    top = jnp.where(top == 0, 1.0, top)
    scale = top / jnp.frexp(top)[0]
    return W / scale, scale


@jax.jit
def smaller_product(V: Float[Array, "latent features"]) -> Float[Array, "eigenvalues eigenvalues"]:
    """F = V V^T where K <= N, else the Gram matrix V^T V."""
    return exact_product(V, V.T) if V.shape[0] <= V.shape[1] else exact_product(V.T, V)


def exceeds(sizes: Float[Array, " features"], share: ArrayLike) -> Bool[Array, " features"]:
    """Which sizes are above this share of the largest one."""
    return sizes > share * jnp.max(sizes)


def or_one(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """A divisor: x where it is positive, else 1."""
    return jnp.where(x > 0, x, 1.0)


def safe_sqrt(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """sqrt(x), 0 for x <= 0, with derivative zero there."""
    return jnp.where(x > 0, jnp.sqrt(or_one(x)), 0.0)
