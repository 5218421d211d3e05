"""Closed forms without superposition against explicit matrix loops and matrix exponentials."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from linear_problems import (
    ETA,
    STEPS,
    N,
    assert_gradients,
    descend,
    loss_of,
    random_bottleneck,
    random_problem,
)
from scipy import linalg

from jaxsup.theory.bottleneck import bottleneck_loss_curve
from jaxsup.theory.linear import augment_with_bias, diagonal_loss_curve, full_loss_curve


@pytest.mark.parametrize("outputs", [N, 5])
def test_full_discrete_equals_gradient_descent(x64, outputs):
    moment, teacher, start = random_problem(outputs=outputs)
    expected = descend(
        lambda B: B - ETA * (B - teacher) @ moment, start, lambda B: loss_of(B, moment, teacher)
    )
    curve = full_loss_curve(moment, teacher, ETA, STEPS, start=start)
    np.testing.assert_allclose(curve, expected, rtol=1e-10)


def test_full_flow_equals_matrix_exponential(x64):
    moment, teacher, start = random_problem()
    cores = [teacher + (start - teacher) @ linalg.expm(-ETA * moment * t) for t in STEPS]
    expected = [loss_of(B, moment, teacher) for B in cores]
    curve = full_loss_curve(moment, teacher, ETA, STEPS, start=start, dynamics="flow")
    np.testing.assert_allclose(curve, expected, rtol=1e-10)


def test_diagonal_full_and_dense_agree(x64):
    rng = np.random.default_rng(1)
    variances, gains, start = rng.uniform(0.1, 1, N), rng.normal(size=N), rng.normal(size=N)
    for dynamics in ("discrete", "flow"):
        expected = diagonal_loss_curve(variances, gains, ETA, STEPS, start=start, dynamics=dynamics)
        for moment in (variances, np.diag(variances)):
            curve = full_loss_curve(
                moment, np.diag(gains), ETA, STEPS, start=np.diag(start), dynamics=dynamics
            )
            np.testing.assert_allclose(curve, expected, rtol=1e-12)


def test_flow_is_the_limit_of_small_steps(x64):
    moment, teacher, _ = random_problem()
    flow = full_loss_curve(moment, teacher, ETA, STEPS, dynamics="flow")
    errors = [
        np.max(np.abs(full_loss_curve(moment, teacher, ETA / n, n * STEPS) / flow - 1))
        for n in (1000, 2000)
    ]
    assert errors[0] < 0.1
    assert errors[0] / errors[1] == pytest.approx(2, abs=0.05)  # first order in the step


def test_bias_is_the_column_of_a_constant_feature(x64):
    covariance, teacher, start = random_problem(outputs=5)
    mean = np.random.default_rng(2).normal(size=N)
    moment = (covariance + np.outer(mean, mean)) / 10  # of x / sqrt(10)
    mean, bias = mean / np.sqrt(10), np.ones(5)

    def step(weights):
        B, c = weights
        error = B - teacher
        return B - ETA * (error @ moment + np.outer(c, mean)), c - ETA * (error @ mean + c)

    def loss(weights):
        B, c = weights
        cross = c @ ((B - teacher) @ mean)
        return loss_of(B, moment, teacher) + cross + 0.5 * c @ c

    curve = full_loss_curve(
        *augment_with_bias(moment, mean, teacher),
        ETA,
        STEPS,
        start=np.column_stack([start, bias]),
    )
    np.testing.assert_allclose(curve, descend(step, (start, bias), loss), rtol=1e-10)
    diagonal, _ = augment_with_bias(np.full(N, 2.0), mean, teacher)
    np.testing.assert_array_equal(diagonal[:N, :N], 2 * np.eye(N))


@pytest.mark.parametrize("rate", [1e-6, 1e-3, 0.499, 0.7, 1.3, 1.6, 2 - 1e-6])
def test_float32_keeps_the_digits_of_small_rates(rate):
    rate = np.float32(rate)
    steps = np.array([1, 10, 10**6]) if abs(rate - 1) > 0.9 else np.array([1, 10, 20])
    curve = diagonal_loss_curve([1.0], [1.0], rate, steps)
    expected = 0.5 * (1 - np.float64(rate)) ** (2 * steps)
    np.testing.assert_allclose(curve, expected, rtol=5e-6)


def test_critical_rate_has_exact_values_and_gradients():
    steps = [0, 1, 2, 5]
    curve = diagonal_loss_curve([1.0, 0.5], [1.0, 1.0], 1.0, steps)
    np.testing.assert_allclose(curve, 0.25 * 0.5 ** (2 * np.array(steps)) + [0.5, 0, 0, 0])
    gradient = jax.jacobian(lambda eta: diagonal_loss_curve([1.0], [1.0], eta, steps))
    np.testing.assert_array_equal(gradient(1.0), np.zeros(4))
    np.testing.assert_allclose(gradient(2.0), steps)  # d/dx of 1/2 (1 - x)^2t at x = 2 is t
    np.testing.assert_allclose(gradient(0.0), np.negative(steps))


def test_divergence_is_infinite_and_spares_idle_modes():
    idle = diagonal_loss_curve([1.0, 2.0], [1.0, 0.0], 1.5, [0, 1, 1000])
    np.testing.assert_allclose(idle, [0.5, 0.125, 0.0])
    assert diagonal_loss_curve([2.0], [1.0], 1.5, 1000) == np.inf


def test_steps_keep_their_shape_and_zero_rate_stands_still():
    moment, teacher, _ = random_problem()
    grid = full_loss_curve(moment, teacher, ETA, STEPS.reshape(2, 3))
    line = full_loss_curve(moment, teacher, ETA, STEPS)
    np.testing.assert_array_equal(grid.ravel(), line)
    assert full_loss_curve(moment, teacher, ETA, []).shape == (0,)
    still = full_loss_curve(moment, teacher, 0.0, STEPS)
    np.testing.assert_array_equal(still, np.full(STEPS.size, still[0]))


@pytest.mark.parametrize("count", [3, 5000])  # the second in several chunks with a remainder
def test_chunks_equal_a_direct_sum(x64, count):
    variances, steps = np.arange(1, count + 1.0) ** -1.3, np.arange(67)
    direct = 0.5 * np.sum(variances * (1 - ETA * variances) ** (2 * steps[:, None]), axis=1)
    curve = diagonal_loss_curve(variances, np.ones(count), ETA, steps)
    np.testing.assert_allclose(curve, direct, rtol=1e-12)


def test_memory_is_bounded_for_a_million_features():
    count = 10**6

    def loss(variances, gains, eta):
        return jnp.sum(diagonal_loss_curve(variances, gains, eta, jnp.arange(200)))

    vector = jax.ShapeDtypeStruct((count,), jnp.float32)
    compiled = jax.jit(jax.grad(loss)).lower(vector, vector, 0.1).compile()
    analysis = compiled.memory_analysis()
    assert analysis is not None
    assert analysis.temp_size_in_bytes < 40 * 4 * count  # 200 steps at once would need 800


def test_curve_gradients_equal_finite_differences(x64):
    moment, teacher, start = random_problem()
    W, core = random_bottleneck()

    def full(C, A, eta, B):
        return jnp.sum(full_loss_curve((C + C.T) / 2, A, eta, STEPS, start=B))

    def bottleneck(W, C, A, eta, B):
        return jnp.sum(bottleneck_loss_curve(W, (C + C.T) / 2, A, eta, STEPS, start=B))

    assert_gradients(full, moment, teacher, ETA, start)
    assert_gradients(bottleneck, W, moment, teacher, ETA, core)


def test_curves_are_the_same_under_jit_and_vmap(x64):
    moment, teacher, _ = random_problem()
    W = np.stack([random_bottleneck(seed)[0] for seed in range(3)])
    rates = jnp.array([0.1, 0.2, 0.3])

    def bottleneck(W, eta):
        return bottleneck_loss_curve(W, moment, teacher, eta, STEPS)

    def full(eta):
        return full_loss_curve(moment, teacher, eta, STEPS)

    looped = np.stack([bottleneck(w, eta) for w, eta in zip(W, rates, strict=True)])
    np.testing.assert_allclose(jax.jit(jax.vmap(bottleneck))(W, rates), looped, rtol=1e-11)
    looped = np.stack([full(eta) for eta in rates])
    np.testing.assert_allclose(jax.jit(jax.vmap(full))(rates), looped, rtol=1e-11)
    late = jax.vmap(lambda t: full_loss_curve(moment, teacher, ETA, t))(jnp.asarray(STEPS))
    np.testing.assert_allclose(late, full_loss_curve(moment, teacher, ETA, STEPS), rtol=1e-12)
