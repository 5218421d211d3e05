"""Power-law fits of theoretical curves and exact power laws: exponent, window, result."""

import json
import math

import numpy as np
import pytest
from noisy_curves import LOG_STEPS, noisy, seeds
from scipy.optimize import least_squares

from jaxsup.fit.single.power_law import PowerLawFit, fit_power_law

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


def test_linear_and_log_spacing_agree():
    def curve(t):
        return (1 + t / 3) ** -0.5 + 0.002

    dense = np.arange(1, 20001)
    sparse = np.unique(np.round(np.logspace(0, math.log10(20000), 100)))
    for floor in (False, True):
        dense_fit, sparse_fit = (fit_power_law(t, curve(t), floor=floor) for t in (dense, sparse))
        assert dense_fit.exponent == pytest.approx(sparse_fit.exponent, abs=0.01)
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


def test_losses_from_the_first_zero_on_are_left_out():
    losses = LOG_STEPS**-0.5
    losses[40:] = 0.0
    fit = fit_power_law(LOG_STEPS, losses)
    assert fit.exponent == pytest.approx(0.5, abs=1e-10)
    assert fit.window[1] == LOG_STEPS[39]


def test_nan_points_of_one_curve_are_left_out():
    losses = LOG_STEPS**-0.5
    losses[10], losses[-3:] = np.nan, np.inf
    fit = fit_power_law(LOG_STEPS, losses)
    assert fit.exponent == pytest.approx(0.5, abs=1e-10)
    assert fit.window[1] == LOG_STEPS[-4]


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
