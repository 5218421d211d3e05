"""Draws of a small network's sparse batch, as one kernel of an NVIDIA GPU.

A program of the grid draws for one network what `SparseSampler.draw` draws, and leaves lists:
random words are by counter, so that any of them can be had anywhere. It needs few registers, so
that many programs run at once; the gradient, which needs all of them, reads the lists.

Written in Pallas for its Triton backend: arrays in the kernel have sides that are powers of two.
"""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int, Key, UInt

from jaxsup._internal.words import index_from_words, values_from_words
from jaxsup.training.sampling.arrivals import SparseSampler
from jaxsup.training.sampling.plan import SparsePlan
from jaxsup.training.updates.tiles import load, side_of, store_at

MOST_DEEP = 64
"""Thresholds of the number of arrivals that are held against a tile of samples at once."""

# A warp's lanes, each with the two samples that two random words are for.
_MOST_PAIRS = 32
# Arrivals drawn at once: about as many as a batch of 64 samples has.
_CHUNK = 64
_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
_PARITY = 0x1BD11BDA


class FusedDraws(NamedTuple):
    """A batch in lists: occupied samples by row, in order; the others are all alike, empty.

    Attributes:
        occupied: [1]: samples with arrivals, at most ``plan.rows``.
        starts: [rows + 1]: where the arrivals of a row begin; those of row ``occupied`` would begin
            where the last end. What is beyond is not set.
        feature, value: [arrivals]: of several arrivals of a feature in a row the first counts.
    """

    occupied: Int[Array, "1"]
    starts: Int[Array, " rows_and_one"]
    feature: Int[Array, " arrivals"]
    value: Float[Array, " arrivals"]


def fused_draws(
    tables: SparseSampler, key: Key[Array, ""], *, interpret: bool = False
) -> FusedDraws:
    """The batch that `key` draws, as `SparseSampler.draw`, of a law without groups and trees.

    Arguments:
        tables: the law, made ready.
        key: of the batch.
        interpret: whether JAX interprets the kernel, on any device: for tests.
    """
    # Not when the package is imported: only where there is such a card.
    from jax.experimental import pallas
    from jax.experimental.pallas import triton

    plan, dtype = tables.plan, tables.excess.dtype
    drawn = pallas.pallas_call(
        functools.partial(_kernel, plan=plan, values=tables.values),
        out_shape=(
            jax.ShapeDtypeStruct((1,), jnp.int32),
            jax.ShapeDtypeStruct((plan.rows + 1,), jnp.int32),
            jax.ShapeDtypeStruct((plan.arrivals,), jnp.int32),
            jax.ShapeDtypeStruct((plan.arrivals,), dtype),
        ),
        compiler_params=None if interpret else triton.CompilerParams(num_warps=1, num_stages=1),
        interpret=interpret,
        name="sparse_draws",
    )(
        jax.random.bits(key, (2,), jnp.uint32),
        tables.accepted,
        tables.alias,
        tables.exceeding,
        jnp.reshape(tables.excess, (1,)),
    )
    return FusedDraws(*drawn)


def _kernel(
    seeds: Any,
    accepted: Any,
    alias: Any,
    exceeding: Any,
    excess: Any,
    occupied_of: Any,
    starts: Any,
    features: Any,
    values_of: Any,
    *,
    plan: SparsePlan,
    values: str,
) -> None:
    """One network: its samples, pair by pair, then its arrivals."""
    words = functools.partial(_words, seeds[0], seeds[1])
    pairs = -(-plan.batch // 2)
    lanes = min(side_of(pairs), _MOST_PAIRS)

    def count(index: Any, sums: Any) -> Any:
        drawn, occupied = sums
        pair = index * lanes + jnp.arange(lanes)
        first, second = (
            jnp.where(2 * pair + place < plan.batch, _exceeded(word, exceeding, plan), 0)
            for place, word in enumerate(words(pair.astype(jnp.uint32), jnp.uint32(1)))
        )
        one, other = ((arrivals > 0).astype(jnp.int32) for arrivals in (first, second))
        start = drawn + jnp.cumsum(first + second) - first - second
        row = occupied + jnp.cumsum(one + other) - one - other
        store_at(starts, (row,), start, (first > 0) & (row <= plan.rows))
        store_at(starts, (row + one,), start + first, (second > 0) & (row + one <= plan.rows))
        return drawn + jnp.sum(first + second), occupied + jnp.sum(one + other)

    nothing = jnp.int32(0), jnp.int32(0)
    drawn, occupied = lax.fori_loop(0, -(-pairs // lanes), count, nothing)
    only = jnp.arange(1)
    store_at(occupied_of, (only,), only + jnp.minimum(occupied, plan.rows), only == 0)
    store_at(starts, (only + occupied,), only + drawn, only + occupied <= plan.rows)
    arrivals = jnp.minimum(drawn, plan.arrivals)

    def arrive(first: Any) -> Any:
        place = first + jnp.arange(_CHUNK)
        word, other = words(place.astype(jnp.uint32), jnp.uint32(0))
        there = place < arrivals
        store_at(features, (place,), _pick(accepted, alias, word), there)
        store_at(values_of, (place,), values_from_words(values, other) + excess[0], there)
        return first + _CHUNK

    lax.while_loop(lambda first: first < arrivals, arrive, jnp.int32(0))


def _exceeded(words: Any, exceeding: Any, plan: SparsePlan) -> Any:
    """Arrivals of each sample: how many of the thresholds its word is below."""
    depth = jnp.arange(side_of(plan.deepest))
    thresholds = load(exceeding, (depth,), depth < plan.deepest)
    return jnp.sum((words[None, :] < thresholds[:, None]).astype(jnp.int32), axis=0)


def _pick(accepted: Any, alias: Any, words: UInt[Array, " n"]) -> Int[Array, " n"]:
    """The feature of each arrival, as `SparseSampler` picks it."""
    (count,) = accepted.shape
    column = index_from_words(words, count)
    everywhere = column >= 0
    own, other = (load(ref, (column,), everywhere) for ref in (accepted, alias))
    return jnp.where(words * jnp.uint32(count) < own, column, other)


def _words(first: Any, second: Any, counter: Any, stream: Any) -> tuple[Any, Any]:
    """Threefry-2x32 with 20 rounds: the two random words of each counter of a stream.

    Reference: Salmon, Moraes, Dror, Shaw, Parallel random numbers: as easy as 1, 2, 3, SC 2011.
    """
    keys = first, second, first ^ second ^ jnp.uint32(_PARITY)
    x, y = counter + keys[0], jnp.broadcast_to(stream + keys[1], counter.shape)
    for group in range(5):
        for turn in _ROTATIONS[group % 2]:
            x = x + y
            y = x ^ ((y << jnp.uint32(turn)) | (y >> jnp.uint32(32 - turn)))
        x = x + keys[(group + 1) % 3]
        y = y + keys[(group + 2) % 3] + jnp.uint32(group + 1)
    return x, y
