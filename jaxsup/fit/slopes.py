"""Slopes of logarithms over a few points, with intervals: scaling with size, box counts.

For loss curves, which have many points and windows to choose from, see `jaxsup.fit.power_law`.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtrit

from jaxsup._internal.validation import fail
from jaxsup.fit.intervals import Estimate


def log_log_slope(x: ArrayLike, y: ArrayLike) -> Estimate:
    """d log y / d log x by least squares, with Student's 95% interval from the residuals.

    With d = log x - mean(log x) and residuals u of n points, the standard error is
    sqrt(sum u^2 / ((n - 2) sum d^2)). A curve that is no power law has large residuals, and with
    them a wide interval; neighbouring points that err together make it too narrow.

    Arguments:
        x: [points], three or more different positive numbers.
        y: [points] or [points, repeats], positive; repeats are averaged first, so that scatter
            between them counts only as far as the means feel it.

    Raises:
        ValueError: fewer than three points, shapes that do not match, or numbers that are not
            positive and finite.

    >>> log_log_slope([1, 2, 4, 8], [3.0, 1.5, 0.75, 0.375]).value.__round__(6)
    -1.0
    """
    sizes, values = np.asarray(x, np.float64), np.asarray(y, np.float64)
    if sizes.ndim != 1 or values.ndim not in (1, 2) or len(values) != len(sizes):
        shapes = f"shapes {sizes.shape} and {values.shape}"
        raise fail("y", "[points] or [points, repeats] like x", f"a pair of {shapes}", "match them")
    if len(np.unique(sizes)) < max(3, len(sizes)):
        raise fail("x", "three or more different numbers", sizes.tolist(), "measure at more sizes")
    for name, numbers in (("x", sizes), ("y", values)):
        good = np.isfinite(numbers) & (numbers > 0)
        if not good.all():
            bad = float(numbers[~good][0])
            raise fail(name, "positive finite numbers", bad, "leave out what diverged")
    means = values if values.ndim == 1 else values.mean(axis=1)
    d, v = np.log(sizes) - np.log(sizes).mean(), np.log(means) - np.log(means).mean()
    slope = float(d @ v / (d @ d))
    freedom = len(sizes) - 2
    error = math.sqrt(float(((v - slope * d) ** 2).sum()) / freedom / float(d @ d))
    reach = float(stdtrit(freedom, 0.975)) * error
    basis = f"log-log line through {len(sizes)} points"
    return Estimate(slope, slope - reach, slope + reach, basis)
