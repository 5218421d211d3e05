"""Closed forms with a bottleneck against loops, matrix exponentials and least squares."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from linear_problems import (
    ETA,
    STEPS,
    K,
    N,
    assert_gradients,
    descend,
    loss_of,
    random_bottleneck,
    random_problem,
)
from scipy import linalg

from jaxsup.theory.bottleneck import bottleneck_floor, bottleneck_loss_curve, bottleneck_solution
from jaxsup.theory.linear import full_loss_curve


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
    curve = bottleneck_loss_curve(W, moment, teacher, ETA, STEPS, start=start)
    np.testing.assert_allclose(curve, expected, rtol=1e-10)

    floor, optimum = bottleneck_floor_by_least_squares(W, moment, teacher)
    solution = bottleneck_solution(W, moment, teacher, ETA)
    assert solution.floor == pytest.approx(floor, rel=1e-10)
    assert bottleneck_floor(W, moment, teacher) == solution.floor
    np.testing.assert_allclose(solution.optimum, optimum, atol=1e-7 * np.abs(optimum).max())
    assert np.all(solution.excess >= 0)
    forever = bottleneck_loss_curve(W, moment, teacher, 1.0, 1e12, dynamics="flow")
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
    curve = bottleneck_loss_curve(W, moment, teacher, ETA, STEPS, start=start, dynamics="flow")
    np.testing.assert_allclose(curve, expected, rtol=1e-10)


def test_bottleneck_without_compression_is_the_full_student(x64):
    variances, teacher = np.arange(1, N + 1) ** -1.5, random_problem()[1]
    for moment in (variances, np.diag(variances)):
        curve = bottleneck_loss_curve(np.eye(N), moment, teacher, ETA, STEPS)
        expected = full_loss_curve(moment, teacher, ETA, STEPS)
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
    solution = bottleneck_solution(W, np.ones(features), np.eye(features), 1.0)
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
        single = bottleneck_loss_curve(*arguments)
    assert single.dtype == jnp.float32
    with jax.enable_x64(True):
        double = bottleneck_loss_curve(*arguments)
    assert double.dtype == jnp.float64
    np.testing.assert_allclose(single, double, rtol=2e-5)
