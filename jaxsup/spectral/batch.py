"""The spectra of many matrices: chunks on an accelerator, a thread a core on a CPU."""

import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.core import Tracer
from jax.typing import ArrayLike
from jaxtyping import Float, PyTree

from jaxsup._internal.blas import one_blas_thread
from jaxsup._internal.system import available_cores
from jaxsup._internal.validation import check_positive_integer
from jaxsup.spectral.arrays import check_tolerances, checked_array
from jaxsup.spectral.spectrum import CLUSTER_TOLERANCE, FrameSpectrum, decompose_padded

_Stack: TypeAlias = Float[Array | np.ndarray, "replicas latent features"]
_Tolerances: TypeAlias = tuple[Float[Array, ""], Float[Array, ""] | None]
_Summary: TypeAlias = Callable[[FrameSpectrum], PyTree] | None


def decompose_batch(
    Ws: ArrayLike,
    *,
    chunk: int = 16,
    summary: Callable[[FrameSpectrum], PyTree] | None = None,
    relative_tolerance: float | Float[Array, ""] = CLUSTER_TOLERANCE,
    rank_tolerance: float | Float[Array, ""] | None = None,
) -> PyTree:
    """`decompose` every `Ws[replica]`, `chunk` at a time; the result does not depend on the chunk.

    Outside of `jit`, each core of a CPU takes a share of a large batch.

    Arguments:
        Ws: [replicas, latent, features], real. Diverged replicas, with NaN or infinity, give NaN.
        chunk: matrices that are decomposed together, at least 1; working memory is about 8 chunks
            of matrices a core.
        summary: what to keep of each padded spectrum, a named function (a new lambda compiles
            anew); default: all of it, whose measures are as large as `Ws`.
        relative_tolerance: of the clusters, in [0, 1); see `jaxsup.spectral`.
        rank_tolerance: of the rank, in [0, 1); see `jaxsup.spectral`.

    Returns:
        What `summary` makes of each padded spectrum, stacked: by default a `FrameSpectrum` with a
        batch axis, to be indexed with `[i]` and trimmed.

    Raises:
        ValueError: `Ws` is no real, non-empty stack of matrices in the range of JAX's precision,
            `chunk` is no positive integer, or a tolerance is out of range.

    >>> from operator import attrgetter
    >>> decompose_batch(np.ones((3, 2, 4)), summary=attrgetter("rank")).tolist()
    [1, 1, 1]
    """
    stack = checked_array(Ws, rank=3)
    # Single precision stays where it is until each share is taken over by its thread.
    if stack.dtype != np.float32:
        stack = jnp.asarray(stack)
    check_tolerances(relative_tolerance=relative_tolerance, rank_tolerance=rank_tolerance)
    check_positive_integer("chunk", chunk, "give the number of matrices to decompose together")
    tolerances = jax.tree.map(
        lambda x: jnp.asarray(x, stack.dtype), (relative_tolerance, rank_tolerance)
    )
    size = -(-len(stack) // _shares(stack, tolerances, chunk))
    if size == len(stack):
        return _decompose_chunks(stack, tolerances, chunk, summary)
    return _decompose_shares(stack, tolerances, chunk, summary, size)


def _decompose_shares(
    stack: _Stack, tolerances: _Tolerances, chunk: int, summary: _Summary, size: int
) -> PyTree:
    """A thread for each share of `size` matrices.

    Shares of one size are one program: the last one goes back over a few matrices.
    """
    starts = [min(start, len(stack) - size) for start in range(0, len(stack), size)]
    parts = [stack[start : start + size] for start in starts]
    absent = tuple(tolerance is None for tolerance in tolerances)
    program = _share_program(size, *stack.shape[1:], str(stack.dtype), absent, chunk, summary)
    with one_blas_thread(), ThreadPoolExecutor(len(parts)) as threads:
        # Waited for in its thread: handed over and not waited for, they would run in a row.
        shares = list(
            threads.map(lambda part: jax.block_until_ready(program(part, tolerances)), parts)
        )
    again = len(parts) * size - len(stack)
    shares[-1] = jax.tree.map(lambda x: x[again:], shares[-1])
    return jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *shares)


@functools.lru_cache(maxsize=32)
def _share_program(
    size: int,
    latent: int,
    features: int,
    dtype: str,
    absent: tuple[bool, ...],
    chunk: int,
    summary: _Summary,
) -> Callable[[_Stack, _Tolerances], PyTree]:
    """`_decompose_chunks` for one share, compiled by the thread that asks.

    Settings such as float64 belong to a thread: the threads of the shares have not got them.
    """
    Ws = jax.ShapeDtypeStruct((size, latent, features), dtype)
    tolerances = tuple(None if no else jax.ShapeDtypeStruct((), dtype) for no in absent)
    return _decompose_chunks.lower(Ws, tolerances, chunk, summary).compile()


def _shares(Ws: _Stack, tolerances: _Tolerances, chunk: int) -> int:
    """How many threads decompose a batch."""
    traced = any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves((Ws, tolerances)))
    if traced or len(Ws) < 2 * chunk:
        return 1
    devices = Ws.devices() if isinstance(Ws, Array) else jnp.zeros(()).devices()
    if len(devices) > 1:
        return 1
    (device,) = devices
    return min(available_cores(), len(Ws) // chunk) if device.platform == "cpu" else 1


@functools.partial(jax.jit, static_argnames=("chunk", "summary"))
def _decompose_chunks(Ws: _Stack, tolerances: _Tolerances, chunk: int, summary: _Summary) -> PyTree:
    """A sequential map over equal chunks, the last filled up with zero matrices."""
    total = Ws.shape[0]
    steps = -(-total // chunk)
    Ws = jnp.pad(Ws, ((0, -total % steps), (0, 0), (0, 0)))

    def summarize(W: Float[Array, "latent features"]) -> PyTree:
        spectrum = decompose_padded(W, *tolerances)
        return spectrum if summary is None else summary(spectrum)

    stacked = lax.map(jax.vmap(summarize), Ws.reshape(steps, -1, *Ws.shape[1:]))
    return jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:])[:total], stacked)
