"""Regimes over a labeled sweep, each stretch beside the theory, as tables and text."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxsup._internal.aliases import short_name
from jaxsup._internal.blas import one_blas_thread
from jaxsup.fit.intervals import Estimate
from jaxsup.fit.single.result import json_safe
from jaxsup.fit.stretches.kinds import POWER_LAW
from jaxsup.fit.stretches.regime_search import RegimeOptions, find_regimes
from jaxsup.fit.stretches.regimes import Regimes, Stretch
from jaxsup.fit.tables.references import log_slope, theory_limit
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
    window_text,
    without_result,
)

if TYPE_CHECKING:
    import xarray as xr

_STRETCH_LABELS = {
    "kind": "power-law, crossover, plateau or cut-off",
    "exponent": "mean local exponent of the stretch",
    "interval_low": "lower end of its interval",
    "interval_high": "upper end of its interval",
    "theory": "slope of the linear student without superposition (K = N), this N and power law",
    "window_first": "first step of the stretch",
    "window_last": "last step of the stretch",
    "decades": "decades of steps in the stretch",
}
_LAW_LABELS = {
    "exponent": "exponent",
    "interval_low": "lower end of the exponent",
    "interval_high": "upper end of the exponent",
    "window_first": "first step",
    "window_last": "last step",
}
_LAWS = {"first": "the first power law", "last": "the last power law before the floor"}
_SETTING_LABELS = {
    "floor": "level that the loss ends at",
    "floor_low": "lower end of the floor's interval",
    "floor_high": "upper end of the floor's interval",
    "fit_after": "step before which none is used",
    "seeds_used": "seeds used",
    "seeds_dropped": "seeds left out as diverged",
    "steps_partial": "steps left out because not all seeds recorded them",
    "problem": "why there are no regimes, in short",
    "reason": "why there are none",
}
_NOWHERE = Stretch("", (math.nan, math.nan), math.nan, (math.nan, math.nan), math.nan, 0)


@one_blas_thread()
def measure_regimes(
    dataset: xr.Dataset, *, after: float | None = None, confidence: float = 0.95, **options: Any
) -> xr.Dataset:
    """Cut the loss curve of every setting of a sweep into regimes.

    Arguments:
        dataset: result of `jaxsup.run`, with ``loss`` over (axis names..., "seed", "step").
        after: leave out earlier steps. Default: each setting's start-up, as in
            `jaxsup.measure_exponents`.
        confidence: level of the intervals.
        options: others of `jaxsup.fit.regimes`.

    Returns:
        Over (axis names..., "stretch"), padded with "" and NaN: ``kind``, ``exponent`` with
        ``interval_low`` and ``interval_high``, ``theory``, ``window_first``, ``window_last`` and
        ``decades`` of every stretch; ``theory`` is the slope of the linear student without
        superposition over the window of a power law, as in `jaxsup.measure_exponents`. Over (axis
        names...): ``first_exponent`` and ``last_exponent``, of the first power law and of the last
        one before the floor, with intervals and windows, NaN where there is none;
        ``stretch_count``; ``floor`` with its interval, NaN where none is in sight;
        ``theory_limit``; and why a setting has no regimes. An axis or coordinate that is called as
        one of these, say "theory", becomes "theory_axis".

    Raises:
        ValueError: as `jaxsup.fit.regimes`; `after` is later than every recorded step; or there are
            no losses over settings, seeds and steps, or no step counts.
    """
    import xarray as xr

    check_curves(dataset)
    taken = (*_setting_labels(), *_STRETCH_LABELS, "stretch", "stretches", "theory_limit")
    dataset = name_apart(dataset, taken)
    loss = dataset["loss"].transpose(..., "seed", "step")
    dims, shape = loss.dims[:-2], loss.shape[:-2]
    settings = list(read_settings(dataset, after))
    found = _cut(settings, RegimeOptions(**options, confidence=confidence))
    rows = [_setting_fields(*pair) for pair in zip(settings, found, strict=True)]
    most = max((len(one.stretches) for one in found), default=0)
    stretches = [
        _stretch_fields(setting, stretch)
        for setting, one in zip(settings, found, strict=True)
        for stretch in [*one.stretches, *[_NOWHERE] * (most - len(one.stretches))]
    ]
    table = xr.Dataset(
        {
            **_columns(stretches, _STRETCH_LABELS, (*dims, "stretch"), (*shape, most)),
            **_columns(rows, _setting_labels(), dims, shape),
        },
        coords={name: c for name, c in dataset.coords.items() if set(c.dims) <= set(dims)},
        attrs={**dataset.attrs, "confidence": confidence},
    )
    limit = theory_limit(table, table["first_exponent"])
    return table.assign(theory_limit=limit)


def regimes_to_records(table: xr.Dataset) -> list[dict[str, Any]]:
    """One JSON-safe mapping a setting: coordinates, first and last law, floor, ``stretches``.

    Arguments:
        table: result of `measure_regimes`.

    Returns:
        Records in the order of the axes; None for numbers that are not finite.
    """
    records = setting_records(table, "first_exponent", "stretch")
    shape = len(records), table.sizes["stretch"]  # of no stretches, maybe
    columns = {
        name: table[name].transpose(..., "stretch").values.reshape(shape).tolist()
        for name in _STRETCH_LABELS
    }
    for place, record in enumerate(records):
        rows = [column[place][: record["stretch_count"]] for column in columns.values()]
        record["stretches"] = [
            dict(zip(columns, map(json_safe, values), strict=True))
            for values in zip(*rows, strict=True)
        ]
    return records


def format_regimes(table: xr.Dataset) -> str:
    """The stretches as aligned text: one line each, and one for a floor.

    "first" and "last" mark the first power law and the last one before the floor.

    Arguments:
        table: result of `measure_regimes`.

    Returns:
        A header and the lines of every setting; below, of which settings steps were left out.
    """
    names = coordinate_names(table, "first_exponent")
    header = [*map(short_name, names)]
    lines = [[*header, "kind", "exponent", "theory", "limit", "window", "decades", ""]]
    records = regimes_to_records(table)
    for record in records:
        cells = setting_cells(record, names)
        for content in _stretch_lines(record):
            lines.append([*cells, *content])
            cells = [""] * len(names)
    return align_columns(lines) + partial_notes(records, names)


def _cut(settings: Sequence[Setting], options: RegimeOptions) -> list[Regimes]:
    """The regimes of every setting, none where there is nothing to cut."""
    options.check()
    records = [setting.losses for setting in settings if setting.losses is not None]
    found = iter(find_regimes(records, options))
    level = float(options.confidence)
    return [
        next(found)
        if setting.losses is not None
        else Regimes((), None, level, 0, setting.dropped, setting.explain("no regimes here: "))
        for setting in settings
    ]


def _setting_fields(setting: Setting, found: Regimes) -> dict[str, Any]:
    """What the table holds of a setting as a whole."""
    floor = found.floor or Estimate(math.nan, math.nan, math.nan, "")
    row = {
        "stretch_count": len(found.stretches),
        "floor": floor.value,
        "floor_low": floor.low,
        "floor_high": floor.high,
        "fit_after": setting.after,
        "seeds_used": found.seeds_used,
        "seeds_dropped": found.seeds_dropped,
        "steps_partial": setting.partial,
        "problem": setting.problem or (TOO_SHORT if found.reason else ""),
        "reason": found.reason,
    }
    for which, law in (("first", found.first), ("last", found.last_before_floor)):
        fields = _stretch_fields(setting, law or _NOWHERE)
        row.update({f"{which}_{name}": fields[name] for name in _LAW_LABELS})
    return row


def _stretch_fields(setting: Setting, stretch: Stretch) -> dict[str, Any]:
    """One stretch as one row, pairs as two columns."""
    (low, high), (first, last) = stretch.interval, stretch.window
    theory = math.nan
    if stretch.kind == POWER_LAW:
        theory = log_slope(setting.steps, setting.theory, stretch.window)
    return {
        "kind": stretch.kind,
        "exponent": stretch.exponent,
        "interval_low": low,
        "interval_high": high,
        "theory": theory,
        "window_first": first,
        "window_last": last,
        "decades": stretch.decades,
    }


def _setting_labels() -> dict[str, str]:
    """Names and long names of what the table holds over settings."""
    laws = {
        f"{which}_{name}": f"{label} of {words}"
        for which, words in _LAWS.items()
        for name, label in _LAW_LABELS.items()
    }
    return {**laws, "stretch_count": "number of stretches", **_SETTING_LABELS}


def _columns(
    rows: list[dict[str, Any]],
    labels: Mapping[str, str],
    dims: tuple[Any, ...],
    shape: tuple[int, ...],
) -> dict[str, Any]:
    """Variables over `dims` from the rows, in their order."""
    return {
        name: (dims, np.asarray([row[name] for row in rows]).reshape(shape), {"long_name": label})
        for name, label in labels.items()
    }


def _stretch_lines(record: Mapping[str, Any]) -> Iterator[list[str]]:
    """The cells of each stretch of a setting beside its coordinates, and of its floor."""
    if not record["stretches"]:
        none = without_result(record["problem"])
        yield [none, "-", "-", decimals(record["theory_limit"]), "-", "-", ""]
    for stretch in record["stretches"]:
        law = stretch["kind"] == POWER_LAW
        marks = [
            which
            for which in _LAWS
            if law and stretch["window_first"] == record[f"{which}_window_first"]
        ]
        exponent = decimals(stretch["exponent"])
        if stretch["interval_low"] is not None:
            ends = decimals(stretch["interval_low"]), decimals(stretch["interval_high"])
            exponent += f" ({ends[0]} to {ends[1]})"
        window = window_text(stretch["window_first"], stretch["window_last"])
        theory, limit = decimals(stretch["theory"]), decimals(record["theory_limit"])
        decades = f"{stretch['decades']:.2f}"
        yield [stretch["kind"], exponent, theory, limit, window, decades, ", ".join(marks)]
    if record["floor"] is not None:
        ends = f"({record['floor_low']:.3g} to {record['floor_high']:.3g})"
        yield ["floor", f"L = {record['floor']:.3g} {ends}", "", "", "", "", ""]
