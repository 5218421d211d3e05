"""Ratios of exponents with and without superposition, with intervals that hold them."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from jaxsup import fit
from jaxsup.fit.intervals import Estimate

LEVEL = 0.975
"""Of the interval of each exponent, so that both hold at once in at least 95%."""
_FEWEST = 4  # records of a window that a line is laid through


class Curve(NamedTuple):
    """Loss of the seeds of a student that did not diverge.

    Attributes:
        steps: recorded steps, > 0.
        loss: by seed.
        learning_rate: eta.
    """

    steps: Int[np.ndarray, " steps"]
    loss: Float[np.ndarray, "seeds steps"]
    learning_rate: float

    @property
    def times(self) -> Float[np.ndarray, " steps"]:
        """eta t: noise apart, runs of different step sizes follow the same flow."""
        return self.learning_rate * self.steps


class Exponent(NamedTuple):
    """An exponent with its interval at `LEVEL`, and where it was measured.

    Attributes:
        value, low, high: the exponent and its interval, a point where it is exact.
        window: eta t of its first and last step; None for a limit.
        reason: empty, or why there is none.
    """

    value: float
    low: float
    high: float
    window: tuple[float, float] | None = None
    reason: str = ""


def missing(reason: str) -> Exponent:
    """No exponent, and why."""
    return Exponent(math.nan, math.nan, math.nan, None, reason)


def last_exponent(curve: Curve | None) -> Exponent:
    """That of the last power law before the floor, by `jaxsup.fit.regimes` at its defaults."""
    if curve is None or not len(curve.loss):
        return missing("every seed diverged")
    found = fit.regimes(curve.steps, curve.loss, confidence=LEVEL).last_before_floor
    if found is None:
        return missing("no regime is a power law")
    window = curve.learning_rate * found.window[0], curve.learning_rate * found.window[1]
    exponent = Exponent(found.exponent, *found.interval, window)
    if math.isfinite(exponent.low):
        return exponent
    return exponent._replace(reason="its interval cannot be known from these curves")


def exponent_over(curve: Curve | None, window: tuple[float, float] | None) -> Exponent:
    """-d log L / d log t by a line through the records of a window.

    The interval is Student's over the seeds' own slopes. Whether the curve is a power law there is
    not asked.

    Arguments:
        curve: of two seeds or more.
        window: first and last eta t.
    """
    if curve is None or window is None or len(curve.loss) < 2:
        return missing("there is no window, or fewer than two seeds")
    from scipy import stats

    # A window is of whole records: the margin keeps its ends in spite of rounding.
    inside = (curve.times >= window[0] * (1 - 1e-6)) & (curve.times <= window[1] * (1 + 1e-6))
    if inside.sum() < _FEWEST or curve.times[-1] < 0.9 * window[1]:
        return missing("training ends before that window")
    logs = np.log(curve.loss[:, inside]).T
    slopes = -np.polyfit(np.log(curve.times[inside]), logs, 1)[0]
    value, error = float(slopes.mean()), float(stats.sem(slopes))
    margin = error * float(stats.t.ppf((1 + LEVEL) / 2, len(slopes) - 1))
    return Exponent(value, value - margin, value + margin, window)


def divide(numerator: Exponent, denominator: Exponent) -> tuple[Estimate | None, str]:
    """The ratio, from the lowest over the highest to the highest over the lowest.

    Each interval misses its exponent in at most 2.5%, so this one misses in at most 5%, however the
    two depend on each other (Bonferroni).

    Returns:
        The ratio with its interval; or None and why there is none.
    """
    for words, exponent in (("with superposition", numerator), ("the reference", denominator)):
        if exponent.reason:
            return None, f"{words}: {exponent.reason}"
    if denominator.low <= 0:
        return None, "the reference's exponent cannot be told from 0"
    ends = [
        top / bottom
        for top in (numerator.low, numerator.high)
        for bottom in (denominator.low, denominator.high)
    ]
    basis = "ratio of intervals at 97.5%"
    return Estimate(numerator.value / denominator.value, min(ends), max(ends), basis), ""
