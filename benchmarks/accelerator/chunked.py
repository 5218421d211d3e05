"""A candidate: the gradient of small and middling networks, W taken a few columns at a time.

It computes what `jaxsup.training.updates.fused` does, for larger W too. Samples are the rows of its
products: tensor cores take sixteen. Compiled for an H200 it spills nothing at 64/16, where the
kernel in use spills some 150 bytes a thread, and some 20 bytes at 128/64, where that one was slower
than the other updates. `--only candidates` times both: what is faster on a card belongs in the
package, and the other is to go.
"""

import functools
from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Key

from jaxsup.experiment.experiment import Experiment
from jaxsup.experiment.students import StudentParameters
from jaxsup.training.sampling.arrivals import SparseSampler
from jaxsup.training.sampling.plan import SparsePlan
from jaxsup.training.updates.fused import gradient_by
from jaxsup.training.updates.tiles import load, side_of, store_at


class Chunks(NamedTuple):
    """How a program goes through its network and its batch.

    Attributes:
        columns: of W at a time.
        rows: samples a tile.
        warps: of a program.
        held: whether W and B are loaded once, and not by each tile.
    """

    columns: int
    rows: int
    warps: int
    held: bool


def chunked_gradient(
    chunks: Chunks,
    experiment: Experiment,
    tables: SparseSampler,
    learned: StudentParameters,
    frozen: StudentParameters,
    key: Key[Array, ""],
    *,
    interpret: bool = False,
) -> StudentParameters:
    """Derivative of the training loss on the batch that `key` draws, as `fused_gradient`.

    Arguments:
        chunks: how it is computed.
        experiment: a frozen, tied W with a core, a gated activation, a diagonal teacher.
        tables: its law, made ready.
        learned: what learns: the core, and the bias if there is one.
        frozen: the rest.
        key: of the batch.
        interpret: whether JAX interprets the kernels, on any device.
    """
    kernel = functools.partial(_kernel, chunks=chunks)
    return gradient_by(
        *(kernel, chunks.warps, experiment, tables, learned, frozen, key), interpret=interpret
    )


def _kernel(
    occupied_of: Any,
    starts: Any,
    features: Any,
    values: Any,
    embedding: Any,
    core: Any,
    bias: Any,
    scale: Any,
    gains: Any,
    core_slope: Any,
    bias_slope: Any,
    *,
    plan: SparsePlan,
    gated: bool,
    chunks: Chunks,
) -> None:
    """One network: its whole batch, tile by tile of the rows that hold anything."""
    latent, count = embedding.shape
    K, N, rows = side_of(latent), side_of(count), chunks.rows
    columns = min(chunks.columns, N)
    k, parts = jnp.arange(K), [first + jnp.arange(columns) for first in range(0, N, columns)]
    square = (k < latent)[:, None] & (k < latent)[None, :]

    # What is loaded again has to be said to change, or compilers load it once and keep it.
    def part_of_embedding(n: Any) -> Any:
        mask = (k < latent)[:, None] & (n < count)[None, :]
        return load(embedding, (k[:, None], n[None, :]), mask, volatile=not chunks.held)

    def loaded_core() -> Any:
        return load(core, (k[:, None], k[None, :]), square, volatile=not chunks.held)

    kept = ([part_of_embedding(n) for n in parts], loaded_core()) if chunks.held else None
    c, s, g = ([load(ref, (n,), n < count) for n in parts] for ref in (bias, scale, gains))
    occupied = occupied_of[0]

    def tile(index: Any, sums: Any) -> Any:
        core_sum, bias_sums = sums
        row = index * rows + jnp.arange(rows)
        there = row < occupied
        start, stop = (load(starts, (place,), there) for place in (row, row + 1))

        def arrive(state: Any) -> Any:
            depth, x = state
            place = start + depth
            used = (place < stop) & (place < plan.arrivals)
            feature = jnp.where(used, load(features, (place,), used), -1)[:, None]
            value = load(values, (place,), used)[:, None]
            parts_and_x = zip(parts, x, strict=True)
            return depth - 1, [
                jnp.where(n[None, :] == feature, value, own) for n, own in parts_and_x
            ]

        # From the last on: of several arrivals of one feature in one sample the first counts.
        last = jnp.max(stop - start) - 1, [jnp.zeros((rows, columns), core.dtype) for _ in parts]
        _, x = lax.while_loop(lambda state: state[0] >= 0, arrive, last)
        h = jnp.zeros((rows, K), core.dtype)
        for place, n in enumerate(parts):
            h += jnp.dot(x[place], (kept[0][place] if kept else part_of_embedding(n)).T)
        inner, back = jnp.dot(h, (kept[1] if kept else loaded_core()).T), jnp.zeros_like(h)
        found = []
        for place, n in enumerate(parts):
            W = kept[0][place] if kept else part_of_embedding(n)
            z = jnp.dot(inner, W) + c[place][None, :]
            slope = s[place][None, :] * (z - g[place][None, :] * x[place])
            counted = there[:, None]
            slope = jnp.where(counted & (z > 0) if gated else counted, slope, 0.0)
            back += jnp.dot(slope, W.T)
            found.append(bias_sums[place] + jnp.sum(slope, axis=0))
        return core_sum + jnp.dot(back.T, h), found

    # Of a sample that holds nothing, h = 0 and z = c.
    empty = (plan.batch - occupied).astype(bias.dtype)
    nothing = [empty * weight * own for own, weight in zip(c, s, strict=True)]
    if gated:
        nothing = [jnp.where(own > 0, slope, 0.0) for own, slope in zip(c, nothing, strict=True)]
    sums = jnp.zeros((K, K), core.dtype), nothing
    core_sum, bias_sums = lax.fori_loop(0, (occupied + rows - 1) // rows, tile, sums)
    store_at(core_slope, (k[:, None], k[None, :]), core_sum, square)
    for n, own in zip(parts, bias_sums, strict=True):
        store_at(bias_slope, (n,), own, n < count)
