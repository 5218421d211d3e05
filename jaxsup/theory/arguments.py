"""Arguments of the closed forms: arrays of one dtype, checked where they are concrete."""

import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.typing import ArrayLike, DTypeLike
from jaxtyping import Array, Float

from jaxsup._internal.validation import Values, fail

_CONDITIONS = {  # of values v and a tolerance for rounding
    "1": lambda v, _: np.abs(v - 1) <= 1e-4,
    "finite numbers": lambda v, _: np.isfinite(v),
    "numbers >= 0": lambda v, tolerance: v >= -tolerance,
    "finite numbers >= 0": lambda v, _: (v >= 0) & (v < np.inf),
    "finite numbers > 0": lambda v, _: (v > 0) & (v < np.inf),
    "0": lambda v, tolerance: np.abs(v) <= tolerance,
}


def as_floats(*inputs: Values) -> list[Float[Array, "..."]]:
    """Arrays of one floating dtype, the promoted one of those inputs that have one."""
    arrays = [jnp.asarray(value) for value in inputs]
    floating = [array for array in arrays if jnp.issubdtype(array.dtype, jnp.floating)]
    return [array.astype(jnp.result_type(float, *floating)) for array in arrays]


def initial_weights(
    start: Values | None, shape: tuple[int, ...], dtype: DTypeLike
) -> Float[Array, "..."]:
    """The weights at t = 0, by default zero.

    Raises:
        ValueError: `start` has another shape or numbers that are not finite.
    """
    weights = jnp.zeros(shape, dtype) if start is None else jnp.asarray(start).astype(dtype)
    check_shape("start", weights, shape, "pass the weights at t = 0, or None for zeros")
    check_values("start", weights, "finite numbers", "pass finite weights")
    return weights


def as_rate(learning_rate: Values, dtype: DTypeLike) -> Float[Array, ""]:
    """eta as an array.

    Raises:
        ValueError: it is no finite scalar >= 0.
    """
    eta = jnp.asarray(learning_rate).astype(dtype)
    check_shape("learning_rate", eta, (), "vmap over several")
    check_values("learning_rate", eta, "finite numbers >= 0", "pass a step size")
    return eta


def feature_weights(
    name: str, values: Values, like: Float[Array, " features"]
) -> Float[Array, " features"]:
    """One weight for each feature.

    Raises:
        ValueError: the shape is not that of `like`, or a weight is negative or not finite.
    """
    weights = jnp.asarray(values).astype(like.dtype)
    check_shape(name, weights, like.shape, "give each feature one")
    check_values(name, weights, "finite numbers >= 0", "pass weights of at least 0")
    return weights


def check_shape(
    name: str, array: Float[Array, "..."], shape: tuple[int | str, ...], do: str
) -> None:
    """Raise ValueError unless the shape is `shape`, where a string stands for any size."""
    sizes = [
        have if isinstance(want, str) else want
        for have, want in zip(array.shape, shape, strict=False)
    ]
    if array.ndim != len(shape) or list(array.shape) != sizes:
        expected = ", ".join(map(str, shape))
        raise fail(name, f"shape [{expected}]", f"{list(array.shape)}", do, described=True)


def check_values(
    name: str, values: ArrayLike, expected: str, do: str, scale: ArrayLike = 0
) -> None:
    """Raise ValueError with the first value that is not as expected; traced values pass."""
    if isinstance(values, Tracer):
        return
    values = np.asarray(values)
    tolerance = float(jnp.finfo(values.dtype).eps) ** 0.5 * np.asarray(scale)
    holds = _CONDITIONS[expected](values, tolerance)
    if not np.all(holds):
        raise fail(name, expected, f"{values[~holds].flat[0]}", do, described=True)


def check_moment(moment: Float[Array, "..."], features: int) -> None:
    """Raise ValueError for a second moment of another shape, diagonal or symmetry.

    Callers check its eigenvalues.
    """
    shape = (features,) * (2 if moment.ndim == 2 else 1)
    check_shape("second_moment", moment, shape, "pass E[x x^T] or its diagonal")
    variances = moment if moment.ndim == 1 else jnp.diagonal(moment)
    check_values("variances", variances, "finite numbers >= 0", "pass E[x_i^2]")
    if moment.ndim == 2:
        name = "second_moment minus its transpose"
        check_values(name, moment - moment.T, "0", "pass E[x x^T]", jnp.max(variances))


def check_eigenvalues(name: str, eigenvalues: Float[Array, " modes"]) -> None:
    """Raise ValueError for ascending eigenvalues that are below 0 by more than rounding."""
    name = f"eigenvalues of {name}"
    check_values(name, eigenvalues, "numbers >= 0", "pass C = E[x x^T]", eigenvalues[-1])
