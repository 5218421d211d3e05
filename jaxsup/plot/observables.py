"""Pictures of what else is recorded along training: spectra, saturation, dimensions per feature."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib import colormaps

from jaxsup._internal.validation import fail
from jaxsup.plot.style import line_style, plain_log_axis, styled
from jaxsup.plot.training import setting_label

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes

_LINES = 6


@styled
def observable_curves(dataset: xr.Dataset, name: str, ax: Axes) -> Axes:
    """A recorded number against training steps, one line a setting: median and range over seeds.

    Of more than six settings, six are drawn, evenly from the first to the last.

    Arguments:
        dataset: a sweep with at most one axis beside "seed" and "step" (select the others first).
        name: an observable with one number a step, like ``"saturation"``.
        ax: axis to draw on.

    Raises:
        ValueError: it was not recorded, or has more axes.
    """
    if name not in dataset:
        advice = "record it by Record(observables=[...])"
        raise fail("name", "a variable of the dataset", name, advice)
    values = dataset[name]
    dims = [str(dim) for dim in values.dims if dim not in ("seed", "step")]
    if "step" not in values.dims or len(dims) > 1:
        got = f"a variable over {', '.join(map(str, values.dims))}"
        raise fail("name", "one axis beside seed and step", got, "select by .isel or .sel")
    count = values.sizes[dims[0]] if dims else 1
    chosen = np.unique(np.linspace(0, count - 1, min(count, _LINES)).astype(int))
    for place, position in enumerate(chosen.tolist()):
        one = values.isel({dims[0]: position}) if dims else values
        one = one.isel(step=one["step"].values > 0).transpose("seed", "step")
        steps, rows = one["step"].values, one.values
        rows = rows[np.isfinite(rows).all(axis=1)]
        if not len(rows):
            continue
        line = line_style(place)
        ax.plot(steps, np.median(rows, 0), label=setting_label(dataset, dims, position), **line)
        if len(rows) > 1:
            ax.fill_between(
                steps, rows.min(0), rows.max(0), color=line["color"], alpha=0.15, linewidth=0
            )
    ax.set_xscale("log")
    recorded = dataset["step"].values[dataset["step"].values > 0]
    if len(recorded) > 1:
        plain_log_axis(ax.xaxis, recorded)
    ax.set_xlabel("training steps t (updates)")
    ax.set_ylabel(values.attrs.get("long_name", name))
    if dims and ax.get_lines():
        ax.legend()
    return ax


@styled
def spectra_along_training(dataset: xr.Dataset, name: str, ax: Axes) -> Axes:
    """A recorded spectrum against its index at six recorded steps, light to dark: seed medians.

    Arguments:
        dataset: a sweep without axes beside "seed" and "step" (select the others first).
        name: an observable over "eigenvalue", like ``"response_spectrum"``.
        ax: axis to draw on.

    Raises:
        ValueError: it was not recorded, or has more axes.
    """
    if name not in dataset:
        advice = "record it by Record(observables=[...])"
        raise fail("name", "a variable of the dataset", name, advice)
    values = dataset[name]
    if set(values.dims) != {"seed", "step", "eigenvalue"}:
        got = f"a variable over {', '.join(map(str, values.dims))}"
        raise fail("name", "a spectrum over seed and step", got, "select by .isel or .sel")
    later = values.isel(step=values["step"].values > 0).transpose("step", "seed", "eigenvalue")
    chosen = np.unique(np.linspace(0, later.sizes["step"] - 1, _LINES).astype(int))
    shades = colormaps["viridis_r"](np.linspace(0.05, 0.95, len(chosen)))
    for shade, position in zip(shades, chosen.tolist(), strict=True):
        line = np.median(later.values[position], axis=0)
        line = line[np.isfinite(line)]
        label = f"t = {later['step'].values[position]:,}"
        ax.plot(np.arange(1, len(line) + 1), line, color=shade, label=label)
    ax.set(xscale="log", yscale="log")
    ax.set_xlabel("index of the singular value")
    ax.set_ylabel(values.attrs.get("long_name", name))
    ax.legend(title="updates", title_fontsize=8)
    return ax
