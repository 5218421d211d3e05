"""The picture of what forms when: loss, saturation and spread under one set of regimes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxsup import plot
from jaxsup.plot.style import COLORS, GUIDE, styled
from jaxsup.reproduce.analysis.formation_table import OBSERVABLES, SHARES, Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SHADES = {"power-law": COLORS[4], "crossover": COLORS[3], "plateau": COLORS[5], "cut-off": GUIDE}
_DRAWN = OBSERVABLES[:2]
_AXES = ("saturation (at most 1)", "spread (0: localized)")
_LABELS: dict[str, str] = dict(zip(_DRAWN, _AXES, strict=True))
_TITLES = {"bottleneck": "bottleneck, response VᵀBW", "autoencoder": "autoencoder, W learned"}


def draw(table: Sequence[Row]) -> Figure:
    """Three rows of panels, a column a row of the table: loss, saturation, spread.

    Arguments:
        table: result of `formation_table.measure`.
    """
    count = len(table)
    figure, axes = plot.new_figure(count, rows=3, width=2.35, height=2.05)
    axes = np.reshape(axes, (3, count))
    seen = {stretch.kind for row in table for stretch in row.stretches}
    shades = [kind for kind in _SHADES if kind in seen]
    for place, row in enumerate(table):
        draw_loss(row, axes[0, place], shades=shades if place == 0 else ())
        for depth, name in enumerate(_DRAWN, start=1):
            draw_course(row, name, axes[depth, place], legend=(place, depth) == (0, 1))
        for ax in axes[:, place]:
            ax.set_xlim(*_reach(table))
            if place:
                ax.set_ylabel("")
        for ax in axes[:2, place]:
            ax.set_xlabel("")
            ax.tick_params(labelbottom=False)
    for line, names in enumerate(((), *((name,) for name in _DRAWN))):
        _share_scale(axes[line], table, names)
    return figure


def _reach(table: Sequence[Row]) -> tuple[float, float]:
    """First and last step of all rows."""
    return min(row.steps[0] for row in table), max(row.steps[-1] for row in table)


def _share_scale(axes: np.ndarray, table: Sequence[Row], names: Sequence[str]) -> None:
    """One scale for a row of panels, numbers at its first."""
    curves = [row.values[name] for row in table for name in names] or [row.loss for row in table]
    ends = [end for curve in curves if curve.size for end in (curve.min(), curve.max())]
    if not ends:
        return
    low, high = min(ends), max(ends)
    if names:
        low, high = low - 0.06 * (high - low), high + 0.06 * (high - low)
    else:
        low, high = low / 1.6, high * 1.6
    for place, ax in enumerate(axes):
        ax.set_ylim(low, high)
        ax.tick_params(labelleft=place == 0, which="both")


@styled
def draw_loss(row: Row, ax: Axes, *, shades: Sequence[str] = ()) -> Axes:
    """The loss of every seed, the stretches of its regimes shaded, exponents of power laws.

    Arguments:
        row: a network and law.
        ax: axis to draw on.
        shades: kinds of stretches that a legend explains.
    """
    _shade(row, ax)
    for curve in row.loss:
        ax.plot(row.steps, curve, color=COLORS[0], linewidth=1.0)
    ax.set(xscale="log", yscale="log")
    for place, stretch in enumerate(row.stretches):
        if stretch.kind != "power-law":
            continue
        middle = float(np.sqrt(row.edges[place] * row.edges[place + 1]))
        style: Any = {"ha": "center", "va": "top", "fontsize": 7.5, "color": COLORS[0]}
        place_of: Any = {"transform": ax.get_xaxis_transform()}
        ax.text(middle, 0.97, f"{stretch.exponent:.2f}", **style, **place_of)
    ax.set_xlabel("training steps t (updates)")
    ax.set_ylabel("loss L")
    ax.set_title(f"{_TITLES[row.kind]}\na = {row.a:g}")
    if shades:
        for kind in shades:
            label = "power law, exponent" if kind == "power-law" else kind
            ax.fill_between([], [], [], color=_SHADES[kind], alpha=0.3, linewidth=0, label=label)
        ax.legend(loc="lower left", fontsize=7, handlelength=1.2)
    return ax


@styled
def draw_course(row: Row, name: str, ax: Axes, *, legend: bool = False) -> Axes:
    """An observable of every seed with the same shades; marks where 10, 50 and 90% have formed.

    Arguments:
        row: a network and law.
        name: one of the two observables that are drawn.
        ax: axis to draw on.
        legend: whether to explain marks and the dotted line.
    """
    _shade(row, ax)
    for curve in row.values[name]:
        ax.plot(row.steps, curve, color=COLORS[1], linewidth=1.0)
    if name == OBSERVABLES[0]:
        null = 1 / (1 + row.latent / row.features)
        label = "random W: 1/(1 + K/N)"
        dots: Any = {"color": GUIDE, "linewidth": 0.9, "linestyle": (0, (2, 3))}
        ax.axhline(null, label=label, **dots)
    if len(row.values[name]) and name in row.courses:
        mean = row.values[name].mean(axis=0)
        halves = [estimate for estimate in row.courses[name].steps if estimate is not None]
        steps = np.array([estimate.value for estimate in halves])
        heights = np.interp(np.log(steps), np.log(row.steps), mean)
        shares = ", ".join(f"{share:.0%}"[:-1] for share in SHARES)
        marks: Any = {"color": COLORS[2], "markersize": 4.5, "zorder": 4}
        ax.plot(steps, heights, "o", label=f"{shares}% of the change", **marks)
    ax.set_xscale("log")
    ax.set_xlabel("training steps t (updates)")
    ax.set_ylabel(_LABELS[name])
    if legend:
        ax.legend(loc="best", fontsize=7)
    return ax


def _shade(row: Row, ax: Axes) -> None:
    """A band of the kind's color for every stretch, with thin edges."""
    for place, stretch in enumerate(row.stretches):
        first, last = row.edges[place : place + 2]
        ax.axvspan(first, last, color=_SHADES[stretch.kind], alpha=0.3, linewidth=0, zorder=0)
        if place:
            ax.axvline(first, color="white", linewidth=1.2, zorder=0.5)
