"""Lines through log L against log t: a curve's cut into pieces by change points.

The curve is cut where that lowers the sum of squares over lines that need not join, each break at a
price of `penalty` log n noise variances; dynamic programming finds the best of all cuts.
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from jaxsup.fit.curves import Curve, Losses
from jaxsup.fit.stretches.bin_noise import Noise, long_run_inflation, seed_deviations

_FEWEST = 3  # points of a piece: a line, and one more to see the noise by
_MOST_PIECES = 14
_LOOK_AHEAD = 3  # pieces: a crossover takes two, and the law after it may take another


class Lines(NamedTuple):
    """Weighted least squares through every run of bins first..last, [first, last].

    Attributes:
        cost: sum of squares over their variances; infinite where there are too few bins.
        slope: d log L / d log t.
        square: weighted sum of squares of log t about its mean, 1 / variance of the slope.
    """

    cost: Float[np.ndarray, "points points"]
    slope: Float[np.ndarray, "points points"]
    square: Float[np.ndarray, "points points"]


class Piece(NamedTuple):
    """A run of bins with one line.

    Attributes:
        first: first bin.
        last: last bin, included.
    """

    first: int
    last: int


def fit_lines(curve: Curve, variance: Float[np.ndarray, " points"]) -> Lines:
    """A line through every run of bins, by prefix sums."""
    weight, n = 1 / variance, len(curve.x)
    x, y = curve.x - curve.x.mean(), curve.y - curve.y.mean()
    terms = np.stack([np.ones(n), x, y, x * x, x * y, y * y]) * weight
    sums = np.concatenate([np.zeros((6, 1)), np.cumsum(terms, 1)], 1)
    one, sx, sy, sxx, sxy, syy = sums[:, None, 1:] - sums[:, :-1, None]
    first, last = np.indices((n, n))
    enough = last - first >= _FEWEST - 1
    with np.errstate(divide="ignore", invalid="ignore"):
        square = sxx - sx * sx / one
        product = sxy - sx * sy / one
        slope = np.where(enough, product / square, np.nan)
        cost = np.maximum(syy - sy * sy / one - product * slope, 0)
    return Lines(np.where(enough, cost, np.inf), slope, square)


def cut(
    curve: Curve, lines: Lines, noise: Noise, price: float, least: float = 1.0
) -> tuple[list[Piece], float]:
    """The pieces of the curve in order, and the inflation of their noise.

    Pieces are added as long as one to three more lower the sum of squares by `price` each, times
    the inflation that the residuals show with them: what is left of correlated noise would
    otherwise be cut to bits, each of which looks white.

    Arguments:
        curve: the binned curve.
        lines: through all its runs.
        noise: of its bins.
        price: of a piece, in variances.
        least: inflation known from elsewhere.
    """
    cuts = _best_cuts(lines)
    costs = [sum(float(lines.cost[piece]) for piece in pieces) for pieces in cuts]
    inflations = {0: max(least, measure_inflation(curve, lines, cuts[0], noise))}
    place = 0
    while True:
        for more in range(1, min(_LOOK_AHEAD, len(cuts) - 1 - place) + 1):
            then = place + more
            if then not in inflations:
                found = measure_inflation(curve, lines, cuts[then], noise)
                inflations[then] = max(least, found)
            if costs[place] - costs[then] > more * price * inflations[then]:
                place = then
                break
        else:
            return cuts[place], inflations[place]


def _best_cuts(lines: Lines) -> list[list[Piece]]:
    """The cheapest cut into 1, 2, ... pieces, by dynamic programming."""
    n = len(lines.cost)
    best, starts = lines.cost[0], [np.zeros(n, int)]
    cuts = []
    for count in range(1, min(_MOST_PIECES, n // _FEWEST) + 1):
        if count > 1:
            before = np.concatenate([[np.inf], best[:-1]])
            candidates = before[:, None] + lines.cost
            starts.append(candidates.argmin(0))
            best = candidates[starts[-1], np.arange(n)]
        pieces, last = [], n - 1
        for start in reversed(starts):
            pieces.append(Piece(int(start[last]), last))
            last = int(start[last]) - 1
        cuts.append(pieces[::-1])
    return cuts


def measure_inflation(curve: Curve, lines: Lines, pieces: list[Piece], noise: Noise) -> float:
    """Long-run variance of the residuals about the pieces' lines over `noise.total`, >= 1."""
    residual = np.concatenate([residuals(curve, lines, piece) for piece in pieces])
    joined = np.ones(len(residual) - 1)
    joined[[piece.last for piece in pieces[:-1]]] = 0
    return long_run_inflation(residual / np.sqrt(noise.total), joined, 2 * len(pieces))


def residuals(curve: Curve, lines: Lines, piece: Piece) -> Float[np.ndarray, " points"]:
    """log L minus the line of a piece, up to a constant that centers it."""
    bins = slice(piece.first, piece.last + 1)
    away = curve.y[bins] - lines.slope[piece] * curve.x[bins]
    return away - away.mean()


def seed_inflation(
    losses: Losses, curve: Curve, lines: Lines, noise: Noise, decades: float | int
) -> float:
    """Variance over seeds of the change of slope between neighboring windows / what `noise` says.

    Seeds that differ in slope all along the curve make no breaks, so it is the change that counts.
    The median over the curve: one stormy passage says nothing of the rest. At least 1.
    """
    from scipy.special import gammaincinv

    seeds, x, n = len(losses.values), curve.x, len(curve.x)
    last = np.searchsorted(x, x + decades * math.log(10) * (1 - 1e-9))
    last = np.maximum(last, np.arange(n) + _FEWEST - 1)
    first = np.flatnonzero(last < n)
    if seeds < 2 or not first.size:
        return 1.0
    last, index = last[first], np.arange(n)
    weight = ((index >= first[:, None]) & (index <= last[:, None])) / noise.total
    square = lines.square[first, last]
    influence = weight * (x - (weight @ x / weight.sum(1))[:, None]) / square[:, None]
    left = np.flatnonzero(last + 1 <= first[-1])
    right = last[left] + 1 - first[0]
    if not left.size:
        return 1.0
    changes = seed_deviations(losses, curve) @ (influence[right] - influence[left]).T
    ratio = np.var(changes, axis=0, ddof=1) / seeds / (1 / square[right] + 1 / square[left])
    typical = 2 * gammaincinv((seeds - 1) / 2, 0.5) / (seeds - 1)  # median of chi^2 / freedom
    return max(1.0, float(np.median(ratio)) / typical)
