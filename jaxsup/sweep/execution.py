"""Train a sweep: chunks of replicas, each advanced from one recorded step to the next.

A chunk is points x seeds, trained by one compiled program. The points of a seed share its keys,
so its random numbers are drawn once for all of them. The host drives the recorded steps: between
two of them it collects what was observed and reports progress.
"""

import dataclasses
import functools
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, PartitionSpec
from jaxtyping import Array, PRNGKeyArray

from jaxsup.simulation import DIVERGED, Experiment, State, advance, observe, start
from jaxsup.sweep.axes import Sweep
from jaxsup.sweep.buckets import Program, plan_programs
from jaxsup.sweep.results import Results
from jaxsup.sweep.store import check_store, write_store
from jaxsup.validation import check_positive_integer

if TYPE_CHECKING:
    import xarray as xr

# Working memory that a chunk may take; a guess of its bytes is in `_replica_bytes`.
_CHUNK_BYTES = 2**30


@dataclasses.dataclass(frozen=True)
class Progress:
    """How far a sweep is: handed to the callback of `run` after every recorded step.

    Attributes:
        replicas_done: networks whose training has ended.
        replicas: networks in all.
        network_steps_done: updates made so far, summed over networks.
        network_steps: updates in all.
        diverged: networks that have left the finite numbers so far.
        seconds: wall-clock time since the start, compilation included.
    """

    replicas_done: int
    replicas: int
    network_steps_done: int
    network_steps: int
    diverged: int
    seconds: float


def run(
    sweep: Sweep,
    store: str | Path | None = None,
    *,
    widths: int = 2,
    chunk: int | None = None,
    devices: Sequence[Any] | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> "xr.Dataset":
    """Train every point of a sweep with every seed.

    Replica (point, seed) is ``simulate(sweep.experiment_at(...), jax.random.key(seed))`` to float
    rounding, whatever the chunk, the padding and the number of devices.

    Arguments:
        sweep: what to train.
        store: folder to write the dataset to, in Zarr format; must not exist yet.
        widths: number >= 1 of padded widths that a scan over the latent dimension may compile to.
            More widths waste less arithmetic on padding and more time on compilation.
        chunk: replicas trained at once; default: as many as fit in about 1 GiB.
        devices: devices that share the replicas; default: all local ones.
        progress: called after every recorded step of every chunk.

    Returns:
        A dataset with ``loss`` and the other observables over (axis names..., "seed", "step"),
        ``status`` (0 finished, 1 diverged) and ``last_step`` over (axis names..., "seed"),
        coordinates with units, and provenance in its attributes.

    Raises:
        ValueError: an argument is outside of its range.
        FileExistsError: `store` is there already.
        OSError: `store` cannot be written.
    """
    check_positive_integer("widths", widths, "give a number of padded widths")
    if chunk is not None:
        check_positive_integer("chunk", chunk, "give a number of replicas")
    if store is not None:
        check_store(store)
    mesh = Mesh(np.asarray(devices or jax.local_devices()), ("replica",))
    programs = plan_programs(sweep, widths)
    results = Results(sweep, programs)
    clock = _Clock(sweep, programs, progress)
    for program in programs:
        for points, seeds in _chunks(len(program.points), sweep.seeds, program, chunk, mesh.size):
            _train_chunk(program, points, seeds, mesh, results, clock)
    dataset = results.dataset(seconds=clock.seconds, devices=mesh.devices.ravel().tolist())
    if store is not None:
        write_store(dataset, store)
    return dataset


class _Clock:
    """Counts updates over chunks and tells the callback."""

    def __init__(
        self,
        sweep: Sweep,
        programs: list[Program],
        callback: Callable[[Progress], None] | None,
    ) -> None:
        self.began = time.perf_counter()
        self.callback = callback
        self.replicas = sweep.replicas
        self.steps = sum(len(p.points) * len(sweep.seeds) * p.fixed.steps for p in programs)
        self.replicas_done = self.steps_done = self.diverged = 0

    @property
    def seconds(self) -> float:
        """Wall-clock time since the start."""
        return time.perf_counter() - self.began

    def advanced(self, replicas: int, step: int, diverged: int) -> None:
        """`replicas` networks of the chunk at hand stand after `step` updates."""
        if self.callback is not None:
            done = self.steps_done + replicas * step
            total = self.diverged + diverged
            self.callback(
                Progress(self.replicas_done, self.replicas, done, self.steps, total, self.seconds)
            )

    def ended(self, replicas: int, steps: int, diverged: int) -> None:
        """A chunk of `replicas` networks has ended."""
        self.replicas_done += replicas
        self.steps_done += replicas * steps
        self.diverged += diverged
        self.advanced(0, 0, 0)


def _train_chunk(
    program: Program,
    points: np.ndarray,
    seeds: np.ndarray,
    mesh: Mesh,
    results: Results,
    clock: _Clock,
) -> None:
    """Train points x seeds of a program; rows that only fill up the devices are dropped."""
    by_points = len(points) >= mesh.size or len(points) >= len(seeds)
    rows = _fill_up(points, mesh.size) if by_points else points
    filled_seeds = seeds if by_points else _fill_up(seeds, mesh.size)
    varying = jax.tree.map(lambda leaf: jnp.asarray(leaf[rows]), program.varying)
    keys = jax.vmap(functools.partial(jax.random.key, impl="threefry2x32"))(
        jnp.asarray(filled_seeds, jnp.uint32)
    )
    begin, visit = _compiled(mesh, by_points)
    slots = jnp.arange(len(rows))
    state = begin(varying, program.fixed, keys, slots)
    count, rows_kept = len(points) * len(seeds), (slice(len(seeds)), slice(len(points)))
    diverged = first = 0
    for step in program.fixed.recorded_steps:
        stretch = jnp.int32(first), jnp.int32(step)
        state, records = visit(varying, program.fixed, keys, slots, state, *stretch)
        first = step
        kept = {name: np.asarray(value)[rows_kept] for name, value in records.items()}
        status = np.asarray(state.status)[rows_kept]
        diverged = int((status == DIVERGED).sum())
        results.add_records(program, points, seeds, int(step), kept)
        clock.advanced(count, int(step), diverged)
    results.add_ends(
        program, points, seeds, jax.tree.map(lambda a: np.asarray(a)[rows_kept], state)
    )
    clock.ended(count, program.fixed.steps, diverged)


@functools.cache
def _compiled(mesh: Mesh, by_points: bool) -> tuple[Callable, Callable]:
    """The two programs of a sweep: start a chunk, and take it to the next recorded step.

    State and records are [seeds, points, ...]. Each device holds its share of the points, or of
    the seeds, and never talks to the others.
    """
    here, everywhere = PartitionSpec("replica"), PartitionSpec()
    in_points, in_seeds = (here, everywhere) if by_points else (everywhere, here)
    out = PartitionSpec(None, "replica") if by_points else here

    def begin(varying: Experiment, fixed: Experiment, keys: Array, slots: Array) -> State:
        def one(varying: Experiment, key: PRNGKeyArray, slot: Array) -> State:
            del slot
            return start(eqx.combine(varying, fixed), key)

        return _over_seeds_and_points(one, varying, keys, slots)

    def visit(
        varying: Experiment,
        fixed: Experiment,
        keys: Array,
        slots: Array,
        state: State,
        first: Array,
        stop: Array,
    ) -> tuple[State, dict[str, Array]]:
        def one(
            varying: Experiment, key: PRNGKeyArray, slot: Array, state: State
        ) -> tuple[State, dict[str, Array]]:
            del slot
            experiment = eqx.combine(varying, fixed)
            state = advance(experiment, key, state, first, stop)
            return state, observe(experiment, key, state)

        return _over_seeds_and_points(one, varying, keys, slots, state)

    share = functools.partial(jax.shard_map, mesh=mesh, check_vma=False)
    begin = share(begin, in_specs=(in_points, everywhere, in_seeds, in_points), out_specs=out)
    visit = share(
        visit,
        in_specs=(in_points, everywhere, in_seeds, in_points, out, everywhere, everywhere),
        out_specs=(out, out),
    )
    return jax.jit(begin), jax.jit(visit, donate_argnums=4)


def _over_seeds_and_points(
    one: Callable, varying: Experiment, keys: Array, slots: Array, *states: State
) -> Any:
    """vmap over points inside, seeds outside: what depends on the key alone is computed once.

    `slots` [points] carries the size of the points' axis where no leaf of `varying` does.
    """
    carried = tuple(0 for _ in states)
    per_point = jax.vmap(one, in_axes=(0, None, 0, *carried))
    per_seed = jax.vmap(per_point, in_axes=(None, 0, None, *carried))
    return per_seed(varying, keys, slots, *states)


def _chunks(
    count: int, seeds: Sequence[int], program: Program, chunk: int | None, devices: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Cut points x seeds into equal chunks, so that all but the last have one compiled shape."""
    if chunk is None:
        chunk = max(devices, _CHUNK_BYTES // _replica_bytes(program.fixed))
    points_at_once = -(-count // -(-count // min(chunk, count)))
    seeds_at_once = max(1, min(len(seeds), chunk // points_at_once))
    seeds_at_once = -(-len(seeds) // -(-len(seeds) // seeds_at_once))
    for first in range(0, count, points_at_once):
        for first_seed in range(0, len(seeds), seeds_at_once):
            yield (
                np.arange(first, min(first + points_at_once, count)),
                np.asarray(seeds[first_seed : first_seed + seeds_at_once]),
            )


def _replica_bytes(experiment: Experiment) -> int:
    """A generous guess: parameters five times (values, gradients, moments), a batch ten times."""
    count, latent = experiment.features.count, experiment.student.latent
    rows = max(experiment.batch_size, 256)
    return 4 * (5 * (2 * latent * count + latent**2 + count) + 10 * rows * (count + latent))


def _fill_up(rows: np.ndarray, size: int) -> np.ndarray:
    """`rows` with the last one repeated up to a multiple of `size`."""
    return np.concatenate([rows, np.repeat(rows[-1:], -len(rows) % size)])
