"""The geometries that trained networks are made of, against sparsity."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from jaxsup.plot.style import COLORS, cell_edges, plain_log_axis, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_NAMED = 6
_REST = ("other named", "unnamed scheme", "irregular")
_HATCHES = ("", "////", "....", "\\\\\\\\", "xx", "--")
# What trained toy models show looks the same in every figure.
_USUAL = ("digon", "triangle", "pentagon", "tetrahedron", "square antiprism")


@styled
def draw_geometry_shares(
    inverse_density: Sequence[float], shares: Sequence[Mapping[str, float]], ax: Axes
) -> Axes:
    """Share of the represented features in each named geometry against inverse density: bars.

    The six commonest names have a color and a hatch; the others share one, as irregular ones do.

    Arguments:
        inverse_density: 1 / (1 - S) of each instance, positive and rising.
        shares: of each instance, see `jaxsup.geometry.census.feature_shares`.
        ax: axis to draw on.

    Raises:
        ValueError: values that do not rise.
    """
    edges = cell_edges("inverse_density", inverse_density)
    bottom = np.zeros(len(inverse_density))
    for name, heights, style in _layers(shares):
        bars: Any = {"align": "edge", "edgecolor": "white", "linewidth": 0.6, **style}
        ax.bar(edges[:-1], 100 * heights, np.diff(edges), 100 * bottom, label=name, **bars)
        bottom = bottom + heights
    ax.set(xscale="log", xlim=(edges[0], edges[-1]), ylim=(0, 100))
    plain_log_axis(ax.xaxis, inverse_density)
    ax.grid(visible=False)
    ax.set_xlabel("1 / (1 − S), inverse density of a feature")
    ax.set_ylabel("share of represented features (%)")
    ax.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), title="geometry", title_fontsize=8)
    return ax


def _layers(
    shares: Sequence[Mapping[str, float]],
) -> Iterator[tuple[str, Float[np.ndarray, " instances"], dict[str, str]]]:
    """Name, heights and style of every layer that is there, from the bottom up."""
    totals: dict[str, float] = {}
    for row in shares:
        for name, share in row.items():
            totals[name] = totals.get(name, 0.0) + share
    names = sorted((name for name in totals if name not in _REST), key=lambda n: -totals[n])
    common = names[:_NAMED]
    free = [i for i in range(_NAMED) if i >= len(_USUAL) or _USUAL[i] not in common]
    layers: list[tuple[str, list[str], dict[str, str]]] = []
    for name in common:
        place = _USUAL.index(name) if name in _USUAL else free.pop()
        layers.append((name, [name], {"color": COLORS[place % 5], "hatch": _HATCHES[place]}))
    layers.append(("other named", names[_NAMED:], {"color": "#b9a9c9", "hatch": "++"}))
    layers.append(("unnamed scheme", ["unnamed scheme"], {"color": "#c4c8cc"}))
    layers.append(("irregular", ["irregular"], {"color": "#ececec"}))
    for label, members, style in layers:
        heights = np.array([sum(row.get(name, 0.0) for name in members) for row in shares])
        if heights.any():
            yield label, heights, style
