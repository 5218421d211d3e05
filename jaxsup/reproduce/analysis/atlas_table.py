"""Both regimes and the steepest local exponent of every setting of an atlas, as a table."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from jaxsup import fit
from jaxsup.fit.single.result import json_safe
from jaxsup.reproduce.analysis.atlas_design import AtlasSweep, Setting

if TYPE_CHECKING:
    import xarray as xr

    from jaxsup.fit.stretches.regimes import Stretch

FIRST_STEP = 10
"""The steepest stretch is looked for from this step on: earlier ones are the start's transient."""
RESPONSES = {
    "first": "first power law",
    "last": "last power law",
    "steepest": "steepest local exponent",
}
"""The numbers that are measured of a curve; columns of the table."""
_NORMAL = 1.96  # standard errors in half a 95% interval


@dataclasses.dataclass(frozen=True)
class Measured:
    """What a setting's curves say; NaN for what is not there.

    Attributes:
        first, last: exponents of the first and the last power law before the floor.
        first_error, last_error: their standard errors, from the intervals.
        first_time, last_time: eta t at the geometric middle of their windows.
        laws: number of power laws.
        ending: kind of the last stretch; "" without any.
        steepest: the largest local exponent, see `measure_steepest`.
        steepest_error, steepest_time: its standard error, and eta t where it is reached.
        rising: whether it is reached where training ends, so that a longer run might show more.
        diverged: seeds that diverged.
    """

    first: float = math.nan
    last: float = math.nan
    first_error: float = math.nan
    last_error: float = math.nan
    first_time: float = math.nan
    last_time: float = math.nan
    laws: int = 0
    ending: str = ""
    steepest: float = math.nan
    steepest_error: float = math.nan
    steepest_time: float = math.nan
    rising: bool = False
    diverged: int = 0


def measure_curves(
    steps: Int[np.ndarray, " steps"], loss: Float[np.ndarray, "seeds steps"], rate: float
) -> Measured:
    """Regimes and the steepest local exponent of the mean curve of seeds.

    Arguments:
        steps: recorded steps.
        loss: of the seeds that did not diverge, one or more.
        rate: eta, the unit of times.
    """
    regimes = fit.regimes(steps, loss)
    first, last = regimes.first, regimes.last_before_floor
    steepest, error, time, rising = measure_steepest(steps, loss)
    return Measured(
        *(math.nan if stretch is None else stretch.exponent for stretch in (first, last)),
        *(_error(stretch) for stretch in (first, last)),
        *(_time(stretch, rate) for stretch in (first, last)),
        laws=len(regimes.power_laws),
        ending=regimes.stretches[-1].kind if regimes.stretches else "",
        steepest=steepest,
        steepest_error=error,
        steepest_time=rate * time,
        rising=rising,
    )


def _error(stretch: Stretch | None) -> float:
    if stretch is None:
        return math.nan
    return (stretch.interval[1] - stretch.interval[0]) / (2 * _NORMAL)


def _time(stretch: Stretch | None, rate: float) -> float:
    return math.nan if stretch is None else rate * math.sqrt(math.prod(stretch.window))


def measure_steepest(
    steps: Int[np.ndarray, " steps"], loss: Float[np.ndarray, "seeds steps"]
) -> tuple[float, float, float, bool]:
    """The steepest local exponent over about half a decade, its error, its step, if at the end.

    `jaxsup.fit.local_exponent` weighs points by a kernel whose variance is that of a box of 0.54
    decades. Looked at are points from `FIRST_STEP` on and at least its bandwidth from the curve's
    end, where lines are one-sided; of these the one whose 95% interval starts highest, so that a
    noisy point is not taken for a steep one. What is largest of many is too large by chance: by
    less than the half-width of its interval, which is one point's.
    """
    if len(steps) < 3:
        return math.nan, math.nan, math.nan, False
    local = fit.local_exponent(steps, loss)
    last = steps[-1] * 10**-local.bandwidth
    eligible = np.flatnonzero(
        (local.steps >= FIRST_STEP) & (local.steps <= last) & np.isfinite(local.interval).all(1)
    )
    if not eligible.size:
        return math.nan, math.nan, math.nan, False
    best = eligible[np.argmax(local.interval[eligible, 0])]
    error = (local.interval[best, 1] - local.interval[best, 0]) / (2 * _NORMAL)
    rising = bool(best == eligible[-1])
    return float(local.exponent[best]), float(error), float(local.steps[best]), rising


def tabulate(dataset: xr.Dataset, sweep: AtlasSweep) -> pd.DataFrame:
    """A row a setting: its fields and what was measured."""
    loss = dataset["loss"].transpose("setting", "seed", "step").values.astype(np.float64)
    status = dataset["status"].transpose("setting", "seed").values
    recorded = dataset["step"].values
    rows = []
    for position, setting in enumerate(sweep.settings):
        steps = sweep.experiment_at((position,)).recorded_steps
        at = np.isin(recorded, steps) & (recorded > 0)
        whole = status[position] == 0
        measured = Measured()
        if whole.any():
            measured = measure_curves(recorded[at], loss[position][whole][:, at], setting.rate)
        diverged = int(np.sum(status[position] == 1))
        rows.append(_row(setting, dataclasses.replace(measured, diverged=diverged)))
    return pd.DataFrame(rows)


def _row(setting: Setting, measured: Measured) -> dict[str, Any]:
    return {**vars(setting), "rate": setting.rate, **vars(measured)}


def to_records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows as JSON-safe mappings: NaN as None."""
    rows = table.to_dict("records")
    return [{str(name): json_safe(value) for name, value in row.items()} for row in rows]
