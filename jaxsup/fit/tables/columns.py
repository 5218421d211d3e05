"""Columns of a table of any origin: which hold steps, losses and runs, and the numbers in them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Shaped

from jaxsup._internal.validation import fail, suggest

STEP_NAMES = (
    *("step", "steps", "global_step", "_step", "num_updates", "iter", "iters", "iteration"),
    *("iterations", "update", "updates", "t"),
)
"""What columns of steps are called, in any case; of several in one record of a log, the first."""
_EMPTY = ("", "na", "n/a", "null", "none", "-")
_LISTED = 6  # names that a message has


class Table(NamedTuple):
    """Columns as a file has them, of one length.

    Attributes:
        source: what errors call the file.
        columns: by name, numbers or text (objects: text, numbers, None), [rows]; [runs, rows] where
            one name holds several curves.
        step: column that the format itself gives the steps in; "" where it does not.
        skipped: what is no column, by name, and why.
        notes: what the reader took upon itself, a sentence each.
    """

    source: str
    columns: dict[str, Shaped[np.ndarray, "*axes"]]
    step: str = ""
    skipped: Sequence[tuple[str, str]] = ()
    notes: tuple[str, ...] = ()


class Choice(NamedTuple):
    """Which columns are what.

    Attributes:
        step: column of the steps.
        losses: columns of the curves.
        by: column that tells runs apart, "" where there is one run.
        left_out: columns that a default left out.
        notes: what is to be told about it, a sentence each.
    """

    step: str
    losses: list[str]
    by: str
    left_out: list[str]
    notes: tuple[str, ...]


class Numbers(NamedTuple):
    """A column's numbers.

    Attributes:
        values: NaN where nothing is written, or NaN is.
        written: where something is.
    """

    values: Float[np.ndarray, "*axes"]
    written: Bool[np.ndarray, "*axes"]


def choose_columns(
    table: Table, *, step: str | None, loss: Iterable[str], by: str | None
) -> Choice:
    """The columns of steps, of losses and of runs: those named, or what their names suggest.

    Arguments:
        table: the columns.
        step: column of the steps. Default: that of the format, the first called as `STEP_NAMES`
            say, or the first of all.
        loss: columns of the curves. Default: those called something with "loss", no scale, that
            hold more than one number; without any, all others that do not hold text alone.
        by: column that tells runs apart.

    Raises:
        ValueError: there is no column of a name, or none is left for losses.
    """
    names, wanted = list(table.columns), list(dict.fromkeys(loss))
    for flag, given in (("--step", [step]), ("--loss", wanted), ("--by", [by])):
        for name in given:
            if name is not None and name not in table.columns:
                raise _unknown(table, flag, name)
    used, notes = {*wanted, by}, []
    place = step if step is not None else table.step
    if not place:
        free = [name for name in names if name not in used]
        known = [name for name in (*free, *names) if name.lower() in STEP_NAMES]
        place = next(iter((*known, *free, *names)), "")
        if not known and len(free) > 1:
            notes.append(
                f"took {place!r}, the first column, for the steps; --step NAME takes another"
            )
    for flag, given in (("--loss", wanted), ("--by", [by])):
        if place in given:
            raise fail(flag, "another column than that of the steps", place, "choose another")
    if by in wanted:
        raise fail("--by", "another column than those of the losses", by, "choose another")
    for flag, name in (("--step", place), ("--by", by)):
        if name in table.columns and table.columns[name].ndim > 1:
            do = "name a column with one entry a row"
            raise fail(flag, "one column", f"several in {name}", do, described=True)
    others = [name for name in names if name not in (place, by)]
    losses = wanted or _default_losses(table, others)
    if not losses or not len(np.ravel(table.columns[place])):
        rows = len(np.ravel(table.columns[place])) if place in table.columns else 0
        text = f"{rows} rows of {list_names(names)}"
        do = "give a header, a column of steps and one for each curve"
        raise fail(table.source, "steps and losses", text, do, described=True)
    left_out = [] if wanted else [name for name in others if name not in losses]
    if left_out:
        text = f"took {list_names(losses)} for losses, left out {list_names(left_out)}"
        notes.append(f"{text}; --loss NAME takes what it names")
    return Choice(place, losses, by or "", left_out, (*table.notes, *notes))


def column_numbers(where: str, cells: Shaped[np.ndarray, "*axes"]) -> Numbers:
    """A column as float64. Empty text, NA, NULL, None and "-" are not written.

    Arguments:
        where: what an error calls it.
        cells: numbers, or text and objects that stand for numbers, of any shape.

    Raises:
        ValueError: a cell holds something else: text, a truth value, a complex number, a list.
    """
    if cells.dtype.kind in "iuf":
        return Numbers(cells.astype(np.float64), np.ones(cells.shape, bool))
    if cells.dtype.kind not in "OU":
        text, do = f"an array of type {cells.dtype}", "save it as real numbers, or leave it out"
        raise fail(where, "numbers", text, do, described=True)
    values, written = np.full(cells.size, np.nan), np.zeros(cells.size, bool)
    for row, cell in enumerate(np.ravel(cells).tolist()):
        if is_empty(cell):
            continue
        try:
            values[row] = _number(cell)
        except (ValueError, OverflowError):
            shown = str(cell).strip() if isinstance(cell, str) else cell
            kind = "text" if isinstance(cell, str) else "other things"
            text = f"a column with {kind} ({shown!r:.40} in row {row + 1})"
            do = "name other columns with --step and --loss, or mend the file"
            raise fail(where, "numbers", text, do, described=True) from None
        written[row] = True
    return Numbers(values.reshape(cells.shape), written.reshape(cells.shape))


def run_names(where: str, cells: Shaped[np.ndarray, " rows"]) -> list[str]:
    """A name for each row of the column that tells runs apart.

    Arguments:
        where: what an error calls it.
        cells: numbers or text.

    Raises:
        ValueError: a row has none.
    """
    names = []
    for row, cell in enumerate(cells.tolist()):
        whole = isinstance(cell, float) and cell.is_integer()
        name = "" if is_empty(cell) or cell != cell else str(int(cell) if whole else cell).strip()
        if not name:
            do = "fill it in, or leave out the rows without"
            text = f"nothing in row {row + 1}"
            raise fail(where, "a name of the run in every row", text, do, described=True)
        names.append(name)
    return names


def is_empty(cell: Any) -> bool:
    """Whether nothing is written in a cell."""
    if isinstance(cell, str):
        return cell.strip().lower() in _EMPTY
    return cell is None


def counts_updates(name: str) -> bool:
    """Whether a column of steps counts updates by its name: "train/global_step" does.

    >>> counts_updates("train/global_step"), counts_updates("epoch")
    (True, False)
    """
    return last_word(name) in STEP_NAMES


def last_word(name: str) -> str:
    """What is named last: of "train/global_step" the "global_step", of "INFO step" the step."""
    return re.split(r"[ ./]", name.lower())[-1]


def list_names(names: Sequence[str]) -> str:
    """The first few names, and how many more there are."""
    more = len(names) - _LISTED
    return ", ".join(names[:_LISTED]) + (f" and {more} more" if more > 0 else "")


def _default_losses(table: Table, others: list[str]) -> list[str]:
    """Columns that are taken for losses where none is named."""
    called = [name for name in others if re.search(r"loss(?!.?scale)", name.lower())]
    counts = [_count(table.columns[name]) for name in called]
    if called:
        # One number among curves is the mean that trainers write at the end.
        lone = {name for name, count in zip(called, counts, strict=True) if count == 1}
        return [name for name in called if name not in lone or max(counts) == 1]
    return [name for name in others if not _is_text(table.columns[name])] or others


def _count(cells: Shaped[np.ndarray, "*axes"]) -> int:
    """Cells with something in them."""
    if cells.dtype.kind not in "OU":
        return cells.size
    return sum(not is_empty(cell) for cell in np.ravel(cells).tolist())


def _is_text(cells: Shaped[np.ndarray, "*axes"]) -> bool:
    """Whether a column holds something, and no number at all."""
    if cells.dtype.kind not in "OU":
        return cells.dtype.kind not in "iuf"
    something = False
    for cell in np.ravel(cells).tolist():
        if not is_empty(cell):
            something = True
            try:
                _number(cell)
            except (ValueError, OverflowError):
                continue
            return False
    return something


def _number(cell: Any) -> float:
    """The number in a cell.

    Raises:
        ValueError: it holds none.
        OverflowError: it has hundreds of digits.
    """
    if isinstance(cell, str):
        if "_" in cell:  # Python's "2_0" is 20, a name's is none
            raise ValueError
        return float(cell)
    if isinstance(cell, bool) or not isinstance(cell, int | float | np.integer | np.floating):
        raise ValueError
    return float(cell)


def _unknown(table: Table, flag: str, name: str) -> ValueError:
    """The error for a name that is no column's."""
    for skipped, reason in table.skipped:
        if skipped == name:
            do = "save it as the other columns are"
            return fail(flag, f"a column of {table.source}", reason, do, described=True)
    near = suggest(name, table.columns)
    do = near if near.startswith("did") else f"choose one of {list_names(list(table.columns))}"
    return fail(flag, f"a column of {table.source}", name, do)
