"""The model of the noise: against dense covariance matrices and independently written formulas."""

import numpy as np
import pytest

from jaxsup.fit.curves import bin_curve, read_losses
from jaxsup.fit.single.likelihood import Piece, find_posterior, take_moments
from jaxsup.fit.single.record_noise import Noise, measure_noise, noise_of_curve, trend_of_curve


def entries_covariance(rho, sigma):
    """Covariance of n_i = rho n_(i-1) + sigma_i e_i, stationary at the start."""
    count = len(sigma)
    response = np.tril(rho ** np.maximum(np.subtract.outer(np.arange(count), np.arange(count)), 0))
    factor = response * sigma
    factor[:, 0] /= np.sqrt(1 - rho**2)
    return factor @ factor.T


@pytest.mark.parametrize("rho", [-0.5, 0.0, 0.3, 0.95])
def test_covariance_of_bins_is_that_of_their_entries(rho):
    counts, scale = np.array([1.0, 1.0, 3.0, 2.0, 7.0]), np.array([1.0, 2.0, 0.5, 1.0, 3.0])
    stop = np.cumsum(counts)
    gaps = np.maximum(stop - counts - stop[:, None] + 1, 0.0)
    means = np.repeat(np.eye(5), counts.astype(int), 1) / counts[:, None]
    noise = Noise(np.array([rho]), np.ones(1), np.array([4.0]), scale, np.eye(5), counts, gaps, 10)
    dense = 4 * means @ entries_covariance(rho, np.repeat(scale, counts.astype(int))) @ means.T
    np.testing.assert_allclose(noise.covariances(slice(0, 5))[0], dense, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(noise.covariance(), dense, rtol=1e-10, atol=1e-10)


def test_posterior_is_the_restricted_likelihood_of_a_dense_normal():
    """log p = -1/2 (log |V| + log |X' V^-1 X| + (n - p) log r' V^-1 r), and the prior."""
    rng = np.random.default_rng(0)
    t = np.geomspace(1, 1e3, 30)
    noise = np.linalg.cholesky(entries_covariance(0.6, np.ones(30))) @ rng.standard_normal(30)
    y = 1 - 0.5 * np.log(t) + 0.1 * noise
    curve = bin_curve(read_losses(t, np.exp(y)), 16)
    design = np.stack([np.ones(30), np.log(t)])
    pieces = [Piece(0, len(curve.x) - 1, design)]
    scale = np.linspace(1, 2, len(curve.x))
    posterior = find_posterior(take_moments(curve, y, pieces, scale)[1])
    sigma = np.repeat(scale, curve.stop - curve.start)
    logs, variances = [], []
    for rho in posterior.correlation:
        weights = np.linalg.inv(entries_covariance(rho, sigma))
        normal = design @ weights @ design.T
        residual = y - design.T @ np.linalg.solve(normal, design @ weights @ y)
        squares = residual @ weights @ residual
        logs.append(
            (np.linalg.slogdet(weights)[1] - np.linalg.slogdet(normal)[1] - 28 * np.log(squares))
            / 2
            + 0.25 * np.log(1 - rho**2)
        )
        variances.append(squares / 28)
    weight = np.exp(np.array(logs) - max(logs))
    np.testing.assert_allclose(posterior.weight, weight / weight.sum(), rtol=1e-6)
    np.testing.assert_allclose(posterior.variance, variances, rtol=1e-6)


@pytest.mark.parametrize("rho", [0.0, 0.9, 0.99])
def test_correlation_and_size_are_found(rho):
    """10,000 entries: rho within five standard errors sqrt((1 - rho^2) / n)."""
    rng = np.random.default_rng(1)
    noise, t = rng.standard_normal(10_000), np.arange(1.0, 10_001.0)
    for i in range(1, 10_000):
        noise[i] = rho * noise[i - 1] + np.sqrt(1 - rho**2) * noise[i]
    losses = read_losses(t, t**-0.5 * np.exp(0.05 * noise))
    curve, y = bin_curve(losses, 16), np.log(losses.values[0])
    found = noise_of_curve(curve, np.log(t), y)
    assert found.median == pytest.approx(rho, abs=5 * np.sqrt((1 - rho**2) / 10_000))
    late = found.scale[-1] ** 2 * (found.weight @ found.variance) / (1 - found.median**2)
    assert np.sqrt(late) == pytest.approx(0.05, rel=0.2 + 0.3 * (rho > 0.95))


def test_error_of_the_trend_is_no_noise_at_the_start():
    """100 records: sigma^2 where a step is long in log t, within five standard errors of the mean.

    Innovations about the law fitted to log L itself make it 1.34.
    """
    rng, t = np.random.default_rng(4), np.arange(1.0, 1001.0)
    root = np.linalg.cholesky(entries_covariance(0.99, np.ones(1000)))
    shares = []
    for _ in range(100):
        losses = read_losses(t, t**-0.5 * np.exp(0.01 * root @ rng.standard_normal(1000)))
        curve, y = bin_curve(losses, 16), np.log(losses.values[0])
        law = Piece(0, len(curve.x) - 1, np.stack([np.ones(1000), np.log(t)]))
        found = measure_noise(curve, y, [law])
        shares.append(found.scale[0] ** 2 * (found.weight @ found.variance) / 0.01**2)
    assert np.mean(shares) == pytest.approx(1, abs=float(np.std(shares)) / 2)


def test_noise_that_grows_is_seen_to_grow():
    rng = np.random.default_rng(2)
    t = np.geomspace(1, 1e4, 400)
    sigma = 0.01 * t**0.25  # tenfold over the record
    losses = read_losses(t, t**-0.5 * np.exp(sigma * rng.standard_normal(400)))
    curve, y = bin_curve(losses, 16), np.log(losses.values[0])
    noise = noise_of_curve(curve, np.log(t), y)
    size = noise.scale * np.sqrt(noise.weight @ noise.variance)
    expected = 0.01 * np.exp(0.25 * curve.x)
    assert np.abs(np.log(size / expected))[3:-3].max() < np.log(1.7)


def test_bends_of_the_curve_are_no_noise():
    t = np.geomspace(1, 1e4, 60)
    losses = read_losses(t, (1 + t / 30) ** -0.8 + 1e-2)
    curve, y = bin_curve(losses, 16), np.log(losses.values[0])
    parabolas = trend_of_curve(curve, np.log(t), slice(0, len(curve.x)))
    plain = measure_noise(curve, y, parabolas)
    noise = noise_of_curve(curve, np.log(t), y)
    assert noise.weight @ noise.variance < 0.1 * (plain.weight @ plain.variance)
