"""Samples of feature laws: exact moments and laws, by bounded Monte Carlo."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from feature_laws import families, moments_of
from power_laws import power_law

import jaxsup


@pytest.mark.parametrize("name", families(2))
def test_samples_have_the_exact_moments(name):
    """Every entry within 5 standard errors; the errors come from the sample's fourth moments."""
    features, batch = families(5)[name], 2**17
    x = np.asarray(features.sample_batch(jax.random.key(3), batch), np.float64)
    assert x.shape == (batch, 5)
    moments = moments_of(features)
    error = x.std(axis=0) / np.sqrt(batch)
    assert (np.abs(x.mean(axis=0) - moments.mean) <= 5 * error + 1e-7).all()
    products = x[:, :, None] * x[:, None, :]
    error = products.std(axis=0) / np.sqrt(batch)
    gap = np.abs(products.mean(axis=0) - np.asarray(moments.second_moment()))
    assert (gap <= 5 * error + 1e-7).all()
    # The bound is tight enough to tell a second moment from a covariance.
    if name == "power-law-uniform":
        assert (5 * error < np.outer(moments.mean, moments.mean)).all()


@pytest.mark.parametrize("values", ["uniform", "unit"])
def test_active_values_follow_their_uniform_law(values):
    features = jaxsup.PowerLawFeatures(3, 0.5, values=values)
    x = np.asarray(features.sample_batch(jax.random.key(4), 2**15))
    width = 2.0 if values == "uniform" else 1.0
    for column in x.T:
        active = column[column != 0]
        # The 0.1 % point of Kolmogorov's distribution.
        statistic = scipy.stats.kstest(active, "uniform", args=(0, width)).statistic
        assert statistic * np.sqrt(active.size) < 1.95
        assert 0.99 * width < active.max() <= width


def test_sign_values_are_fair():
    features = jaxsup.PowerLawFeatures(3, 0.5, values="sign")
    x = np.asarray(features.sample_batch(jax.random.key(5), 2**15))
    assert set(np.unique(x)) == {-1.0, 0.0, 1.0}
    for column in x.T:
        active = column[column != 0]
        assert abs(active.mean()) * np.sqrt(active.size) < 4


def test_activations_are_independent_between_features_and_of_values():
    count, batch = 8, 2**16
    features = jaxsup.PowerLawFeatures(count, 0.7, density=3.0)
    x = np.asarray(features.sample_batch(jax.random.key(6), batch), np.float64)
    p = np.asarray(features.probabilities, np.float64)
    active = x != 0
    spread = np.sqrt(p * (1 - p))
    z = (active - p) / spread
    assert (np.abs(z.mean(axis=0)) * np.sqrt(batch) < 4.5).all()
    correlation = z.T @ z / batch
    off = correlation[~np.eye(count, dtype=bool)]
    assert np.abs(off).max() * np.sqrt(batch) < 4.5
    # The number of active features has the variance of independent ones: relative error sqrt(2/B).
    variance = active.sum(axis=1).var() / (p * (1 - p)).sum()
    assert abs(variance - 1) < 5 * np.sqrt(2 / batch)
    # E[v | another feature is active] stays 1; v has variance 1/3.
    values = x[active[:, 0] & active[:, 1], 0]
    assert abs(values.mean() - 1) < 4.5 * np.sqrt(1 / 3 / values.size)


@pytest.mark.extended
def test_rare_features_are_as_rare_as_stated():
    """p = 1e-9 in 2^26 draws: 0.07 expected, where a 23-bit uniform number would give 8."""
    features = jaxsup.PowerLawFeatures(1024, 0.0, density=1e-9, normalize=False)

    @jax.jit
    def active(key):
        return jnp.sum(features.sample_batch(key, 2**12) != 0)

    drawn = sum(int(active(jax.random.key(seed))) for seed in range(16))
    assert drawn <= 2


def test_one_active_feature_a_row_by_frequency():
    count, batch = 6, 2**16
    features = jaxsup.OneActiveFeatures(count, 1.0)
    x = np.asarray(features.sample_batch(jax.random.key(7), batch))
    assert ((x != 0).sum(axis=1) <= 1).all()
    assert x.min() >= 0
    assert x.max() <= 1
    counts = (x != 0).sum(axis=0)
    f = power_law(count, 1.0, normalize=True)
    spread = np.sqrt(batch * f * (1 - f))
    assert (np.abs(counts - batch * f) < 4.5 * spread).all()
    active = x[x != 0]
    statistic = scipy.stats.kstest(active, "uniform").statistic
    assert statistic * np.sqrt(active.size) < 1.95
    ones = jaxsup.OneActiveFeatures(count, 1.0, values="one")
    # The same key draws the same features.
    np.testing.assert_array_equal(ones.sample_batch(jax.random.key(7), batch), x != 0)


def test_singular_covariance_keeps_samples_in_its_range():
    direction = np.array([1.0, -2.0, 0.5])
    features = jaxsup.CorrelatedFeatures(np.outer(direction, direction))
    x = np.asarray(features.sample_batch(jax.random.key(8), 4096), np.float64)
    unit = direction / np.linalg.norm(direction)
    # The root of an eigenvalue of float32 rounding size is what may leak out of the range.
    leak = np.linalg.norm(x - np.outer(x @ unit, unit), axis=1).max()
    assert leak < 1e-2
    projected = x @ unit / np.linalg.norm(direction)
    assert abs(projected.var() - 1) < 5 * np.sqrt(2 / 4096)


def test_gaussian_samples_are_normal():
    features = jaxsup.GaussianFeatures(3, 1.0)
    x = np.asarray(features.sample_batch(jax.random.key(9), 2**14))
    for column, variance in zip(x.T, np.asarray(features.variances), strict=True):
        scale = float(np.sqrt(variance))
        statistic = scipy.stats.kstest(column / scale, "norm").statistic
        assert statistic * np.sqrt(column.size) < 1.95


@pytest.mark.parametrize(
    "make",
    [
        lambda a, d: jaxsup.PowerLawFeatures(6, a, d),
        lambda a, d: jaxsup.PowerLawFeatures(6, a, d, "sign", normalize=False),
        lambda a, d: jaxsup.GaussianFeatures(6, a, d),
        lambda a, d: jaxsup.OneActiveFeatures(6, a),
    ],
)
def test_traced_scalars_equal_eager(make):
    key, exponents, densities = jax.random.key(10), jnp.array([0.4, 1.7]), jnp.array([0.2, 0.9])

    @jax.jit
    @jax.vmap
    def together(a, d):
        features = make(a, d)
        moments = moments_of(features)
        return features.sample_batch(key, 64), moments.mean, moments.second_moment()

    batches = together(exponents, densities)
    for row, (a, d) in enumerate(zip(exponents.tolist(), densities.tolist(), strict=True)):
        features = make(a, d)
        moments = moments_of(features)
        alone = features.sample_batch(key, 64), moments.mean, moments.second_moment()
        for column, expected in zip(batches, alone, strict=True):
            np.testing.assert_allclose(column[row], expected, rtol=2e-6, atol=1e-7)


def test_samples_depend_on_the_key_alone():
    features = jaxsup.PowerLawFeatures(6, 1.0)
    again = [features.sample_batch(jax.random.key(seed), 32) for seed in (0, 0, 1)]
    np.testing.assert_array_equal(again[0], again[1])
    assert (np.asarray(again[0]) != np.asarray(again[2])).any()
