"""Borders of regions on a grid: box counts and the dimension that follows from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from jaxtyping import Bool, Int
from numpy.typing import ArrayLike

from jaxsup._internal.validation import fail
from jaxsup.fit.intervals import Estimate, log_log_slope
from jaxsup.plot.style import GUIDE, line_style, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_FEWEST = 8
"""Boxes along the shorter side: with fewer, one sees the map's frame and not the border."""


class Border(NamedTuple):
    """The border between a region and its complement.

    Attributes:
        sizes: sides of the boxes, in spacings of the grid.
        counts: boxes that hold points of both kinds.
        dimension: -d log counts / d log sizes; None where the counts do not say.
    """

    sizes: Int[np.ndarray, " sizes"]
    counts: Int[np.ndarray, " sizes"]
    dimension: Estimate | None


def measure_border(region: ArrayLike) -> Border:
    """Box-counting dimension of a region's border: 1 for a smooth curve, above 1 for a fractal.

    Boxes of side 1, 2, 4, ... spacings tile the grid as long as at least 8 fit along its shorter
    side; they own the points on their sides, so that neighbors share them, and what remains at the
    far edges does not count. A straight line then crosses boxes in proportion to 1 / side. The
    dimension is a slope over these sizes alone: what is rough below the grid's spacing looks
    smooth. The frame cuts the large boxes short, which makes a straight line 1.01 on a grid of 513
    points. Its interval is that of `jaxsup.fit.intervals.log_log_slope`.

    Arguments:
        region: [rows, columns] of truth values, at least 33 along the shorter side for a dimension.

    Raises:
        ValueError: not a matrix of truth values, or shorter than 9 along a side.

    Reference: Sohl-Dickstein, arXiv 2402.06184, whose borders of trainability it is used on.
    """
    inside = np.asarray(region)
    if inside.ndim != 2 or inside.dtype != np.bool_ or min(inside.shape) <= _FEWEST:
        text, least = f"a {inside.dtype} array of shape {inside.shape}", _FEWEST + 1
        expected = f"truth values [rows, columns], {least} or more a side"
        raise fail("region", expected, text, "refine the grid", described=True)
    spacings = min(inside.shape) - 1
    sizes = 2 ** np.arange(int(np.log2(spacings // _FEWEST)) + 1)
    counts = np.array([_mixed_boxes(inside, int(size)) for size in sizes])
    enough = len(sizes) >= 3 and counts.min() > 0
    slope = log_log_slope(1.0 / sizes, counts) if enough else None
    return Border(sizes, counts, slope)


@styled
def draw_box_counts(borders: Mapping[str, Sequence[Border]], ax: Axes) -> Axes:
    """Boxes that a border passes through against their size, with slopes 1 and 2 beside them.

    Arguments:
        borders: by name, those of several maps of one grid; medians over the maps are drawn.
        ax: axis to draw on.

    Raises:
        ValueError: a border without maps, or none that is crossed.
    """
    top, sizes = 0.0, np.ones(1)
    for position, (name, maps) in enumerate(borders.items()):
        if not maps:
            raise fail(
                "borders",
                "at least one map of each",
                f"none of {name}",
                "leave it out",
                described=True,
            )
        sizes = np.asarray(maps[0].sizes, np.float64)
        counts = np.median([border.counts for border in maps], axis=0)
        crossed = counts > 0
        style = line_style(position)
        ax.plot(sizes[crossed], counts[crossed], marker="os^"[position % 3], label=name, **style)
        top = max(top, float(counts[0]))
    if not top:
        expected, text = "a border that boxes see", "maps of one kind"
        raise fail("borders", expected, text, "widen the map", described=True)
    for slope, dash in ((1, (0, (4, 2))), (2, (0, (1, 1.5)))):
        label = f"dimension {slope}" + (" (smooth)" if slope == 1 else " (fills the map)")
        line = 1.6 * top * (sizes / sizes[0]) ** -slope
        ax.plot(sizes, line, color=GUIDE, linewidth=0.9, linestyle=dash, label=label)
    ax.set(xscale="log", yscale="log")
    ax.set_xlabel("side of a box (grid spacings)")
    ax.set_ylabel("boxes that hold both sides of the border")
    ax.set_xticks(sizes, [f"{size:g}" for size in sizes])
    ax.xaxis.minorticks_off()
    ax.legend()
    return ax


def _mixed_boxes(inside: Bool[np.ndarray, "rows columns"], size: int) -> int:
    """Boxes of size + 1 points a side that hold both kinds, from sums over rectangles."""
    sums = np.pad(inside.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
    rows, columns = (np.arange(0, length - size, size) for length in inside.shape)
    top, first = np.ix_(rows, columns)
    bottom, last = top + size + 1, first + size + 1
    inside_box = sums[bottom, last] - sums[top, last] - sums[bottom, first] + sums[top, first]
    return int(((inside_box > 0) & (inside_box < (size + 1) ** 2)).sum())
