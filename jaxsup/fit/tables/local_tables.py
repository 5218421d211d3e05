"""Local exponents over a labeled sweep, beside the theory, as tables and text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from jaxtyping import Float

from jaxsup._internal.aliases import short_name
from jaxsup._internal.blas import one_blas_thread
from jaxsup.fit.curves import read_losses
from jaxsup.fit.single.result import json_safe
from jaxsup.fit.stretches.local_exponents import LocalOptions, find_local_exponents
from jaxsup.fit.tables.references import theory_limit
from jaxsup.fit.tables.settings import (
    TOO_SHORT,
    Setting,
    check_curves,
    name_apart,
    read_settings,
)
from jaxsup.fit.tables.texts import (
    align_columns,
    coordinate_names,
    decimals,
    partial_notes,
    setting_cells,
    setting_records,
    without_result,
)

if TYPE_CHECKING:
    import xarray as xr

_LABELS = {
    "exponent": "local exponent, -d log L / d log t",
    "interval_low": "lower end of its interval",
    "interval_high": "upper end of its interval",
    "theory": "local exponent of the linear student without superposition (K = N), this N",
}
_SETTING_LABELS = {
    "seeds_used": "seeds used",
    "seeds_dropped": "seeds left out as diverged",
    "steps_partial": "steps left out because not all seeds recorded them",
    "problem": "why there are none, in short",
    "reason": "why there are none",
}


NONE = "no local exponents here: "
"""How a reason begins."""


class _Line(NamedTuple):
    """One setting's local exponents, a column for each of `_LABELS`."""

    steps: Float[np.ndarray, " points"]
    columns: Float[np.ndarray, "points columns"]
    seeds_used: int
    problem: str
    reason: str


@one_blas_thread()
def measure_local_exponents(
    dataset: xr.Dataset, *, after: float = 0, confidence: float = 0.95, **options: Any
) -> xr.Dataset:
    """alpha(t) = -d log L / d log t along every curve of a sweep, beside that of the theory.

    Arguments:
        dataset: result of `jaxsup.run`, with ``loss`` over (axis names..., "seed", "step").
        after: leave out earlier steps. Unlike a fit, a local exponent shows the start-up.
        confidence: level of the intervals.
        options: others of `jaxsup.fit.local_exponent`.

    Returns:
        Over (axis names..., "step"): ``exponent`` with ``interval_low`` and ``interval_high``, and
        ``theory``, the local exponent, by the same lines through the same bins, of the linear
        student without superposition (`jaxsup.theory.references.linear_reference`). The steps are
        the bins' means, of all settings together; NaN where a setting has none or has no theory.
        Over (axis names...): ``theory_limit``, (a + 2b - 1)/a; ``seeds_used``, ``seeds_dropped``,
        ``steps_partial``, steps left out because not all seeds recorded them, and ``problem`` and
        ``reason``, why a setting has none. An axis or coordinate that is called as one of these,
        say "theory", becomes "theory_axis".

    Raises:
        ValueError: as `jaxsup.fit.local_exponent`; `after` is later than every recorded step; or
            there are no losses over settings, seeds and steps, or no step counts.
    """
    import xarray as xr

    check_curves(dataset)
    dataset = name_apart(dataset, (*_LABELS, *_SETTING_LABELS, "theory_limit"))
    loss = dataset["loss"].transpose(..., "seed", "step")
    dims, shape = loss.dims[:-2], loss.shape[:-2]
    settings = list(read_settings(dataset, after))
    lines = _measure_lines(settings, LocalOptions(**options, confidence=confidence))
    steps = np.unique(np.concatenate([line.steps for line in lines]))
    values = np.full((len(lines), len(steps), len(_LABELS)), math.nan)
    for place, line in enumerate(lines):
        values[place, np.searchsorted(steps, line.steps)] = line.columns
    values = values.reshape(*shape, len(steps), len(_LABELS))
    columns: dict[str, Any] = {
        name: ((*dims, "step"), values[..., k], {"long_name": label})
        for k, (name, label) in enumerate(_LABELS.items())
    }
    rows = [
        (line.seeds_used, setting.dropped, setting.partial, line.problem, line.reason)
        for setting, line in zip(settings, lines, strict=True)
    ]
    for (name, label), entries in zip(
        _SETTING_LABELS.items(), zip(*rows, strict=True), strict=True
    ):
        columns[name] = (dims, np.asarray(entries).reshape(shape), {"long_name": label})
    coords = {name: c for name, c in dataset.coords.items() if set(c.dims) <= set(dims)}
    axis_attrs = {"long_name": "mean training steps t of a bin", "units": "updates"}
    if dataset["step"].attrs and "units" not in dataset["step"].attrs:  # of a file, in epochs say
        axis_attrs = dataset["step"].attrs
    axis = ("step", steps, axis_attrs)
    attrs = {**dataset.attrs, "confidence": confidence}
    table = xr.Dataset(columns, coords={**coords, "step": axis}, attrs=attrs)
    return table.assign(theory_limit=theory_limit(table, table["problem"]))


def local_exponents_to_records(table: xr.Dataset) -> list[dict[str, Any]]:
    """One JSON-safe mapping a setting: its coordinates, then lists over its steps.

    Arguments:
        table: result of `measure_local_exponents`.

    Returns:
        Records in the order of the axes; None for numbers that are not finite.
    """
    steps = table["step"].values
    records = setting_records(table, "problem", "step")
    shape = len(records), len(steps)  # of no steps, maybe
    columns = [table[name].transpose(..., "step").values.reshape(shape) for name in _LABELS]
    for place, record in enumerate(records):
        there = ~np.isnan(columns[0][place])
        record["step"] = steps[there].tolist()
        for name, values in zip(_LABELS, columns, strict=True):
            record[name] = [json_safe(value) for value in values[place, there].tolist()]
    return records


def format_local_exponents(table: xr.Dataset) -> str:
    """The local exponents as aligned text: one line for each setting and bin.

    Arguments:
        table: result of `measure_local_exponents`.

    Returns:
        A header and the lines of every setting; below, of which settings steps were left out.
    """
    names = coordinate_names(table, "problem")
    lines = [[*map(short_name, names), "step", "local exponent", "theory", "limit"]]
    records = local_exponents_to_records(table)
    for record in records:
        cells, limit = setting_cells(record, names), decimals(record["theory_limit"])
        if not record["step"]:
            lines.append([*cells, "-", without_result(record["problem"]), "-", limit])
        for step, *values, theory in zip(
            record["step"], *(record[name] for name in _LABELS), strict=True
        ):
            exponent, low, high = map(decimals, values)
            known = "" if low == "-" else f" ({low} to {high})"
            lines.append([*cells, f"{step:.4g}", exponent + known, decimals(theory), limit])
            cells = [""] * len(names)
    return align_columns(lines) + partial_notes(records, names)


def _measure_lines(settings: Sequence[Setting], options: LocalOptions) -> list[_Line]:
    """Local exponents of settings and of their theories, no bins where there is nothing to fit."""
    options.check()
    known = [losses for losses in (setting.losses for setting in settings) if losses is not None]
    found = iter(find_local_exponents(known, options))
    theories = _measure_theories(settings, options)
    lines = []
    for place, setting in enumerate(settings):
        if setting.losses is None:
            nothing = np.zeros(0), np.zeros((0, len(_LABELS)))
            lines.append(_Line(*nothing, 0, setting.problem, setting.explain(NONE)))
            continue
        local, exact = next(found), theories.get(place, np.zeros(0))
        theory = np.full(len(local.steps), math.nan)
        theory[: len(exact)] = exact[: len(theory)]
        columns = np.column_stack([local.exponent, local.interval, theory])
        problem = reason = ""
        if not np.isfinite(local.exponent).any():
            points = f"{len(columns)} log-spaced points of a positive loss"
            problem, reason = TOO_SHORT, NONE + points
        lines.append(_Line(local.steps, columns, local.seeds_used, problem, reason))
    return lines


def _measure_theories(
    settings: Sequence[Setting], options: LocalOptions
) -> dict[int, Float[np.ndarray, " points"]]:
    """Local exponents of the theory, by the places of the settings that have one."""
    places = [
        place
        for place, setting in enumerate(settings)
        if setting.losses is not None and np.isfinite(setting.theory).all()
    ]
    records = [read_losses(settings[place].steps, settings[place].theory) for place in places]
    found = find_local_exponents(records, options, intervals=False)
    exponents = {}
    for place, record, exact in zip(places, records, found, strict=True):
        # It may fall to 0 where the loss does not: the bin in which it does is another one.
        ends = record.steps.size < settings[place].steps.size
        exponents[place] = (
            exact.exponent[: max(len(exact.exponent) - 1, 0)] if ends else exact.exponent
        )
    return exponents
