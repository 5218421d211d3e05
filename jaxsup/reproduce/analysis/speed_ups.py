"""How many times fewer steps a loss takes, at the best step size of each side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from jaxsup.fit import intervals
from jaxsup.fit.intervals import Estimate
from jaxsup.reproduce.analysis.crossings import steps_to

LEVELS = np.geomspace(0.5, 1e-4, 60)
"""Losses relative to the first at which steps are compared."""


class Fastest(NamedTuple):
    """A student at the best of its step sizes, for each seed and level.

    Attributes:
        steps: to the level; infinite where none of the step sizes reaches it.
        learning_rate: which one is the best; NaN where none reaches it.
    """

    steps: Float[np.ndarray, "seeds levels"]
    learning_rate: Float[np.ndarray, "seeds levels"]


def fastest(
    steps: Int[np.ndarray, " steps"],
    loss: Float[np.ndarray, "rates seeds steps"],
    learning_rates: Sequence[float],
) -> Fastest:
    """The fewest steps over step sizes, to every level of `LEVELS`.

    Arguments:
        steps: rising, from 0.
        loss: a curve that holds NaN reaches nothing.
        learning_rates: one a rate.
    """
    times = steps_to(LEVELS, steps.astype(np.float64), loss)
    least = times.min(axis=0)
    best = np.asarray(learning_rates)[times.argmin(axis=0)]
    return Fastest(least, np.where(np.isfinite(least), best, np.nan))


class SpeedUp(NamedTuple):
    """A student against another.

    Attributes:
        factors: steps of the reference over those of the student, by seed and level; NaN where one
            of the two does not reach it.
        largest: the largest over levels, mean over seeds on a log scale, with Student's interval
            over the seeds; None where a seed has no common level, or there is one seed.
        level: where the geometric mean over seeds is largest; NaN without a common level.
        deepest: the lowest level that both reach in every seed; likewise.
        rates: best step sizes of student and reference at `level`, medians over seeds.
    """

    factors: Float[np.ndarray, "seeds levels"]
    largest: Estimate | None
    level: float
    deepest: float
    rates: tuple[float, float]

    @property
    def mean(self) -> Float[np.ndarray, " levels"]:
        """Geometric mean over seeds; NaN where one of them has no common level."""
        return np.exp(np.log(self.factors).mean(axis=0))


def compare(student: Fastest, reference: Fastest) -> SpeedUp:
    """The speed-up of a student over a reference, at all levels that both reach."""
    reached = np.isfinite(student.steps) & np.isfinite(reference.steps)
    above = np.where(reached, reference.steps, np.nan)
    factors = above / np.where(reached, student.steps, 1.0)
    common = np.flatnonzero(reached.all(axis=0))
    if not common.size:
        return SpeedUp(factors, None, np.nan, np.nan, (np.nan, np.nan))
    mean = np.log(factors[:, common]).mean(axis=0)
    place = common[int(np.argmax(mean))]
    rates = tuple(float(np.median(side.learning_rate[:, place])) for side in (student, reference))
    largest = mean_factor(largest_factors(factors))
    level, deepest = float(LEVELS[place]), float(LEVELS[common[-1]])
    return SpeedUp(factors, largest, level, deepest, (rates[0], rates[1]))


def largest_factors(factors: Float[np.ndarray, "seeds ..."]) -> Float[np.ndarray, " seeds"]:
    """The largest factor of each seed; NaN for a seed without any."""
    flat = factors.reshape(len(factors), -1)
    least = np.where(np.isnan(flat), -np.inf, flat).max(axis=1)
    return np.where(np.isfinite(least), least, np.nan)


def mean_factor(factors: Float[np.ndarray, " seeds"]) -> Estimate | None:
    """Geometric mean with Student's interval of the logarithms; None if a seed has no factor."""
    if len(factors) < 2 or not np.isfinite(factors).all():
        return None
    logs = intervals.from_samples(np.log(factors))
    value, low, high = (float(np.exp(number)) for number in logs[:3])
    return Estimate(value, min(low, value), max(high, value), f"{logs.basis}, of logarithms")
