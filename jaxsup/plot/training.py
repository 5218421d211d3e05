"""Figures of labelled sweeps: loss curves, and exponents against the ratio and over (a, b)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxsup.plot.style import COLOUR_MAP, GUIDE, MARKERS, line_style, styled

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes


@styled
def loss_curves(dataset: xr.Dataset, ax: Axes, *, theory: xr.DataArray | None = None) -> Axes:
    """Loss against training steps, one line a setting: median over seeds, band from min to max.

    Arguments:
        dataset: a sweep with at most one axis beside "seed" and "step" (select the others first).
        ax: axis to draw on.
        theory: loss over the same axis and "step", drawn as thin black dashes.

    Raises:
        ValueError: the dataset has more than one axis.
    """
    loss = dataset["loss"]
    dims = [dim for dim in loss.dims if dim not in ("seed", "step")]
    if len(dims) > 1:
        raise ValueError(
            f"expected at most one axis beside seed and step; got {', '.join(map(str, dims))}; "
            "select one position of the others with .isel or .sel"
        )
    positions = loss.sizes[dims[0]] if dims else 1
    for position in range(positions):
        one = loss.isel({dims[0]: position}) if dims else loss
        one = one.isel(step=one["step"].values > 0)
        steps, values = one["step"].values, one.transpose("seed", "step").values
        values = values[np.isfinite(values).all(1)]
        if not len(values):
            continue
        line = line_style(position)
        ax.plot(steps, np.median(values, 0), label=setting_label(dataset, dims, position), **line)
        if len(values) > 1:
            band = np.percentile(values, [0, 100], axis=0)
            ax.fill_between(steps, *band, color=line["color"], alpha=0.15, linewidth=0)
        if theory is not None:
            exact = theory.isel({dims[0]: position}) if dims else theory
            exact = exact.isel(step=exact["step"].values > 0)
            label = "closed form" if position == positions - 1 else None
            ax.plot(
                exact["step"],
                exact,
                color="black",
                linewidth=0.9,
                linestyle=(0, (2, 2)),
                label=label,
            )
    ax.set(xscale="log", yscale="log")
    ax.set_xlabel("training steps t (updates)")
    ax.set_ylabel(dataset["loss"].attrs.get("long_name", "loss L"))
    if positions > 1 or theory is not None:
        ax.legend()
    return ax


@styled
def exponent_against_ratio(
    table: xr.Dataset, ax: Axes, *, theory: bool = True, legend: bool = True
) -> Axes:
    """Training exponent against the superposition ratio N/K, one line a setting.

    Filled markers are power laws with their confidence interval; open markers are plain log-log
    slopes where `fit_power_law` found none. Dashed levels: (a + 2b - 1)/a for the same setting.

    Arguments:
        table: result of `jaxsup.measure_exponents` with ``superposition_ratio`` along an axis and
            at most one more axis; ``exact``, where it is there, is marked beside the first ratio.
        ax: axis to draw on.
        theory: draw the levels of the theory without superposition.
        legend: draw a legend.

    Raises:
        ValueError: the table has no ratio axis, or more than one other.
    """
    if "superposition_ratio" not in table.coords or not table["superposition_ratio"].dims:
        raise ValueError(
            "expected a sweep over the superposition ratio; got one with a single ratio; "
            "scan student.latent"
        )
    along = table["superposition_ratio"].dims[0]
    others = [dim for dim in table["exponent"].dims if dim != along]
    if len(others) > 1:
        raise ValueError(
            f"expected at most one axis beside the ratio; got {', '.join(map(str, others))}; "
            "select one position of the others with .isel or .sel"
        )
    settings = table.sizes[others[0]] if others else 1
    for position in range(settings):
        one = (table.isel({others[0]: position}) if others else table).sortby("superposition_ratio")
        # Settings side by side rather than one over another, on the logarithmic axis.
        ratio = one["superposition_ratio"].values * 1.02 ** (position - (settings - 1) / 2)
        line = line_style(position)
        found = one["found"].values
        value = np.where(found, one["exponent"], one["slope"])
        ax.plot(ratio[found], value[found], linewidth=1, **line)
        spread = np.abs(np.stack([one["interval_low"], one["interval_high"]]) - value)
        marker = {"color": line["color"], "marker": MARKERS[position % len(MARKERS)]}
        if found.any():
            ax.errorbar(
                ratio[found], value[found], spread[:, found], linestyle="", capsize=2, **marker
            )
        ax.plot(ratio[~found], value[~found], linestyle="", markerfacecolor="white", **marker)
        ax.plot(
            [],
            [],
            label=setting_label(table, others, position),
            linestyle=line["linestyle"],
            **marker,
        )
        if theory and not math.isnan(float(one["theory"][0])):
            ax.axhline(
                float(one["theory"][0]), color=line["color"], linewidth=0.7, linestyle=(0, (2, 3))
            )
        if "exact" in table:
            ax.plot(ratio[:1] / 1.08, one["exact"], marker="x", color=line["color"])
    ratios = np.unique(table["superposition_ratio"])
    ax.set_xscale("log")
    ax.set_xticks(ratios, [f"{ratio:g}" for ratio in ratios])
    ax.minorticks_off()
    ax.set_xlabel("superposition ratio N/K")
    ax.set_ylabel("training exponent α,  L ~ t^(-α)")
    if not table["found"].all():
        ax.plot(
            [], [], "o", color=GUIDE, markerfacecolor="white", label="slope, no power law found"
        )
    if "exact" in table:
        ax.plot([], [], "x", color=GUIDE, label="exact linear student, K = N, this N")
    if theory and not np.isnan(table["theory"]).all():
        label = "(a + 2b - 1)/a, no superposition"
        ax.plot([], [], color=GUIDE, linewidth=0.7, linestyle=(0, (2, 3)), label=label)
    if legend:
        ax.legend(loc="center left", bbox_to_anchor=(1.01, 0.5))
    return ax


@styled
def exponent_map(table: xr.Dataset, ax: Axes) -> Axes:
    """Heat map of the training exponent over (a, b): in each cell the measured value and, below,
    (a + 2b - 1)/a. Cells without a power law are hatched.

    Arguments:
        table: result of `jaxsup.measure_exponents` with exactly the axes ``features.exponent``
            and ``teacher.exponent``.
        ax: axis to draw on.

    Raises:
        ValueError: the table has other axes.
    """
    wanted = ("teacher.exponent", "features.exponent")
    if set(table["exponent"].dims) != set(wanted):
        raise ValueError(
            f"expected the axes {wanted[1]} and {wanted[0]}; got {table['exponent'].dims}; "
            "select one position of the others with .isel or .sel"
        )
    grid = table.transpose(*wanted).sortby(list(wanted))
    exponent = np.ma.masked_invalid(grid["exponent"].values)
    rows, columns = exponent.shape
    high = max(1.0, float(exponent.max())) if exponent.count() else 1.0
    ax.grid(visible=False)
    ax.patch.set(hatch="///", edgecolor="#c8c8c8", facecolor="white")
    mesh = ax.pcolormesh(np.arange(columns + 1), np.arange(rows + 1), exponent, vmin=0, vmax=high)
    mesh.set_cmap(COLOUR_MAP)
    for (row, column), value in np.ndenumerate(exponent.filled(np.nan)):
        shade = "white" if value < 0.6 * high else "black"
        text = "none" if np.isnan(value) else f"{value:.2f}"
        place: Any = {"ha": "center", "color": shade}
        ax.text(column + 0.5, row + 0.52, text, va="bottom", fontsize=9, **place)
        theory = f"theory {float(grid['theory'][row, column]):.2f}"
        ax.text(column + 0.5, row + 0.46, theory, va="top", fontsize=6.5, **place)
    for axis, name in ((ax.xaxis, wanted[1]), (ax.yaxis, wanted[0])):
        values = grid[name].values
        axis.set_ticks(np.arange(len(values)) + 0.5, [f"{value:g}" for value in values])
    ax.set_xlabel("feature exponent a")
    ax.set_ylabel("importance exponent b")
    ax.set_title("measured exponent; below: (a + 2b - 1)/a, no superposition")
    ax.figure.colorbar(mesh, ax=ax, label="training exponent α")
    return ax


def setting_label(dataset: xr.Dataset, dims: Sequence[Any], position: int) -> str | None:
    """What tells a line from the others: the coordinates along the scanned axis.

    Along a ratio axis the ratio alone speaks, since K and the embedding go with it.
    """
    if not dims:
        return None
    names = {"features.exponent": "a", "teacher.exponent": "b", "student.latent": "K"}
    along = {n: c for n, c in dataset.coords.items() if c.dims == (dims[0],)}
    if "superposition_ratio" in along:
        return f"N/K = {along['superposition_ratio'].values[position]:g}"
    parts = []
    for name, coordinate in sorted(along.items(), key=lambda item: str(item[0])):
        text = names.get(str(name), str(name).rpartition(".")[2].replace("_", " "))
        value = coordinate.values[position]
        number = np.issubdtype(coordinate.dtype, np.number)
        parts.append(f"{text} = {value:.4g}" if number else str(value))
    return ", ".join(parts) or f"{dims[0]} {position}"
