"""Whether a law is drawn as arrivals, and how much room a batch of them needs.

Compiled programs need fixed sizes. `plan_sparse` chooses them such that a batch does not fit with
probability at most `UNLIKELY`; what does not fit is dropped.
"""

import dataclasses
import functools
import math
from typing import Any

import numpy as np
from jaxtyping import Float

from jaxsup._internal.validation import is_traced
from jaxsup.experiment.features import (
    AbstractFeatures,
    PowerLawFeatures,
    SparseFeatures,
)
from jaxsup.experiment.features.registry import FEATURES

UNLIKELY = 1e-12
"""Probability, at most, with which any of the three sizes of a batch does not suffice."""
# A feature that is nearly always active arrives too often: at p = 0.98, four times a sample.
_MOST_ACTIVE = 0.98
# Fewer features, or more arrivals a feature, are drawn faster one by one.
_FEWEST_FEATURES = 32
# A product of half a random word with the number of features fits into a word.
_MOST_FEATURES = 2**16
_FEATURES_AN_ARRIVAL = 8
_MOST_ARRIVALS = 32.0
# Room is made for so many arrivals a sample to the power of a whole number, the law's level: nearby
# laws compile to one program.
_LEVEL = 2**0.25


TRACED = "the feature law is traced: its number of arrivals is not known"
"""Why a law is not drawn as arrivals that could be, if its numbers were known."""


def arrival_rate(features: PowerLawFeatures) -> float:
    """L = sum_i -log(1 - p_i), arrivals a sample on average; infinite if some p_i >= 1."""
    (p,) = _probabilities(features, features.exponent, features.density)
    return math.inf if p.max() >= 1 else float(-np.log1p(-p).sum())


def unsuitable_law(features: AbstractFeatures, batch: int) -> str | None:
    """Why samples of this law are not drawn as arrivals, for people; None: it pays to."""
    if type(features) is not PowerLawFeatures:
        if type(features) not in FEATURES:
            return f"{type(features).__name__} is known by its samples alone"
        if type(features) is SparseFeatures:
            return "features with probabilities of their own are drawn one by one"
        return f"{type(features).kind} features are not sparse and independent"
    if not _FEWEST_FEATURES <= features.count <= _MOST_FEATURES:
        return f"not {_FEWEST_FEATURES} to {_MOST_FEATURES} features"
    if batch * features.count >= 2**31:
        return "more features x samples than 32 bits number"
    if is_traced(features) or np.ndim(features.exponent) or np.ndim(features.density):
        return TRACED
    likeliest = float(_probabilities(features, features.exponent, features.density).max())
    if likeliest > _MOST_ACTIVE:
        return f"a feature is active with probability {min(1.0, likeliest):.3g}"
    rate, most = arrival_rate(features), _most_arrivals(features)
    return f"{rate:.3g} arrivals a sample, more than {most:.3g}" if rate > most else None


def sparse_level(features: PowerLawFeatures) -> int:
    """The smallest level such that 2^(level / 4) is at least the law's `arrival_rate`."""
    return int(_levels(np.asarray([arrival_rate(features)]))[0])


def laws_alike(
    features: AbstractFeatures,
    exponents: Float[np.ndarray, " laws"],
    densities: Float[np.ndarray, " laws"],
) -> Float[np.ndarray, " laws"]:
    """A number for each law: those with the same number have the same update.

    Arguments:
        features: all that the laws share.
        exponents: a of each law, where `features` has one.
        densities: expected active features of each, where `features` has that.
    """
    alike = np.zeros(len(exponents))
    if type(features) is not PowerLawFeatures or not (
        _FEWEST_FEATURES <= features.count <= _MOST_FEATURES
    ):
        return alike
    for first in range(0, len(alike), size := max(1, 2**22 // features.count)):
        some = slice(first, first + size)
        p = _probabilities(features, exponents[some], densities[some])
        likeliest = p.max(axis=1)
        rates = -np.log1p(-np.minimum(p, _MOST_ACTIVE), out=p).sum(axis=1)
        suits = (likeliest <= _MOST_ACTIVE) & (rates <= _most_arrivals(features))
        alike[some] = np.where(suits, _levels(rates), np.inf)
    return alike


def _most_arrivals(features: PowerLawFeatures) -> float:
    return min(_MOST_ARRIVALS, features.count / _FEATURES_AN_ARRIVAL)


def _levels(rates: Float[np.ndarray, " laws"]) -> Float[np.ndarray, " laws"]:
    return np.ceil(np.log(rates) / math.log(_LEVEL) - 1e-9)


def _probabilities(
    features: PowerLawFeatures, exponents: Any, densities: Any
) -> Float[np.ndarray, "laws features"]:
    """p_i of several laws before they are clipped to 1, in float64."""
    logs = np.log(np.arange(1, features.count + 1, dtype=np.float64))
    laws = -np.asarray(exponents, np.float64).reshape(-1, 1) * logs
    if features.normalize:
        laws -= laws.max(axis=1, keepdims=True)
    with np.errstate(over="ignore"):  # such features are always active
        np.exp(laws, out=laws)
    if features.normalize:
        laws /= laws.sum(axis=1, keepdims=True)
    return laws * np.asarray(densities, np.float64).reshape(-1, 1)


@dataclasses.dataclass(frozen=True)
class SparsePlan:
    """Sizes of a sparse batch.

    Attributes:
        batch: samples.
        rate: arrivals a sample, at most.
        arrivals: arrivals that there is room for.
        rows: samples with arrivals that there is room for; the others are all alike, empty.
        usual: samples with arrivals, at most, in 98 of 100 batches.
        deepest: arrivals of one sample that there is room for.
    """

    batch: int
    rate: float
    arrivals: int
    rows: int
    usual: int
    deepest: int


@functools.cache
def plan_sparse(level: int, batch: int) -> SparsePlan:
    """The smallest sizes that suffice for `batch` samples but for a probability of `UNLIKELY`.

    Arguments:
        level: a sample has at most 2^(level / 4) arrivals on average.
        batch: samples >= 1.

    >>> plan_sparse(1, 256)
    SparsePlan(batch=256, rate=1.189207115002721, arrivals=438, rows=227, usual=193, deepest=17)
    """
    from scipy import stats

    rate = _LEVEL**level
    share = UNLIKELY / 3
    # isf gives the smallest number that is exceeded with at most this probability.
    arrivals = stats.poisson.isf(share, rate * batch)
    deepest = stats.poisson.isf(share / batch, rate)
    occupied = -math.expm1(-rate)
    rows, usual = (stats.binom.isf(chance, batch, occupied) for chance in (share, 0.02))
    return SparsePlan(
        batch, rate, *(max(1, int(size)) for size in (arrivals, rows, usual, deepest))
    )
