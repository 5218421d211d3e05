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
from jaxsup.fit.single.least_squares import Fits
from jaxsup.fit.single.likelihood import Piece, find_posterior, take_moments

_KERNEL = 0.75 * math.log(10)  # half width in log t of the triangle that smooths sigma^2
_MOST_ENTRIES = 10  # that a bin counts for in sigma^2, so that late bins don't drown early ones
_PRIOR_ENTRIES = 6.0  # that the mean of sigma^2 over all bins counts for in each
_PIECE = math.log(10)  # length in log t of a polynomial of the trend
_PIECE_ENTRIES = 8  # at least
_PARABOLA, _FLEXIBLE, _OTHERS = 3, 5, (4, 7)  # columns of the polynomials
_CHANCE = 1e-3  # that others than parabolas are taken where noise is all there is
_RIDGE = 1e-10  # of the mean variance: noise-free records have singular covariances
_TINY = 1e-300


class Noise(NamedTuple):
    """What a record says of its noise; bins are those of its curve.

    Attributes:
        correlation: values of rho.
        weight: their posterior, which sums to 1.
        variance: mean of sigma^2 for each of them.
        scale: sigma in each bin, relative to its mean.
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

    @property
    def median(self) -> float:
        """Median of rho's posterior."""
        middle = np.cumsum(self.weight) - self.weight / 2
        return math.tanh(float(np.interp(0.5, middle, np.arctanh(self.correlation))))

    def covariances(self, bins: slice) -> Float[np.ndarray, "nodes bins bins"]:
        """Covariance of the bins' means of log L, for each rho."""
        counts, square = self.counts[bins], self.scale[bins] ** 2
        rho = self.correlation[:, None]
        before, after = np.triu_indices(len(counts), 1)
        power, one, unit = rho**counts, 1 - rho, 1 - rho**2
        reach, energy = (1 - power) / one, (1 - power**2) / unit
        # The last entry of a bin, and the bin's mean, are what came before and own noise.
        last = square * energy
        both = square * (reach - rho * energy) / one / counts
        mean = square * (counts - 2 * rho * reach + rho**2 * energy) / (one * counts) ** 2
        earlier = np.empty_like(last)
        earlier[:, 0] = square[0] / unit[:, 0]
        for k in range(1, len(counts)):
            earlier[:, k] = power[:, k - 1] ** 2 * earlier[:, k - 1] + last[:, k - 1]
        share = reach / counts
        joint = rho * share * power * earlier + both
        across = _powers(rho, self.gaps[bins, bins][before, after])
        across *= joint[:, before] * share[:, after]
        covariance = np.empty((len(rho), len(counts), len(counts)))
        covariance[:, before, after] = covariance[:, after, before] = across
        index = np.arange(len(counts))
        covariance[:, index, index] = (rho * share) ** 2 * earlier + mean
        return self.variance[:, None, None] * covariance

    def covariance(self) -> Float[np.ndarray, "points points"]:
        """Their mean over rho, for all bins."""
        return np.einsum("n,nij->ij", self.weight, self.covariances(slice(0, len(self.scale))))

    def typical(self) -> "Noise":
        """The same with one rho, its median."""
        rho = np.array([self.median])
        variance = np.interp(rho, self.correlation, self.variance)
        return self._replace(correlation=rho, weight=np.ones(1), variance=variance)

    def regularized(
        self, covariance: Float[np.ndarray, "bins bins"]
    ) -> Float[np.ndarray, "bins bins"]:
        """A covariance that has a root: that of records without noise is singular."""
        ridge = _RIDGE * float(np.trace(covariance)) / len(covariance) + _TINY
        return covariance + ridge * np.eye(len(covariance))

    def sample(
        self, generator: np.random.Generator, draws: int
    ) -> Float[np.ndarray, "draws points"]:
        """Noise of the bins' means with this covariance."""
        root = np.linalg.cholesky(self.regularized(self.covariance()))
        return generator.standard_normal((draws, len(root))) @ root.T

    def effective_freedom(self, shares: Float[np.ndarray, " points"]) -> float:
        """Satterthwaite's degrees of freedom of a variance.

        Arguments:
            shares: what each bin adds to it; their sum is 1.
        """
        square = self.scale**2
        terms = square * ((shares / square) @ self.smoothing)
        effective = 1 / max(float(np.sum(terms**2 / self.counts)), _TINY)
        return max(effective * self.freedom / float(np.sum(self.counts)), 1.0)


def trend_of_curve(
    curve: Curve, x: Float[np.ndarray, " entries"], bins: slice, columns: int = _PARABOLA
) -> list[Piece]:
    """A polynomial in log t for every decade or so of these bins: a trend that follows any curve.

    Arguments:
        curve: the binned curve.
        x: log t of every entry.
        bins: which bins.
        columns: of each polynomial, fewer where there are few entries.
    """
    first, last = bins.start, bins.stop - 1
    pieces: list[Piece] = []
    while first <= last:
        start = int(curve.start[first])
        decade = int(np.searchsorted(curve.x, curve.x[first] + _PIECE - 1e-9)) - 1
        enough = int(np.searchsorted(curve.stop, start + _PIECE_ENTRIES))
        end = min(max(decade, enough), last)
        rest = int(curve.stop[last] - curve.stop[end])
        if rest < _PIECE_ENTRIES or curve.x[last] - curve.x[end] < _PIECE / 2:
            end = last
        entries = x[start : curve.stop[end]]
        center = (entries - entries.mean()) / _PIECE
        most = len(entries) // 3 if columns == _PARABOLA else len(entries) * 7 // 10
        if size := min(columns, most):
            pieces.append(Piece(first, end, np.stack([center**power for power in range(size)])))
        first = end + 1
    return pieces


def noise_of_curve(
    curve: Curve, x: Float[np.ndarray, " entries"], values: Float[np.ndarray, " entries"]
) -> Noise:
    """The noise about a trend that follows any curve.

    The trend is one of parabolas. What they leave is no noise where polynomials of the fourth
    degree leave less, beyond chance: the degree with the smallest generalized cross-validation is
    taken then.

    Arguments:
        curve: the binned curve.
        x: log t of every entry.
        values: log L of every entry.
    """
    from scipy.special import fdtri

    plain = _Trial.of(curve, x, values, _PARABOLA)
    flexible = _Trial.of(curve, x, values, _FLEXIBLE)
    columns = max(plain.freedom - flexible.freedom, 1)
    gain = plain.variance * plain.freedom - flexible.variance * flexible.freedom
    ratio = gain / columns / max(flexible.variance, _TINY)
    if ratio <= fdtri(columns, flexible.freedom, 1 - _CHANCE):
        return measure_noise(curve, values, plain.pieces)
    others = [_Trial.of(curve, x, values, columns) for columns in _OTHERS]
    best = min([plain, flexible, *others], key=lambda trial: trial.variance / trial.freedom)
    return measure_noise(curve, values, best.pieces)


class _Trial(NamedTuple):
    """A trend, and what it leaves.

    Attributes:
        pieces: of the trend.
        variance: mean square of the innovations.
        freedom: entries less columns.
    """

    pieces: list[Piece]
    variance: float
    freedom: int

    @classmethod
    def of(
        cls,
        curve: Curve,
        x: Float[np.ndarray, " entries"],
        values: Float[np.ndarray, " entries"],
        columns: int,
    ) -> "_Trial":
        """The trend of polynomials with that many columns."""
        pieces = trend_of_curve(curve, x, slice(0, len(curve.x)), columns)
        moments = take_moments(curve, values, pieces, np.ones_like(curve.x))[1]
        posterior = find_posterior(moments)
        return cls(pieces, float(posterior.weight @ posterior.variance), moments.freedom)


def noise_of_fit(
    curve: Curve,
    x: Float[np.ndarray, " entries"],
    values: Float[np.ndarray, " entries"],
    bins: slice,
    fits: Fits,
    fit: int,
    extra: Float[np.ndarray, "columns within"] | None = None,
    *,
    alone: bool = False,
) -> Noise:
    """The noise about a fit in its window, and about polynomials outside of it.

    Arguments:
        curve: the binned curve.
        x: log t of every entry.
        values: log L of every entry.
        bins: the window's.
        fits: of the curve.
        fit: which of them.
        extra: columns that the trend has beside the fit, at the window's entries.
        alone: leave out what lies outside of the window.
    """
    entries = slice(int(curve.start[bins.start]), int(curve.stop[bins.stop - 1]))
    fitted, columns = fits.evaluate(fit, x[entries])
    columns = columns if extra is None else np.concatenate([columns, extra])
    rest = values.copy()
    rest[entries] -= fitted
    before = trend_of_curve(curve, x, slice(0, bins.start))
    after = trend_of_curve(curve, x, slice(bins.stop, len(curve.x)))
    window = Piece(bins.start, bins.stop - 1, columns)
    return measure_noise(curve, rest, [window] if alone else [*before, window, *after])


def measure_noise(
    curve: Curve, values: Float[np.ndarray, " entries"], pieces: Sequence[Piece]
) -> Noise:
    """The noise about the pieces' trends, by restricted maximum likelihood of rho.

    Arguments:
        curve: the binned curve.
        values: log L of every entry.
        pieces: stretches of its bins; what lies in none is left out.

    Returns:
        The posterior of rho, and sigma along the bins.
    """
    counts = (curve.stop - curve.start).astype(float)
    residuals, moments = take_moments(curve, values, pieces, np.ones_like(curve.x))
    posterior = find_posterior(moments)
    rho = float(posterior.weight @ posterior.correlation)
    squares, free, known = np.zeros((3, len(curve.x)))
    for piece, residual in zip(pieces, residuals, strict=True):
        # About the trend that fits the innovations: that of log L would add its own error's steps.
        rows = np.vstack([piece.design, residual])
        innovation = np.diff(rows, prepend=0.0)
        innovation[:, 1:] += (1 - rho) * rows[:, :-1]
        innovation[:, 0] = math.sqrt(1 - rho**2) * rows[:, 0]
        basis, _ = np.linalg.qr(innovation[:-1].T)
        left = innovation[-1] - basis @ (basis.T @ innovation[-1])
        bins = slice(piece.first, piece.last + 1)
        start = curve.start[bins] - curve.start[piece.first]
        known[bins], squares[bins] = counts[bins], bin_sums(left**2, start)
        free[bins] = counts[bins] - bin_sums(np.sum(basis**2, 1), start)
    smoothing = _smoothing(curve.x, known)
    scale = np.sqrt(smoothing @ (squares / counts) / (smoothing @ (free / counts)) + _TINY)
    scale /= scale.mean()
    _, moments = take_moments(curve, values, pieces, scale)
    gaps = np.maximum(curve.start[None, :] - curve.stop[:, None] + 1.0, 0.0)
    posterior = find_posterior(moments)
    return Noise(*posterior, scale, smoothing, counts, gaps, moments.freedom)


def _powers(
    base: Float[np.ndarray, "nodes 1"], exponent: Float[np.ndarray, " pairs"]
) -> Float[np.ndarray, "nodes pairs"]:
    """base^exponent for natural exponents; several times as fast as numpy's."""
    size = np.exp(np.log(np.maximum(np.abs(base), 1e-12)) * exponent)
    return np.where((base < 0) & (exponent % 2 == 1), -size, size)


def _smoothing(
    x: Float[np.ndarray, " points"], counts: Float[np.ndarray, " points"]
) -> Float[np.ndarray, "points points"]:
    """Rows of weights that sum to 1: a triangle in log t, and the mean over all bins.

    Arguments:
        x: mean log t of each bin.
        counts: entries whose residuals are known.
    """
    entries = np.minimum(counts, _MOST_ENTRIES)
    near = np.maximum(1 - np.abs(x[:, None] - x) / _KERNEL, 0) * entries
    mean = _PRIOR_ENTRIES * entries / entries.sum()
    return (near + mean) / (near.sum(1, keepdims=True) + _PRIOR_ENTRIES)
