"""Programs inside of what JAX traced, in any version of it.

A program that holds its constants was a type of its own around one that does not; in jax 0.12 the
two are one type. Whatever the type, a program has equations, and is known by them.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import jax


@runtime_checkable
class TracedProgram(Protocol):
    """What is asked of a traced program."""

    @property
    def eqns(self) -> Sequence[Any]: ...


@runtime_checkable
class ClosedProgram(TracedProgram, Protocol):
    """What is asked of one that holds its constants: the shapes of its arguments as well."""

    @property
    def in_avals(self) -> Sequence[Any]: ...


def inner_programs(parameters: Mapping[str, Any]) -> Iterator[TracedProgram]:
    """The programs that an equation runs: bodies, branches in lists and tuples, functions."""
    for leaf in jax.tree.leaves(parameters, is_leaf=_is_program):
        if _is_program(leaf):
            yield leaf


def constants_of(program: TracedProgram) -> Sequence[Any]:
    """The arrays that a program holds; none where it is one that takes them as arguments."""
    return getattr(program, "consts", ())


def _is_program(leaf: Any) -> bool:
    return isinstance(leaf, TracedProgram)
