"""Lines through log L against log t: a curve's cut into pieces by change points.

The curve is cut where that lowers the sum of squares over lines that need not join, each break at a
price of `penalty` log n noise variances; dynamic programming finds the best of all cuts. Several
curves with the same bins may have a row each.
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from jaxsup.fit.curves import Curve
from jaxsup.fit.stretches.bin_noise import Noise, long_run_inflation

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

    cost: Float[np.ndarray, "*curves points points"]
    slope: Float[np.ndarray, "*curves points points"]
    square: Float[np.ndarray, "*curves points points"]

    def of(self, place: int) -> "Lines":
        """Those of one curve of several."""
        return Lines(self.cost[place], self.slope[place], self.square[place])


class Piece(NamedTuple):
    """A run of bins with one line.

    Attributes:
        first: first bin.
        last: last bin, included.
    """

    first: int
    last: int


def fit_lines(curve: Curve, variance: Float[np.ndarray, "*curves points"]) -> Lines:
    """A line through every run of bins, by prefix sums."""
    weight, n = 1 / variance, len(curve.x)
    x, y = curve.x - curve.x.mean(), curve.y - curve.y.mean(-1, keepdims=True)
    terms = (np.ones(n), x, y, x * x, x * y, y * y)
    sums = np.zeros((len(terms), *y.shape[:-1], n + 1))
    for term, total in zip(terms, sums, strict=True):
        np.cumsum(term * weight, -1, out=total[..., 1:])
    one, sx, sy, sxx, sxy, syy = sums[..., None, 1:] - sums[..., :-1, None]
    first, last = np.indices((n, n))
    enough = last - first >= _FEWEST - 1
    with np.errstate(divide="ignore", invalid="ignore"):
        square = sxx - sx * sx / one
        product = sxy - sx * sy / one
        slope = np.where(enough, product / square, np.nan)
        cost = np.maximum(syy - sy * sy / one - product * slope, 0)
    return Lines(np.where(enough, cost, np.inf), slope, square)


def cut(
    curve: Curve,
    lines: Lines,
    noise: Noise,
    price: float,
    cuts: list[list[Piece]],
    least: float = 1.0,
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
        cuts: the cheapest into 1, 2, ... pieces.
        least: inflation known from elsewhere.
    """
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


def best_cuts(lines: Lines) -> list[list[list[Piece]]]:
    """The cheapest cuts of every curve into 1, 2, ... pieces, by dynamic programming.

    Arguments:
        lines: of several curves.
    """
    curves, n, _ = lines.cost.shape
    best, starts = lines.cost[:, 0], [np.zeros((curves, n), int)]
    candidates = np.full_like(lines.cost, np.inf)
    for _ in range(1, min(_MOST_PIECES, n // _FEWEST)):
        np.add(lines.cost[:, 1:], best[:, :-1, None], out=candidates[:, 1:])
        starts.append(candidates.argmin(1))
        best = np.take_along_axis(candidates, starts[-1][:, None], 1)[:, 0]
    table = np.stack(starts, 1).tolist()
    return [[_trace_back(rows[:count]) for count in range(1, len(rows) + 1)] for rows in table]


def _trace_back(starts: list[list[int]]) -> list[Piece]:
    """The pieces of a cut, from the first bin of the last piece for each of its possible ends."""
    pieces, last = [], len(starts[0]) - 1
    for row in reversed(starts):
        pieces.append(Piece(row[last], last))
        last = row[last] - 1
    return pieces[::-1]


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
    deviations: Float[np.ndarray, "*curves seeds points"],
    curve: Curve,
    lines: Lines,
    noise: Noise,
    decades: float | int,
) -> Float[np.ndarray, "*curves"]:
    """Variance over seeds of the change of slope between neighboring windows / what `noise` says.

    Seeds that differ in slope all along the curve make no breaks, so it is the change that counts.
    The median over the curve: one stormy passage says nothing of the rest. At least 1.

    Arguments:
        deviations: of each seed from the mean, `seed_deviations`; two seeds at least.
        curve: the binned curve.
        lines: through all its runs.
        noise: of its bins.
        decades: length of a window.
    """
    from scipy.special import gammaincinv

    seeds, x, n = deviations.shape[-2], curve.x, len(curve.x)
    last = np.searchsorted(x, x + decades * math.log(10) * (1 - 1e-9))
    last = np.maximum(last, np.arange(n) + _FEWEST - 1)
    first = np.flatnonzero(last < n)
    if not first.size:
        return np.ones(curve.y.shape[:-1])
    last, index = last[first], np.arange(n)
    inside = (index >= first[:, None]) & (index <= last[:, None])
    weight = inside / noise.total[..., None, :]
    square = lines.square[..., first, last]
    center = weight @ x / weight.sum(-1)
    influence = weight * (x - center[..., None]) / square[..., None]
    left = np.flatnonzero(last + 1 <= first[-1])
    right = last[left] + 1 - first[0]
    if not left.size:
        return np.ones(curve.y.shape[:-1])
    effects = (influence[..., right, :] - influence[..., left, :]).swapaxes(-1, -2)
    expected = 1 / square[..., right] + 1 / square[..., left]
    ratio = np.var(deviations @ effects, axis=-2, ddof=1) / seeds / expected
    typical = 2 * gammaincinv((seeds - 1) / 2, 0.5) / (seeds - 1)  # median of chi^2 / freedom
    return np.asarray(np.maximum(1.0, np.median(ratio, -1) / typical))
