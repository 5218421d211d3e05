"""The exact linear student without superposition, at the N and step size of what was trained."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import jax
import numpy as np
from jaxtyping import Float, Int

from jaxsup import DiagonalTeacher, Sweep, theory
from jaxsup.fit.tables.references import log_slope

if TYPE_CHECKING:
    import xarray as xr

Steps = Int[np.ndarray, " steps"]
Curves = Float[np.ndarray, "b a steps"]


def exact_curve(sweep: Sweep, a: float, b: float, steps: Steps) -> Float[np.ndarray, " steps"]:
    """Loss of the exact linear student at this N and step size."""
    base = sweep.experiment
    experiment = dataclasses.replace(
        base,
        features=dataclasses.replace(base.features, exponent=a),
        teacher=DiagonalTeacher(b),
    )
    return np.asarray(theory.loss_curve(experiment, steps, key=jax.random.key(0)))


def exact_slopes(table: xr.Dataset, steps: Steps, curves: Curves) -> Float[np.ndarray, "kind b a"]:
    """Slope of each exact curve over the window that the setting was fitted in; NaN without one.

    A curve that bends has other slopes in other windows: its own would compare windows.
    """
    ends = np.stack([table[name].values for name in ("window_first", "window_last")], axis=-1)
    slopes = np.full(ends.shape[:-1], np.nan)
    for place in zip(*np.nonzero(table["found"].values), strict=True):
        slopes[place] = log_slope(steps, curves[place[1:]], tuple(ends[place]))
    return slopes
