"""Exponents over a labeled sweep, beside the theory without superposition, as tables and text."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Num

from jaxsup.fit.power_law import PowerLawFit, fit_power_law, json_safe

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

_PENDING, _DIVERGED = -1, 1  # values of a sweep's ``status``
_UNTRAINED = "not trained yet"
_LABELS = {
    "exponent": "training exponent alpha",
    "stderr": "standard error of alpha",
    "interval_low": "lower end of alpha's interval",
    "interval_high": "upper end of alpha's interval",
    "slope": "log-log slope over the window, sign dropped, whether or not it is a power law",
    "amplitude": "amplitude A",
    "floor": "floor c",
    "window_first": "first step of the fit",
    "window_last": "last step of the fit",
    "decades": "decades of steps in the window",
    "drift": "change of the local slope over the window",
    "seeds_used": "seeds used",
    "seeds_dropped": "seeds left out as diverged",
    "found": "whether there is a power law",
    "reason": "why there is none",
}
_SYMBOLS = {
    "features.exponent": "a",
    "teacher.exponent": "b",
    "student.latent": "K",
    "features.count": "N",
    "superposition_ratio": "N/K",
}


def measure_exponents(
    dataset: xr.Dataset,
    *,
    window: tuple[float, float] | None = None,
    after: float = 0,
    floor: bool = False,
    confidence: float = 0.95,
) -> xr.Dataset:
    """Fit L(t) ~ t^-alpha (or c + A t^-alpha) at every setting of a sweep.

    Arguments:
        dataset: result of `jaxsup.run`, with ``loss`` over (axis names..., "seed", "step").
        window: first and last step of the fit; default: chosen for each setting, and reported.
        after: leave out earlier steps. L ~ t^-alpha is a statement about 2 eta l_1 t >> 1, with
            the learning rate eta and the largest second moment l_1; a window that is chosen
            automatically does not know that.
        floor: fit a floor c as well.
        confidence: level of the interval.

    Returns:
        The fields of `jaxsup.fit.PowerLawFit` over (axis names...), with the sweep's coordinates,
        and ``theory``: (a + 2b - 1) / a, the exponent without superposition (arXiv 2602.01045),
        NaN where the data or the teacher is not of that family, or a = 0. Where no power law is
        found, ``exponent`` is NaN and ``reason`` says why.

    Raises:
        ValueError: as `jaxsup.fit_power_law`.
    """
    import xarray as xr

    loss = dataset["loss"].transpose(..., "seed", "step")
    loss = loss.isel(step=loss["step"].values >= after)
    dims, shape = loss.dims[:-2], loss.shape[:-2]
    status = np.zeros(loss.shape[:-1], np.int8)
    if "status" in dataset:
        status = dataset["status"].transpose(..., "seed").values
    options = {"window": window, "floor": floor, "confidence": confidence}
    rows = [
        _fields(_fit_setting(loss["step"].values, loss.values[index], status[index], options))
        for index in np.ndindex(shape)
    ]
    columns = {
        name: (dims, np.asarray([row[name] for row in rows]).reshape(shape), {"long_name": label})
        for name, label in _LABELS.items()
    }
    coords = {name: c for name, c in dataset.coords.items() if set(c.dims) <= set(dims)}
    attrs = {"confidence": confidence, "fit_floor": int(floor), "fit_after": after}
    table = xr.Dataset(columns, coords=coords, attrs={**dataset.attrs, **attrs})
    return table.assign(theory=_theory(table))


def exponents_to_records(table: xr.Dataset) -> list[dict[str, Any]]:
    """One JSON-safe mapping a setting: its coordinates, then every field of its fit.

    Arguments:
        table: result of `measure_exponents`.

    Returns:
        Records in the order of the axes; None for numbers that are not finite.
    """
    return [
        {name: json_safe(value) for name, value in row.items()}
        for row in _to_frame(table).to_dict("records")
    ]


def format_exponents(table: xr.Dataset) -> str:
    """The table as aligned text: settings, exponent +- standard error, theory, window, seeds.

    Arguments:
        table: result of `measure_exponents`.

    Returns:
        A header and one line a setting.
    """
    names = [str(name) for name in table.coords if table[name].dims]
    names.sort(key=lambda name: name == "superposition_ratio")  # last
    header = [_SYMBOLS.get(name, name.rpartition(".")[2]) for name in names]
    rows = [
        [*(_number(row[name]) for name in names), *_result_cells(row)]
        for row in _to_frame(table).to_dict("records")
    ]
    columns = zip(*[[*header, "exponent", "theory", "window", "seeds"], *rows], strict=True)
    padded = [[cell.rjust(max(map(len, column))) for cell in column] for column in columns]
    return "\n".join("  ".join(line) for line in zip(*padded, strict=True))


def _fit_setting(
    steps: Num[np.ndarray, " steps"],
    loss: Float[np.ndarray, "seeds steps"],
    status: Num[np.ndarray, " seeds"],
    options: Mapping[str, Any],
) -> PowerLawFit:
    """The fit over the steps that the setting recorded and the seeds that are trained."""
    trained, diverged = status != _PENDING, status == _DIVERGED
    if not trained.any():
        fit = fit_power_law(steps, np.full_like(loss, np.nan), **options)
        return dataclasses.replace(fit, seeds_dropped=0, refusal=None, reason=_UNTRAINED)
    # Where every seed diverged nothing tells which steps were to be recorded.
    recorded = ~np.isnan(loss).all(0) | diverged[trained].all()
    # A diverged run belongs to no fit, its finite beginning neither.
    loss = np.where(diverged[:, None], np.nan, loss)
    return fit_power_law(steps[recorded], loss[trained][:, recorded], **options)


def _fields(fit: PowerLawFit) -> dict[str, Any]:
    """A fit as one row of the table, pairs as two columns."""
    (low, high), (first, last) = fit.interval, fit.window
    ends = {"interval_low": low, "interval_high": high, "window_first": first, "window_last": last}
    return {**vars(fit), **ends}


def _theory(table: xr.Dataset) -> xr.DataArray:
    """(a + 2b - 1) / a of every setting; NaN where a or b has no value, or a = 0."""
    a = _exponent_of(table, "features", ("power-law", "gaussian"))
    b = _exponent_of(table, "teacher", ("diagonal",))
    theory = ((a + 2 * b - 1) / a.where(a != 0)).broadcast_like(table["exponent"])
    label = "exponent without superposition, (a + 2b - 1)/a"
    return theory.reset_coords(drop=True).assign_attrs(long_name=label)


def _exponent_of(table: xr.Dataset, section: str, kinds: tuple[str, ...]) -> xr.DataArray:
    """a or b along the axes that scan it; NaN for classes that are not of these kinds."""
    import xarray as xr

    def exponent(entry: Mapping[str, Any]) -> float:
        return float(entry["exponent"]) if entry.get("kind") in kinds else math.nan

    if section in table.coords:  # whole objects are scanned, each written as JSON
        texts = table.coords[section]
        values = [exponent(json.loads(text)) for text in texts.values.ravel()]
        return xr.DataArray(np.reshape(values, texts.shape), dims=texts.dims)
    entry = json.loads(table.attrs.get("configuration", "{}")).get(section, {})
    if f"{section}.exponent" in table.coords and entry.get("kind", kinds[0]) in kinds:
        return table.coords[f"{section}.exponent"]
    return xr.DataArray(exponent(entry))


def _to_frame(table: xr.Dataset) -> pd.DataFrame:
    """One row a setting: coordinates, then the fields of the fit."""
    flat = table if table["exponent"].dims else table.expand_dims("setting")
    frame = flat.to_dataframe(dim_order=list(flat["exponent"].dims)).reset_index()
    return frame.reindex(columns=[*table.coords, *table.data_vars])


def _result_cells(row: Mapping[str, Any]) -> list[str]:
    """Exponent, theory, window and seeds of one setting as text."""
    exponent = f"none (slope {row['slope']:.3f})"
    if row["found"]:
        exponent = f"{row['exponent']:.3f} +- {row['stderr']:.3f}"
    elif row["reason"] == _UNTRAINED:
        exponent = _UNTRAINED
    theory = "-" if math.isnan(row["theory"]) else f"{row['theory']:.3f}"
    first, last, dropped = row["window_first"], row["window_last"], row["seeds_dropped"]
    window = "-" if math.isnan(first) else f"{first:.0f}..{last:.0f}"
    seeds = f"{row['seeds_used']}" + (f" (-{dropped} diverged)" if dropped else "")
    return [exponent, theory, window, seeds]


def _number(value: object) -> str:
    """A coordinate as text, numbers in short."""
    plain = isinstance(value, int | float) and not isinstance(value, bool)
    return f"{value:g}" if plain else str(value)
