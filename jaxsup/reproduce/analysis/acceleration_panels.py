"""The picture of the acceleration: curves, ratios of exponents, speed-ups, and dead outputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from jaxsup import plot
from jaxsup.plot.labels import label_point
from jaxsup.plot.style import (
    COLORS,
    GUIDE,
    MARKERS,
    line_style,
    plain_log_axis,
    styled,
)
from jaxsup.reproduce.analysis.acceleration_table import (
    LIMIT,
    LINEAR,
    OWN_LAW,
    OWN_LAW_RELU,
    RANDOM,
    RELU,
    SAME_WINDOW,
    SMALL,
    UNIT,
    laws_of,
    limit_of,
)
from jaxsup.reproduce.analysis.speed_ups import LEVELS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from jaxsup.reproduce.analysis.acceleration_table import Gain, Ratio, Row, Table

_DASHED: Any = {"color": GUIDE, "linewidth": 0.8, "linestyle": (0, (4, 2))}
_LOWEST = 0.1  # of the ratios that are drawn
_SHORT = {
    LIMIT: "the limit $(a+2b-1)/a$, N → ∞",
    SAME_WINDOW: "linear W = I, same window",
    OWN_LAW: "linear W = I, its own last law",
    OWN_LAW_RELU: f"ReLU W = I at η = {SMALL:g}, its last law",
}


def draw(table: Table) -> Figure:
    """Six panels; of several ratios N/K the smallest above 1 is drawn."""
    ratio = min(each.ratio for each in table.ratios)
    laws = laws_of(table.rows)
    figure, axes = plot.new_figure(3, rows=2, width=4.8, height=3.9)
    first = [row for row in table.rows if (row.a, row.b) == laws[0]]
    exponents = [each for each in table.ratios if each.ratio == ratio]
    draw_curves(first, axes[0, 0], ratio, exponents)
    draw_ratios(exponents, axes[0, 1])
    labels = [_law(law) for law in laws]
    for ax, kind in ((axes[0, 2], RELU), (axes[1, 0], LINEAR)):
        gains = [g for g in table.gains if (g.ratio, g.reference) == (ratio, kind)]
        title = f"2. steps to a loss, N/K = {ratio:g} against {kind}"
        means = np.array([gain.speed_up.mean for gain in gains])
        draw_speed_up(LEVELS, means, ax, labels=labels, title=title)
        _mark_largest(gains, ax)
    draw_dead(table.rows, axes[1, 1])
    draw_ends(table.rows, axes[1, 2])
    return figure


def _law(law: tuple[float, float]) -> str:
    return f"a = {law[0]:g}" + (f", b = {law[1]:g}" if law[1] else "")


@styled
def draw_curves(rows: Sequence[Row], ax: Axes, ratio: float, ratios: Sequence[Ratio]) -> Axes:
    """Loss against eta t of one law: in superposition, and without at the stated step sizes.

    Arguments:
        rows: of one law.
        ax: axis to draw on.
        ratio: N/K of the student in superposition.
        ratios: whose numerators and denominators are marked, those of the law.
    """
    law = (rows[0].a, rows[0].b)
    shown = (
        (RANDOM, ratio, UNIT, f"N/K = {ratio:g}, η = {UNIT:g}"),
        (LINEAR, 1.0, UNIT, f"W = I, linear, η = {UNIT:g}"),
        (RELU, 1.0, SMALL, f"W = I, ReLU, η = {SMALL:g}"),
        (RELU, 1.0, UNIT, f"W = I, ReLU, η = {UNIT:g}: dead outputs"),
    )
    for position, (kind, n_over_k, rate, label) in enumerate(shown):
        for row in rows:
            at = (row.kind, row.ratio, round(row.learning_rate, 6))
            if at == (kind, n_over_k, rate) and any(row.whole):
                curve = row.curve
                mean = curve.loss.mean(0) / row.loss[row.whole][:, 0].mean()
                ax.plot(curve.times, mean, label=label, **line_style(position))
                _mark_laws(ratios, law, kind, position, curve.times, mean, ax)
    ax.set(xscale="log", yscale="log")
    ax.set_xlabel("step size × updates, η t")
    ax.set_ylabel("L / L(0)")
    ax.set_title(f"{_law(law)}: loss; broad: the last power law with its exponent")
    ax.legend(loc="lower left")
    return ax


def _mark_laws(
    ratios: Sequence[Ratio],
    law: tuple[float, float],
    kind: str,
    position: int,
    times: Float[np.ndarray, " steps"],
    mean: Float[np.ndarray, " steps"],
    ax: Axes,
) -> None:
    """The last power law of a curve as a broad line, its exponent beside it."""
    references = {LINEAR: OWN_LAW, RELU: OWN_LAW_RELU, RANDOM: LIMIT}
    for each in ratios:
        if (each.a, each.b, each.reference) != (*law, references[kind]):
            continue
        exponent = each.numerator if kind == RANDOM else each.denominator
        # The trapped ReLU student, the last of the list, has no part in a ratio.
        if exponent.window is None or position == len(references):
            continue
        low, high = exponent.window
        inside = (times >= low * (1 - 1e-6)) & (times <= high * (1 + 1e-6))
        color = line_style(position)["color"]
        ax.plot(times[inside], mean[inside], color=color, linewidth=6, alpha=0.3)
        middle = np.flatnonzero(inside)[inside.sum() // 2]
        beside = (-26, -8) if kind == RANDOM else (5, 4)
        point = float(times[middle]), float(mean[middle])
        label_point(f"{exponent.value:.2f}", point, ax, color, offset=beside, size=8)


@styled
def draw_ratios(ratios: Sequence[Ratio], ax: Axes) -> Axes:
    """Each law's ratio over every reference, with its interval; bars: about 1 over the limit."""
    laws = laws_of(ratios)
    names = list(_SHORT)
    for place, law in enumerate(laws):
        limit = limit_of(ratios, law)
        label = "published: (1 ± 0.2) over the limit" if place == 0 else None
        band: Any = {"color": GUIDE, "alpha": 0.18, "linewidth": 0}
        ax.fill_between([place - 0.42, place + 0.42], 0.8 / limit, 1.2 / limit, label=label, **band)
    for position, name in enumerate(names):
        found = [each for each in ratios if each.reference == name and each.estimate]
        x = [laws.index((each.a, each.b)) + 0.17 * (position - 1.5) for each in found]
        numbers = np.array([each.estimate[:3] for each in found if each.estimate]).reshape(-1, 3)
        value, low, high = numbers.T
        style: Any = {"color": COLORS[position], "marker": MARKERS[position], "linestyle": ""}
        ax.errorbar(x, value, [value - low, high - value], capsize=2, label=_SHORT[name], **style)
        lacking = [each for each in ratios if each.reference == name and not each.estimate]
        x = [laws.index((each.a, each.b)) + 0.17 * (position - 1.5) for each in lacking]
        ax.plot(x, [1.15 * _LOWEST] * len(x), "x", color=COLORS[position])
    ax.axhline(10, **_DASHED)
    ax.axhline(1, **_DASHED)
    ax.set_yscale("log")
    ax.set_ylim(_LOWEST, 300)
    plain_log_axis(ax.yaxis, [_LOWEST, 300])
    ax.set_xlim(-0.6, len(laws) - 0.4)
    ax.set_xticks(range(len(laws)), [_law(law) for law in laws])
    ax.set_ylabel("last exponent in superposition, over ...")
    ax.set_title("1. ratio of exponents; dashed: 1 and tenfold")
    if any(each.estimate is None for each in ratios):
        ax.plot([], [], "x", color=GUIDE, label="at the bottom: no ratio, see the table")
    ax.legend(loc="upper right")
    return ax


@styled
def draw_speed_up(
    levels: Float[np.ndarray, " levels"],
    gains: Float[np.ndarray, "settings levels"],
    ax: Axes,
    *,
    labels: Sequence[str],
    title: str = "",
) -> Axes:
    """How many times fewer steps a loss takes, against the loss relative to the first.

    Arguments:
        levels: L / L(0), falling; drawn from left to right as training goes.
        gains: NaN where a level is not reached by both sides.
        ax: axis to draw on.
        labels: one a setting.
        title: of the panel.
    """
    for level, words in ((1.0, "no gain"), (10.0, "tenfold")):
        ax.axhline(level, **_DASHED)
        place: Any = {"xycoords": ("axes fraction", "data"), "textcoords": "offset points"}
        ax.annotate(words, (0, level), xytext=(3, 2), fontsize=7, **place)
    for position, label in enumerate(labels):
        reached = np.isfinite(gains[position])
        name = label if reached.any() else f"{label}: not reached by both"
        ax.plot(levels[reached], gains[position][reached], label=name, **line_style(position))
        if reached.any():
            last = np.flatnonzero(reached)[-1]
            ax.plot(levels[last], gains[position][last], "o", color=line_style(position)["color"])
    common = levels[np.isfinite(gains).any(axis=0)]
    ax.set(xscale="log", xlim=(levels.max(), 0.6 * common.min() if common.size else levels.min()))
    low, high = min(ax.get_xlim()), max(ax.get_xlim())
    plain_log_axis(ax.xaxis, [low, high])
    ax.set_title(title)
    ax.set_yscale("log")
    drawn = [float(gain) for gain in gains[np.isfinite(gains)]]
    ends = [min([0.3, *(0.7 * gain for gain in drawn)]), max([30.0, *(3 * g for g in drawn)])]
    ax.set_ylim(*ends)
    plain_log_axis(ax.yaxis, ends)
    ax.set_xlabel("loss relative to the first, L / L(0)")
    ax.set_ylabel("times fewer steps, best step sizes\n(bars: largest, 95% interval)")
    ax.legend(loc="upper right")
    return ax


def _mark_largest(gains: Sequence[Gain], ax: Axes) -> None:
    """The largest factor of each law with its interval, where the mean over seeds is largest."""
    for position, gain in enumerate(gains):
        largest = gain.speed_up.largest
        if largest:
            margins = [[largest.value - largest.low], [largest.high - largest.value]]
            style: Any = {"color": line_style(position)["color"], "capsize": 3, "linewidth": 1}
            ax.errorbar([gain.speed_up.level], [largest.value], margins, **style)


@styled
def draw_dead(rows: Sequence[Row], ax: Axes) -> Axes:
    """Dead outputs over due ones against the step size; bars: the range over seeds."""
    _against_rate(rows, ax, lambda row: row.dead.fraction if row.dead else np.empty(0))
    ax.set_ylim(-0.03, 1)
    ax.set_ylabel("dead outputs / features that were due")
    ax.set_title("3. the trap of W = I: outputs without a gradient")
    ax.legend(loc="upper left")
    return ax


@styled
def draw_ends(rows: Sequence[Row], ax: Axes) -> Axes:
    """The last loss against the step size, and thin, what dead outputs hold of it."""
    _against_rate([row for row in rows if row.kind != LINEAR], ax, lambda row: row.end)
    lost = [row for row in rows if row.kind == RELU]
    for position, law in enumerate(laws_of(lost)):
        points = [
            (row.learning_rate, float((row.end * row.dead.share).mean()))
            for row in lost
            if (row.a, row.b) == law and row.dead and row.dead.dead.any()
        ]
        if points:
            style: Any = {"color": COLORS[position], "linestyle": "", "marker": "_"}
            ax.plot(*zip(*points, strict=True), markersize=14, markeredgewidth=2, **style)
    ax.plot(
        [], [], color=GUIDE, linestyle="", marker="_", markersize=14, label="dead outputs of W = I"
    )
    ax.set_yscale("log")
    ax.set_ylabel("L / L(0) at the end of training")
    ax.set_title("3. where it ends; flat marks: what dead outputs hold of it")
    ax.legend(loc="upper left")
    return ax


def _against_rate(
    rows: Sequence[Row], ax: Axes, values: Callable[[Row], Float[np.ndarray, " seeds"]]
) -> None:
    """Lines over step sizes, a color a law: W = I filled, random W open, linear dotted."""
    shapes: dict[str, Any] = {
        RELU: {"marker": "o", "linestyle": "-"},
        RANDOM: {"marker": "s", "linestyle": "--", "markerfacecolor": "white"},
        LINEAR: {"marker": "x", "linestyle": ":"},
    }
    names = {RELU: "W = I, ReLU", RANDOM: "random W, ReLU, K = N", LINEAR: "W = I, linear"}
    for position, law in enumerate(laws_of(rows)):
        for kind, shape in shapes.items():
            group = [r for r in rows if (r.a, r.b, r.kind, r.ratio) == (*law, kind, 1.0)]
            chosen = [r for r in group if any(r.whole) and np.isfinite(values(r)).all()]
            if not chosen:
                continue
            seeds = [values(row) for row in chosen]
            mean = np.array([each.mean() for each in seeds])
            ends = [mean - [s.min() for s in seeds], [s.max() for s in seeds] - mean]
            rates = [row.learning_rate for row in chosen]
            ax.errorbar(rates, mean, ends, color=COLORS[position], linewidth=1, capsize=2, **shape)
        ax.plot([], [], color=COLORS[position], linewidth=3, label=_law(law))
    for kind in dict.fromkeys(row.kind for row in rows):
        shape = shapes[kind]
        ax.plot([], [], color=GUIDE, linewidth=1, label=names[kind], **shape)
    ax.set_xscale("log")
    plain_log_axis(ax.xaxis, [row.learning_rate for row in rows])
    ax.set_xlabel("step size η")
