"""The precision of matrix products, which accelerators lower unless they are told not to.

What a function traces inside of these contexts has it, derivatives and what users wrote included.
"""

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import jax

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

PRECISIONS = {"float32": "highest", "fast": "default"}
"""By `Experiment.precision`, what JAX calls the precision of the products that train."""


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
