"""Marks of regimes on loss curves."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Num

from jaxsup._internal.validation import fail
from jaxsup.plot.labels import label_point

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.typing import ColorType

_POWER_LAW = "power-law"
_BAND: Any = {"alpha": 0.28, "linestyle": "-", "solid_capstyle": "butt"}


def mark_stretches(
    regimes: xr.Dataset,
    steps: Num[np.ndarray, " steps"],
    curve: Float[np.ndarray, " steps"],
    ax: Axes,
    color: ColorType,
    *,
    named: bool = True,
) -> None:
    """A wide band along each power law of a curve, its exponent beside it, and the floor.

    Arguments:
        regimes: one setting of `jaxsup.fit.measure_regimes`.
        steps: of the curve.
        curve: the loss as it is drawn.
        ax: axis that it is drawn on, both scales logarithmic.
        color: of the curve.
        named: whether exponents are written.
    """
    along = 0.5 if named else None
    for place in np.flatnonzero(regimes["kind"].values == _POWER_LAW):
        mark_power_law(regimes.isel(stretch=place), steps, curve, ax, color, along=along)
    floor = float(regimes["floor"])
    if np.isfinite(floor):
        ax.plot(steps[-1], floor, marker="_", markersize=12, color=color, clip_on=False)


def mark_power_law(
    law: xr.Dataset,
    steps: Num[np.ndarray, " steps"],
    curve: Float[np.ndarray, " steps"],
    ax: Axes,
    color: ColorType,
    *,
    along: float | None = 0.5,
) -> None:
    """A wide band along the window of one power law of a curve, its exponent beside it.

    Arguments:
        law: ``window_first``, ``window_last`` and ``exponent``, one number each.
        steps: of the curve.
        curve: the loss as it is drawn, positive within the window.
        ax: axis that it is drawn on, both scales logarithmic.
        color: of the curve.
        along: where the exponent stands, from 0, at the first step of the window, to 1; None: it
            is not written, and the band is narrow.
    """
    first, last = float(law["window_first"]), float(law["window_last"])
    inside = (steps >= first) & (steps <= last)
    ax.plot(steps[inside], curve[inside], color=color, **_band(named=along is not None))
    if along is None:
        return
    place = first * (last / first) ** along
    height = np.exp(np.interp(np.log(place), np.log(steps), np.log(curve)))
    label_point(f"{float(law['exponent']):.2f}", (place, float(height)), ax, color)


def without_results(name: str, expected: str, table: xr.Dataset) -> ValueError:
    """The error of a picture of fits where there is no fit, with the reasons that the table has.

    Arguments:
        name: argument.
        expected: what the picture needs.
        table: of fits, with ``problem`` for each setting, where it is known.
    """
    known = np.ravel(table["problem"].values).tolist() if "problem" in table else []
    counts = Counter(problem for problem in known if problem)
    reasons = ", ".join(f"{problem} ({count})" for problem, count in counts.most_common())
    do = "look at the loss curves without fits, or fit more or earlier steps"
    return fail(name, expected, f"none: {reasons or 'no reason given'}", do, described=True)


def explain_stretches(ax: Axes, *, named: bool = True) -> None:
    """The legend's entries for what `mark_stretches` draws."""
    label = "power law, exponent" if named else "power law"
    ax.plot([], [], color="#777777", label=label, **_band(named=named))


def _band(*, named: bool) -> dict[str, Any]:
    """Beside an exponent it is one of few, else one of many."""
    return {**_BAND, "linewidth": 6 if named else 3}
