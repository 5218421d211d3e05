"""Population loss of ReLU autoencoders on data with one active feature."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxsup.theory.arguments import as_floats, check_shape, check_values, feature_weights
from jaxsup.theory.modes import product
from jaxsup.validation import Values


def one_sparse_errors_from_gram(
    gram: Values,
    bias: Values,
    *,
    gains: Values | None = None,
    frequencies: Values | None = None,
) -> Float[Array, " features"]:
    """sum_j f_j T_ij with T_ij = int_0^1 (delta_ij A_i v - relu(gram_ij v + bias_i))^2 dv.

    This is E (A_i x_i - y_i)^2 for data x = v e_j, j drawn by ``frequencies`` f (uniform by
    default) and v uniform on [0, 1]; the student is y = relu(gram x + bias). ``gram`` [features,
    features] has output i's response to feature j in row i and need not be symmetric; ``bias`` and
    the diagonal teacher's ``gains`` A (1 by default) are [features]. The error is linear in v where
    the output is active and delta_ij A_i v elsewhere; the square of a linear function integrates to
    d (e^2 + e e' + e'^2) / 3 over a length d with end values e and e', free of cancellation [2].
    Values and gradients are finite everywhere (relu'(0) = 0), second derivatives away from
    gram_ij = bias_i = 0. Raises ValueError for shapes that do not match and frequencies that are
    negative or do not sum to 1.
    """
    gram_, bias_, gains_ = as_floats(gram, bias, 1.0 if gains is None else gains)
    check_shape("gram", gram_, ("outputs", "features"), "pass responses of outputs to features")
    check_shape("gram", gram_, (gram_.shape[1],) * 2, "give each feature one output")
    check_shape("bias", bias_, gram_.shape[:1], "give each output one bias")
    gains_ = jnp.ones_like(bias_) if gains is None else gains_
    check_shape("gains", gains_, bias_.shape, "give each feature its gain")
    errors = _response_error(gram_, bias_[:, None], jnp.diag(gains_))
    if frequencies is None:
        return jnp.mean(errors, axis=1)
    f = feature_weights("frequencies", frequencies, bias_)
    check_values("sum of frequencies", jnp.sum(f), "1", "divide by it")
    return jnp.sum(errors * f[None, :], axis=1)


def one_sparse_errors(
    W: Values, bias: Values, *, frequencies: Values | None = None
) -> Float[Array, " features"]:
    """E (x_i - y_i)^2 of each output of y = relu(W^T W x + bias) on one-active-feature data.

    `one_sparse_errors_from_gram` of W^T W, with its data and errors; ``W`` is [latent, features].
    """
    (W_,) = as_floats(W)
    check_shape("W", W_, ("latent", "features"), "vmap over several")
    return one_sparse_errors_from_gram(product(W_.T, W_), bias, frequencies=frequencies)


def one_sparse_loss(
    W: Values,
    bias: Values,
    *,
    importance: Values | None = None,
    frequencies: Values | None = None,
) -> Float[Array, ""]:
    """sum_i importance_i E (x_i - y_i)^2, by default (1/N) sum_ij T_ij; there is no 1/2 [2].

    The sum of `one_sparse_errors` weighted by ``importance`` [features] >= 0, by default 1. A mean
    over outputs, as the toy-model literature has it, is this divided by N. Raises ValueError as
    `one_sparse_errors` does and for an importance that is negative or of another shape.

    >>> float(one_sparse_loss([[1.0, -1.0]], [0.0, 0.0]))  # an antipodal pair in one dimension
    0.0
    """
    errors = one_sparse_errors(W, bias, frequencies=frequencies)
    if importance is None:
        return jnp.sum(errors)
    return jnp.sum(feature_weights("importance", importance, errors) * errors)


def _active_interval(gain, bias, target):
    """Where in [0, 1] gain v + bias > 0: start, stop, length, error at start, error at stop."""
    gain = jnp.where(jnp.abs(gain) < jnp.finfo(gain.dtype).tiny, 0, gain)  # bias / gain is finite
    end = gain + bias
    at_start, at_end = bias > 0, end > 0
    divisor = jnp.where(at_start != at_end, gain, 1)
    kink = -bias / divisor
    start = jnp.where(at_start, 0, jnp.where(at_end, kink, 1))
    stop = jnp.where(at_start & ~at_end, kink, 1)
    length = jnp.where(at_end, jnp.where(at_start, 1, end / divisor), jnp.where(at_start, kink, 0))
    first = jnp.where(at_start, -bias, target * start)
    last = jnp.where(at_end, target - end, target * stop)
    return start, stop, length, first, last


@jax.custom_jvp
@jax.jit
def _response_error(gain, bias, target):
    """int_0^1 (target v - relu(gain v + bias))^2 dv, elementwise."""
    start, stop, length, first, last = _active_interval(gain, bias, target)
    idle = target**2 * (start**3 + (1 - stop**3)) / 3
    return idle + length * (first**2 + first * last + last**2) / 3


@_response_error.defjvp
@jax.jit
def _response_error_jvp(primals, tangents):
    # The integrand e^2 is continuous, so the motion of the kink does not count. The derivatives are
    # -2 int e dv (bias), -2 int v e dv (gain), both over the active interval, and 2 int v e dv
    # over all v (target), without any 1 / gain.
    start, stop, length, first, last = _active_interval(*primals)
    d_bias = -length * (first + last)
    d_gain = -length * (start * (2 * first + last) + stop * (first + 2 * last)) / 3
    d_target = 2 * primals[2] * (start**3 + (1 - stop**3)) / 3 - d_gain
    slope = d_gain * tangents[0] + d_bias * tangents[1] + d_target * tangents[2]
    return _response_error(*primals), slope
