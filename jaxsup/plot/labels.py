"""Labels beside points of curves, moved apart where they would cover each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.patheffects import withStroke
from matplotlib.text import Text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.backend_bases import RendererBase
    from matplotlib.text import Annotation
    from matplotlib.transforms import BboxBase
    from matplotlib.typing import ColorType

_GAP = 1.0  # points between two labels
_NEAR = 1.5  # heights of a label: one that is moved further has a line to its point
_ROUNDING = 1e-6  # pixels
_POINTS = 72  # to an inch


def label_point(
    text: str,
    point: tuple[float, float],
    ax: Axes,
    color: ColorType,
    *,
    offset: tuple[float, float] = (4, 5),
    size: float = 7.5,
) -> None:
    """Write beside a point of a curve, without covering another such label of the axis.

    A label that is in the way of others is moved up or down, the upper ones up; one that is moved
    far has a thin line to its point. That is decided whenever the figure is drawn: it depends on
    the size and the limits that the axis has then.

    Arguments:
        text: one line.
        point: in units of the data.
        ax: axis that the curve is drawn on.
        color: of the curve.
        offset: from the point to the lower left corner of the text, in points.
        size: of the text, in points.
    """
    line: Any = {"arrowstyle": "-", "linewidth": 0.6, "color": color, "shrinkA": 0, "shrinkB": 0}
    # From the side that is next to the point: other labels stand above and below.
    line["relpos"] = (0.0 if offset[0] >= 0 else 1.0, 0.5)
    # Outlined: most labels lie on curves or bands.
    outline: Any = {"path_effects": [withStroke(linewidth=1.5, foreground="white")]}
    words: Any = {"color": color, "fontsize": size, "arrowprops": line, **outline}
    label = ax.annotate(text, point, offset, textcoords="offset points", **words)
    present = [artist for artist in ax.artists if isinstance(artist, _Labels)]
    if not present:
        present = [_Labels()]
        ax.add_artist(present[0])
    present[0].offsets[label] = offset


class _Labels(Artist):
    """Draws nothing: it moves the labels of its axis apart before they are drawn.

    Attributes:
        offsets: of every label where there is no other.
    """

    zorder = 0  # below, and so before, every text

    def __init__(self) -> None:
        super().__init__()
        self.offsets: dict[Annotation, tuple[float, float]] = {}
        self.set_in_layout(False)

    def draw(self, renderer: RendererBase) -> None:
        figure = self.get_figure(root=True)
        if figure is None or self.axes is None:
            return
        pixels = figure.dpi / _POINTS
        boxes = self._boxes(renderer)
        half = len(boxes) // 2
        taken: list[BboxBase] = []
        for place in (*range(half, len(boxes)), *reversed(range(half))):
            label, box = boxes[place]
            shift = _shift(box, taken, self.axes.bbox, _GAP * pixels, up=place >= half)
            taken.append(box.translated(0, shift))
            across, up = self.offsets[label]
            label.xyann = (across, up + shift / pixels)
            if label.arrow_patch is not None:
                label.arrow_patch.set_visible(bool(abs(shift) > _NEAR * box.height))
        self.stale = False

    def _boxes(self, renderer: RendererBase) -> list[tuple[Annotation, BboxBase]]:
        """The labels in view with what each covers where there is no other, from below."""
        boxes: list[tuple[Annotation, BboxBase]] = []
        for label, offset in self.offsets.items():
            label.xyann = offset
            if label.axes is None or not label.get_visible():
                continue
            # Places the text too, which of itself does not know of its point.
            around = label.get_tightbbox(renderer)
            if around is not None and np.isfinite(around.extents).all():
                boxes.append((label, Text.get_window_extent(label, renderer)))
        return sorted(boxes, key=lambda each: each[1].y0)


def _shift(
    box: BboxBase, taken: Sequence[BboxBase], frame: BboxBase, gap: float, *, up: bool
) -> float:
    """How far upward, or downward if negative, a box is to be moved to cover none of others.

    Arguments:
        box: of a label, in pixels.
        taken: those that stay.
        frame: better not left.
        gap: pixels between two.
        up: where to rather.
    """
    beside = [other for other in taken if other.x0 < box.x1 + gap and box.x0 < other.x1 + gap]
    above = [float(other.y1 + gap - box.y0) for other in beside]
    below = [float(other.y0 - gap - box.y1) for other in beside]

    def is_free(shift: float) -> bool:
        return all(
            shift >= high - _ROUNDING or shift <= low + _ROUNDING
            for high, low in zip(above, below, strict=True)
        )

    into = float(frame.y0 - box.y0), float(frame.y1 - box.y1)

    def cost(shift: float) -> tuple[bool, bool, float]:
        leaves = shift < into[0] - _ROUNDING or shift > into[1] + _ROUNDING
        return leaves, (shift < 0) == up and shift != 0, abs(shift)

    return min(filter(is_free, (0.0, *into, *above, *below)), key=cost)
