"""Exponents over a labeled sweep, beside the theory without superposition, as tables and text."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxsup._internal.aliases import short_name
from jaxsup._internal.blas import one_blas_thread
from jaxsup._internal.validation import check_number, fail
from jaxsup.fit.single.power_law import read_window
from jaxsup.fit.single.result import PowerLawFit
from jaxsup.fit.tables.processes import fit_curves
from jaxsup.fit.tables.references import log_slope, theory_limit
from jaxsup.fit.tables.settings import OUTSIDE, check_curves, name_apart, read_settings
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

NONE = "no power law here: "
"""How a reason begins."""
_OPEN = "open"
_OPEN_NOTE = (
    "open: the record of one curve does not tell how long its noise is correlated; the interval "
    "may be as wide as widest_low to widest_high; train several seeds, or record more often"
)
_ENDS = ("low", "high")
_LABELS = {
    "exponent": "training exponent alpha",
    "stderr": "standard error of alpha",
    "interval_low": "lower end of alpha's interval",
    "interval_high": "upper end of alpha's interval",
    "correlation_open": "whether the record leaves open how long its noise is correlated",
    "widest_low": "lower end of alpha's interval under the longest correlation",
    "widest_high": "upper end of alpha's interval under the longest correlation",
    "theory": "exponent of the linear student without superposition (K = N), this N and window",
    "theory_limit": "exponent without superposition, infinitely many features: (a + 2b - 1)/a",
    "slope": "log-log slope over the window, sign dropped, whether or not it is a power law",
    "amplitude": "amplitude A",
    "floor": "floor c",
    "fit_after": "step before which none is fitted",
    "window_first": "first step of the fit",
    "window_last": "last step of the fit",
    "decades": "decades of steps in the window",
    "drift": "change of the local slope over the window",
    "seeds_used": "seeds used",
    "seeds_dropped": "seeds left out as diverged",
    "steps_partial": "steps left out because not all seeds recorded them",
    "found": "whether there is a power law",
    "problem": "why there is none, in short",
    "reason": "why there is none",
}


@one_blas_thread()
def measure_exponents(
    dataset: xr.Dataset,
    *,
    window: tuple[float, float] | None = None,
    after: float | None = None,
    floor: bool = False,
    confidence: float = 0.95,
) -> xr.Dataset:
    """Fit L(t) ~ t^-alpha (or c + A t^-alpha) at every setting of a sweep.

    From 500 settings on, each core fits a share of them, in a process of its own.

    Arguments:
        dataset: result of `jaxsup.run`, with ``loss`` over (axis names..., "seed", "step").
        window: first and last step of the fit; default: chosen for each setting, and reported.
        after: leave out earlier steps. Default: each setting's start-up, as
            `jaxsup.theory.references.start_up` has it from a, b, the learning rate and the largest
            second moment. Where that start-up is not known, the warm-up of a scheduled rate is left
            out, or nothing: without power laws of data and teacher, with optimizers other than
            plain SGD at one constant rate, for students without a core or with noise, for weighted
            losses, on training sets, with given starts, and where a coordinate that tells settings
            apart was dropped or has another name. Nothing is left out where `window` is given.
        floor: fit a floor c as well.
        confidence: level of the interval.

    Returns:
        The fields of `jaxsup.fit.PowerLawFit` over (axis names...), with the sweep's coordinates,
        ``fit_after``, and two exponents without superposition (arXiv 2602.01045): ``theory``, the
        log-log slope, over the same bins of the same window, of the linear student with K = N
        features (`jaxsup.theory.references.linear_reference`), and ``theory_limit``, (a + 2b - 1)/a
        of infinitely many features. NaN where there is none, a = 0 among them; ``theory`` too where
        its loss falls to 0 within the window, and beyond 16,384 features with a mean; both where a
        coordinate is lost, as for `after`, or a dimension has no field along it. Where no
        power law is found, ``exponent`` is NaN and ``reason`` says why, also where all seeds
        diverged. Of the seeds that are fitted together, the steps are used that all recorded;
        ``steps_partial`` counts the others. An axis or coordinate that is called as one of these,
        say "theory", becomes "theory_axis".

    Raises:
        ValueError: as `jaxsup.fit_power_law`, of a window outside of the record where it is so at
            every setting; `after` is later than every recorded step; or there are no losses over
            settings, seeds and steps, or no step counts.
    """
    import xarray as xr

    check_curves(dataset)
    _check_arguments(window, confidence)
    dataset = name_apart(dataset, _LABELS)
    loss = dataset["loss"].transpose(..., "seed", "step")
    dims, shape = loss.dims[:-2], loss.shape[:-2]
    options = {"window": window, "floor": floor, "confidence": confidence}
    if window is not None and after is None:
        after = 0
    elif window is not None and after is not None and window[1] <= after:
        raise fail("window", f"a part of the steps from {after:g} on", window, "leave out `after`")
    rows = list(_measure_settings(dataset, after, options))
    columns: dict[str, Any] = {
        name: (dims, np.asarray([row[name] for row in rows]).reshape(shape), {"long_name": label})
        for name, label in _LABELS.items()
        if name in rows[0]
    }
    coords = {name: c for name, c in dataset.coords.items() if set(c.dims) <= set(dims)}
    attrs = {"confidence": confidence, "fit_floor": int(floor)}
    table = xr.Dataset(columns, coords=coords, attrs={**dataset.attrs, **attrs})
    table = table.assign(theory_limit=theory_limit(table, table["exponent"]))
    return table[list(_LABELS)]


def exponents_to_records(table: xr.Dataset) -> list[dict[str, Any]]:
    """One JSON-safe mapping a setting: its coordinates, then every field of its fit.

    Arguments:
        table: result of `measure_exponents`.

    Returns:
        Records in the order of the axes; None for numbers that are not finite.
    """
    return setting_records(table, "exponent")


def format_exponents(table: xr.Dataset) -> str:
    """The table as aligned text: settings, exponent +- standard error, theory, window, seeds.

    "theory" is the exponent without superposition at this N and window, "limit" that of infinitely
    many features; "-" where there is none.

    Arguments:
        table: result of `measure_exponents`.

    Returns:
        A header and one line a setting; below, of which settings steps were left out.
    """
    names = coordinate_names(table, "exponent")
    header = [*map(short_name, names), "exponent", "theory", "limit", "window", "seeds"]
    records = exponents_to_records(table)
    rows = [[*setting_cells(row, names), *_result_cells(row)] for row in records]
    notes = partial_notes(records, names)
    if any(row["correlation_open"] for row in records):
        notes += f"\n{_OPEN_NOTE}"
    return align_columns([header, *rows]) + notes


def _measure_settings(
    dataset: xr.Dataset, after: float | None, options: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    """The row of each setting; a fit that is refused its arguments leaves the others theirs."""
    errors, others = [], False
    settings = list(read_settings(dataset, after))
    curves = [(setting.steps, setting.loss) for setting in settings if not setting.problem]
    fits = iter(fit_curves(curves, options))
    for setting in settings:
        fit = PowerLawFit(reason=setting.explain(NONE), seeds_dropped=setting.dropped)
        result = fit if setting.problem else next(fits)
        if isinstance(result, ValueError):
            errors.append(result)
            fit = dataclasses.replace(fit, reason=f"{NONE}{result}")
        else:
            others, fit = others or not setting.problem, result
        refusal = "" if fit.refusal is None else fit.refusal.name.lower().replace("_", " ")
        yield {
            **_fields(fit),
            # A window is the one argument that suits some curves and not others.
            "problem": setting.problem or refusal or ("" if fit.found else OUTSIDE),
            "theory": log_slope(setting.steps, setting.theory, fit.window),
            "fit_after": setting.after,
            "steps_partial": setting.partial,
        }
    if errors and not others:
        raise errors[0]


def _check_arguments(window: tuple[float, float] | None, confidence: float) -> None:
    """Raise for what `fit_power_law` takes of no curve: there may be settings without a fit."""
    do = "give a fraction such as 0.95"
    check_number("confidence", confidence, do, low=0, high=1, low_open=True, high_open=True)
    ends = read_window(window)
    if ends is not None and (len(ends) != 2 or not ends[0] < ends[1]):
        do = "give the first and the last step to fit"
        raise fail("window", "(first, last) with first < last", window, do)


def _fields(fit: PowerLawFit) -> dict[str, Any]:
    """A fit as one row of the table, pairs as two columns."""
    pairs = {"interval": fit.interval, "widest": fit.widest}
    ends = {f"{name}_{end}": pair[end == "high"] for name, pair in pairs.items() for end in _ENDS}
    return {**vars(fit), **ends, "window_first": fit.window[0], "window_last": fit.window[1]}


def _result_cells(row: Mapping[str, Any]) -> list[str]:
    """Exponent, theory and its limit, window and seeds of one setting as text."""
    slope = "" if row["slope"] is None else f" (slope {row['slope']:.3f})"
    exponent = without_result(row["problem"]) + slope
    if row["found"]:
        exponent = f"{row['exponent']:.3f} +- {row['stderr']:.3f}"
        exponent += f" ({_OPEN})" if row["correlation_open"] else ""
    window, dropped = window_text(row["window_first"], row["window_last"]), row["seeds_dropped"]
    seeds = f"{row['seeds_used']}" + (f" ({dropped} diverged)" if dropped else "")
    return [exponent, decimals(row["theory"]), decimals(row["theory_limit"]), window, seeds]
