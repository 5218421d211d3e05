"""Where a curve jumps from one of its pieces to the next."""

import math

import numpy as np
from jaxtyping import Float

from jaxsup.fit.curves import Curve
from jaxsup.fit.stretches.bin_noise import Noise
from jaxsup.fit.stretches.segmentation import Lines, Piece

_CLEAR = 4.0  # standard errors, the tolerance among them; many breaks are looked at


def jumps_between(curve: Curve, lines: Lines, noise: Noise, before: Piece, after: Piece) -> bool:
    """Whether two lines miss each other where one piece meets the next.

    By more than four errors, and by more than lines that meet a bin away from the break do.
    """
    x = curve.x
    middle = float(x[before.last] + x[after.first]) / 2
    ends = [_end_of_line(curve, lines, noise, piece, middle) for piece in (before, after)]
    size = abs(ends[0][0] - ends[1][0])
    variance = noise.inflation * (ends[0][1] + ends[1][1])
    tolerated = float((noise.total - noise.white)[before.last])
    kink = abs(float(lines.slope[before] - lines.slope[after]))
    width = float(x[after.first] - x[before.last])
    return size > max(_CLEAR * math.sqrt(variance + tolerated), kink * width)


def _end_of_line(
    curve: Curve, lines: Lines, noise: Noise, piece: Piece, place: float
) -> tuple[float, float]:
    """log L of a piece's line at log t = place, and its variance."""
    bins = slice(piece.first, piece.last + 1)
    weight: Float[np.ndarray, " bins"] = 1 / noise.total[bins]
    total = float(weight.sum())
    center, level = (float(weight @ values[bins]) / total for values in (curve.x, curve.y))
    reach = place - center
    value = level + float(lines.slope[piece]) * reach
    return value, 1 / total + reach**2 / float(lines.square[piece])
