"""Loss curves from a table in a text file, labeled as a sweep's are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from jaxsup._internal.validation import fail

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

_STEP_NAMES = ("step", "steps", "t", "iteration", "iterations", "update", "updates")


def read_curves(path: str | Path, *, seeds: bool = False) -> xr.Dataset:
    """Loss curves of a CSV file: one column of steps, and one for each curve.

    The steps are in the column called step, steps, t, iteration(s) or update(s), in any case, or in
    the first. Empty cells are steps that a curve did not record; rows are sorted by step.

    Arguments:
        path: a file with a header.
        seeds: the columns are seeds of one setting, not settings of their own.

    Returns:
        ``loss`` over ("curve", "seed", "step"), ``curve`` holding the headers; with `seeds`, over
        ("seed", "step").

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no such table, or a step comes twice.
    """
    import pandas as pd
    import xarray as xr

    file = Path(path)
    if not file.is_file():
        raise FileNotFoundError(f"{file}: expected a CSV file; got none there; check the path")
    try:
        table = pd.read_csv(file, skipinitialspace=True)
    except (ValueError, UnicodeDecodeError) as error:  # pandas' own errors are ValueErrors
        text = f"one that cannot be read ({error})"
        raise fail(str(file), "a CSV file", text, "mend that line", described=True) from None
    names = [str(name) for name in table.columns]
    place = next((k for k, n in enumerate(names) if n.strip().lower() in _STEP_NAMES), 0)
    curves = [k for k in range(len(names)) if k != place]
    if not curves or not len(table):
        text = f"{len(table)} rows of {', '.join(names)}"
        do = "give a header, a column of steps and one for each curve"
        raise fail(str(file), "steps and losses", text, do, described=True)
    numbers = np.column_stack([_numbers(file, table, k) for k in (place, *curves)])
    numbers = numbers[np.argsort(numbers[:, 0], kind="stable")]
    steps, losses = numbers[:, 0], numbers[:, 1:].T
    twice = np.flatnonzero(np.diff(steps) == 0)
    if not np.isfinite(steps).all() or twice.size:
        text = f"{steps[twice[0]]:g} twice" if twice.size else "an empty cell"
        do = "give each step its row, once"
        raise fail(f"{file}: {names[place]}", "different steps", text, do, described=True)
    coords = {"step": ("step", steps, {"long_name": "training steps t", "units": "updates"})}
    label = {"long_name": "loss L"}
    if seeds:
        return xr.Dataset({"loss": (("seed", "step"), losses, label)}, coords=coords)
    titles = np.asarray([names[k].strip() for k in curves], object)
    return xr.Dataset(
        {"loss": (("curve", "seed", "step"), losses[:, None], label)},
        coords={"curve": titles, **coords},
    )


def _numbers(file: Path, table: pd.DataFrame, place: int) -> np.ndarray:
    """A column as float64.

    Raises:
        ValueError: a cell holds text.
    """
    column = table.iloc[:, place]
    try:
        return column.to_numpy(np.float64)
    except (TypeError, ValueError) as error:
        where = f"{file}: {column.name}"
        text = f"a column with text ({error})"
        raise fail(where, "numbers", text, "leave that column out", described=True) from None
