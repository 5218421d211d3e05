"""Squared error of one ReLU response to one feature, averaged over the feature's value.

The output is relu(gain v + bias), the target v times `target`. For v uniform on [0, 1] the error is
linear in v where the output is active and target v elsewhere; the square of a linear function
integrates to d (e^2 + e e' + e'^2) / 3 over a length d with end values e and e', free of
cancellation. Everything is elementwise.

Reference: [2] of `jaxsup.theory`, whose piecewise polynomials these are.
"""

from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

Pairs: TypeAlias = Float[Array, "..."]
"""One number for each pair of an output and a feature; shapes broadcast."""


def _active_interval(
    gain: Pairs, bias: Pairs, target: Pairs
) -> tuple[Pairs, Pairs, Pairs, Pairs, Pairs]:
    """Where in [0, 1] gain v + bias > 0: start, stop, length, error at start, error at stop."""
    gain = jnp.where(jnp.abs(gain) < jnp.finfo(gain.dtype).tiny, 0, gain)  # bias / gain is finite
    end = gain + bias
    at_start, at_end = bias > 0, end > 0
    divisor = jnp.where(at_start != at_end, gain, 1)
    kink = -bias / divisor
    start = jnp.where(at_start, 0, jnp.where(at_end, kink, 1))
    stop = jnp.where(at_start & ~at_end, kink, 1)
    idle = jnp.where(end <= 0, 0, end)  # NaN of NaN, which is no response that is silent
    length = jnp.where(
        at_end, jnp.where(at_start, 1, end / divisor), jnp.where(at_start, kink, idle)
    )
    first = jnp.where(at_start, -bias, target * start)
    last = jnp.where(at_end, target - end, target * stop)
    return start, stop, length, first, last


@jax.custom_jvp
@jax.jit
def uniform_error(gain: Pairs, bias: Pairs, target: Pairs) -> Pairs:
    """int_0^1 (target v - relu(gain v + bias))^2 dv, for v uniform on [0, 1]."""
    return _uniform_slopes(gain, bias, target)[0]


@uniform_error.defjvp
@jax.jit
def _uniform_error_derivative(
    primals: tuple[Array, ...], tangents: tuple[Any, ...]
) -> tuple[Array, Array]:
    # 2 int v e dv over all v (target) is the active part, which is that of the gain with its sign
    # changed, and the idle part.
    error, d_gain, d_bias, start, stop = _uniform_slopes(*primals)
    d_target = 2 * primals[2] * (start**3 + (1 - stop**3)) / 3 - d_gain
    slope = d_gain * tangents[0] + d_bias * tangents[1] + d_target * tangents[2]
    return error, slope


def _uniform_slopes(
    gain: Pairs, bias: Pairs, target: Pairs
) -> tuple[Pairs, Pairs, Pairs, Pairs, Pairs]:
    """The error, its derivatives by gain and bias, and the ends of the active interval."""
    # The integrand e^2 is continuous, so the motion of the kink does not count. The derivatives are
    # -2 int e dv (bias) and -2 int v e dv (gain), both over the active interval, without any
    # 1 / gain.
    start, stop, length, first, last = _active_interval(gain, bias, target)
    idle = target**2 * (start**3 + (1 - stop**3)) / 3
    error = idle + length * (first**2 + first * last + last**2) / 3
    d_bias = -length * (first + last)
    d_gain = -length * (start * (2 * first + last) + stop * (first + 2 * last)) / 3
    return error, d_gain, d_bias, start, stop


def uniform_response(gain: Pairs, bias: Pairs, target: Pairs) -> tuple[Pairs, Pairs, Pairs]:
    """`uniform_error` and its derivatives by gain and bias."""
    return _uniform_slopes(gain, bias, target)[:3]


def one_response(gain: Pairs, bias: Pairs, target: Pairs) -> tuple[Pairs, Pairs, Pairs]:
    """`one_error` and its derivatives by gain and bias."""
    z = gain + bias
    output = jax.nn.relu(z)
    slope = 2 * output - jnp.where(z > 0, 2 * target, 0)
    return (output - target) ** 2, slope, slope


def one_error(gain: Pairs, bias: Pairs, target: Pairs) -> Pairs:
    """(target - relu(gain + bias))^2, for v = 1."""
    return (target - jax.nn.relu(gain + bias)) ** 2
