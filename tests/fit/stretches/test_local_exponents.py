"""Local exponents against lines fitted one by one, closed forms, and the coverage of intervals."""

import math

import numpy as np
import pytest
from helpers import assert_one_line_error
from noisy_curves import noisy
from regime_curves import autoregressive

from jaxsup.fit import local_exponent

STEPS = np.geomspace(1, 1e4, 65)  # one to a bin


def test_a_power_law_has_its_exponent_everywhere():
    local = local_exponent(STEPS, 3 * STEPS**-0.7)
    np.testing.assert_allclose(local.exponent, 0.7, rtol=1e-12)
    np.testing.assert_allclose(local.steps, STEPS, rtol=1e-12)


def test_a_line_is_fitted_around_each_point():
    """numpy's weighted fit, point by point; its weights multiply residuals, not squares."""
    x = np.log(STEPS)
    y = np.sin(x)
    local = local_exponent(STEPS, np.exp(y), bandwidth=0.4)
    for point in (0, 3, 30, 64):
        away = (x - x[point]) / (0.4 * math.log(10))
        root = np.sqrt(np.maximum(1 - away**2, 0))
        slope = np.polynomial.polynomial.polyfit(x, y, 1, w=root)[1]
        assert local.exponent[point] == pytest.approx(-slope, rel=1e-9)


def test_a_parabola_has_its_derivative_where_the_kernel_is_symmetric():
    x = np.log(STEPS)
    local = local_exponent(STEPS, np.exp(-0.3 * x - 0.05 * x**2))
    inside = slice(8, -8)
    np.testing.assert_allclose(local.exponent[inside], (0.3 + 0.1 * x)[inside], rtol=1e-9)


def test_units_of_the_loss_and_of_time_do_not_matter():
    loss = noisy(STEPS**-0.4, 0.05, 1)
    first = local_exponent(STEPS, loss)
    second = local_exponent(STEPS * 1000, loss * 7)
    np.testing.assert_allclose(second.exponent, first.exponent, rtol=1e-9)
    np.testing.assert_allclose(second.interval, first.interval, rtol=1e-6)


def share_covered(steps, bent, seeds, correlation, cases, seed=3):
    """Share of points whose interval holds the local exponent of the curve without noise.

    t^-0.7, or 0.3 that passes to 1.0 at step 300 over 0.3 in log t; noise 3% a seed.
    """
    x, rng = np.log(steps), np.random.default_rng(seed)
    soft = (x - math.log(300)) / 0.3
    loss = np.exp(-0.3 * x - 0.21 * np.logaddexp(0, soft)) if bent else steps**-0.7
    hits = []
    for _ in range(cases):
        z = autoregressive(rng.standard_normal((seeds, steps.size)), correlation)
        curve = loss * (1 + 0.03 * z)
        local = local_exponent(steps, curve if seeds > 1 else curve[0])
        true = np.full(local.steps.shape, 0.7)
        if bent:
            true = 0.3 + 0.7 / (1 + np.exp((math.log(300) - np.log(local.steps)) / 0.3))
        hits.append((local.interval[:, 0] <= true) & (true <= local.interval[:, 1]))
    return float(np.mean(hits))


@pytest.mark.parametrize(
    ("seeds", "correlation", "low", "high"),
    [(1, 0.0, 0.94, 1.0), (1, 0.9, 0.84, 1.0), (3, 0.0, 0.93, 0.98), (5, 0.9, 0.93, 0.98)],
)
def test_intervals_cover(seeds, correlation, low, high):
    """Shares of 80 curves' points; about 10 of a curve are independent, so 0.95 +- 0.015.

    One curve shows a correlation over ten bins only in part.
    """
    assert low <= share_covered(STEPS, False, seeds, correlation, 80) <= high


@pytest.mark.extended
@pytest.mark.parametrize("bent", [True, False])
@pytest.mark.parametrize("every", [False, True])
def test_intervals_cover_in_bends(bent, every):
    """The table of docs/methods/exponents.md: 150 curves each, of 80 steps or of every step."""
    steps = np.arange(1.0, 20_001) if every else np.unique(np.round(np.geomspace(1, 30_000, 80)))
    for seeds, correlation in [(1, 0.0), (1, 0.5), (1, 0.9), (3, 0.0), (5, 0.0), (5, 0.9)]:
        share = share_covered(steps, bent, seeds, correlation, 150)
        print(f"\nbent {bent}, every step {every}, {seeds} seeds, {correlation}: {share:.3f}")
        assert share >= (0.82 if bent or correlation == 0.9 else 0.93)


def test_sparse_records_widen_the_kernel():
    steps = np.array([1.0, 10.0, 100.0, 1000.0, 10_000.0])
    np.testing.assert_allclose(local_exponent(steps, steps**-0.5).exponent, 0.5, rtol=1e-12)


def test_too_few_points_have_no_exponent():
    local = local_exponent([1.0, 1.01, 1.02], [1.0, 0.9, 0.8])
    assert np.isnan(local.exponent).all()
    assert local.interval.shape == (1, 2)


def test_a_few_points_have_an_exponent_without_interval():
    local = local_exponent([1.0, 10.0, 100.0], [1.0, 0.3, 0.1])
    assert np.isfinite(local.exponent).all()
    assert np.isnan(local.interval).all()


def test_seeds_that_are_not_finite_are_counted():
    loss = np.tile(STEPS**-0.5, (3, 1)) * np.array([[0.9], [1.1], [1.0]])
    loss[1, 5] = np.nan
    local = local_exponent(STEPS, loss)
    assert (local.seeds_used, local.seeds_dropped) == (2, 1)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"bandwidth": 0}, "bandwidth: expected a finite number > 0"),
        ({"points_per_decade": 3}, "points_per_decade: expected an integer >= 4; got 3; take 16"),
        ({"confidence": 1}, "confidence: expected a finite number > 0 and < 1"),
    ],
)
def test_options_outside_their_ranges_are_told(options, expected):
    assert_one_line_error(lambda: local_exponent(STEPS, 1 / STEPS, **options), expected)
