"""Capacities of features and dimensions per feature, against sparsity."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from jaxsup.plot.style import COLORS, GUIDE, plain_log_axis, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Capacity D = dimension / features of the geometries that trained toy models show (Elhage et al.).
# The last two lie close together: one name stands above its line, the other below.
_GUIDES = (
    (3 / 4, "3/4 tetrahedron", "center"),
    (2 / 3, "2/3 triangle", "center"),
    (1 / 2, "1/2 digon", "center"),
    (2 / 5, "2/5 pentagon", "bottom"),
    (3 / 8, "3/8 square antiprism", "top"),
)
_LABEL = "1 / (1 − S), inverse density of a feature"


@styled
def draw_capacities(
    capacities: Float[np.ndarray, "networks features"],
    ax: Axes,
    *,
    inverse_density: Float[np.ndarray, " networks"],
) -> Axes:
    """Capacity D_i of every feature, with lines at the values of the known geometries.

    Arguments:
        capacities: in [0, 1], see `jaxsup.spectral.frame.capacities`; 0 where not represented.
        ax: axis to draw on.
        inverse_density: 1 / (1 - S) of each network, positive.
    """
    x = np.broadcast_to(inverse_density[:, None], capacities.shape).ravel()
    for level, word, side in _GUIDES:
        ax.axhline(level, color=GUIDE, linewidth=0.8, linestyle=(0, (4, 2)), zorder=1)
        _mark(ax, level, word, side)
    ax.grid(visible=False, axis="y")
    size = float(np.clip(60 / np.sqrt(max(capacities.size, 1)), 2, 6))
    style = {"color": COLORS[2], "alpha": 0.45, "markeredgewidth": 0, "zorder": 2}
    ax.plot(x, capacities.ravel(), "o", markersize=size, **style)
    ax.set_xscale("log")
    plain_log_axis(ax.xaxis, inverse_density)
    low, high = float(inverse_density.min()), float(inverse_density.max())
    room = (high / low) ** 0.04 if high > low else 1.1
    ax.set(xlim=(low / room, high * room), ylim=(-0.03, 1.05))
    ax.set_xlabel(_LABEL)
    ax.set_ylabel("capacity D (dimensions of a feature)")
    return ax


@styled
def draw_plateau(
    inverse_density: Float[np.ndarray, " densities"],
    dimensions: Float[np.ndarray, "seeds densities"],
    ax: Axes,
) -> Axes:
    """Dimensions per feature D* = K / |W|_F^2 against inverse density, with the plateau at 1/2.

    At D* = 1/2 two features share a dimension, as antipodal pairs (digons) do (arXiv 2209.10652).

    Arguments:
        inverse_density: 1 / (1 - S), positive and rising.
        dimensions: D*; median and range over seeds are drawn.
        ax: axis to draw on.
    """
    ax.axhline(0.5, color=GUIDE, linewidth=0.9, linestyle=(0, (4, 2)))
    _mark(ax, 0.5, "1/2 digon", "center")
    seeds, line = len(dimensions), COLORS[0]
    if seeds > 1:
        ends, label = (dimensions.min(0), dimensions.max(0)), f"range of {seeds} seeds"
        ax.fill_between(inverse_density, *ends, color=line, alpha=0.15, linewidth=0, label=label)
    label = "median" if seeds > 1 else None
    ax.plot(inverse_density, np.median(dimensions, 0), "o-", color=line, label=label)
    ax.set_xscale("log")
    plain_log_axis(ax.xaxis, inverse_density)
    ax.set_xlabel(_LABEL)
    ax.set_ylabel("dimensions per feature D* = K / |W|²")
    ax.set_ylim(0, max(1.05, 1.05 * float(dimensions.max())))
    if seeds > 1:
        ax.legend(loc="best")
    return ax


def _mark(ax: Axes, level: float, word: str, side: str) -> None:
    """Name a level to the right of the axis."""
    ax.annotate(
        word,
        (1, level),
        xycoords=("axes fraction", "data"),
        xytext=(4, {"bottom": 1, "top": -1}.get(side, 0)),
        textcoords="offset points",
        va=side,
        fontsize=8,
    )
