"""Exact sparse samples: draws whose cost grows with what is active, not with what there is.

A feature that is active with probability p_i, independently of all others, is one at which a
Poisson process of rate l_i = -log(1 - p_i) arrives at least once. So the number of arrivals in a
sample is Poisson with mean L = sum_i l_i, each arrival picks feature i with probability l_i / L,
and of several arrivals of one feature in one sample the first counts (superposition and marking of
Poisson processes; Kingman, Poisson Processes, 1993, sections 2.2 and 5.2). At density 1 that is
about one arrival a sample, whatever N is.

Compiled programs need fixed sizes. `plan_sparse` chooses them such that a batch does not fit with
probability at most `UNLIKELY`; what does not fit is dropped.
"""

import dataclasses
import functools
import math
from collections.abc import Callable
from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float, Int, Key, UInt

from jaxsup._internal.validation import is_traced
from jaxsup.experiment.features import (
    AbstractFeatures,
    PowerLawFeatures,
    draw_words,
    values_from_words,
)

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


class Eligibility(NamedTuple):
    """Whether sparse samples suit a law.

    Attributes:
        level: a sample has at most 2^(level / 4) arrivals on average; None if the law is to be
            drawn feature by feature.
        reason: why, for people.
    """

    level: int | None
    reason: str


def sparse_level(features: AbstractFeatures, batch: int = 1) -> Eligibility:
    """How many arrivals a law has, if it pays to draw them and the law is not traced."""
    if not isinstance(features, PowerLawFeatures):
        return Eligibility(None, f"{features.kind} features are not sparse and independent")
    if is_traced(features) or np.ndim(features.exponent) or np.ndim(features.density):
        return Eligibility(None, "the feature law is traced: its number of arrivals is not known")
    if not _FEWEST_FEATURES <= features.count <= _MOST_FEATURES:
        return Eligibility(None, f"not {_FEWEST_FEATURES} to {_MOST_FEATURES} features")
    if batch * features.count >= 2**31:
        return Eligibility(None, "more features x samples than 32 bits number")
    index = np.arange(1, features.count + 1, dtype=np.float64)
    law = index ** -float(features.exponent)
    p = float(features.density) * (law / law.sum() if features.normalise else law)
    if p.max() > _MOST_ACTIVE:
        return Eligibility(None, f"a feature is active with probability {min(1.0, p.max()):.3g}")
    rate = float(-np.log1p(-p).sum())
    most = min(_MOST_ARRIVALS, features.count / _FEATURES_AN_ARRIVAL)
    if rate > most:
        return Eligibility(None, f"{rate:.3g} arrivals a sample, more than {most:.3g}")
    reason = f"about {rate:.3g} arrivals a sample of {features.count} features"
    return Eligibility(math.ceil(math.log(rate) / math.log(_LEVEL) - 1e-9), reason)


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
    from scipy import special

    rate = _LEVEL**level
    share = UNLIKELY / 3
    arrivals = _first(lambda k: special.pdtrc(k, rate * batch) <= share)
    deepest = _first(lambda k: special.pdtrc(k, rate) <= share / batch)
    occupied = -math.expm1(-rate)
    rows, usual = (
        _first(lambda k: k >= batch or special.bdtrc(k, batch, occupied) <= chance)  # noqa: B023
        for chance in (share, 0.02)
    )
    return SparsePlan(batch, rate, *(max(1, size) for size in (arrivals, rows, usual, deepest)))


class SparseBatch(eqx.Module):
    """Active features of a batch of samples, listed; samples are numbered by row.

    Attributes:
        row, feature, value: [arrivals]. Rows are in order; ``value`` is 0 where not ``active``.
        active: [arrivals]; False for room that is not used and for repeated arrivals.
        rows: rows that may hold anything; the other ``batch - rows`` samples are empty.
        usual: rows that hold anything in most batches, at most.
        batch: samples.
        count: features N.
    """

    row: Int[Array, " arrivals"]
    feature: Int[Array, " arrivals"]
    value: Float[Array, " arrivals"]
    active: Bool[Array, " arrivals"]
    rows: int = eqx.field(static=True)
    usual: int = eqx.field(static=True)
    batch: int = eqx.field(static=True)
    count: int = eqx.field(static=True)

    def columns(self) -> Float[Array, "features rows"]:
        """x as an array, a sample a column, without the empty samples beyond ``rows``."""
        size = self.count * self.rows
        place = jnp.where(self.active, self.feature * self.rows + self.row, size)
        place = lax.optimization_barrier(place)
        flat = jnp.zeros(size, self.value.dtype).at[place].set(self.value, mode="drop")
        return flat.reshape(self.count, self.rows)


class SparseSampler(eqx.Module):
    """A law made ready for sparse batches of one size.

    Attributes:
        accepted, alias: [features]: of 2^32 arrivals at slot i, ``accepted[i]`` are of feature i
            and the others of feature ``alias[i]`` (the alias method; Walker 1977).
        exceeding: [deepest]: of 2^32 samples, so many have more than k arrivals.
        excess: 0, or NaN if the law has more arrivals than the plan allows.
        values: law of the values.
        plan: sizes.
    """

    accepted: UInt[Array, " features"]
    alias: Int[Array, " features"]
    exceeding: UInt[Array, " deepest"]
    excess: Float[Array, ""]
    values: str = eqx.field(static=True)
    plan: SparsePlan = eqx.field(static=True)

    def draw(self, key: Key[Array, ""]) -> SparseBatch:
        """Independent draws of x, in law as `PowerLawFeatures.sample_batch`.

        Each p_i is realised to within 2^-32, and 1e-4 of itself in float32 (1e-6 in float64). The
        numbers depend on the key alone, not on the room that the plan has. If the law has more
        arrivals than the plan allows, all values are NaN.
        """
        plan, count = self.plan, self.accepted.size
        words, others, counting = _words(key, plan)
        counts = jnp.sum(counting[None, :] < self.exceeding[:, None], axis=0, dtype=jnp.int32)
        row, used = _rows_of_arrivals(counts, plan)
        feature = self._pick(words)
        # Materialised: fused into the comparisons, it would be computed anew for each of them.
        place = lax.optimization_barrier(jnp.where(used, row * count + feature, -1))
        active = used[plan.deepest :] & ~_repeated(place, plan.deepest)
        value = values_from_words(self.values, others[plan.deepest :]) + self.excess
        return SparseBatch(
            row=row[plan.deepest :],
            feature=feature[plan.deepest :],
            value=jnp.where(active, value, 0.0),
            active=active,
            rows=plan.rows,
            usual=plan.usual,
            batch=plan.batch,
            count=count,
        )

    def _pick(self, words: UInt[Array, " n"]) -> Int[Array, " n"]:
        """The feature of each arrival: words * N / 2^32 is a slot, its fraction chooses."""
        count = jnp.uint32(self.accepted.size)
        carry = ((words & jnp.uint32(0xFFFF)) * count) >> jnp.uint32(16)
        slot = (((words >> jnp.uint32(16)) * count + carry) >> jnp.uint32(16)).astype(jnp.int32)
        accepted = self.accepted.at[slot].get(mode="promise_in_bounds")
        other = self.alias.at[slot].get(mode="promise_in_bounds")
        return jnp.where(words * count < accepted, slot, other)


def prepare_sampler(features: PowerLawFeatures, plan: SparsePlan) -> SparseSampler:
    """Tables for `SparseSampler.draw`; they follow from the law: make them once for many draws."""
    rates = -jnp.log1p(-features.probabilities)
    total = jnp.sum(rates)
    accepted, alias = _alias_table(rates / total)
    excess = jnp.where(total <= plan.rate * (1 + 1e-4), 0.0, jnp.nan)
    return SparseSampler(
        accepted=accepted,
        alias=alias.astype(jnp.int32),
        exceeding=_exceeding(total, plan.deepest),
        excess=excess.astype(total.dtype),
        values=features.values,
        plan=plan,
    )


def _alias_table(
    shares: Float[Array, " n"],
) -> tuple[UInt[Array, " n"], Int[Array, " n"]]:
    """The alias table of probabilities that sum to 1, by one sweep.

    Slots hold 1 / n each. A share below that leaves room, which the current large share fills; a
    large share that has shrunk to below 1 / n is itself filled up by the next one.
    """
    n = shares.size
    held = shares * n
    large = held > 1.0
    order = jnp.argsort(large, stable=True)
    smalls = n - jnp.sum(large)

    def settle(_: Array, state: tuple) -> tuple:
        small, big, left, lost, accepted, alias = state
        current = order[jnp.minimum(big, n - 1)]
        take_small = (small < smalls) & ((left > 1.0) | (big >= n))
        item = jnp.where(take_small, order[jnp.minimum(small, n - 1)], current)
        following = order[jnp.minimum(big + 1, n - 1)]
        kept = jnp.where(take_small, held[item], left)
        # Nothing is left to fill up with: what is missing is rounding.
        alone = (big >= n) | (~take_small & (big == n - 1))
        accepted = accepted.at[item].set(jnp.where(alone, 1.0, kept))
        alias = alias.at[item].set(jnp.where(take_small, current, following))
        # Kahan's sum: a large share is the remainder of many subtractions.
        change = (jnp.where(take_small, held[item], held[following]) - 1.0) - lost
        now = left + change
        step = take_small.astype(small.dtype)
        return small + step, big + 1 - step, now, (now - left) - change, accepted, alias

    first = held[order[jnp.minimum(smalls, n - 1)]]
    zero = jnp.zeros_like(smalls), smalls, first, jnp.zeros_like(first)
    start = (*zero, jnp.ones_like(held), jnp.zeros_like(order))
    *_, accepted, alias = lax.fori_loop(0, n, settle, start)
    return _as_words(accepted), alias


def _exceeding(rate: Float[Array, ""], deepest: int) -> UInt[Array, " deepest"]:
    """2^32 P(number > k), k = 0..deepest - 1, for Poisson numbers of mean `rate`."""
    k = np.arange(deepest + 16)
    log_factorials = jnp.asarray(np.cumsum(np.log(np.maximum(k, 1))), rate.dtype)
    terms = jnp.exp(jnp.asarray(k, rate.dtype) * jnp.log(rate) - rate - log_factorials)
    # Summed from the rare end, so that small probabilities keep their digits.
    return _as_words(jnp.cumsum(terms[:0:-1])[::-1][:deepest])


def _words(
    key: Key[Array, ""], plan: SparsePlan
) -> tuple[UInt[Array, " padded"], UInt[Array, " padded"], UInt[Array, " batch"]]:
    """Two random words an arrival, one a sample: word k depends on the key and k alone.

    Before the arrivals come `deepest` places without one, for `_repeated`.
    """
    words, others = draw_words(key, np.arange(plan.deepest + plan.arrivals) - plan.deepest)
    counting = jnp.stack(draw_words(key, np.arange(-(-plan.batch // 2)), stream=1), axis=1)
    return words, others, counting.ravel()[: plan.batch]


def _rows_of_arrivals(
    counts: Int[Array, " batch"], plan: SparsePlan
) -> tuple[Int[Array, " padded"], Bool[Array, " padded"]]:
    """The row of each arrival, occupied samples numbered in order, and whether it is one."""
    padded = plan.deepest + plan.arrivals
    stops = plan.deepest + jnp.cumsum(counts, dtype=jnp.int32)
    # Each occupied sample marks its first arrival: the marks so far are its number.
    firsts = jnp.where(counts > 0, stops - counts, padded)
    marks = jnp.zeros(padded, jnp.int32).at[firsts].add(1, mode="drop")
    row = jnp.cumsum(marks, dtype=jnp.int32) - 1
    used = (jnp.arange(padded, dtype=jnp.int32) < stops[-1]) & (row >= 0) & (row < plan.rows)
    return jnp.clip(row, 0, plan.rows - 1), used


def _repeated(place: Int[Array, " padded"], deepest: int) -> Bool[Array, " arrivals"]:
    """Whether the same place stands among the `deepest` before: an earlier arrival of the sample.

    The first `deepest` places belong to no arrival.
    """
    arrivals = place.size - deepest
    here = place[deepest:]
    repeated = jnp.zeros(arrivals, bool)
    for back in range(1, deepest):
        repeated |= place[deepest - back : deepest - back + arrivals] == here
    return repeated


def _as_words(shares: Float[Array, " n"]) -> UInt[Array, " n"]:
    """Thresholds below which a random word falls with these probabilities, in [0, 1]."""
    return jnp.clip(shares * 2.0**32, 0.0, 2.0**32 - 256).astype(jnp.uint32)


def _first(suffices: Callable[[int], bool]) -> int:
    """The smallest number that suffices."""
    low, high = -1, 1
    while not suffices(high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        if suffices(middle):
            high = middle
        else:
            low = middle
    return high
