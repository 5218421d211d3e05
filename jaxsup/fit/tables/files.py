"""Loss curves from a table in a text file, labeled as a sweep's are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from jaxsup._internal.paths import local_path
from jaxsup._internal.validation import fail

if TYPE_CHECKING:
    import xarray as xr

_DO = "give a header, a column of steps and one for each curve"
_EMPTY = ("", "na", "n/a", "null", "none", "-")
_STEP_NAMES = ("step", "steps", "t", "iteration", "iterations", "update", "updates")


def read_curves(path: str | Path, *, seeds: bool = False) -> xr.Dataset:
    """Loss curves of a CSV file: one column of steps, and one for each curve.

    The steps are in the column called step, steps, t, iteration(s) or update(s), in any case, or in
    the first. Empty cells are steps that a curve did not record, as are NA, NULL, None, and NaN
    among numbers; a curve that ends in NaN or holds an infinity diverged. Rows are sorted by step.

    Arguments:
        path: a file with a header.
        seeds: the columns are seeds of one setting, not settings of their own.

    Returns:
        ``loss`` over ("curve", "seed", "step"), ``curve`` holding the headers; with `seeds`, over
        ("seed", "step"). ``status`` over the same but "step": 1 where a curve diverged, else 0.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no such table, or a step is negative or comes twice.
    """
    import xarray as xr

    file = local_path(path)
    names, cells = _read_cells(file)
    place = next((k for k, n in enumerate(names) if n.strip().lower() in _STEP_NAMES), 0)
    curves = [k for k in range(len(names)) if k != place]
    if not curves or not len(cells):
        text = f"{len(cells)} rows of {', '.join(names)}"
        raise fail(str(file), "steps and losses", text, _DO, described=True)
    columns = [_numbers(f"{file}: {names[k]}", cells[:, k]) for k in (place, *curves)]
    numbers = np.column_stack(columns)
    _check_steps(f"{file}: {names[place]}", numbers[:, 0])
    order = np.argsort(numbers[:, 0])
    steps, losses = numbers[order, 0], numbers[order, 1:].T
    diverged = np.asarray([_diverged(cells[order, k]) for k in curves], np.int8)
    axis = {"long_name": "training steps t", "units": "updates"}
    along = "seed" if seeds else "curve"
    dataset = xr.Dataset(
        {
            "loss": ((along, "step"), losses, {"long_name": "loss L"}),
            "status": ((along,), diverged, {"long_name": "0: recorded, 1: diverged"}),
        },
        coords={"step": ("step", steps, axis)},
    )
    if seeds:
        return dataset
    titles = np.asarray([names[k].strip() for k in curves], object)
    return dataset.expand_dims("seed", axis=1).assign_coords(curve=titles)


def _read_cells(file: Path) -> tuple[list[str], np.ndarray]:
    """The header, and the cells below it as text, [rows, columns].

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no table.
    """
    import pandas as pd

    expected = "a CSV file"
    if file.is_dir():
        do = "name a file in it, or open a sweep's folder with jaxsup.open_store"
        raise fail(str(file), expected, "a folder", do, described=True)
    if not file.is_file():
        raise FileNotFoundError(f"{file}: expected a CSV file; got none there; check the path")
    try:
        table = pd.read_csv(file, skipinitialspace=True, dtype=str, na_filter=False)
    except pd.errors.EmptyDataError:
        raise fail(str(file), expected, "an empty file", _DO, described=True) from None
    except (ValueError, UnicodeDecodeError) as error:  # pandas' own errors are ValueErrors
        text = f"one that cannot be read ({error})"
        raise fail(str(file), expected, text, "mend that line", described=True) from None
    if not isinstance(table.index, pd.RangeIndex):  # pandas' answer to rows longer than the header
        text = "rows with more cells than the header"
        raise fail(str(file), expected, text, "give each column its name", described=True)
    return [str(name) for name in table.columns], table.to_numpy(str)


def _numbers(where: str, cells: np.ndarray) -> Float[np.ndarray, " rows"]:
    """A column of text as float64, NaN where a cell is empty.

    Raises:
        ValueError: a cell holds something else.
    """
    values = np.full(len(cells), np.nan)
    for row, cell in enumerate(cells.tolist()):
        if cell.strip().lower() not in _EMPTY:
            try:
                values[row] = float(cell)
            except ValueError:
                text = f"a column with text ({cell.strip()!r} in row {row + 1})"
                raise fail(
                    where, "numbers", text, "leave that column out", described=True
                ) from None
    return values


def _diverged(cells: np.ndarray) -> bool:
    """Whether the numbers of a curve, in order of steps, end in NaN or hold an infinity."""
    written = [cell for cell in cells.tolist() if cell.strip().lower() not in _EMPTY]
    numbers = np.asarray(written, np.float64)
    return bool(np.isinf(numbers).any() or np.isnan(numbers[-1:]).any())


def _check_steps(where: str, steps: Float[np.ndarray, " rows"]) -> None:
    """Raise unless the steps are finite, >= 0 and different."""
    ordered = np.sort(steps)
    twice = np.flatnonzero(np.diff(ordered) == 0)
    negative = steps[steps < 0]
    if negative.size:
        do = "count updates from 0"
        raise fail(where, "steps >= 0", f"{negative[0]:g}", do, described=True)
    if not np.isfinite(steps).all() or twice.size:
        text = f"{ordered[twice[0]]:g} twice" if twice.size else "an empty cell"
        do = "give each step its row, once"
        raise fail(where, "different steps", text, do, described=True)
