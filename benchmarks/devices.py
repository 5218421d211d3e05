"""Libraries told to use the same cores, before their first use."""

import contextlib
import os
from collections.abc import Callable
from typing import Any

from benchmarks.report import cores
from benchmarks.turns import Missing, stopwatch

# By `jaxsup.Experiment.precision`, what PyTorch calls the same: "high" lets it take TensorFloat-32.
_TORCH_PRECISIONS = {"float32": "highest", "fast": "high"}
ARITHMETIC = {
    "float32": "products in full float32 on both sides (JAX 'highest', PyTorch 'highest')",
    "fast": "products as the device likes on both sides (JAX 'default', PyTorch 'high')",
}
"""By `jaxsup.Experiment.precision`, in which arithmetic contenders multiply."""


def use_jax(*, x64: bool = False, devices: int | None = None) -> Any:
    """jax with a device a core and LAPACK without threads below, as the `jaxsup` command has it."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # read when the library is loaded
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # contenders share a GPU
    import jax

    with contextlib.suppress(RuntimeError):  # in use already, with the devices it has: in tests
        jax.config.update("jax_num_cpu_devices", devices or cores())
    if x64:
        jax.config.update("jax_enable_x64", True)
    return jax


def use_torch(device: str = "cpu", precision: str = "float32") -> Any:
    """torch with as many threads as there are cores; tensors are made on `device`.

    Arguments:
        device: as torch names it.
        precision: of products, as `jaxsup.Experiment` has it.

    Raises:
        Missing: it is not installed, or has no such device.
    """
    try:
        import torch
    except ImportError:
        raise Missing("PyTorch is not installed: pip install torch") from None
    if device != "cpu" and not torch.cuda.is_available():
        raise Missing("this PyTorch has no GPU: install the build for it")
    torch.set_num_threads(cores())
    torch.set_float32_matmul_precision(_TORCH_PRECISIONS[precision])
    torch.set_default_device(device)
    return torch


def torch_stopwatch(torch: Any, work: Callable[[], Any]) -> float:
    """Seconds that `work` takes on torch's device."""

    def finish() -> None:
        work()
        if torch.get_default_device().type != "cpu":
            torch.cuda.synchronize()

    return stopwatch(finish)


def choose_threads(torch: Any, work: Callable[[], Any]) -> int:
    """Let torch use all cores, or one where `work` is faster so; returns how many."""
    costs = {}
    for threads in (cores(), 1):
        torch.set_num_threads(threads)
        work()
        costs[threads] = min(torch_stopwatch(torch, work) for _ in range(3))
    best = min(costs, key=costs.__getitem__)
    torch.set_num_threads(best)
    return best
