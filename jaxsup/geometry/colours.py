"""Colour classes of the pairs of vectors: which cosines are equal, and how clearly so."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int


class Colours(NamedTuple):
    """The pairs (i, j) coloured by the value of cos(w_i, w_j)."""

    matrix: Int[np.ndarray, "points points"]
    """Colour of each pair: 0 on the diagonal, then 1, 2, ... by falling cosine."""
    separated: bool
    """Whether every colour is narrower, and every gap between colours wider, than the threshold."""
    slack: float
    """How far differences of cosines can move before colours or `separated` change."""
    spread: float
    """Width of the widest colour: the noise that the cosines show."""


def colour_pairs(cosines: Float[np.ndarray, "points points"], threshold: float) -> Colours:
    """Cut the sorted off-diagonal cosines wherever neighbours differ by more than `threshold`.

    Order statistics move by no more than the numbers themselves, so this partition is stable under
    any change of the cosines that keeps every width below and every gap above the threshold.
    A colour wider than the threshold is a chain of small steps, a continuum and not a value.
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
    return Colours(matrix, separated, slack, spread)
