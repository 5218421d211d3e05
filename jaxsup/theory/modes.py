"""Sums over independent modes that decay, and the products that lead to them."""

from functools import partial, reduce

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxsup._internal.validation import Values, check_choice
from jaxsup.theory.arguments import as_rate, check_values

_CHUNK = 2**16  # modes times steps evaluated at once, which bounds memory


def decay_curve(
    weights: Float[Array, "*modes"],
    rates: Float[Array, "*modes"],
    learning_rate: Values,
    steps: Values,
    dynamics: str,
) -> Float[Array, "*steps"]:
    """sum_m weights_m rho(learning_rate rates_m, t) for t in ``steps``; rho is `_squared_gap`.

    Raises:
        ValueError: ``dynamics`` is neither "discrete" nor "flow", or ``learning_rate`` or ``steps``
            are out of range.
    """
    check_choice("dynamics", dynamics, ("discrete", "flow"))
    t = jnp.asarray(steps).astype(weights.dtype)
    check_values("steps", t, "finite numbers >= 0", "count updates from 0")
    return _sum_modes(weights, as_rate(learning_rate, rates.dtype) * rates, t, dynamics)


@partial(jax.jit, static_argnames="dynamics")
def _sum_modes(
    weights: Float[Array, "*modes"],
    x: Float[Array, "*modes"],
    t: Float[Array, "*steps"],
    dynamics: str,
) -> Float[Array, "*steps"]:
    weights, x = weights.ravel(), x.ravel()
    x = jnp.where((weights == 0) & (x > 2), 0, x)  # where 0 * inf would be NaN

    @jax.checkpoint  # otherwise gradients keep all modes of all steps
    def loss(step: Float[Array, ""]) -> Float[Array, ""]:
        return jnp.sum(weights * _squared_gap(x, step, dynamics))

    chunk = max(1, min(t.size, _CHUNK // max(1, weights.size)))
    return jax.lax.map(loss, t.ravel(), batch_size=chunk).reshape(t.shape)


def _squared_gap(
    x: Float[Array, " modes"], step: Float[Array, ""], dynamics: str
) -> Float[Array, " modes"]:
    """exp(-2 x step) for "flow", (1 - x)^(2 step) for "discrete"."""
    if dynamics == "flow":
        return jnp.exp(-2 * step * x)
    # log1p keeps all digits of x near 0 and of 2 - x near 2; only a power is smooth at x = 1.
    central = jnp.abs(x - 1) < 0.5
    distance = jnp.where(central, 0, jnp.where(x > 1, 2 - x, x))
    base = jnp.where(central & (step > 0), (1 - x) ** 2, 1)
    return jnp.exp(2 * step * jnp.log1p(-distance)) * base**step


def product(*matrices: Float[Array, "..."]) -> Float[Array, "..."]:
    """The product of all matrices, from left to right, at full precision."""
    return reduce(partial(jnp.matmul, precision=jax.lax.Precision.HIGHEST), matrices)


def apply_moment(
    matrix: Float[Array, "rows features"], moment: Float[Array, "..."]
) -> Float[Array, "rows features"]:
    """matrix C, where the moment is C [features, features] or its diagonal [features]."""
    return matrix * moment[None, :] if moment.ndim == 1 else product(matrix, moment)
