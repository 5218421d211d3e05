"""What is recorded along training, against steps: loss, observables, spectra."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Num
from matplotlib import colormaps

from jaxsup._internal.validation import fail
from jaxsup.fit.tables.settings import status_of
from jaxsup.fit.tables.texts import unmasked
from jaxsup.plot.regimes import (
    explain_stretches,
    mark_power_law,
    mark_stretches,
    without_results,
)
from jaxsup.plot.settings import FEW, setting_label, setting_lines
from jaxsup.plot.style import NEW, add_legend, line_style, plain_log_axis, styled

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes


@styled
def loss_curves(
    dataset: xr.Dataset,
    ax: Axes = NEW,
    *,
    theory: xr.DataArray | None = None,
    regimes: xr.Dataset | None = None,
    fits: xr.Dataset | None = None,
) -> Axes:
    """Loss against training steps, one line a setting: median over seeds, band from min to max.

    More than six settings along a number are shaded by it, without bands.

    Arguments:
        dataset: a sweep with at most one axis beside "seed" and "step" (select the others first).
        ax: axis to draw on; default: a new one.
        theory: loss over the same axis and "step", drawn as thin black dashes.
        regimes: `jaxsup.fit.measure_regimes` of the dataset: every power law is marked by a band
            with its exponent, a floor in sight by a dash at the end.
        fits: `jaxsup.measure_exponents` of the dataset: the window of each power law that was found
            is marked the same way.

    Raises:
        ValueError: the dataset has more than one axis, no curve to draw, or no regime to mark.
    """
    loss = dataset["loss"]
    dims = _scanned("dataset", loss)
    last = loss.sizes[dims[0]] - 1 if dims else 0
    curves = list(_curves(loss, dims, range(last + 1), status_of(dataset)))
    if not any((rows > 0).any() for _, _, rows in curves):
        text = "none: all diverged, not trained yet, without steps > 0 or nowhere positive"
        do = "see the status of each network, and train on or add curves"
        raise fail("dataset", "a whole curve with a positive loss", text, do, described=True)
    if regimes is not None and not any(np.ravel(regimes["kind"].values).tolist()):
        raise without_results("regimes", "a stretch at some setting", regimes)
    fits = None if fits is None else unmasked(fits)
    lines = setting_lines(dataset, dims)
    shaded = lines.shades is not None
    for position, steps, rows in curves:
        style = lines.styles[position]
        _draw_seeds(steps, rows, ax, style, lines.labels[position], band=not shaded)
        if theory is not None:
            exact = theory.isel({dims[0]: position}) if dims else theory
            exact = exact.isel(step=exact["step"].values > 0)
            style: Any = {"color": "black", "linewidth": 0.9, "linestyle": (0, (2, 2))}
            name = "closed form" if position == curves[-1][0] else None
            ax.plot(exact["step"], exact, label=name, **style)
        if regimes is not None:
            along = [dim for dim in regimes["kind"].dims if dim != "stretch"]
            marked = regimes.isel(dict.fromkeys(along, position))
            mark_stretches(marked, steps, np.median(rows, 0), ax, style["color"], named=not shaded)
        if fits is not None:
            fit = fits.isel(dict.fromkeys(fits["found"].dims, position))
            if fit["found"]:
                along: Any = None if shaded else 0.2 + 0.6 * (position + 1) / (last + 2)
                mark_power_law(fit, steps, np.median(rows, 0), ax, style["color"], along=along)
    marks = regimes is not None or (fits is not None and bool(fits["found"].any()))
    if marks:
        explain_stretches(ax, named=not shaded)
    ax.set(xscale="log", yscale="log")
    ax.set_xlabel(step_label(dataset))
    ax.set_ylabel(loss.attrs.get("long_name", "loss L"))
    lines.explain(ax)
    return ax


@styled
def observable_curves(dataset: xr.Dataset, name: str, ax: Axes = NEW) -> Axes:
    """A recorded number against training steps, one line a setting: median and range over seeds.

    Of more than six settings, six are drawn, evenly from the first to the last.

    Arguments:
        dataset: a sweep with at most one axis beside "seed" and "step" (select the others first).
        name: an observable with one number a step, like ``"saturation"``.
        ax: axis to draw on; default: a new one.

    Raises:
        ValueError: it was not recorded, or has more axes.
    """
    values = _recorded(dataset, name)
    dims = _scanned("name", values)
    count = values.sizes[dims[0]] if dims else 1
    positions = np.unique(np.linspace(0, count - 1, min(count, FEW)).astype(int)).tolist()
    for position, steps, rows in _curves(values, dims, positions):
        style = line_style(positions.index(position))
        _draw_seeds(steps, rows, ax, style, setting_label(dataset, dims, position))
    ax.set_xscale("log")
    later = dataset["step"].values[dataset["step"].values > 0]
    if len(later) > 1:
        plain_log_axis(ax.xaxis, later)
    ax.set_xlabel(step_label(dataset))
    ax.set_ylabel(values.attrs.get("long_name", name))
    add_legend(ax)
    return ax


@styled
def spectra_along_training(dataset: xr.Dataset, name: str, ax: Axes = NEW) -> Axes:
    """A recorded spectrum against its index at six recorded steps, light to dark: seed medians.

    Arguments:
        dataset: a sweep without axes beside "seed" and "step" (select the others first).
        name: an observable over "eigenvalue", like ``"response_spectrum"``.
        ax: axis to draw on; default: a new one.

    Raises:
        ValueError: it was not recorded, or has more axes.
    """
    values = _recorded(dataset, name)
    if set(values.dims) != {"seed", "step", "eigenvalue"}:
        expected, do = "a spectrum over seed and step", "select by .isel or .sel"
        raise fail("name", expected, _axes_of(values), do, described=True)
    later = values.isel(step=values["step"].values > 0).transpose("step", "seed", "eigenvalue")
    positions = np.unique(np.linspace(0, later.sizes["step"] - 1, FEW).astype(int))
    shades = colormaps["viridis_r"](np.linspace(0.05, 0.95, len(positions)))
    for shade, position in zip(shades, positions.tolist(), strict=True):
        line = np.median(later.values[position], axis=0)
        line = line[np.isfinite(line)]
        label = f"t = {later['step'].values[position]:,}"
        ax.plot(np.arange(1, len(line) + 1), line, color=shade, label=label)
    ax.set(xscale="log", yscale="log")
    ax.set_xlabel("index of the singular value")
    ax.set_ylabel(values.attrs.get("long_name", name))
    add_legend(ax, title="updates", title_fontsize=8)
    return ax


def step_label(dataset: xr.Dataset) -> str:
    """What the axis of steps is called; what is no count of updates, as epochs, by its own name.

    Arguments:
        dataset: what is drawn, over "step".
    """
    axis = dataset["step"].attrs
    return axis["long_name"] if axis and "units" not in axis else "training steps t (updates)"


def _recorded(dataset: xr.Dataset, name: str) -> xr.DataArray:
    """A variable of the dataset.

    Raises:
        ValueError: there is none of that name.
    """
    if name not in dataset:
        advice = "record it by Record(observables=[...])"
        raise fail("name", "a variable of the dataset", name, advice)
    return dataset[name]


def _scanned(argument: str, values: xr.DataArray) -> list[Hashable]:
    """The axis beside "seed" and "step", or none.

    Raises:
        ValueError: there are several, or no steps.
    """
    dims = [dim for dim in values.dims if dim not in ("seed", "step")]
    if "step" not in values.dims or len(dims) > 1:
        expected, do = "at most one axis beside seed and step", "select by .isel or .sel"
        raise fail(argument, expected, _axes_of(values), do, described=True)
    return dims


def _axes_of(values: xr.DataArray) -> str:
    return f"a variable over {', '.join(map(str, values.dims))}"


def _curves(
    values: xr.DataArray,
    dims: Sequence[Hashable],
    positions: Sequence[int],
    status: xr.DataArray | None = None,
) -> Iterator[tuple[int, Num[np.ndarray, " steps"], Float[np.ndarray, "seeds steps"]]]:
    """Position, later steps and finite seeds of every setting that has some.

    As in fits: steps that no seed recorded are none; where the status of the seeds is known, those
    that some did not record neither.
    """
    for position in positions:
        setting = values.isel({dims[0]: position}) if dims else values
        setting = setting.isel(step=setting["step"].values > 0).transpose("seed", "step")
        rows = setting.values
        gaps = np.isnan(rows).all(axis=0)
        if status is not None:
            seeds = np.ravel((status.isel({dims[0]: position}) if dims else status).values)
            rows = rows[(seeds == 0) & ~np.isnan(rows).all(axis=1)]
            gaps = np.isnan(rows).any(axis=0)
        rows = rows[:, ~gaps]
        rows = rows[np.isfinite(rows).all(axis=1)]
        if rows.size:
            yield position, setting["step"].values[~gaps], rows


def _draw_seeds(
    steps: Num[np.ndarray, " steps"],
    rows: Float[np.ndarray, "seeds steps"],
    ax: Axes,
    style: dict[str, Any],
    label: str | None,
    *,
    band: bool = True,
) -> None:
    """The median over seeds as a line, their range as a band."""
    ax.plot(steps, np.median(rows, 0), label=label, **style)
    if band and len(rows) > 1:
        ends = rows.min(0), rows.max(0)
        ax.fill_between(steps, *ends, color=style["color"], alpha=0.15, linewidth=0)
