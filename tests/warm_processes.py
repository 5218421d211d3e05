"""Processes of tests, forked from one that has imported what they need.

No device is in use when they are forked, so that each has its own.
"""

import multiprocessing
from multiprocessing.context import ForkServerContext

_MODULES = [
    "jaxsup.cli.main",
    "jaxsup.reproduce",
    "jaxsup.sweep.run",
    "jaxsup.sweep.store.read",
    "jaxsup.weights.diagnosis",
    "matplotlib.pyplot",
    "optax",
    "pandas",
    "safetensors.numpy",
    "scipy.stats",
    "tyro",
    "xarray",
    "zarr",
]


def warm_context() -> ForkServerContext:
    """Where such processes, pipes and barriers come from."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_MODULES)
    return context
