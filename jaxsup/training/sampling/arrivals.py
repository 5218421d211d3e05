"""Exact sparse samples: draws whose cost grows with what is active, not with what there is.

A feature that is active with probability p_i, independently of all others, is one at which a
Poisson process of rate l_i = -log(1 - p_i) arrives at least once. So the number of arrivals in a
sample is Poisson with mean L = sum_i l_i, each arrival picks feature i with probability l_i / L,
and of several arrivals of one feature in one sample the first counts (superposition and marking of
Poisson processes; Kingman, Poisson Processes, 1993, sections 2.2 and 5.2). At density 1 that is
about one arrival a sample, whatever N is. Groups and trees arrive in the same way
(`jaxsup.training.sampling.laws`). `jaxsup.training.sampling.plan` says where it pays, and how much
room a batch needs.
"""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float, Int, Key, UInt

from jaxsup._internal.words import draw_words, index_from_words, values_from_words
from jaxsup.training.sampling.alias import alias_table, as_words
from jaxsup.training.sampling.laws import (
    Members,
    SparseLaw,
    arrival_rates,
    exclusive_size,
    members_of,
)
from jaxsup.training.sampling.plan import SparsePlan


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
        accepted, alias: [items]: of 2^32 arrivals at column i of the table, ``accepted[i]`` are of
            item i and the others of item ``alias[i]`` (the alias method; Walker 1977). Items are
            features, or sources where these have members.
        exceeding: [deepest]: of 2^32 samples, so many have more than k arrivals.
        excess: 0, or NaN if the law has more arrivals than the plan allows.
        members: the features of each source; None where it is one.
        exclusive: items in a row of which one at most counts in a sample: the first that arrives.
        count: features N.
        values: law of the values.
        plan: sizes.
    """

    accepted: UInt[Array, " items"]
    alias: Int[Array, " items"]
    exceeding: UInt[Array, " deepest"]
    excess: Float[Array, ""]
    members: Members | None
    exclusive: int = eqx.field(static=True)
    count: int = eqx.field(static=True)
    values: str = eqx.field(static=True)
    plan: SparsePlan = eqx.field(static=True)

    def draw(self, key: Key[Array, ""]) -> SparseBatch:
        """Independent draws of x, in law as the law's `sample_batch`.

        Each p_i is realized to within 2^-32, and 1e-4 of itself in float32 (1e-6 in float64). The
        numbers depend on the key alone, not on the room that the plan has. If the law has more
        arrivals than the plan allows, all values are NaN.
        """
        plan, items = self.plan, self.accepted.size
        words, others, counting = _words(key, plan)
        counts = jnp.sum(counting[None, :] < self.exceeding[:, None], axis=0, dtype=jnp.int32)
        row, used = _rows_of_arrivals(counts, plan)
        item = self._pick(words)
        # Materialized: fused into the comparisons, it would be computed anew for each of them.
        place = jnp.where(used, row * items + item // self.exclusive, -1)
        place = lax.optimization_barrier(place)
        active = used[plan.deepest :] & ~_repeated(place, plan.deepest)
        row, feature = row[plan.deepest :], item[plan.deepest :]
        if self.members is None:
            value = values_from_words(self.values, others[plan.deepest :])
        else:
            feature, came, value = self.members.draw(key, feature, self.values)
            active = (active[:, None] & came).ravel()
            row, feature, value = jnp.repeat(row, self.members.size), feature.ravel(), value.ravel()
        return SparseBatch(
            row=row,
            feature=feature,
            value=jnp.where(active, value + self.excess, 0.0),
            active=active,
            rows=plan.rows,
            usual=plan.usual,
            batch=plan.batch,
            count=self.count,
        )

    def _pick(self, words: UInt[Array, " n"]) -> Int[Array, " n"]:
        """The item of each arrival: words * n / 2^32 is a column, its fraction chooses."""
        size = self.accepted.size
        column = index_from_words(words, size)
        accepted = self.accepted.at[column].get(mode="promise_in_bounds")
        other = self.alias.at[column].get(mode="promise_in_bounds")
        return jnp.where(words * jnp.uint32(size) < accepted, column, other)


def prepare_sampler(features: SparseLaw, plan: SparsePlan) -> SparseSampler:
    """Tables for `SparseSampler.draw`; they follow from the law: make them once for many draws."""
    rates = arrival_rates(features)
    total = jnp.sum(rates)
    accepted, alias = alias_table(rates / total)
    excess = jnp.where(total <= plan.rate * (1 + 1e-4), 0.0, jnp.nan)
    return SparseSampler(
        accepted=accepted,
        alias=alias.astype(jnp.int32),
        exceeding=_exceeding(total, plan.deepest),
        excess=excess.astype(total.dtype),
        members=members_of(features),
        exclusive=exclusive_size(features),
        count=features.count,
        values=features.values,
        plan=plan,
    )


def _exceeding(rate: Float[Array, ""], deepest: int) -> UInt[Array, " deepest"]:
    """2^32 P(number > k), k = 0..deepest - 1, for Poisson numbers of mean `rate`."""
    k = np.arange(deepest + 16)
    log_factorials = jnp.asarray(np.cumsum(np.log(np.maximum(k, 1))), rate.dtype)
    terms = jnp.exp(jnp.asarray(k, rate.dtype) * jnp.log(rate) - rate - log_factorials)
    # Summed from the rare end, so that small probabilities keep their digits.
    return as_words(jnp.cumsum(terms[:0:-1])[::-1][:deepest])


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
