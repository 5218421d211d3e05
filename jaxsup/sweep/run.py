"""`run`: plan the memory, cut the sweep into parts, train what is missing, keep the results."""

import dataclasses
import functools
import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import jax
import numpy as np
from jax.sharding import Mesh

from jaxsup._internal.validation import check_number, check_positive_integer
from jaxsup.sweep.grid import Sweep
from jaxsup.sweep.memory import choose_chunk, footprint, format_bytes
from jaxsup.sweep.processes import Share
from jaxsup.sweep.programs import Program, plan_programs
from jaxsup.sweep.store.schema import Layout, machine
from jaxsup.sweep.store.store import Plan, Store, check_store
from jaxsup.sweep.trainer import Glance, Stopped, Trainer, Watch, never
from jaxsup.sweep.work import Part, choose_tile, cut_parts
from jaxsup.training.state import DIVERGED

if TYPE_CHECKING:
    import xarray as xr

log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Progress:
    """How far a sweep is: handed to the callback of `run` after every segment.

    In a sweep that several processes share, all counts are of this process's share.

    Attributes:
        replicas_done: networks whose training has ended, stored ones included.
        replicas: networks in all.
        network_steps_done: updates made so far, summed over networks.
        network_steps: updates in all.
        diverged: networks that have left the finite numbers, stored ones not counted.
        seconds: wall-clock time since the start, compilation included.
        compile_seconds: of these, spent on compilation.
        network_steps_stored: updates that were in the store at the start.
        median_loss: median of the losses recorded last in the part at hand; NaN if there is none.
    """

    replicas_done: int
    replicas: int
    network_steps_done: int
    network_steps: int
    diverged: int
    seconds: float
    compile_seconds: float = 0.0
    network_steps_stored: int = 0
    median_loss: float = float("nan")

    @property
    def rate(self) -> float:
        """Network-steps per second of training."""
        made = self.network_steps_done - self.network_steps_stored
        return made / max(self.seconds - self.compile_seconds, 1e-9)


def run(
    sweep: Sweep,
    store: str | Path | None = None,
    *,
    resume: bool = False,
    widths: int = 2,
    chunk: int | None = None,
    memory: int | str | None = None,
    devices: Sequence[Any] | None = None,
    share: Share | None = None,
    checkpoint: float = 60.0,
    progress: Callable[[Progress], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> "xr.Dataset":
    """Train every point of a sweep with every seed.

    Replica (point, seed) is ``simulate(sweep.experiment_at(...), jax.random.key(seed))`` to float
    rounding, whatever the chunk, the padding and the number of devices.

    Arguments:
        sweep: what to train.
        store: folder for the dataset, in Zarr format, filled in chunk by chunk; must not exist yet
            unless `resume` is set.
        resume: go on with what `store` holds, if it is there: stored networks are not trained
            again, damaged ones are.
        widths: number >= 1 of padded widths that a scan over the latent dimension may compile to.
            More widths waste less arithmetic on padding and more time on compilation.
        chunk: replicas trained at once; default: as many as `memory` holds.
        memory: bytes, or text like ``"4GiB"``: on an accelerator what the chunks may take, on a CPU
            what the process may take. Default: what the devices have; on a CPU, what stays near
            the caches.
        devices: devices that share the replicas; default: all local ones.
        share: which share of the chunks this process trains; default: all of them.
        checkpoint: seconds >= 0 between two checkpoints of the chunk at hand, at least; they are
            made rarer where they would take more than a twentieth of the time.
        progress: called after every segment of every chunk.
        stop: asked after every segment, about once a second, whether to end early.

    Returns:
        A dataset with ``loss`` and the other observables over (axis names..., "seed", "step"),
        ``status`` (0 finished, 1 diverged, -1 not trained yet), ``last_step`` and ``complete`` over
        (axis names..., "seed"), coordinates with units, and provenance in its attributes. With
        `store`, it is opened there and read when it is used.

    Raises:
        ValueError: an argument is outside of its range, or the store holds another sweep.
        FileExistsError: `store` is there already and `resume` is not set.
        OSError: `store` cannot be written.
        Stopped: `stop` said so; what is whole is in the store.
    """
    check_positive_integer("widths", widths, "give a number of padded widths")
    if chunk is not None:
        check_positive_integer("chunk", chunk, "give a number of replicas")
    check_number("checkpoint", checkpoint, "give seconds", low=0)
    share = share or Share()
    if store is not None:
        check_store(store, join=resume or share.count > 1)
    began = time.perf_counter()
    mesh = Mesh(np.asarray(devices or jax.local_devices()), ("replica",))
    devices = mesh.devices.ravel().tolist()
    plan = Store.read_plan(store) if store is not None else None
    planned = plan is None
    if plan is None:
        programs = plan_programs(sweep, widths)
        capacities = _capacities(programs, sweep, devices, chunk, memory)
        plan = Plan(choose_tile(sweep, capacities), widths, tuple(capacities))
    programs = plan_programs(sweep, plan.widths)
    layout = Layout(sweep, programs)
    results: _Results
    if store is None:
        results = _Memory(layout, devices, began)
    else:
        results = Store.open(Path(store), layout, plan, devices, share)
        plan = results.plan  # of the process that was first
    capacities = plan.capacities
    if not planned and (chunk is not None or memory is not None):
        capacities = _capacities(programs, sweep, devices, chunk, memory)
    parts = cut_parts(sweep, programs, plan.tile, capacities)
    stored = results.stored()
    share.part_ways()  # every process has seen the same store before any of them writes
    todo = [piece for part in share.of(parts, stored) for piece in part.without(stored)]
    trainer = Trainer(mesh)
    clock = _Clock(parts, todo, programs, share, trainer, progress)
    for number, part in enumerate(todo):
        if number and stop is not None and stop():
            raise Stopped
        watch = Watch(stop=stop or never, save=results.saver(part), save_every=checkpoint)
        _train_part(part, programs[part.program], layout, trainer, results, clock, watch)
    return results.dataset()


def _capacities(
    programs: Sequence[Program],
    sweep: Sweep,
    devices: Sequence[Any],
    chunk: int | None,
    memory: int | str | None,
) -> list[int]:
    """Replicas that each program trains at once."""
    capacities = []
    for number, program in enumerate(programs, 1):
        need = footprint(program)
        points = len(program.points)
        total = points * len(sweep.seeds)
        fitting = choose_chunk(need, points, devices, memory) if chunk is None else chunk
        capacities.append(min(fitting, total))
        size = need.chunk(capacities[-1], -(-capacities[-1] // points), devices)
        log.info(
            "program %d of %d: latent %d, %s; %d of %d networks at once, about %s",
            number,
            len(programs),
            program.width,
            need,
            capacities[-1],
            total,
            format_bytes(size),
        )
    return capacities


def _train_part(
    part: Part,
    program: Program,
    layout: Layout,
    trainer: Trainer,
    results: "_Results",
    clock: "_Clock",
    watch: Watch,
) -> None:
    """Train a part from its checkpoint or from the start, and hand it over."""
    order = np.argsort(program.points, kind="stable")
    rows = order[np.searchsorted(program.points[order], part.points)]
    seeds = np.asarray(layout.sweep.seeds)[part.seeds]
    watch.glance = functools.partial(clock.advanced, part)
    began = time.perf_counter()
    before = results.checkpoint(part)
    block = trainer.train(program, rows, seeds, part.shape, layout, watch, before)
    results.commit(part, block, time.perf_counter() - began)
    clock.ended(part, block)


class _Results(Protocol):
    """Where trained parts go."""

    def stored(self) -> set[str]:
        """Names of the tiles that are there already."""
        ...

    def commit(self, part: Part, block: dict[str, np.ndarray], seconds: float) -> None:
        """Keep arrays [points, seeds, ...]."""
        ...

    def checkpoint(self, part: Part) -> dict[str, np.ndarray] | None:
        """Where an earlier run left the part."""
        ...

    def saver(self, part: Part) -> Callable[[dict[str, np.ndarray]], None] | None:
        """What keeps a checkpoint of the part."""
        ...

    def dataset(self) -> "xr.Dataset":
        """All that is there, labelled."""
        ...


class _Memory:
    """Results that stay in memory."""

    def __init__(self, layout: Layout, devices: list[Any], began: float) -> None:
        self.layout, self.devices, self.began = layout, devices, began
        points, seeds = layout.sweep.points, len(layout.sweep.seeds)
        self.arrays = layout.empty(points, seeds)

    def stored(self) -> set[str]:
        return set()

    def commit(self, part: Part, block: dict[str, np.ndarray], seconds: float) -> None:
        del seconds
        for name, values in block.items():
            self.arrays[name][np.ix_(part.points, part.seeds)] = values

    def checkpoint(self, part: Part) -> None:
        del part

    def saver(self, part: Part) -> None:
        del part

    def dataset(self) -> "xr.Dataset":
        seconds = round(time.perf_counter() - self.began, 3)
        dataset = self.layout.dataset(self.arrays)
        return dataset.assign_attrs(**machine(self.devices), seconds=seconds)


class _Clock:
    """Counts updates over parts and tells the callback."""

    def __init__(
        self,
        parts: Sequence[Part],
        todo: Sequence[Part],
        programs: Sequence[Program],
        share: Share,
        trainer: Trainer,
        callback: Callable[[Progress], None] | None,
    ) -> None:
        self.began = time.perf_counter()
        self.callback = callback
        self.trainer = trainer
        self.updates = [program.fixed.steps for program in programs]
        mine = parts if share.count == 1 else todo
        self.replicas = sum(part.replicas for part in mine)
        self.steps = sum(part.replicas * self.updates[part.program] for part in mine)
        left = sum(part.replicas for part in todo)
        self.replicas_done = self.replicas - left
        self.steps_done = self.steps - sum(p.replicas * self.updates[p.program] for p in todo)
        self.steps_stored = self.steps_done
        self.diverged = 0
        self.median = float("nan")

    def advanced(self, part: Part, glance: Glance) -> None:
        """The part at hand has gone through a segment."""
        if self.callback is not None:
            finite = glance.losses[np.isfinite(glance.losses)]
            self.median = float(np.median(finite)) if finite.size else float("nan")
            self._tell(part.replicas * glance.step, glance.diverged)

    def ended(self, part: Part, block: dict[str, np.ndarray]) -> None:
        """A part has ended."""
        self.replicas_done += part.replicas
        self.steps_done += part.replicas * self.updates[part.program]
        self.diverged += int((block["status"] == DIVERGED).sum())
        self._tell(0, 0)

    def _tell(self, steps: int, diverged: int) -> None:
        if self.callback is None:
            return
        self.callback(
            Progress(
                replicas_done=self.replicas_done,
                replicas=self.replicas,
                network_steps_done=self.steps_done + steps,
                network_steps=self.steps,
                diverged=self.diverged + diverged,
                seconds=time.perf_counter() - self.began,
                compile_seconds=self.trainer.compile_seconds,
                network_steps_stored=self.steps_stored,
                median_loss=self.median,
            )
        )
