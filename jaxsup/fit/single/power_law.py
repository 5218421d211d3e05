"""Power-law fits L(t) = floor + A t^-alpha of loss curves, with uncertainty, or a refusal.

Plain arrays in host numpy, in double precision; nothing here knows of training.
"""

import dataclasses
import math
from collections.abc import Sequence
from typing import SupportsFloat

import numpy as np
from numpy.typing import ArrayLike

from jaxsup._internal.blas import one_blas_thread
from jaxsup._internal.validation import MOST, check_boolean, check_integer, check_number, fail
from jaxsup.fit.curves import Curve, Losses, bin_curve, read_losses
from jaxsup.fit.single.jumps import find_jump
from jaxsup.fit.single.least_squares import Fits, fit_log_loss
from jaxsup.fit.single.record_noise import noise_of_curve, noise_of_fit
from jaxsup.fit.single.refusals import Evidence, Refusal, find_refusal, refusal_figures
from jaxsup.fit.single.result import PowerLawFit
from jaxsup.fit.single.structure import find_structure, hold_smoothness
from jaxsup.fit.single.uncertainty import (
    Spread,
    choice_factor,
    seed_deviations,
    spread_of_curve,
    spread_of_seeds,
)
from jaxsup.fit.single.windows import (
    MIN_POINTS,
    assess,
    candidate_windows,
    choose_again,
    choose_window,
)

_OPEN = 2.0  # longest of the intervals under each plausible correlation, over the shortest


@one_blas_thread()
def fit_power_law(
    steps: ArrayLike,
    loss: ArrayLike,
    *,
    window: Sequence[SupportsFloat] | None = None,
    floor: bool = False,
    min_decades: float | int = 1.0,
    max_drift: float | int = 0.25,
    points_per_decade: int = 16,
    confidence: float = 0.95,
    resamples: int = 200,
    bootstrap_seed: int = 0,
) -> PowerLawFit:
    """Fit L(t) = A t^-alpha, or c + A t^-alpha, by least squares in log L; refuse where it fails.

    Every decade of steps weighs alike. The window is the one with the smallest expected relative
    error of alpha. The interval knows how the noise is correlated from entry to entry, and that the
    window was chosen; of several seeds, whose mean curve is fitted, it is Student's with seeds - 1
    degrees of freedom. A plateau, an exponential, a cut-off, a crossover or waves about a law are
    no power law.
    `docs/methods/power_law_fits.md` has the formulas and what they cannot see.

    Arguments:
        steps: [steps], update counts >= 0, increasing; step 0 is left out (log 0).
        loss: [steps] or [seeds, steps]. In 2-D a seed with NaN or infinity is left out and counted;
            in 1-D those entries are; masked entries likewise. The (mean) curve ends before its
            first value <= 0.
        window: first and last step to fit, both included, in place of the automatic window.
        floor: fit c as well, which may be negative.
        min_decades: shortest window, in decades of steps, > 0; one more is asked for with a floor.
        max_drift: largest accepted drift of the local slope as a fraction of the exponent, > 0.
        points_per_decade: bins per decade, an integer >= 4.
        confidence: level of the interval, in (0, 1).
        resamples: draws of noise under which the window is chosen again, >= 2.
        bootstrap_seed: seed of their generator, >= 0. The order of the seeds does not matter.

    Returns:
        The exponent of the window with its error, or the reason why there is none.

    Raises:
        ValueError: for arguments outside these ranges, fewer than 3 positive steps, or what is no
            array of real numbers, or a larger one than a fit has use for.

    Reference:
        alpha = (a + 2b - 1) / a for power-law features: "Superposition unifies power-law training
        dynamics", arXiv 2602.01045.

    >>> t = np.arange(1, 2001)
    >>> fit = fit_power_law(t, 3.0 * t**-0.5)
    >>> f"{fit.exponent:.6f} {fit.amplitude:.6f} {fit.window}"
    '0.500000 3.000000 (1.0, 2000.0)'
    >>> fit_power_law(t, np.exp(-t / 300)).refusal.name
    'STEEPENS'
    """
    _check_options(min_decades, max_drift, points_per_decade, confidence, resamples, bootstrap_seed)
    check_boolean("floor", floor)
    floor = bool(floor)
    losses = read_losses(steps, loss, read_window(window))
    seeds, needed = len(losses.values), min_decades + floor
    curve = bin_curve(losses, points_per_decade)
    result = PowerLawFit(
        confidence=float(confidence),
        floor=math.nan if floor else 0.0,
        seeds_used=seeds,
        seeds_dropped=losses.dropped,
    )
    windows = candidate_windows(curve, needed, floor=floor, whole=window is not None)
    if not len(windows.first):
        return _refuse_short(result, curve, losses, needed)
    fits = fit_log_loss(curve, curve.y[None], windows.mask(len(curve.x)), floor=floor)
    x, y = np.log(losses.steps), np.log(losses.values.mean(0))
    noise = noise_of_curve(curve, x, y).typical()
    # Bends that polynomials do not follow are no noise, neither of windows nor of the fit.
    smoothness = hold_smoothness(curve, noise)
    if smoothness.is_quiet:
        noise = noise._replace(variance=smoothness.roughness**2 * noise.variance)
    limits = {"min_decades": min_decades, "max_drift": max_drift}
    assessment = assess(curve, fits, windows, noise, **limits)
    best = int(choose_window(assessment))
    bins = slice(int(windows.first[best]), int(windows.last[best]) + 1)
    result = _describe(result, curve, losses, bins, drift=float(np.ptp(assessment.slopes[best])))
    # The noise again, about the fit itself in its window: fewer parameters take less of it.
    within = noise_of_fit(curve, x, y, bins, fits, best)
    if alone := smoothness.is_quiet or hold_smoothness(curve, within).is_quiet:
        within = noise_of_fit(curve, x, y, bins, fits, best, alone=True)
    deviations = seed_deviations(curve, losses, bins)
    structure = find_structure(curve, bins, fits, best, within, deviations)
    jump = find_jump(curve, x, y, bins, fits, best, alone=alone)
    evidence = Evidence(assessment, best, structure, jump, smoothness, within, bins, seeds)
    if refusal := find_refusal(evidence):
        return result.refused(refusal, **refusal_figures(evidence))
    if seeds > 1:
        spread = spread_of_seeds(deviations, fits.influence[best, bins])
    else:
        jacobian, residual = fits.jacobian[best][:, bins], fits.residual[best, bins]
        spread = spread_of_curve(within, bins, jacobian, residual, structure.excess)
    if len(windows.first) > 1:
        draws = within.sample(np.random.default_rng(bootstrap_seed), resamples)
        errors = choose_again(assessment, best, fits.residual[best], draws)
        spread = spread.inflated(choice_factor(errors))
    return _conclude(result, evidence, fits, spread)


def _conclude(result: PowerLawFit, evidence: Evidence, fits: Fits, spread: Spread) -> PowerLawFit:
    """The result with its power law, unless the exponent may be 0."""
    from scipy.special import ndtri

    best = evidence.fit
    exponent = float(fits.exponent[best])
    drift = float(evidence.assessment.drift[best]) / math.sqrt(12)
    systematic = math.hypot(drift, evidence.shift)
    normal = float(ndtri((1 + result.confidence) / 2))
    half = math.hypot(spread.half_width(result.confidence), systematic * normal)
    low, high = exponent - half, exponent + half
    if low <= 0:
        refusal = evidence.slow or Refusal.REACHES_ZERO
        return result.refused(refusal, low=low, high=high, **refusal_figures(evidence))
    shortest, longest = spread.extreme_half_widths(result.confidence)
    fixed = normal * math.hypot(systematic, exponent * float(evidence.assessment.resolution[best]))
    is_open = math.hypot(longest, fixed) > _OPEN * math.hypot(shortest, fixed)
    widest = max(math.hypot(longest, systematic * normal), half) if is_open else half
    return dataclasses.replace(
        result,
        exponent=exponent,
        stderr=math.hypot(spread.standard_error, systematic),
        systematic=systematic,
        interval=(low, high),
        correlation_open=is_open,
        widest=(exponent - widest, exponent + widest),
        amplitude=float(np.exp(fits.log_amplitude[best])),
        floor=float(fits.floor[best]),
        found=True,
    )


def _describe(
    result: PowerLawFit, curve: Curve, losses: Losses, bins: slice, drift: float = math.nan
) -> PowerLawFit:
    """The result with what holds of a window's bins whether or not there is a power law."""
    x, y = curve.x[bins], curve.y[bins]
    first, last = losses.steps[curve.start[bins][0]], losses.steps[curve.stop[bins][-1] - 1]
    return dataclasses.replace(
        result,
        window=(float(first), float(last)),
        decades=float(x[-1] - x[0]) / math.log(10),
        drift=drift,
        slope=-float(np.polyfit(x - x[0], y, 1)[0]),
        points=len(x),
    )


def _refuse_short(
    result: PowerLawFit, curve: Curve, losses: Losses, needed: float | int
) -> PowerLawFit:
    """The refusal of a curve with no window of `needed` decades."""
    points = len(curve.x)
    if not points:
        return result.refused(Refusal.NOTHING_POSITIVE)
    if points == 1:
        result = dataclasses.replace(result, points=1, decades=0.0)
    else:
        result = _describe(result, curve, losses, slice(0, points))
    return result.refused(
        Refusal.TOO_SHORT,
        points=points,
        decades=result.decades,
        needed_points=MIN_POINTS,
        needed_decades=needed,
    )


def _check_options(
    min_decades: float | int,
    max_drift: float | int,
    points_per_decade: int,
    confidence: float,
    resamples: int,
    bootstrap_seed: int,
) -> None:
    """Raise unless every option is within its range."""
    check_number("min_decades", min_decades, "ask for about 1", low=0, low_open=True)
    check_number("max_drift", max_drift, "give a fraction of the exponent", low=0, low_open=True)
    check_integer("points_per_decade", points_per_decade, "take 16", low=4, high=MOST)
    do = "give a fraction such as 0.95"
    check_number("confidence", confidence, do, low=0, high=1, low_open=True, high_open=True)
    check_integer("resamples", resamples, "take 200", low=2)
    check_integer("bootstrap_seed", bootstrap_seed, "give a natural number", low=0)


def read_window(window: Sequence[SupportsFloat] | None) -> tuple[float, ...] | None:
    """The ends of a window as floats; whether they are two, and in order, is seen later.

    Raises:
        ValueError: it holds no numbers.
    """
    if window is None:
        return None
    try:
        if isinstance(window, str | bytes):  # whose digits would be numbers
            raise TypeError
        return tuple(float(end) for end in window)
    except (TypeError, ValueError, OverflowError):
        expected = "(first, last) with first < last"
        raise fail("window", expected, window, "give two steps") from None
