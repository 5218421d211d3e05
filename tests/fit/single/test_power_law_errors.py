"""Errors and intervals of power-law fits: coverage, autocorrelation, spread of seeds."""

import math

import numpy as np
import pytest
from noisy_curves import LOG_STEPS, noisy, seeds

from jaxsup.fit.curves import bin_curve, read_losses
from jaxsup.fit.single.least_squares import fit_log_loss
from jaxsup.fit.single.power_law import fit_power_law
from jaxsup.fit.single.record_noise import noise_of_curve
from jaxsup.fit.single.windows import assess, candidate_windows, judge


def test_error_of_white_noise_is_that_of_least_squares():
    """One entry a bin, 400 of them: stderr is the textbook's, up to what rho leaves open."""
    t = np.geomspace(1, 1e4, 400)
    losses = noisy(t**-0.6, 0.03, seed=11)
    fit = fit_power_law(t, losses, window=(1, 1e4), points_per_decade=400)
    x, y = np.log(t), np.log(losses)
    coefficients, covariance = np.polyfit(x, y, 1, cov=True)
    assert fit.exponent == pytest.approx(-coefficients[0], rel=1e-10)
    assert fit.systematic == 0
    assert fit.stderr == pytest.approx(math.sqrt(covariance[0, 0]), rel=0.15)
    half = (fit.interval[1] - fit.interval[0]) / 2
    assert half == pytest.approx(1.97 * fit.stderr, rel=0.03)


def test_drift_counts_beyond_noise():
    """Slopes of thirds, written out; the noise is small, so that errors hardly matter.

    What a small jump would explain of the wave is in the systematic error as well.
    """
    losses = noisy(LOG_STEPS**-0.6 * (1 + 0.1 * np.sin(np.log(LOG_STEPS))), 0.001, seed=11)
    options = {"window": (1, 1e4), "points_per_decade": 64, "max_drift": 1.0}
    fit = fit_power_law(LOG_STEPS, losses, **options)
    assert fit.found
    x, y, count = np.log(LOG_STEPS), np.log(losses), len(LOG_STEPS)
    thirds = np.split(np.arange(count), [count // 3, 2 * count // 3])
    slopes = [-np.polyfit(x[third], y[third], 1)[0] for third in thirds]
    assert fit.drift == pytest.approx(np.ptp(slopes), rel=1e-9)
    assert 0.9 * np.ptp(slopes) < fit.systematic * math.sqrt(12) < 1.05 * np.ptp(slopes)


@pytest.mark.parametrize("rho", [0.0, 0.9])
def test_noise_alone_drifts_in_one_window_of_twenty(rho):
    """20,000 draws of noise that is known, as thirds of one window show it: 4% to 6%.

    Beyond two standard errors, as a single difference would be judged, it is 11%.
    """
    t = np.geomspace(1, 1e4, 81)
    losses = read_losses(t, noisy(t**-0.5, 0.03, seed=13))
    curve = bin_curve(losses, 16)
    windows = candidate_windows(curve, 1.0, floor=False, whole=True)
    fits = fit_log_loss(curve, curve.y[None], windows.mask(len(curve.x)), floor=False)
    one = {"correlation": np.array([rho]), "weight": np.ones(1), "variance": np.array([0.01])}
    noise = noise_of_curve(curve, np.log(t), np.log(losses.values[0]))._replace(**one)
    assessment = assess(curve, fits, windows, noise, min_decades=1.0, max_drift=0.25)
    draws = noise.sample(np.random.default_rng(0), 20_000)
    slopes = (draws @ assessment.sensitivity.slopes[0].T)[:, None]
    drift = judge(assessment, np.full((20_000, 1), 0.5), slopes).drift
    assert 0.04 < np.mean(drift > 0) < 0.06


def test_seeds_have_students_interval_with_as_many_degrees_of_freedom_less_one():
    """Three seeds, one window: what each adds to the exponent of the mean curve, by numpy."""
    losses = seeds(3)
    fit = fit_power_law(LOG_STEPS, losses, points_per_decade=64, window=(1, 1e4))
    x, mean = np.log(LOG_STEPS), losses.mean(0)
    d = x - x.mean()
    effects = -(losses / mean - 1) @ d / np.sum(d**2)
    error = np.std(effects, ddof=1) / math.sqrt(3)
    assert fit.systematic == 0
    assert fit.stderr == pytest.approx(error, rel=1e-9)
    assert fit.interval[1] - fit.exponent == pytest.approx(4.302653 * error, rel=1e-3)


def assert_coverage(fits, exponent, confidence):
    """Share of intervals with the exponent: within four binomial standard deviations of nominal."""
    inside = np.mean([fit.interval[0] <= exponent <= fit.interval[1] for fit in fits])
    bound = 4 * math.sqrt(confidence * (1 - confidence) / len(fits))
    assert confidence - bound <= inside <= confidence + bound


@pytest.mark.extended
@pytest.mark.parametrize("window", [None, (1, 1e4)], ids=["automatic", "given"])
@pytest.mark.parametrize("confidence", [0.8, 0.95])
def test_interval_of_one_curve_covers(window, confidence):
    losses = noisy(np.tile(LOG_STEPS**-0.6, (200, 1)), 0.1, seed=0)
    fits = [fit_power_law(LOG_STEPS, row, window=window, confidence=confidence) for row in losses]
    assert all(fit.found for fit in fits)
    assert_coverage(fits, 0.6, confidence)


@pytest.mark.slow
def test_interval_with_a_floor_covers():
    losses = noisy(np.tile(0.05 + LOG_STEPS**-0.7, (100, 1)), 0.02, seed=1)
    assert_coverage([fit_power_law(LOG_STEPS, row, floor=True) for row in losses], 0.7, 0.95)


@pytest.mark.parametrize("count", [3, 12])
def test_interval_of_seeds_covers_whatever_their_noise(count):
    # A random walk along the record: one curve could not tell it from a law of its own.
    def sample(seed):
        rng = np.random.default_rng(seed)
        drift = np.cumsum(rng.standard_normal((count, LOG_STEPS.size)), 1) * 0.03
        return LOG_STEPS**-0.6 * np.exp(drift - 0.03**2 / 2 * np.arange(1, LOG_STEPS.size + 1))

    options = {"window": (1, 1e4), "max_drift": 10.0}
    fits = [fit_power_law(LOG_STEPS, sample(seed), **options) for seed in range(100)]
    assert_coverage(fits, 0.6, 0.95)


def test_autocorrelated_noise_widens_the_error():
    rng = np.random.default_rng(2)
    white = rng.standard_normal((50, LOG_STEPS.size))
    red = white.copy()
    for k in range(1, LOG_STEPS.size):
        red[:, k] = 0.6 * red[:, k - 1] + 0.8 * white[:, k]

    def errors(noise):
        curves = LOG_STEPS**-0.8 * np.exp(0.03 * noise)
        return np.median([fit_power_law(LOG_STEPS, c, window=(1, 1e4)).stderr for c in curves])

    # sqrt((1 + r) / (1 - r)) is 2 at r = 0.6; 57 entries leave r open, and with it more.
    assert 1.6 < errors(red) / errors(white) < 3


@pytest.mark.extended
def test_interval_knows_how_far_its_own_fit_is_off():
    """Bins count alike, where entries of white noise should. Where the slopes differ, it is wide.

    An interval by the mean error alone holds the exponent in 83% of the most distant quarter, and
    in all of the nearer half.
    """
    t = np.arange(1.0, 2001.0)
    covered, distances = [], []
    for row in noisy(np.tile(t**-0.5, (300, 1)), 0.05, seed=4):
        fit = fit_power_law(t, row, window=(1, 2000))
        if not fit.found:
            continue
        best = -np.polyfit(np.log(t), np.log(row), 1)[0]
        covered.append(fit.interval[0] <= 0.5 <= fit.interval[1])
        distances.append(abs(fit.exponent - best))
    assert len(covered) > 290
    order = np.argsort(distances)
    held = np.array(covered)[order]
    # The binomial law of 75 and of 150 trials leaves these with a probability of 1e-3.
    assert np.mean(held[-75:]) >= 0.86
    assert 0.88 <= np.mean(held[:150]) <= 0.994


@pytest.mark.extended
def test_widest_interval_covers_where_the_record_leaves_correlation_open():
    """80 log-spaced entries, rho = 0.99: the interval holds the exponent in some 91%."""
    t = np.geomspace(10, 1e5, 80)
    rng = np.random.default_rng(3)
    held, opened = [], []
    for _ in range(150):
        noise = np.cumsum(rng.standard_normal(80) * 0.99 ** -np.arange(80.0)) * 0.99 ** np.arange(
            80
        )
        fit = fit_power_law(t, t**-0.5 * np.exp(0.01 * noise), window=(10, 1e5))
        if fit.found:
            opened.append(fit.correlation_open)
            held.append(fit.widest[0] <= 0.5 <= fit.widest[1])
            assert fit.widest[0] <= fit.interval[0] < fit.interval[1] <= fit.widest[1]
            assert ("leaves open how long" in str(fit)) is fit.correlation_open
    assert np.mean(opened) > 0.6
    assert np.mean(held) > 0.93


def test_correlation_is_open_only_where_a_record_is_short_for_it():
    t = np.arange(1.0, 2001.0)
    fits = [fit_power_law(t, row) for row in noisy(np.tile(t**-0.5, (20, 1)), 0.05, seed=5)]
    of_seeds = fit_power_law(LOG_STEPS, seeds(6))
    exact = fit_power_law(LOG_STEPS, LOG_STEPS**-0.7)
    for fit in (*fits, of_seeds, exact):
        assert fit.correlation_open is False
        assert fit.widest == fit.interval


@pytest.mark.parametrize("floor", [False, True])
def test_seeds_are_deterministic_and_blind_to_the_order_of_seeds(floor):
    losses = seeds(6)
    fit = fit_power_law(LOG_STEPS, losses, floor=floor)
    assert fit.found
    assert fit.seeds_used == 6
    assert fit == fit_power_law(LOG_STEPS, losses, floor=floor)
    assert fit == fit_power_law(LOG_STEPS, losses[[3, 1, 5, 0, 2, 4]], floor=floor)
    other = fit_power_law(LOG_STEPS, losses, floor=floor, bootstrap_seed=1)
    assert other.exponent == fit.exponent
    assert other.stderr == pytest.approx(fit.stderr, rel=0.2)


def test_error_of_seeds_is_that_of_resampling_them():
    # Three seeds written out: 27 equally likely resamples, exponents by numpy's own line fit.
    losses = seeds(3)
    fit = fit_power_law(LOG_STEPS, losses, points_per_decade=64, window=(1, 1e4))
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


def test_choosing_the_window_widens_the_interval():
    """The same window, given: of 30 curves most have a wider interval where it was chosen."""
    wider = 0
    for row in noisy(np.tile(LOG_STEPS**-0.6, (30, 1)), 0.1, seed=5):
        chosen = fit_power_law(LOG_STEPS, row)
        given = fit_power_law(LOG_STEPS, row, window=chosen.window)
        assert chosen.stderr >= 0.8 * given.stderr
        wider += chosen.stderr > given.stderr
    assert wider >= 15


@pytest.mark.extended
def test_error_with_a_floor_is_that_of_its_derivatives():
    """White noise on linear steps: alpha's error by the model's derivatives at the true values."""
    t, sigma = np.arange(1.0, 2001.0), 0.03
    variances = []
    for row in noisy(np.tile(0.02 + t**-0.5, (120, 1)), sigma, 13):
        fit = fit_power_law(t, row, floor=True, window=(1, 2000))
        variances.append(fit.stderr**2 - fit.systematic**2)
    label = np.floor(np.log10(t) * 16 + 1e-6)
    counts = np.array([np.sum(label == k) for k in np.unique(label)])
    x = np.array([np.log(t[label == k]).mean() for k in np.unique(label)])
    power = np.exp(-0.5 * x)
    share = power / (0.02 + power)
    jacobian = np.stack([share, -x * share, share / power], 1)
    influence = np.linalg.pinv(jacobian)[1]
    expected = sigma * math.sqrt(np.sum(influence**2 / counts))
    # One record's says how far off its own fit is; their mean, known to 9%, how far fits are.
    assert np.mean(variances) == pytest.approx(expected**2, rel=0.3)


@pytest.mark.parametrize("exponent", [4.8, 4.99])
def test_a_floor_is_fitted_where_the_loss_spans_forty_decades(exponent):
    """No start of the list leads to the law: the line without a floor does."""
    t = np.geomspace(1, 6e7, 20)
    fit = fit_power_law(t, t**-exponent, floor=True)
    assert fit.exponent == pytest.approx(exponent, rel=1e-9)
    low, high = fit.interval
    assert low <= fit.exponent <= high
