"""The picture of the transition: curves, local exponents, and both regimes' exponents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxsup import fit, plot
from jaxsup.plot.labels import label_point
from jaxsup.plot.style import COLORS, GUIDE, MARKERS, plain_log_axis, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from jaxsup.fit.stretches.regimes import Stretch
    from jaxsup.reproduce.analysis.transition_table import Row

_GUIDE: Any = {"color": GUIDE, "linewidth": 0.8, "linestyle": (0, (2, 3))}
_OPEN: Any = {"markerfacecolor": "white", "markersize": 4, "linestyle": ""}


def draw(table: Sequence[Row], ratio: float) -> Figure:
    """Four panels.

    Arguments:
        table: result of `transition_table.measure`.
        ratio: N/K of the student whose curves are drawn; the smallest above 1 where it is not
            there.
    """
    level = [row for row in table if row.b == 0]
    crowded = sorted({row.ratio for row in level if row.kind == "random" and row.ratio > 1})
    shown = min(crowded, key=lambda other: abs(other - ratio))
    figure, axes = plot.new_figure(2, rows=2, width=5.6, height=4.2)
    draw_curves(level, axes[0, 0], shown)
    draw_local_exponents(level, axes[0, 1], shown)
    draw_against_ratio(level, axes[1, 0])
    draw_against_overlap(level, axes[1, 1])
    return figure


def _laws(rows: Sequence[Row]) -> list[float]:
    return sorted({row.a for row in rows})


def _color(rows: Sequence[Row], row: Row) -> str:
    return COLORS[_laws(rows).index(row.a) % len(COLORS)]


def _marker(rows: Sequence[Row], row: Row) -> str:
    return MARKERS[_laws(rows).index(row.a) % len(MARKERS)]


def _curves(rows: Sequence[Row], ratio: float) -> tuple[list[Row], list[Row]]:
    """Students in superposition at the ratio, and W = I at its smallest step size."""
    random = [row for row in rows if row.kind == "random" and row.ratio == ratio]
    identity = [row for row in rows if row.kind == "identity"]
    smallest = min((row.learning_rate for row in identity), default=0.0)
    return random, [row for row in identity if row.learning_rate == smallest]


@styled
def draw_curves(rows: Sequence[Row], ax: Axes, ratio: float) -> Axes:
    """Loss against eta t: gray without superposition; power laws of the regimes laid over."""
    random, identity = _curves(rows, ratio)
    for row in (*identity, *random):
        crowded = row.kind == "random"
        color = _color(rows, row)
        style: Any = {"color": color, "linewidth": 1.0, "alpha": 0.9 if crowded else 0.7}
        style |= {"linestyle": "-" if crowded else (0, (4, 2))}
        label = f"a = {row.a:g}" if crowded else None
        times = row.learning_rate * row.steps
        if len(row.loss):
            ax.plot(times, row.loss.mean(0), label=label, **style)
        for stretch in row.laws if crowded else ():
            _draw_law(row, stretch, ax, color)
    ax.plot([], [], color=GUIDE, linewidth=4, alpha=0.35, label="one power law")
    if identity:
        ax.plot([], [], color=GUIDE, linestyle=(0, (4, 2)), linewidth=1, label="W = I")
    ax.set(xscale="log", yscale="log")
    ax.set_xlabel("step size × updates, η t")
    ax.set_ylabel("loss L")
    ax.set_title(f"b = 0, random W, N/K = {ratio:.3g}: regimes")
    ax.legend(loc="lower left")
    return ax


def _draw_law(row: Row, stretch: Stretch, ax: Axes, color: str) -> None:
    """A broad line along the stretch, and its exponent beside it."""
    first, last = stretch.window
    inside = (row.steps >= first) & (row.steps <= last)
    times, loss = row.learning_rate * row.steps[inside], row.loss.mean(0)[inside]
    if not len(times):
        return
    ax.plot(times, loss, color=color, linewidth=5, alpha=0.3, solid_capstyle="butt")
    middle = len(times) // 2
    point = float(times[middle]), float(loss[middle])
    label_point(f"{stretch.exponent:.2f}", point, ax, color, offset=(3, 3), size=7)


@styled
def draw_local_exponents(rows: Sequence[Row], ax: Axes, ratio: float) -> Axes:
    """alpha(t) against eta t with intervals: in superposition, and dashed without."""
    random, identity = _curves(rows, ratio)
    for row in (*identity, *random):
        if not len(row.loss):
            continue
        crowded = row.kind == "random"
        local, color = fit.local_exponent(row.steps, row.loss), _color(rows, row)
        times = row.learning_rate * local.steps
        label = f"a = {row.a:g}" if crowded else None
        style: Any = {"linestyle": "-" if crowded else (0, (4, 2)), "linewidth": 1.2}
        ax.plot(times, local.exponent, color=color, label=label, **style)
        if crowded:
            low, high = local.interval.T
            ax.fill_between(times, low, high, color=color, alpha=0.15, linewidth=0)
        else:
            linear = fit.local_exponent(row.steps, row.linear_loss)
            ax.plot(row.learning_rate * linear.steps, linear.exponent, ":", color=color)
    if identity:
        ax.plot([], [], color=GUIDE, linestyle=(0, (4, 2)), linewidth=1.2, label="W = I")
        ax.plot([], [], ":", color=GUIDE, label="W = I, linear (closed form)")
    ax.axhline(1, **_GUIDE)
    ax.set_xscale("log")
    ax.set_ylim(-0.1, 1.9)
    ax.set_xlabel("step size × updates, η t")
    ax.set_ylabel("local exponent  −d log L / d log t")
    ax.set_title("the exponent along training (bands: 95%)")
    ax.legend(loc="upper left")
    return ax


@styled
def draw_against_ratio(rows: Sequence[Row], ax: Axes) -> Axes:
    """First (open) and last (filled) exponents against N/K; controls at K = N left of it."""
    random = [row for row in rows if row.kind == "random"]
    _draw_both(rows, random, [row.ratio for row in random], ax)
    controls = [row for row in rows if row.kind in ("identity", "rotation")]
    smallest = min((row.learning_rate for row in controls), default=0.0)
    places = {"identity": 0.72, "rotation": 0.84}
    settled = [row for row in controls if row.learning_rate == smallest]
    _draw_both(rows, settled, [places[row.kind] for row in settled], ax, line=False)
    ax.axhline(1, **_GUIDE)
    ax.set_xscale("log")
    ratios = [ratio for ratio in sorted({row.ratio for row in random}) if ratio in (1, 2, 4, 8, 16)]
    ticks = [(places["identity"], "I"), (places["rotation"], "R")] if settled else []
    ticks += [(ratio, f"{ratio:g}") for ratio in ratios]
    ax.set_xticks([place for place, _ in ticks], [text for _, text in ticks])
    ax.minorticks_off()
    ax.set_xlabel("N/K, random W      (I: W = I, R: rotation, K = N)")
    ax.set_ylabel("exponent")
    ax.set_title("first (open) and last (filled) power law; dotted: steepest place")
    return ax


@styled
def draw_against_overlap(rows: Sequence[Row], ax: Axes) -> Axes:
    """The same against the mean squared overlap of the columns; K = N filled with a dot."""
    whole = [row for row in rows if row.kind in ("between", "random")]
    lowest = min(row.overlap for row in whole) / 4
    controls = [row for row in rows if row.kind == "rotation"]
    _draw_both(rows, whole, [row.overlap for row in whole], ax, line=False)
    _draw_both(rows, controls, [lowest] * len(controls), ax, line=False)
    for row in (*whole, *controls):
        place = row.overlap if row.kind != "rotation" else lowest
        if row.steepest:
            style: Any = {"color": _color(rows, row), "markersize": 5, "markeredgewidth": 0.9}
            ax.plot(place, row.steepest.exponent, "+", **style)
        if row.ratio == 1 and row.last:
            ax.plot(place, row.last.exponent, ".", color="white", markersize=3, zorder=5)
    ax.axhline(1, **_GUIDE)
    ax.set_xscale("log")
    values = [lowest, *(row.overlap for row in whole)]
    plain_log_axis(ax.xaxis, values)
    ax.set_xlabel("mean squared overlap of columns (leftmost: 0)")
    ax.set_ylabel("exponent")
    ax.set_title("the same against overlap; white dots: K = N, no bottleneck")
    for a in _laws(rows):
        position = _laws(rows).index(a)
        style = {"color": COLORS[position % len(COLORS)], "linestyle": ""}
        ax.plot([], [], marker=MARKERS[position % len(MARKERS)], label=f"a = {a:g}", **style)
    ax.plot([], [], "o", color=GUIDE, label="last power law")
    ax.plot([], [], "o", color=GUIDE, label="first power law", **_OPEN)
    ax.plot([], [], "+", color=GUIDE, label="steepest place")
    ax.legend(loc="center left", bbox_to_anchor=(1.01, 0.5))
    return ax


def _draw_both(
    rows: Sequence[Row], drawn: Sequence[Row], places: Sequence[float], ax: Axes, line: bool = True
) -> None:
    """Both regimes' exponents with intervals at given places; one line a law, the steepest."""
    for a in _laws(rows):
        chosen = [(place, row) for place, row in zip(places, drawn, strict=True) if row.a == a]
        chosen.sort(key=lambda pair: pair[0])
        if not chosen:
            continue
        style: Any = {"color": _color(rows, chosen[0][1]), "marker": _marker(rows, chosen[0][1])}
        peaks = [(place, row.steepest.exponent) for place, row in chosen if row.steepest]
        if line and peaks:
            dashes: Any = {"color": style["color"], "linewidth": 0.9, "linestyle": (0, (1.5, 1.5))}
            ax.plot(*zip(*peaks, strict=True), **dashes)
        firsts = [(place, row.first) for place, row in chosen if row.first]
        lasts = [(place, row.last) for place, row in chosen if row.last]
        ax.plot([p for p, _ in firsts], [s.exponent for _, s in firsts], **_OPEN, **style)
        if not lasts:
            continue
        x, y = np.array([p for p, _ in lasts]), np.array([s.exponent for _, s in lasts])
        ends = np.array([s.interval for _, s in lasts]).T
        errors = np.nan_to_num(np.abs(ends - y))
        shape: Any = {"linestyle": "", "linewidth": 0.8, "capsize": 2}
        ax.errorbar(x, y, errors, markersize=4, **shape, **style)
