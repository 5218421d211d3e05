"""Rows of a table as loss curves over steps, runs apart, labeled as a sweep's are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Bool, Float, Int

from jaxsup._internal.validation import fail
from jaxsup.fit.tables.columns import (
    Choice,
    Numbers,
    Table,
    column_numbers,
    counts_updates,
    list_names,
    run_names,
)

if TYPE_CHECKING:
    import xarray as xr

_MOST = 5 * 10**7  # losses, as fits take them


def arrange_curves(table: Table, choice: Choice, *, seeds: bool) -> xr.Dataset:
    """The chosen columns over steps in order, rows of one step merged.

    Arguments:
        table: columns.
        choice: which of them hold what.
        seeds: the runs, or without them the columns, are seeds of one setting.

    Returns:
        As `jaxsup.fit.tables.files.read_curves`.

    Raises:
        ValueError: a column holds other things than numbers, a step is negative or missing, or one
            run has two losses at one step.
    """
    import xarray as xr

    where = f"{table.source}: {choice.step}"
    rows = column_numbers(where, table.columns[choice.step]).values
    _check_steps(where, rows)
    runs, run = _tell_apart(table, choice.by)
    names, columns = _read_losses(table, choice)
    steps, place = np.unique(rows, return_inverse=True)
    count = len(runs) * len(names) * len(steps)
    if count > _MOST:
        text = f"{len(runs):,} runs of {len(names):,} columns at {len(steps):,} steps"
        do = "keep some 100 steps a decade, or fewer runs"
        raise fail(table.source, f"at most {_MOST:,} losses", text, do, described=True)
    values = np.full((len(runs), len(names), len(steps)), np.nan)
    written = np.zeros(values.shape, bool)
    cell = run * len(steps) + place
    for k, column in enumerate(columns):
        there = _sorted_rows(cell, column)
        twice = _conflict(cell[there], column.values[there])
        if twice is not None:
            first, second = there[twice], there[twice + 1]
            losses = f"{column.values[first]:g} and {column.values[second]:g}"
            text = f"step {rows[first]:g} twice, with {losses} in {names[k]}"
            do = _advice(table, choice)
            raise fail(where, "one loss at each step of a run", text, do, described=True)
        at = np.unravel_index(cell[there], (len(runs), len(steps)))
        values[at[0], k, at[1]] = column.values[there]
        written[at[0], k, at[1]] = True
    titles = _titles(runs if choice.by else [], names)
    return _label(xr, steps, values, _diverged(values, written), titles, choice, seeds)


def _label(
    xr: Any,
    steps: Float[np.ndarray, " steps"],
    losses: Float[np.ndarray, "runs columns steps"],
    diverged: Bool[np.ndarray, "runs columns"],
    titles: list[str],
    choice: Choice,
    seeds: bool,
) -> xr.Dataset:
    """Losses as a dataset: of seeds, runs are these where they are told apart, else columns."""
    if not seeds:
        dims = ("curve", "seed")
        losses, diverged = losses.reshape(-1, 1, len(steps)), diverged.reshape(-1, 1)
    elif not choice.by or losses.shape[1] == 1:
        dims = ("seed",)
        losses, diverged = losses.reshape(-1, len(steps)), diverged.ravel()
    else:
        dims, titles = ("curve", "seed"), choice.losses
        losses, diverged = losses.transpose(1, 0, 2), diverged.T
    axis = {"long_name": "training steps t", "units": "updates"}
    # A number is the place of a column without a name.
    if not counts_updates(choice.step) and not choice.step.isdecimal():
        axis = {"long_name": choice.step}
    coords: dict[str, Any] = {"step": ("step", steps, axis)}
    if "curve" in dims:
        coords["curve"] = np.asarray(titles, object)
    status = diverged.astype(np.int8)
    return xr.Dataset(
        {
            "loss": ((*dims, "step"), losses, {"long_name": "loss L"}),
            "status": (dims, status, {"long_name": "0: recorded, 1: diverged"}),
        },
        coords=coords,
        attrs={"left_out": choice.left_out, "notes": list(choice.notes)},
    )


def _check_steps(where: str, steps: Float[np.ndarray, " rows"]) -> None:
    """Raise unless the steps are finite and >= 0."""
    negative, other = steps[steps < 0], np.flatnonzero(~np.isfinite(steps))
    if negative.size:
        do = "count updates from 0"
        raise fail(where, "steps >= 0", f"{negative[0]:g}", do, described=True)
    if other.size:
        value = steps[other[0]]
        text = f"{value:g}" if np.isinf(value) else "an empty cell"
        text, do = f"{text} in row {other[0] + 1}", "give each row its step, a finite number"
        raise fail(where, "a step in every row", text, do, described=True)


def _tell_apart(table: Table, by: str) -> tuple[list[str], Int[np.ndarray, " rows"]]:
    """Names of the runs, in the order of their first rows, and the run of each row."""
    if not by:
        rows = next(iter(table.columns.values())).shape[-1]
        return [""], np.zeros(rows, np.int64)
    names = run_names(f"{table.source}: {by}", table.columns[by])
    runs = {name: k for k, name in enumerate(dict.fromkeys(names))}
    return list(runs), np.asarray([runs[name] for name in names], np.int64)


def _read_losses(table: Table, choice: Choice) -> tuple[list[str], list[Numbers]]:
    """Names and numbers of the curves; of a column that holds several, counted from 0."""
    names, columns = [], []
    for name in choice.losses:
        values, written = column_numbers(f"{table.source}: {name}", table.columns[name])
        if values.ndim == 1:
            names.append(name)
            columns.append(Numbers(values, written))
        else:
            names += [f"{name} {k}" for k in range(len(values))]
            columns += [Numbers(*row) for row in zip(values, written, strict=True)]
    return names, columns


def _sorted_rows(cell: Int[np.ndarray, " rows"], column: Numbers) -> Int[np.ndarray, " there"]:
    """Rows in which a column has something written, by run and step."""
    there = np.flatnonzero(column.written)
    return there[np.argsort(cell[there], kind="stable")]


def _conflict(cell: Int[np.ndarray, " there"], values: Float[np.ndarray, " there"]) -> int | None:
    """The first row that stands at the cell of the next one with another loss."""
    before, after = values[:-1], values[1:]
    differ = (before != after) & ~(np.isnan(before) & np.isnan(after))
    twice = np.flatnonzero((cell[:-1] == cell[1:]) & differ)
    return int(twice[0]) if twice.size else None


def _advice(table: Table, choice: Choice) -> str:
    """What to do about two losses at one step."""
    if choice.by:
        return "give each run its steps once"
    if "epoch" in choice.step.lower():
        return "log the step beside the epoch, which is rounded"
    others = [n for n in table.columns if n != choice.step and n not in choice.losses]
    names = f" ({list_names(others)})" if others else ""
    return f"name the column that tells runs apart with --by{names}, or keep one of the rows"


def _diverged(
    values: Float[np.ndarray, "runs columns steps"],
    written: Bool[np.ndarray, "runs columns steps"],
) -> Bool[np.ndarray, "runs columns"]:
    """Whether what is written of a curve ends in NaN or holds an infinity."""
    last = values.shape[-1] - 1 - np.argmax(written[..., ::-1], axis=-1)
    end = np.take_along_axis(values, last[..., None], -1)[..., 0]
    return np.isinf(values).any(-1) | (written.any(-1) & np.isnan(end))


def _titles(runs: Sequence[str], names: Sequence[str]) -> list[str]:
    """What the curves are called: by column, by run, or by both."""
    if not runs:
        return list(names)
    if len(names) == 1:
        return list(runs)
    return [f"{run}, {name}" for run in runs for name in names]
