"""Memory that holds only so many replicas of a part.

The errors are those that the runtime raises for an array that no machine holds, put where an
accelerator raises them: when a program is compiled, when it is run, and when its results are
fetched.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsup.sweep import compiled
from jaxsup.sweep.placement import Placement


def exhaust() -> None:
    """Ask for a million GiB."""
    jax.block_until_ready(jnp.zeros(2**50, jnp.int8))


class Unfetchable:
    """What an accelerator gives back before it finds that memory is short."""

    def __array__(self, *_: Any, **__: Any) -> np.ndarray:
        exhaust()
        raise AssertionError


def when_compiled(programs: compiled.Programs) -> compiled.Programs:
    del programs
    raise AssertionError(exhaust())


def when_it_begins(programs: compiled.Programs) -> compiled.Programs:
    return dataclasses.replace(programs, begin=lambda *_: exhaust())


def when_run(programs: compiled.Programs) -> compiled.Programs:
    return dataclasses.replace(programs, advance=lambda *_: exhaust())


def when_fetched(programs: compiled.Programs) -> compiled.Programs:
    def advance(*arguments: Any) -> Any:
        state, _, records = programs.advance(*arguments)
        return state, Unfetchable(), records

    return dataclasses.replace(programs, advance=advance)


def on_the_host(programs: compiled.Programs) -> compiled.Programs:
    return dataclasses.replace(programs, begin=lambda *_: np.zeros(2**55))


Short = Callable[[compiled.Programs], compiled.Programs]
PLACES: list[Short] = [when_compiled, when_it_begins, when_run, when_fetched, on_the_host]


def hold_at_most(patch: pytest.MonkeyPatch, replicas: int, short: Short = when_compiled) -> None:
    """Memory for so many replicas a device, and no more."""
    compile_all = compiled._compile

    def compile_some(placement: Placement, *arguments: Any) -> compiled.Programs:
        programs = compile_all(placement, *arguments)
        return programs if np.prod(placement.local_shape) <= replicas else short(programs)

    patch.setattr(compiled, "_compile", compile_some)
