"""Batches that are worked off one by one, each within a processor's cache."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.custom_batching import custom_vmap

# Bytes of intermediate results from which on a loop is faster, by measurement: some of them lie
# beside their inputs and outputs in a core's second-level cache, which is 1 to 2 MiB today.
_LARGE = 2**17


def in_cache(
    function: Callable[..., Any], size: int, together: Callable[..., Any] | None = None
) -> Callable[..., Any]:
    """`function` of arrays, which `vmap` on a CPU turns into a loop where `size` is large.

    XLA makes a batched product write all of its results before what follows reads them. Where one
    member of the batch fills much of the cache, memory then sets the pace and not the arithmetic:
    a loop is faster by a fifth to a third for the loss of 256 features. Small members go together:
    reading them out of the batch would cost more than they do. Accelerators get the whole batch.

    Arguments:
        function: of arrays, returning arrays; without random numbers.
        size: bytes of its intermediate results, about.
        together: what computes the same where the whole batch goes together; default: `function`.

    The derivative of the loop is not defined in reverse: give the caller's own (`jax.custom_jvp`).
    """
    whole = function if together is None else together
    if not is_large(size):
        return whole

    def on_this_platform(*arrays: Array) -> Any:
        return lax.platform_dependent(*arrays, cpu=_one_by_one(function), default=whole)

    return on_this_platform


def is_large(size: int) -> bool:
    """Whether members of a batch that take so many bytes are worked off one by one on a CPU."""
    return size > _LARGE


def _one_by_one(function: Callable[..., Any]) -> Callable[..., Any]:
    looped = custom_vmap(function)

    @looped.def_vmap
    def over_batch(count: int, batched: list[bool], *arrays: Array) -> tuple[Any, Any]:
        moving = [array for array, has in zip(arrays, batched, strict=True) if has]

        def member(index: Array | int) -> list[Array]:
            return [lax.dynamic_index_in_dim(array, index, keepdims=False) for array in moving]

        def turn(parts: list[Array], following: Array) -> tuple[list[Array], Any]:
            part = iter(parts)
            pairs = zip(arrays, batched, strict=True)
            out = looped(*(next(part) if has else array for array, has in pairs))
            return member(following), out

        # The next member is read out at the end of a turn, not at the start of its own: XLA would
        # fuse reading by a variable index into what follows, which then cannot be vectorized.
        _, out = lax.scan(turn, member(0), jnp.minimum(jnp.arange(1, count + 1), count - 1))
        return out, jax.tree.map(lambda _: True, out)

    return looped
