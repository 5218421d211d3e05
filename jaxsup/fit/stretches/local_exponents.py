"""The local exponent of a loss curve, alpha(t) = -d log L / d log t, by local regression."""

import dataclasses
import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from jaxsup._internal.validation import check_number
from jaxsup.fit.curves import Curve, Losses, bin_curve, read_losses
from jaxsup.fit.stretches.bin_noise import measure_noise, scatter_inflation, seed_deviations

_NEIGHBORS = 2  # bins at each side that a line uses at least, where there are as many
_FEWEST_POINTS = 3
_WIDE = 2.0  # bandwidths of the lines that show what bends
_BENT = 0.5  # of the change from the wide lines; a third where the exponent has a steady curvature


@dataclasses.dataclass(frozen=True)
class LocalExponents:
    """alpha(t) = -d log L / d log t along a loss curve.

    Attributes:
        steps: geometric mean of the steps of each bin, [points].
        exponent: alpha, positive where the loss falls, [points].
        interval: its ends, at level `confidence`, for each point by itself, [points, 2]; NaN where
            they cannot be known.
        confidence: level of the intervals, in (0, 1).
        bandwidth: half-width of the kernel, in decades of steps.
        seeds_used: seeds whose mean curve is used.
        seeds_dropped: seeds left out because their curve holds NaN or infinity.
    """

    steps: Float[np.ndarray, " points"]
    exponent: Float[np.ndarray, " points"]
    interval: Float[np.ndarray, "points 2"]
    confidence: float
    bandwidth: float
    seeds_used: int
    seeds_dropped: int


def local_exponent(
    steps: ArrayLike,
    loss: ArrayLike,
    *,
    bandwidth: float | int = 0.35,
    points_per_decade: int = 16,
    confidence: float = 0.95,
) -> LocalExponents:
    """alpha(t) = -d log L / d log t by a local line through log L against log t.

    At each bin a line is fitted by least squares with the weights 1 - (d / h)^2 (Epanechnikov's
    kernel), d the distance in log10 t and h the bandwidth. h is larger where there would be fewer
    than two bins beside the one in the middle, and where the curve ends the line is one-sided.

    Arguments:
        steps: [steps], update counts >= 0, increasing; step 0 is left out (log 0).
        loss: [steps] or [seeds, steps]. In 2-D a seed with NaN or infinity is left out; in 1-D
            those entries are. The (mean) curve ends before its first value <= 0.
        bandwidth: h, in decades of steps, > 0.
        points_per_decade: bins per decade, >= 4.
        confidence: level of the intervals, in (0, 1).

    Returns:
        The local exponents with intervals: with two seeds or more, Student's t over the seeds, by
        each seed's effect on the slope of the mean curve; with one curve, the noise seen by second
        differences, widened by the size and lag-1 correlation of the scatter about local parabolas.
        Half of the change from lines of twice the bandwidth is added in quadrature, for what bends.

    Raises:
        ValueError: for arguments outside these ranges, or fewer than 3 positive steps.

    Reference:
        Fan and Gijbels, Local Polynomial Modelling and Its Applications (1996), section 3.1.

    >>> t = np.arange(1, 2001)
    >>> local = local_exponent(t, 3.0 * t**-0.5)
    >>> bool(np.allclose(local.exponent, 0.5))
    True
    """
    check_number("bandwidth", bandwidth, "take about 0.35", low=0, low_open=True)
    check_number("points_per_decade", points_per_decade, "take 16", low=4)
    do = "give a fraction such as 0.95"
    check_number("confidence", confidence, do, low=0, high=1, low_open=True, high_open=True)
    losses = read_losses(steps, loss)
    curve = bin_curve(losses, points_per_decade)
    exponent = np.full_like(curve.x, np.nan)
    interval = np.full((len(curve.x), 2), np.nan)
    if len(curve.x) >= _FEWEST_POINTS:
        near = _local_lines(curve.x, bandwidth * math.log(10))
        wide = _local_lines(curve.x, _WIDE * bandwidth * math.log(10))
        exponent = -near.slope @ curve.y
        level = (1 + confidence) / 2
        if len(losses.values) > 1:
            margin = _seed_margin(curve, losses, near, level)
        else:
            margin = _scatter_margin(curve, near, level)
        margin = np.hypot(margin, _BENT * (exponent + wide.slope @ curve.y))
        interval = exponent[:, None] + margin[:, None] * np.array([-1.0, 1.0])
    return LocalExponents(
        np.exp(curve.x),
        exponent,
        interval,
        float(confidence),
        float(bandwidth),
        len(losses.values),
        losses.dropped,
    )


class _LocalLines(NamedTuple):
    """Lines fitted around each point, as matrices to apply to log L."""

    slope: Float[np.ndarray, "points points"]
    height: Float[np.ndarray, "points points"]


def _local_lines(x: Float[np.ndarray, " points"], half_width: float) -> _LocalLines:
    """Slope and height at each point of the line around it, by Epanechnikov's kernel."""
    away = x - x[:, None]
    neighbors = min(2 * _NEIGHBORS, len(x) - 1)
    nearest = np.partition(np.abs(away), neighbors, axis=1)[:, neighbors]
    width = np.maximum(half_width, 1.001 * nearest)[:, None]
    weight = np.maximum(1 - (away / width) ** 2, 0)
    total = weight.sum(1, keepdims=True)
    center = np.sum(weight * away, 1, keepdims=True) / total
    centered = away - center
    slope = weight * centered / np.sum(weight * centered**2, 1, keepdims=True)
    return _LocalLines(slope, weight / total - center * slope)


def _seed_margin(
    curve: Curve, losses: Losses, near: _LocalLines, level: float
) -> Float[np.ndarray, " points"]:
    """Student's t over what each seed does to the slope of the mean curve."""
    from scipy.special import stdtrit

    seeds = len(losses.values)
    slopes = seed_deviations(losses, curve) @ near.slope.T
    return np.std(slopes, axis=0, ddof=1) / math.sqrt(seeds) * float(stdtrit(seeds - 1, level))


def _scatter_margin(curve: Curve, near: _LocalLines, level: float) -> Float[np.ndarray, " points"]:
    """The noise by third differences, widened by what the scatter says of its correlation."""
    from scipy.special import ndtri

    noise = measure_noise(curve, 0.0)
    if not noise.white.any():
        return np.full(len(curve.x), np.nan)
    inflation = scatter_inflation(curve, noise)
    return float(ndtri(level)) * np.sqrt(inflation * (near.slope**2 @ noise.total))
