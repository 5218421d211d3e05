"""Maps over two learning rates, and the box counts of their borders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from jaxsup._internal.validation import fail
from jaxsup.plot.style import COLOUR_MAP, GUIDE, line_style, plain_log_axis, styled
from jaxsup.plot.superposition import cell_edges

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from jaxsup.reproduce.analysis.box_counting import Border

OUTCOMES = ("learns", "falls silent", "diverges")
"""What becomes of a network: the codes 0, 1 and 2 of `trainability_map`."""

_SILENT, _DIVERGES = "#d4d4d4", "#c8553d"


@styled
def trainability_map(
    rates: ArrayLike,
    bias_rates: ArrayLike,
    outcomes: ArrayLike,
    losses: ArrayLike,
    ax: Axes,
) -> Axes:
    """What becomes of networks over two learning rates: the final loss of those that learn.

    Grey are networks that fell silent, red those that diverged.

    Arguments:
        rates: [rates] of W, positive and rising: the vertical axis.
        bias_rates: [bias rates], likewise: the horizontal axis.
        outcomes: codes of `OUTCOMES`, [rates, bias rates].
        losses: final loss as a share of that of a silent network, [rates, bias rates]; used where
            the network learns, and positive there.
        ax: axis to draw on.

    Raises:
        ValueError: rates that do not rise, or shapes that do not match.
    """
    from matplotlib.colors import ListedColormap, LogNorm
    from matplotlib.patches import Patch

    y, x = cell_edges("rates", rates), cell_edges("bias_rates", bias_rates)
    codes, values = np.asarray(outcomes), np.asarray(losses, np.float64)
    if codes.shape != (len(y) - 1, len(x) - 1) or values.shape != codes.shape:
        expected = f"a network for each of {len(y) - 1} rates x {len(x) - 1} bias rates"
        got = f"a shape {codes.shape} and a shape {values.shape}"
        raise fail("outcomes", expected, got, "check the order of the axes")
    ax.grid(visible=False)
    other = np.ma.masked_where(codes == 0, codes)
    two = ListedColormap([_SILENT, _DIVERGES])
    ax.pcolormesh(x, y, other, cmap=two, vmin=1, vmax=2, rasterized=True)
    if (codes == 0).any():
        shown = np.ma.masked_where(codes != 0, values)
        norm = LogNorm(float(shown.min()), 1.0)
        shades = ax.pcolormesh(x, y, shown, cmap=COLOUR_MAP, norm=norm, rasterized=True)
        figure = ax.get_figure()
        if figure is not None:
            label = "final loss of those that learn / loss of silence"
            figure.colorbar(shades, ax=ax, label=label)
    ax.set(xscale="log", yscale="log", xlim=(x[0], x[-1]), ylim=(y[0], y[-1]))
    plain_log_axis(ax.xaxis, np.asarray(bias_rates))
    plain_log_axis(ax.yaxis, np.asarray(rates))
    ax.set_xlabel("learning rate of the bias")
    ax.set_ylabel("learning rate of W")
    patches = [
        Patch(facecolor=colour, label=f"{OUTCOMES[code]} ({100 * (codes == code).mean():.0f}%)")
        for code, colour in ((2, _DIVERGES), (1, _SILENT))
    ]
    ax.legend(handles=patches, loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2)
    return ax


@styled
def box_counts(borders: Sequence[tuple[str, Sequence[Border]]], ax: Axes) -> Axes:
    """Boxes that a border passes through against their size, with slopes 1 and 2 beside them.

    Arguments:
        borders: (name, borders of several maps of one grid), see
            `jaxsup.reproduce.analysis.box_counting.measure_border`; medians over the maps are drawn.
        ax: axis to draw on.

    Raises:
        ValueError: a border without maps, or none that is crossed.
    """
    top, sizes = 0.0, np.ones(1)
    for position, (name, maps) in enumerate(borders):
        if not maps:
            raise fail("borders", "at least one map of each", name, "leave it out")
        sizes = np.asarray(maps[0].sizes, np.float64)
        counts = np.median([border.counts for border in maps], axis=0)
        seen = counts > 0
        style = line_style(position)
        ax.plot(sizes[seen], counts[seen], marker="os^"[position % 3], label=name, **style)
        top = max(top, float(counts[0]))
    if not top:
        raise fail("borders", "a border that boxes see", "a map of one kind", "widen the map")
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
