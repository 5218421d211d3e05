"""`run`: plan the memory, cut the sweep into parts, train what is missing, keep the results."""

import functools
import logging
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jax.sharding import Mesh

from jaxsup._internal.blas import one_blas_thread
from jaxsup._internal.paths import local_path
from jaxsup._internal.system import check_assertions
from jaxsup._internal.validation import check_number, check_positive_integer, fail
from jaxsup.experiment.contracts_of_numbers import check_numbers
from jaxsup.sweep.callbacks import Callbacks, Stopped
from jaxsup.sweep.capacities import plan_capacities
from jaxsup.sweep.devices import chosen_devices
from jaxsup.sweep.edited import forget_edited
from jaxsup.sweep.grid import Sweep
from jaxsup.sweep.interruption import keep_on_interrupt, tell_on_interrupt
from jaxsup.sweep.keys import pinned_stream
from jaxsup.sweep.processes import Share
from jaxsup.sweep.programs import Program, plan_programs
from jaxsup.sweep.progress import Progress, ProgressCount, check_progress, show_progress
from jaxsup.sweep.results import MemoryResults, Results
from jaxsup.sweep.shortage import PieceTrainer
from jaxsup.sweep.starting import read_initial, with_initial
from jaxsup.sweep.store.plan import Plan, check_store, read_plan
from jaxsup.sweep.store.schema import Layout
from jaxsup.sweep.store.store import Store
from jaxsup.sweep.task import Task
from jaxsup.sweep.trainer import Trainer
from jaxsup.sweep.work import Part, choose_tile, cut_parts

if TYPE_CHECKING:
    import xarray as xr

log = logging.getLogger(__name__)


@one_blas_thread()
@pinned_stream()
def run(
    sweep: Sweep,
    store: str | Path | None = None,
    *,
    resume: bool = False,
    initial: Any = None,
    widths: int = 2,
    chunk: int | None = None,
    memory: int | str | None = None,
    devices: Sequence[Any] | None = None,
    share: Share | None = None,
    checkpoint: float = 60.0,
    progress: Callable[[Progress], None] | bool | None = None,
    stop: Callable[[], bool] | None = None,
) -> "xr.Dataset":
    """Train every point of a sweep with every seed.

    Replica (point, seed) is ``simulate(sweep.experiment_at(...), jax.random.key(seed))`` to float
    rounding, whatever the chunk, the padding and the number of devices.

    Arguments:
        sweep: what to train.
        store: folder for the dataset, in Zarr format, filled in tile by tile; must not exist yet
            unless `resume` is set.
        resume: go on with what `store` holds, if it is there: stored networks are not trained
            again, damaged ones are.
        initial: parameters to start from, as of `jaxsup.simulate`: of one network for all of them,
            or with axes (axes..., seed) before their own; or a dataset that `run` returned, or its
            folder, which keeps the parameters of its last step (``Record(parameter_steps=...)``).
            Networks of a dataset are matched by the names and values of axes, and by seeds; an axis
            that it does not have starts everywhere from the same. Those that diverged stay so. What
            they are is part of the fingerprint: `resume` wants the same again.
        widths: number >= 1 of padded widths that a scan over the latent dimension may compile to.
            More widths waste less arithmetic on padding and more time on compilation.
        chunk: replicas trained at once; default: as many as `memory` holds.
        memory: bytes, or text like ``"4GiB"``: on an accelerator what a part may take, on a CPU
            what the process may take. Default: what the devices have; on a CPU, what stays near
            the caches.
        devices: devices that share the replicas; default: all local ones. On a CPU each core is one
            where this call is JAX's first use; else a line says how to have them.
        share: which share of the work this process trains; default: all of them, and no other
            process may train into `store` meanwhile.
        checkpoint: seconds >= 0 between two checkpoints of the part at hand, at least; they are
            made rarer where they would take more than a twentieth of the time.
        progress: whether to show how far training is; default: in a notebook and on a terminal. Or
            a function that is called with a `Progress` after every segment of every part.
        stop: asked after every segment, about once a second, whether to end early.

    Returns:
        A dataset with ``loss`` and the other observables over (axis names..., "seed", "step"),
        ``loss_stderr`` among them where the loss is estimated (NaN where it is exact), ``status``
        (0 finished, 1 diverged, -1 not trained yet), ``last_step`` and ``complete`` over
        (axis names..., "seed"), coordinates with units, and provenance in its attributes. With
        `store`, it is opened there and read when it is used.

    Raises:
        ValueError: an argument is outside of its range, the store holds another sweep, memory does
            not hold one network a device, `initial` does not fit the sweep, or a class from outside
            of the package returns NaN at the start.
        FileExistsError: `store` is there already and `resume` is not set.
        BlockingIOError: another process trains into `store` now.
        MemoryError: a device has no room to try kernels out, before anything is trained.
        OSError: `store` cannot be written, or was moved while it was filled.
        Stopped: `stop` said so; what is whole is in the store.
        KeyboardInterrupt: Ctrl-C; what was done is in the store, if there is one, and the message
            says how to go on.
    """
    if not isinstance(sweep, Sweep):
        advice = "write jaxsup.Sweep(experiment, axes, seeds)"
        raise fail("sweep", "a Sweep", sweep, advice)
    check_positive_integer("widths", widths, "give a number of padded widths")
    if chunk is not None:
        check_positive_integer("chunk", chunk, "give a number of replicas")
    check_progress(progress)
    check_number("checkpoint", checkpoint, "give seconds", low=0)
    alone, share = share is None, share or Share()
    if store is not None:
        check_assertions()
        store = local_path(store)
        check_store(store, join=resume or not alone)
    began = time.perf_counter()
    mesh = Mesh(np.asarray(chosen_devices(devices)), ("replica",))
    devices = mesh.devices.ravel().tolist()
    plan = read_plan(store) if store is not None else None
    programs = plan_programs(sweep, widths if plan is None else plan.widths)
    for program in programs:
        first = program.first
        check_numbers(first.features, first.teacher, first.student)
    if initial is not None:
        programs = with_initial(programs, read_initial(sweep, programs, initial))
    forget_edited(programs)
    layout, capacities = Layout(sweep, programs), None
    if plan is None or chunk is not None or memory is not None:
        capacities = _choose_capacities(programs, sweep, devices, chunk, memory)
    if plan is None:
        assert capacities is not None
        plan, capacities = Plan(choose_tile(sweep, capacities), widths, tuple(capacities)), None
    results: Results
    if store is None:
        results = MemoryResults(layout, devices, began)
    else:
        # Absolute: a notebook may change its working directory meanwhile, and reads lazily after.
        whole = Path(store).absolute()
        results = Store.open(whole, layout, plan, devices, share, alone=alone)
        plan = results.plan  # of the process that was first
    with closing(results), show_progress(progress) as callback:
        parts = cut_parts(sweep, programs, plan.tile, capacities or plan.capacities)
        planned = cut_parts(sweep, programs, plan.tile, plan.capacities) if capacities else parts
        stored = results.stored()
        mine = share.of(planned, stored)
        share.leave()  # every process has seen the same store before any of them writes
        missing = results.claim(mine - stored)
        todo = [piece for part in parts for piece in part.only(missing)]
        trainer = Trainer(mesh, results.kernels)
        count = ProgressCount(parts, todo, programs, share, trainer, callback)
        kept = tell_on_interrupt(stop)
        if store is not None:
            kept = keep_on_interrupt(stop, f"jaxsup.run(sweep, {str(store)!r}, resume=True)")
        with kept as asked:
            _train(todo, programs, layout, PieceTrainer(trainer), count, results, asked, checkpoint)
        return results.dataset()


def _train(
    todo: Sequence[Part],
    programs: Sequence[Program],
    layout: Layout,
    trainer: PieceTrainer,
    count: ProgressCount,
    results: Results,
    stop: Callable[[], bool],
    checkpoint: float,
) -> None:
    """Train parts one by one.

    Raises:
        Stopped: `stop` said so.
    """
    for number, part in enumerate(todo):
        if number and stop():
            raise Stopped
        callbacks = Callbacks(count.advanced, stop, results.saver(part), checkpoint)
        started = time.perf_counter()
        task = task_of(part, programs[part.program], layout)
        load = functools.partial(results.checkpoint, part)
        block = trainer.train(task, part.shape, callbacks, load)
        results.commit(part, block, time.perf_counter() - started)
        count.ended(part, block)


def _choose_capacities(
    programs: Sequence[Program],
    sweep: Sweep,
    devices: Sequence[Any],
    chunk: int | None,
    memory: int | str | None,
) -> list[int]:
    """Replicas that each program trains at once."""
    capacities = []
    for capacity in plan_capacities(programs, sweep, devices, chunk, memory):
        log.info("%s", capacity.line)
        capacities.append(capacity.replicas)
    return capacities


def task_of(part: Part, program: Program, layout: Layout) -> Task:
    """What the trainer needs to know of a part."""
    order = np.argsort(program.points, kind="stable")
    rows = order[np.searchsorted(program.points[order], part.points)]
    seeds = np.asarray(layout.sweep.seeds, np.uint32)[part.seeds]
    return Task(program, rows, seeds, layout)
