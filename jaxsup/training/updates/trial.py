"""Trials of kernels on the device that is to run them.

Whether kernels do what they say depends on compilers that change. So a process holds a gradient
against NumPy's in float64 before it relies on them.
"""

import concurrent.futures
import logging
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jaxtyping import Float

from jaxsup._internal.precision import products_on
from jaxsup._internal.shortage import shortage_of
from jaxsup.experiment.students import StudentParameters

log = logging.getLogger(__name__)

_BOUND = 1e-5
"""Of the largest entry: interpreted, kernels leave 3e-7; a wrong tile is off by 1e-2 and more."""


def fault_of_kernels(
    networks: str, error_of_kernels: Callable[[], float], device: Any
) -> str | None:
    """Why a device's kernels are not to be used, for people; None: they gave the right numbers.

    Tried once a process for each kind of device; what it finds wrong is logged.

    Arguments:
        networks: what the kernels are for, "small" or "large".
        error_of_kernels: the largest error of a gradient, over the largest entry of its array.
        device: one that runs such kernels.

    Raises:
        MemoryError: the device had no memory for the trial.
    """
    key = networks, device.device_kind
    if key not in _FAULTS:
        # In a thread of its own nothing is being traced, and no setting of JAX's is another one.
        with concurrent.futures.ThreadPoolExecutor(1) as thread:
            fault = thread.submit(_try, error_of_kernels, device).result()
        if fault is not None:
            log.warning("kernels for %s networks are not used on %s: %s", networks, device, fault)
        _FAULTS[key] = fault
    return _FAULTS[key]


_FAULTS: dict[tuple[str, str], str | None] = {}


def _try(error_of_kernels: Callable[[], float], device: Any) -> str | None:
    try:
        products = products_on(device, "float32")
        with jax.default_device(device), jax.default_matmul_precision(products):  # pyright: ignore[reportArgumentType]
            error = error_of_kernels()
    except Exception as problem:  # of whatever kind a compiler raises
        shortage = shortage_of(problem)
        if shortage is not None:
            # That is no fault of the kernels: whoever trains makes room and tries again.
            raise MemoryError(f"{shortage}: {device} has no room to try kernels out") from None
        return f"{type(problem).__name__}: {' '.join(str(problem).split())[:200]}"
    return None if error <= _BOUND else f"a gradient was off by {error:.2g} of its largest entry"


def exact_gradient(
    parameters: StudentParameters,
    gains: Float[np.ndarray, " features"],
    x: Float[np.ndarray, "rows features"],
    batch: int,
) -> dict[str, Float[np.ndarray, "*shape"]]:
    """The gradient of half the summed squared error of relu(W^T B W x + c), in float64.

    Arguments:
        parameters: of one network, with a core and a bias.
        gains: of the teacher.
        x: samples; others up to `batch` hold nothing.
        batch: number of samples.
    """
    W, B, c = (
        np.asarray(getattr(parameters, name), np.float64) for name in ("embedding", "core", "bias")
    )
    scale = 1.0 / batch
    inner = x @ W.T
    z = inner @ B.T @ W + c
    slope = scale * (np.maximum(z, 0) - gains * x) * (z > 0)
    empty = scale * np.maximum(c, 0) * (batch - len(x))
    return {"core": (slope @ W.T).T @ inner, "bias": slope.sum(axis=0) + empty}


def largest_error(found: StudentParameters, exact: dict[str, Float[np.ndarray, "*shape"]]) -> float:
    """The largest error of a gradient, over the largest entry of its array; infinite if NaN."""
    errors = []
    for name, theirs in exact.items():
        ours = np.asarray(getattr(found, name), np.float64)
        error = np.abs(ours - theirs).max() / np.abs(theirs).max()
        errors.append(float(np.nan_to_num(error, nan=np.inf)))
    return max(errors)
