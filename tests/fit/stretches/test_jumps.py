"""Jumps, outliers and ends that have to leave the noise of a curve, and its laws, alone."""

import numpy as np
import pytest
from noisy_curves import noisy

from jaxsup.fit import regimes
from jaxsup.fit.curves import bin_curve, read_losses
from jaxsup.fit.stretches.bin_noise import measure_noise

STEPS = np.unique(np.round(np.geomspace(1, 1e5, 80)))
LAST_BEFORE, FIRST_AFTER = STEPS[STEPS < 1000][-1], STEPS[STEPS >= 1000][0]


def kinds(found):
    return [stretch.kind for stretch in found.stretches]


def drop(steps, factor, at=1000):
    return np.where(steps < at, 1.0, factor)


@pytest.mark.parametrize("factor", [0.5, 0.01])
@pytest.mark.parametrize(("noise", "seeds"), [(0.0, 1), (0.01, 1), (0.01, 5), (0.05, 5)])
def test_a_step_parts_two_plateaus(factor, noise, seeds):
    losses = noisy(np.tile(drop(STEPS, factor), (seeds, 1)), noise, 0)
    found = regimes(STEPS, losses)
    assert kinds(found) == ["plateau", "crossover", "plateau"]
    first, jump, last = found.stretches
    assert jump.window == (LAST_BEFORE, FIRST_AFTER)
    assert (first.window[1], last.window[0]) == (STEPS[STEPS < 1000][-2], STEPS[STEPS >= 1000][1])
    assert found.floor is not None
    assert found.floor.low <= factor <= found.floor.high


@pytest.mark.parametrize("steps", [STEPS, np.arange(1.0, 10_001)], ids=["log", "every step"])
@pytest.mark.parametrize("noise", [0.0, 0.01])
def test_a_jump_parts_two_laws_of_one_exponent(steps, noise):
    losses = noisy(np.tile(steps**-0.5 * drop(steps, 0.5), (5, 1)), noise, 1)
    found = regimes(steps, losses)
    laws = found.power_laws
    assert len(laws) == 2
    assert laws[0].window[1] < 1000 <= laws[1].window[0]
    for law in laws:
        assert law.interval[0] <= 0.5 <= law.interval[1]
        assert law.interval[1] - law.interval[0] < 0.1


def test_an_outlier_leaves_the_laws_as_they_are():
    """40 curves; the laws' 95% intervals miss twice each on average, 8 times once in 3,000."""
    law = np.where(STEPS < 1000, (STEPS / 1000) ** -0.3, (STEPS / 1000) ** -1.0)
    missed = 0
    for seed in range(40):
        losses = noisy(law, 0.02, seed)
        losses[5 + (11 * seed) % (STEPS.size - 10)] *= 3 if seed % 2 else 1 / 3
        first, *_, last = regimes(STEPS, losses).power_laws
        for stretch, exponent in ((first, 0.3), (last, 1.0)):
            assert stretch.interval[0] > 0
            missed += not stretch.interval[0] <= exponent <= stretch.interval[1]
    assert missed < 8


ENDS = {
    "fast exponential": (np.arange(1.0, 2001), lambda t: np.exp(-0.1 * t)),
    "slow exponential": (np.arange(1.0, 2001), lambda t: np.exp(-0.01 * t)),
    "log-spaced": (STEPS, lambda t: np.exp(-t / 1000)),
}


@pytest.mark.parametrize("name", ENDS)
def test_an_exponential_ends_in_a_cut_off_and_has_no_law(name):
    steps, loss = ENDS[name]
    found = regimes(steps, loss(steps))
    assert found.power_laws == ()
    assert kinds(found)[-1] == "cut-off"


@pytest.mark.slow
def test_a_power_law_has_an_exponent_above_zero():
    """300 curves of all sorts in strong noise."""
    rng = np.random.default_rng(3)
    for seed in range(300):
        power = STEPS ** -rng.uniform(0, 0.4)
        curve = power * drop(STEPS, rng.uniform(0.3, 1), int(rng.choice(STEPS)))
        found = regimes(STEPS, noisy(curve, 10 ** rng.uniform(-2, 0), seed))
        assert all(law.interval[0] > 0 for law in found.power_laws)


def spoil(y, how):
    """Log losses with something that is no noise."""
    y = y.copy()
    if how == "jump":
        y[40:] -= 3
    elif how == "outlier":
        y[40] += 3
    elif how == "kink":
        y[40:] -= 2 * (np.log(STEPS)[40:] - np.log(STEPS)[40])
    return y


@pytest.mark.parametrize("how", ["nothing", "jump", "outlier", "kink"])
def test_noise_is_measured_without_what_is_none(how):
    """Mean over 200 curves of the standard deviation of a bin with one entry, 5%."""
    measured = []
    for seed in range(200):
        y = np.log(STEPS**-0.5) + 0.05 * np.random.default_rng(seed).standard_normal(STEPS.size)
        curve = bin_curve(read_losses(STEPS, np.exp(spoil(y, how))), 16)
        measured.append(np.median(measure_noise(curve, 0.0).white * (curve.stop - curve.start)))
    assert np.sqrt(np.mean(measured)) == pytest.approx(0.05, rel=0.05 if how == "nothing" else 0.2)
