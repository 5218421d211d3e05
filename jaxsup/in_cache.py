"""Batches that are worked off in pieces which fit into a processor's cache."""

from collections.abc import Callable
from typing import Any

import jax
from jax import Array
from jax.custom_batching import custom_vmap

# Bytes that a piece may take: half of a core's second-level cache, which is 1 to 2 MiB today.
_PIECE = 2**19


def in_cache(function: Callable[..., Any], size: int) -> Callable[..., Any]:
    """`function` of arrays, which `vmap` on a CPU turns into a loop over pieces of the batch.

    XLA makes a batched product write all of its results before what follows reads them. Where they
    outgrow the cache, memory sets the pace and not the arithmetic: by a factor of two for the loss
    of 256 features. In pieces, what one operation writes is still near when the next reads it.
    Accelerators get the whole batch.

    Arguments:
        function: of arrays, returning arrays; without random numbers.
        size: bytes of its intermediate results, about.

    The derivative of the loop is not defined in reverse: give the caller's own (`jax.custom_jvp`).
    """

    def on_this_platform(*arrays: Array) -> Any:
        return jax.lax.platform_dependent(*arrays, cpu=_in_pieces(function, size), default=function)

    return on_this_platform


def _in_pieces(function: Callable[..., Any], size: int) -> Callable[..., Any]:
    """`function` with a rule for `vmap` that holds for `vmap` of `vmap` as well."""
    whole = custom_vmap(function)

    @whole.def_vmap
    def over_batch(count: int, batched: list[bool], *arrays: Array) -> tuple[Any, Any]:
        axes = tuple(0 if has else None for has in batched)
        together = jax.vmap(function, in_axes=axes)
        fitting = max(1, _PIECE // size)
        if count <= fitting:
            # What is left of the piece is for a batch of batches.
            out = _in_pieces(together, size * count)(*arrays)
        else:
            moving = [array for array, has in zip(arrays, batched, strict=True) if has]

            def one(parts: list[Array]) -> Any:
                part = iter(parts)
                pairs = zip(arrays, batched, strict=True)
                return whole(*(next(part) if has else array for array, has in pairs))

            out = jax.lax.map(one, moving, batch_size=fitting if fitting > 1 else None)
        return out, jax.tree.map(lambda _: True, out)

    return whole
