"""Bytes of a program's buffers: as the compiler settles them, or an upper bound before it is asked."""

from collections.abc import Iterator, Mapping
from typing import Any

import jax
from jax.extend.core import ClosedJaxpr, Jaxpr
from jax.stages import Traced

from jaxsup.sweep.compiled import structure_of, trace_training
from jaxsup.sweep.programs import Program

# The machine code of a program that is compiled to be asked does not matter: its buffers are
# settled before that is made, whatever these options say (`test_memory` compares).
_ASKING = {"cpu": {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}}
# Where a compiler does not tell: a program holds at once about this share of what it writes down
# (on a CPU 1/6 to 1/16 for the kinds of updates there are).
_HELD_AT_ONCE = 1 / 8


# By structure, shape and platform: programs of one structure are asked for once.
_COUNTED: dict[Any, int] = {}


def counted_bytes(program: Program, shape: tuple[int, int], device: jax.Device) -> int:
    """Bytes that training replicas takes on one device, by the compiler's count.

    Arguments:
        program: what is trained.
        shape: lanes and slots, as `jaxsup.sweep.placement` has them.
        device: one that they would be trained on.
    """
    first = jax.tree.map(lambda leaf: leaf[0], program.varying)
    name = structure_of((first, program.fixed)), shape, device.platform
    if name not in _COUNTED:
        _COUNTED[name] = _ask(trace_training(program, shape, device), device.platform)
    return _COUNTED[name]


def written_bytes(program: Program, shape: tuple[int, int], device: jax.Device) -> int:
    """Bytes of all arrays that the same program names, so more than it holds at once.

    The body of a loop counts once, as each turn takes the place of the one before.
    """
    return _named(trace_training(program, shape, device).jaxpr)


def _ask(traced: Traced, platform: str) -> int:
    options = _ASKING.get(platform)
    counts = traced.lower().compile(compiler_options=options).memory_analysis()
    if counts is None:
        return int(_HELD_AT_ONCE * _named(traced.jaxpr))
    results = counts.output_size_in_bytes - counts.alias_size_in_bytes
    return counts.argument_size_in_bytes + results + counts.temp_size_in_bytes


def _named(program: ClosedJaxpr) -> int:
    arguments = sum(_size(variable.aval) for variable in program.jaxpr.invars)
    return arguments + _written(program.jaxpr)


def _written(jaxpr: Jaxpr) -> int:
    return sum(
        sum(_size(variable.aval) for variable in equation.outvars)
        + sum(_written(inner) for inner in _inner(equation.params))
        for equation in jaxpr.eqns
    )


def _inner(params: Mapping[str, Any]) -> Iterator[Jaxpr]:
    """The programs that an operation runs: bodies, branches, functions."""
    for value in jax.tree.leaves(params, is_leaf=lambda x: isinstance(x, Jaxpr | ClosedJaxpr)):
        if isinstance(value, Jaxpr | ClosedJaxpr):
            yield value.jaxpr if isinstance(value, ClosedJaxpr) else value


def _size(shape: Any) -> int:
    """Bytes of an array of this shape and type; 0 for what is none."""
    return shape.size * shape.dtype.itemsize if hasattr(shape, "size") else 0
