"""Two features in one dimension over density and relative importance: phases and boundaries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Int
from matplotlib.colors import ListedColormap
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke

from jaxsup.plot.style import GUIDE, cell_edges, plain_log_axis, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PHASES = ("extra feature dropped", "dimension given to extra feature", "antipodal pair")
"""Outcomes of two features in one dimension, by code."""
NONE = len(PHASES)
"""Code of a network that is none of `PHASES`."""
# Light, middle and dark, so that the three are told apart in gray and without red or green.
_COLORS = ("#f3dfb5", "#7fb7c4", "#3b4f7d")

Densities = Float[np.ndarray, " densities"]
Importances = Float[np.ndarray, " importances"]
Codes = Int[np.ndarray, "importances densities"]


@styled
def draw_phases(density: Densities, importance: Importances, outcomes: Codes, ax: Axes) -> Axes:
    """What two features in one dimension become, over density s and relative importance r.

    Overlaid: where the exact losses of the three arrangements cross (inputs uniform on [0, 1] with
    probability s, squared error, importance r of the extra feature). Dropping it costs
    r (s/3 - s^2/4), giving it the dimension s/3 - s^2/4, the antipodal pair (1 + r) s^2 / 6: the
    pair wins between r = 2s / (4 - 5s) and r = (4 - 5s) / (2s), which cross at s = 4/7, r = 1. At
    higher density the dimension is the more important feature's. Setting: arXiv 2209.10652; the
    three arrangements: the public analysis wattenberg/superposition.

    Arguments:
        density: rising, in (0, 1].
        importance: rising, positive.
        outcomes: codes of `PHASES`, or `NONE`.
        ax: axis to draw on.

    Raises:
        ValueError: values out of range or not rising.
    """
    s, r = cell_edges("density", density, 1.0), cell_edges("importance", importance)
    named = np.ma.masked_where(outcomes == NONE, outcomes)
    ax.grid(visible=False)
    ax.pcolormesh(
        s,
        r,
        named,
        cmap=ListedColormap(_COLORS),
        vmin=-0.5,
        vmax=2.5,
        rasterized=True,
    )
    _draw_boundaries(density, importance, ax)
    patches = [
        Patch(color=color, label=name)
        for code, (color, name) in enumerate(zip(_COLORS, PHASES, strict=True))
        if (outcomes == code).any()
    ]
    if np.ma.is_masked(named):
        patches.append(Patch(facecolor="white", edgecolor=GUIDE, label="none of these"))
    ax.legend(handles=[*patches, ax.get_lines()[0]], loc="upper left", bbox_to_anchor=(1.01, 1.0))
    return ax


@styled
def draw_excess(
    density: Densities,
    importance: Importances,
    ratio: Float[np.ndarray, "importances densities"],
    ax: Axes,
) -> Axes:
    """How far the trained loss lies above that of the best ideal arrangement, in percent.

    The color scale ends at the 98th percentile of the sizes, or at 1%; zero is white.

    Arguments:
        density: rising, in (0, 1].
        importance: rising, positive.
        ratio: trained loss over that of the arrangement.
        ax: axis to draw on.

    Raises:
        ValueError: values out of range or not rising.
    """
    excess = 100 * (ratio - 1)
    bound = max(float(np.percentile(np.abs(excess[np.isfinite(excess)]), 98)), 1.0)
    s, r = cell_edges("density", density, 1.0), cell_edges("importance", importance)
    ax.grid(visible=False)
    mesh = ax.pcolormesh(s, r, excess, cmap="PuOr", vmin=-bound, vmax=bound, rasterized=True)
    _draw_boundaries(density, importance, ax)
    label = "trained loss above that of the arrangement (%)"
    ax.figure.colorbar(mesh, ax=ax, label=label, extend="both")
    return ax


def _draw_boundaries(density: Densities, importance: Importances, ax: Axes) -> None:
    """Where the exact losses of two arrangements cross, and the axes over which they do."""
    pair = np.geomspace(min(density[0], 4 / 7), 4 / 7, 200)
    theory: Any = {"color": "black", "linewidth": 1.6}
    theory["path_effects"] = [withStroke(linewidth=3.6, foreground="white")]
    ax.plot(pair, 2 * pair / (4 - 5 * pair), label="boundary by exact losses", **theory)
    ax.plot(pair, (4 - 5 * pair) / (2 * pair), **theory)
    ax.plot([4 / 7, 1], [1, 1], **theory)
    s, r = cell_edges("density", density, 1.0), cell_edges("importance", importance)
    ax.set(xscale="log", yscale="log", xlim=(s[-1], s[0]), ylim=(r[0], r[-1]))
    plain_log_axis(ax.xaxis, density)
    plain_log_axis(ax.yaxis, importance)
    ax.set_xlabel("feature density s (probability that a feature is on)")
    ax.set_ylabel("relative importance r of the extra feature")
