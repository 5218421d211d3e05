"""Closed forms: learning curves of linear students, losses of ReLU autoencoders.

Loss curves are 1/2 E sum_i (yhat_i - y_i)^2 under full-batch (population) gradient descent; the
``one_sparse_*`` losses carry no 1/2. ``W`` is [latent, features]. Arguments are array-likes,
results have their floating dtype, and everything works under ``jit``, ``vmap`` and ``grad``. Wrong
shapes and, where they are concrete, wrong values raise ValueError. These arguments mean the same
everywhere:

- ``second_moment``: C = E[x x^T] [features, features], symmetric, positive semi-definite and *not*
  centred; or its diagonal [features], where C is diagonal.
- ``teacher``: A [outputs, features], the target being y = A x.
- ``learning_rate``: eta >= 0, a scalar; discrete dynamics converge while eta times a rate is < 2.
- ``steps``: numbers of updates t >= 0, of any shape; the curve has the same shape.
- ``start``: the weights at t = 0, by default zero.
- ``dynamics``: "discrete", a mode's gap shrinking by (1 - x)^t with x = eta times its rate; or
  "flow", its limit for small x, exp(-x t).

An output bias that starts at zero stays there when the features have zero mean, so the curves hold
with one too; for other features `augment_with_bias` makes it part of `full_loss_curve`.

Sources: [1] Chen, Chen, Liu, Gore, arXiv:2602.01045. [2] Chen, Lau, Mendel, Wei, Murfet,
arXiv:2310.06301. Docstrings that name neither contain their derivation.
"""

from collections.abc import Sequence
from functools import partial, reduce
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.scipy.special import gammaln
from jax.typing import ArrayLike
from jaxtyping import Array, Float

Values: TypeAlias = ArrayLike | Sequence[Any]

_CHUNK = 2**16  # modes times steps evaluated at once, which bounds memory


# Power laws of the infinite diagonal problem


def training_exponent(a: Values, b: Values) -> Float[Array, "..."]:
    """alpha = (a + 2b - 1) / a, the exponent of L(t) ~ t^-alpha without superposition [1].

    The features' second moments fall as i^-a, ``a`` > 0, the teacher's gains as i^-b; arguments
    broadcast. Where alpha <= 0 the initial loss sum_i i^-(a + 2b) diverges as features are added:
    its tail does not converge and there is no power law. `asymptotic_loss` has the derivation.
    Raises ValueError for a <= 0 and for values that are not finite.

    >>> float(training_exponent(2.0, 1.0))
    1.5
    """
    a_, b_ = jnp.broadcast_arrays(*_floats(a, b))
    _check_values("a", a_, "positive and finite", "pass a of i^-a")
    _check_values("b", b_, "finite", "pass b of the gains i^-b")
    return (a_ + 2 * b_ - 1) / a_


def asymptotic_amplitude(
    a: Values, b: Values, learning_rate: Values, leading_variance: Values
) -> Float[Array, "..."]:
    """(l_1 / 2a) Gamma(alpha) (2 eta l_1)^-alpha: late in training L(t) is this times t^-alpha.

    This is `asymptotic_loss` at t = 1, with its arguments, range and errors.
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

    Arguments broadcast: ``a`` and ``b`` as in `training_exponent`, with alpha > 0;
    ``learning_rate`` eta > 0; ``leading_variance`` l_1 = E[x_1^2] > 0; ``steps`` t >= 0. Infinite
    at t = 0 and, when traced, for alpha <= 0. Raises ValueError for values out of range.
    """
    inputs = _floats(a, training_exponent(a, b), learning_rate, leading_variance, steps)
    a_, alpha, eta, variance, t = jnp.broadcast_arrays(*inputs)
    _check_values("a + 2b - 1", a_ * alpha, "positive and finite", "raise a or b")
    _check_values("learning_rate", eta, "positive and finite", "pass a step size")
    _check_values("leading_variance", variance, "positive and finite", "pass E[x_1^2]")
    _check_values("steps", t, "non-negative and finite", "count updates from 0")
    safe = jnp.where(alpha > 0, alpha, 1)
    log_loss = jnp.log(variance / (2 * a_)) + gammaln(safe) - safe * jnp.log(2 * eta * variance * t)
    return jnp.where(alpha > 0, jnp.exp(log_loss), jnp.inf)


# Linear students without superposition


def diagonal_loss_curve(
    variances: Values,
    gains: Values,
    learning_rate: Values,
    steps: Values,
    *,
    dynamics: str = "discrete",
    start: Values | None = None,
) -> Float[Array, "*steps"]:
    """L(t) = 1/2 sum_i l_i (A_i - start_i)^2 (1 - eta l_i)^(2t); "flow": exp(-2 eta l_i t) [1].

    The student yhat_i = B_i x_i of uncorrelated features: `full_loss_curve` with everything
    diagonal. ``variances`` l_i = E[x_i^2] >= 0, ``gains`` A_i and ``start`` are [features]. Small
    eta l_i lose no digits, and memory is bounded: a million features times hundreds of steps are
    fine, with gradients. Raises ValueError for shapes that do not match and values out of range.

    >>> diagonal_loss_curve([1.0, 0.5], [1.0, 1.0], 1.0, [0, 1, 2]).tolist()
    [0.75, 0.0625, 0.015625]
    """
    moment, gains_ = _floats(variances, gains)
    _check_shape("variances", moment, ("features",), "call full_loss_curve if they are correlated")
    _check_shape("gains", gains_, moment.shape, "give each feature its gain")
    _check_moment(moment, moment.size)
    gap = gains_ - _initial(start, gains_.shape, moment.dtype)
    return _decay_curve(0.5 * moment * gap**2, moment, learning_rate, steps, dynamics)


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

    ``teacher`` and ``start`` are [outputs, features]. In float32 the eigenvalues of a dense C below
    about 1e-6 of the largest are noise: pass a diagonal C as [features], or enable x64. Gradients
    with respect to a dense C need distinct eigenvalues. Raises ValueError for shapes that do not
    match, a C that is not symmetric and positive semi-definite, and values out of range.
    """
    moment, A = _floats(second_moment, teacher)
    _check_shape("teacher", A, ("outputs", "features"), "use jnp.diag for a diagonal one")
    _check_moment(moment, A.shape[1])
    gap = A - _initial(start, A.shape, A.dtype)
    if moment.ndim == 2:
        eigenvalues, basis = jnp.linalg.eigh(moment)
        _check_eigenvalues("second_moment", eigenvalues)
        moment, gap = jnp.maximum(eigenvalues, 0), _product(gap, basis)
    weights = 0.5 * moment * jnp.sum(gap**2, axis=0)
    return _decay_curve(weights, moment, learning_rate, steps, dynamics)


def augment_with_bias(
    second_moment: Values, mean: Values, teacher: Values
) -> tuple[Float[Array, "inputs inputs"], Float[Array, "outputs inputs"]]:
    """[[C, m], [m^T, 1]] and [A, 0]: the second moment and teacher of the student yhat = B x + c.

    A bias is the column of a feature that is always 1, so with ``mean`` m = E[x] [features] the
    curve is ``full_loss_curve(*augment_with_bias(C, m, A), ...)``, whose ``start`` [outputs,
    features + 1] ends with the bias. Raises ValueError for shapes that do not match and a C that is
    not symmetric.

    >>> augment_with_bias([2.0], [1.0], [[3.0]])[0].tolist()
    [[2.0, 1.0], [1.0, 1.0]]
    """
    moment, m, A = _floats(second_moment, mean, teacher)
    _check_shape("teacher", A, ("outputs", "features"), "use jnp.diag for a diagonal one")
    _check_shape("mean", m, A.shape[1:], "pass E[x]")
    _check_moment(moment, m.size)
    dense = jnp.diag(moment) if moment.ndim == 1 else moment
    augmented = jnp.block([[dense, m[:, None]], [m[None, :], jnp.ones((1, 1), m.dtype)]])
    return augmented, jnp.pad(A, ((0, 0), (0, 1)))


# Linear student with a bottleneck


class BottleneckSolution(NamedTuple):
    """Modes of a bottleneck student: L(t) = floor + sum_kl excess_kl (1 - rates_kl)^(2t).

    Mode (k, l) is the core's component left_k^T B right_l, with the eigenvectors of F = W W^T and
    G = W C W^T in the columns of ``left`` and ``right``; all are [latent, latent] but the floor.
    """

    floor: Float[Array, ""]  # loss of the optimal core
    excess: Float[Array, "latent latent"]  # each mode's share, >= 0, of the loss above it at t = 0
    rates: Float[Array, "latent latent"]  # eta phi_k gamma_l; 0 where nothing moves
    optimum: Float[Array, "latent latent"]  # the optimal core B* of least norm
    left: Float[Array, "latent latent"]
    right: Float[Array, "latent latent"]


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

    ``W`` is [latent, features], ``teacher`` [features, features], ``start`` [latent, latent]. The
    floor has gradients wherever the rank of W is constant, at tight frames too; gradients of rates
    and excess with respect to W and C need distinct phi and distinct gamma. Raises ValueError for
    shapes that do not match, a C that is not symmetric and positive semi-definite, and values out
    of range.
    """
    W_, moment, A = _floats(W, second_moment, teacher)
    _check_shape("W", W_, ("latent", "features"), "vmap over several")
    _check_values("W", W_, "finite", "pass finite weights")
    _check_shape("teacher", A, (W_.shape[1], W_.shape[1]), "match the columns of W")
    _check_moment(moment, W_.shape[1])
    core = _initial(start, (W_.shape[0], W_.shape[0]), W_.dtype)
    solution, gamma = _solve_modes(W_, moment, A, _rate(learning_rate, W_.dtype), core)
    _check_eigenvalues("W C W^T", gamma)
    return solution


@jax.jit
def _solve_modes(W, moment, teacher, eta, start) -> tuple[BottleneckSolution, Array]:
    """The solution and the eigenvalues of W C W^T as computed, which show whether C is valid."""
    correlation = _apply_moment(W, moment).T
    phi, left = jnp.linalg.eigh(_product(W, W.T))
    gamma, right = jnp.linalg.eigh(_product(W, correlation))
    rates = _above_noise(phi)[:, None] * _above_noise(gamma)[None, :]
    response = _product(left.T, W, teacher, correlation, right)
    target = jnp.where(rates > 0, response / jnp.where(rates > 0, rates, 1), 0)
    optimum = _product(left, target, right.T)
    solution = BottleneckSolution(
        floor=_loss_at_optimum(optimum, W, moment, teacher),
        excess=0.5 * rates * (target - _product(left.T, start, right)) ** 2,
        rates=eta * rates,
        optimum=optimum,
        left=left,
        right=right,
    )
    return solution, gamma


def _above_noise(eigenvalues) -> Array:
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

    The student yhat = W^T B W x with frozen W. Symbols, arguments and errors are in
    `bottleneck_solution`; its ``excess`` and ``rates`` resolve the approach to the floor beyond the
    floor's own rounding.
    """
    solution = bottleneck_solution(W, second_moment, teacher, learning_rate, start=start)
    return solution.floor + _decay_curve(solution.excess, solution.rates, 1.0, steps, dynamics)


def bottleneck_floor(W: Values, second_moment: Values, teacher: Values) -> Float[Array, ""]:
    """min_B 1/2 tr[(W^T B W - A) C (W^T B W - A)^T], where bottleneck curves end.

    Zero when W has full column rank. Arguments, gradients and errors are in `bottleneck_solution`.
    """
    return bottleneck_solution(W, second_moment, teacher, 0.0).floor


def _population_loss(core, W, moment, teacher):
    error = _product(W.T, core, W) - teacher
    return 0.5 * jnp.sum(error * _apply_moment(error, moment))


# At an optimal core the core's own derivative does not count (the envelope theorem); leaving it out
# spares the derivatives of eigenvectors, which do not exist for tight frames.
_loss_at_optimum = jax.custom_jvp(_population_loss)
_loss_at_optimum.defjvp(
    lambda primals, tangents: jax.jvp(
        partial(_population_loss, primals[0]), primals[1:], tangents[1:]
    )
)


# ReLU autoencoders on one active feature


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
    gram_, bias_, gains_ = _floats(gram, bias, 1.0 if gains is None else gains)
    _check_shape("gram", gram_, ("outputs", "features"), "pass responses of outputs to features")
    _check_shape("gram", gram_, (gram_.shape[1],) * 2, "give each feature one output")
    _check_shape("bias", bias_, gram_.shape[:1], "give each output one bias")
    gains_ = jnp.ones_like(bias_) if gains is None else gains_
    _check_shape("gains", gains_, bias_.shape, "give each feature its gain")
    errors = _response_error(gram_, bias_[:, None], jnp.diag(gains_))
    if frequencies is None:
        return jnp.mean(errors, axis=1)
    f = _weights("frequencies", frequencies, bias_)
    _check_values("sum of frequencies", jnp.sum(f), "1", "divide by it")
    return jnp.sum(errors * f[None, :], axis=1)


def one_sparse_errors(
    W: Values, bias: Values, *, frequencies: Values | None = None
) -> Float[Array, " features"]:
    """E (x_i - y_i)^2 of each output of y = relu(W^T W x + bias) on one-active-feature data.

    `one_sparse_errors_from_gram` of W^T W, with its data and errors; ``W`` is [latent, features].
    """
    (W_,) = _floats(W)
    _check_shape("W", W_, ("latent", "features"), "vmap over several")
    return one_sparse_errors_from_gram(_product(W_.T, W_), bias, frequencies=frequencies)


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
    return jnp.sum(_weights("importance", importance, errors) * errors)


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


# Shared parts


def _decay_curve(weights, rates, learning_rate, steps, dynamics) -> Array:
    """sum_m weights_m rho(learning_rate rates_m, t) for t in ``steps``; rho is `_squared_gap`."""
    if dynamics not in ("discrete", "flow"):
        raise ValueError(f"expected dynamics 'discrete' or 'flow'; got {dynamics!r}; choose one")
    t = jnp.asarray(steps).astype(weights.dtype)
    _check_values("steps", t, "non-negative and finite", "count updates from 0")
    return _sum_modes(weights, _rate(learning_rate, rates.dtype) * rates, t, dynamics)


@partial(jax.jit, static_argnames="dynamics")
def _sum_modes(weights, x, t, dynamics) -> Array:
    weights, x = weights.ravel(), x.ravel()
    x = jnp.where((weights == 0) & (x > 2), 0, x)  # where 0 * inf would be NaN

    @jax.checkpoint  # otherwise gradients keep all modes of all steps
    def loss(step):
        return jnp.sum(weights * _squared_gap(x, step, dynamics))

    chunk = max(1, min(t.size, _CHUNK // max(1, weights.size)))
    return jax.lax.map(loss, t.ravel(), batch_size=chunk).reshape(t.shape)


def _squared_gap(x, step, dynamics) -> Array:
    """exp(-2 x step) for "flow", (1 - x)^(2 step) for "discrete"."""
    if dynamics == "flow":
        return jnp.exp(-2 * step * x)
    # log1p keeps all digits of x near 0 and of 2 - x near 2; only a power is smooth at x = 1.
    central = jnp.abs(x - 1) < 0.5
    distance = jnp.where(central, 0, jnp.where(x > 1, 2 - x, x))
    base = jnp.where(central & (step > 0), (1 - x) ** 2, 1)
    return jnp.exp(2 * step * jnp.log1p(-distance)) * base**step


def _product(*matrices) -> Array:
    return reduce(partial(jnp.matmul, precision=jax.lax.Precision.HIGHEST), matrices)


def _apply_moment(matrix, moment) -> Array:
    return matrix * moment[None, :] if moment.ndim == 1 else _product(matrix, moment)


def _floats(*inputs) -> list[Array]:
    """Arrays of one floating dtype, the promoted one of those inputs that have one."""
    arrays = [jnp.asarray(value) for value in inputs]
    floating = [array for array in arrays if jnp.issubdtype(array.dtype, jnp.floating)]
    return [array.astype(jnp.result_type(float, *floating)) for array in arrays]


def _initial(start, shape, dtype) -> Array:
    weights = jnp.zeros(shape, dtype) if start is None else jnp.asarray(start).astype(dtype)
    _check_shape("start", weights, shape, "pass the weights at t = 0, or None for zeros")
    _check_values("start", weights, "finite", "pass finite weights")
    return weights


def _rate(learning_rate, dtype) -> Array:
    eta = jnp.asarray(learning_rate).astype(dtype)
    _check_shape("learning_rate", eta, (), "vmap over several")
    _check_values("learning_rate", eta, "non-negative and finite", "pass a step size")
    return eta


def _weights(name, values, like) -> Array:
    weights = jnp.asarray(values).astype(like.dtype)
    _check_shape(name, weights, like.shape, "give each feature one")
    _check_values(name, weights, "non-negative and finite", "pass weights of at least 0")
    return weights


def _check_shape(name, array, shape, remedy) -> None:
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


def _check_values(name, values, expected, remedy, scale: ArrayLike = 0) -> None:
    """Raise ValueError with the first value that is not as expected; traced values pass."""
    if isinstance(values, Tracer):
        return
    values = np.asarray(values)
    tolerance = float(jnp.finfo(values.dtype).eps) ** 0.5 * np.asarray(scale)
    holds = _CONDITIONS[expected](values, tolerance)
    if not np.all(holds):
        bad = values[~holds].flat[0]
        raise ValueError(f"expected {name} to be {expected}; got {bad}; {remedy}")


def _check_moment(moment, features) -> None:
    """Check a second moment's shape, diagonal and symmetry; callers check its eigenvalues."""
    shape = (features,) * (2 if moment.ndim == 2 else 1)
    _check_shape("second_moment", moment, shape, "pass E[x x^T] or its diagonal")
    variances = moment if moment.ndim == 1 else jnp.diagonal(moment)
    _check_values("variances", variances, "non-negative and finite", "pass E[x_i^2]")
    if moment.ndim == 2:
        name = "second_moment minus its transpose"
        _check_values(name, moment - moment.T, "zero", "pass E[x x^T]", jnp.max(variances))


def _check_eigenvalues(name, eigenvalues) -> None:
    """Check that ascending eigenvalues are not below 0 by more than rounding."""
    name = f"eigenvalues of {name}"
    _check_values(name, eigenvalues, "non-negative", "pass C = E[x x^T]", eigenvalues[-1])
