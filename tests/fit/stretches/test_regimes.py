"""Regimes of curves that are known: kinds, windows, floors, invariances and errors."""

import json
import math

import numpy as np
import pytest
from helpers import assert_one_line_error
from noisy_curves import noisy

from jaxsup.fit import regimes

STEPS = np.unique(np.round(np.geomspace(1, 30_000, 80)))


def two_laws(steps, center=300.0, width=0.15):
    """t^-0.3 that passes to t^-1.0 at `center`."""
    return steps**-0.3 * (1 + (steps / center) ** (1 / width)) ** (-0.7 * width)


def kinds(found):
    return [stretch.kind for stretch in found.stretches]


@pytest.mark.parametrize("exponent", [0.1, 0.5, 1.5])
def test_a_power_law_is_one_stretch(exponent):
    found = regimes(STEPS, 2 * STEPS**-exponent)
    (stretch,) = found.stretches
    assert stretch.kind == "power-law"
    assert stretch.exponent == pytest.approx(exponent, rel=1e-9)
    assert stretch.window == (1, 30_000)
    assert stretch.decades == pytest.approx(math.log10(30_000), rel=1e-9)
    assert found.first == found.last_before_floor == found.steepest == stretch
    assert found.floor is None


def test_two_laws_are_told_from_their_crossover():
    found = regimes(STEPS, noisy(two_laws(STEPS, width=0.25), 0.005, 3))
    assert kinds(found) == ["power-law", "crossover", "power-law"]
    first, last = found.power_laws
    assert first.interval[0] <= 0.3 <= first.interval[1]
    assert last.interval[0] <= 1.0 <= last.interval[1]
    # Within 10% of the laws the local exponent is 0.34 decades before and 0.2 after the center.
    assert 300 / 2.2 < first.window[1] < 300 < last.window[0] < 300 * 2.2
    assert (found.first, found.last_before_floor, found.steepest) == (first, last, last)


def test_stretches_cover_the_curve_in_order():
    found = regimes(STEPS, noisy(two_laws(STEPS) + 1e-3, 0.02, 5))
    place = np.searchsorted(STEPS, [stretch.window for stretch in found.stretches])
    assert place[0, 0] == 0
    assert place[-1, 1] == len(STEPS) - 1
    np.testing.assert_array_equal(place[1:, 0], place[:-1, 1] + 1)


@pytest.mark.parametrize("seed", range(4))
def test_a_floor_ends_a_law_by_a_bend(seed):
    """The floor is 1% of the loss after a decade and nine tenths of it after three."""
    found = regimes(STEPS, noisy(STEPS**-1.0 + 1e-3, 0.03, seed))
    assert kinds(found)[0] == "power-law"
    assert set(kinds(found)[1:]) <= {"crossover", "plateau"}
    assert found.floor is not None
    assert found.floor.low <= 1e-3 <= found.floor.high
    law = found.last_before_floor
    assert law is not None
    assert law.interval[0] <= 1.0 <= law.interval[1]


def test_a_long_floor_is_a_plateau():
    steps = np.unique(np.round(np.geomspace(1, 1e6, 110)))
    found = regimes(steps, noisy(1 / steps + 1e-3, 0.02, 2))
    assert kinds(found) == ["power-law", "crossover", "plateau"]
    assert found.stretches[-1].window[0] < 1e5
    assert abs(found.stretches[-1].exponent) < 0.02


def test_a_constant_is_a_plateau_and_no_floor():
    found = regimes(STEPS, noisy(np.ones_like(STEPS), 0.03, 1))
    assert kinds(found) == ["plateau"]
    assert found.first is found.last_before_floor is found.steepest is found.floor is None


def test_an_exponential_ends_in_a_cut_off():
    found = regimes(STEPS, noisy(STEPS**-0.4 * np.exp(-STEPS / 3000), 0.02, 4))
    assert kinds(found)[0] == "power-law"
    assert kinds(found)[-1] == "cut-off"
    assert found.stretches[0].interval[0] <= 0.4 <= found.stretches[0].interval[1]
    assert set(kinds(found)[1:]) <= {"cut-off", "crossover"}


def test_a_steady_climb_is_a_crossover():
    """The local exponent grows from 0.1 to 1.3 linearly in log t: there is no law in between."""
    x = np.log(STEPS / STEPS[0])
    found = regimes(STEPS, noisy(np.exp(-0.1 * x - 0.6 * x**2 / x[-1]), 0.003, 6))
    middle = [each for each in found.power_laws if each.window[0] > 10 and each.window[1] < 5000]
    assert not middle


def test_a_rising_loss_is_no_law():
    found = regimes(STEPS, noisy(STEPS**0.4, 0.02, 1))
    assert kinds(found) == ["crossover"]
    assert found.stretches[0].exponent == pytest.approx(-0.4, abs=0.01)
    assert np.isnan(found.stretches[0].interval).all()


def test_units_do_not_matter():
    loss = noisy(two_laws(STEPS), 0.03, 8)
    first, second = regimes(STEPS, loss), regimes(STEPS * 512, loss * 1e-6)
    for one, other in zip(first.stretches, second.stretches, strict=True):
        assert one.kind == other.kind
        assert other.window == pytest.approx(np.multiply(one.window, 512))
        assert other.exponent == pytest.approx(one.exponent, rel=1e-9)
        np.testing.assert_allclose(other.interval, one.interval, rtol=1e-6)


def test_the_order_of_seeds_does_not_matter_and_lost_ones_are_counted():
    loss = noisy(np.tile(two_laws(STEPS), (4, 1)), 0.05, 9)
    loss[2, 7] = np.inf
    found = regimes(STEPS, loss)
    assert found == regimes(STEPS, loss[[3, 1, 2, 0]])
    assert (found.seeds_used, found.seeds_dropped) == (3, 1)


def test_seeds_that_disagree_widen_the_interval():
    """Student's interval over seeds whose exponents are -0.01, 0 and 0.01 from the mean."""
    loss = (STEPS / 170) ** np.array([[-0.49], [-0.5], [-0.51]])
    (law,) = regimes(STEPS, loss).stretches
    # t = 4.303 at two degrees of freedom, times 0.01 over sqrt(3).
    assert np.ptp(law.interval) / 2 == pytest.approx(4.303 * 0.01 / math.sqrt(3), rel=0.01)


def test_few_points_give_a_reason():
    found = regimes([1, 2, 4, 8], [1.0, 0.5, 0.25, 0.12])
    assert found.stretches == ()
    assert "4 log-spaced points" in found.reason
    assert str(found) == found.reason
    assert found.first is None


@pytest.mark.parametrize(
    "loss",
    [
        np.exp(-np.minimum(STEPS, 700.0)),
        np.full_like(STEPS, 1e-250),
        1e200 * STEPS**-3.0,
        np.where(STEPS < 1000, 1 / STEPS, 0.0),
        np.where(np.arange(STEPS.size) % 3, 1 / STEPS, np.nan),
        np.exp(np.cumsum(np.random.default_rng(0).standard_normal(STEPS.size))),
    ],
)
def test_extreme_curves_give_finite_stretches(loss):
    """Warnings are errors here; 10^9 steps are as good as 1."""
    found = regimes(STEPS * 1e9, loss)
    json.dumps(found.to_dict(), allow_nan=False)
    assert found.stretches
    assert all(math.isfinite(stretch.exponent) for stretch in found.stretches)
    for law in found.power_laws:
        assert law.interval[0] <= law.exponent <= law.interval[1]


def test_results_are_json_and_text():
    found = regimes(STEPS, noisy(two_laws(STEPS) + 1e-3, 0.02, 5))
    plain = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert [each["kind"] for each in plain["stretches"]] == kinds(found)
    assert found.floor is not None
    assert plain["floor"]["value"] == found.floor.value
    lines = str(found).splitlines()
    assert len(lines) == len(found.stretches) + 1
    assert lines[0].startswith("power-law 0.3")
    assert lines[-1].startswith("floor 0.00")


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        ("penalty", 0, "> 0"),
        ("min_decades", 0, "> 0"),
        ("max_drift", 0, "> 0"),
        ("flat", -0.1, ">= 0"),
        ("tolerance", -0.1, ">= 0"),
        ("confidence", 1.0, "> 0 and < 1"),
    ],
)
def test_options_outside_their_ranges_are_told(option, value, expected):
    assert_one_line_error(
        lambda: regimes(STEPS, 1 / STEPS, **{option: value}),
        f"{option}: expected a finite number {expected}; got {value}",
    )
    expected = "points_per_decade: expected an integer >= 4; got 3; take 16"
    assert_one_line_error(lambda: regimes(STEPS, 1 / STEPS, points_per_decade=3), expected)


MODES = np.arange(1, 65.0) ** -1.5
RECORD = np.unique(np.geomspace(1, 1e5, 200).round())
LONG = np.geomspace(1, 1e11, 200)
SHORT = np.arange(1, 9.0)
SPARSE = np.geomspace(1, 1e9, 20)
NOISELESS = {
    "modes": (RECORD, 0.5 * MODES @ np.exp(-np.outer(MODES, RECORD)), 0.003),
    "exponential": (RECORD, np.exp(-RECORD / 1e4), 1e-4),
    "long exponential": (LONG, np.exp(-LONG / 3e5), 0.0),
    "jump": (SHORT, 0.1 * SHORT**-0.5 * np.where(SHORT > 6, 0.01, 1), 0.0),
    "floor": (SPARSE, SPARSE**-1.0 + 0.1, 1e-6),
}


@pytest.mark.parametrize("case", NOISELESS)
def test_no_law_and_no_plateau_falls_by_far_more_than_its_exponent_says(case):
    """Without noise, and with a small tolerance, curvature looks like noise that grows."""
    steps, loss, tolerance = NOISELESS[case]
    found = regimes(steps, loss, tolerance=tolerance)
    json.dumps(found.to_dict(), allow_nan=False)
    for stretch in found.stretches:
        first, last = np.searchsorted(steps, stretch.window)
        slope = np.log(loss[first] / loss[last]) / np.log(steps[last] / steps[first])
        if stretch.kind in ("power-law", "plateau"):
            assert abs(slope - stretch.exponent) <= max(0.06, 0.3 * stretch.exponent)


def test_growing_curvature_is_no_noise():
    """The default tolerance, under which lines are even, and small ones find the same."""
    expected = kinds(regimes(RECORD, np.exp(-RECORD / 1e4)))
    assert expected == ["plateau", "cut-off"]
    for tolerance in (0.003, 1e-4):
        assert kinds(regimes(RECORD, np.exp(-RECORD / 1e4), tolerance=tolerance)) == expected


def test_a_straight_line_is_one_law_without_any_tolerance():
    (stretch,) = regimes(RECORD, RECORD**-0.5, tolerance=0.0).stretches
    assert stretch.kind == "power-law"
    assert stretch.exponent == pytest.approx(0.5, rel=1e-9)
