"""One figure for all matrices of a checkpoint: a line each, in the order of the checkpoint."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np

from jaxsup._internal.validation import fail
from jaxsup.plot.style import COLORS, GUIDE, MARKERS, STYLE, bare_figure, plain_log_axis

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from jaxsup.weights.checkpoint import MatrixSummary
    from jaxsup.weights.table import CheckpointRow
    from jaxsup.weights.tails import Tail

_LINE = 0.155  # inches a matrix, where there are few of them
_LOWEST, _HIGHEST = 2.2, 26.0  # inches of the panels
_FONT = 6.5  # points of the names: one takes as much room as a line
_KINDS = 12  # kinds of matrices with a color of their own
_LONGEST = 48  # characters of a name


def checkpoint_figure(rows: Sequence[CheckpointRow]) -> Figure:
    """Saturation beside its null, share of the effective rank, and exponent of the tail.

    Matrices whose names differ in numbers alone, as those of a model's layers do, share color and
    marker. Names are left out where there is no room for all of them.

    Arguments:
        rows: of `jaxsup.weights.table.measure_checkpoint`, at least one.

    Raises:
        ValueError: there are none.
    """
    if not rows:
        raise fail("rows", "at least one matrix", "none", "measure one", described=True)
    height = float(np.clip(_LINE * len(rows), _LOWEST, _HIGHEST))
    styles = _styles([row.tensor for row in rows])
    with mpl.rc_context(STYLE):
        size = (11.5, height + 1.3 + 0.17 * (len(styles) // 3))
        figure = bare_figure(*size)
        axes = figure.subplots(1, 3, sharey=True, width_ratios=(1.0, 0.8, 1.2))
        for draw, ax in zip((_saturation, _effective_rank, _tail), axes, strict=True):
            draw(rows, [_style(row, styles) for row in rows], ax)
            ax.set_ylim(len(rows) - 0.4, -0.6)
            ax.grid(visible=True, axis="x")
        step = max(1, int(np.ceil(len(rows) * _LINE / height - 1e-9)))
        shown = range(0, len(rows), step)
        names = [_shortened(rows[k].tensor) for k in shown]
        axes[0].set_yticks(list(shown), names, fontsize=_FONT)
        _legend(figure, styles)
    return figure


def kind_of(name: str) -> str:
    """A name with * for the numbers between its dots.

    >>> kind_of("h.11.attn.c_proj.weight")
    'h.*.attn.c_proj.weight'
    """
    return ".".join("*" if part.isdigit() else part for part in name.split("."))


def _styles(names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Color and marker of each kind that has several matrices, the most frequent ones first."""
    kinds = [kind for kind, count in Counter(map(kind_of, names)).most_common(_KINDS) if count > 1]
    return {
        kind: {
            "color": COLORS[k % len(COLORS)],
            "marker": MARKERS[(k + k // len(COLORS)) % len(MARKERS)],
        }
        for k, kind in enumerate(kinds)
    }


def _style(row: CheckpointRow, styles: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return styles.get(kind_of(row.tensor), {"color": GUIDE, "marker": "X"})


def _measured(rows: Sequence[CheckpointRow]) -> list[tuple[int, MatrixSummary]]:
    """Places and numbers of the rows that have any."""
    return [(k, row.summary) for k, row in enumerate(rows) if row.summary is not None]


def _saturation(rows: Sequence[CheckpointRow], styles: Sequence[dict[str, Any]], ax: Axes) -> None:
    for place, found in _measured(rows):
        values = (found.saturation, found.saturation_null)
        ax.plot(values, (place, place), color=GUIDE, linewidth=0.5, alpha=0.5)
        ax.plot(values[1], place, marker="|", markersize=6, color=GUIDE)
        ax.plot(values[0], place, markersize=4, **styles[place])
    for place, row in enumerate(rows):
        if row.summary is None:
            ax.text(0.01, place, "not measured", va="center", fontsize=_FONT, color=GUIDE)
    ax.set_xlim(0, 1.02)
    ax.set_title("Saturation  (|: Gaussian matrix of this shape)")


def _effective_rank(
    rows: Sequence[CheckpointRow], styles: Sequence[dict[str, Any]], ax: Axes
) -> None:
    for place, found in _measured(rows):
        share = found.effective_rank / min(found.latent, found.features)
        ax.plot(share, place, markersize=4, **styles[place])
    ax.set_xlim(0, 1.02)
    ax.set_title("Effective rank / min(K, N)")


def _tail(rows: Sequence[CheckpointRow], styles: Sequence[dict[str, Any]], ax: Axes) -> None:
    tails: list[tuple[int, Tail]] = [
        (place, found.tail)  # pyright: ignore[reportAssignmentType]
        for place, found in _measured(rows)
        if hasattr(found.tail, "exponent")
    ]
    for place, tail in tails:
        color = styles[place]["color"]
        ax.plot(tail.interval, (place, place), color=color, linewidth=0.9, alpha=0.7)
        face = color if tail.plausible else "white"
        ax.plot(tail.exponent, place, markersize=4, markerfacecolor=face, **styles[place])
    if tails:
        ax.set_xscale("log")
        ends = np.concatenate([tail.interval for _, tail in tails])
        ax.set_xlim(0.95 * ends.min(), 1.05 * ends.max())
        plain_log_axis(ax.xaxis, ends)
    ax.set_title("Exponent of the tail, 95%  (empty: no plausible power law)")


def _legend(figure: Figure, styles: dict[str, dict[str, Any]]) -> None:
    from matplotlib.lines import Line2D

    if not styles:
        return
    handles = [
        Line2D([], [], linestyle="", markersize=4, label=_shortened(kind), **style)
        for kind, style in styles.items()
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, fontsize=_FONT + 0.5)


def _shortened(name: str) -> str:
    """A name without the `weight` that all of them end in, or with dots for its beginning."""
    text = name.removesuffix(".weight")
    return text if len(text) <= _LONGEST else "..." + text[3 - _LONGEST :]
