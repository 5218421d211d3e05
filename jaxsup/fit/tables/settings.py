"""The settings of a sweep as fits see them: recorded steps, trained seeds, theory, start-up."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from jaxtyping import Float, Num

from jaxsup.fit.tables.references import setting_references

if TYPE_CHECKING:
    import xarray as xr

PENDING, DIVERGED = -1, 1
"""Values of a sweep's ``status``."""
UNTRAINED = "not trained yet"
ALL_DIVERGED = "all seeds diverged"
TOO_SHORT = "too short"
_FEWEST = 3  # steps that a fit asks for


class Setting(NamedTuple):
    """One curve of a sweep, its seeds together.

    Attributes:
        steps: recorded steps > 0, the start-up left out, [steps].
        loss: of the seeds that are trained, NaN where one diverged, [seeds, steps].
        theory: loss of the linear student without superposition at those steps; NaN where none.
        after: step before which none is used; 0 where nothing is left out.
        dropped: seeds that diverged.
        problem: why there is nothing to fit, in short; empty where there is.
        reason: the same as a sentence.
    """

    steps: Num[np.ndarray, " steps"]
    loss: Float[np.ndarray, "seeds steps"]
    theory: Float[np.ndarray, " steps"]
    after: float
    dropped: int
    problem: str
    reason: str


def read_settings(dataset: xr.Dataset, after: float | None) -> Iterator[Setting]:
    """Every setting of a sweep, in the order of its axes.

    Arguments:
        dataset: result of `jaxsup.run`, with ``loss`` over (axis names..., "seed", "step").
        after: step before which none is used; None: where the setting's start-up ends, and 0 where
            that is not known.
    """
    loss = dataset["loss"].transpose(..., "seed", "step")
    steps, values = loss["step"].values, loss.values
    status = np.zeros(loss.shape[:-1], np.int8)
    if "status" in dataset:
        status = dataset["status"].transpose(..., "seed").values
    settings = zip(np.ndindex(loss.shape[:-2]), setting_references(dataset, loss), strict=True)
    for index, (reference, theory) in settings:
        start = 0.0 if reference is None else reference.start_up
        first = start if after is None else after
        yield _setting(steps, values[index], status[index], theory, first)


def _setting(
    steps: Num[np.ndarray, " steps"],
    loss: Float[np.ndarray, "seeds steps"],
    status: Num[np.ndarray, " seeds"],
    theory: Float[np.ndarray, " steps"],
    after: float,
) -> Setting:
    """The part of a setting's records that a fit may use, or why there is none."""
    # A diverged run belongs to no fit, its finite beginning neither.
    diverged = status == DIVERGED
    trained = status != PENDING
    loss = np.where(diverged[:, None], np.nan, loss)[trained]
    # Settings may record other steps than their neighbors.
    recorded = ~np.isnan(loss[~diverged[trained]]).all(0) & (steps > 0)
    use = recorded & (steps >= after)
    dropped, problem, reason = int(np.sum(~np.isfinite(loss[:, use]).all(1))), "", ""
    if not trained.any():
        problem = reason = UNTRAINED
    elif not np.isfinite(loss[:, recorded]).all(1).any() or not recorded.any():
        dropped, problem = len(loss), ALL_DIVERGED
        reason = f"{ALL_DIVERGED}, {dropped} of {dropped}"
    elif np.sum(use) < _FEWEST:
        last = steps[recorded][-1]
        problem = TOO_SHORT
        reason = f"too short, {use.sum()} recorded steps from {after:.4g} on, the last at {last:g}"
    return Setting(steps[use], loss[:, use], theory[use], after, dropped, problem, reason)
