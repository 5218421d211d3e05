"""Whether a law is drawn as arrivals, and how much room a batch of them needs.

Compiled programs need fixed sizes. `plan_sparse` chooses them such that a batch does not fit with
probability at most `UNLIKELY`; what does not fit is dropped.
"""

import dataclasses
import functools
import math
from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from jaxsup._internal.validation import check_positive_integer, fail, is_integer, is_traced
from jaxsup.experiment.features import AbstractFeatures
from jaxsup.experiment.features.registry import FEATURES
from jaxsup.training.sampling.laws import (
    NUMBERS,
    SparseLaw,
    is_sparse_law,
    members_an_arrival,
    source_probabilities,
    source_word,
)

UNLIKELY = 1e-12
"""Probability, at most, with which any of the three sizes of a batch does not suffice."""
# A feature that is nearly always active arrives too often: at p = 0.98, four times a sample.
_MOST_ACTIVE = 0.98
# Fewer features, or more arrivals a feature, are drawn faster one by one.
_FEWEST_FEATURES = 32
# A product of half a random word with the number of features fits into a word.
_MOST_FEATURES = 2**16
# On two cores of a CPU, over a dense step: with N/16 arrivals a sample, 0.9 to 1.2 where they are
# listed and 1.2 to 1.5 where they are gathered; with N/32 0.8 to 1.2; with N/8 1.2 to 2, 2 to 3.1
# (N = 64 to 256, K = N/4 and N/2, batches of 64 to 256, W frozen or learned). Small networks, which
# have kernels of their own on an accelerator, keep N/8.
_FEATURES_AN_ARRIVAL, _FEATURES_AN_ARRIVAL_OF_SMALL, _SMALL = 16, 8, 128
_MOST_ARRIVALS = 32.0
# No sample of `_MOST_ARRIVALS` on average has so many in 2^31 draws: that has a chance below 1e-80.
_DEEPEST = 256
# Room is made for so many arrivals a sample to the power of a whole number, the law's level: nearby
# laws compile to one program.
_LEVEL = 2**0.25


TRACED = "the feature law is traced: its number of arrivals is not known"
"""Why a law is not drawn as arrivals that could be, if its numbers were known."""


def arrival_rate(features: SparseLaw) -> float:
    """L = sum_s -log(1 - p_s), arrivals a sample on average; infinite if some p_s >= 1."""
    (p,) = source_probabilities(features, {})
    return math.inf if p.max() >= 1 else float(-np.log1p(-p).sum())


def unsuitable_law(features: AbstractFeatures, batch: int) -> str | None:
    """Why samples of this law are not drawn as arrivals, for people; None: it pays to."""
    if not is_sparse_law(features):
        if type(features) not in FEATURES:
            return f"{type(features).__name__} is known by its samples alone"
        return f"{type(features).kind} features are not sparse and independent"
    if not _FEWEST_FEATURES <= features.count <= _MOST_FEATURES:
        return f"not {_FEWEST_FEATURES} to {_MOST_FEATURES} features"
    if batch * features.count >= 2**31:
        return "more features x samples than 32 bits number"
    if is_traced(features) or any(np.ndim(getattr(features, n)) for n in NUMBERS[type(features)]):
        return TRACED
    likeliest = float(source_probabilities(features, {}).max())
    if likeliest > _MOST_ACTIVE:
        return f"a {source_word(features)} is active with probability {min(1.0, likeliest):.3g}"
    rate, members = arrival_rate(features), members_an_arrival(features)
    listed, most = rate * members, _most_listed(features)
    if listed <= most:
        return None
    if members == 1:
        return f"{rate:.3g} arrivals a sample, more than {most:.3g}"
    of = f"{rate:.3g} arrivals of {members} features each"
    return f"{listed:.3g} features to be listed a sample, {of}, more than {most:.3g}"


def sparse_level(features: SparseLaw) -> int:
    """The smallest level such that 2^(level / 4) is at least the law's `arrival_rate`."""
    return int(_levels(np.asarray([arrival_rate(features)]))[0])


def laws_alike(
    features: AbstractFeatures, numbers: Mapping[str, Float[np.ndarray, " laws"]]
) -> Float[np.ndarray, " laws"]:
    """A number for each law: those with the same number have the same update.

    Arguments:
        features: all that the laws share.
        numbers: those in which they differ, by name, one a law.
    """
    alike = np.zeros(len(next(iter(numbers.values()))))
    if not is_sparse_law(features) or not _FEWEST_FEATURES <= features.count <= _MOST_FEATURES:
        return alike
    own = {name: numbers[name] for name in NUMBERS[type(features)] if name in numbers}
    if not own:
        return alike
    most = _most_listed(features) / members_an_arrival(features)
    for first in range(0, len(alike), size := max(1, 2**22 // features.count)):
        some = slice(first, first + size)
        p = source_probabilities(features, {name: values[some] for name, values in own.items()})
        likeliest = p.max(axis=1)
        rates = -np.log1p(-np.minimum(p, _MOST_ACTIVE), out=p).sum(axis=1)
        suits = (likeliest <= _MOST_ACTIVE) & (rates <= most)
        alike[some] = np.where(suits, _levels(rates), np.inf)
    return alike


def _most_listed(features: SparseLaw) -> float:
    small = features.count < _SMALL
    each = _FEATURES_AN_ARRIVAL_OF_SMALL if small else _FEATURES_AN_ARRIVAL
    return min(_MOST_ARRIVALS, features.count / each)


def _levels(rates: Float[np.ndarray, " laws"]) -> Float[np.ndarray, " laws"]:
    return np.ceil(np.log(rates) / math.log(_LEVEL) - 1e-9)


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

    Raises:
        ValueError: one is no integer, or there is no sample.

    >>> plan_sparse(1, 256)
    SparsePlan(batch=256, rate=1.189207115002721, arrivals=438, rows=227, usual=193, deepest=17)
    """
    from scipy import stats

    check_positive_integer("batch", batch, "give a number of samples")
    if not is_integer(level):
        raise fail("level", "an integer", level, "take that of `sparse_level`")
    rate = _LEVEL**level
    share = UNLIKELY / 3
    # isf gives the smallest number that is exceeded with at most this probability.
    arrivals = stats.poisson.isf(share, rate * batch)
    # Of large batches the share is below what isf resolves.
    depths = np.arange(_DEEPEST)
    deepest = np.argmax(stats.poisson.sf(depths, rate) <= share / batch)
    occupied = -math.expm1(-rate)
    rows, usual = (stats.binom.isf(chance, batch, occupied) for chance in (share, 0.02))
    return SparsePlan(
        batch, rate, *(max(1, int(size)) for size in (arrivals, rows, usual, deepest))
    )
