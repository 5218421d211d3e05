"""Curves that are no power law."""

import math
import re

import numpy as np
import pytest
from noisy_curves import LOG_STEPS, noisy

from jaxsup.fit.single.power_law import fit_power_law
from jaxsup.fit.single.refusals import Refusal

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


def walk(curve, noise, seed):
    """A curve with noise that is a random walk along the record."""
    steps = np.random.default_rng(seed).standard_normal(len(curve))
    return curve * np.exp(noise * np.cumsum(steps))


def wavy(t, amplitude, period):
    """17 t^-0.19 with waves of a period in decades."""
    return 17 * t**-0.19 * (1 + amplitude * np.sin(2 * np.pi * np.log10(np.maximum(t, 1)) / period))


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
    Refusal.CORRELATED: (walk(LOG_STEPS**-0.1, 0.1, 0), {"window": (1, 1e4)}),
    Refusal.STRUCTURE: (wavy(LOG_STEPS, 0.1, 0.5), {"window": (1, 1e4)}),
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
    assert fit.systematic == pytest.approx(fit.drift / math.sqrt(12), rel=0.1)  # less the noise


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


@pytest.mark.parametrize("steps", [LOG_STEPS, np.arange(1.0, 2001.0)], ids=["log", "linear"])
@pytest.mark.parametrize(
    ("amplitude", "period", "noise"),
    [(0.1, 0.5, 0.0), (0.1, 0.5, 0.01), (0.1, 0.5, 0.03), (0.1, 1.0, 0.01), (0.2, 0.7, 0.03)],
)
@pytest.mark.parametrize("window", [None, (1, 2000)], ids=["automatic", "given"])
def test_waves_are_structure_and_no_noise(steps, noise, amplitude, period, window):
    """Their local slope swings by more than the exponent, 0.19."""
    losses = noisy(wavy(steps, amplitude, period), noise, seed=12)
    fit = fit_power_law(steps, losses, window=window)
    assert not fit.found
    assert np.isnan(fit.exponent)


def test_waves_are_named_with_their_period():
    t = np.geomspace(1, 1e4, 64)
    fit = fit_power_law(t, wavy(t, 0.1, 0.5), window=(1, 1e4))
    assert fit.refusal is Refusal.STRUCTURE
    swing, period = (
        float(x) for x in re.findall(r"\+-([\d.]+) .* about ([\d.]+) dec", fit.reason)[0]
    )
    assert period == pytest.approx(0.5, rel=0.1)
    assert swing == pytest.approx(0.1 * 2 * np.pi / 0.5 / np.log(10), rel=0.2)


@pytest.mark.extended
@pytest.mark.parametrize("rho", [0.0, 0.9])
def test_noise_is_seldom_called_structure(rho):
    """150 pure laws, expected 0.6% at most: 6 and more have a chance below 1e-3."""
    rng, found = np.random.default_rng(9), 0
    t = np.geomspace(1, 1e4, 80)
    for _ in range(150):
        noise = rng.standard_normal(80)
        for i in range(1, 80):
            noise[i] = rho * noise[i - 1] + np.sqrt(1 - rho**2) * noise[i]
        found += fit_power_law(t, t**-0.5 * np.exp(0.1 * noise)).refusal is Refusal.STRUCTURE
    assert found < 6
