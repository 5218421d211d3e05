"""The local exponent of a loss curve, alpha(t) = -d log L / d log t, by local regression."""

import dataclasses
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from jaxsup._internal.blas import one_blas_thread
from jaxsup._internal.display import fields_in_short
from jaxsup._internal.validation import MOST, check_integer, check_number
from jaxsup.fit.curves import Curve, Losses, bin_curve, group_curves, read_losses
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
    __repr__ = fields_in_short


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
    than four bins beside the one in the middle, and where the curve ends the line is one-sided.

    Arguments:
        steps: [steps], update counts >= 0, increasing; step 0 is left out (log 0).
        loss: [steps] or [seeds, steps]. In 2-D a seed with NaN or infinity is left out; in 1-D
            those entries are. The (mean) curve ends before its first value <= 0.
        bandwidth: h, in decades of steps, > 0.
        points_per_decade: bins per decade, an integer >= 4.
        confidence: level of the intervals, in (0, 1).

    Returns:
        The local exponents with intervals: with two seeds or more, Student's t over the seeds, by
        each seed's effect on the slope of the mean curve; with one curve, the noise seen by third
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
    options = LocalOptions(bandwidth, points_per_decade, confidence)
    options.check()
    return find_local_exponents([read_losses(steps, loss)], options)[0]


class LocalOptions(NamedTuple):
    """Options of `local_exponent`, by their names; `check` names those out of range."""

    bandwidth: float | int = 0.35
    points_per_decade: int = 16
    confidence: float = 0.95

    def check(self) -> None:
        """Raise unless every option is within its range.

        Raises:
            ValueError: one is not.
        """
        check_number("bandwidth", self.bandwidth, "take about 0.35", low=0, low_open=True)
        check_integer("points_per_decade", self.points_per_decade, "take 16", low=4, high=MOST)
        ends = {"low": 0, "high": 1, "low_open": True, "high_open": True}
        check_number("confidence", self.confidence, "give a fraction such as 0.95", **ends)


@one_blas_thread()
def find_local_exponents(
    records: Sequence[Losses], options: LocalOptions, *, intervals: bool = True
) -> list[LocalExponents]:
    """`local_exponent` of many curves: those with the same bins share their lines.

    Arguments:
        records: losses of each curve.
        options: of `local_exponent`.
        intervals: measure them; NaN without.
    """
    curves = [bin_curve(losses, options.points_per_decade) for losses in records]
    found: dict[int, LocalExponents] = {}
    for places, curve in group_curves(curves):
        alike = [records[place] for place in places]
        exponent = np.full_like(curve.y, np.nan)
        margin = np.full_like(curve.y, np.nan)
        if len(curve.x) >= _FEWEST_POINTS:
            near = _local_lines(curve.x, options.bandwidth * math.log(10))
            exponent = -curve.y @ near.T
            if intervals:
                margin = _margins(curve, alike, near, (1 + options.confidence) / 2)
                wide = _local_lines(curve.x, _WIDE * options.bandwidth * math.log(10))
                margin = np.hypot(margin, _BENT * (exponent + curve.y @ wide.T))
        ends = exponent[..., None] + margin[..., None] * np.array([-1.0, 1.0])
        steps = np.exp(curve.x)
        for row, (place, losses) in enumerate(zip(places, alike, strict=True)):
            found[place] = LocalExponents(
                steps,
                exponent[row],
                ends[row],
                float(options.confidence),
                float(options.bandwidth),
                len(losses.values),
                losses.dropped,
            )
    return [found[place] for place in range(len(records))]


def _local_lines(
    x: Float[np.ndarray, " points"], half_width: float
) -> Float[np.ndarray, "points points"]:
    """What gives the slope at each point of the line around it, by Epanechnikov's kernel."""
    away = x - x[:, None]
    neighbors = min(2 * _NEIGHBORS, len(x) - 1)
    nearest = np.partition(np.abs(away), neighbors, axis=1)[:, neighbors]
    width = np.maximum(half_width, 1.001 * nearest)[:, None]
    weight = np.maximum(1 - (away / width) ** 2, 0)
    total = weight.sum(1, keepdims=True)
    centered = away - np.sum(weight * away, 1, keepdims=True) / total
    return weight * centered / np.sum(weight * centered**2, 1, keepdims=True)


def _margins(
    curve: Curve, records: list[Losses], near: Float[np.ndarray, "points points"], level: float
) -> Float[np.ndarray, "curves points"]:
    """Half widths by the noise: over the seeds, or of curves with one by their scatter."""
    margins = np.full_like(curve.y, np.nan)
    single = np.array([len(losses.values) == 1 for losses in records])
    if single.any():
        margins[single] = _scatter_margins(curve._replace(y=curve.y[single]), near, level)
    for row in np.flatnonzero(~single):
        margins[row] = _seed_margin(curve, records[row], near, level)
    return margins


def _seed_margin(
    curve: Curve, losses: Losses, near: Float[np.ndarray, "points points"], level: float
) -> Float[np.ndarray, " points"]:
    """Student's t over what each seed does to the slope of the mean curve."""
    from scipy.special import stdtrit

    seeds = len(losses.values)
    slopes = seed_deviations(losses, curve) @ near.T
    return np.std(slopes, axis=0, ddof=1) / math.sqrt(seeds) * float(stdtrit(seeds - 1, level))


def _scatter_margins(
    curve: Curve, near: Float[np.ndarray, "points points"], level: float
) -> Float[np.ndarray, "curves points"]:
    """The noise by third differences, widened by what the scatter says of its correlation."""
    from scipy.special import ndtri

    noise = measure_noise(curve, 0.0)
    inflation = scatter_inflation(curve, noise)[:, None]
    margins = float(ndtri(level)) * np.sqrt(inflation * (noise.total @ (near**2).T))
    return np.where(noise.white.any(-1, keepdims=True), margins, np.nan)
