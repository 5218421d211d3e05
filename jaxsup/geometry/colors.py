"""Color classes of the pairs of vectors: which cosines are equal, and how clearly so."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int


class Colors(NamedTuple):
    """The pairs (i, j) colored by the value of cos(w_i, w_j).

    Attributes:
        matrix: color of each pair: 0 on the diagonal, then 1, 2, ... by falling cosine.
        separated: whether every color is narrower, and every gap between colors wider, than the
            threshold.
        slack: how far differences of cosines can move before colors or `separated` change.
        spread: width of the widest color: the noise that the cosines show.
    """

    matrix: Int[np.ndarray, "points points"]
    separated: bool
    slack: float
    spread: float


def color_pairs(cosines: Float[np.ndarray, "points points"], threshold: float) -> Colors:
    """Cut the sorted off-diagonal cosines wherever neighbors differ by more than `threshold`.

    Order statistics move by no more than the numbers themselves, so this partition is stable under
    any change of the cosines that keeps every width below and every gap above the threshold.
    A color wider than the threshold is a chain of small steps, a continuum and not a value.

    Arguments:
        cosines: symmetric; the diagonal does not count.
        threshold: >= 0, in units of the cosines.
    """
    n = cosines.shape[0]
    upper = np.triu_indices(n, 1)
    values = cosines[upper]
    order = np.argsort(-values, kind="stable")
    steps = -np.diff(values[order])
    cut = steps > threshold
    labels = np.empty(values.size, dtype=np.int64)
    labels[order] = 1 + np.concatenate([np.zeros(min(values.size, 1), np.int64), np.cumsum(cut)])
    matrix = np.zeros((n, n), dtype=np.int64)
    matrix[upper] = labels
    matrix += matrix.T

    starts = np.flatnonzero(np.concatenate([np.ones(min(values.size, 1), bool), cut]))
    ends = np.concatenate([starts[1:], [values.size]])[: starts.size] - 1
    widths = values[order][starts] - values[order][ends]
    spread = float(widths.max(initial=0.0))
    separated = spread <= threshold
    slack = float((steps[cut] - threshold).min(initial=np.inf))
    if separated:
        slack = min(slack, threshold - spread)
    else:
        slack = min(slack, threshold - float(steps[~cut].max(initial=0.0)), spread - threshold)
    return Colors(matrix, separated, slack, spread)
