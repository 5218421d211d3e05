"""Decompositions of a batch that never wait for each other."""

from collections.abc import Callable
from typing import Any

import jax
from jax import Array
from jax.custom_batching import sequential_vmap


def one_at_a_time(function: Callable[[Array], Any]) -> Callable[[Array], Any]:
    """`function` of a matrix, which `vmap` on a CPU turns into a loop over matrices.

    On a CPU, XLA spreads a batched LAPACK call over the threads of one pool and blocks until they
    are done. Two such calls at a time, from two devices or from two places of a program, wait for
    each other's threads for ever (seen with jaxlib 0.10.2 at 64 x 64, batches of 32). Single
    matrices are decomposed by the thread that asks. Accelerators get the batch.
    """
    looped = sequential_vmap(function)

    def on_this_platform(matrix: Array) -> Any:
        return jax.lax.platform_dependent(matrix, cpu=looped, default=function)

    return on_this_platform
