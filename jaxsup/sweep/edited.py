"""Methods that compute something else than when JAX compiled them: a cell was run again."""

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from jaxsup.experiment.tables import is_outside
from jaxsup.experiment.traces import digest_of
from jaxsup.sweep.compiled import structure_of
from jaxsup.sweep.distributed import release
from jaxsup.sweep.keys import seed_keys
from jaxsup.sweep.programs import Program
from jaxsup.sweep.store.identity import first_update

_MOST = 64
_SEEN: dict[Any, str] = {}
"""What programs of this process traced to, by all that JAX tells them apart by."""


def forget_edited(programs: Sequence[Program]) -> None:
    """Give up what is compiled, if any of it is of methods that compute something else by now.

    A method may call a function, or read a number, that is no part of its class. JAX tells programs
    apart by classes and their fields alone, and would train the function of before.
    """
    for program in programs:
        if not is_outside(program.first):
            continue
        name = structure_of(program.first), program.update
        try:
            before = _SEEN.pop(name, None)
        except TypeError:  # a static field that holds a list
            continue
        _SEEN[name] = _digest(program)
        if before is not None and before != _SEEN[name]:
            release()
        while len(_SEEN) > _MOST:
            del _SEEN[next(iter(_SEEN))]


def _digest(program: Program) -> str:
    """What a network of a program computes, whatever its numbers are."""
    leaves, structure = jax.tree.flatten(program.first)

    def replica(leaves: list[Any], key: jax.Array) -> Any:
        return first_update(jax.tree.unflatten(structure, leaves), program.update, key)

    return digest_of(jax.make_jaxpr(replica)(leaves, seed_keys(np.arange(1))[0]))
