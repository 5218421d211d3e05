"""Closed forms against explicit matrix loops, matrix exponentials, least squares and quadrature."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import linalg, special

from jaxsup import theory
from jaxsup.theory.asymptotics import asymptotic_amplitude
from jaxsup.theory.bottleneck import bottleneck_floor

N, K = 12, 4
ETA = 0.3
STEPS = np.array([0, 1, 2, 7, 40, 300])


def random_problem(seed=0, outputs=N, rank=N):
    """A correlated second moment of largest eigenvalue 1, a teacher and a start, float64 numpy."""
    rng = np.random.default_rng(seed)
    factor = rng.normal(size=(N, rank)) * (np.arange(1, rank + 1) ** -0.7)[None, :]
    moment = factor @ factor.T
    moment /= np.linalg.eigvalsh(moment)[-1]
    return moment, rng.normal(size=(outputs, N)), rng.normal(size=(outputs, N))


def random_bottleneck(seed=0):
    """A frozen embedding whose largest rate is below 2 / ETA, and a random core."""
    rng = np.random.default_rng(seed + 100)
    W = rng.normal(size=(K, N))
    return W / np.linalg.norm(W, 2), rng.normal(size=(K, K))


def loss_of(B, moment, teacher):
    """1/2 tr[(B - A) C (B - A)^T]."""
    return 0.5 * np.trace((B - teacher) @ moment @ (B - teacher).T)


def descend(step, weights, loss):
    """Losses at STEPS of the explicit loop weights <- step(weights)."""
    losses = []
    for t in range(STEPS[-1] + 1):
        if t in STEPS:
            losses.append(loss(weights))
        weights = step(weights)
    return np.array(losses)


def assert_gradients(function, *point, rtol=1e-6, spacing=1e-5):
    """Gradients in a random direction of each argument equal central differences (float64)."""
    value = jax.jit(function)
    gradients = jax.jit(jax.grad(function, argnums=tuple(range(len(point)))))(*point)
    rng = np.random.default_rng(0)
    for index, gradient in enumerate(gradients):
        direction = rng.normal(size=np.shape(point[index]))
        ahead, behind = (
            value(*point[:index], point[index] + sign * spacing * direction, *point[index + 1 :])
            for sign in (1, -1)
        )
        expected = float(ahead - behind) / (2 * spacing)
        assert np.sum(gradient * direction) == pytest.approx(expected, rel=rtol), index


# Power laws


def test_training_exponent_broadcasts():
    expected = (np.array([[1.1], [2.0]]) + 2 * np.array([0.0, 0.5, 1.0]) - 1) / [[1.1], [2.0]]
    exponents = theory.training_exponent(np.array([[1.1], [2.0]]), [0.0, 0.5, 1.0])
    np.testing.assert_allclose(exponents, expected, rtol=2e-6)
    assert theory.training_exponent(0.5, 0) == -1.0


@pytest.mark.parametrize(("a", "b"), [(1.5, 0.0), (2.0, 0.5), (3.0, 0.3), (1.2, 0.6)])
def test_curve_reaches_its_asymptote_within_the_sum_integral_bound(x64, a, b):
    # f(i) = i^-(a+2b) exp(-s i^-a) is unimodal, so its sum and its integral differ by at most
    # max f = (c/s)^c e^-c, c = (a+2b)/a; features beyond N add at most N^(1-a-2b) / (a+2b-1).
    count, variance, steps = 10**6, 0.8, np.array([5e3, 5e4])
    i = np.arange(1, count + 1.0)
    s, c, alpha = 2 * ETA * variance * steps, (a + 2 * b) / a, (a + 2 * b - 1) / a
    tail = count ** (1 - a - 2 * b) / (a + 2 * b - 1)
    integral = s**-alpha * special.gamma(alpha) / a
    bound = ((c / s) ** c * np.exp(-c) + tail) / integral
    arguments = (variance * i**-a, i**-b, ETA, steps)
    flow = theory.diagonal_loss_curve(*arguments, dynamics="flow")
    ratio = flow / theory.asymptotic_loss(a, b, ETA, variance, steps)
    assert np.all(bound < 0.08)
    assert np.all(np.abs(ratio - 1) <= bound)
    # x = eta l <= 1/4: (1-x)^2t / e^-2xt lies below 1 by at most t x^2 / (1-x), on average
    # alpha (alpha+1) / 3t.
    shortfall = 1 - theory.diagonal_loss_curve(*arguments) / flow
    assert np.all(shortfall > 0)
    assert np.all(shortfall < 1.1 * alpha * (alpha + 1) / (3 * steps))


def test_amplitude_is_the_loss_at_one_step(x64):
    a, b, variance, alpha = 1.5, 0.25, 0.7, 2 / 3
    expected = variance / (2 * a) * special.gamma(alpha) * (2 * ETA * variance) ** -alpha
    amplitude = asymptotic_amplitude(a, b, ETA, variance)
    assert amplitude == pytest.approx(expected, rel=1e-12)
    loss = theory.asymptotic_loss(a, b, ETA, variance, [0, 1, 100])
    np.testing.assert_allclose(loss[1:], expected * np.array([1, 100.0]) ** -alpha, rtol=1e-12)
    assert loss[0] == np.inf
    assert_gradients(theory.asymptotic_loss, a, b, ETA, variance, 50.0)


def test_traced_values_are_not_checked():
    assert jax.jit(theory.training_exponent)(-1.0, 0.0) == 2.0
    assert jax.jit(asymptotic_amplitude)(0.5, 0.0, 0.1, 1.0) == jnp.inf
    diverged = jax.jit(theory.diagonal_loss_curve)([1.0], [1.0], -1.0, [0, 1])
    np.testing.assert_allclose(diverged, [0.5, 2.0])


# Linear students without superposition


@pytest.mark.parametrize("outputs", [N, 5])
def test_full_discrete_equals_gradient_descent(x64, outputs):
    moment, teacher, start = random_problem(outputs=outputs)
    expected = descend(
        lambda B: B - ETA * (B - teacher) @ moment, start, lambda B: loss_of(B, moment, teacher)
    )
    curve = theory.full_loss_curve(moment, teacher, ETA, STEPS, start=start)
    np.testing.assert_allclose(curve, expected, rtol=1e-10)


def test_full_flow_equals_matrix_exponential(x64):
    moment, teacher, start = random_problem()
    cores = [teacher + (start - teacher) @ linalg.expm(-ETA * moment * t) for t in STEPS]
    expected = [loss_of(B, moment, teacher) for B in cores]
    curve = theory.full_loss_curve(moment, teacher, ETA, STEPS, start=start, dynamics="flow")
    np.testing.assert_allclose(curve, expected, rtol=1e-10)


def test_diagonal_full_and_dense_agree(x64):
    rng = np.random.default_rng(1)
    variances, gains, start = rng.uniform(0.1, 1, N), rng.normal(size=N), rng.normal(size=N)
    for dynamics in ("discrete", "flow"):
        expected = theory.diagonal_loss_curve(
            variances, gains, ETA, STEPS, start=start, dynamics=dynamics
        )
        for moment in (variances, np.diag(variances)):
            curve = theory.full_loss_curve(
                moment, np.diag(gains), ETA, STEPS, start=np.diag(start), dynamics=dynamics
            )
            np.testing.assert_allclose(curve, expected, rtol=1e-12)


def test_flow_is_the_limit_of_small_steps(x64):
    moment, teacher, _ = random_problem()
    flow = theory.full_loss_curve(moment, teacher, ETA, STEPS, dynamics="flow")
    errors = [
        np.max(np.abs(theory.full_loss_curve(moment, teacher, ETA / n, n * STEPS) / flow - 1))
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

    curve = theory.full_loss_curve(
        *theory.augment_with_bias(moment, mean, teacher),
        ETA,
        STEPS,
        start=np.column_stack([start, bias]),
    )
    np.testing.assert_allclose(curve, descend(step, (start, bias), loss), rtol=1e-10)
    diagonal, _ = theory.augment_with_bias(np.full(N, 2.0), mean, teacher)
    np.testing.assert_array_equal(diagonal[:N, :N], 2 * np.eye(N))


@pytest.mark.parametrize("rate", [1e-6, 1e-3, 0.499, 0.7, 1.3, 1.6, 2 - 1e-6])
def test_float32_keeps_the_digits_of_small_rates(rate):
    rate = np.float32(rate)
    steps = np.array([1, 10, 10**6]) if abs(rate - 1) > 0.9 else np.array([1, 10, 20])
    curve = theory.diagonal_loss_curve([1.0], [1.0], rate, steps)
    expected = 0.5 * (1 - np.float64(rate)) ** (2 * steps)
    np.testing.assert_allclose(curve, expected, rtol=5e-6)


def test_critical_rate_has_exact_values_and_gradients():
    steps = [0, 1, 2, 5]
    curve = theory.diagonal_loss_curve([1.0, 0.5], [1.0, 1.0], 1.0, steps)
    np.testing.assert_allclose(curve, 0.25 * 0.5 ** (2 * np.array(steps)) + [0.5, 0, 0, 0])
    gradient = jax.jacobian(lambda eta: theory.diagonal_loss_curve([1.0], [1.0], eta, steps))
    np.testing.assert_array_equal(gradient(1.0), np.zeros(4))
    np.testing.assert_allclose(gradient(2.0), steps)  # d/dx of 1/2 (1 - x)^2t at x = 2 is t
    np.testing.assert_allclose(gradient(0.0), np.negative(steps))


def test_divergence_is_infinite_and_spares_idle_modes():
    idle = theory.diagonal_loss_curve([1.0, 2.0], [1.0, 0.0], 1.5, [0, 1, 1000])
    np.testing.assert_allclose(idle, [0.5, 0.125, 0.0])
    assert theory.diagonal_loss_curve([2.0], [1.0], 1.5, 1000) == np.inf


def test_steps_keep_their_shape_and_zero_rate_stands_still():
    moment, teacher, _ = random_problem()
    grid = theory.full_loss_curve(moment, teacher, ETA, STEPS.reshape(2, 3))
    line = theory.full_loss_curve(moment, teacher, ETA, STEPS)
    np.testing.assert_array_equal(grid.ravel(), line)
    assert theory.full_loss_curve(moment, teacher, ETA, []).shape == (0,)
    still = theory.full_loss_curve(moment, teacher, 0.0, STEPS)
    np.testing.assert_array_equal(still, np.full(STEPS.size, still[0]))


@pytest.mark.parametrize("count", [3, 5000])  # the second in several chunks with a remainder
def test_chunks_equal_a_direct_sum(x64, count):
    variances, steps = np.arange(1, count + 1.0) ** -1.3, np.arange(67)
    direct = 0.5 * np.sum(variances * (1 - ETA * variances) ** (2 * steps[:, None]), axis=1)
    curve = theory.diagonal_loss_curve(variances, np.ones(count), ETA, steps)
    np.testing.assert_allclose(curve, direct, rtol=1e-12)


def test_memory_is_bounded_for_a_million_features():
    count = 10**6

    def loss(variances, gains, eta):
        return jnp.sum(theory.diagonal_loss_curve(variances, gains, eta, jnp.arange(200)))

    vector = jax.ShapeDtypeStruct((count,), jnp.float32)
    compiled = jax.jit(jax.grad(loss)).lower(vector, vector, 0.1).compile()
    analysis = compiled.memory_analysis()
    assert analysis is not None
    assert analysis.temp_size_in_bytes < 40 * 4 * count  # 200 steps at once would need 800


def test_curve_gradients_equal_finite_differences(x64):
    moment, teacher, start = random_problem()
    W, core = random_bottleneck()

    def full(C, A, eta, B):
        return jnp.sum(theory.full_loss_curve((C + C.T) / 2, A, eta, STEPS, start=B))

    def bottleneck(W, C, A, eta, B):
        return jnp.sum(theory.bottleneck_loss_curve(W, (C + C.T) / 2, A, eta, STEPS, start=B))

    assert_gradients(full, moment, teacher, ETA, start)
    assert_gradients(bottleneck, W, moment, teacher, ETA, core)


# Linear student with a bottleneck


def bottleneck_floor_by_least_squares(W, moment, teacher):
    """min_B |(W^T B W - A) C^(1/2)|^2 / 2, as a least-squares problem for vec(B)."""
    values, vectors = np.linalg.eigh(moment)
    root = vectors * np.sqrt(np.maximum(values, 0))[None, :]
    design = np.kron(W.T, (W @ root).T)  # vec(X B Y) = (X kron Y^T) vec(B), row by row
    wanted = (teacher @ root).ravel()
    core = np.linalg.lstsq(design, wanted, rcond=1e-6)[0]
    return 0.5 * np.sum((design @ core - wanted) ** 2), core.reshape(len(W), len(W))


def special_embeddings():
    W, _ = random_bottleneck()
    rng = np.random.default_rng(5)
    padded, low_rank = W.copy(), rng.normal(size=(K, 2)) @ rng.normal(size=(2, N))
    padded[2:] = 0
    frame = np.linalg.qr(rng.normal(size=(N, K)))[0].T  # F = I: every phi is degenerate
    return {"random": W, "padded": padded, "low rank": low_rank / 10, "tight": frame}


@pytest.mark.parametrize("rank", [N, 3])
@pytest.mark.parametrize("name", ["random", "padded", "low rank", "tight"])
def test_bottleneck_discrete_equals_gradient_descent(x64, name, rank):
    moment, teacher, _ = random_problem(outputs=N, rank=rank)
    W, start = special_embeddings()[name], random_bottleneck()[1]
    expected = descend(
        lambda B: B - ETA * W @ (W.T @ B @ W - teacher) @ moment @ W.T,
        start,
        lambda B: loss_of(W.T @ B @ W, moment, teacher),
    )
    curve = theory.bottleneck_loss_curve(W, moment, teacher, ETA, STEPS, start=start)
    np.testing.assert_allclose(curve, expected, rtol=1e-10)

    floor, optimum = bottleneck_floor_by_least_squares(W, moment, teacher)
    solution = theory.bottleneck_solution(W, moment, teacher, ETA)
    assert solution.floor == pytest.approx(floor, rel=1e-10)
    assert bottleneck_floor(W, moment, teacher) == solution.floor
    np.testing.assert_allclose(solution.optimum, optimum, atol=1e-7 * np.abs(optimum).max())
    assert np.all(solution.excess >= 0)
    forever = theory.bottleneck_loss_curve(W, moment, teacher, 1.0, 1e12, dynamics="flow")
    assert forever == pytest.approx(floor, rel=1e-10)


def test_bottleneck_flow_equals_matrix_exponential(x64):
    moment, teacher, _ = random_problem()
    W, start = random_bottleneck()
    _, optimum = bottleneck_floor_by_least_squares(W, moment, teacher)
    generator = np.kron(W @ W.T, W @ moment @ W.T)
    expected = []
    for t in STEPS:
        gap = linalg.expm(-ETA * t * generator) @ (start - optimum).ravel()
        expected.append(loss_of(W.T @ (optimum + gap.reshape(K, K)) @ W, moment, teacher))
    curve = theory.bottleneck_loss_curve(
        W, moment, teacher, ETA, STEPS, start=start, dynamics="flow"
    )
    np.testing.assert_allclose(curve, expected, rtol=1e-10)


def test_bottleneck_without_compression_is_the_full_student(x64):
    variances, teacher = np.arange(1, N + 1) ** -1.5, random_problem()[1]
    for moment in (variances, np.diag(variances)):
        curve = theory.bottleneck_loss_curve(np.eye(N), moment, teacher, ETA, STEPS)
        expected = theory.full_loss_curve(moment, teacher, ETA, STEPS)
        np.testing.assert_allclose(curve, expected, rtol=1e-10)
        assert bottleneck_floor(np.eye(N), moment, teacher) < 1e-25


def test_floor_equals_the_closed_form_with_its_cancellation(x64):
    moment, teacher, _ = random_problem()
    W, _ = random_bottleneck()
    phi, left = np.linalg.eigh(W @ W.T)
    gamma, right = np.linalg.eigh(W @ moment @ W.T)
    R = left.T @ W @ teacher @ moment @ W.T @ right
    closed = 0.5 * np.trace(teacher @ moment @ teacher.T) - 0.5 * np.sum(
        R**2 / np.outer(phi, gamma)
    )
    assert bottleneck_floor(W, moment, teacher) == pytest.approx(closed, rel=1e-11)


def test_random_frame_operator_is_near_the_superposition_ratio(x64):
    # Unit columns: E F = (N/K) I, with Marchenko-Pastur edges (N/K) (1 +- sqrt(K/N))^2.
    features, latent = 1000, 10
    W = np.random.default_rng(6).normal(size=(latent, features))
    W /= np.linalg.norm(W, axis=0, keepdims=True)
    solution = theory.bottleneck_solution(W, np.ones(features), np.eye(features), 1.0)
    expected = (features / latent) ** 2  # phi gamma with C = I
    assert np.abs(solution.rates / expected - 1).max() < (1 + np.sqrt(latent / features)) ** 4 - 1


def test_floor_gradients_exist_at_tight_and_padded_frames(x64):
    moment, teacher, _ = random_problem()
    frame = special_embeddings()["tight"]
    assert_gradients(lambda W, C, A: bottleneck_floor(W, (C + C.T) / 2, A), frame, moment, teacher)

    def padded(W):  # with a degenerate G as well
        return bottleneck_floor(jnp.pad(W, ((0, 2), (0, 0))), np.ones(N), teacher)

    assert_gradients(padded, frame)


def test_floor_has_second_derivatives_away_from_them(x64):
    moment, teacher, _ = random_problem()
    W, _ = random_bottleneck()
    gradient = jax.jit(jax.grad(lambda s: bottleneck_floor(s, moment, teacher)))
    shift = 1e-6 * np.random.default_rng(7).normal(size=W.shape)
    _, curvature = jax.jvp(gradient, (jnp.asarray(W),), (jnp.asarray(shift),))
    difference = (gradient(W + shift) - gradient(W - shift)) / 2
    np.testing.assert_allclose(curvature, difference, rtol=1e-4, atol=1e-11)


def test_bottleneck_in_float32_is_near_float64():
    features, latent = 128, 32
    rng = np.random.default_rng(8)
    W = rng.normal(size=(latent, features))
    W /= np.linalg.norm(W, axis=0, keepdims=True)
    variances, steps = np.arange(1, features + 1) ** -1.5, np.array([0, 1, 10, 1000, 10**6])
    arguments = (W, variances, np.eye(features), 0.05, steps)
    with jax.enable_x64(False):
        single = theory.bottleneck_loss_curve(*arguments)
    assert single.dtype == jnp.float32
    with jax.enable_x64(True):
        double = theory.bottleneck_loss_curve(*arguments)
    assert double.dtype == jnp.float64
    np.testing.assert_allclose(single, double, rtol=2e-5)


def test_curves_are_the_same_under_jit_and_vmap(x64):
    moment, teacher, _ = random_problem()
    W = np.stack([random_bottleneck(seed)[0] for seed in range(3)])
    rates = jnp.array([0.1, 0.2, 0.3])

    def bottleneck(W, eta):
        return theory.bottleneck_loss_curve(W, moment, teacher, eta, STEPS)

    def full(eta):
        return theory.full_loss_curve(moment, teacher, eta, STEPS)

    looped = np.stack([bottleneck(w, eta) for w, eta in zip(W, rates, strict=True)])
    np.testing.assert_allclose(jax.jit(jax.vmap(bottleneck))(W, rates), looped, rtol=1e-11)
    looped = np.stack([full(eta) for eta in rates])
    np.testing.assert_allclose(jax.jit(jax.vmap(full))(rates), looped, rtol=1e-11)
    late = jax.vmap(lambda t: theory.full_loss_curve(moment, teacher, ETA, t))(jnp.asarray(STEPS))
    np.testing.assert_allclose(
        late, theory.full_loss_curve(moment, teacher, ETA, STEPS), rtol=1e-12
    )
