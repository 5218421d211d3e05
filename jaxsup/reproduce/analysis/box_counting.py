"""Borders of regions on a grid: box counts and the dimension that follows from them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Int
from numpy.typing import ArrayLike

from jaxsup._internal.validation import fail
from jaxsup.fit.intervals import Estimate, log_log_slope

_FEWEST = 8
"""Boxes along the shorter side: with fewer, one sees the map's frame and not the border."""


class Border(NamedTuple):
    """The border between a region and its complement.

    Attributes:
        sizes: sides of the boxes, in spacings of the grid, [sizes].
        counts: boxes that hold points of both kinds, [sizes].
        dimension: -d log counts / d log sizes; None where the counts do not say.
    """

    sizes: Int[np.ndarray, " sizes"]
    counts: Int[np.ndarray, " sizes"]
    dimension: Estimate | None


def measure_border(region: ArrayLike) -> Border:
    """Box-counting dimension of a region's border: 1 for a smooth curve, above 1 for a fractal.

    Boxes of side 1, 2, 4, ... spacings tile the grid as long as at least 8 fit along its shorter
    side; they own the points on their sides, so that neighbours share them, and what is left at the
    far edges does not count. A straight line then crosses boxes in proportion to 1 / side. The
    dimension is a slope over these sizes alone: what is rough below the grid's spacing looks
    smooth. The frame cuts the large boxes short, which makes a straight line 1.01 on a grid of 513
    points. Its interval is that of `jaxsup.fit.intervals.log_log_slope`.

    Arguments:
        region: [rows, columns] of truth values, at least 33 along the shorter side for a dimension.

    Raises:
        ValueError: not a matrix of truth values, or shorter than 9 along a side.

    Reference: Sohl-Dickstein, arXiv 2402.06184, whose borders of trainability it is used on.
    """
    inside = np.asarray(region)
    if inside.ndim != 2 or inside.dtype != np.bool_ or min(inside.shape) <= _FEWEST:
        got, least = f"a {inside.dtype} array of shape {inside.shape}", _FEWEST + 1
        raise fail(
            "region", f"truth values [rows, columns], {least} or more a side", got, "refine it"
        )
    spacings = min(inside.shape) - 1
    sizes = 2 ** np.arange(int(np.log2(spacings // _FEWEST)) + 1)
    counts = np.array([_mixed_boxes(inside, int(size)) for size in sizes])
    enough = len(sizes) >= 3 and counts.min() > 0
    slope = log_log_slope(1.0 / sizes, counts) if enough else None
    return Border(sizes, counts, slope)


def _mixed_boxes(inside: np.ndarray, size: int) -> int:
    """Boxes of size + 1 points a side that hold both kinds, from sums over rectangles."""
    sums = np.pad(inside.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
    rows, columns = (np.arange(0, length - size, size) for length in inside.shape)
    up, left = np.ix_(rows, columns)
    down, right = up + size + 1, left + size + 1
    held = sums[down, right] - sums[up, right] - sums[down, left] + sums[up, left]
    return int(((held > 0) & (held < (size + 1) ** 2)).sum())
