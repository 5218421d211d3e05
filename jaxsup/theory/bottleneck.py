"""The linear student with a bottleneck: its modes, its learning curve and its floor."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxsup._internal.display import fields_in_short
from jaxsup._internal.validation import Values
from jaxsup.theory.arguments import (
    as_floats,
    as_rate,
    check_eigenvalues,
    check_moment,
    check_shape,
    check_values,
    initial_weights,
)
from jaxsup.theory.modes import apply_moment, decay_curve, product


class BottleneckSolution(NamedTuple):
    """Modes of a bottleneck student: L(t) = floor + sum_kl excess_kl (1 - rates_kl)^(2t).

    Mode (k, l) is the core's component left_k^T B right_l.

    Attributes:
        floor: loss of the optimal core.
        excess: each mode's share, >= 0, of the loss above the floor at t = 0.
        rates: eta phi_k gamma_l, per update; 0 where nothing moves.
        optimum: the optimal core B* of least norm.
        left: eigenvectors of F = W W^T, as columns.
        right: eigenvectors of G = W C W^T, as columns.
    """

    floor: Float[Array, ""]
    excess: Float[Array, "latent latent"]
    rates: Float[Array, "latent latent"]
    optimum: Float[Array, "latent latent"]
    left: Float[Array, "latent latent"]
    right: Float[Array, "latent latent"]
    __repr__ = fields_in_short


def bottleneck_solution(
    W: Values,
    second_moment: Values,
    teacher: Values,
    learning_rate: Values,
    *,
    start: Values | None = None,
) -> BottleneckSolution:
    """Solve dB/dt = -eta (F B G - W A C W^T), for the student yhat = W^T B W x with W frozen.

    With F = U diag(phi) U^T, G = V diag(gamma) V^T and R = U^T W A C W^T V, mode (k, l) goes to
    R_kl / (phi_k gamma_l) at the rate eta phi_k gamma_l, and the floor is 1/2 tr(A C A^T) - 1/2
    sum_kl R_kl^2 / (phi_k gamma_l). It is computed as the loss of the optimal core, which is the
    same without the cancellation. Modes whose phi_k or gamma_l is zero to rounding stand still, so
    zero rows in W are harmless.

    The floor has gradients wherever the rank of W is constant, at tight frames too; gradients of
    rates and excess with respect to W and C need distinct phi and distinct gamma.

    Arguments:
        W: [latent, features], frozen.
        second_moment: C = E[x x^T], [features, features], or its diagonal [features].
        teacher: A, [features, features].
        learning_rate: eta >= 0, a scalar.
        start: the core at t = 0, [latent, latent]; default: zero.

    Raises:
        ValueError: shapes do not match, C is not symmetric and positive semi-definite, or a value
            is out of range.
    """
    W_, moment, A = as_floats(W, second_moment, teacher)
    check_shape("W", W_, ("latent", "features"), "vmap over several")
    check_values("W", W_, "finite numbers", "pass finite weights")
    check_shape("teacher", A, (W_.shape[1], W_.shape[1]), "match the columns of W")
    check_values("teacher", A, "finite numbers", "pass a finite A")
    check_moment(moment, W_.shape[1])
    core = initial_weights(start, (W_.shape[0], W_.shape[0]), W_.dtype)
    solution, gamma = _solve_modes(W_, moment, A, as_rate(learning_rate, W_.dtype), core)
    check_eigenvalues("W C W^T", gamma)
    return solution


@jax.jit
def _solve_modes(
    W: Float[Array, "latent features"],
    moment: Float[Array, "..."],
    teacher: Float[Array, "features features"],
    eta: Float[Array, ""],
    start: Float[Array, "latent latent"],
) -> tuple[BottleneckSolution, Float[Array, " latent"]]:
    """The solution and the eigenvalues of W C W^T as computed, which show whether C is valid."""
    correlation = apply_moment(W, moment).T
    phi, left = jnp.linalg.eigh(product(W, W.T))
    gamma, right = jnp.linalg.eigh(product(W, correlation))
    rates = _above_noise(phi)[:, None] * _above_noise(gamma)[None, :]
    response = product(left.T, W, teacher, correlation, right)
    target = jnp.where(rates > 0, response / jnp.where(rates > 0, rates, 1), 0)
    optimum = product(left, target, right.T)
    solution = BottleneckSolution(
        floor=_loss_at_optimum(optimum, W, moment, teacher),
        excess=0.5 * rates * (target - product(left.T, start, right)) ** 2,
        rates=eta * rates,
        optimum=optimum,
        left=left,
        right=right,
    )
    return solution, gamma


def _above_noise(eigenvalues: Float[Array, " latent"]) -> Float[Array, " latent"]:
    """Eigenvalues, 0 where rounding alone explains them."""
    # Rounding leaves a few eps of null eigenvalues (3 measured at size 256 in float32).
    noise = 4 * float(jnp.finfo(eigenvalues.dtype).eps) * eigenvalues.size**0.5 * eigenvalues[-1]
    return jnp.where(eigenvalues > noise, eigenvalues, 0)


def bottleneck_loss_curve(
    W: Values,
    second_moment: Values,
    teacher: Values,
    learning_rate: Values,
    steps: Values,
    *,
    start: Values | None = None,
    dynamics: str = "discrete",
) -> Float[Array, "*steps"]:
    """L(t) = floor + 1/2 sum_kl phi_k gamma_l (B*_kl - start_kl)^2 (1 - eta phi_k gamma_l)^(2t).

    The student yhat = W^T B W x with frozen W. The ``excess`` and ``rates`` of
    `bottleneck_solution` resolve the approach to the floor beyond the floor's own rounding.

    Arguments:
        W: [latent, features], frozen.
        second_moment: C = E[x x^T], [features, features], or its diagonal [features].
        teacher: A, [features, features].
        learning_rate: eta >= 0, a scalar.
        steps: numbers of updates t >= 0, of any shape.
        start: the core at t = 0, [latent, latent]; default: zero.
        dynamics: "discrete" or "flow".

    Returns:
        The loss, shaped like `steps`.

    Raises:
        ValueError: as `bottleneck_solution`; steps are out of range, or `dynamics` is another word.
    """
    solution = bottleneck_solution(W, second_moment, teacher, learning_rate, start=start)
    return solution.floor + decay_curve(solution.excess, solution.rates, 1.0, steps, dynamics)


def bottleneck_floor(W: Values, second_moment: Values, teacher: Values) -> Float[Array, ""]:
    """min_B 1/2 tr[(W^T B W - A) C (W^T B W - A)^T], where bottleneck curves end.

    Zero when W has full column rank. Gradients as in `bottleneck_solution`.

    Arguments:
        W: [latent, features].
        second_moment: C = E[x x^T], [features, features], or its diagonal [features].
        teacher: A, [features, features].

    Raises:
        ValueError: as `bottleneck_solution`.
    """
    return bottleneck_solution(W, second_moment, teacher, 0.0).floor


def _population_loss(
    core: Float[Array, "latent latent"],
    W: Float[Array, "latent features"],
    moment: Float[Array, "..."],
    teacher: Float[Array, "features features"],
) -> Float[Array, ""]:
    """1/2 tr[(W^T B W - A) C (W^T B W - A)^T]."""
    error = product(W.T, core, W) - teacher
    return 0.5 * jnp.sum(error * apply_moment(error, moment))


# At an optimal core the core's own derivative does not count (the envelope theorem); leaving it out
# spares the derivatives of eigenvectors, which do not exist for tight frames.
_loss_at_optimum = jax.custom_jvp(_population_loss)
_loss_at_optimum.defjvp(
    lambda primals, tangents: jax.jvp(
        partial(_population_loss, primals[0]), primals[1:], tangents[1:]
    )
)
