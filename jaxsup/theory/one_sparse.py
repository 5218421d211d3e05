"""Population loss of ReLU autoencoders on data with one active feature."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxsup._internal.validation import Values, check_choice
from jaxsup.theory.arguments import as_floats, check_shape, check_values, feature_weights
from jaxsup.theory.modes import product
from jaxsup.theory.tied_loss import tied_loss


def one_sparse_errors_from_gram(
    gram: Values,
    bias: Values,
    *,
    gains: Values | None = None,
    frequencies: Values | None = None,
    values: str = "unit",
) -> Float[Array, " features"]:
    """sum_j f_j T_ij with T_ij = E_v (delta_ij A_i v - relu(gram_ij v + bias_i))^2.

    This is E (A_i x_i - y_i)^2 for data x = v e_j, j drawn by ``frequencies`` f (uniform by
    default) and v uniform on [0, 1], or v = 1 with ``values="one"``; the student is
    y = relu(gram x + bias). ``gram`` [features, features] has output i's response to feature j in
    row i and need not be symmetric; ``bias`` and the diagonal teacher's ``gains`` A (1 by default)
    are [features]. For uniform v the error is linear in v where
    the output is active and delta_ij A_i v elsewhere; the square of a linear function integrates to
    d (e^2 + e e' + e'^2) / 3 over a length d with end values e and e', free of cancellation [2].
    For v = 1, T_ij = (delta_ij A_i - relu(gram_ij + bias_i))^2.
    Values and gradients are finite everywhere (relu'(0) = 0), second derivatives away from
    gram_ij = bias_i = 0. Raises ValueError for shapes that do not match, frequencies that are
    negative or do not sum to 1, and other values.
    """
    check_choice("values", values, _RESPOND)
    gram_, bias_, gains_ = as_floats(gram, bias, 1.0 if gains is None else gains)
    check_shape("gram", gram_, ("outputs", "features"), "pass responses of outputs to features")
    check_shape("gram", gram_, (gram_.shape[1],) * 2, "give each feature one output")
    check_shape("bias", bias_, gram_.shape[:1], "give each output one bias")
    gains_ = jnp.ones_like(bias_) if gains is None else gains_
    check_shape("gains", gains_, bias_.shape, "give each feature its gain")
    errors = _ERROR[values](gram_, bias_[:, None], jnp.diag(gains_))
    if frequencies is None:
        return jnp.mean(errors, axis=1)
    f = feature_weights("frequencies", frequencies, bias_)
    check_values("sum of frequencies", jnp.sum(f), "1", "divide by it")
    return jnp.sum(errors * f[None, :], axis=1)


def one_sparse_errors(
    W: Values, bias: Values, *, frequencies: Values | None = None, values: str = "unit"
) -> Float[Array, " features"]:
    """E (x_i - y_i)^2 of each output of y = relu(W^T W x + bias) on one-active-feature data.

    `one_sparse_errors_from_gram` of W^T W, with its data and errors; ``W`` is [latent, features].
    """
    (W_,) = as_floats(W)
    check_shape("W", W_, ("latent", "features"), "vmap over several")
    gram = product(W_.T, W_)
    return one_sparse_errors_from_gram(gram, bias, frequencies=frequencies, values=values)


def one_sparse_loss(
    W: Values,
    bias: Values,
    *,
    importance: Values | None = None,
    gains: Values | None = None,
    frequencies: Values | None = None,
    values: str = "unit",
) -> Float[Array, ""]:
    """sum_i importance_i E (A_i x_i - y_i)^2, by default (1/N) sum_ij T_ij; there is no 1/2 [2].

    The sum of `one_sparse_errors_from_gram` of W^T W, weighted by ``importance`` [features] >= 0,
    by default 1; the other arguments are those of that function, and ``W`` is [latent, features].
    A mean over outputs, as the toy-model literature has it, is this divided by N. Its gradient by W
    and bias is written out (`jaxsup.theory.tied_loss`) and costs as much as the loss. Raises
    ValueError as that function does and for an importance that is negative or of another shape.

    >>> float(one_sparse_loss([[1.0, -1.0]], [0.0, 0.0]))  # an antipodal pair in one dimension
    0.0
    """
    check_choice("values", values, _RESPOND)
    W_, bias_ = as_floats(W, bias)
    check_shape("W", W_, ("latent", "features"), "vmap over several")
    check_shape("bias", bias_, W_.shape[1:], "give each output one bias")
    ones = jnp.ones_like(bias_)
    if frequencies is None:
        f = ones / bias_.shape[0]
    else:
        f = feature_weights("frequencies", frequencies, bias_)
        check_values("sum of frequencies", jnp.sum(f), "1", "divide by it")
    weights = ones if importance is None else feature_weights("importance", importance, bias_)
    targets = ones if gains is None else jnp.asarray(gains).astype(bias_.dtype)
    check_shape("gains", targets, bias_.shape, "give each feature its gain")
    return tied_loss(_RESPOND[values], W_, bias_, weights, f, targets)


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
    return _response_slopes(gain, bias, target)[0]


@_response_error.defjvp
@jax.jit
def _response_error_jvp(primals, tangents):
    # 2 int v e dv over all v (target) is the active part, which is that of the gain with its sign
    # changed, and the idle part.
    error, d_gain, d_bias, start, stop = _response_slopes(*primals)
    d_target = 2 * primals[2] * (start**3 + (1 - stop**3)) / 3 - d_gain
    slope = d_gain * tangents[0] + d_bias * tangents[1] + d_target * tangents[2]
    return error, slope


def _response_slopes(gain, bias, target):
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


def _respond_uniform(gain, bias, target):
    return _response_slopes(gain, bias, target)[:3]


def _respond_one(gain, bias, target):
    """(target - relu(gain + bias))^2 and its derivatives, elementwise."""
    z = gain + bias
    output = jax.nn.relu(z)
    slope = 2 * output - jnp.where(z > 0, 2 * target, 0)
    return (output - target) ** 2, slope, slope


def _one_error(gain, bias, target):
    return (target - jax.nn.relu(gain + bias)) ** 2


_ERROR = {"unit": _response_error, "one": _one_error}
_RESPOND = {"unit": _respond_uniform, "one": _respond_one}
