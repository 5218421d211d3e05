"""Pictures that hold training with superposition to training without."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from jaxsup._internal.validation import fail
from jaxsup.plot.style import COVERING, GUIDE, MARKERS, line_style, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@styled
def speed_up(levels: ArrayLike, gains: ArrayLike, ax: Axes, *, labels: Sequence[str]) -> Axes:
    """How many times fewer steps a loss takes, against the loss relative to the first.

    Arguments:
        levels: [levels], L / L(0), falling; drawn from left to right as training goes.
        gains: [lines, levels]; NaN where a level is not reached by both.
        ax: axis to draw on.
        labels: one a line.

    Raises:
        ValueError: shapes that do not match.
    """
    x, values = np.asarray(levels, np.float64), np.asarray(gains, np.float64)
    if values.shape != (len(labels), len(x)):
        expected = f"{len(labels)} lines of {len(x)} levels"
        raise fail("gains", expected, f"a shape {values.shape}", "give a label a line")
    for level, words in ((1.0, "no gain"), (10.0, "tenfold")):
        ax.axhline(level, color=GUIDE, linewidth=0.8, linestyle=(0, (4, 2)))
        ax.annotate(
            words,
            (0, level),
            xycoords=("axes fraction", "data"),
            xytext=(3, 2),
            textcoords="offset points",
            fontsize=7,
        )
    for position, label in enumerate(labels):
        known = np.isfinite(values[position])
        name = label if known.any() else f"{label}: not reached by both"
        ax.plot(x[known], values[position][known], label=name, **line_style(position))
        if known.any():
            last = np.flatnonzero(known)[-1]
            ax.plot(x[last], values[position][last], "o", color=line_style(position)["color"])
    reached = x[np.isfinite(values).any(axis=0)]
    ax.set(xscale="log", xlim=(x.max(), 0.6 * reached.min() if reached.size else x.min()))
    ax.set_xlabel("loss relative to the first, L / L(0)")
    ax.set_ylabel("speed-up: how many times fewer steps")
    ax.legend(loc="upper right", **COVERING)
    return ax


@styled
def learning_times(
    features: ArrayLike, times: ArrayLike, ax: Axes, *, labels: Sequence[str], slope: float
) -> Axes:
    """Steps at which each feature is learned against its index, with the guide t ~ i^slope.

    Arguments:
        features: [features], i >= 1.
        times: [lines, features], steps; infinite or NaN: not learned, left out and counted.
        ax: axis to draw on.
        labels: one a line.
        slope: of the guide, through the first line's first learned feature.

    Raises:
        ValueError: shapes that do not match.
    """
    x, values = np.asarray(features, np.float64), np.asarray(times, np.float64)
    if values.shape != (len(labels), len(x)):
        expected = f"{len(labels)} lines of {len(x)} features"
        raise fail("times", expected, f"a shape {values.shape}", "give a label a line")
    for position, label in enumerate(labels):
        known = np.isfinite(values[position])
        missing = int((~known).sum())
        colour = line_style(position)["color"]
        marker = MARKERS[position % len(MARKERS)]
        name = f"{label}{f' ({missing} not learned)' if missing else ''}"
        ax.plot(
            x[known],
            values[position][known],
            marker,
            color=colour,
            markersize=3,
            alpha=0.7,
            markeredgewidth=0,
            label=name,
        )
    first = values[0][np.isfinite(values[0])]
    if first.size:
        start = x[np.isfinite(values[0])][0]
        guide = first[0] * (x / start) ** slope
        style = {"color": GUIDE, "linewidth": 0.9, "linestyle": (0, (4, 2))}
        ax.plot(x, guide, label=f"one by one: t ~ i^{slope:g}", **style)
    ax.set(xscale="log", yscale="log")
    ax.set_xlabel("feature i, from frequent to rare")
    ax.set_ylabel("learning time (updates)")
    ax.legend(loc="upper left", **COVERING)
    return ax
