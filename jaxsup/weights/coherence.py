"""Largest and root mean square cosine of a matrix of any size, beside the Welch bound."""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from jaxsup.spectral.overlap import coherence, mean_squared_cosine_on_host, welch_bound

# Multiply-adds that the coherence may cost before it is cut down to a bound: below a second on two
# quiet cores.
_COHERENCE_WORK = 2e10
# Multiply-adds that going through one cosine costs besides, where a column has few entries.
_PASSES = 32
_ROWS, _COLUMNS = 256, 2048  # of a tile of cosines: 2 MB, that its passes find in the cache


class Coherence(NamedTuple):
    """max |cos(w_i, w_j)| over pairs of represented features, beside its least possible value.

    Attributes:
        value: the largest |cos|, in [0, 1].
        features: represented features whose cosines with all others were computed.
        exact: whether these were all of them; else `value` is a lower bound.
        welch_bound: sqrt((n - K) / (K (n - 1))) for the n represented features, 0 if n <= K.
        root_mean_square: root mean square cosine of all pairs, exact at any size; it has the same
            least value.

    Reference: Welch, IEEE Trans. Inf. Theory 20 (1974).
    """

    value: float
    features: int
    exact: bool
    welch_bound: float
    root_mean_square: float


def measure_coherence(columns: Float[np.ndarray, "latent represented"], *, full: bool) -> Coherence:
    """Coherence of columns: of all pairs, or of as many as the budget allows.

    Arguments:
        columns: of the represented features, none zero.
        full: whatever the size, of all pairs (O(N^2 K)). Otherwise, beyond 2e10 multiply-adds, a
            lower bound from evenly spaced features against all others.
    """
    latent, count = columns.shape
    if count < 2:
        return Coherence(0.0, count, True, 0.0, 0.0)
    affordable = max(1, int(_COHERENCE_WORK / (max(latent, _PASSES) * count)))
    exact = full or latent * count**2 <= _COHERENCE_WORK
    if exact:
        value, tested = float(coherence(columns)), count
    else:
        unit = (columns / np.linalg.norm(columns, axis=0)).astype(np.float32)
        rows = np.linspace(0, count - 1, affordable).round().astype(int)
        value, tested = _largest_cosine(unit, rows), affordable
    bound = welch_bound(count, latent)
    root_mean_square = math.sqrt(mean_squared_cosine_on_host(columns))
    return Coherence(value, tested, exact, bound, root_mean_square)


def _largest_cosine(
    unit: Float[np.ndarray, "latent represented"], rows: Int[np.ndarray, " tested"]
) -> float:
    """Largest |cos| of the chosen columns with any other, in tiles."""
    best = 0.0
    for block in np.array_split(rows, -(-len(rows) // _ROWS)):
        chosen = np.ascontiguousarray(unit[:, block].T)
        for start in range(0, unit.shape[1], _COLUMNS):
            cosines = np.abs(chosen @ unit[:, start : start + _COLUMNS])
            itself = np.flatnonzero((start <= block) & (block < start + _COLUMNS))
            cosines[itself, block[itself] - start] = 0.0
            best = max(best, float(cosines.max()))
    return min(best, 1.0)
