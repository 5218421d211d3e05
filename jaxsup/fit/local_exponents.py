"""The local exponent of a loss curve, alpha(t) = -d log L / d log t, by local regression."""

import dataclasses
import math

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from jaxsup._internal.validation import check_number
from jaxsup.fit.curves import Curve, Losses, bin_curve, read_losses
from jaxsup.fit.segmentation import long_run_inflation, measure_noise, seed_deviations

_NEIGHBORS = 2  # bins at each side that a line uses at least, where there are as many
_FEWEST_POINTS = 3


@dataclasses.dataclass(frozen=True)
class LocalExponents:
    """alpha(t) = -d log L / d log t along a loss curve.

    Attributes:
        steps: geometric mean of the steps of each bin, [points].
        exponent: alpha, positive where the loss falls, [points].
        interval: its ends, at level `confidence`, [points, 2]; NaN where they cannot be known. They
            are for each point by itself, and of the local line's slope: where alpha changes within
            the bandwidth they do not hold what the line leaves out.
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
        differences, widened by the size and lag-1 correlation of the residuals.

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
        influence, smooth = _local_lines(curve.x, bandwidth * math.log(10))
        exponent = -influence @ curve.y
        margin = _margin(curve, losses, influence, smooth, (1 + confidence) / 2)
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


def _local_lines(
    x: Float[np.ndarray, " points"], half_width: float
) -> tuple[Float[np.ndarray, "points points"], Float[np.ndarray, "points points"]]:
    """Slope and height at each point of the line fitted around it, as matrices to apply to y."""
    away = x - x[:, None]
    neighbors = min(2 * _NEIGHBORS, len(x) - 1)
    nearest = np.partition(np.abs(away), neighbors, axis=1)[:, neighbors]
    width = np.maximum(half_width, 1.001 * nearest)[:, None]
    weight = np.maximum(1 - (away / width) ** 2, 0)
    total = weight.sum(1, keepdims=True)
    center = np.sum(weight * away, 1, keepdims=True) / total
    centered = away - center
    slope = weight * centered / np.sum(weight * centered**2, 1, keepdims=True)
    return slope, weight / total - center * slope


def _margin(
    curve: Curve,
    losses: Losses,
    influence: Float[np.ndarray, "points points"],
    smooth: Float[np.ndarray, "points points"],
    level: float,
) -> Float[np.ndarray, " points"]:
    """Half-widths of the intervals."""
    from scipy.special import stdtrit

    seeds = len(losses.values)
    if seeds > 1:
        slopes = seed_deviations(losses, curve) @ influence.T
        return np.std(slopes, axis=0, ddof=1) / math.sqrt(seeds) * stdtrit(seeds - 1, level)
    noise, spent = measure_noise(curve, 0.0), float(np.trace(smooth))
    freedom = len(curve.x) - spent
    if freedom < 1 or not noise.white.any():
        return np.full_like(curve.x, np.nan)
    residual = (curve.y - smooth @ curve.y) / np.sqrt(noise.total)
    inflation = long_run_inflation(residual, np.ones(len(residual) - 1), spent)
    return np.sqrt(inflation * (influence**2 @ noise.total)) * stdtrit(freedom, level)
