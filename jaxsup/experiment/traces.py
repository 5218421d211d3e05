"""What a traced function computes, as one text: the same wherever, and whenever, it is traced."""

import hashlib
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal

from jaxsup._internal.text import without_addresses


def digest_of(traced: ClosedJaxpr) -> str:
    """SHA-256 of a traced function: its equations, and the arrays that it holds.

    Another version of JAX may trace the same function differently.
    """
    digest = hashlib.sha256(without_addresses(str(traced)).encode())
    for constant in traced.consts:
        digest.update(_numbers_of(constant).tobytes())
    for constant in _inner_constants(traced.jaxpr):
        numbers = _numbers_of(constant)
        digest.update(f"{numbers.dtype}{numbers.shape}".encode() + numbers.tobytes())
    return digest.hexdigest()


def _numbers_of(constant: Any) -> np.ndarray:
    """The numbers of a constant, which may be a key of random numbers."""
    if jax.numpy.issubdtype(constant.dtype, jax.dtypes.prng_key):
        constant = jax.random.key_data(constant)
    return np.asarray(constant)


def _inner_constants(jaxpr: Jaxpr) -> Iterator[Any]:
    """Arrays in functions that a program calls, as `jax.jit` leaves them: they are not printed."""
    for equation in jaxpr.eqns:
        for operand in equation.invars:
            if isinstance(operand, Literal) and np.ndim(operand.val):
                yield operand.val
        # Parameters hold functions alone, in lists (branches), and in tuples.
        leaves = jax.tree.leaves(
            equation.params, is_leaf=lambda leaf: isinstance(leaf, ClosedJaxpr | Jaxpr)
        )
        for leaf in leaves:
            if isinstance(leaf, ClosedJaxpr):
                yield from leaf.consts
                yield from _inner_constants(leaf.jaxpr)
            elif isinstance(leaf, Jaxpr):
                yield from _inner_constants(leaf)
