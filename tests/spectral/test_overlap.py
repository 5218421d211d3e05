"""Cosines of pairs of features, against all pairs one by one and the Welch bound."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tight_frames import close, harmonic, polygon, simplex

from jaxsup.spectral import overlap
from jaxsup.spectral.overlap import mean_squared_cosine_on_host, welch_bound


@pytest.mark.parametrize("block", [1, 7, 40, 2048])
def test_coherence(block, x64):
    W = np.random.default_rng(11).standard_normal((6, 40))
    W[:, [3, 17]] = 0.0
    unit = np.delete(W, [3, 17], axis=1)
    unit = unit / np.linalg.norm(unit, axis=0)
    cosines = np.abs(unit.T @ unit) - np.eye(38)
    close(overlap.coherence(W, block=block), cosines.max())


def test_coherence_limits(x64):
    """Simplices are equiangular tight frames: they reach the Welch bound (Welch 1974)."""
    for n in (1, 3, 7):
        bound = welch_bound(n + 1, n)
        close(overlap.coherence(1e6 * simplex(n)), bound)
    random = np.random.default_rng(12).standard_normal((4, 30))
    assert overlap.coherence(random) > welch_bound(30, 4)
    assert overlap.coherence(np.ones((3, 1))) == overlap.coherence(np.zeros((3, 4))) == 0.0
    close(overlap.coherence(np.ones((3, 2))), 1.0)
    assert welch_bound(3, 5) == welch_bound(1, 1) == 0.0


def mean_of_pairs(W):
    """Mean cos^2 over all pairs, one by one."""
    unit = [w / np.linalg.norm(w) for w in W.T]
    return np.mean([(u @ v) ** 2 for u, v in itertools.combinations(unit, 2)])


@pytest.mark.parametrize("shape", [(5, 12), (12, 5), (1, 4)])
def test_mean_squared_cosine_is_that_of_all_pairs(shape, x64):
    W = 1e3 * np.random.default_rng(14).standard_normal(shape)
    W[:, 1] = 0.0
    kept = np.delete(W, 1, axis=1)
    for whole in (overlap.mean_squared_cosine, jax.jit(overlap.mean_squared_cosine)):
        close(whole(jnp.asarray(W)), mean_of_pairs(kept))
    close(mean_squared_cosine_on_host(kept), mean_of_pairs(kept))
    chosen = np.arange(shape[1]) > 1
    close(overlap.mean_squared_cosine(W, chosen), mean_of_pairs(W[:, chosen]))


@pytest.mark.slow
def test_mean_squared_cosine_reaches_the_welch_bound_for_tight_frames(x64):
    for W in (polygon(7), simplex(3), harmonic(np.random.default_rng(15), 4, 11)):
        close(overlap.mean_squared_cosine(W), welch_bound(*W.shape[::-1]) ** 2)
        close(mean_squared_cosine_on_host(W), welch_bound(*W.shape[::-1]) ** 2)
    close(overlap.mean_squared_cosine(np.eye(4)), 0.0)


def test_mean_squared_cosine_on_the_host_in_blocks(monkeypatch):
    monkeypatch.setattr(overlap, "_BLOCK", 7)
    for shape in ((4, 50), (50, 4)):
        W = np.random.default_rng(16).standard_normal(shape)
        close(mean_squared_cosine_on_host(W), mean_of_pairs(W))


@pytest.mark.parametrize("seed", range(4))
def test_one_feature_has_no_mean_cosine_whatever_its_rounding(seed):
    W = np.random.default_rng(seed).normal(size=(3, 1)).astype(np.float32)
    for whole in (overlap.mean_squared_cosine, jax.jit(overlap.mean_squared_cosine)):
        assert np.isnan(whole(jnp.asarray(W)))
    slope = jax.grad(overlap.mean_squared_cosine)(jnp.asarray(W))
    np.testing.assert_array_equal(slope, 0.0)


def test_mean_squared_cosine_is_never_negative():
    """Orthogonal features, whose sum of squares is off their number by rounding either way."""
    for seed in range(8):
        Q = np.linalg.qr(np.random.default_rng(seed).normal(size=(5, 5)))[0].astype(np.float32)
        assert 0 <= overlap.mean_squared_cosine(Q) < 1e-6
        assert np.isfinite(jax.grad(overlap.mean_squared_cosine)(jnp.asarray(Q))).all()


def test_fewer_than_two_features_have_no_mean_cosine():
    for W in (np.zeros((2, 3)), np.array([[1.0, 0.0], [0.0, 0.0]])):
        assert np.isnan(overlap.mean_squared_cosine(W))
    assert np.isnan(mean_squared_cosine_on_host(np.ones((3, 1))))
