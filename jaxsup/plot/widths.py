"""Pictures of scaling with width: losses, and overlaps of feature directions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from jaxsup._internal.validation import fail
from jaxsup.plot.style import GUIDE, MARKERS, line_style, plain_log_axis, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from jaxsup.fit.intervals import Estimate


@styled
def loss_against_width(
    latents: ArrayLike,
    losses: Sequence[ArrayLike],
    names: Sequence[str],
    ax: Axes,
    *,
    exponents: Sequence[Estimate | None] = (),
    references: Sequence[ArrayLike] = (),
    reference_name: str = "",
) -> Axes:
    """Final loss against width, one line a setting: mean over seeds, dots for the seeds.

    Arguments:
        latents: [widths], positive.
        losses: of each setting, [widths, seeds], positive.
        names: of each setting.
        ax: axis to draw on.
        exponents: of each setting, shown behind its name; none by default.
        references: of each setting, [widths], thin and dotted; none by default.
        reference_name: what they are.

    Raises:
        ValueError: losses that do not match the widths.
    """
    x = np.asarray(latents, np.float64)
    for position, (name, column) in enumerate(zip(names, losses, strict=True)):
        values = np.asarray(column, np.float64)
        _check_widths("losses", values, x)
        found = exponents[position] if position < len(exponents) else None
        if found is not None:
            reach = (found.high - found.low) / 2
            name = f"{name}: α = {found.value:.2f} ± {reach:.2f}"
        style = line_style(position)
        marker = MARKERS[position % len(MARKERS)]
        ax.plot(x, values.mean(axis=1), marker=marker, label=name, **style)
        seeds = np.broadcast_to(x[:, None], values.shape)
        ax.plot(seeds, values, ".", color=style["color"], alpha=0.35, markersize=3)
        if position < len(references):
            line = np.asarray(references[position], np.float64)
            label = reference_name if position == len(references) - 1 else None
            ax.plot(x, line, color=style["color"], linewidth=0.9, linestyle=":", label=label)
    _log_axes(x, ax)
    ax.set_ylabel("final loss (mean over features)")
    ax.legend(loc="upper left", bbox_to_anchor=(-0.05, -0.17), alignment="left")
    return ax


@styled
def overlap_against_width(
    latents: ArrayLike,
    overlaps: Sequence[ArrayLike],
    names: Sequence[str],
    count: int,
    ax: Axes,
) -> Axes:
    """Mean squared cosine of two features against width, beside 1/K and the Welch floor.

    1/K is that of independent random directions, (N - K) / (K (N - 1)) the least that N unit
    vectors can have (Welch 1974).

    Arguments:
        latents: [widths], positive.
        overlaps: of each setting, [widths, seeds], positive.
        names: of each setting.
        count: number of features N.
        ax: axis to draw on.

    Raises:
        ValueError: overlaps that do not match the widths.
    """
    x = np.asarray(latents, np.float64)
    for position, (name, column) in enumerate(zip(names, overlaps, strict=True)):
        values = np.asarray(column, np.float64)
        _check_widths("overlaps", values, x)
        colour, marker = line_style(position)["color"], MARKERS[position % len(MARKERS)]
        ax.plot(x, values.mean(axis=1), linestyle="none", marker=marker, label=name, color=colour)
    fine = np.geomspace(x.min(), x.max(), 100)
    ax.plot(fine, 1 / fine, color=GUIDE, linewidth=0.9, label="1/K, random directions")
    floor = (count - fine) / (fine * (count - 1))
    ax.plot(fine, floor, color=GUIDE, linewidth=0.9, linestyle="--", label="Welch floor")
    _log_axes(x, ax)
    ax.set_ylabel("mean squared cosine of two represented features")
    ax.legend(loc="upper left", bbox_to_anchor=(-0.05, -0.17), alignment="left")
    return ax


def _check_widths(name: str, values: np.ndarray, x: np.ndarray) -> None:
    if values.ndim != 2 or len(values) != len(x):
        expected = f"[widths, seeds] with {len(x)} widths"
        raise fail(name, expected, f"a shape {values.shape}", "check the order of the axes")


def _log_axes(x: np.ndarray, ax: Axes) -> None:
    from matplotlib.ticker import NullLocator

    ax.set(xscale="log", yscale="log")
    ax.set_xticks(x, [f"{width:g}" for width in x])
    ax.xaxis.set_minor_locator(NullLocator())
    plain_log_axis(ax.yaxis, np.array(ax.get_ylim()))
    ax.set_xlabel("width K (latent dimensions)")
