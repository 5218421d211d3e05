"""Batches that are worked off one by one, each within a processor's cache."""

from collections.abc import Callable
from typing import Any

import jax
from jax import Array
from jax.custom_batching import custom_vmap

# Bytes of intermediate results from which on a loop is faster: a quarter of a core's second-level
# cache, which is 1 to 2 MiB today.
_LARGE = 2**18


def in_cache(function: Callable[..., Any], size: int) -> Callable[..., Any]:
    """`function` of arrays, which `vmap` on a CPU turns into a loop where `size` is large.

    XLA makes a batched product write all of its results before what follows reads them. Where one
    member of the batch fills much of the cache, memory then sets the pace and not the arithmetic:
    a loop is faster by a fifth to a third for the loss of 256 features. Small members go together:
    reading them out of the batch would cost more than they do. Accelerators get the whole batch.

    Arguments:
        function: of arrays, returning arrays; without random numbers.
        size: bytes of its intermediate results, about.

    The derivative of the loop is not defined in reverse: give the caller's own (`jax.custom_jvp`).
    """
    if not is_large(size):
        return function

    def on_this_platform(*arrays: Array) -> Any:
        return jax.lax.platform_dependent(*arrays, cpu=_one_by_one(function), default=function)

    return on_this_platform


def is_large(size: int) -> bool:
    """Whether members of a batch that take so many bytes are worked off one by one on a CPU."""
    return size > _LARGE


def _one_by_one(function: Callable[..., Any]) -> Callable[..., Any]:
    looped = custom_vmap(function)

    @looped.def_vmap
    def over_batch(count: int, batched: list[bool], *arrays: Array) -> tuple[Any, Any]:
        del count
        moving = [array for array, has in zip(arrays, batched, strict=True) if has]

        def one(parts: list[Array]) -> Any:
            part = iter(parts)
            pairs = zip(arrays, batched, strict=True)
            return looped(*(next(part) if has else array for array, has in pairs))

        out = jax.lax.map(one, moving)
        return out, jax.tree.map(lambda _: True, out)

    return looped
