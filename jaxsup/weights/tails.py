"""Power-law tail of a density: exponent, where the tail begins, and how well it fits.

For p(x) ~ x^-alpha at x >= x_min, by maximum likelihood over the n values in the tail,

    alpha = 1 + n / sum_i log(x_i / x_min),

with the x_min among the values at which the Kolmogorov-Smirnov distance between the tail and its
fit is least. The interval is the percentile one of a bootstrap that repeats the choice of x_min.

Any sample gets an exponent. `Tail.plausible` rules out a density that ends at an edge, as that of
Marchenko & Pastur (1967) for a Gaussian matrix does, by a wide interval, and a law that does not
fit, by a distance that the n values do not explain:

- Gaussian matrices, 100 of each shape from 64 x 64 to 384 x 8,000, get 2 to 50 from the 2% to 45%
  of their eigenvalues at the edge; the ends of the interval are a factor of 3.4 to 11 apart, the
  distance is 0.11 to 0.18 (all from 5% to 95%). Of 600 such matrices two are plausible, of 64 x 64.
- Of a power law in 64 to 1,024 values the ends are a factor of 1.1 to 1.7 apart, the distance is
  0.4 to 0.8 / sqrt(n), and 98.5% or more are plausible (exponent 2, 200 samples of each size).
- Exponential samples of 384 values (87% of 60) and log-normal ones (92%) are plausible, too: what
  is, is no power law for that; see section 5 of the reference.

Coverage of the interval, by 400 samples each of independent values: 0.92 for 64 values of a power
law, 0.95 to 0.97 for 128 to 1,024. With an exponential body below the tail 0.92 to 0.99 where nine
values or more are in the tail, of exponents up to 3; 0.4 to 0.7 for an exponent of 5, whose tail of
one to nine values is not found: the exponent is then too low. Eigenvalues of one matrix repel each
other and scatter less than independent values do: for them the interval should be on the wide side.

References: Clauset, Shalizi & Newman, SIAM Rev. 51 (2009), eq. 3.1 and section 3.3;
Martin & Mahoney, JMLR 22 (2021), for spectra of weights.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike

from jaxsup._internal.validation import fail

FEWEST = 50
"""Values that a fit needs, as the reference advises."""

_SHORTEST = 10  # values in a tail
_CANDIDATES = 100  # lengths of the tail that are tried, at even ratios
_SAMPLES = 200  # of the bootstrap
_COVERAGE = 0.95
# Of what shows no power law: factor between the ends of its interval, distance times sqrt(n).
_WIDE, _FAR = 3.0, 1.0


class Tail(NamedTuple):
    """The power law at the upper end of a sample.

    Attributes:
        exponent: alpha of the density p(x) ~ x^-alpha, above 1.
        interval: of 95%, from a bootstrap.
        start: x_min, the least value of the tail.
        size: number of values in the tail.
        distance: of Kolmogorov and Smirnov, between the tail and its fit; in [0, 1].
    """

    exponent: float
    interval: tuple[float, float]
    start: float
    size: int
    distance: float

    @property
    def plausible(self) -> bool:
        """Whether the interval's ends are within a factor of 3 and the distance within 1 / sqrt(n).

        See the module's docstring for what has which.
        """
        near = self.distance <= _FAR / self.size**0.5
        return near and self.interval[1] <= _WIDE * self.interval[0]


class NoTail(NamedTuple):
    """Why there is no exponent."""

    reason: str


def fit_tail(values: ArrayLike, *, seed: int = 0) -> Tail | NoTail:
    """Exponent of p(x) ~ x^-alpha in the tail of a sample, with a 95% interval.

    Arguments:
        values: [values], finite; those that are not positive are left out.
        seed: of the bootstrap.

    Returns:
        A `Tail`, or why there is none: fewer than 50 positive values, or all alike.

    Raises:
        ValueError: the values are not finite, or have other axes.

    Reference: Clauset, Shalizi & Newman, SIAM Rev. 51 (2009).

    >>> sample = np.random.default_rng(1).random(1000) ** (-1 / 1.5)  # alpha = 2.5
    >>> tail = fit_tail(sample)
    >>> round(tail.exponent, 2), tuple(round(bound, 2) for bound in tail.interval)
    (2.62, (2.45, 2.82))
    """
    array = np.asarray(values, np.float64)
    if array.ndim != 1 or not np.isfinite(array).all():
        expected, do = "finite numbers on one axis", "leave out what diverged"
        raise fail("values", expected, f"a shape {array.shape}", do, described=True)
    positive = array[array > 0]
    if len(positive) < FEWEST:
        return NoTail(f"fewer than {FEWEST} eigenvalues that are not zero")
    logs = np.sort(np.log(positive))[::-1]
    slopes, sizes, distances = _fit_samples(logs[None, :])
    if not np.isfinite(slopes[0]):
        return NoTail("all values are alike")
    rng = np.random.default_rng(seed)
    again = np.sort(rng.integers(0, len(logs), (_SAMPLES, len(logs))), axis=1)
    resampled = _fit_samples(logs[again])[0]
    outside = 50 * (1 - _COVERAGE)
    low, high = np.percentile(resampled[np.isfinite(resampled)], [outside, 100 - outside])
    return Tail(
        exponent=1 + float(slopes[0]),
        interval=(1 + float(low), 1 + float(high)),
        start=float(np.exp(logs[sizes[0] - 1])),
        size=int(sizes[0]),
        distance=float(distances[0]),
    )


def _fit_samples(
    logs: Float[np.ndarray, "samples values"],
) -> tuple[
    Float[np.ndarray, " samples"], Int[np.ndarray, " samples"], Float[np.ndarray, " samples"]
]:
    """alpha - 1, length of the tail and distance of each sample, by the least distance.

    Arguments:
        logs: of the values, falling along each sample.
    """
    samples, count = logs.shape
    sums = np.cumsum(logs, axis=1)
    slopes = np.full(samples, np.nan)
    lengths, distances = np.zeros(samples, int), np.full(samples, np.inf)
    lengths_tried = np.geomspace(_SHORTEST, count, _CANDIDATES).round().astype(int)
    for length in np.unique(lengths_tried):
        start = logs[:, length - 1]
        excess = sums[:, length - 1] - length * start
        # A sum of rounding errors is no excess: such values are alike.
        varied = excess > 1e-9 * length * np.maximum(np.abs(start), 1.0)
        slope = length / np.where(varied, excess, 1.0)
        above = np.exp(-slope[:, None] * (logs[:, :length] - start[:, None]))
        # The sample's share above falls from i / n to (i - 1) / n at its i-th largest value.
        gaps = np.arange(1, length + 1) / length - above
        distance = np.maximum(gaps.max(axis=1), 1 / length - gaps.min(axis=1))
        better = varied & (distance < distances)
        slopes = np.where(better, slope, slopes)
        lengths = np.where(better, length, lengths)
        distances = np.where(better, distance, distances)
    return slopes, lengths, distances
