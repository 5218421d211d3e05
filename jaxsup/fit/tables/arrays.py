"""Arrays of NumPy's files as columns: by their names, or by their place."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from jaxtyping import Shaped

from jaxsup._internal.system import free_memory
from jaxsup._internal.validation import fail
from jaxsup.fit.tables.columns import STEP_NAMES, Table
from jaxsup.weights.files.formats import StoredTensor, list_tensors

_FEWEST = 3  # rows that a fit asks for
Arrays = dict[str, Shaped[np.ndarray, "*axes"]]


def read_npy(file: Path) -> Table:
    """Columns of a .npy: the names of a structured array; else the first of 2 axes holds the rows.

    Without names, column 0 holds the steps; one axis holds losses at steps 0, 1, 2, ...

    Raises:
        ValueError: the file is damaged or a pickle, or the array has other axes.
    """
    (stored,) = list_tensors(file)
    return _unnamed(str(file), _load(str(file), stored))


def read_npz(file: Path, step: str | None, wanted: Iterable[str]) -> Table:
    """Columns of a .npz: arrays of one axis and length; of "loss" with two axes, [runs, steps].

    A single array is read as that of a .npy. Arrays that are no such columns are passed over.

    Arguments:
        file: the archive.
        step: name of the steps. Default: the first of the usual name, or the first with one axis.
        wanted: names of losses; none of these is passed over.

    Raises:
        ValueError: the file is damaged, or an array that is asked for is no column.
    """
    source, tensors = str(file), list_tensors(file)
    arrays = {
        stored.name: _load(f"{source}: {stored.name}", stored)
        for stored in tensors
        if not stored.dtype.startswith("object") and "pickle" not in stored.problem
    }
    if len(tensors) == 1 and len(arrays) == 1 and step is None:
        name, array = next(iter(arrays.items()))
        return _unnamed(source, array, "loss" if name.startswith("arr_") else name)
    if step is not None and step not in arrays:  # the choice of columns says that it is none
        return Table(source, arrays)
    lines = [name for name, array in arrays.items() if array.ndim == 1]
    known = [name for name in lines if name.lower() in STEP_NAMES]
    place = step or next(iter(known or lines), "")
    if not place:
        text = ", ".join(f"{name} {list(array.shape)}" for name, array in arrays.items())
        do = "save them as numpy.savez(FILE, step=..., loss=...)"
        raise fail(source, "arrays of steps and losses", text or "none", do, described=True)
    rows = arrays[place].shape[-1:]
    columns = {place: arrays[place]}
    skipped = [(s.name, s.problem) for s in tensors if s.name not in arrays]
    for name, array in arrays.items():
        if array.ndim in (1, 2) and array.shape[-1:] == rows:
            columns[name] = array
        elif name in wanted or "loss" in name.lower():
            expected = f"{list(rows)} or [runs, {rows[0]}] as {place!r} has it"
            text, do = f"a shape {array.shape}", "save losses with the steps on their last axis"
            raise fail(f"{source}: {name}", expected, text, do, described=True)
        else:
            skipped.append((name, f"an array of shape {array.shape}"))
    return Table(source, columns, place if known or step else "", skipped)


def _unnamed(source: str, array: Shaped[np.ndarray, "*axes"], name: str = "loss") -> Table:
    """Columns of one array."""
    if array.dtype.names is not None:
        return Table(source, _fields(source, array))
    if array.ndim == 1:
        note = "took an array of one axis for losses at steps 0, 1, 2, ..."
        return Table(source, {"step": np.arange(len(array)), name: array}, "step", notes=(note,))
    if array.ndim != 2 or array.shape[0] < _FEWEST or array.shape[1] < 2:
        expected = "an array [rows, columns] of at least 3 rows, steps in column 0"
        do = "put the rows on the first axis, or save columns with numpy.savez(FILE, step=..., ...)"
        raise fail(source, expected, f"a shape {array.shape}", do, described=True)
    note = "took column 0 for the steps; --step and --loss take columns by their number"
    columns = {str(k): array[:, k] for k in range(array.shape[1])}
    return Table(source, columns, "0", notes=(note,) if array.shape[1] > 2 else ())


def _fields(source: str, array: Shaped[np.ndarray, "*axes"]) -> Arrays:
    """The fields of a structured array.

    Raises:
        ValueError: it has several axes, or a field has.
    """
    columns = {name: array[name] for name in array.dtype.names or ()}
    for name, column in columns.items():
        if column.ndim != 1:
            where, text = f"{source}: {name}", f"a shape {column.shape}"
            do = "save rows on one axis, and a field for each column"
            raise fail(where, "a field with one number a row", text, do, described=True)
    return columns


def _load(what: str, stored: StoredTensor) -> Shaped[np.ndarray, "*axes"]:
    """An array, if it is no pickle and fits in memory.

    Raises:
        ValueError: it is one, or does not.
    """
    if "pickle" in stored.problem:
        do = "save it as numbers, or as a structured array of them"
        raise fail(what, "an array of numbers", stored.problem, do, described=True)
    size, free = 8 * int(np.prod(stored.shape, dtype=object)), free_memory()
    if max(3 * size, stored.nbytes) > free:  # its numbers, what is written, and the curves
        text = f"a shape {stored.shape}"
        do = "keep some 100 steps a decade"
        expected = f"an array that fits in the {free / 2**30:.3g} GiB of free memory"
        raise fail(what, expected, text, do, described=True)
    return np.asarray(stored.load())
