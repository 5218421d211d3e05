"""Pictures of capacity saturation and localisation over many networks and steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from jaxsup._internal.validation import fail
from jaxsup.plot.style import COVERING, GUIDE, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@styled
def saturation_scatter(
    localization: ArrayLike, saturation: ArrayLike, ax: Axes, *, steps: ArrayLike
) -> Axes:
    """Capacity saturation against mean localisation, one point a network and recorded step.

    Arguments:
        localization: of any shape, in [0, 1].
        saturation: of the same shape, in [0, 1] up to rounding.
        ax: axis to draw on.
        steps: of the same shape; shade of the point, light to dark, on a logarithmic scale.

    Raises:
        ValueError: shapes that do not match.
    """
    x, y, t = _matching(localization, saturation, steps)
    _scatter(x, y, t, ax)
    ax.plot(1, 1, "+", color="black", markersize=11, label="saturated and localised")
    ax.set(xlim=(min(0.0, float(x.min())) - 0.02, 1.04), ylim=(float(y.min()) - 0.03, 1.03))
    ax.set_xlabel("localisation (mean participation of eigenspaces)")
    ax.set_ylabel("capacity saturation, sum of D over rank")
    ax.legend(loc="lower right", **COVERING)
    return ax


@styled
def saturation_deficit(
    spread: ArrayLike, saturation: ArrayLike, ax: Axes, *, steps: ArrayLike
) -> Axes:
    """1 - saturation against eigenvalue spread on logarithmic axes, with the guide of slope 2.

    Arguments:
        spread: of any shape, >= 0; points at zero and saturated ones cannot be shown.
        saturation: of the same shape.
        ax: axis to draw on.
        steps: as in `saturation_scatter`.

    Raises:
        ValueError: shapes that do not match.
    """
    x, y, t = _matching(spread, saturation, steps)
    shown = (x > 0) & (y < 1 - 1e-7)
    _scatter(x[shown], 1 - y[shown], t[shown], ax)
    if shown.any():
        ends = np.array([x[shown].min(), x[shown].max()])
        style = {"color": GUIDE, "linewidth": 1.0, "linestyle": (0, (4, 2))}
        # Above the cloud: the constant in front depends on the norms.
        scale = float(np.max((1 - y[shown]) / x[shown] ** 2))
        ax.plot(ends, scale * ends**2, label="slope 2", **style)
        ax.legend(loc="lower right", **COVERING)
    ax.set(xscale="log", yscale="log")
    ax.set_xlabel("spread of a feature's eigenvalue (relative)")
    ax.set_ylabel("1 − capacity saturation")
    return ax


def _scatter(x: np.ndarray, y: np.ndarray, steps: np.ndarray, ax: Axes) -> None:
    order = np.argsort(steps, kind="stable")
    shades = np.log1p(steps)[order]
    points = ax.scatter(x[order], y[order], 9, shades, cmap="viridis_r", alpha=0.7, linewidths=0)
    last = float(steps.max()) if steps.size else 1.0
    ticks = [t for t in (0, 10, 100, 1000, 10_000) if t <= last]
    bar = ax.figure.colorbar(points, ax=ax, location="top", label="training steps", aspect=35)
    bar.set_ticks(np.log1p(ticks).tolist(), labels=[f"{t:,}" for t in ticks])


def _matching(*arrays: ArrayLike) -> list[np.ndarray]:
    values = [np.asarray(array, np.float64) for array in arrays]
    if len({value.shape for value in values}) > 1:
        got = "a set of shapes " + ", ".join(str(value.shape) for value in values)
        raise fail("values", "arrays of one shape", got, "give a number a network and step")
    finite = np.isfinite(values).all(axis=0)
    if not finite.any():
        raise fail("values", "at least one finite point", 0, "leave out what diverged")
    return [value[finite] for value in values]
