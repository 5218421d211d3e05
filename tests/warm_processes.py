"""Processes for tests that kill them, or start several at once: forked from one that has imported.

No device is in use when they are forked, so that each has its own.
"""

import multiprocessing
from multiprocessing.context import ForkServerContext

_MODULES = ["jaxsup.sweep.run", "jaxsup.sweep.store.read", "optax", "safetensors.numpy", "zarr"]


def warm_context() -> ForkServerContext:
    """Where such processes, pipes and barriers come from."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([*_MODULES, "xarray"])
    return context
