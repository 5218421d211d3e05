"""The house style of every figure: colours, dashes, an empty figure, a file.

Lines differ in lightness, dash and marker, so that they can be told apart in grey.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from numpy.typing import ArrayLike

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

# From dark to light: readable in grey and with the common colour-vision deficiencies.
COLOURS = ("#1b2a49", "#7b3f72", "#c8553d", "#3a8fa3", "#e0a030", "#8a8d91")
MARKERS = ("o", "s", "^", "D", "v", "P")
DASHES = ("-", (0, (5, 1.5)), (0, (1.5, 1.2)), (0, (6, 1.5, 1.5, 1.5)), (0, (3, 3)), (0, (8, 2)))
GUIDE = "#555555"
COLOUR_MAP = "cividis"
# A legend that covers what it stands on.
COVERING: Any = {"frameon": True, "facecolor": "white", "edgecolor": "none", "framealpha": 0.9}
STYLE: Any = {
    "figure.dpi": 150,
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.7,
    "axes.grid": True,
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "lines.linewidth": 1.4,
    "lines.markersize": 4.5,
    "xtick.direction": "out",
    "ytick.direction": "out",
}


def styled(draw: Callable[..., Axes]) -> Callable[..., Axes]:
    """Draw in the house style, wherever the axis came from."""

    @functools.wraps(draw)
    def in_style(*args: Any, **options: Any) -> Axes:
        with mpl.rc_context(STYLE):
            return draw(*args, **options)

    return in_style


def new_figure(
    columns: int = 1, *, width: float = 5.2, height: float = 3.6, projection: str | None = None
) -> tuple[Figure, Any]:
    """An empty figure in the house style and its axes (one axis, or an array of them).

    Width and height are those of one axis, in inches; the projection "3d" makes axes in space.
    """
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(width * columns, height), layout="constrained")
        return figure, figure.subplots(1, columns, subplot_kw={"projection": projection})


def save_figure(figure: Figure, path: str | Path) -> None:
    """Write a figure in the format that the path's ending names."""
    with mpl.rc_context(STYLE):
        figure.savefig(path, dpi=200)


def plain_log_axis(axis: Axis, values: ArrayLike) -> None:
    """Numbers as 0.05 and 20, not as powers, on a logarithmic axis over the range of `values`."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    decades = float(np.ptp(np.log10(values)))
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if decades < 2.5 else (1.0,)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def line_style(position: int) -> dict[str, Any]:
    """Colour and dash of the line at a position of a figure."""
    return {
        "color": COLOURS[position % len(COLOURS)],
        "linestyle": DASHES[position % len(DASHES)],
    }
