"""Jumps, what a mean of seeds shows beyond their noise, and bends that are no noise."""

import numpy as np
import pytest
from noisy_curves import noisy

from jaxsup.fit.curves import bin_curve, read_losses
from jaxsup.fit.single.power_law import fit_power_law
from jaxsup.fit.single.record_noise import noise_of_curve
from jaxsup.fit.single.refusals import Refusal
from jaxsup.fit.single.structure import hold_smoothness

STEPS = np.unique(np.round(np.geomspace(1, 1e5, 80)))
LINEAR = np.arange(1.0, 3001)


def drop(steps, at, factor):
    return np.where(steps < at, 1.0, factor)


JUMPS = {
    "no law": drop(STEPS, 1000, 0.5),
    "law, half": STEPS**-0.5 * drop(STEPS, 1000, 0.5),
    "law, tenth": STEPS**-0.5 * drop(STEPS, 1000, 0.1),
    "law, upwards": STEPS**-0.8 * drop(STEPS, 1000, 3.0),
    "linear record": drop(LINEAR, 300, 0.5),
    "linear record, law": LINEAR**-0.5 * drop(LINEAR, 300, 0.5),
}


@pytest.mark.parametrize("seeds", [1, 3, 10])
@pytest.mark.parametrize("name", JUMPS)
def test_a_jump_is_no_power_law(name, seeds):
    curve = JUMPS[name]
    steps = STEPS if curve.size == STEPS.size else LINEAR
    fit = fit_power_law(steps, noisy(np.tile(curve, (seeds, 1)), 0.01, 0))
    assert fit.refusal in (Refusal.STRUCTURE, Refusal.STEEPENS)
    fit = fit_power_law(steps, noisy(np.tile(curve, (seeds, 1)), 0.01, 0), window=(1, 1e5))
    assert not fit.found


@pytest.mark.parametrize("seeds", [1, 5])
@pytest.mark.parametrize("factor", [0.5, 0.1])
def test_a_jump_without_noise_is_named_with_its_place(seeds, factor):
    curve = np.tile(STEPS**-0.5 * drop(STEPS, 1000, factor), (seeds, 1))
    fit = fit_power_law(STEPS, curve)
    assert fit.refusal is Refusal.STRUCTURE
    after = STEPS[STEPS >= 1000][0]
    assert f"jumps to {factor:.2g} of the law at step {after:g}" in fit.reason


def test_small_jumps_do_not_matter():
    """A line through a third of five decades with a drop of 2% is 0.008 steeper."""
    for seed in range(20):
        losses = noisy(np.tile(STEPS**-0.5 * drop(STEPS, 1000, 0.98), (5, 1)), 0.01, seed)
        assert fit_power_law(STEPS, losses).found


@pytest.mark.parametrize("seeds", [1, 5])
@pytest.mark.parametrize("factor", [0.95, 0.85])
def test_an_interval_knows_of_a_small_jump(factor, seeds):
    losses = noisy(np.tile(STEPS**-0.5 * drop(STEPS, 1000, factor), (seeds, 1)), 0.01, 0)
    fit = fit_power_law(STEPS, losses)
    assert fit.found
    assert fit.interval[0] <= 0.5 <= fit.interval[1]


def correlated(shape, rho, seed):
    """Stationary AR(1) of unit variance along the last axis."""
    noise = np.random.default_rng(seed).standard_normal(shape)
    for i in range(1, shape[-1]):
        noise[..., i] = rho * noise[..., i - 1] + np.sqrt(1 - rho**2) * noise[..., i]
    return noise


@pytest.mark.extended
@pytest.mark.parametrize(("rho", "seeds"), [(0.99, 1), (0.0, 1), (0.0, 10), (0.9, 3), (0.99, 10)])
def test_seeds_of_a_law_are_seldom_called_structure(rho, seeds):
    """200 pure laws, expected 1% at most: 9 and more have a chance below 1e-3."""
    found = 0
    for trial in range(200):
        noise = correlated((seeds, STEPS.size), rho, [trial, seeds])
        fit = fit_power_law(STEPS, STEPS**-0.5 * np.exp(0.03 * noise))
        found += fit.refusal is Refusal.STRUCTURE
    assert found < 9


@pytest.mark.parametrize("seeds", [3, 5, 10])
def test_a_wave_in_seeds_is_structure(seeds):
    """Its slope swings by 0.4, its size is ten times the seeds' noise."""
    wave = 1 + 0.1 * np.sin(4 * np.log(STEPS))
    losses = noisy(np.tile(STEPS**-0.5 * wave, (seeds, 1)), 0.01, 1)
    assert fit_power_law(STEPS, losses, window=(1, 1e5)).refusal is Refusal.STRUCTURE


def test_a_sum_of_few_features_drifts_and_is_accepted():
    """Its local slope changes by less than a quarter: drift, although seeds agree to 0.1%."""
    k = np.arange(1, 129)
    curve = np.exp(-np.outer(LINEAR, k**-1.5) / 2) @ k**-2.0
    fit = fit_power_law(LINEAR, noisy(np.tile(curve, (5, 1)), 1e-3, 2))
    assert fit.found
    assert fit.interval[0] <= fit.slope <= fit.interval[1]


def two_laws(steps, center, laws, sharpness):
    """One law that passes to another without noise."""
    first, second = laws
    bend = (1 + (steps / center) ** sharpness) ** (-(second - first) / sharpness)
    return (steps / center) ** -first * bend


BENDS = {
    "smooth": (STEPS, two_laws(STEPS, 1000, (0.3, 1), 2)),
    "within a bin": (STEPS, two_laws(STEPS, 1000, (0.3, 1), 5)),
    "sharper": (STEPS, two_laws(STEPS, 1000, (0.3, 1), 10)),
    "a kink": (STEPS, np.minimum((STEPS / 1000) ** -0.3, (STEPS / 1000) ** -1.0)),
    "linear record": (LINEAR, two_laws(LINEAR, 100, (0.3, 1), 5)),
}


@pytest.mark.parametrize("name", BENDS)
def test_a_bend_without_noise_leaves_a_law(name):
    fit = fit_power_law(*BENDS[name])
    assert fit.found
    assert fit.exponent == pytest.approx(0.3, rel=1e-3)
    assert fit.interval[1] - fit.interval[0] < 0.01


def test_a_long_bend_without_noise_is_not_called_noise():
    fit = fit_power_law(STEPS, two_laws(STEPS, 1000, (0.1, 0.5), 0.7))
    assert fit.refusal is Refusal.STRUCTURE
    assert "bends smoothly" in fit.reason


@pytest.mark.parametrize("steps", [STEPS, LINEAR], ids=["log", "linear"])
@pytest.mark.parametrize("rho", [0.0, 0.9, 0.9999])
def test_noise_is_not_called_smooth(steps, rho):
    """By a wide margin in 60 curves: bounds are 0.1 and 0.3."""
    for trial in range(60):
        noise = correlated((steps.size,), rho, trial)
        losses = read_losses(steps, steps**-0.5 * np.exp(0.1 * noise))
        curve = bin_curve(losses, 16)
        record = noise_of_curve(curve, np.log(losses.steps), np.log(losses.values[0]))
        smoothness = hold_smoothness(curve, record)
        assert smoothness.roughness > 0.3
        assert smoothness.correlation < 0


@pytest.mark.parametrize(("count", "last"), [(10, 18_728), (13, 17_082), (17, 2216), (22, 393)])
@pytest.mark.parametrize("floor", [False, True])
def test_short_records_that_a_law_fits_to_the_last_bit(count, last, floor):
    steps = np.unique(np.round(np.geomspace(1, last, count)))
    for size, exponent in ((1.0, 0.5), (1e290, 1.0)):
        fit = fit_power_law(steps, size * steps**-exponent, floor=floor)
        assert fit.found
        assert fit.exponent == pytest.approx(exponent, rel=1e-6)
