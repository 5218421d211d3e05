"""What may take the place of what is in use: kernels, their tiles, and options of the compiler.

Each candidate is timed beside what is in use, and its numbers are held against that. Nothing here
trains a sweep: what is faster on a card belongs in the package, with the figure that says so.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from unittest import mock

import jax
from jax.core import Tracer

import jaxsup
from benchmarks.accelerator.chunked import Chunks, chunked_gradient
from benchmarks.accelerator.contest import Candidate, compared, refused
from benchmarks.accelerator.ensembles import (
    Ensemble,
    bottleneck_experiment,
    large_case,
    small_case,
)
from benchmarks.accelerator.journal import Finding
from benchmarks.accelerator.stages import Surroundings
from benchmarks.turns import stopwatch
from jaxsup.sweep import compiled
from jaxsup.training.updates import choose_update, halved, halves
from jaxsup.training.updates.halved import unfit_card
from jaxsup.training.updates.tiles import Tile

_CHUNKS = {
    "small": (
        Chunks(64, 16, 1, True),
        Chunks(64, 16, 1, False),
        Chunks(32, 16, 1, False),
        Chunks(16, 16, 1, False),
        Chunks(64, 32, 1, False),
        Chunks(64, 16, 2, False),
    ),
    "middling": (
        Chunks(32, 16, 2, False),
        Chunks(32, 16, 4, False),
        Chunks(32, 16, 8, False),
        Chunks(32, 32, 4, False),
        Chunks(32, 32, 8, False),
        Chunks(64, 16, 4, False),
    ),
}
_PRODUCTS = (
    Tile(128, 128, 64, 4, 3),
    Tile(128, 128, 32, 8, 4),
    Tile(64, 128, 64, 4, 3),
    Tile(64, 128, 32, 4, 4),
    Tile(64, 256, 32, 8, 3),
    Tile(128, 64, 64, 4, 3),
    Tile(64, 64, 64, 4, 4),
)
_SLOPES = (
    Tile(64, 128, 32, 4, 3),
    Tile(64, 128, 64, 4, 3),
    Tile(128, 128, 32, 8, 3),
    Tile(64, 256, 32, 8, 3),
    Tile(128, 64, 32, 4, 4),
    Tile(64, 64, 64, 4, 3),
)
_COLUMNS = (Tile(1, 256, 1, 1, 1), Tile(2, 256, 1, 1, 1), Tile(4, 256, 1, 4, 1))
# Below and above the size of W from which on halves are in use.
_SIZES = (
    (256, 64, 256, 512),
    (512, 64, 256, 256),
    (256, 128, 256, 256),
    (512, 128, 512, 128),
    (512, 256, 512, 64),
    (1024, 128, 1024, 64),
)
# Updates in a run of a number that the compiler knows.
_RUN = 16


def in_runs(first: Any, stop: Any, body: Callable[[Any, Any], Any], state: Any) -> Any:
    """`jax.lax.fori_loop`, in runs of turns that the compiler can count.

    Where it cannot, a card waits after each turn until the host has read whether another is due.
    """
    loop = _FORI_LOOP
    if not isinstance(first, Tracer):
        return loop(first, stop, body, state)
    runs = (stop - first) // _RUN

    def run(number: Any, state: Any) -> Any:
        return loop(0, _RUN, lambda turn, state: body(first + _RUN * number + turn, state), state)

    return loop(first + _RUN * runs, stop, body, loop(0, runs, run, state))


_FORI_LOOP = jax.lax.fori_loop
_OPTIONS: dict[str, dict[str, str | bool | int]] = {
    "as in use": {},
    "no kernels tried out": {"xla_gpu_autotune_level": 0},
    "kernels tried out, unchecked": {"xla_gpu_autotune_level": 1},
    "the loop as one graph": {
        "xla_gpu_enable_command_buffer": "FUSION,CUBLAS,CUBLASLT,CUSTOM_CALL,CUDNN,"
        "DYNAMIC_SLICE_FUSION,WHILE,CONDITIONAL"
    },
}
_LOOPS = {f"{_RUN} updates a run": in_runs}


def gradients(surroundings: Surroundings) -> Iterator[Finding]:
    """Gradients of small, middling and large networks, by what is in use and by candidates."""
    small = surroundings.small
    fixed = {"interpret": True} if small else {}
    case = small_case(small=small)
    middling = _experiment(128, 64, 32)
    cases = (
        ("small", bottleneck_experiment(case), 2 if small else case.networks),
        ("middling", middling, 335),
        ("middling", middling, 8192),
    )
    for kind, experiment, networks in cases[: 1 if small else None]:
        found = [
            Candidate(
                f"chunks {tuple(chunks)}", functools.partial(chunked_gradient, chunks, **fixed)
            )
            for chunks in _CHUNKS[kind][: 1 if small else None]
        ]
        yield from compared(surroundings, experiment, networks, found)
    case = large_case(small=small)
    device = surroundings.devices[0]
    if small or unfit_card(device):
        return
    experiment = bottleneck_experiment(case)
    tiles = [("_PRODUCT", halves, tile) for tile in _PRODUCTS]
    tiles += [("_SLOPES", halved, tile) for tile in _SLOPES]
    tiles += [("_COLUMNS", halved, tile) for tile in _COLUMNS]
    found = [
        _halved(experiment, f"halves, {name} {tuple(tile)}", [(module, name, tile)])
        for name, module, tile in tiles
    ]
    yield from compared(surroundings, experiment, case.networks, found)


def sizes(surroundings: Surroundings) -> Iterator[Finding]:
    """From which size on halves pay: gradients with and without them."""
    if reason := unfit_card(surroundings.devices[0]):
        yield Finding("halves", note=f"not measured: {reason}")
        return
    for count, latent, batch, networks in _SIZES:
        experiment = _experiment(count, latent, batch)
        found = [_halved(experiment, "halves")]
        yield from compared(surroundings, experiment, networks, found, plain=True)


def options(surroundings: Surroundings) -> Iterator[Finding]:
    """Compilation and updates of few, middling networks: options of the compiler, other loops."""
    small = surroundings.small
    networks = 4 if small else 335
    cases = (("random", 64), ("identity", 128))
    for embedding, latent in cases[: 1 if small else None]:
        student = jaxsup.Student(latent, embedding)
        # A batch that no other stage has: its programs are in no cache, and compilation is timed.
        experiment = dataclasses.replace(_experiment(128, 64, 33), student=student)
        ways = [(name, values, _FORI_LOOP) for name, values in _OPTIONS.items()]
        ways += [(name, {}, loop) for name, loop in _LOOPS.items()]
        for name, values, loop in ways[:: len(ways) - 1 if small else 1]:
            what = f"{networks} networks of 128 features, W {embedding}, K = {latent}: {name}"
            if surroundings.left < 0:
                yield Finding(what, note="not measured: out of time")
                continue
            jax.clear_caches()
            try:
                with (
                    mock.patch.object(compiled, "kernel_options", return_value=values),
                    mock.patch.object(jax.lax, "fori_loop", loop),
                ):
                    seconds, ensemble = _timed(
                        functools.partial(Ensemble, experiment, networks, surroundings.devices[:1])
                    )
            except Exception as error:  # of whatever kind a compiler raises
                yield refused(what, error)
                continue
            update = ensemble.step_seconds(0.05 if small else 0.3) * networks
            note = f"compiled in {seconds:.1f} s"
            yield Finding(what, value=1e6 * update, unit="us an update of all", note=note)


def _timed(function: Callable[[], Any]) -> tuple[float, Any]:
    results: list[Any] = []
    return stopwatch(lambda: results.append(function())), results[0]


def _experiment(count: int, latent: int, batch: int) -> jaxsup.Experiment:
    """Frozen students of one size, whose core and bias start large enough to be told apart."""
    return jaxsup.Experiment(
        jaxsup.PowerLawFeatures(count, 1.5),
        jaxsup.DiagonalTeacher(0.0),
        jaxsup.Student(latent, core_scale=0.1, bias_scale=0.05),
        jaxsup.SGD(0.5),
        batch_size=batch,
        steps=10**6,
        record=jaxsup.Record(points=2, evaluation_samples=64),
    )


def _halved(
    experiment: jaxsup.Experiment, name: str, patches: Sequence[tuple[Any, str, Any]] = ()
) -> Candidate:
    update = dataclasses.replace(choose_update(experiment), halved=True)
    key = jax.random.key(0)
    tables = lambda tables, frozen: update.training_tables(experiment, tables, frozen, key)  # noqa: E731
    return Candidate(name, update.gradient, tables, patches)
