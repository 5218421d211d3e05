"""Errors and intervals of power-law fits: coverage, autocorrelation, bootstrap over seeds."""

import math

import numpy as np
import pytest
from noisy_curves import LOG_STEPS, noisy, seeds

from jaxsup.fit.power_law import fit_power_law


def test_error_and_drift_are_those_of_the_page_of_methods():
    """HC2 errors, their autocorrelation and the slopes of thirds, written out for one window."""
    losses = noisy(LOG_STEPS**-0.6 * (1 + 0.1 * np.sin(np.log(LOG_STEPS))), 0.03, seed=11)
    options = {"window": (1, 1e4), "points_per_decade": 64, "max_drift": 1.0}
    fit = fit_power_law(LOG_STEPS, losses, **options)
    assert fit.found
    x, y = np.log(LOG_STEPS), np.log(losses)
    d, count = x - x.mean(), len(x)
    residual = y - np.polyval(np.polyfit(x, y, 1), x)
    thirds = np.split(np.arange(count), [count // 3, 2 * count // 3])
    scatter, slopes = [], []
    for third in thirds:
        line = np.polyfit(x[third], residual[third], 1)
        dx = x[third] - x[third].mean()
        leverage = 1 / len(third) + dx**2 / np.sum(dx**2)
        scatter.append((residual[third] - np.polyval(line, x[third])) / np.sqrt(1 - leverage))
        slopes.append(-line[0])
    u = np.concatenate(scatter)
    r = np.sum(u[1:] * u[:-1]) / np.sum(u**2)
    r = np.clip(r + (1 + r) * 6 / count, 0, 0.9)
    widening = (1 + r) / (1 - r)
    statistical = np.sqrt(np.sum(d**2 * u**2) * widening) / np.sum(d**2)
    variances = [
        widening
        * (np.sum(s**2) + 3 * np.mean(u**2))
        / (len(s) + 3)
        / (np.var(x[third]) * len(third))
        for s, third in zip(scatter, thirds, strict=True)
    ]
    excess = [
        (slopes[i] - slopes[j]) ** 2 - 4 * (variances[i] + variances[j])
        for i, j in ((0, 1), (0, 2), (1, 2))
    ]
    systematic = math.sqrt(max(*excess, 0.0) / 12)
    assert systematic > 0
    assert fit.drift == pytest.approx(np.ptp(slopes), rel=1e-9)
    assert fit.systematic == pytest.approx(systematic, rel=1e-9)
    assert fit.stderr == pytest.approx(math.hypot(statistical, systematic), rel=1e-9)


def assert_coverage(fits, exponent, confidence, slack=0.0):
    """Share of intervals with the exponent: within four binomial standard deviations of nominal."""
    inside = np.mean([fit.interval[0] <= exponent <= fit.interval[1] for fit in fits])
    bound = 4 * math.sqrt(confidence * (1 - confidence) / len(fits))
    assert confidence - slack - bound <= inside <= confidence + bound


@pytest.mark.parametrize("window", [None, (1, 1e4)], ids=["automatic", "given"])
@pytest.mark.parametrize("confidence", [0.8, 0.95])
def test_interval_of_one_curve_covers(window, confidence):
    losses = noisy(np.tile(LOG_STEPS**-0.6, (200, 1)), 0.1, seed=0)
    fits = [fit_power_law(LOG_STEPS, row, window=window, confidence=confidence) for row in losses]
    assert all(fit.found for fit in fits)
    assert_coverage(fits, 0.6, confidence)


def test_interval_with_a_floor_covers():
    losses = noisy(np.tile(0.05 + LOG_STEPS**-0.7, (100, 1)), 0.02, seed=1)
    assert_coverage([fit_power_law(LOG_STEPS, row, floor=True) for row in losses], 0.7, 0.95)


def test_bootstrap_interval_covers():
    # Between 12 seeds a percentile interval is narrow by about t_11 / z: 0.93 for 0.95.
    def sample(seed):
        rng = np.random.default_rng(seed)
        drift = np.cumsum(rng.standard_normal((12, LOG_STEPS.size)), 1) * 0.03
        return LOG_STEPS**-0.6 * np.exp(drift - 0.03**2 / 2 * np.arange(1, LOG_STEPS.size + 1))

    options = {"window": (1, 1e4), "resamples": 300, "max_drift": 1.0}
    fits = [fit_power_law(LOG_STEPS, sample(seed), **options) for seed in range(100)]
    assert_coverage(fits, 0.6, 0.95, slack=0.03)


def test_autocorrelated_noise_widens_the_error():
    rng = np.random.default_rng(2)
    white = rng.standard_normal((50, LOG_STEPS.size))
    red = white.copy()
    for k in range(1, LOG_STEPS.size):
        red[:, k] = 0.6 * red[:, k - 1] + 0.8 * white[:, k]

    def errors(noise):
        curves = LOG_STEPS**-0.8 * np.exp(0.03 * noise)
        return np.median([fit_power_law(LOG_STEPS, c, window=(1, 1e4)).stderr for c in curves])

    # sqrt((1 + r) / (1 - r)) is 2 at r = 0.6; a window of 46 bins sees a little less of it.
    assert 1.3 < errors(red) / errors(white) < 2.5


@pytest.mark.parametrize("floor", [False, True])
def test_bootstrap_is_deterministic_and_blind_to_the_order_of_seeds(floor):
    losses = seeds(6)
    fit = fit_power_law(LOG_STEPS, losses, floor=floor)
    assert fit.found
    assert fit.seeds_used == 6
    assert fit == fit_power_law(LOG_STEPS, losses, floor=floor)
    assert fit == fit_power_law(LOG_STEPS, losses[[3, 1, 5, 0, 2, 4]], floor=floor)
    other = fit_power_law(LOG_STEPS, losses, floor=floor, bootstrap_seed=1)
    assert other.exponent == fit.exponent
    assert other.stderr != fit.stderr
    assert other.stderr == pytest.approx(fit.stderr, rel=0.2)


def test_bootstrap_refits_resampled_means():
    # Three seeds written out: 27 equally likely resamples, exponents by numpy's own line fit.
    losses = seeds(3)
    fit = fit_power_law(LOG_STEPS, losses, points_per_decade=64, window=(1, 1e4), resamples=20_000)
    grid = np.stack(np.meshgrid([0, 1, 2], [0, 1, 2], [0, 1, 2]), -1).reshape(-1, 3)
    means = np.log(losses[grid].mean(1))
    slopes = -np.polyfit(np.log(LOG_STEPS), means.T, 1)[0]
    assert fit.exponent == pytest.approx(
        -np.polyfit(np.log(LOG_STEPS), np.log(losses.mean(0)), 1)[0]
    )
    statistical = math.sqrt(fit.stderr**2 - fit.systematic**2)
    assert statistical == pytest.approx(np.std(slopes) * math.sqrt(3 / 2), rel=0.03)


def test_diverged_seeds_are_left_out_and_counted():
    losses = seeds(6)
    losses[1, 5] = np.nan
    losses[4, 20:] = np.inf
    fit = fit_power_law(LOG_STEPS, losses)
    clean = fit_power_law(LOG_STEPS, losses[[0, 2, 3, 5]])
    assert (fit.seeds_used, fit.seeds_dropped) == (4, 2)
    assert (fit.exponent, fit.interval) == (clean.exponent, clean.interval)


def test_one_seed_is_one_curve():
    losses = seeds(1)
    assert fit_power_law(LOG_STEPS, losses) == fit_power_law(LOG_STEPS, losses[0])
