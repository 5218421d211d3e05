"""The house style of every figure: colors, dashes, an empty figure, its axes, a file.

Lines differ in lightness, dash and marker, so that they can be told apart in gray.
"""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, ParamSpec

import matplotlib as mpl
import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from jaxsup._internal.paths import local_path
from jaxsup._internal.validation import fail

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.cm import ScalarMappable
    from matplotlib.figure import Figure

Arguments = ParamSpec("Arguments")

# From dark to light: readable in gray and with the common color-vision deficiencies.
COLORS = ("#1b2a49", "#7b3f72", "#c8553d", "#3a8fa3", "#e0a030", "#8a8d91")
MARKERS = ("o", "s", "^", "D", "v", "P")
DASHES = ("-", (0, (5, 1.5)), (0, (1.5, 1.2)), (0, (6, 1.5, 1.5, 1.5)), (0, (3, 3)), (0, (8, 2)))
GUIDE = "#555555"
COLOR_MAP = "cividis"
WIDTH, HEIGHT = 5.2, 3.6
"""Size of an axis in inches."""
ALONE = 6.4
"""Width of an axis that stands alone: some have their legend beside them."""
STYLE: Any = {
    # Labels are written for Matplotlib's own text, not for LaTeX.
    "text.usetex": False,
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
    # What a legend stands on is not read as part of it.
    "legend.frameon": True,
    "legend.facecolor": "white",
    "legend.edgecolor": "none",
    "legend.framealpha": 0.9,
    "legend.fontsize": 8,
    "lines.linewidth": 1.4,
    "lines.markersize": 4.5,
    "xtick.direction": "out",
    "ytick.direction": "out",
}


# Entries of a legend: most on an axis, most where there is no room beside it, and in a column.
_ON_AXIS, _MOST_ON_AXIS, _ROWS = 4, 9, 20

NEW: Any = None
"""Default of ``ax``: what `styled` decorates is given a new one then."""


def styled(draw: Callable[Arguments, Axes]) -> Callable[Arguments, Axes]:
    """Draw in the house style: on the axis that is given, or on a new one."""
    return _styled(draw, None)


def styled_in_space(draw: Callable[Arguments, Axes]) -> Callable[Arguments, Axes]:
    """`styled` for pictures on a 3-D axis."""
    return _styled(draw, "3d")


def _styled(draw: Callable[Arguments, Axes], projection: str | None) -> Callable[Arguments, Axes]:
    signature = inspect.signature(draw)

    @functools.wraps(draw)
    def in_style(*args: Arguments.args, **options: Arguments.kwargs) -> Axes:
        with mpl.rc_context(STYLE):
            bound = signature.bind(*args, **options)
            if bound.arguments.get("ax") is not None:
                return draw(*args, **options)
            # Of pyplot: a notebook shows its figures, and a script by `pyplot.show`.
            from matplotlib import pyplot

            kind = {"projection": projection}
            figure, bound.arguments["ax"] = pyplot.subplots(
                figsize=(ALONE, HEIGHT), layout="constrained", subplot_kw=kind
            )
            try:
                return draw(*bound.args, **bound.kwargs)
            except BaseException:
                pyplot.close(figure)
                raise

    return in_style


def new_figure(
    columns: int = 1,
    *,
    rows: int = 1,
    width: float = WIDTH,
    height: float = HEIGHT,
    projection: str | None = None,
) -> tuple[Figure, Any]:
    """An empty figure in the house style and its axes.

    It is none of pyplot's, which keeps its figures until they are closed: a notebook shows it as
    the last value of a cell.

    Arguments:
        columns: how many axes stand side by side, at least 1.
        rows: how many of these rows there are, at least 1.
        width, height: of one axis, in inches.
        projection: "3d" makes axes in space.

    Returns:
        The figure, and one axis or, of several, an array of them: [columns], or [rows, columns].
    """
    with mpl.rc_context(STYLE):
        figure = bare_figure(width * columns, height * rows)
        return figure, figure.subplots(rows, columns, subplot_kw={"projection": projection})


def bare_figure(width: float, height: float) -> Figure:
    """A figure without axes, outside of pyplot, that a notebook shows as a cell's last value.

    Arguments:
        width, height: of all of it, in inches.
    """
    from jaxsup.plot.shown_figure import ShownFigure

    return ShownFigure(figsize=(width, height), layout="constrained")


def save_figure(figure: Figure, path: str | Path) -> None:
    """Write a figure in the format that the path's ending names.

    Raises:
        ValueError: the path is none of this machine.
    """
    with mpl.rc_context(STYLE):
        figure.savefig(local_path(path), dpi=200)


def line_style(position: int) -> dict[str, Any]:
    """Color and dash of the line at a position of a figure: no two of the first 36 have both."""
    turn = position // len(COLORS)
    return {
        "color": COLORS[position % len(COLORS)],
        "linestyle": DASHES[(position + turn) % len(DASHES)],
    }


def add_legend(
    ax: Axes,
    *,
    where: Literal["on", "beside", "below"] = "on",
    only: slice = slice(None),
    **title: Any,
) -> None:
    """The legend of an axis, if anything in it has a label.

    Up to four entries stand on the axis, where they cover least. More would cover curves wherever
    they stand: they stand beside it, if the figure's layout makes room for them.

    Arguments:
        ax: with its lines drawn.
        where: "beside" or "below" the axis however few they are.
        only: which of the entries.
        title: of the legend, and its size, as `Axes.legend` takes them.
    """
    handles, names = ax.get_legend_handles_labels()
    handles, names = handles[only], names[only]
    figure = ax.get_figure(root=True)
    makes_room = figure is not None and figure.get_layout_engine() is not None
    many = len(names) > (_ON_AXIS if makes_room else _MOST_ON_AXIS)
    place: dict[str, Any] = {}
    if where == "below":
        place = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.16)}
    elif where == "beside" or many:
        columns = math.ceil(len(names) / _ROWS)
        place = {"loc": "center left", "bbox_to_anchor": (1.01, 0.5), "ncols": columns}
    if names:
        ax.legend(handles, names, **place, **title)


def say_instead(ax: Axes, text: str) -> None:
    """Words in place of a picture that there is not."""
    ax.set_axis_off()
    ax.text(0.5, 0.5, text, ha="center", va="center", transform=ax.transAxes)


def plain_log_axis(axis: Axis, values: ArrayLike) -> None:
    """Numbers as 0.05 and 20, not as powers, on a logarithmic axis over the range of `values`."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    decades = float(np.ptp(np.log10(values)))
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if decades < 2.5 else (1.0,)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def ink_on(shades: ScalarMappable, value: float) -> str:
    """Black or white, whichever has more contrast on the color of a value.

    The contrast of relative luminances Y1 > Y2 is (Y1 + 0.05) / (Y2 + 0.05).

    Arguments:
        shades: colors of values.
        value: that of a cell.

    Reference: Web Content Accessibility Guidelines 2.2, definitions of contrast ratio and relative
    luminance.
    """
    channels = np.asarray(shades.to_rgba(np.asarray(value)))[:3]
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    luminance = float(linear @ [0.2126, 0.7152, 0.0722])
    return "black" if (luminance + 0.05) ** 2 > 1.05 * 0.05 else "white"


def cell_edges(name: str, centers: ArrayLike, high: float = np.inf) -> Float[np.ndarray, " edges"]:
    """Borders of cells around rising positive values on a logarithmic axis, one more than those.

    Arguments:
        name: what an error calls the values.
        centers: two or more rising values in (0, high], [cells].
        high: largest value that makes sense.

    Raises:
        ValueError: the values are not finite numbers in a row, do not rise, or leave (0, high].
    """
    values = np.asarray(centers, np.float64)
    if values.ndim != 1 or not values.size or not np.isfinite(values).all():
        text, do = f"a shape {values.shape}", "leave out what diverged"
        raise fail(name, "finite numbers with 1 axes", text, do, described=True)
    if len(values) < 2 or values[0] <= 0 or values[-1] > high or (np.diff(values) <= 0).any():
        bound = " up to 1" if high == 1.0 else ""
        expected = f"two or more rising positive numbers{bound}"
        raise fail(name, expected, values.tolist(), "sort them")
    logs = np.log(values)
    middle = (logs[1:] + logs[:-1]) / 2
    return np.exp([2 * logs[0] - middle[0], *middle, 2 * logs[-1] - middle[-1]])
