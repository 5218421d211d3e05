"""Curves that are no power law, and input that is none of a fit."""

import math
import re

import numpy as np
import pytest
from helpers import assert_one_line_error
from noisy_curves import LOG_STEPS, noisy

from jaxsup.fit.power_law import fit_power_law
from jaxsup.fit.refusals import Refusal

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


@pytest.mark.parametrize("losses", [-LOG_STEPS, 0 * LOG_STEPS, np.nan * LOG_STEPS])
def test_nothing_positive_is_nothing_to_fit(losses):
    for given in (losses, np.stack([losses, losses])):
        fit = fit_power_law(LOG_STEPS, given)
        assert not fit.found
        assert "no finite positive loss" in fit.reason
        assert fit.points == 0


def test_refuses_where_seeds_disagree():
    losses = np.stack([10 * LOG_STEPS**-0.5, LOG_STEPS**0.1])
    fit = fit_power_law(LOG_STEPS, losses, window=(1, 100), max_drift=5)
    assert not fit.found
    assert "reaches 0" in fit.reason


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
