"""What a sweep will take, before it is run: programs, memory, disk, and time from a few updates."""

import dataclasses
import time
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from jaxsup._internal.blas import one_blas_thread
from jaxsup._internal.shortage import shortage_of
from jaxsup._internal.validation import check_number, check_positive_integer
from jaxsup.sweep.capacities import Capacity, plan_capacities
from jaxsup.sweep.grid import Sweep
from jaxsup.sweep.keys import pinned_stream
from jaxsup.sweep.programs import Program, plan_programs
from jaxsup.sweep.run import task_of
from jaxsup.sweep.store.schema import Layout
from jaxsup.sweep.task import TaskRun
from jaxsup.sweep.trainer import Trainer, update_cost
from jaxsup.sweep.work import Part, choose_tile, cut_parts

# Timed segments grow at most by this factor: the last is the longest, and the one that counts.
_GROWTH = 4


@dataclasses.dataclass(frozen=True)
class Timing:
    """What was measured of a program.

    Attributes:
        updates: number of timed updates of a part.
        update: seconds of one of them.
        record: seconds of recording a part once.
        start: seconds in which a part is started.
        compilation: seconds of compilation.
    """

    updates: int
    update: float
    record: float
    start: float
    compilation: float


@dataclasses.dataclass(frozen=True)
class ProgramForecast:
    """What one program will do.

    Attributes:
        plan: the memory plan, as a run logs it.
        latent: latent dimensions that its arrays hold.
        settings: number of settings.
        networks: these times the seeds.
        at_once: networks that are trained at once.
        parts: how often it trains so many.
        updates: of each network.
        records: recorded steps of each network.
        timing: what was measured; None where there was no time, or no memory for it.
        seconds: of training, all parts together; None where no program was timed.
    """

    plan: str
    latent: int
    settings: int
    networks: int
    at_once: int
    parts: int
    updates: int
    records: int
    timing: Timing | None
    seconds: float | None


@dataclasses.dataclass(frozen=True)
class Forecast:
    """What a sweep will take.

    Attributes:
        programs: what each program will do.
        settings, seeds, networks: how many there are.
        disk_bytes: of the dataset's arrays before compression. What describes them comes on top,
            which is most of a small store.
        devices: number of devices that train.
        seconds: of training; None where no program was timed.
        compilation: seconds of compilation; None where no program was timed.
    """

    programs: tuple[ProgramForecast, ...]
    settings: int
    seeds: int
    networks: int
    disk_bytes: int
    devices: int
    seconds: float | None
    compilation: float | None


@one_blas_thread()
@pinned_stream()
def forecast(
    sweep: Sweep,
    devices: Sequence[Any],
    *,
    widths: int = 2,
    chunk: int | None = None,
    memory: int | str | None = None,
    timed: float = 6.0,
    most: float = 20.0,
) -> Forecast:
    """Plan a sweep as `jaxsup.run` does, and time a few updates of each program.

    A program's first part is started, recorded once, and trained for growing numbers of updates.
    A part then takes its updates at the speed of the longest of these, and its records; all parts
    of a program take the same. A program that was not timed is taken to be as fast, in arithmetic
    of its matrix products, as those that were, and to compile as long. Networks that diverge and
    are dropped make a run shorter; a machine that others use makes it longer.

    Arguments:
        sweep: what would be trained.
        devices: what would train it.
        widths, chunk, memory: as of `jaxsup.run`.
        timed: seconds > 0 of timed updates, all programs together.
        most: seconds >= 0 after which the next program is not compiled any more.

    Raises:
        ValueError: an argument is outside of its range, or memory does not hold one network a
            device.
    """
    check_positive_integer("widths", widths, "give a number of padded widths")
    if chunk is not None:
        check_positive_integer("chunk", chunk, "give a number of replicas")
    check_number("timed", timed, "give seconds", low=0, low_open=True)
    check_number("most", most, "give seconds", low=0)
    began = time.perf_counter()
    mesh = Mesh(np.asarray(devices), ("replica",))
    programs = plan_programs(sweep, widths)
    layout = Layout(sweep, programs)
    capacities = list(plan_capacities(programs, sweep, devices, chunk, memory))
    at_once = [capacity.replicas for capacity in capacities]
    parts = cut_parts(sweep, programs, choose_tile(sweep, at_once), at_once)
    parts_of = [[p for p in parts if p.program == n] for n in range(len(programs))]
    timings: list[Timing | None] = []
    for program, some in zip(programs, parts_of, strict=True):
        late = bool(timings) and time.perf_counter() - began > most
        seconds = timed / len(programs)
        timings.append(None if late else _time_program(program, some[0], layout, mesh, seconds))
    rows = [
        _program_forecast(*row, len(sweep.seeds))
        for row in zip(programs, capacities, parts_of, timings, strict=True)
    ]
    rows = _with_untimed(rows, [update_cost(program.fixed) for program in programs])
    known = [row.timing.compilation for row in rows if row.timing is not None]
    seconds_of = [row.seconds for row in rows if row.seconds is not None]
    return Forecast(
        tuple(rows),
        sweep.points,
        len(sweep.seeds),
        sweep.replicas,
        layout.nbytes,
        len(devices),
        sum(seconds_of) if known else None,
        sum(known) / len(known) * len(rows) if known else None,
    )


def _time_program(
    program: Program, part: Part, layout: Layout, mesh: Mesh, seconds: float
) -> Timing | None:
    """Train a part for about so many seconds; None where memory does not hold it."""
    trainer, began = Trainer(mesh), time.perf_counter()
    try:
        run = trainer.begin(task_of(part, program, layout), part.shape)
        jax.block_until_ready(run.state)
        start = time.perf_counter() - began - trainer.compiler.seconds
        return _time_run(run, seconds, start, trainer.compiler.seconds)
    except (MemoryError, jax.errors.JaxRuntimeError) as error:
        if shortage_of(error) is None:
            raise
        return None
    finally:
        trainer.forget()


def _time_run(run: TaskRun, seconds: float, start: float, compilation: float) -> Timing:
    """The speed of a part that has just begun; its first calls are not counted."""
    last = int(run.task.program.fixed.recorded_steps[-1])
    _advance(run, 0, due=True)
    record = _advance(run, 0, due=True)
    _advance(run, 0, due=False)
    began, done, updates = time.perf_counter(), 0, 1
    while True:
        spent = _advance(run, done + updates, due=False)
        done += updates
        left = seconds - (time.perf_counter() - began)
        following = min(int(left * updates / spent), _GROWTH * updates, last - done)
        if following < updates:  # too short to tell more
            return Timing(done, spent / updates, record, start, compilation)
        updates = following


def _advance(run: TaskRun, stop: int, *, due: bool) -> float:
    """Seconds of a segment."""
    run.send(stop, due=due)
    return run.receive()


def _program_forecast(
    program: Program, capacity: Capacity, parts: Sequence[Part], timing: Timing | None, seeds: int
) -> ProgramForecast:
    updates, records = int(program.fixed.recorded_steps[-1]), len(program.fixed.recorded_steps)
    seconds = None
    if timing is not None:
        part = timing.start + updates * timing.update + records * timing.record
        seconds = len(parts) * part
    points = len(program.points)
    return ProgramForecast(
        capacity.line,
        program.width,
        points,
        points * seeds,
        capacity.replicas,
        len(parts),
        updates,
        records,
        timing,
        seconds,
    )


def _with_untimed(rows: Sequence[ProgramForecast], costs: Sequence[float]) -> list[ProgramForecast]:
    """The same with times of those that were not timed, by their arithmetic."""
    work = [c * row.networks * row.updates for c, row in zip(costs, rows, strict=True)]
    timed = [(row.seconds, w) for row, w in zip(rows, work, strict=True) if row.seconds is not None]
    total, arithmetic = sum(s for s, _ in timed), sum(w for _, w in timed)
    if not arithmetic:
        return list(rows)
    return [
        row if row.seconds is not None else dataclasses.replace(row, seconds=total / arithmetic * w)
        for row, w in zip(rows, work, strict=True)
    ]
