"""Input that is none of a fit, and input that holds gaps."""

from typing import Any

import numpy as np
import pytest
from helpers import assert_one_line_error, untyped
from noisy_curves import LOG_STEPS

from jaxsup.fit.single.power_law import fit_power_law

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
    "complex numbers": (
        {"loss": LOG_STEPS + 0j},
        "loss: expected an array of real numbers; got dtype complex128; convert it",
    ),
    "booleans": (
        {"loss": LOG_STEPS > 9},
        "loss: expected an array of real numbers; got dtype bool",
    ),
    "objects": ({"loss": LOG_STEPS.astype(object)}, "real numbers; got dtype object; convert it"),
    "text": (
        {"steps": LOG_STEPS.astype(str)},
        "steps: expected an array of real numbers; got dtype",
    ),
    "ragged rows": (
        {"loss": [[3.0, 2.0, 1.0], [2.0, 1.0]]},
        "loss: expected an array of real numbers; got rows of several lengths; give every row",
    ),
    "a range of 10^9 steps": (
        {"steps": range(10**9)},
        "steps: expected at most 2,000,000 numbers; got 1,000,000,000; keep some 100",
    ),
    "10^9 losses": ({"loss": np.broadcast_to(1.0, 10**9)}, "loss: expected at most 50,000,000 num"),
    "no decades": ({"min_decades": 0.0}, "min_decades: expected .* > 0; got 0.0; ask for about 1"),
    "no drift": ({"max_drift": 0.0}, "max_drift: expected .* > 0; got 0.0; give a fraction"),
    "coarse bins": (
        {"points_per_decade": 3},
        "points_per_decade: expected .* >= 4; got 3; take 16",
    ),
    "bins beyond number": ({"points_per_decade": 10**400}, "an integer of at most 2147483647; got"),
    "confidence 0": ({"confidence": 0.0}, "confidence: .* > 0 and < 1; got 0.0; give a fraction"),
    "confidence in percent": (
        {"confidence": 95.0},
        "confidence: .* < 1; got 95.0; give a fraction",
    ),
    "one resample": ({"resamples": 1}, "resamples: expected .* >= 2; got 1; take 200"),
    "negative seed": ({"bootstrap_seed": -1}, "bootstrap_seed: .* >= 0; got -1; give a natural"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_a_one_line_error(name):
    changes, match = BAD[name]
    assert_one_line_error(lambda: fit_power_law(**(GOOD | changes)), match)


def test_masked_losses_are_left_out():
    losses = LOG_STEPS**-0.5
    masked = np.ma.masked_array(np.where(LOG_STEPS < 9, 1e5, losses), LOG_STEPS < 9)
    expected = fit_power_law(LOG_STEPS[LOG_STEPS >= 9], losses[LOG_STEPS >= 9])
    assert expected.exponent == pytest.approx(0.5, abs=1e-10)
    assert fit_power_law(LOG_STEPS, masked) == expected
    assert fit_power_law(LOG_STEPS, list(masked)) == expected
    steps = np.ma.masked_array(LOG_STEPS, LOG_STEPS < 9)
    assert fit_power_law(steps, masked.data) == expected


def test_masked_steps_have_no_prediction():
    fit = fit_power_law(LOG_STEPS, LOG_STEPS**-0.5)
    steps = np.ma.masked_array([1.0, 4.0, 100.0], [False, True, False])
    np.testing.assert_allclose(fit.predict(steps), [1.0, np.nan, 0.1])
    assert fit.predict(0) == np.inf
    assert_one_line_error(lambda: fit.predict([1, -1]), "steps: expected .* >= 0; got -1")
    assert_one_line_error(
        lambda: fit.predict(1 + 2j), "steps: .* real numbers; got dtype complex128"
    )


def test_masked_seeds_are_left_out_and_counted():
    losses = np.ma.masked_array(np.stack([LOG_STEPS**-0.5] * 3), mask=False)
    losses[0, 5] = np.ma.masked
    losses[:, :4] = np.ma.masked
    fit = fit_power_law(LOG_STEPS, losses)
    assert (fit.seeds_used, fit.seeds_dropped) == (2, 1)
    assert fit.window[0] == LOG_STEPS[4]
    assert fit == fit_power_law(LOG_STEPS, list(losses))


@pytest.mark.parametrize("floor", [False, True])
@pytest.mark.parametrize("window", [None, (2, 9000)], ids=["automatic", "given"])
@pytest.mark.parametrize("seeds", [1, 2])
def test_odd_curves_give_a_result_without_a_warning(floor, window, seeds):
    """Warnings are errors in this suite."""
    t, rng = LOG_STEPS, np.random.default_rng(0)
    curves = {
        "alternating": np.where(np.arange(t.size) % 2, 1.0, 2.0),
        "denormal": 1e-320 * np.ones_like(t),
        "huge": 1e290 * t**-0.5,
        "beyond": np.full_like(t, 1e308),
        "steep": 1e250 * t**-100.0,
        "exponential": np.exp(-t),
        "jump": np.where(t < 100, 1.0, 0.1),
        "rounded": np.round(t**-0.3, 2),
        "rising": np.exp(t / 5000),
        "integers": (1e6 * t**-0.5).astype(int),
        "half precision": (t**-0.5).astype(np.float16),
        "noise": np.exp(5 * rng.standard_normal(t.size)),
        "walk": np.exp(np.cumsum(rng.standard_normal(t.size))),
        "outlier": t**-0.5 * np.where(np.arange(t.size) == 30, 1e6, 1.0),
    }
    for name, curve in curves.items():
        loss = curve if seeds == 1 else np.stack([curve, curve])
        fit = fit_power_law(t, loss, floor=floor, window=window)
        assert fit.found == (fit.refusal is None) == (not fit.reason), name


WRONG_TYPES = {
    "text for a floor": ({"floor": "no"}, "floor: expected true or false; got 'no'; write it"),
    "half a resample": (
        {"resamples": 10.5},
        "resamples: expected an integer >= 2; got 10.5; take 200",
    ),
    "half a seed": ({"bootstrap_seed": 1.5}, "bootstrap_seed: expected an integer >= 0; got 1.5"),
    "number for a window": (
        {"window": 5},
        r"window: expected \(first, last\) with first < last; got 5; give two steps",
    ),
    "text for a window": ({"window": "ab"}, r"window: expected \(first, last\) .* got 'ab'; give"),
    "digits for a window": (
        {"window": "19"},
        r"window: expected \(first, last\) .* got '19'; give",
    ),
    "steps that are none": (
        {"window": (1, None)},
        r"window: expected \(first, last\) .* None\); g",
    ),
}


@untyped
@pytest.mark.parametrize("case", WRONG_TYPES)
def test_options_of_a_wrong_type_are_told_in_one_line(case):
    options, match = WRONG_TYPES[case]
    assert_one_line_error(lambda: fit_power_law(**GOOD, **options), match)


@untyped
def test_numpys_truth_values_are_truth_values():
    loss = LOG_STEPS**-0.5 + 0.01
    expected = fit_power_law(LOG_STEPS, loss, floor=True)
    true: Any = np.True_
    assert str(fit_power_law(LOG_STEPS, loss, floor=true)) == str(expected)
