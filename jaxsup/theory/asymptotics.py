"""Power laws of infinitely many features without superposition."""

import jax.numpy as jnp
from jax.scipy.special import gammaln
from jaxtyping import Array, Float

from jaxsup._internal.validation import Values
from jaxsup.theory.arguments import as_floats, check_values


def training_exponent(a: Values, b: Values) -> Float[Array, "..."]:
    """alpha = (a + 2b - 1) / a, the exponent of L(t) ~ t^-alpha without superposition.

    Where alpha <= 0 the initial loss sum_i i^-(a + 2b) diverges as features are added: its tail
    does not converge and there is no power law. `asymptotic_loss` has the derivation.

    Arguments:
        a: > 0; the features' second moments fall as i^-a. Any shape.
        b: finite; the teacher's gains fall as i^-b. Any shape that broadcasts with `a`.

    Returns:
        alpha, shaped like the two together.

    Raises:
        ValueError: a <= 0, or a value is not finite.

    Reference: [1].

    >>> float(training_exponent(2.0, 1.0))
    1.5
    """
    a_, b_ = jnp.broadcast_arrays(*as_floats(a, b))
    check_values("a", a_, "finite numbers > 0", "pass a of i^-a")
    check_values("b", b_, "finite numbers", "pass b of the gains i^-b")
    return (a_ + 2 * b_ - 1) / a_


def asymptotic_amplitude(
    a: Values, b: Values, learning_rate: Values, leading_variance: Values
) -> Float[Array, "..."]:
    """(l_1 / 2a) Gamma(alpha) (2 eta l_1)^-alpha: late in training L(t) is this times t^-alpha.

    This is `asymptotic_loss` at t = 1.

    Arguments:
        a: > 0, see `asymptotic_loss`; all arguments broadcast.
        b: so that a + 2b > 1.
        learning_rate: eta > 0.
        leading_variance: l_1 = E[x_1^2] > 0.

    Raises:
        ValueError: a value is out of range.
    """
    return asymptotic_loss(a, b, learning_rate, leading_variance, 1.0)


def asymptotic_loss(
    a: Values, b: Values, learning_rate: Values, leading_variance: Values, steps: Values
) -> Float[Array, "..."]:
    """L(t) ~ (l_1 / 2a) Gamma(alpha) (2 eta l_1 t)^-alpha for infinitely many features.

    With l_i = l_1 i^-a, A_ii = i^-b and a zero start, L(t) = (l_1 / 2) sum_i i^-(a + 2b) exp(-s
    i^-a), s = 2 eta l_1 t. The sum becomes an integral over i; u = s i^-a makes it (l_1 / 2a)
    s^-alpha int_0^s u^(alpha - 1) e^-u du, which tends to Gamma(alpha). With N features this holds
    for 1 << s << N^a; discrete dynamics differ by a relative O(1/t).

    Arguments:
        a: > 0, exponent of the second moments; all arguments broadcast.
        b: exponent of the gains, so that alpha = (a + 2b - 1) / a > 0.
        learning_rate: eta > 0.
        leading_variance: l_1 = E[x_1^2] > 0.
        steps: t >= 0, numbers of updates.

    Returns:
        The loss; infinite at t = 0 and, when traced, for alpha <= 0.

    Raises:
        ValueError: a value is out of range.

    Reference: [1] has the exponent; the amplitude is derived above.
    """
    inputs = as_floats(a, training_exponent(a, b), learning_rate, leading_variance, steps)
    a_, alpha, eta, variance, t = jnp.broadcast_arrays(*inputs)
    check_values("a + 2b - 1", a_ * alpha, "finite numbers > 0", "raise a or b")
    check_values("learning_rate", eta, "finite numbers > 0", "pass a step size")
    check_values("leading_variance", variance, "finite numbers > 0", "pass E[x_1^2]")
    check_values("steps", t, "finite numbers >= 0", "count updates from 0")
    safe = jnp.where(alpha > 0, alpha, 1)
    log_loss = jnp.log(variance / (2 * a_)) + gammaln(safe) - safe * jnp.log(2 * eta * variance * t)
    return jnp.where(alpha > 0, jnp.exp(log_loss), jnp.inf)
