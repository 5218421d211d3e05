"""What a traced function computes, as one text: the same wherever, and whenever, it is traced."""

import hashlib
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
from jax.extend.core import Literal

from jaxsup._internal.text import without_addresses
from jaxsup._internal.traced import constants_of, inner_programs


def digest_of(traced: Any) -> str:
    """SHA-256 of a traced function: its equations, and the arrays that it holds.

    Another version of JAX may trace the same function differently.
    """
    digest = hashlib.sha256(without_addresses(str(traced)).encode())
    for constant in constants_of(traced):
        digest.update(_numbers_of(constant).tobytes())
    for constant in _inner_constants(traced):
        numbers = _numbers_of(constant)
        digest.update(f"{numbers.dtype}{numbers.shape}".encode() + numbers.tobytes())
    return digest.hexdigest()


def _numbers_of(constant: Any) -> np.ndarray:
    """The numbers of a constant, which may be a key of random numbers."""
    if jax.numpy.issubdtype(constant.dtype, jax.dtypes.prng_key):
        constant = jax.random.key_data(constant)
    return np.asarray(constant)


def _inner_constants(program: Any) -> Iterator[Any]:
    """Arrays in functions that a program calls, as `jax.jit` leaves them: they are not printed."""
    for equation in program.eqns:
        for operand in equation.invars:
            if isinstance(operand, Literal) and np.ndim(operand.val):
                yield operand.val
        for inner in inner_programs(equation.params):
            yield from constants_of(inner)
            yield from _inner_constants(inner)
