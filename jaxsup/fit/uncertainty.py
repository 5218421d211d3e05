"""How well an exponent is known: from its residuals, or from resampling its seeds."""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from jaxsup.fit.curves import Curve, Losses, bin_means
from jaxsup.fit.least_squares import fit_log_loss
from jaxsup.fit.windows import Assessment

_HELD = 4_000_000  # resampled losses held at once


class Uncertainty(NamedTuple):
    """Errors of an exponent.

    Attributes:
        statistical: standard error by the noise, or over resampled seeds.
        systematic: standard error by drift.
        low: lower end of the interval.
        high: upper end of the interval.
    """

    statistical: float
    systematic: float
    low: float
    high: float


def measure_uncertainty(
    exponent: float,
    assessment: Assessment,
    fit: int,
    confidence: float,
    *,
    draws: Float[np.ndarray, " draws"] | None = None,
    seeds: int = 1,
) -> Uncertainty:
    """Noise and drift in quadrature, on each side of the exponent.

    Arguments:
        exponent: alpha.
        assessment: of all fits of the curve.
        fit: which of them the exponent is.
        confidence: level of the interval, in (0, 1).
        draws: exponents of resampled seeds; default: the noise of the one curve.
        seeds: number of seeds that were resampled.

    Returns:
        Standard errors and the interval: Student's, or percentiles of the draws.
    """
    from scipy.special import ndtri, stdtrit

    levels = (1 - confidence) / 2, (1 + confidence) / 2
    if draws is None:
        statistical = float(assessment.noise.error[fit])
        tails = statistical * stdtrit(assessment.noise.freedom[fit], levels)
    else:
        deviations = (draws - exponent) * math.sqrt(seeds / (seeds - 1))
        statistical, tails = float(np.std(deviations)), np.quantile(deviations, levels)
    systematic = float(assessment.drift[fit]) / math.sqrt(12)
    margin = systematic * float(ndtri(levels[1]))
    low = exponent - math.hypot(min(float(tails[0]), 0.0), margin)
    high = exponent + math.hypot(max(float(tails[1]), 0.0), margin)
    return Uncertainty(statistical, systematic, low, high)


def resample_seeds(
    curve: Curve, losses: Losses, bins: slice, *, floor: bool, resamples: int, seed: int
) -> Float[np.ndarray, " draws"]:
    """Exponents of the mean curves of resampled seeds, over the bins of one window.

    Arguments:
        curve: the binned mean curve.
        losses: of all seeds.
        bins: the window's.
        floor: fit a floor as well.
        resamples: number of draws; those whose mean is not positive are left out.
        seed: of their generator.
    """
    seeds = len(losses.values)
    part = Curve(*(column[bins] for column in curve))
    values = losses.values[:, part.start[0] : part.stop[-1]]
    start, stop = part.start - part.start[0], part.stop - part.start[0]
    generator = np.random.default_rng(seed)
    shares = generator.multinomial(seeds, [1 / seeds] * seeds, size=resamples) / seeds
    rows = max(1, _HELD // values.shape[1])
    curves = []
    for begin in range(0, resamples, rows):
        means = shares[begin : begin + rows] @ values
        curves.append(bin_means(np.log(means[(means > 0).all(1)]), start, stop))
    everywhere = np.ones((1, len(part.x)), bool)
    return fit_log_loss(part, np.concatenate(curves), everywhere, floor=floor).exponent
