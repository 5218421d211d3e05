"""Largest, mean and root mean square cosine of a matrix of any size, beside the Welch bound."""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy.special import gammaln

from jaxsup._internal.places import even_places
from jaxsup._internal.validation import check_positive_integer
from jaxsup.spectral.overlap import mean_squared_cosine_on_host, welch_bound

# Multiply-adds that the coherence may cost before it is cut down to a bound: below a second on two
# quiet cores.
_COHERENCE_WORK = 2e10
# Multiply-adds that going through one cosine costs besides, where a column has few entries.
_PASSES = 32
_ROWS, _COLUMNS = 256, 2048  # of a tile of cosines: 2 MB, that its passes find in the cache


class Coherence(NamedTuple):
    """|cos(w_i, w_j)| over pairs of represented features, beside its least possible value.

    Attributes:
        value: the largest |cos|, in [0, 1].
        features: represented features whose cosines with all others were computed.
        exact: whether these were all of them; else `value` is a lower bound, and `mean_absolute`
            the mean over their pairs.
        welch_bound: sqrt((n - K) / (K (n - 1))) for the n represented features, 0 if n <= K.
        root_mean_square: root mean square cosine of all pairs, exact at any size; it has the same
            least value.
        mean_absolute: mean |cos| over pairs i != j.

    References: Welch, IEEE Trans. Inf. Theory 20 (1974); Liu et al., arXiv 2505.10465 (the mean
    square overlap).
    """

    value: float
    features: int
    exact: bool
    welch_bound: float
    root_mean_square: float
    mean_absolute: float

    def describe_mean(self, latent: int) -> str:
        """The mean |cos|, of which pairs it is, and that of random directions.

        Arguments:
            latent: K.
        """
        partly = "" if self.exact else f" ({self.features:,} features against all)"
        random = random_mean_cosine(latent)
        return f"{self.mean_absolute:.4f}{partly}; of random directions {random:.4f}"


def measure_coherence(columns: Float[np.ndarray, "latent represented"], *, full: bool) -> Coherence:
    """Cosines of columns: of all pairs, or of as many as the budget allows.

    Arguments:
        columns: of the represented features, none zero.
        full: whatever the size, of all pairs (O(N^2 K)). Otherwise, beyond 2e10 multiply-adds, a
            lower bound and a mean from evenly spaced features against all others.
    """
    latent, count = columns.shape
    if count < 2:
        return Coherence(0.0, count, True, 0.0, 0.0, 0.0)
    unit = columns / np.linalg.norm(columns, axis=0)
    exact = full or latent * count**2 <= _COHERENCE_WORK
    if exact:
        tested = count
        value, mean = _all_pairs(unit)
    else:
        tested = max(1, int(_COHERENCE_WORK / (max(latent, _PASSES) * count)))
        value, mean = _against_all(unit.astype(np.float32), even_places(count, tested))
    return Coherence(
        value=min(value, 1.0),
        features=tested,
        exact=exact,
        welch_bound=welch_bound(count, latent),
        root_mean_square=math.sqrt(mean_squared_cosine_on_host(columns)),
        mean_absolute=mean,
    )


def random_mean_cosine(latent: int) -> float:
    """E |cos| of two independent random directions: Gamma(K/2) / (sqrt(pi) Gamma((K+1)/2)).

    About sqrt(2 / (pi K)); the root mean square is 1 / sqrt(K).

    Raises:
        ValueError: K is no positive integer.

    >>> round(random_mean_cosine(2), 4), round(random_mean_cosine(3), 4)
    (0.6366, 0.5)
    """
    check_positive_integer("latent", latent, "give the latent dimension K")
    return math.exp(gammaln(latent / 2) - gammaln((latent + 1) / 2)) / math.sqrt(math.pi)


def _all_pairs(unit: Float[np.ndarray, "latent represented"]) -> tuple[float, float]:
    """Largest and mean |cos| over all pairs, each tile above the diagonal once."""
    count, best, total = unit.shape[1], 0.0, 0.0
    for top in range(0, count, _ROWS):
        bottom = min(top + _ROWS, count)
        chosen = np.ascontiguousarray(unit[:, top:bottom].T)
        best, total = _raise(np.triu(chosen @ unit[:, top:bottom], 1), best, total)
        for start in range(bottom, count, _COLUMNS):
            best, total = _raise(chosen @ unit[:, start : start + _COLUMNS], best, total)
    return best, total / (count * (count - 1) / 2)


def _against_all(
    unit: Float[np.ndarray, "latent represented"], rows: Int[np.ndarray, " tested"]
) -> tuple[float, float]:
    """Largest and mean |cos| of the chosen columns with any other, in tiles."""
    best, total = 0.0, 0.0
    for block in np.array_split(rows, -(-len(rows) // _ROWS)):
        chosen = np.ascontiguousarray(unit[:, block].T)
        for start in range(0, unit.shape[1], _COLUMNS):
            cosines = chosen @ unit[:, start : start + _COLUMNS]
            itself = np.flatnonzero((start <= block) & (block < start + _COLUMNS))
            cosines[itself, block[itself] - start] = 0.0
            best, total = _raise(cosines, best, total)
    return best, total / (len(rows) * (unit.shape[1] - 1))


def _raise(
    cosines: Float[np.ndarray, "rows columns"], best: float, total: float
) -> tuple[float, float]:
    """`best` and `total` with a tile of cosines, which is overwritten by their sizes."""
    sizes = np.abs(cosines, out=cosines)
    # Sums of rows keep the digits of single precision; their own sum is in double.
    return max(best, float(sizes.max())), total + float(sizes.sum(axis=1).sum(dtype=np.float64))
