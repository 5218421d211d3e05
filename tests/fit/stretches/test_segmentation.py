"""Parts of the cut: noise, lines, change points and bent ends against independent arithmetic."""

import itertools

import numpy as np
import pytest
from regime_curves import autoregressive

from jaxsup.fit.curves import bin_curve, read_losses
from jaxsup.fit.stretches.bin_noise import measure_noise, scatter_inflation, seed_deviations
from jaxsup.fit.stretches.segmentation import (
    Lines,
    best_cuts,
    cut,
    fit_lines,
    measure_inflation,
    seed_inflation,
)
from jaxsup.fit.stretches.tails import fit_cutoff, fit_floor

STEPS = np.geomspace(1, 1e5, 81)  # one to a bin


def curve_of(loss, steps=STEPS):
    return bin_curve(read_losses(steps, loss), 16)


def line_cost(x, y, variance):
    """Weighted sum of squares about numpy's line."""
    line = np.polynomial.Polynomial.fit(x, y, 1, w=1 / np.sqrt(variance))
    return float(np.sum((y - line(x)) ** 2 / variance))


def test_noise_is_measured_on_a_bent_curve():
    """80 squares give the variance to 20%; the mean of 40 curves to 4%: bound of 4 errors."""
    rng = np.random.default_rng(0)
    variances = []
    for _ in range(40):
        loss = 1 / (1 + STEPS / 100) * np.exp(0.05 * rng.standard_normal(STEPS.size))
        variances.append(np.mean(measure_noise(curve_of(loss), 0.0).white))
    assert 0.84 <= np.mean(variances) / 0.05**2 <= 1.16


def test_noise_may_grow():
    """Standard deviation from 0.002 to 0.2: each end is found within a factor of 2."""
    rng = np.random.default_rng(1)
    true = np.geomspace(0.002, 0.2, STEPS.size)
    noise = measure_noise(curve_of(STEPS**-0.5 * np.exp(true * rng.standard_normal(81))), 0.0)
    ratio = np.sqrt(noise.white[[0, -1]]) / true[[0, -1]]
    assert ((ratio > 0.5) & (ratio < 2)).all()


def test_bins_of_many_entries_are_less_noisy():
    steps = np.arange(1, 10_001.0)
    rng = np.random.default_rng(2)
    curve = curve_of(steps**-0.5 * (1 + 0.1 * rng.standard_normal(steps.size)), steps)
    noise = measure_noise(curve, 0.0)
    entries = curve.stop - curve.start
    ratio = noise.white * entries / 0.1**2
    assert ((ratio > 1 / 3) & (ratio < 3)).all()


def test_lines_are_numpys():
    rng = np.random.default_rng(3)
    curve = curve_of(STEPS**-0.5 * np.exp(0.05 * rng.standard_normal(81)))
    variance = np.geomspace(0.001, 0.01, 81)
    lines = fit_lines(curve, variance)
    for first, last in ((0, 80), (10, 12), (40, 70)):
        run = slice(first, last + 1)
        slope, error = np.polyfit(curve.x[run], curve.y[run], 1, w=variance[run] ** -0.5), None
        assert lines.slope[first, last] == pytest.approx(slope[0], rel=1e-8)
        error = line_cost(curve.x[run], curve.y[run], variance[run])
        assert lines.cost[first, last] == pytest.approx(error, rel=1e-6, abs=1e-9)
    assert np.isinf(lines.cost[5, 6])


@pytest.mark.parametrize("seed", range(3))
def test_the_cut_is_the_best_of_all(seed):
    """All cuts of 18 bins into at most three pieces, tried one by one."""
    rng = np.random.default_rng(seed)
    steps = STEPS[:18]
    log_loss = -np.abs(np.log(steps) - 1.2) + 0.05 * rng.standard_normal(18)
    curve = curve_of(np.exp(log_loss), steps)
    noise = measure_noise(curve, 0.05)
    lines = fit_lines(curve, noise.total)
    cuts = best_cuts(Lines(*(part[None] for part in lines)))[0]
    pieces, inflation = cut(curve, lines, noise, 8.0, cuts)
    count = len(pieces)
    assert 2 <= count <= 3
    best = np.inf
    for inner in itertools.combinations(range(3, 16), count - 1):
        edges = [0, *inner, 18]
        if min(np.diff(edges)) < 3:
            continue
        runs = [slice(a, b) for a, b in itertools.pairwise(edges)]
        total = sum(line_cost(curve.x[r], curve.y[r], noise.total[r]) for r in runs)
        best = min(best, total)
    assert sum(lines.cost[piece] for piece in pieces) == pytest.approx(best, rel=1e-6)
    assert inflation == max(1.0, measure_inflation(curve, lines, pieces, noise))


@pytest.mark.parametrize(("correlation", "low", "high"), [(0.0, 1.0, 1.3), (0.8, 8.0, 80.0)])
def test_inflation_by_seeds_sees_correlated_noise(correlation, low, high):
    """Long-run over second-difference variance of AR(1): 61 at 0.8, less in windows of 8 bins."""
    rng = np.random.default_rng(4)
    found = []
    for _ in range(20):
        z = autoregressive(rng.standard_normal((5, 81)), correlation)
        losses = read_losses(STEPS, STEPS**-0.5 * (1 + 0.03 * z))
        curve = bin_curve(losses, 16)
        noise = measure_noise(curve, 0.0)
        lines = fit_lines(curve, noise.total)
        found.append(seed_inflation(seed_deviations(losses, curve), curve, lines, noise, 0.5))
    assert low <= np.median(found) <= high


@pytest.mark.parametrize(("correlation", "low", "high"), [(0.0, 1.0, 1.5), (0.8, 10.0, 90.0)])
def test_inflation_by_scatter_sees_correlated_noise(correlation, low, high):
    """Long-run over second-difference variance of AR(1): 61 at 0.8, less by what parabolas take."""
    rng = np.random.default_rng(5)
    found = []
    for _ in range(20):
        z = autoregressive(rng.standard_normal(81), correlation)
        curve = curve_of(STEPS**-0.5 * (1 + 0.03 * z))
        found.append(scatter_inflation(curve, measure_noise(curve, 0.0)))
    assert low <= np.median(found) <= high


def test_a_floor_is_found_exactly():
    curve = curve_of(2 * STEPS**-0.8 + 5e-3)
    tail = fit_floor(curve, np.full(81, 1e-4), 10)
    assert tail is not None
    assert tail.exponent == pytest.approx(0.8, rel=2e-3)
    assert tail.level == pytest.approx(5e-3, rel=2e-3)
    law = 2 * STEPS[10:] ** -0.8
    np.testing.assert_allclose(tail.local, 0.8 * law / (law + 5e-3), rtol=5e-3)


def test_a_cut_off_is_found_exactly():
    curve = curve_of(2 * STEPS**-0.6 * np.exp(-STEPS / 4e4))
    tail = fit_cutoff(curve, np.full(81, 1e-4), 10)
    assert tail is not None
    assert tail.exponent == pytest.approx(0.6, rel=1e-9)
    assert tail.folds == pytest.approx(1e5 / 4e4, rel=1e-9)
    np.testing.assert_allclose(tail.local, 0.6 + STEPS[10:] / 4e4, rtol=1e-9)


def test_a_law_bends_towards_neither():
    floor = fit_floor(curve_of(STEPS**-0.6), np.full(81, 1e-4), 0)
    assert floor is None or floor.error > 2  # of the logarithm: no level is known
    bent = curve_of(STEPS**-0.6 + 1e-2)
    assert fit_cutoff(bent, np.full(81, 1e-4), 0) is None
