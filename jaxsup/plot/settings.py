"""Lines of settings: what each looks like, and what tells which it is.

A legend tells few lines apart. Many lines along a number are shaded by it, beside a color bar; many
that differ otherwise have a dash and a color of their own, and their legend stands beside the axis.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from matplotlib import colormaps
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, LogNorm, Normalize

from jaxsup._internal.aliases import short_name
from jaxsup.plot.style import COLOR_MAP, add_legend, line_style, plain_log_axis

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes

FEW = 6
"""Lines that differ in color and dash by themselves."""

_LIGHTEST = 0.9  # of the color map: the rest is too light for a line
_WIDE = 8.0  # ratio of the last to the first number, from which colors follow its logarithm


class SettingLines(NamedTuple):
    """The lines of a picture, one a setting.

    Attributes:
        styles: color and dash of each.
        labels: of each in the legend; None where there is no need of one.
        shades: the colors of numbers, where lines are shaded by one.
        title: what this number is.
    """

    styles: list[dict[str, Any]]
    labels: list[str | None]
    shades: ScalarMappable | None
    title: str

    def explain(self, ax: Axes, *, beside: bool = False) -> None:
        """Draw the color bar and the legend.

        Arguments:
            ax: with its lines drawn.
            beside: whether the legend stands outside of the axis even if it is short.
        """
        if self.shades is not None:
            bar = ax.figure.colorbar(self.shades, ax=ax, label=self.title)
            ends: Any = self.shades.get_clim()
            if isinstance(self.shades.norm, LogNorm):
                plain_log_axis(bar.ax.yaxis, ends)
        if not beside:
            add_legend(ax)
        else:  # below: a color bar stands beside
            add_legend(ax, where="beside" if self.shades is None else "below")


def setting_lines(dataset: xr.Dataset, dims: Sequence[Hashable]) -> SettingLines:
    """How to draw the settings of a dataset, in the order of its scanned axis.

    Arguments:
        dataset: what is drawn.
        dims: its scanned axis; of a single setting there is none.
    """
    count = dataset.sizes[dims[0]] if dims else 1
    number = _number_along(dataset, dims[0]) if dims and count > FEW else None
    if number is None:
        styles = [line_style(position) for position in range(count)]
        labels = [setting_label(dataset, dims, position) for position in range(count)]
        return SettingLines(styles, labels, None, "")
    values = number.values.astype(float)
    low, high = float(values.min()), float(values.max())
    wide = low > 0 and high / low >= _WIDE
    colors = colormaps[COLOR_MAP](np.linspace(0, _LIGHTEST, 256))
    shades = ScalarMappable((LogNorm if wide else Normalize)(low, high), ListedColormap(colors))
    shaded = [{"color": shades.to_rgba(value), "linewidth": 1.0} for value in values.tolist()]
    title = str(number.attrs.get("long_name", short_name(str(number.name)).replace("_", " ")))
    return SettingLines(shaded, [None] * count, shades, title)


def setting_label(dataset: xr.Dataset, dims: Sequence[Hashable], position: int) -> str | None:
    """What tells a line from the others: the coordinates along the scanned axis.

    Along a ratio axis the ratio alone speaks, since K and the embedding go with it.

    Arguments:
        dataset: what is drawn.
        dims: its scanned axis; without one there is no label.
        position: of the setting along that axis.
    """
    if not dims:
        return None
    along = {n: c for n, c in dataset.coords.items() if c.dims == (dims[0],)}
    if "superposition_ratio" in along:
        return f"N/K = {along['superposition_ratio'].values[position]:.4g}"
    parts = []
    for name, coordinate in sorted(along.items(), key=lambda item: str(item[0])):
        text = short_name(str(name)).replace("_", " ")
        value = coordinate.values[position]
        number = np.issubdtype(coordinate.dtype, np.number)
        parts.append(f"{text} = {value:.4g}" if number else str(value))
    return ", ".join(parts) or f"{dims[0]} {position}"


def _number_along(dataset: xr.Dataset, dim: Hashable) -> xr.DataArray | None:
    """The coordinate whose numbers tell all settings of an axis apart; None where none does."""
    along = {name: c for name, c in dataset.coords.items() if c.dims == (dim,)}
    for name in ("superposition_ratio", dim, *sorted(along, key=str)):
        coordinate = along.get(name)
        if coordinate is None or not np.issubdtype(coordinate.dtype, np.number):
            continue
        values = coordinate.values
        if np.isfinite(values).all() and len(np.unique(values)) == len(values):
            return coordinate
    return None
