"""The noise of a record: its size along log t and its correlation from entry to entry.

log L = trend + n,   n_i = rho n_(i-1) + sigma(t_i) e_i   in the order of the record,

with independent standard normal e. rho is marginalized over: a record of n entries leaves it open
by about sqrt((1 - rho^2) / n), and the error of an exponent depends on it steeply near 1.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from jaxsup.fit.curves import Curve, bin_sums

_RANGE = (-1.2, 5.0)  # of artanh rho: rho from -0.83 to 0.9999
_NODES = (32, 16, 9)  # values of rho, over a narrower range each time
_REACH = 8.0  # log of the posterior below its largest value that is left out
_KERNEL = 0.75 * math.log(10)  # half width in log t of the triangle that smooths sigma^2
_MOST_ENTRIES = 10  # that a bin counts for in sigma^2, so that late bins don't drown early ones
_PRIOR_ENTRIES = 6.0  # that the mean of sigma^2 over all bins counts for in each
_PIECE = math.log(10)  # length in log t of a parabola of the trend
_PIECE_ENTRIES = 8  # at least
_RIDGE = 1e-13  # keeps the residuals of an exact fit from 0 / 0
_TINY = 1e-300


class Piece(NamedTuple):
    """A stretch of bins with a trend of its own.

    Attributes:
        first: first bin.
        last: last bin, included.
        design: columns of the trend at the entries of these bins.
    """

    first: int
    last: int
    design: Float[np.ndarray, "columns entries"]


class Noise(NamedTuple):
    """What a record says of its noise; bins are those of its curve.

    Attributes:
        correlation: values of rho.
        weight: their posterior, which sums to 1.
        variance: mean square of e for each of them, about 1.
        scale: sigma in each bin.
        smoothing: share of each bin's squares (second axis) in sigma^2 of another (first).
        counts: entries in each bin.
        gaps: entries between the last of one bin and the first of a later one.
        freedom: entries less the columns of the trend.
    """

    correlation: Float[np.ndarray, " nodes"]
    weight: Float[np.ndarray, " nodes"]
    variance: Float[np.ndarray, " nodes"]
    scale: Float[np.ndarray, " points"]
    smoothing: Float[np.ndarray, "points points"]
    counts: Float[np.ndarray, " points"]
    gaps: Float[np.ndarray, "points points"]
    freedom: int

    def covariances(self, bins: slice) -> Float[np.ndarray, "nodes bins bins"]:
        """Covariance of the bins' means of log L, for each rho."""
        counts, scale = self.counts[bins], self.scale[bins]
        rho = self.correlation[:, None]
        before, after = np.triu_indices(len(counts), 1)
        power = rho**counts
        sums = (1 - power) / (1 - rho) / counts * scale
        across = _powers(rho, self.gaps[bins, bins][before, after])
        across *= sums[:, before] * sums[:, after]
        within = counts + 2 * rho * (counts * (1 - rho) - 1 + power) / (1 - rho) ** 2
        covariance = np.empty((len(rho), len(counts), len(counts)))
        covariance[:, before, after] = covariance[:, after, before] = across
        index = np.arange(len(counts))
        covariance[:, index, index] = within * (scale / counts) ** 2
        return (self.variance / (1 - self.correlation**2))[:, None, None] * covariance

    def covariance(self) -> Float[np.ndarray, "points points"]:
        """Their mean over rho."""
        return np.einsum("n,nij->ij", self.weight, self.covariances(slice(None)))

    def effective_freedom(self, shares: Float[np.ndarray, " points"]) -> float:
        """Satterthwaite's degrees of freedom of a variance.

        Arguments:
            shares: what each bin adds to it; their sum is 1.
        """
        square = self.scale**2
        terms = square * ((shares / square) @ self.smoothing)
        effective = 1 / float(np.sum(terms**2 / self.counts))
        return max(effective * self.freedom / float(np.sum(self.counts)), 1.0)


class Moments(NamedTuple):
    """Products of the rows (trend's columns, then log L) of pieces, from which any rho follows.

    Attributes:
        tail: of entries from the second on.
        cross: of entries with those before them.
        head: of entries up to the last but one.
        first: of the first entry.
    """

    tail: Float[np.ndarray, "pieces rows rows"]
    cross: Float[np.ndarray, "pieces rows rows"]
    head: Float[np.ndarray, "pieces rows rows"]
    first: Float[np.ndarray, "pieces rows rows"]


def parabolas(curve: Curve, x: Float[np.ndarray, " entries"], bins: slice) -> list[Piece]:
    """A parabola in log t for every decade or so of these bins: a trend that follows any curve.

    Arguments:
        curve: the binned curve.
        x: log t of every entry.
        bins: which bins.
    """
    first, last = bins.start, bins.stop - 1
    pieces: list[Piece] = []
    while first <= last:
        reach = int(np.searchsorted(curve.x, curve.x[first] + _PIECE - 1e-9)) - 1
        start = int(curve.start[first])
        enough = int(np.searchsorted(curve.stop, start + _PIECE_ENTRIES))
        end = min(max(reach, enough), last)
        rest = int(curve.stop[last] - curve.stop[end])
        if rest < _PIECE_ENTRIES or curve.x[last] - curve.x[end] < _PIECE / 2:
            end = last
        entries = x[start : curve.stop[end]]
        center = entries - entries.mean()
        columns = min(3, len(entries) // 3)
        pieces.append(Piece(first, end, np.stack([center**power for power in range(columns)])))
        first = end + 1
    return [piece for piece in pieces if len(piece.design)]


def measure_noise(
    curve: Curve, values: Float[np.ndarray, " entries"], pieces: Sequence[Piece]
) -> Noise:
    """The noise about the pieces' trends, by restricted maximum likelihood of rho.

    Arguments:
        curve: the binned curve.
        values: log L of every entry.
        pieces: contiguous stretches of its bins; what lies in none is left out.

    Returns:
        Its posterior under the reference prior 1 / sqrt(1 - rho^2), and sigma along the bins.

    Reference:
        REML of AR(1): D. A. Harville, JASA 72 (1977) 320; prior: J. O. Berger and R.-Y. Yang,
        Econometric Theory 10 (1994) 461.
    """
    counts = (curve.stop - curve.start).astype(float)
    scale = np.ones_like(curve.x)
    residuals, moments, unit = _take_moments(curve, values, pieces, scale)
    nodes, weight, _ = _posterior(moments, pieces, _NODES[:1])
    rho = float(weight @ np.tanh(nodes))
    squares = np.zeros_like(curve.x)
    for piece, residual in zip(pieces, residuals, strict=True):
        innovation = np.diff(residual, prepend=0.0)
        innovation[1:] += (1 - rho) * residual[:-1]
        innovation[0] = math.sqrt(1 - rho**2) * residual[0]
        lost = len(residual) / (len(residual) - len(piece.design))
        bins = slice(piece.first, piece.last + 1)
        start = curve.start[bins] - curve.start[piece.first]
        squares[bins] = lost * bin_sums(innovation**2, start)
    smoothing = _smoothing(curve.x, counts)
    scale = np.sqrt(smoothing @ (squares / counts) + _TINY)
    _, moments, unit = _take_moments(curve, values, pieces, scale)
    nodes, weight, remaining = _posterior(moments, pieces, _NODES)
    freedom = sum(piece.design.shape[1] - len(piece.design) for piece in pieces)
    gaps = np.maximum(curve.start[None, :] - curve.stop[:, None] + 1.0, 0.0)
    variance = unit**2 * remaining / freedom
    return Noise(np.tanh(nodes), weight, variance, scale, smoothing, counts, gaps, freedom)


def _powers(
    base: Float[np.ndarray, "nodes 1"], exponent: Float[np.ndarray, " pairs"]
) -> Float[np.ndarray, "nodes pairs"]:
    """base^exponent for natural exponents; several times as fast as numpy's."""
    size = np.exp(np.log(np.maximum(np.abs(base), 1e-12)) * exponent)
    return np.where((base < 0) & (exponent % 2 == 1), -size, size)


def _smoothing(
    x: Float[np.ndarray, " points"], counts: Float[np.ndarray, " points"]
) -> Float[np.ndarray, "points points"]:
    """Rows of weights that sum to 1: a triangle in log t, and the mean over all bins."""
    entries = np.minimum(counts, _MOST_ENTRIES)
    near = np.maximum(1 - np.abs(x[:, None] - x) / _KERNEL, 0) * entries
    mean = _PRIOR_ENTRIES * entries / entries.sum()
    return (near + mean) / (near.sum(1, keepdims=True) + _PRIOR_ENTRIES)


def _take_moments(
    curve: Curve,
    values: Float[np.ndarray, " entries"],
    pieces: Sequence[Piece],
    scale: Float[np.ndarray, " points"],
) -> tuple[list[Float[np.ndarray, " entries"]], Moments, float]:
    """Residuals of every piece over sigma, products of its rows, and the residuals' unit."""
    width = max(len(piece.design) for piece in pieces)
    counts = curve.stop - curve.start
    rows, residuals = [], []
    for piece in pieces:
        bins = slice(piece.first, piece.last + 1)
        sigma = np.repeat(scale[bins], counts[bins])
        basis, _ = np.linalg.qr((piece.design / sigma).T)
        y = values[curve.start[piece.first] : curve.stop[piece.last]]
        y = (y - y.mean()) / sigma if piece.design.shape[1] else y
        residuals.append(y - basis @ (basis.T @ y))
        rows.append(basis.T * math.sqrt(len(y)))
    squares = sum(float(residual @ residual) for residual in residuals)
    unit = math.sqrt(squares / sum(map(len, residuals))) + _TINY
    products = []
    for basis, residual in zip(rows, residuals, strict=True):
        full = np.zeros((width + 1, len(residual)))
        full[: len(basis)], full[-1] = basis, residual / unit
        before, after = full[:, :-1], full[:, 1:]
        tail = after @ after.T
        # A trend with fewer columns than others gets rows that say nothing.
        tail += np.diag([0.0] * len(basis) + [1.0] * (width - len(basis)) + [_RIDGE * len(residual)])
        first = np.outer(full[:, 0], full[:, 0])
        products.append((tail, after @ before.T, before @ before.T, first))
    return residuals, Moments(*(np.stack(part) for part in zip(*products, strict=True))), unit


def _posterior(
    moments: Moments, pieces: Sequence[Piece], counts: Sequence[int]
) -> tuple[Float[np.ndarray, " nodes"], Float[np.ndarray, " nodes"], Float[np.ndarray, " nodes"]]:
    """Nodes of artanh rho, their weights, and the sum of squares that each leaves."""
    freedom = sum(piece.design.shape[1] - len(piece.design) for piece in pieces)
    low, high = _RANGE
    for count in counts:
        nodes = np.linspace(low, high, count)
        rho = np.tanh(nodes)[:, None, None, None]
        cross = moments.cross + moments.cross.transpose(0, 2, 1)
        product = moments.tail - rho * cross + rho**2 * moments.head
        root = np.linalg.cholesky(product + (1 - rho**2) * moments.first)
        diagonal = np.diagonal(root, axis1=2, axis2=3)
        remaining = np.sum(diagonal[..., -1] ** 2, 1)
        unit = 1 - rho[:, 0, 0, 0] ** 2
        likelihood = len(pieces) * np.log(unit) / 2 - np.log(diagonal[..., :-1]).sum((1, 2))
        likelihood -= freedom / 2 * np.log(remaining)
        posterior = likelihood + np.log(unit) / 2  # d rho / sqrt(1 - rho^2), in artanh rho
        posterior -= posterior.max()
        kept = np.flatnonzero(posterior > -_REACH)
        low, high = nodes[max(kept[0] - 1, 0)], nodes[min(kept[-1] + 1, count - 1)]
    weight = np.exp(posterior)
    return nodes, weight / weight.sum(), remaining
