"""Arguments of the spectral functions: checked, and scaled so that squares stay in range."""

import functools
from collections.abc import Callable
from functools import partial
from math import sqrt
from typing import ParamSpec, Protocol, TypeVar, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.core import Tracer
from jax.typing import ArrayLike
from jaxtyping import Bool, Float

from jaxsup._internal.validation import fail, is_numeric

exact_product = partial(jnp.matmul, precision=lax.Precision.HIGHEST)
COMPLEX_ADVICE = "stack real and imaginary parts along the latent axis, 2K x N"
"""What to do with complex numbers: K + K real dimensions keep the inner products' real part."""


def as_array(W: ArrayLike) -> Float[Array, "latent features"]:
    """A matrix, checked as far as it is concrete; at least single precision.

    Arguments:
        W: [latent, features].

    Returns:
        The same numbers as float32 or float64, as far as JAX's precision goes; integers in that.

    Raises:
        ValueError: the array has other axes or is empty, its numbers are not real, are masked or
            leave the range of JAX's precision (the largest of them, which may not become zero
            either), or, where it is concrete, it holds NaN or infinity.
    """
    array = jnp.asarray(checked_array(W, rank=2))
    check_finite(array)
    return array


def checked_array(W: ArrayLike, rank: int) -> Float[Array | np.ndarray, "..."]:
    """`as_array` where the array is, NumPy's on the host, or of a stack, unchecked for NaN.

    In a stack, NaN and infinity are diverged replicas.

    Arguments:
        W: [latent, features] for rank 2, [replicas, latent, features] for rank 3.
        rank: number of axes, 2 or 3.

    Raises:
        ValueError: as for `as_array`.
    """
    name = "W" if rank == 2 else "Ws"
    check_unmasked(name, W)
    array = where_it_is(W, name)
    if array.ndim != rank or 0 in array.shape:
        axes = "[latent, features]" if rank == 2 else "[replicas, latent, features]"
        do = "give one matrix to decompose, a stack of them to decompose_batch"
        raise fail(name, f"a non-empty {axes} array", f"shape {array.shape}", do, described=True)
    check_real(name, array)
    precision = np.dtype(jnp.result_type(float))
    if isinstance(array, jax.Array):
        array = array.astype(floating_type(array.dtype, precision))
        if not isinstance(array, Tracer):
            with jax.ensure_compile_time_eval():  # also for a constant inside jit
                tops = np.asarray(jnp.max(jnp.abs(array), axis=(-2, -1)))
            _check_range(name, tops, array.dtype)
        return array
    if jnp.issubdtype(array.dtype, jnp.floating):
        precision = np.dtype(min(floating_type(array.dtype), precision, key=lambda x: x.itemsize))
        if array.dtype.itemsize < precision.itemsize:
            array = array.astype(precision)  # whose limits are beyond those of narrow types
        with np.errstate(invalid="ignore"):
            tops = np.asarray(np.maximum(array.max(axis=(-2, -1)), -array.min(axis=(-2, -1))))
        _check_range(name, tops, precision)
    with np.errstate(over="ignore"):  # of a replica that diverged
        return array.astype(precision, copy=False)


def where_it_is(W: ArrayLike, name: str = "W") -> Array | np.ndarray:
    """An array of JAX's as it is, but on the host where JAX would cut its digits; others there.

    Raises:
        ValueError: it is no array, as rows of several lengths are.
    """
    if isinstance(W, Tracer):
        return W
    if isinstance(W, jax.Array) and W.dtype.itemsize <= jnp.result_type(float).itemsize:
        return W
    try:
        return np.asarray(W)
    except (TypeError, ValueError) as error:
        text = f"{type(W).__name__} that is none"
        do = "give rows of one length"
        raise fail(name, "an array of numbers", text, do, described=True) from error


def floating_type(dtype: np.dtype, integers: np.typing.DTypeLike = np.float64) -> np.dtype:
    """What numbers of a type are computed in: float32 or float64, in the byte order of the machine.

    Arguments:
        dtype: theirs, real.
        integers: what integers become.
    """
    if not jnp.issubdtype(dtype, jnp.floating):
        return np.dtype(integers)
    return np.dtype(np.float32 if dtype.itemsize <= 4 else np.float64)


def check_unmasked(name: str, array: object) -> None:
    """Raise ValueError if NumPy masks any entry: what lies under a mask would be computed with."""
    if isinstance(array, np.ma.MaskedArray) and np.ma.is_masked(array):
        text = f"{np.ma.count_masked(array):,} masked ones"
        do = "leave out their features, or fill them"
        raise fail(name, "numbers without a mask", text, do, described=True)


def check_real(name: str, array: Array | np.ndarray) -> None:
    """Raise ValueError unless the numbers are floating-point numbers or integers."""
    if not (jnp.issubdtype(array.dtype, jnp.floating) or jnp.issubdtype(array.dtype, jnp.integer)):
        do = COMPLEX_ADVICE
        if not jnp.issubdtype(array.dtype, jnp.complexfloating):
            do = "convert it to floating-point numbers"
        raise fail(name, "real numbers", f"dtype {array.dtype}", do, described=True)


def check_finite(array: Array | np.ndarray) -> None:
    """Raise ValueError if a concrete W holds NaN or infinity."""
    if isinstance(array, Tracer):
        return
    library = np if isinstance(array, np.ndarray) else jnp
    with jax.ensure_compile_time_eval():  # also for a constant inside jit
        finite = bool(library.isfinite(array).all())
    if not finite:
        text = f"NaN or infinity in {array.dtype}"
        raise fail("W", "finite numbers", text, "leave out runs that diverged", described=True)


def _check_range(name: str, tops: np.ndarray, precision: np.dtype) -> None:
    """Raise ValueError if a precision makes infinity of the largest number of a matrix, or zeros.

    What is below the smallest normal number counts as zero: processors are told to flush it. That
    is to be no more of an entry than the rounding of the largest one.

    Arguments:
        name: of the matrix, or of a stack of them.
        tops: the largest number of each, without its sign.
        precision: what is computed with.
    """
    limits = jnp.finfo(precision)
    least = float(limits.tiny) / float(limits.eps)
    with np.errstate(invalid="ignore"):
        beyond = np.isfinite(tops) & (tops > float(limits.max))
        below = (tops > 0) & (tops < least)
    if not (beyond.any() or below.any()):
        return
    if tops.ndim:
        index = int(np.argmax(beyond | below))
        name, top, beyond = f"{name}[{index}]", tops[index], beyond[index]
    else:
        top = tops[()]
    expected = f"numbers up to {limits.max:.3g}, {precision}'s largest"
    if not beyond:
        expected = (
            f"a largest number of at least {least:.3g}, as {precision} ends at {limits.tiny:.3g}"
        )
    do = "rescale the matrix"
    if precision == np.float32 and tops.dtype.itemsize > 4:
        do = f"{do}, or compute in float64"
    raise fail(name, expected, str(top), do, described=True)


def check_tolerances(**tolerances: ArrayLike | None) -> None:
    """Raise ValueError for what is no number in [0, 1), by the argument's name, unless traced."""
    for name, value in tolerances.items():
        if value is None or isinstance(value, Tracer):
            continue
        if not (is_numeric(value) and np.ndim(value) == 0 and 0 <= np.asarray(value) < 1):
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
class _Spectrum(Protocol):
    norms: Float[Array, "*batch features"]
    basis: Float[Array, "*batch latent eigenvalues"]


def check_same_shape(W: tuple[int, ...], spectrum: _Spectrum) -> None:
    """Raise ValueError unless the spectrum is that of one matrix of W's shape."""
    shape = (*spectrum.basis.shape[:-1], spectrum.norms.shape[-1])  # and a batch has its axis
    if shape != W:
        text, do = f"one of shape {shape} for W of {W}", "give decompose(W) of the same W"
        raise fail("spectrum", "that of W", text, do, described=True)


def check_single(spectrum: _Spectrum) -> None:
    """Raise ValueError for the spectra of a batch."""
    if spectrum.norms.ndim != 1:
        text = f"those of a batch of {spectrum.norms.shape[0]:,}"
        raise fail("spectrum", "that of one matrix", text, "take one, spectrum[i]", described=True)


_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


def in_own_precision(function: Callable[_Arguments, _Result]) -> Callable[_Arguments, _Result]:
    """A function of a spectrum that computes in float64 for one of float64, whatever JAX's default.

    JAX would cut such arrays to float32 where float64 is not enabled.
    """

    @functools.wraps(function)
    def computed(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> _Result:
        spectra = [x for x in (*args, *kwargs.values()) if isinstance(x, _Spectrum)]
        wide = any(spectrum.norms.dtype == np.float64 for spectrum in spectra)
        if wide and jnp.result_type(float) == np.float32:
            with jax.enable_x64(True):
                return function(*args, **kwargs)
        return function(*args, **kwargs)

    return computed


@jax.jit
def normalize(
    W: Float[Array, "latent features"],
) -> tuple[Float[Array, "latent features"], Float[Array, ""]]:
    """W / scale and scale, a power of two near the largest entry (NaN for a non-finite W)."""
    top = lax.stop_gradient(jnp.max(jnp.abs(W)))
    top = jnp.where(top == 0, 1.0, top)
    # At most the largest power of two whose inverse is a normal number: XLA multiplies by that.
    scale = jnp.minimum(top / jnp.frexp(top)[0], 1 / jnp.finfo(W.dtype).tiny)
    return W / scale, scale


def in_units(
    x: Float[Array, "*shape"], scale: Float[Array, ""], power: int = 2
) -> Float[Array, "*shape"]:
    """scale^power x, factor by factor: the power's infinity would make NaN of a zero."""
    for _ in range(power):
        x = scale * x
    return x


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
