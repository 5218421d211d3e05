"""Arguments of the closed forms: arrays of one dtype, checked where they are concrete."""

import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.typing import ArrayLike
from jaxtyping import Array


def as_floats(*inputs) -> list[Array]:
    """Arrays of one floating dtype, the promoted one of those inputs that have one."""
    arrays = [jnp.asarray(value) for value in inputs]
    floating = [array for array in arrays if jnp.issubdtype(array.dtype, jnp.floating)]
    return [array.astype(jnp.result_type(float, *floating)) for array in arrays]


def initial_weights(start, shape, dtype) -> Array:
    weights = jnp.zeros(shape, dtype) if start is None else jnp.asarray(start).astype(dtype)
    check_shape("start", weights, shape, "pass the weights at t = 0, or None for zeros")
    check_values("start", weights, "finite", "pass finite weights")
    return weights


def as_rate(learning_rate, dtype) -> Array:
    eta = jnp.asarray(learning_rate).astype(dtype)
    check_shape("learning_rate", eta, (), "vmap over several")
    check_values("learning_rate", eta, "non-negative and finite", "pass a step size")
    return eta


def feature_weights(name, values, like) -> Array:
    weights = jnp.asarray(values).astype(like.dtype)
    check_shape(name, weights, like.shape, "give each feature one")
    check_values(name, weights, "non-negative and finite", "pass weights of at least 0")
    return weights


def check_shape(name, array, shape, remedy) -> None:
    """Raise ValueError unless the shape is ``shape``, where a string stands for any size."""
    sizes = [
        have if isinstance(want, str) else want
        for have, want in zip(array.shape, shape, strict=False)
    ]
    if array.ndim != len(shape) or list(array.shape) != sizes:
        wanted = ", ".join(map(str, shape))
        raise ValueError(f"expected {name} of shape [{wanted}]; got {list(array.shape)}; {remedy}")


_CONDITIONS = {  # of values v and a tolerance for rounding
    "1": lambda v, _: np.abs(v - 1) <= 1e-4,
    "finite": lambda v, _: np.isfinite(v),
    "non-negative": lambda v, tolerance: v >= -tolerance,
    "non-negative and finite": lambda v, _: (v >= 0) & (v < np.inf),
    "positive and finite": lambda v, _: (v > 0) & (v < np.inf),
    "zero": lambda v, tolerance: np.abs(v) <= tolerance,
}


def check_values(name, values, expected, remedy, scale: ArrayLike = 0) -> None:
    """Raise ValueError with the first value that is not as expected; traced values pass."""
    if isinstance(values, Tracer):
        return
    values = np.asarray(values)
    tolerance = float(jnp.finfo(values.dtype).eps) ** 0.5 * np.asarray(scale)
    holds = _CONDITIONS[expected](values, tolerance)
    if not np.all(holds):
        bad = values[~holds].flat[0]
        raise ValueError(f"expected {name} to be {expected}; got {bad}; {remedy}")


def check_moment(moment, features) -> None:
    """Check a second moment's shape, diagonal and symmetry; callers check its eigenvalues."""
    shape = (features,) * (2 if moment.ndim == 2 else 1)
    check_shape("second_moment", moment, shape, "pass E[x x^T] or its diagonal")
    variances = moment if moment.ndim == 1 else jnp.diagonal(moment)
    check_values("variances", variances, "non-negative and finite", "pass E[x_i^2]")
    if moment.ndim == 2:
        name = "second_moment minus its transpose"
        check_values(name, moment - moment.T, "zero", "pass E[x x^T]", jnp.max(variances))


def check_eigenvalues(name, eigenvalues) -> None:
    """Check that ascending eigenvalues are not below 0 by more than rounding."""
    name = f"eigenvalues of {name}"
    check_values(name, eigenvalues, "non-negative", "pass C = E[x x^T]", eigenvalues[-1])
