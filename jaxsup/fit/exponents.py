"""Measurements on a labelled sweep: exponents over seeds, and the closed forms to hold them to."""

from __future__ import annotations

import dataclasses
import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxsup.fit.power_law import PowerLawFit, fit_power_law

if TYPE_CHECKING:
    import xarray as xr

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
        The fields of `jaxsup.fit.power_law.PowerLawFit` over (axis names...), with the sweep's coordinates,
        and ``theory``: (a + 2b - 1) / a, the exponent without superposition (arXiv 2602.01045),
        NaN where the data or the teacher is not of that family. Where no power law is found,
        ``exponent`` is NaN and ``reason`` says why.

    Raises:
        ValueError: as `jaxsup.fit_power_law`.
    """
    import xarray as xr

    loss = dataset["loss"].transpose(..., "seed", "step")
    loss = loss.isel(step=loss["step"].values >= after)
    dims, shape = loss.dims[:-2], loss.shape[:-2]
    steps, values = loss["step"].values, loss.values
    pending = np.zeros(values.shape[:-1], bool)
    if "status" in dataset:  # a diverged run belongs to no fit, its finite beginning neither
        status = dataset["status"].transpose(..., "seed").values
        values = np.where((status == 1)[..., None], np.nan, values)
        pending = status == -1
    fits = np.empty(shape, object)
    for index in np.ndindex(shape):
        untrained = pending[index].all()
        recorded = ~np.isnan(loss.values[index]).all(0) | untrained
        trained = ~pending[index] | untrained
        fit = fit_power_law(
            steps[recorded],
            values[index][trained][:, recorded],
            window=window,
            floor=floor,
            confidence=confidence,
        )
        if untrained:
            fit = dataclasses.replace(fit, seeds_dropped=0, reason=_UNTRAINED)
        fits[index] = fit
    table = xr.Dataset(
        {
            name: (dims, _column(fits, name), {"long_name": label})
            for name, label in _LABELS.items()
        },
        coords={name: c for name, c in dataset.coords.items() if set(c.dims) <= set(dims)},
        attrs={
            **dataset.attrs,
            "confidence": confidence,
            "fit_floor": int(floor),
            "fit_after": after,
        },
    )
    return table.assign(theory=_theory(table))


def _column(fits: np.ndarray, name: str) -> np.ndarray:
    def value(fit: PowerLawFit) -> Any:
        if name.startswith("interval"):
            return fit.interval[name == "interval_high"]
        if name.startswith("window"):
            return fit.window[name == "window_last"]
        return getattr(fit, name)

    flat = [value(fit) for fit in fits.ravel()]
    return np.asarray(flat).reshape(fits.shape)


def _theory(table: xr.Dataset) -> xr.DataArray:
    """(a + 2b - 1) / a along the axes that scan a and b."""
    import xarray as xr

    configuration = json.loads(table.attrs.get("configuration", "{}"))

    def exponent(section: str, kinds: tuple[str, ...]) -> Any:
        if f"{section}.exponent" in table.coords:
            return table.coords[f"{section}.exponent"]
        entry = configuration.get(section, {})
        return entry["exponent"] if entry.get("kind") in kinds else math.nan

    a = exponent("features", ("power-law", "gaussian"))
    b = exponent("teacher", ("diagonal",))
    theory = (
        xr.DataArray((a + 2 * b - 1) / a).broadcast_like(table["exponent"]).reset_coords(drop=True)
    )
    label = "exponent without superposition, (a + 2b - 1)/a"
    return theory.assign_attrs(long_name=label)


def theory_curves(dataset: xr.Dataset) -> xr.DataArray | None:
    """The closed-form loss of every setting, median over seeds; None if any setting has none.

    Each seed's own W and start enter, as `jaxsup.theory.loss_curve` takes them from its key.

    Arguments:
        dataset: result of `jaxsup.run`, or a selection from one.

    Returns:
        Loss over (axis names..., "step").
    """
    import jax
    import xarray as xr

    from jaxsup.sweep.grid import replace_fields
    from jaxsup.sweep.tables import sweep_from_tables
    from jaxsup.theory import loss_curve

    sweep = sweep_from_tables(json.loads(dataset.attrs["configuration"]))
    fields = [field for axis in sweep.axes for field in axis.fields]
    dims = [dim for dim in dataset["loss"].dims if dim not in ("seed", "step")]
    shape = tuple(dataset.sizes[dim] for dim in dims)
    curves = np.empty((*shape, dataset.sizes["step"]))
    for index in np.ndindex(shape):
        point = dataset.isel(dict(zip(dims, index, strict=True)))
        try:
            changes = {field: point[field].item() for field in fields}
            experiment = replace_fields(sweep.experiment, changes)
            each = [
                loss_curve(experiment, dataset["step"].values, key=jax.random.key(seed))
                for seed in np.atleast_1d(dataset["seed"].values).tolist()
            ]
        except ValueError:
            return None
        curves[index] = np.median(each, axis=0)
    coords = {name: c for name, c in dataset.coords.items() if set(c.dims) <= {*dims, "step"}}
    return xr.DataArray(curves, dims=[*dims, "step"], coords=coords, name="theory")


def exponents_to_records(table: xr.Dataset) -> list[dict[str, Any]]:
    """One JSON-safe mapping a setting: its coordinates and every field of its fit."""
    records = []
    for index in np.ndindex(table["exponent"].shape):
        point = table.isel(dict(zip(table["exponent"].dims, index, strict=True)))
        record = {str(name): point[name].item() for name in [*point.coords, *point.data_vars]}
        records.append(
            {
                name: None if isinstance(value, float) and not math.isfinite(value) else value
                for name, value in record.items()
            }
        )
    return records


def format_exponents(table: xr.Dataset) -> str:
    """The table as aligned text: settings, exponent +- standard error, theory, window."""
    coordinates = [n for n in table.coords if set(table[n].dims) and n != "superposition_ratio"]
    ratio = "superposition_ratio" in table.coords and bool(table["superposition_ratio"].dims)
    names = [*coordinates, "superposition_ratio"] if ratio else coordinates
    flat = (
        table.stack(point=table["exponent"].dims, create_index=False)
        if table["exponent"].dims
        else table.expand_dims("point")
    )
    header = [*(_short(str(n)) for n in names), "exponent", "theory", "window", "seeds"]
    rows = [header]
    for point in range(flat.sizes["point"]):
        row = flat.isel(point=point)
        cells = [
            f"{row[n].item():g}" if row[n].dtype.kind in "if" else str(row[n].item()) for n in names
        ]
        if row["found"]:
            cells.append(f"{row['exponent'].item():.3f} +- {row['stderr'].item():.3f}")
        elif row["reason"] == _UNTRAINED:
            cells.append(_UNTRAINED)
        else:
            cells.append("none (slope " + f"{row['slope'].item():.3f})")
        theory = row["theory"].item()
        cells.append("-" if math.isnan(theory) else f"{theory:.3f}")
        first, last = row["window_first"].item(), row["window_last"].item()
        cells.append("-" if math.isnan(first) else f"{first:.0f}..{last:.0f}")
        dropped = int(row["seeds_dropped"])
        cells.append(f"{int(row['seeds_used'])}" + (f" (-{dropped} diverged)" if dropped else ""))
        rows.append(cells)
    widths = [max(len(row[i]) for row in rows) for i in range(len(header))]
    return "\n".join(
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    )


def _short(name: str) -> str:
    symbols = {
        "features.exponent": "a",
        "teacher.exponent": "b",
        "student.latent": "K",
        "features.count": "N",
        "superposition_ratio": "N/K",
    }
    return symbols.get(name, name.rpartition(".")[2])
