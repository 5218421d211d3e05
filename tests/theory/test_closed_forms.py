"""Closed forms against explicit matrix loops, matrix exponentials, least squares and quadrature."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import linalg, optimize, special

from jaxsup import theory
from jaxsup.theory.asymptotics import asymptotic_amplitude
from jaxsup.theory.bottleneck import bottleneck_floor
from jaxsup.theory.one_sparse import one_sparse_errors, one_sparse_errors_from_gram
from jaxsup.theory.response import uniform_error

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
    got = theory.training_exponent(np.array([[1.1], [2.0]]), [0.0, 0.5, 1.0])
    np.testing.assert_allclose(got, expected, rtol=2e-6)
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
    got = theory.full_loss_curve(moment, teacher, ETA, STEPS, start=start)
    np.testing.assert_allclose(got, expected, rtol=1e-10)


def test_full_flow_equals_matrix_exponential(x64):
    moment, teacher, start = random_problem()
    cores = [teacher + (start - teacher) @ linalg.expm(-ETA * moment * t) for t in STEPS]
    expected = [loss_of(B, moment, teacher) for B in cores]
    got = theory.full_loss_curve(moment, teacher, ETA, STEPS, start=start, dynamics="flow")
    np.testing.assert_allclose(got, expected, rtol=1e-10)


def test_diagonal_full_and_dense_agree(x64):
    rng = np.random.default_rng(1)
    variances, gains, start = rng.uniform(0.1, 1, N), rng.normal(size=N), rng.normal(size=N)
    for dynamics in ("discrete", "flow"):
        expected = theory.diagonal_loss_curve(
            variances, gains, ETA, STEPS, start=start, dynamics=dynamics
        )
        for moment in (variances, np.diag(variances)):
            got = theory.full_loss_curve(
                moment, np.diag(gains), ETA, STEPS, start=np.diag(start), dynamics=dynamics
            )
            np.testing.assert_allclose(got, expected, rtol=1e-12)


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

    got = theory.full_loss_curve(
        *theory.augment_with_bias(moment, mean, teacher),
        ETA,
        STEPS,
        start=np.column_stack([start, bias]),
    )
    np.testing.assert_allclose(got, descend(step, (start, bias), loss), rtol=1e-10)
    diagonal, _ = theory.augment_with_bias(np.full(N, 2.0), mean, teacher)
    np.testing.assert_array_equal(diagonal[:N, :N], 2 * np.eye(N))


@pytest.mark.parametrize("rate", [1e-6, 1e-3, 0.499, 0.7, 1.3, 1.6, 2 - 1e-6])
def test_float32_keeps_the_digits_of_small_rates(rate):
    rate = np.float32(rate)
    steps = np.array([1, 10, 10**6]) if abs(rate - 1) > 0.9 else np.array([1, 10, 20])
    got = theory.diagonal_loss_curve([1.0], [1.0], rate, steps)
    expected = 0.5 * (1 - np.float64(rate)) ** (2 * steps)
    np.testing.assert_allclose(got, expected, rtol=5e-6)


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
    got = theory.diagonal_loss_curve(variances, np.ones(count), ETA, steps)
    np.testing.assert_allclose(got, direct, rtol=1e-12)


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
    got = theory.bottleneck_loss_curve(W, moment, teacher, ETA, STEPS, start=start)
    np.testing.assert_allclose(got, expected, rtol=1e-10)

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
    got = theory.bottleneck_loss_curve(W, moment, teacher, ETA, STEPS, start=start, dynamics="flow")
    np.testing.assert_allclose(got, expected, rtol=1e-10)


def test_bottleneck_without_compression_is_the_full_student(x64):
    variances, teacher = np.arange(1, N + 1) ** -1.5, random_problem()[1]
    for moment in (variances, np.diag(variances)):
        got = theory.bottleneck_loss_curve(np.eye(N), moment, teacher, ETA, STEPS)
        expected = theory.full_loss_curve(moment, teacher, ETA, STEPS)
        np.testing.assert_allclose(got, expected, rtol=1e-10)
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


# ReLU autoencoders on one active feature

GAINS = np.array([-1.3, -0.6, -0.2, 0.0, 1e-6, 0.1, 0.2, 0.7, 1.0, 1.8])
BIASES = np.array([-1.0, -0.2, -1e-7, 0.0, 1e-7, 0.1, 0.2, 0.6, 1.3])
NODES, WEIGHTS = np.polynomial.legendre.leggauss(5)


def quadrature(gain, bias, target, integrand=lambda v, error: error**2):
    """int_0^1 integrand dv by Gauss-Legendre rules on both sides of the kink, exact to degree 9."""
    kink = np.clip(-bias / gain, 0, 1) if gain else 0.5
    total = 0.0
    for low, high in ((0, kink), (kink, 1)):
        v = low + (high - low) * (NODES + 1) / 2
        error = target * v - np.maximum(gain * v + bias, 0)
        total += (high - low) / 2 * np.sum(WEIGHTS * integrand(v, error))
    return total


@pytest.mark.parametrize("target", [0, 1])
def test_response_errors_equal_quadrature_in_every_case(x64, target):
    for gain in GAINS:
        for bias in BIASES:
            # two features, so that the error of output 0 is the mean of one entry and a known one
            gram = np.diag([gain, 1.0]) if target else np.array([[1.0, gain], [0.0, 1.0]])
            got = one_sparse_errors_from_gram(gram, [bias, 0.0])
            other = quadrature(0.0 if target else 1.0, bias, 0 if target else 1)
            expected = (quadrature(gain, bias, target) + other) / 2
            assert got[0] == pytest.approx(expected, rel=1e-13, abs=1e-15), (gain, bias)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
@pytest.mark.parametrize("target", [0.0, 1.0])
def test_response_gradients_are_accurate_near_the_singular_gains(x64, target, dtype):
    # The derivatives are -2 int_active e dv and -2 int_active v e dv.
    gain, bias = (x.ravel() for x in np.meshgrid(GAINS, BIASES))
    gain, bias = jnp.asarray(gain, dtype), jnp.asarray(bias, dtype)
    entries = jnp.full(gain.shape, target, dtype)
    _, pullback = jax.vjp(lambda g, c: uniform_error(g, c, entries), gain, bias)
    slopes = np.stack(pullback(jnp.ones_like(gain)))
    points = [(float(g), float(c)) for g, c in zip(gain, bias, strict=True)]
    for slope, (g, c) in zip(slopes.T, points, strict=True):
        expected = [
            quadrature(g, c, target, lambda v, e, g=g, c=c, p=p: -2 * v**p * e * (g * v + c > 0))
            for p in (1, 0)
        ]
        np.testing.assert_allclose(slope, expected, atol=20 * float(jnp.finfo(dtype).eps))


def test_values_and_gradients_are_finite_at_extreme_inputs():
    sizes = np.array([0, 1e-45, 1e-38, 2e-38, 1e-30, 1e-20, 1e-10, 1e-4, 1, 1e4], np.float32)
    values = np.concatenate([-sizes, sizes])
    gain, bias = (jnp.asarray(x) for x in np.meshgrid(values, values))
    for target in (0.0, 1.0):
        entries = jnp.full(gain.shape, target)
        value, pullback = jax.vjp(lambda g, c, e=entries: uniform_error(g, c, e), gain, bias)
        for array in (value, *pullback(jnp.ones_like(value))):
            assert np.all(np.isfinite(array))
        assert np.all(value >= 0)


def test_errors_of_an_asymmetric_gram_with_frequencies(x64):
    rng = np.random.default_rng(9)
    gram, bias = rng.normal(size=(6, 6)), 0.3 * rng.normal(size=6)
    frequencies, importance = rng.dirichlet(np.ones(6)), rng.uniform(size=6)
    table = np.array(
        [[quadrature(gram[i, j], bias[i], float(i == j)) for j in range(6)] for i in range(6)]
    )
    uniform = one_sparse_errors_from_gram(gram, bias)
    np.testing.assert_allclose(uniform, table.mean(axis=1), rtol=1e-12)
    weighted = one_sparse_errors_from_gram(gram, bias, frequencies=frequencies)
    np.testing.assert_allclose(weighted, table @ frequencies, rtol=1e-12)

    W = rng.normal(size=(3, 6))
    errors = one_sparse_errors(W, bias, frequencies=frequencies)
    expected = one_sparse_errors_from_gram(W.T @ W, bias, frequencies=frequencies)
    np.testing.assert_allclose(errors, expected, rtol=1e-12)
    loss = theory.one_sparse_loss(W, bias, importance=importance, frequencies=frequencies)
    assert loss == pytest.approx(float(np.sum(importance * errors)), rel=1e-12)
    plain = np.asarray(one_sparse_errors(W, bias)).sum()
    assert theory.one_sparse_loss(W, bias) == pytest.approx(plain, rel=1e-12)


@pytest.mark.parametrize("gain", [0.0, 0.4, -0.7, 2.0])
def test_errors_with_a_teacher_gain_equal_quadrature(x64, gain):
    for response in GAINS:
        for bias in BIASES:
            got = one_sparse_errors_from_gram([[response]], [bias], gains=[gain])
            expected = quadrature(response, bias, gain)
            assert got[0] == pytest.approx(expected, rel=1e-13, abs=1e-15), (response, bias)


def polygon(corners):
    angles = 2 * np.pi * np.arange(corners) / corners
    return np.stack([np.cos(angles), np.sin(angles)])


def test_pentagon_is_a_critical_point_with_its_published_loss(x64):
    # arXiv:2310.06301: the regular pentagon of five features in two dimensions.
    def loss(p):
        return theory.one_sparse_loss(p[0] * jnp.asarray(polygon(5)), jnp.full(5, p[1]))

    assert loss(jnp.array([1.170460, -0.282297])) == pytest.approx(0.01582563, abs=5e-9)
    gradient, hessian = jax.jit(jax.grad(loss)), jax.jit(jax.hessian(loss))
    root = optimize.root(lambda p: np.asarray(gradient(p)), [1.17, -0.28], tol=1e-13).x
    np.testing.assert_allclose(root, [1.170460, -0.282297], atol=1e-6)
    W, bias = root[0] * polygon(5), np.full(5, root[1])
    for slope in jax.grad(theory.one_sparse_loss, argnums=(0, 1))(W, bias):
        assert np.abs(slope).max() < 1e-12
    assert np.all(np.linalg.eigvalsh(hessian(root)) > 0)


def test_square_with_a_dead_feature_loses_one_fifteenth():
    W = np.column_stack([polygon(4), np.zeros(2)])
    assert theory.one_sparse_loss(W, np.zeros(5)) == pytest.approx(1 / 15, rel=1e-6)


def test_unit_activations_count_each_response_once(x64):
    rng = np.random.default_rng(12)
    gram, bias, gains = rng.normal(size=(6, 6)), 0.3 * rng.normal(size=6), rng.normal(size=6)
    squares = (np.diag(gains) - np.maximum(gram + bias[:, None], 0)) ** 2
    got = one_sparse_errors_from_gram(gram, bias, gains=gains, values="one")
    np.testing.assert_allclose(got, squares.mean(axis=1), rtol=1e-14)

    W, importance = rng.normal(size=(3, 6)), rng.uniform(size=6)
    errors = (np.diag(gains) - np.maximum(W.T @ W + bias[:, None], 0)) ** 2
    loss = theory.one_sparse_loss(W, bias, importance=importance, gains=gains, values="one")
    assert loss == pytest.approx(importance @ errors.mean(axis=1), rel=1e-14)
    plain = one_sparse_errors(W, bias, values="one")
    expected = (np.eye(6) - np.maximum(W.T @ W + bias[:, None], 0)) ** 2
    np.testing.assert_allclose(plain, expected.mean(axis=1), rtol=1e-14)


def test_one_sparse_derivatives_equal_finite_differences(x64):
    rng = np.random.default_rng(10)
    W, bias = rng.normal(size=(3, 7)), 0.3 * rng.normal(size=7)
    assert_gradients(theory.one_sparse_loss, W, bias)
    gains = rng.normal(size=7)
    assert_gradients(
        lambda gram, c, A: one_sparse_errors_from_gram(gram, c, gains=A).sum(),
        rng.normal(size=(7, 7)),
        bias,
        gains,
    )
    gradient = jax.grad(theory.one_sparse_loss)
    shift = 1e-6 * rng.normal(size=W.shape)
    _, curvature = jax.jvp(lambda w: gradient(w, bias), (jnp.asarray(W),), (jnp.asarray(shift),))
    difference = (gradient(W + shift, bias) - gradient(W - shift, bias)) / 2
    np.testing.assert_allclose(curvature, difference, atol=1e-11)


def test_one_sparse_is_the_same_under_jit_and_vmap():
    rng = np.random.default_rng(11)
    W = jnp.asarray(rng.normal(size=(4, 3, 7)), jnp.float32)
    bias = jnp.asarray(0.3 * rng.normal(size=(4, 7)), jnp.float32)
    looped = jnp.stack([theory.one_sparse_loss(w, c) for w, c in zip(W, bias, strict=True)])
    batched = jax.jit(jax.vmap(theory.one_sparse_loss))(W, bias)
    np.testing.assert_allclose(batched, looped, rtol=1e-6)


# Inputs

EYE, ONES = np.eye(3), np.ones(3)
BAD_INPUTS = {
    "a of zero": (
        lambda: theory.training_exponent(0.0, 1.0),
        "a: expected finite numbers > 0; got 0.0; pass a of",
    ),
    "infinite a": (lambda: theory.training_exponent(np.inf, 1.0), "finite numbers > 0; got inf"),
    "nan b": (
        lambda: theory.training_exponent(1.0, [0.0, np.nan]),
        "b: expected finite numbers; got nan; pass b of",
    ),
    "no power law": (
        lambda: asymptotic_amplitude(0.5, 0.0, 0.1, 1.0),
        r"a \+ 2b - 1: expected finite numbers > 0; got -0.5; raise",
    ),
    "asymptote rate": (lambda: theory.asymptotic_loss(2, 0, 0.0, 1, 1), "learning_rate: .*; got 0"),
    "asymptote variance": (
        lambda: theory.asymptotic_loss(2, 0, 1, -1, 1),
        "leading_variance: .*-1",
    ),
    "asymptote steps": (
        lambda: theory.asymptotic_loss(2, 0, 1, 1, -2),
        "steps: .*; got -2.0; count",
    ),
    "dense variances": (
        lambda: theory.diagonal_loss_curve(EYE, ONES, 0.1, 1),
        r"variances: expected shape \[features\]; got \[3, 3\]; call full_loss_curve",
    ),
    "gains": (
        lambda: theory.diagonal_loss_curve(ONES, [1.0], 0.1, 1),
        r"gains: expected shape \[3\]",
    ),
    "negative variance": (
        lambda: theory.diagonal_loss_curve([1.0, -2.0], [1.0, 1.0], 0.1, 1),
        "variances: expected finite numbers >= 0; got -2.0; pass",
    ),
    "negative rate": (lambda: theory.diagonal_loss_curve(ONES, ONES, -1, 1), "learning_rate: .*-1"),
    "several rates": (lambda: theory.diagonal_loss_curve(ONES, ONES, ONES, 1), r"\[3\]; vmap"),
    "negative steps": (
        lambda: theory.diagonal_loss_curve(ONES, ONES, 0.1, [-1]),
        "steps: .*; got -1",
    ),
    "dynamics": (
        lambda: theory.diagonal_loss_curve(ONES, ONES, 0.1, 1, dynamics="euler"),
        "dynamics: expected one of 'discrete', 'flow'; got 'euler'; choose one of",
    ),
    "start shape": (
        lambda: theory.diagonal_loss_curve(ONES, ONES, 0.1, 1, start=[0.0]),
        r"start: expected shape \[3\]; got \[1\]; pass",
    ),
    "start value": (
        lambda: theory.full_loss_curve(ONES, EYE, 0.1, 1, start=EYE * np.nan),
        "start: expected finite numbers; got nan; pass",
    ),
    "vector teacher": (
        lambda: theory.full_loss_curve(EYE, ONES, 0.1, 1),
        r"teacher: expected shape \[outputs, features\]; got \[3\]; use jnp.diag",
    ),
    "moment shape": (
        lambda: theory.full_loss_curve(np.eye(2), EYE, 0.1, 1),
        r"second_moment: expected shape \[3, 3\]; got \[2, 2\]; pass",
    ),
    "asymmetric moment": (
        lambda: theory.full_loss_curve(EYE + np.eye(3, k=1), EYE, 0.1, 1),
        "second_moment minus its transpose: expected 0; got 1.0; pass",
    ),
    "indefinite moment": (
        lambda: theory.full_loss_curve(np.array([[1.0, 2], [2, 1]]), np.eye(2), 0.1, 1),
        "eigenvalues of second_moment: expected numbers >= 0; got -1.0.*; pass",
    ),
    "mean shape": (
        lambda: theory.augment_with_bias(ONES, [1.0], EYE),
        r"mean: expected shape \[3\]",
    ),
    "augmented teacher": (lambda: theory.augment_with_bias(ONES, ONES, ONES), "outputs, features"),
    "vector W": (
        lambda: bottleneck_floor(ONES, ONES, EYE),
        r"W: expected shape \[latent, features\]; got \[3\]; vmap",
    ),
    "infinite W": (
        lambda: bottleneck_floor(EYE / 0.0, ONES, EYE),
        "W: expected finite numbers; got",
    ),
    "wide teacher": (
        lambda: bottleneck_floor(EYE, ONES, np.ones((2, 3))),
        r"teacher: expected shape \[3, 3\]; got \[2, 3\]; match",
    ),
    "core shape": (
        lambda: theory.bottleneck_solution(np.ones((2, 3)), ONES, EYE, 0.1, start=EYE),
        r"start: expected shape \[2, 2\]; got \[3, 3\]; pass",
    ),
    "indefinite bottleneck": (
        lambda: bottleneck_floor(np.eye(2), np.array([[1.0, 2], [2, 1]]), np.eye(2)),
        "eigenvalues of W C W.T: expected numbers >= 0; got -1.0.*; pass",
    ),
    "one-sparse W": (
        lambda: theory.one_sparse_loss(ONES, ONES),
        r"W: expected shape \[latent, features\]",
    ),
    "vector gram": (lambda: one_sparse_errors_from_gram(ONES, ONES), "outputs, features"),
    "oblong gram": (
        lambda: one_sparse_errors_from_gram(np.ones((2, 3)), ONES),
        r"gram: expected shape \[3, 3\]; got \[2, 3\]; give",
    ),
    "bias": (
        lambda: one_sparse_errors(EYE, [0.0]),
        r"bias: expected shape \[3\]; got \[1\]",
    ),
    "one-sparse gains": (
        lambda: one_sparse_errors_from_gram(EYE, ONES, gains=[1.0]),
        r"gains: expected shape \[3\]; got \[1\]; give",
    ),
    "frequencies shape": (
        lambda: one_sparse_errors(EYE, ONES, frequencies=[1.0]),
        r"frequencies: expected shape \[3\]; got \[1\]; give",
    ),
    "frequencies sum": (
        lambda: one_sparse_errors(EYE, ONES, frequencies=ONES),
        "sum of frequencies: expected 1; got 3.0; divide",
    ),
    "negative frequency": (
        lambda: one_sparse_errors(EYE, ONES, frequencies=[-1.0, 1, 1]),
        "frequencies: expected finite numbers >= 0; got -1.0; pass",
    ),
    "one-sparse values": (
        lambda: one_sparse_errors_from_gram(EYE, ONES, values="two"),
        "values: expected one of 'unit', 'one'; got 'two'; choose",
    ),
    "one-sparse loss values": (
        lambda: theory.one_sparse_loss(EYE, ONES, values="uni"),
        "values: expected one of 'unit', 'one'; got 'uni'; did you mean 'unit'?",
    ),
    "one-sparse loss bias": (
        lambda: theory.one_sparse_loss(EYE, [0.0]),
        r"bias: expected shape \[3\]; got \[1\]",
    ),
    "one-sparse loss gains": (
        lambda: theory.one_sparse_loss(EYE, ONES, gains=[1.0]),
        r"gains: expected shape \[3\]; got \[1\]",
    ),
    "one-sparse loss frequencies": (
        lambda: theory.one_sparse_loss(EYE, ONES, frequencies=ONES),
        "sum of frequencies: expected 1; got 3.0; divide",
    ),
    "importance": (
        lambda: theory.one_sparse_loss(EYE, ONES, importance=-ONES),
        "importance: expected finite numbers >= 0; got -1.0; pass",
    ),
}


@pytest.mark.parametrize(("call", "message"), BAD_INPUTS.values(), ids=BAD_INPUTS)
@pytest.mark.filterwarnings("ignore:divide by zero:RuntimeWarning")
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_bad_inputs_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_results_have_the_dtype_of_the_arrays(x64):
    W, bias = jnp.ones((1, 2), jnp.float32), jnp.zeros(2, jnp.float32)
    assert theory.one_sparse_loss(W, bias, importance=np.ones(2)).dtype == jnp.float32
    curve = theory.bottleneck_loss_curve(W, bias, jnp.eye(2, dtype=jnp.float32), 0.1, np.arange(3))
    assert curve.dtype == jnp.float32
    assert theory.one_sparse_loss([[1, 1]], [0, 0]).dtype == jnp.float64
