"""Whether a curve jumps: a law on either side of a step, but not across it.

A jump that is not looked for passes for noise that is correlated over the whole record, whose
whitened residuals look clean. So the noise is measured again with a jump in the trend.
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from jaxsup.fit.curves import Curve, bin_means
from jaxsup.fit.single.least_squares import Fits
from jaxsup.fit.single.record_noise import noise_of_fit

_FEWEST = 2  # bins on either side of a jump: one bin alone is an outlier
_NO_CHANCE = 1.0


class Jump(NamedTuple):
    """The jump of log L that stands out most from a law and its noise.

    Attributes:
        step: of the first entry after it.
        size: of log L; negative where the loss drops.
        chance: of noise alone to show one as clear anywhere in the window.
        slope: of a line through a third of the window with the jump in its middle.
        shift: of the exponent, by the jump.
    """

    step: float
    size: float
    chance: float
    slope: float
    shift: float


def find_jump(
    curve: Curve,
    x: Float[np.ndarray, " entries"],
    values: Float[np.ndarray, " entries"],
    bins: slice,
    fits: Fits,
    fit: int,
    *,
    alone: bool = False,
) -> Jump:
    """The clearer of two jumps: the one that fits best, and the largest from bin to bin.

    Arguments:
        curve: the binned curve.
        x: log t of every entry.
        values: log L of every entry.
        bins: the window's.
        fits: of the curve.
        fit: which of them.
        alone: measure the noise in the window alone.

    Returns:
        The jump by generalized least squares with the law, under the noise about both; its chance
        is Student's times the places where it might have been.
    """
    residual, jacobian = fits.residual[fit, bins], fits.jacobian[fit][:, bins]
    count = len(residual)
    places = np.arange(_FEWEST, count - _FEWEST + 1)
    steps = (np.arange(count) >= places[:, None]).astype(float)
    basis, _ = np.linalg.qr(jacobian.T)
    steps -= steps @ basis @ basis.T
    gain = (steps @ residual) ** 2 / np.maximum(np.sum(steps**2, 1), 1e-300)
    increments = np.abs(np.diff(residual))[places - 1]
    jumps = [
        _measure_jump(curve, x, values, bins, fits, fit, place, alone)
        for place in {int(places[np.argmax(gain)]), int(places[np.argmax(increments)])}
    ]
    return min(jumps, key=lambda jump: (jump.chance, -abs(jump.size)))


def _measure_jump(
    curve: Curve,
    x: Float[np.ndarray, " entries"],
    values: Float[np.ndarray, " entries"],
    bins: slice,
    fits: Fits,
    fit: int,
    place: int,
    alone: bool,
) -> Jump:
    """The jump near the start of the window's bin `place`."""
    from scipy.special import stdtr

    start, stop = curve.start[bins], curve.stop[bins]
    entries = slice(int(start[0]), int(stop[-1]))
    fitted, _ = fits.evaluate(fit, x[entries])
    near = slice(int(start[place - 1] - start[0]), int(stop[place] - start[0]))
    entry = near.start + _best_split((values[entries] - fitted)[near])
    step = (np.arange(len(fitted)) >= entry).astype(float)
    noise = noise_of_fit(curve, x, values, bins, fits, fit, step[None], alone=alone)
    covariance = noise.regularized(noise.covariance())[bins, bins]
    height = bin_means(step, start - start[0], stop - start[0])
    design = np.column_stack([fits.jacobian[fit][:, bins].T, height])
    white = np.linalg.solve(
        np.linalg.cholesky(covariance), np.column_stack([design, fits.residual[fit, bins]])
    )
    upper = np.linalg.qr(white)[1]
    # The last column of a triangle is the residual: the jump is the last coefficient.
    size = float(upper[-2, -1] / upper[-2, -2])
    clarity = abs(float(upper[-2, -1]))
    chance = 2 * len(start) * float(stdtr(len(start) - len(design.T), -clarity))
    third = float(curve.x[bins][-1] - curve.x[bins][0]) / 3
    after = math.exp(float(x[entries][entry]))
    shift = size * float(fits.influence[fit, bins] @ height)
    return Jump(after, size, min(chance, _NO_CHANCE), 1.5 * abs(size) / third, shift)


def _best_split(residual: Float[np.ndarray, " entries"]) -> int:
    """Where two levels fit best, at least one entry on either side."""
    before = np.arange(1, len(residual))
    centered = residual - residual.mean()
    sums = np.cumsum(centered)[:-1]
    return int(before[np.argmax(sums**2 / (before * (len(residual) - before)))])
