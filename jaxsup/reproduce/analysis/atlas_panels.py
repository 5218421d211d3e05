"""The picture of the atlas: exponents by student and law, what decides them, how N moves them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.patches import Rectangle

from jaxsup import plot
from jaxsup.plot.style import COLORS, GUIDE, MARKERS, plain_log_axis, styled
from jaxsup.reproduce.analysis.atlas_design import WORDS, describe_level
from jaxsup.reproduce.analysis.atlas_table import RESPONSES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from jaxsup.reproduce.analysis.atlas_parts import Parts
    from jaxsup.reproduce.analysis.effects import Effects
    from jaxsup.reproduce.analysis.size_limits import Ladder

_GUIDE: Any = {"color": GUIDE, "linewidth": 0.8, "linestyle": (0, (2, 3))}
_MARKS: Mapping[str, Any] = {
    "first": {"marker": "o", "markerfacecolor": "white", "color": COLORS[3]},
    "last": {"marker": "o", "color": COLORS[0]},
    "steepest": {"marker": "D", "color": COLORS[2]},
}


def draw(parts: Parts, near: tuple[float, float]) -> Figure:
    """Four panels.

    Arguments:
        parts: of the atlas.
        near: exponents that count as about 1.
    """
    figure, axes = plot.new_figure(2, rows=2, width=6.2, height=4.3)
    draw_atlas(atlas(parts.grid), axes[0, 0], near=near)
    title = f"last power law before the floor: N = {parts.base}, ReLU, SGD"
    axes[0, 0].set_title(title, pad=16)
    levels = parts.level_names
    names = {factor: f"{WORDS[factor]}:  {levels[factor]}" for factor in levels}
    draw_effects(parts.effects, names, axes[0, 1])
    axes[0, 1].set_title("what decides (right: share of the variance of the steepest)")
    level = [ladder for ladder in parts.ladders if ladder.b == 0]
    draw_sizes(level, axes[1, 0])
    axes[1, 0].set_title("steepest over half a decade: frozen embedding, b = 0")
    draw_times(level, axes[1, 1])
    axes[1, 1].set_title("and when it is reached")
    return figure


def atlas(table: pd.DataFrame) -> pd.DataFrame:
    """A row a student and a column a law: the exponent of the last power law, at one size.

    Arguments:
        table: one row a student and law.
    """
    rows = table.to_dict("records")
    students = [_student(row["embedding"], row["ratio"]) for row in rows]
    named = table.assign(student=students, law=[(row["a"], row["b"]) for row in rows])
    order = sorted(dict.fromkeys(students), key=lambda name: (name[0] != "W", students.index(name)))
    grid = named.pivot(index="student", columns="law", values="last")
    laws = sorted(set(named["law"]), key=lambda law: (law[1], law[0]))
    return grid.reindex(index=order, columns=pd.Index(laws, tupleize_cols=False))


def _student(embedding: str, ratio: int) -> str:
    name = describe_level("embedding", embedding)
    return name if embedding == "identity" else f"{name}, N/K = {ratio}"


@styled
def draw_atlas(grid: pd.DataFrame, ax: Axes, *, near: tuple[float, float]) -> Axes:
    """Heat map of exponents, students by (a, b): white is 1, cells within `near` are framed.

    Arguments:
        grid: result of `atlas`; NaN, no power law, is hatched.
        ax: axis to draw on.
        near: range that is framed.
    """
    exponents = np.ma.masked_invalid(grid.to_numpy(np.float64))
    ax.grid(visible=False)
    ax.patch.set(hatch="////", edgecolor="#c8c8c8", facecolor="white")
    mesh = ax.pcolormesh(exponents, cmap="PuOr", vmin=0.0, vmax=2.0)
    for (row, column), value in np.ndenumerate(exponents.filled(np.nan)):
        if np.isnan(value):
            continue
        shade = "white" if abs(value - 1) > 0.65 else "black"
        style: Any = {"ha": "center", "va": "center", "fontsize": 5.5, "color": shade}
        ax.text(column + 0.5, row + 0.5, f"{value:.2f}".lstrip("0"), **style)
        if near[0] <= value <= near[1]:
            ax.add_patch(Rectangle((column, row), 1, 1, fill=False, edgecolor="black", lw=1.1))
    places = np.arange(len(grid.columns)) + 0.5
    ax.set_xticks(places, [f"{a:g}" for a, _ in grid.columns], rotation=90)
    ax.set_yticks(np.arange(len(grid.index)) + 0.5, list(grid.index))
    ax.invert_yaxis()
    ax.tick_params(length=0, labelsize=7.5)
    _name_blocks([b for _, b in grid.columns], ax)
    ax.set_xlabel("feature exponent a")
    label = f"exponent (framed: {near[0]:g} to {near[1]:g}; hatched: no power law)"
    ax.figure.colorbar(mesh, ax=ax, location="bottom", extend="max", label=label, aspect=40)
    return ax


def _name_blocks(values: Sequence[float], ax: Axes) -> None:
    """The value of b above its columns, and lines between them."""
    for b in dict.fromkeys(values):
        columns = [place for place, value in enumerate(values) if value == b]
        style: Any = {"ha": "center", "va": "bottom", "fontsize": 8}
        middle = (columns[0] + columns[-1] + 1) / 2
        ax.text(middle, 1.01, f"b = {b:g}", transform=ax.get_xaxis_transform(), **style)
        if columns[0]:
            ax.axvline(columns[0], color="white", linewidth=2.5)


@styled
def draw_effects(effects: Mapping[str, Effects | None], names: Mapping[str, str], ax: Axes) -> Axes:
    """What leaving the reference level of each factor changes, and its share of the variance.

    A row a factor: changes of each number with their 95% intervals; at the right, the shares of
    variance of the last response, by which rows are ordered.

    Arguments:
        effects: by response, keys of `atlas_table.RESPONSES`; None where there were too few.
        names: of the rows, by factor.
        ax: axis to draw on.
    """
    present = {name: each for name, each in effects.items() if each is not None}
    if not present:
        ax.text(0.5, 0.5, "too few exponents", transform=ax.transAxes, ha="center")
        return ax
    chief = list(present)[-1]
    ordered = sorted(present[chief].main, key=lambda effect: -effect.share)
    heights = {effect.factor: -float(row) for row, effect in enumerate(ordered)}
    for shift, (response, found) in zip((0.22, 0.0, -0.22), present.items(), strict=False):
        main = [effect for effect in found.main if effect.factor in heights]
        x = np.array([effect.change for effect in main])
        y = np.array([heights[effect.factor] + shift for effect in main])
        ends = np.array([[e.change - e.low, e.high - e.change] for e in main]).T
        style: Any = {"linestyle": "", "markersize": 4, "elinewidth": 0.9, **_MARKS[response]}
        ax.errorbar(x, y, np.nan_to_num(ends), label=RESPONSES[response], **style)
    for effect in ordered:
        place: Any = {"xycoords": ("axes fraction", "data"), "textcoords": "offset points"}
        text = f"{100 * effect.share:.0f}%"
        ax.annotate(
            text, (1, heights[effect.factor]), xytext=(4, 0), va="center", fontsize=8, **place
        )
    ax.axvline(0, **_GUIDE)
    ax.set_yticks(list(heights.values()), [names[factor] for factor in heights])
    ax.set_ylim(-len(heights) + 0.4, 0.6)
    ax.grid(visible=False, axis="y")
    ax.set_xlabel("change of the exponent, others alike (bars: 95%)")
    ax.legend(loc="best")
    return ax


def _style(position: int) -> dict[str, Any]:
    return {"color": COLORS[position % len(COLORS)], "marker": MARKERS[position % len(MARKERS)]}


@styled
def draw_sizes(found: Sequence[Ladder], ax: Axes) -> Axes:
    """The steepest local exponent against N, and what is extrapolated, right of the line.

    Arguments:
        found: ladders, one a line; open points are still rising when training ends.
        ax: axis to draw on.
    """
    sizes = sorted({N for ladder in found for N in ladder.table["features"]})
    infinity = sizes[-1] * (sizes[-1] / sizes[0]) ** 0.35
    for position, ladder in enumerate(found):
        table, style, aside = ladder.table, _style(position), position - (len(found) - 1) / 2
        shifted = table["features"].to_numpy(np.float64) * 1.03**aside
        values, errors = table["steepest"].to_numpy(), 1.96 * table["steepest_error"].to_numpy()
        ax.plot(shifted, values, linewidth=0.9, color=style["color"])
        for rising in (True, False):
            part = table["rising"].to_numpy(bool) == rising
            face: Any = {"markerfacecolor": "white"} if rising else {}
            label = None if rising else f"a = {ladder.a:g}"
            marks: Any = {"linestyle": "", "markersize": 4, "elinewidth": 0.9, **style, **face}
            ax.errorbar(shifted[part], values[part], errors[part], label=label, **marks)
        limit = ladder.limit
        if limit is not None:
            ends = [[limit.value - limit.low], [limit.high - limit.value]]
            marks = {"markersize": 4, "elinewidth": 2.5, "alpha": 0.6, **style}
            ax.errorbar([infinity * 1.12**aside], [limit.value], ends, **marks)
    ax.axhline(1, **_GUIDE)
    ax.axvline(math.sqrt(sizes[-1] * infinity) * 0.94, color=GUIDE, linewidth=0.8)
    ax.set_xscale("log")
    ax.set_xticks([*sizes, infinity], [*(f"{N}" for N in sizes), "→ ∞"])
    ax.minorticks_off()
    ax.set_ylim(-0.2, 2.2)
    ax.set_xlabel("number of features N  (right: if it has a limit, hull of 95% intervals)")
    ax.set_ylabel("steepest local exponent")
    ax.legend(loc="upper left", ncols=2)
    return ax


@styled
def draw_times(found: Sequence[Ladder], ax: Axes) -> Axes:
    """When the steepest stretch is reached against N, with the power of N.

    Arguments:
        found: ladders, one a line; open points are still rising when training ends.
        ax: axis to draw on.
    """
    sizes = sorted({N for ladder in found for N in ladder.table["features"]})
    for position, ladder in enumerate(found):
        table, style = ladder.table, _style(position)
        growth = ladder.growth
        power = (
            ""
            if growth is None
            else f": N^{growth.value:.1f} ({growth.low:.1f} to {growth.high:.1f})"
        )
        ax.plot(table["features"], table["steepest_time"], linewidth=0.9, color=style["color"])
        for rising in (True, False):
            part = table["rising"].to_numpy(bool) == rising
            face: Any = {"markerfacecolor": "white"} if rising else {}
            label = None if rising else f"a = {ladder.a:g}{power}"
            place = table["features"].to_numpy()[part], table["steepest_time"].to_numpy()[part]
            ax.plot(*place, linestyle="", label=label, **style, **face)
    ax.plot([], [], "o", color=GUIDE, markerfacecolor="white", label="still rising at the end")
    ax.set(xscale="log", yscale="log")
    plain_log_axis(
        ax.yaxis, [t for ladder in found for t in ladder.table["steepest_time"].dropna()]
    )
    ax.set_xticks(sizes, [f"{N}" for N in sizes])
    ax.minorticks_off()
    ax.set_xlabel("number of features N")
    ax.set_ylabel("time of the steepest stretch, η t")
    ax.legend(loc="upper left")
    return ax
