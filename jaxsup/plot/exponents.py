"""Exponents: against the superposition ratio, as a map over (a, b), and along training."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Bool, Float

from jaxsup._internal.validation import fail
from jaxsup.fit.tables.texts import unmasked
from jaxsup.plot.curves import step_label
from jaxsup.plot.regimes import without_results
from jaxsup.plot.settings import FEW, setting_label, setting_lines
from jaxsup.plot.style import COLOR_MAP, GUIDE, MARKERS, NEW, add_legend, ink_on, line_style, styled

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.collections import PolyCollection

_THEORY: Any = {"linewidth": 0.9, "linestyle": (0, (4, 2))}
_LIMIT: Any = {"linewidth": 0.7, "linestyle": (0, (1, 3))}
_THEORY_NAME = "linear student, K = N, this N"
_LIMIT_NAME = "(a + 2b - 1)/a, N → ∞"
_MOST_COLUMNS, _MOST_ROWS = 7, 12  # of a map with numbers in each cell
_BAND = 0.15  # alpha of a band
_INK = 0.25  # most that bands put on an average place of the axis, one over another
_LEAST_ROOM = 0.5  # of exponents, for slopes above and below
_WIDE_COLUMNS = 4  # that have room for a word beside them


@styled
def exponent_against_ratio(
    table: xr.Dataset, ax: Axes = NEW, *, theory: bool = True, legend: bool = True
) -> Axes:
    """Training exponent against the superposition ratio N/K, one line a setting.

    Filled markers are power laws with their confidence interval; open markers are plain log-log
    slopes where `fit_power_law` found none. Dashes: the linear student without superposition, with
    the same number of features, over the window of each fit; dotted levels: (a + 2b - 1)/a. Where
    several points of a line have one ratio, and differ otherwise, none is joined to the others.

    Arguments:
        table: result of `jaxsup.measure_exponents` with ``superposition_ratio`` along an axis and
            at most one more axis.
        ax: axis to draw on; default: a new one.
        theory: draw both exponents without superposition.
        legend: draw a legend.

    Raises:
        ValueError: the table has no ratio axis, or more than one other, or no setting has a slope.
    """
    table, others = unmasked(table), _axes_beside_ratio(table)
    if not (np.isfinite(table["exponent"]) | np.isfinite(table["slope"])).any():
        raise without_results("table", "an exponent or a slope at some setting", table)
    settings = table.sizes[others[0]] if others else 1
    lines = setting_lines(table, others)
    for position in range(settings):
        rows = table.isel({others[0]: position}) if others else table
        rows = rows.sortby("superposition_ratio")
        # Settings side by side rather than one over another, on the logarithmic axis.
        shift = min(1.02, 1.1 ** (1 / settings)) ** (position - (settings - 1) / 2)
        ratios = rows["superposition_ratio"].values * shift
        marker = "o" if lines.shades is not None else MARKERS[position % len(MARKERS)]
        style = {**lines.styles[position], "marker": marker}
        _draw_setting(rows, ratios, ax, style, lines.labels[position])
        color, limit = style["color"], float(rows["theory_limit"].max())
        if theory:
            alone = _alone(ratios)
            ax.plot(ratios, np.where(alone, rows["theory"], np.nan), color=color, **_THEORY)
            ax.plot(ratios[~alone], rows["theory"][~alone], "_", color=color)
            if not math.isnan(limit):
                ax.axhline(limit, color=color, **_LIMIT)
    ticks = np.unique(table["superposition_ratio"])
    ax.set_xscale("log")
    ax.set_xticks(ticks, [f"{ratio:g}" for ratio in ticks])
    ax.minorticks_off()
    ax.set_xlabel("superposition ratio N/K")
    ax.set_ylabel("training exponent α,  L ~ t^(-α)")
    _leave_out_far_slopes(table, ax, theory=theory)
    _explain_marks(table, ax, theory=theory)
    if legend:
        lines.explain(ax, beside=True)
    return ax


def _axes_beside_ratio(table: xr.Dataset) -> list[Hashable]:
    """The axis of settings, or none.

    Raises:
        ValueError: as `exponent_against_ratio`.
    """
    if "superposition_ratio" not in table.coords or not table["superposition_ratio"].dims:
        expected = "a sweep over the superposition ratio"
        raise fail("table", expected, "a single ratio", "scan student.latent", described=True)
    along = table["superposition_ratio"].dims[0]
    others = [dim for dim in table["exponent"].dims if dim != along]
    if len(others) > 1:
        names, do = ", ".join(map(str, others)), "select one position by .isel or .sel"
        raise fail("table", "at most one axis beside the ratio", names, do, described=True)
    return others


def _draw_setting(
    rows: xr.Dataset,
    ratios: Float[np.ndarray, " ratios"],
    ax: Axes,
    style: dict[str, Any],
    label: str | None,
) -> None:
    """Line, intervals and open markers of a setting, and its entry in the legend."""
    line = {"linestyle": "-", **style, "marker": ""}
    follows = rows["found"].values
    values = np.where(follows, rows["exponent"], rows["slope"])
    ends = np.abs(np.stack([rows["interval_low"], rows["interval_high"]]) - values)
    marker = {"color": style["color"], "marker": style["marker"]}
    joined = follows & _alone(ratios)
    ax.plot(ratios[joined], values[joined], **{**line, "linewidth": 1})
    if follows.any():
        bars: Any = {"linestyle": "", "capsize": 2, **marker}
        ax.errorbar(ratios[follows], values[follows], ends[:, follows], **bars)
    ax.plot(ratios[~follows], values[~follows], linestyle="", markerfacecolor="white", **marker)
    if label is not None:
        ax.plot([], [], label=label, linestyle=line["linestyle"], **marker)


def _alone(ratios: Float[np.ndarray, " ratios"]) -> Bool[np.ndarray, " ratios"]:
    """Whether a ratio is that of one point only."""
    return np.sum(ratios[:, None] == ratios, axis=1) == 1


def _explain_marks(table: xr.Dataset, ax: Axes, *, theory: bool) -> None:
    """Entries of the legend for what all settings share."""
    if not table["found"].all():
        label = "slope, no power law found"
        ax.plot([], [], "o", color=GUIDE, markerfacecolor="white", label=label)
    if theory:
        _explain_theory(table, ax, _THEORY_NAME + " and window")


def _explain_theory(table: xr.Dataset, ax: Axes, name: str) -> None:
    """Entries of the legend for the exponents without superposition that a table holds."""
    if not np.isnan(table["theory"]).all():
        ax.plot([], [], color=GUIDE, label=name, **_THEORY)
    if not np.isnan(table["theory_limit"]).all():
        ax.plot([], [], color=GUIDE, label=_LIMIT_NAME, **_LIMIT)


@styled
def exponent_map(table: xr.Dataset, ax: Axes = NEW) -> Axes:
    """Heat map of the training exponent over (a, b), the theory without superposition below it.

    Of the two numbers below, the first is the linear student's at this number of features and over
    the window of the fit, the second (a + 2b - 1)/a. Cells without a power law are hatched. Numbers
    are written where there is room: in up to 7 x 12 cells.

    Arguments:
        table: result of `jaxsup.measure_exponents` with exactly the axes ``features.exponent``
            and ``teacher.exponent``.
        ax: axis to draw on; default: a new one.

    Raises:
        ValueError: the table has other axes.
    """
    axes = ("teacher.exponent", "features.exponent")
    if set(table["exponent"].dims) != set(axes):
        expected, names = f"the axes {axes[1]} and {axes[0]}", str(table["exponent"].dims)
        do = "select one position of the others by .isel or .sel"
        raise fail("table", expected, names, do, described=True)
    grid = table.transpose(*axes).sortby(list(axes))
    exponents = np.ma.masked_invalid(grid["exponent"].values)
    rows, columns = exponents.shape
    high = max(1.0, float(exponents.max())) if exponents.count() else 1.0
    ax.grid(visible=False)
    ax.patch.set(hatch="///", edgecolor="#c8c8c8", facecolor="white")
    mesh = ax.pcolormesh(np.arange(columns + 1), np.arange(rows + 1), exponents, vmin=0, vmax=high)
    mesh.set_cmap(COLOR_MAP)
    written = columns <= _MOST_COLUMNS and rows <= _MOST_ROWS
    for (row, column), value in np.ndenumerate(exponents.filled(np.nan)) if written else ():
        bare = math.isnan(value)
        text = "none" if bare else f"{value:.2f}"
        place: Any = {"ha": "center", "color": "black" if bare else ink_on(mesh, value)}
        ax.text(column + 0.5, row + 0.52, text, va="bottom", fontsize=9, **place)
        theory = [_in_short(grid[name][row, column]) for name in ("theory", "theory_limit")]
        text = f"{'theory ' * (columns <= _WIDE_COLUMNS)}{theory[0]}, {theory[1]}"
        ax.text(column + 0.5, row + 0.46, text, va="top", fontsize=6.5, **place)
    for axis, name in ((ax.xaxis, axes[1]), (ax.yaxis, axes[0])):
        values = grid[name].values
        places = np.arange(0, len(values), -(-len(values) // _MOST_ROWS))
        axis.set_ticks(places + 0.5, [f"{value:.3g}" for value in values[places]])
    ax.set_xlabel("feature exponent a")
    ax.set_ylabel("importance exponent b")
    if written:
        ax.set_title("measured; below, without superposition: this N and window, (a + 2b - 1)/a")
    elif exponents.count() < exponents.size:
        ax.set_title("hatched: no power law found")
    ax.figure.colorbar(mesh, ax=ax, label="training exponent α")
    return ax


@styled
def local_exponents(
    table: xr.Dataset, ax: Axes = NEW, *, theory: bool = True, legend: bool = True
) -> Axes:
    """Local exponent -d log L / d log t against training steps, one line a setting with its band.

    Of more than six settings, six are drawn, evenly from the first to the last. Dashes: the linear
    student without superposition with the same number of features; dotted levels: (a + 2b - 1)/a.

    Arguments:
        table: result of `jaxsup.fit.measure_local_exponents` with at most one axis beside "step".
        ax: axis to draw on; default: a new one.
        theory: draw both exponents without superposition.
        legend: draw a legend.

    Raises:
        ValueError: the table has more axes, or no setting has a local exponent.
    """
    dims = [dim for dim in table["exponent"].dims if dim != "step"]
    if len(dims) > 1:
        names, do = ", ".join(map(str, dims)), "select one position by .isel or .sel"
        raise fail("table", "at most one axis beside step", names, do, described=True)
    if not np.isfinite(table["exponent"].values).any():
        raise without_results("table", "a local exponent at some setting", table)
    count = table.sizes[dims[0]] if dims else 1
    positions = np.unique(np.linspace(0, count - 1, min(count, FEW)).astype(int)).tolist()
    bands: list[PolyCollection] = []
    for line, position in enumerate(positions):
        setting = table.isel({dims[0]: position}) if dims else table
        setting = setting.isel(step=np.isfinite(setting["exponent"].values))
        style, steps = line_style(line), setting["step"].values
        ax.plot(steps, setting["exponent"], label=setting_label(table, dims, position), **style)
        ends = setting["interval_low"], setting["interval_high"]
        bands.append(ax.fill_between(steps, *ends, color=style["color"], linewidth=0))
        if theory:
            ax.plot(steps, setting["theory"], color=style["color"], **_THEORY)
            # One number, laid along the steps where `xarray.Dataset.where` masked some.
            ax.axhline(float(setting["theory_limit"].max()), color=style["color"], **_LIMIT)
    drawn = table.isel({dims[0]: positions}) if dims else table
    _fit_height(drawn, ax, theory=theory)
    _fade_bands(drawn, ax, bands)
    ax.set_xscale("log")
    ax.set_xlabel(step_label(table))
    ax.set_ylabel("local exponent α(t) = -d log L / d log t")
    if theory:
        _explain_theory(drawn, ax, _THEORY_NAME)
    if legend:
        add_legend(ax)
    return ax


def _fit_height(table: xr.Dataset, ax: Axes, *, theory: bool) -> None:
    """The exponents fill the axis: intervals and a late theory may leave it."""
    values = table["exponent"].values.ravel()
    if theory:
        values = np.append(values, table["theory_limit"].values.ravel())
    values = values[np.isfinite(values)]
    if values.size:
        low, high = min(0.0, float(values.min())), float(values.max())
        ax.set_ylim(low - 0.1 * (high - low) * (low < 0), high + 0.15 * (high - low) + 1e-9)


def _fade_bands(table: xr.Dataset, ax: Axes, bands: Sequence[PolyCollection]) -> None:
    """Bands as high as the axis, of noisy curves, do not hide the lines and each other."""
    low, high = ax.get_ylim()
    bottom, top = (table[name].values.clip(low, high) for name in ("interval_low", "interval_high"))
    layers = len(bands) * float(np.nan_to_num(top - bottom).mean()) / (high - low)
    for band in bands:
        band.set_alpha(min(_BAND, _INK / max(layers, _INK)))


def _leave_out_far_slopes(table: xr.Dataset, ax: Axes, *, theory: bool) -> None:
    """A slope that is no exponent and far from all of them, as of a jump, sets no axis."""
    names = ["exponent", "interval_low", "interval_high", *["theory", "theory_limit"] * theory]
    values = np.concatenate([table[name].values.ravel() for name in names])
    slopes = table["slope"].values[~table["found"].values]
    values, slopes = values[np.isfinite(values)], slopes[np.isfinite(slopes)]
    if not values.size:
        return
    room = max(float(np.ptp(values)), _LEAST_ROOM)
    beyond = np.abs(slopes - np.clip(slopes, values.min(), values.max())) > room
    if not beyond.any():
        return
    shown = np.append(values, slopes[~beyond])
    margin = 0.06 * max(float(np.ptp(shown)), _LEAST_ROOM)
    ax.set_ylim(float(shown.min()) - margin, float(shown.max()) + margin)
    count = int(beyond.sum())
    text = f"{count} slope{'s' * (count != 1)} beyond this axis"
    place: Any = {"ha": "right", "va": "top", "fontsize": 7.5, "color": GUIDE}
    ax.text(0.99, 0.99, text, transform=ax.transAxes, **place)


def _in_short(value: xr.DataArray) -> str:
    """A number with two decimals, "-" where there is none."""
    return f"{float(value):.2f}" if np.isfinite(float(value)) else "-"
