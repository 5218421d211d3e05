"""Programs inside of what JAX traced, in any version of it.

A program that holds its constants was a type of its own around one that does not; in jax 0.12 the
two are one type. Whatever the type, a program has equations (`eqns`), and is known by them.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jax


def inner_programs(parameters: Mapping[str, Any]) -> Iterator[Any]:
    """The programs that an equation runs: bodies, branches in lists and tuples, functions."""
    for leaf in jax.tree.leaves(parameters, is_leaf=_is_program):
        if _is_program(leaf):
            yield leaf


def constants_of(program: Any) -> Sequence[Any]:
    """The arrays that a program holds; none where it is one that takes them as arguments."""
    return getattr(program, "consts", ())


def _is_program(leaf: Any) -> bool:
    return hasattr(leaf, "eqns")
