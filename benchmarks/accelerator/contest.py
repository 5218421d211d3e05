"""Ways to compute a gradient, compiled at the same time and timed one after the other."""

import contextlib
import functools
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple
from unittest import mock

import equinox as eqx
import jax
import numpy as np

import jaxsup
from benchmarks.accelerator.ensembles import per_unit
from benchmarks.accelerator.journal import Finding, at_most
from benchmarks.accelerator.stages import Surroundings
from benchmarks.report import cores
from benchmarks.turns import stopwatch
from jaxsup._internal.precision import at_precision, products_on
from jaxsup.training.state import start
from jaxsup.training.updates import choose_update

ERROR_BOUND = 1e-3
"""Of the largest change that some steps make: a wrong tile is off by 1e-2 and more, and a ReLU that
opens in one way and not in the other moves the fourth digit."""
# Gradient steps between two returns to the host.
_STEPS = 20


class Candidate(NamedTuple):
    """A way to compute gradients.

    Attributes:
        name: what it is.
        gradient: as `AbstractUpdate.gradient`.
        tables: as `AbstractUpdate.training_tables`, of the experiment's tables and a frozen W.
        patches: what is another constant while it is traced.
    """

    name: str
    gradient: Callable[..., Any]
    tables: Callable[[Any, Any], Any] = lambda tables, frozen: tables
    patches: Sequence[tuple[Any, str, Any]] = ()


def _in_use(experiment: jaxsup.Experiment, device: Any, *, plain: bool) -> Candidate:
    update = choose_update(experiment)
    update, key = update if plain else update.on(experiment, device), jax.random.key(0)
    tables = lambda tables, frozen: update.training_tables(experiment, tables, frozen, key)  # noqa: E731
    return Candidate("as elsewhere" if plain else "as in use", update.gradient, tables)


def compared(
    surroundings: Surroundings,
    experiment: jaxsup.Experiment,
    networks: int,
    candidates: Sequence[Candidate],
    *,
    plain: bool = False,
) -> Iterator[Finding]:
    """What is in use and candidates: gradient steps of all networks, one after the other.

    Compiled at the same time, and timed when all of them are.
    """
    device, seconds = surroundings.devices[0], 0.02 if surroundings.small else 0.1
    student, batch = experiment.student, experiment.batch_size
    assert isinstance(student, jaxsup.Student)
    case = f"{experiment.features.count}/{student.latent}/{batch}, {networks:,} networks"
    given = _given(experiment, networks)
    every = [_in_use(experiment, device, plain=plain), *candidates]
    with ThreadPoolExecutor(cores()) as threads:
        programs = [_submitted(threads, experiment, device, each, given) for each in every]
        built = [(each, _result(program)) for each, program in zip(every, programs, strict=True)]
    expected: Any = None
    for candidate, program in built:
        name = f"{case}: {candidate.name}"
        if isinstance(program, Exception):
            yield refused(name, program)
        elif surroundings.left < 0:
            yield Finding(name, note="not measured: out of time")
        else:
            try:
                trained = jax.block_until_ready(program(*given))
                cost = per_unit(functools.partial(_repeated, program, given), seconds) / _STEPS
            except Exception as error:  # of whatever kind a device raises
                yield refused(name, error)
                continue
            note = f"{1e9 * cost / networks:.4g} ns a network-step, gradient and a plain step"
            yield Finding(name, value=1e6 * cost, unit="us an update of all", note=note)
            if expected is None:
                expected = trained
            else:
                error = _error(trained, expected, given[1])
                yield at_most(f"{name}: steps", error, ERROR_BOUND, "of the largest change")


def _given(experiment: jaxsup.Experiment, networks: int) -> tuple[Any, ...]:
    """Keys, learned arrays, one frozen W for all, and tables."""
    update, keys = choose_update(experiment), jax.random.split(jax.random.key(0), networks)
    begin = jax.jit(jax.vmap(functools.partial(start, experiment)))
    parameters = begin(keys).parameters
    learned, frozen = eqx.partition(parameters, experiment.student.trainable(parameters))
    tables = jax.jit(lambda e: update.prepare(e, e.batch_size))(experiment)
    return keys, learned, jax.tree.map(lambda leaf: leaf[0], frozen), tables


def _submitted(
    threads: ThreadPoolExecutor,
    experiment: jaxsup.Experiment,
    device: Any,
    candidate: Candidate,
    given: tuple[Any, ...],
) -> "Future[Any] | Exception":
    """A candidate's program, being compiled; or why it could not be traced."""

    def train(keys: Any, learned: Any, frozen: Any, tables: Any) -> Any:
        tables = candidate.tables(tables, frozen)

        def descend(key: Any, own: Any) -> Any:
            slopes = candidate.gradient(experiment, tables, own, frozen, key)
            return jax.tree.map(lambda leaf, slope: leaf - 0.05 * slope, own, slopes)

        def body(step: Any, learned: Any) -> Any:
            every = jax.vmap(lambda key: jax.random.fold_in(key, step))(keys)
            return jax.vmap(descend)(every, learned)

        return jax.lax.fori_loop(0, _STEPS, body, learned)

    products = products_on(device, experiment.precision)
    try:
        with contextlib.ExitStack() as stack:
            for module, name, value in candidate.patches:
                stack.enter_context(mock.patch.object(module, name, value))
            lowered = jax.jit(at_precision(products, train)).lower(*given)
    except Exception as error:  # of whatever kind a compiler raises
        return error
    return threads.submit(lowered.compile)


def _result(program: "Future[Any] | Exception") -> Any:
    if isinstance(program, Exception):
        return program
    return program.exception() or program.result()


def _repeated(program: Callable[..., Any], given: tuple[Any, ...], count: int) -> float:
    return stopwatch(lambda: jax.block_until_ready([program(*given) for _ in range(count)]))


def _error(trained: Any, expected: Any, first: Any) -> float:
    """The largest difference between two trees' arrays, over the largest change of the second."""
    leaves = [[np.asarray(leaf) for leaf in jax.tree.leaves(t)] for t in (trained, expected, first)]
    return max(
        float(np.abs(own - other).max() / np.abs(other - start).max())
        for own, other, start in zip(*leaves, strict=True)
    )


def refused(name: str, error: BaseException) -> Finding:
    """What a compiler or a device would not do, and its own words for it."""
    reason = " ".join(str(error).split())[:160]
    return Finding(name, note=f"refused: {type(error).__name__}: {reason}")
