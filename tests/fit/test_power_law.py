"""Power-law fits of theoretical curves, exact and noisy power laws, and curves that are none."""

import json
import math
import re

import numpy as np
import pytest
from helpers import assert_one_line_error
from scipy.optimize import least_squares

from jaxsup.fit.power_law import PowerLawFit, fit_power_law
from jaxsup.fit.refusals import Refusal

LOG_STEPS = np.unique(np.round(np.logspace(0, 4, 65)))


def noisy(curve, noise, seed):
    """A curve with relative noise, one row or [seeds, steps]."""
    return curve * np.exp(noise * np.random.default_rng(seed).standard_normal(np.shape(curve)))


# --- the theory of finitely many features -------------------------------------------------------

FEATURES, RATE = 10**6, 0.5
PAIRS = [
    (a, b)
    for a in (1.1, 1.5, 2.0, 3.0)
    for b in (0.0, 0.25, 0.5, 1.0)
    if (a + 2 * b - 1) / a <= 1.5
]


@pytest.fixture(scope="module")
def theory():
    """L(t) = 1/2 sum_i l_i i^-2b (1 - eta l_i)^2t, l_i = i^-a, at log-spaced integers t."""
    i = np.arange(1, FEATURES + 1, dtype=float)
    steps = np.unique(np.round(np.logspace(0, 6, 61)))
    curves = {}
    for a in sorted({a for a, _ in PAIRS}):
        mine = [pair for pair in PAIRS if pair[0] == a]
        weights = np.stack([0.5 * i ** (-a - 2 * b) for _, b in mine])
        decay = 2 * np.log1p(-RATE * i**-a)
        losses = np.stack([weights @ np.exp(t * decay) for t in steps], 1)
        curves |= dict(zip(mine, losses, strict=True))
    return steps, curves


@pytest.mark.parametrize(("a", "b"), PAIRS)
def test_recovers_exponent_and_amplitude_of_theoretical_curves(theory, a, b):
    # The infinite sum is A t^-alpha; N features leave out its tail, 1/2 sum_{i>N} i^-(a+2b), which
    # is the constant 1/2 N^-(a+2b-1) / (a+2b-1) up to t ~ N^a. At (1.1, 0) that is 1.26 where
    # L(1) = 3.4: no range of steps shows the exponent, and only a fit with a (negative) floor finds
    # it. At (1.1, 0.25), the next worst, it is 2e-4 of a loss of 3e-2 at t = 300: no floor needed.
    steps, curves = theory
    floor = (a, b) == (1.1, 0.0)
    fit = fit_power_law(steps, curves[a, b], floor=floor)
    alpha = (a + 2 * b - 1) / a
    amplitude = math.gamma(alpha) * (2 * RATE) ** -alpha / (2 * a)
    assert fit.found
    assert fit.exponent == pytest.approx(alpha, abs=0.01)
    assert fit.amplitude == pytest.approx(amplitude, rel=0.02)
    if floor:
        tail = 0.5 * FEATURES ** -(a + 2 * b - 1) / (a + 2 * b - 1)
        assert fit.floor == pytest.approx(-tail, rel=0.01)


def test_without_a_floor_few_features_bias_the_exponent(theory):
    steps, curves = theory
    fit = fit_power_law(steps, curves[1.1, 0.0])
    assert fit.exponent == pytest.approx(0.14, abs=0.01)  # alpha is 0.0909: see the methods


def test_a_floor_costs_little_where_none_is_needed(theory):
    steps, curves = theory
    for (a, b), losses in curves.items():
        fit = fit_power_law(steps, losses, floor=True)
        assert fit.exponent == pytest.approx((a + 2 * b - 1) / a, abs=0.01), (a, b)


# --- power laws ---------------------------------------------------------------------------------


@pytest.mark.parametrize("alpha", [0.05, 0.5, 1.0, 3.0])
@pytest.mark.parametrize("steps", [LOG_STEPS, np.arange(5001)], ids=["log", "linear"])
def test_exact_power_law_is_recovered(alpha, steps):
    positive = np.maximum(steps, 0.5)
    fit = fit_power_law(steps, 2.5 * positive**-alpha)
    assert fit.exponent == pytest.approx(alpha, abs=1e-10)
    assert fit.amplitude == pytest.approx(2.5, rel=1e-10)
    assert fit.stderr < 1e-10
    assert fit.window == (1, steps[-1])
    assert fit.slope == pytest.approx(alpha, abs=1e-10)
    np.testing.assert_allclose(fit.predict(steps[1:]), 2.5 * positive[1:] ** -alpha, rtol=1e-9)


@pytest.mark.parametrize("floor", [0.05, -0.002, 0.0])
def test_exact_floor_is_recovered(floor):
    fit = fit_power_law(LOG_STEPS, floor + 3 * LOG_STEPS**-0.7, floor=True)
    assert fit.exponent == pytest.approx(0.7, abs=1e-7)
    assert fit.amplitude == pytest.approx(3, rel=1e-6)
    assert fit.floor == pytest.approx(floor, abs=1e-7)
    np.testing.assert_allclose(fit.predict(LOG_STEPS), floor + 3 * LOG_STEPS**-0.7, rtol=1e-6)


def test_a_floor_is_fitted_as_scipy_does():
    """One entry a bin: both minimize the sum of squares of log L - log(c + A t^-alpha)."""
    losses = noisy(0.05 + 2 * LOG_STEPS**-0.7, 0.05, seed=10)
    fit = fit_power_law(LOG_STEPS, losses, floor=True, window=(1, 1e4), points_per_decade=64)

    def residual(theta):
        amplitude, alpha, offset = theta
        return np.log(losses) - np.log(offset + amplitude * LOG_STEPS**-alpha)

    start, bounds = [1.0, 1.0, 0.01], ([0, 0, 0], np.inf)
    theta = least_squares(residual, start, bounds=bounds, xtol=1e-14, ftol=1e-14, gtol=1e-14).x
    np.testing.assert_allclose([fit.amplitude, fit.exponent, fit.floor], theta, rtol=1e-6)


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


def test_linear_and_log_spacing_agree():
    def curve(t):
        return (1 + t / 3) ** -0.5 + 0.002

    dense = np.arange(1, 20001)
    sparse = np.unique(np.round(np.logspace(0, math.log10(20000), 100)))
    for floor in (False, True):
        one, two = (fit_power_law(t, curve(t), floor=floor) for t in (dense, sparse))
        assert one.exponent == pytest.approx(two.exponent, abs=0.01)
        given = [
            fit_power_law(t, curve(t), floor=floor, window=(50, 10000)) for t in (dense, sparse)
        ]
        assert given[0].exponent == pytest.approx(given[1].exponent, abs=0.003)


def test_scaling_loss_or_steps_leaves_the_exponent():
    losses = noisy(0.01 + LOG_STEPS**-0.7, 0.01, seed=3)
    for floor in (False, True):
        base = fit_power_law(LOG_STEPS, losses, floor=floor)
        louder = fit_power_law(LOG_STEPS, 1e-6 * losses, floor=floor)
        slower = fit_power_law(8 * LOG_STEPS, losses, floor=floor)
        assert base.found
        for other, amplitude in ((louder, 1e-6), (slower, 8**base.exponent)):
            assert other.exponent == pytest.approx(base.exponent, rel=1e-5)
            assert other.stderr == pytest.approx(base.stderr, rel=1e-4)
            assert other.amplitude == pytest.approx(amplitude * base.amplitude, rel=1e-4)


# --- windows ------------------------------------------------------------------------------------


def test_automatic_window_avoids_the_early_plateau_and_the_late_floor():
    t = np.unique(np.round(np.logspace(0, 8, 121)))
    fit = fit_power_law(t, (1 + t / 10) ** -0.8 + 1e-6)
    assert fit.exponent == pytest.approx(0.8, abs=0.01)
    assert 100 < fit.window[0] < 1e4
    assert 1e4 < fit.window[1] < 1e7
    assert fit.decades == pytest.approx(math.log10(fit.window[1] / fit.window[0]))


def test_given_window_is_used_and_reported():
    t = np.arange(10001)
    losses = np.where(t < 100, 1.0, (np.maximum(t, 1) / 100.0) ** -0.5)
    fit = fit_power_law(t, losses, window=(120, 8000))
    assert fit.window == (120, 8000)
    assert fit.exponent == pytest.approx(0.5, abs=1e-10)
    assert fit.points == pytest.approx(16 * math.log10(8000 / 120), abs=2)
    again = fit_power_law(t, losses)
    same = fit_power_law(t, losses, window=again.window)
    assert (same.window, same.points) == (again.window, again.points)
    assert same.exponent == pytest.approx(again.exponent, rel=1e-12)


# --- refusals -----------------------------------------------------------------------------------

NONE = {
    "exponential": (np.exp(-LOG_STEPS / 1000), "local slope changes .*exponential"),
    "stretched exponential": (np.exp(-((LOG_STEPS / 10) ** 0.5)), "local slope changes"),
    "exponential to a floor": (0.1 + np.exp(-LOG_STEPS / 300), "local slope changes"),
    "plateau": (np.ones_like(LOG_STEPS), "does not fall"),
    "slow plateau": (1 + 0.05 / LOG_STEPS, "plateau, the loss falls by only"),
    "rising": (LOG_STEPS**0.3, "does not fall"),
    "pure noise": (noisy(np.ones_like(LOG_STEPS), 0.3, 4), "too noisy"),
    "noisy exponential": (noisy(np.exp(-LOG_STEPS / 1000), 0.1, 5), "local slope|too noisy"),
    "weak and noisy": (noisy(LOG_STEPS**-0.05, 0.2, 6), "too noisy"),
}


@pytest.mark.parametrize("window", [None, (1, 1e4)], ids=["automatic", "given"])
@pytest.mark.parametrize("name", NONE)
def test_refuses_what_is_no_power_law(name, window):
    losses, reason = NONE[name]
    if window is not None and "noisy" in reason:
        reason = "no power law"
    fit = fit_power_law(LOG_STEPS, losses, window=window)
    assert not fit.found
    assert fit.reason.startswith("no power law here")
    assert re.search(reason, fit.reason)
    assert math.isnan(fit.exponent)
    assert math.isnan(fit.stderr)
    assert np.isnan(fit.predict([1.0, 2.0])).all()
    assert math.isfinite(fit.slope)


@pytest.mark.parametrize("name", NONE)
def test_refuses_with_a_floor_too(name):
    losses, _ = NONE[name]
    if name == "slow plateau":
        losses = 1 + 0.05 * np.exp(-LOG_STEPS / 100)  # 1 + 0.05 / t is a power law with a floor
    fit = fit_power_law(LOG_STEPS, losses, floor=True)
    assert not fit.found
    assert math.isnan(fit.exponent)
    assert math.isnan(fit.floor)


REFUSED = {
    Refusal.NOTHING_POSITIVE: (-LOG_STEPS, {}),
    Refusal.TOO_SHORT: (LOG_STEPS**-0.5, {"window": (100, 500)}),
    Refusal.RISES: (LOG_STEPS**0.3, {}),
    Refusal.PLATEAU: (1 + 0.05 / LOG_STEPS, {}),
    Refusal.TOO_NOISY: (noisy(LOG_STEPS**-0.05, 0.2, 6), {"window": (1, 1e4)}),
    Refusal.FLOOR: (3 - 0.3 * np.log(LOG_STEPS), {"floor": True}),
    Refusal.STEEPENS: (np.exp(-LOG_STEPS / 1000), {}),
    Refusal.FLATTENS: (0.1 + LOG_STEPS**-0.8, {"window": (1, 1e4)}),
    Refusal.MAY_DRIFT: (noisy(LOG_STEPS**-1.0, 0.3, 0), {"window": (1, 400), "max_drift": 0.02}),
    Refusal.REACHES_ZERO: (
        np.stack([10 * LOG_STEPS**-0.5, LOG_STEPS**0.1]),
        {"window": (1, 100), "max_drift": 5},
    ),
}


@pytest.mark.parametrize("refusal", Refusal)
def test_every_refusal_has_a_curve_and_a_sentence(refusal):
    losses, options = REFUSED[refusal]
    fit = fit_power_law(LOG_STEPS, losses, **options)
    assert fit.refusal is refusal
    constant = re.escape(refusal.value.split("{")[0])
    assert re.match(f"no power law here: {constant}", fit.reason)
    assert "{" not in fit.reason
    assert fit.to_dict()["refusal"] == refusal.name


def test_a_power_law_is_not_refused():
    fit = fit_power_law(LOG_STEPS, LOG_STEPS**-0.5)
    assert (fit.refusal, fit.reason) == (None, "")


def test_refuses_a_logarithm_as_a_floor_at_minus_infinity():
    fit = fit_power_law(LOG_STEPS, 3 - 0.3 * np.log(LOG_STEPS), floor=True)
    assert not fit.found
    assert "runs away" in fit.reason


def test_seldom_finds_power_laws_in_noisy_exponentials():
    curves = noisy(np.tile(np.exp(-LOG_STEPS / 1000), (100, 1)), 0.05, seed=7)
    assert sum(fit_power_law(LOG_STEPS, row).found for row in curves) <= 2


@pytest.mark.parametrize(
    ("steps", "losses", "options"),
    [
        (np.arange(1, 8), np.arange(1, 8) ** -0.5, {}),
        (np.arange(100, 500), np.arange(100, 500) ** -0.5, {}),
        (LOG_STEPS, LOG_STEPS**-0.5, {"window": (100, 500)}),
        (LOG_STEPS, LOG_STEPS**-0.5, {"window": (30, 900), "floor": True}),
        (LOG_STEPS, LOG_STEPS**-0.5, {"window": (999.5, 1000.5)}),
    ],
)
def test_refuses_what_is_too_short(steps, losses, options):
    fit = fit_power_law(steps, losses, **options)
    assert not fit.found
    assert "too short" in fit.reason
    assert fit.points > 0


def test_range_of_the_drift_is_the_callers_choice():
    losses = np.exp(-((LOG_STEPS / 10) ** 0.25))
    window = (10, 1000)
    assert not fit_power_law(LOG_STEPS, losses, window=window).found
    fit = fit_power_law(LOG_STEPS, losses, window=window, max_drift=1.5)
    assert fit.found
    assert fit.drift > 0.25 * fit.exponent
    assert fit.systematic == pytest.approx(fit.drift / math.sqrt(12), rel=0.1)  # less two errors


# --- unusable values ----------------------------------------------------------------------------


def test_losses_from_the_first_zero_on_are_left_out():
    losses = LOG_STEPS**-0.5
    losses[40:] = 0.0
    fit = fit_power_law(LOG_STEPS, losses)
    assert fit.exponent == pytest.approx(0.5, abs=1e-10)
    assert fit.window[1] == LOG_STEPS[39]


@pytest.mark.parametrize("losses", [-LOG_STEPS, 0 * LOG_STEPS, np.nan * LOG_STEPS])
def test_nothing_positive_is_nothing_to_fit(losses):
    for given in (losses, np.stack([losses, losses])):
        fit = fit_power_law(LOG_STEPS, given)
        assert not fit.found
        assert "no finite positive loss" in fit.reason
        assert fit.points == 0


def test_nan_points_of_one_curve_are_left_out():
    losses = LOG_STEPS**-0.5
    losses[10], losses[-3:] = np.nan, np.inf
    fit = fit_power_law(LOG_STEPS, losses)
    assert fit.exponent == pytest.approx(0.5, abs=1e-10)
    assert fit.window[1] == LOG_STEPS[-4]


# --- seeds --------------------------------------------------------------------------------------


def seeds(count, seed=8):
    rng = np.random.default_rng(seed)
    scale = np.exp(0.2 * rng.standard_normal((count, 1)))
    return noisy(scale * LOG_STEPS**-0.5, 0.05, seed + 1)


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


def test_refuses_where_seeds_disagree():
    losses = np.stack([10 * LOG_STEPS**-0.5, LOG_STEPS**0.1])
    fit = fit_power_law(LOG_STEPS, losses, window=(1, 100), max_drift=5)
    assert not fit.found
    assert "reaches 0" in fit.reason


# --- the result ---------------------------------------------------------------------------------


def test_result_reads_as_a_sentence_and_goes_to_json():
    fit = fit_power_law(LOG_STEPS, seeds(4), floor=True)
    assert "\n" not in str(fit)
    assert f"exponent {fit.exponent:.4g} +- {fit.stderr:.2g} (95% interval" in str(fit)
    assert "4 seeds" in str(fit)
    record = json.loads(json.dumps(fit.to_dict(), allow_nan=False))
    assert record["exponent"] == fit.exponent
    assert record["window"] == list(fit.window)

    refused = fit_power_law(LOG_STEPS, np.ones_like(LOG_STEPS))
    assert str(refused).startswith("no power law here: ")
    record = json.loads(json.dumps(refused.to_dict(), allow_nan=False))
    assert record["exponent"] is None
    assert record["interval"] == [None, None]
    assert record["found"] is False
    assert json.dumps(PowerLawFit().to_dict(), allow_nan=False)


GOOD = {"steps": LOG_STEPS, "loss": LOG_STEPS**-0.5}
BAD = {
    "matrix of steps": ({"steps": np.ones((2, 3))}, r"loss: expected steps of shape \[steps\] and"),
    "steps first": ({"loss": np.ones((57, 3))}, r"\(57,\) and \(57, 3\); put the steps on"),
    "three axes": (
        {"loss": np.ones((2, 2, 57))},
        r"\[seeds, steps\]; got shapes of steps and loss",
    ),
    "negative step": (
        {"steps": LOG_STEPS - 2},
        "steps: expected finite numbers >= 0 in increasing order; got -1 at index 0; sort them",
    ),
    "repeated step": ({"steps": np.ones(57)}, "increasing order; got 1 at index 1; sort them"),
    "infinite step": ({"steps": np.append(LOG_STEPS[:-1], np.inf)}, "finite numbers .* got inf"),
    "two steps": (
        {"steps": [0, 1, 2], "loss": [3, 2, 1]},
        "steps: expected at least 3 that are > 0; got 2; record more often",
    ),
    "reversed window": (
        {"window": (100, 10)},
        r"window: expected \(first, last\) with first < last; got \(100.0, 10.0\); choose",
    ),
    "window of three": ({"window": (1, 10, 100)}, r"window: expected \(first, last\)"),
    "window after the end": ({"window": (1e5, 1e6)}, "choose it within the recorded steps 1 to 1"),
    "window before the start": ({"window": (0.1, 0.5)}, "choose it within the recorded steps 1 to"),
    "no decades": ({"min_decades": 0.0}, "min_decades: expected .* > 0; got 0.0; ask for about 1"),
    "no drift": ({"max_drift": 0.0}, "max_drift: expected .* > 0; got 0.0; give a fraction"),
    "coarse bins": (
        {"points_per_decade": 3},
        "points_per_decade: expected .* >= 4; got 3; take 16",
    ),
    "confidence 0": ({"confidence": 0.0}, "confidence: .* > 0 and < 1; got 0.0; give a fraction"),
    "confidence in percent": (
        {"confidence": 95.0},
        "confidence: .* < 1; got 95.0; give a fraction",
    ),
    "one resample": ({"resamples": 1}, "resamples: expected .* >= 2; got 1; take 1000"),
    "negative seed": ({"bootstrap_seed": -1}, "bootstrap_seed: .* >= 0; got -1; give a natural"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_a_one_line_error(name):
    changes, match = BAD[name]
    assert_one_line_error(lambda: fit_power_law(**(GOOD | changes)), match)
