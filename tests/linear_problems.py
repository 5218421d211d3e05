"""Linear problems with known second moments, their loops of gradient descent, and differences."""

import jax
import numpy as np
import pytest

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
