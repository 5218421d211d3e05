"""The precision of matrix products, which accelerators lower unless they are told not to.

What a function traces inside of these contexts has it, derivatives and what users wrote included.
"""

import functools
import re
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import jax

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

PRECISIONS = {"float32": "highest", "fast": "default"}
"""By `Experiment.precision`, what JAX calls the precision of the products that train."""

PRODUCTS = {
    "highest": "of the dtype's own precision",
    "TF32_TF32_F32_X3": "three passes of TensorFloat-32",
    "default": "the device's own",
}
"""What JAX calls a precision of products, in words."""


def products_on(device: Any, precision: str) -> str:
    """The fastest products on a device that have a precision, as JAX names them.

    Tensor cores have no float32 of their own, but three passes of TensorFloat-32 give its products
    to 4e-7 of the largest gradient (`python -m benchmarks.accelerator --only products`; the cores'
    own float32: 2e-7), twice as fast on an H200. Elsewhere, and for float64, products are what
    their dtype says.

    Arguments:
        device: what will compute.
        precision: `Experiment.precision`.
    """
    if precision != "float32" or jax.config.jax_enable_x64:  # pyright: ignore[reportAttributeAccessIssue]
        return PRECISIONS[precision]
    return "TF32_TF32_F32_X3" if has_tensor_float(device) else PRECISIONS[precision]


def has_tensor_float(device: Any) -> bool:
    """Whether a device is a card of NVIDIA's with TensorFloat-32: compute capability 8 or more."""
    if device.platform != "gpu" or "cuda" not in str(device.client.platform_version).lower():
        return False
    return capability_of(device) >= 8


def capability_of(device: Any) -> float:
    """The compute capability of a card of NVIDIA's, as of "9.0" or "9.0a"; 0 where none is told."""
    number = re.match(r"\d+(\.\d+)?", str(getattr(device, "compute_capability", "")))
    return float(number[0]) if number else 0.0


def full_precision(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """`function`, whose products have the precision of their dtype on every device."""
    return at_precision("highest", function)


def at_precision(
    precision: str | None, function: Callable[Arguments, Result]
) -> Callable[Arguments, Result]:
    """`function`, whose products have a precision as `jax.default_matmul_precision` names it."""

    @functools.wraps(function)
    def precise(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        with jax.default_matmul_precision(precision):  # pyright: ignore[reportArgumentType]
            return function(*args, **kwargs)

    return precise
