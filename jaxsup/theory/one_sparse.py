"""Population loss of ReLU autoencoders on data with one active feature."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxsup._internal.validation import Values, check_choice
from jaxsup.theory.arguments import as_floats, check_shape, check_values, feature_weights
from jaxsup.theory.modes import product
from jaxsup.theory.response import one_error, one_response, uniform_error, uniform_response
from jaxsup.theory.tied_loss import tied_loss

_ERROR = {"unit": uniform_error, "one": one_error}
_RESPOND = {"unit": uniform_response, "one": one_response}


def one_sparse_errors_from_gram(
    gram: Values,
    bias: Values,
    *,
    gains: Values | None = None,
    frequencies: Values | None = None,
    values: str = "unit",
) -> Float[Array, " features"]:
    """sum_j f_j T_ij with T_ij = E_v (delta_ij A_i v - relu(gram_ij v + bias_i))^2.

    This is E (A_i x_i - y_i)^2 for data x = v e_j, j drawn by the frequencies f and v uniform on
    [0, 1], or v = 1; the student is y = relu(gram x + bias). For v = 1, T_ij = (delta_ij A_i -
    relu(gram_ij + bias_i))^2; for uniform v see `jaxsup.theory.response`. Values and gradients are
    finite everywhere (relu'(0) = 0), second derivatives away from gram_ij = bias_i = 0.

    Arguments:
        gram: response of output i (rows) to feature j, [features, features]; not necessarily
            symmetric.
        bias: c, [features].
        gains: the diagonal teacher's A, [features]; default: 1.
        frequencies: f >= 0 with sum 1, [features]; default: uniform.
        values: "unit", v uniform on [0, 1], or "one", v = 1.

    Returns:
        The mean squared error of each output; there is no 1/2.

    Raises:
        ValueError: shapes do not match, frequencies are negative or do not sum to 1, or `values` is
            another word.

    Reference: [2].
    """
    check_choice("values", values, _RESPOND)
    gram_, bias_, gains_ = as_floats(gram, bias, 1.0 if gains is None else gains)
    check_shape("gram", gram_, ("outputs", "features"), "pass responses of outputs to features")
    check_shape("gram", gram_, (gram_.shape[1],) * 2, "give each feature one output")
    check_shape("bias", bias_, gram_.shape[:1], "give each output one bias")
    gains_ = jnp.ones_like(bias_) if gains is None else gains_
    check_shape("gains", gains_, bias_.shape, "give each feature its gain")
    _check_finite(gram=gram_, bias=bias_, gains=gains_)
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

    `one_sparse_errors_from_gram` of W^T W, with its data.

    Arguments:
        W: [latent, features].
        bias: c, [features].
        frequencies: f >= 0 with sum 1, [features]; default: uniform.
        values: "unit", v uniform on [0, 1], or "one", v = 1.

    Raises:
        ValueError: W is no matrix, or as `one_sparse_errors_from_gram`.
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
    """sum_i importance_i E (A_i x_i - y_i)^2, by default (1/N) sum_ij T_ij; there is no 1/2.

    The sum of `one_sparse_errors_from_gram` of W^T W. A mean over outputs, as the toy-model
    literature has it, is this divided by N. Its gradient by W and bias is written out
    (`jaxsup.theory.tied_loss`) and costs as much as the loss.

    Arguments:
        W: [latent, features].
        bias: c, [features].
        importance: weights >= 0 of the outputs, [features]; default: 1.
        gains: the diagonal teacher's A, [features]; default: 1.
        frequencies: f >= 0 with sum 1, [features]; default: uniform.
        values: "unit", v uniform on [0, 1], or "one", v = 1.

    Raises:
        ValueError: shapes do not match, a weight is negative, frequencies do not sum to 1, or
            `values` is another word.

    Reference: [2].

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
    _check_finite(W=W_, bias=bias_, gains=targets)
    return tied_loss(_RESPOND[values], W_, bias_, weights, f, targets)


def _check_finite(**arrays: Float[Array, "..."]) -> None:
    """Check that concrete arrays, by their names, are finite: no response to NaN is an active one.

    Raises:
        ValueError: one is not.
    """
    for name, array in arrays.items():
        check_values(name, array, "finite numbers", "leave out runs that diverged")
