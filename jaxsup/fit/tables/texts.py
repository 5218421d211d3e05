"""Tables over settings as rows and as aligned text."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxsup._internal.aliases import short_name
from jaxsup._internal.validation import fail
from jaxsup.fit.single.result import json_safe
from jaxsup.fit.tables.references import scanned_fields
from jaxsup.fit.tables.settings import UNTRAINED

_MASKED = {
    "found": False,
    "correlation_open": False,
    "seeds_used": 0,
    "seeds_dropped": 0,
    "steps_partial": 0,
    "stretch_count": 0,
    "problem": "masked",
    "reason": "masked",
}
"""What stands in a table for a setting that `xarray.Dataset.where` masked: it puts NaN there."""

if TYPE_CHECKING:
    import xarray as xr


def setting_columns(table: xr.Dataset, like: str) -> dict[str, list[Any]]:
    """Coordinates and variables over settings as columns, a row each in the order of the axes.

    Arguments:
        table: variables over settings, and perhaps others over more.
        like: name of a variable over settings alone.

    Returns:
        By name, the coordinates first, as Python's numbers and text.
    """
    table, template = unmasked(table), table[like]
    columns = {}
    for name in [*table.coords, *table.data_vars]:
        if set(table[name].dims) <= set(template.dims):
            values = table[name].broadcast_like(template).transpose(*template.dims).values
            columns[str(name)] = np.ravel(values).tolist()
    return columns


def unmasked(table: xr.Dataset) -> xr.Dataset:
    """A table with counts, words and yes or no as they were before `where` put NaN among them."""
    blank = {name: value for name, value in _MASKED.items() if name in table}
    return table.assign(
        {name: table[name].fillna(value).astype(type(value)) for name, value in blank.items()}
    )


def setting_records(table: xr.Dataset, like: str, inner: str | None = None) -> list[dict[str, Any]]:
    """The rows of `setting_columns`, JSON-safe: None for numbers that are not finite.

    Raises:
        ValueError: `where` masked the table along the dimension `inner` of a setting.
    """
    if inner in table[like].dims:
        text, do = f"one masked along its {inner}", "mask settings, or take sel"
        raise fail("table", "a table of settings", text, do, described=True)
    columns = setting_columns(table, like)
    rows = zip(*columns.values(), strict=True)
    return [dict(zip(columns, map(json_safe, row), strict=True)) for row in rows]


def coordinate_names(table: xr.Dataset, like: str) -> list[str]:
    """Names of what tells the settings of a table apart, the superposition ratio last.

    In the order of the dimensions, and of the fields of a joint one: a store has another one.
    """
    dims, fields = table[like].dims, scanned_fields(table)
    names = [
        str(name)
        for name, coord in table.coords.items()
        if coord.dims and set(coord.dims) <= set(dims)
    ]

    def place(name: str) -> tuple[bool, int, int]:
        among = fields.index(name) if name in fields else len(fields)
        return name == "superposition_ratio", dims.index(table[name].dims[0]), among

    return sorted(names, key=place)


def setting_cells(row: Mapping[str, Any], names: list[str]) -> list[str]:
    """The coordinates of a setting as text, numbers in short."""
    return [_in_short(row[name]) for name in names]


def decimals(value: float | None) -> str:
    """A number with three decimals, "-" where there is none."""
    return "-" if value is None or not math.isfinite(value) else f"{value:.3f}"


def without_result(problem: str) -> str:
    """What stands in place of a setting's result: "none: " and why, or that it was not trained."""
    return problem if problem == UNTRAINED else f"none: {problem}"


def window_text(first: float | None, last: float | None) -> str:
    """First and last step of a window, "-" where there is none; steps need not be integers."""
    if first is None or last is None:
        return "-"
    return "..".join(f"{end:.0f}" if end == round(end) else f"{end:g}" for end in (first, last))


def partial_notes(records: Sequence[Mapping[str, Any]], names: list[str]) -> str:
    """Lines to stand below a table, on settings of which steps were left out; "" without any.

    Arguments:
        records: one a setting.
        names: of what tells them apart.
    """
    notes = []
    for row in records:
        if count := row["steps_partial"]:
            where = [
                f"{short_name(name)} {cell}"
                for name, cell in zip(names, setting_cells(row, names), strict=True)
            ]
            steps = "1 step" if count == 1 else f"{count} steps"
            words = f"{steps} left out that not all seeds recorded"
            notes.append("\n" + ", ".join(where) + (": " if where else "") + words)
    return "".join(notes)


def align_columns(rows: list[list[str]]) -> str:
    """Cells as text, columns aligned to the right.

    Arguments:
        rows: of one length, the header first.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [[c.rjust(width) for c, width in zip(row, widths, strict=True)] for row in rows]
    return "\n".join("  ".join(line).rstrip() for line in lines)


def _in_short(value: object) -> str:
    plain = isinstance(value, int | float) and not isinstance(value, bool)
    return f"{value:g}" if plain else str(value)
