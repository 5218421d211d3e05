"""Noise of log L along a curve: its variance by third differences, and its correlation.

Several curves with the same bins may have a row each.
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from jaxsup.fit.curves import Curve, Losses, bin_means, third_differences

_ROUNDS = 40  # of the iteration for the noise's level and trend
_MOST_SQUARE = 2.7055  # of a normal number, nine in ten are smaller; larger ones count as this
_MEAN_SQUARE = 0.8313  # mean of squares of normal numbers that are cut there
_MEDIAN_SQUARE = 0.4549
_PSEUDO = 2.9  # variance of such a mean over third differences, over that of independent squares
_ROUNDING = 1e-10  # of log L: the least noise that is looked for
_OUTLYING = 5.0  # standard deviations beyond both neighbors
_FEWEST = 6  # bins
_BANDWIDTH = 1.05  # decades, of local parabolas
_NEAR = 2 / 3  # of it: bins whose residuals are taken together
_QUIET = 0.4  # quantile
_MOST_SPENT = 0.7  # parameters a bin: beyond, nothing is left to see noise by
_MOST_CORRELATED = 0.95
_FINEST = 1e-6  # of the range of log L: the least standard deviation of a bin
_LEAST_SHARE = 1e-10  # of the largest variance: the least one
_TINY = 1e-300


class Noise(NamedTuple):
    """Variances of log L.

    Attributes:
        white: of each bin, by third differences; more for outliers.
        total: of each bin, with the tolerated misfit of a line.
        inflation: variance of a slow average over what `total` says of it, >= 1; of one curve.
    """

    white: Float[np.ndarray, "*curves points"]
    total: Float[np.ndarray, "*curves points"]
    inflation: float = 1.0

    def of(self, place: int) -> "Noise":
        """That of one curve of several."""
        return Noise(self.white[place], self.total[place])


def measure_noise(curve: Curve, tolerance: float, *, trend: bool = True) -> Noise:
    """Variance of each bin's log L, exp(a + b log t) / entries, by third differences.

    Divided differences of four bins see no parabola. The trend b is found by maximum likelihood for
    squares of normal numbers, and shrunk to 0 where it is not significant. Squares are cut where
    one of ten would be larger: a jump, an outlier or a sharp bend swells a few of them by any
    amount. A bin that lies far outside of both its neighbors is an outlier; what it is off by is
    added to its variance.

    Arguments:
        curve: the binned curve.
        tolerance: misfit of log L, a standard deviation, that is no structure.
        trend: whether the noise may grow or shrink along the curve; b = 0 otherwise.
    """
    x, y, entries = curve.x, curve.y, (curve.stop - curve.start).astype(float)
    if len(x) < _FEWEST:
        return Noise(np.zeros_like(y), np.full_like(y, tolerance**2 + _TINY))
    weights = third_differences(x)
    seen = (y - y.mean(-1, keepdims=True)) @ weights.T
    square = seen**2 / (weights**2 @ (1 / entries)) + _ROUNDING**2
    places = (weights != 0) @ x / 4
    center = float(places.mean())
    inner = places - center
    spread = float(inner @ inner)
    slope = np.zeros((*y.shape[:-1], 1))
    if trend:
        _, slope = _fit_level(square, inner, slope, spread)
        slope = slope * np.maximum(0, 1 - 8 * _PSEUDO / np.maximum(spread * slope**2, _TINY))
    level, _ = _fit_level(square, inner, slope, math.inf)
    white = np.exp(level + slope * (x - center)) / entries
    total = white + tolerance**2 + _TINY
    before, middle, after = y[..., :-2], y[..., 1:-1], y[..., 2:]
    high, low = np.maximum(before, after), np.minimum(before, after)
    beyond = np.maximum(np.maximum(middle - high, low - middle), 0)
    off = np.where(beyond > _OUTLYING * np.sqrt(total[..., 1:-1]), beyond, 0)
    white[..., 1:-1] += off**2
    total[..., 1:-1] += off**2
    return Noise(white, total)


def resolvable(curve: Curve, noise: Noise) -> Noise:
    """The noise, `total` no smaller than sums over bins can tell from their rounding."""
    least = (_FINEST * np.ptp(curve.y, -1, keepdims=True)) ** 2
    least = np.maximum(least, _LEAST_SHARE * noise.total.max(-1, keepdims=True))
    return noise._replace(total=np.maximum(noise.total, least))


def _fit_level(
    square: Float[np.ndarray, "*curves differences"],
    inner: Float[np.ndarray, " differences"],
    trend: Float[np.ndarray, "*curves 1"],
    spread: float,
) -> tuple[Float[np.ndarray, "*curves 1"], Float[np.ndarray, "*curves 1"]]:
    """a and b of variances exp(a + b inner) by squares that are cut; b is kept for no spread."""
    rest = square * np.exp(-trend * inner)
    level = np.log(np.median(rest, -1, keepdims=True) / _MEDIAN_SQUARE + _TINY)
    for _ in range(_ROUNDS):
        relative = square * np.exp(-level - trend * inner)
        excess = np.minimum(relative, _MOST_SQUARE) / _MEAN_SQUARE - 1
        level = level + np.clip(excess.mean(-1, keepdims=True), -1, 1)
        trend = trend + np.clip(excess @ inner[:, None] / spread, -1, 1)
    return level, trend


def long_run_inflation(
    residual: Float[np.ndarray, " points"],
    joined: Float[np.ndarray, " pairs"],
    spent: float,
) -> float:
    """Mean square * (1 + r) / (1 - r), at least 1, of residuals that should have variance 1.

    Arguments:
        residual: over their standard deviations.
        joined: 1 where a residual and the next are of one line, 0 elsewhere.
        spent: parameters of the lines; r, the lag-1 autocorrelation, is corrected for them.
    """
    n, total = len(residual), float(residual @ residual)
    r = float(residual[1:] * residual[:-1] @ joined) / max(total, n - spent, _TINY)
    r = min(max(r + (1 + r) * spent / n, 0.0), _MOST_CORRELATED)
    return max(1.0, total / max(n - spent, 1.0) * (1 + r) / (1 - r))


def seed_deviations(losses: Losses, curve: Curve) -> Float[np.ndarray, "seeds points"]:
    """Relative deviations of the seeds from their mean in each bin: what they do to its log."""
    relative = losses.values / losses.values.mean(0) - 1
    return bin_means(relative, curve.start, curve.stop)


def scatter_inflation(curve: Curve, noise: Noise) -> Float[np.ndarray, "*curves"]:
    """Long-run variance of one curve's scatter over `noise.total`, >= 1.

    The scatter is about local parabolas, which follow what bends slowly; mean square and lag-1
    autocorrelation are taken around each bin. The result is a low quantile over the bins: a sharp
    bend swells what is around it.
    """
    x, y, n = curve.x, curve.y, len(curve.x)
    away = (x - x[:, None]) / (_BANDWIDTH * math.log(10))
    weight = np.maximum(1 - away**2, 0)
    powers = np.stack([away**order for order in range(3)], -1)
    moments = np.einsum("ij,ija,ijb->iab", weight, powers, powers)
    smooth = np.einsum("ia,ij,ija->ij", np.linalg.pinv(moments)[:, 0], weight, powers)
    spent = float(np.trace(smooth)) / n
    if spent > _MOST_SPENT:
        return np.ones(y.shape[:-1])
    residual = (y - y @ smooth.T) / np.sqrt(noise.total)
    near = (np.abs(away) <= _NEAR).astype(float)
    count = near.sum(1)
    square = residual**2 @ near / count
    product = (residual[..., :-1] * residual[..., 1:]) @ near[:-1] / count
    r = product / np.maximum(square, 1 - spent)
    r = np.clip(r + (1 + r) * spent, 0, _MOST_CORRELATED)
    inflations = square / (1 - spent) * (1 + r) / (1 - r)
    return np.asarray(np.maximum(1.0, np.quantile(inflations, _QUIET, axis=-1)))
