"""Energy levels: the few discrete values at which the final losses of many runs lie."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike

from jaxsup._internal.validation import check_number, fail


class Level(NamedTuple):
    """Runs that ended at one loss.

    Attributes:
        loss: median of their losses.
        spread: largest minus smallest.
        members: indices of the runs, by rising loss.
    """

    loss: float
    spread: float
    members: Int[np.ndarray, " runs"]


def find_levels(
    losses: ArrayLike, *, relative: float = 1e-3, absolute: float = 1e-6
) -> list[Level]:
    """Split sorted losses wherever two neighbors differ by more than relative * loss + absolute.

    Runs that have not converged smear a level; `spread` shows it. Diverged runs (NaN) belong to no
    level.

    Arguments:
        losses: final losses >= 0, [runs].
        relative: width of a gap as a share of the loss, >= 0.
        absolute: width of a gap that always counts as one level, >= 0: what a loss of zero leaves.

    Returns:
        The levels by rising loss.

    Raises:
        ValueError: the losses are no list of numbers, or a width is negative.

    >>> [(round(level.loss, 3), len(level.members)) for level in find_levels([0.2, 0.1, 0.1])]
    [(0.1, 2), (0.2, 1)]
    """
    values: Float[np.ndarray, " runs"] = np.asarray(losses, np.float64)
    if values.ndim != 1:
        shape = f"a shape {values.shape}"
        raise fail("losses", "one number a run", shape, "flatten them", described=True)
    check_number("relative", relative, "give a share of the loss", low=0)
    check_number("absolute", absolute, "give a loss", low=0)
    order = np.argsort(values, kind="stable")[: int(np.isfinite(values).sum())]
    if not len(order):
        return []
    rising = values[order]
    opens = np.flatnonzero(np.diff(rising) > relative * rising[1:] + absolute) + 1
    return [
        Level(float(np.median(values[runs])), float(np.ptp(values[runs])), runs)
        for runs in np.split(order, opens)
    ]
