"""Learning curves of linear students without superposition (W = identity)."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxsup._internal.validation import Values
from jaxsup.theory.arguments import (
    as_floats,
    check_eigenvalues,
    check_moment,
    check_shape,
    check_values,
    initial_weights,
)
from jaxsup.theory.modes import decay_curve, product


def diagonal_loss_curve(
    variances: Values,
    gains: Values,
    learning_rate: Values,
    steps: Values,
    *,
    dynamics: str = "discrete",
    start: Values | None = None,
) -> Float[Array, "*steps"]:
    """L(t) = 1/2 sum_i l_i (A_i - start_i)^2 (1 - eta l_i)^(2t); "flow": exp(-2 eta l_i t).

    The student yhat_i = B_i x_i of uncorrelated features: `full_loss_curve` with everything
    diagonal. Small eta l_i lose no digits, and memory is bounded: a million features times hundreds
    of steps are fine, with gradients.

    Arguments:
        variances: l_i = E[x_i^2] >= 0, [features].
        gains: A_i, [features].
        learning_rate: eta >= 0, a scalar.
        steps: numbers of updates t >= 0, of any shape.
        dynamics: "discrete" or "flow".
        start: the weights at t = 0, [features]; default: zero.

    Returns:
        The loss, shaped like `steps`.

    Raises:
        ValueError: shapes do not match, a value is out of range, or `dynamics` is another word.

    Reference: [1].

    >>> diagonal_loss_curve([1.0, 0.5], [1.0, 1.0], 1.0, [0, 1, 2]).tolist()
    [0.75, 0.0625, 0.015625]
    """
    moment, gains_ = as_floats(variances, gains)
    check_shape("variances", moment, ("features",), "call full_loss_curve if they are correlated")
    check_shape("gains", gains_, moment.shape, "give each feature its gain")
    check_values("gains", gains_, "finite numbers", "pass finite gains")
    check_moment(moment, moment.size)
    gap = gains_ - initial_weights(start, gains_.shape, moment.dtype)
    return decay_curve(0.5 * moment * gap**2, moment, learning_rate, steps, dynamics)


def full_loss_curve(
    second_moment: Values,
    teacher: Values,
    learning_rate: Values,
    steps: Values,
    *,
    start: Values | None = None,
    dynamics: str = "discrete",
) -> Float[Array, "*steps"]:
    """L(t) = 1/2 tr[(B - A) C (B - A)^T] of the student yhat = B x, for any A and C.

    The gradient is (B - A) C, so B(t) = A + (start - A)(I - eta C)^t, or exp(-eta C t) for "flow".
    With C v_k = l_k v_k the loss is 1/2 sum_k l_k |(A - start) v_k|^2 (1 - eta l_k)^(2t).

    In float32 the eigenvalues of a dense C below about 1e-6 of the largest are noise: pass a
    diagonal C as [features], or enable x64. Gradients with respect to a dense C need distinct
    eigenvalues.

    Arguments:
        second_moment: C = E[x x^T], [features, features], or its diagonal [features].
        teacher: A, [outputs, features].
        learning_rate: eta >= 0, a scalar.
        steps: numbers of updates t >= 0, of any shape.
        start: the weights at t = 0, [outputs, features]; default: zero.
        dynamics: "discrete" or "flow".

    Returns:
        The loss, shaped like `steps`.

    Raises:
        ValueError: shapes do not match, C is not symmetric and positive semi-definite, a value is
            out of range, or `dynamics` is another word.
    """
    moment, A = as_floats(second_moment, teacher)
    check_shape("teacher", A, ("outputs", "features"), "use jnp.diag for a diagonal one")
    check_values("teacher", A, "finite numbers", "pass a finite A")
    check_moment(moment, A.shape[1])
    gap = A - initial_weights(start, A.shape, A.dtype)
    if moment.ndim == 2:
        eigenvalues, basis = jnp.linalg.eigh(moment)
        check_eigenvalues("second_moment", eigenvalues)
        moment, gap = jnp.maximum(eigenvalues, 0), product(gap, basis)
    weights = 0.5 * moment * jnp.sum(gap**2, axis=0)
    return decay_curve(weights, moment, learning_rate, steps, dynamics)


def augment_with_bias(
    second_moment: Values, mean: Values, teacher: Values
) -> tuple[Float[Array, "inputs inputs"], Float[Array, "outputs inputs"]]:
    """[[C, m], [m^T, 1]] and [A, 0]: the second moment and teacher of the student yhat = B x + c.

    A bias is the column of a feature that is always 1, so the curve is
    ``full_loss_curve(*augment_with_bias(C, m, A), ...)``, whose ``start`` [outputs, features + 1]
    ends with the bias.

    Arguments:
        second_moment: C = E[x x^T], [features, features], or its diagonal [features].
        mean: m = E[x], [features].
        teacher: A, [outputs, features].

    Returns:
        The two matrices; inputs = features + 1.

    Raises:
        ValueError: shapes do not match, C is not symmetric, or a value is out of range.

    >>> augment_with_bias([2.0], [1.0], [[3.0]])[0].tolist()
    [[2.0, 1.0], [1.0, 1.0]]
    """
    moment, m, A = as_floats(second_moment, mean, teacher)
    check_shape("teacher", A, ("outputs", "features"), "use jnp.diag for a diagonal one")
    check_shape("mean", m, A.shape[1:], "pass E[x]")
    check_values("teacher", A, "finite numbers", "pass a finite A")
    check_values("mean", m, "finite numbers", "pass E[x]")
    check_moment(moment, m.size)
    dense = jnp.diag(moment) if moment.ndim == 1 else moment
    augmented = jnp.block([[dense, m[:, None]], [m[None, :], jnp.ones((1, 1), m.dtype)]])
    return augmented, jnp.pad(A, ((0, 0), (0, 1)))
