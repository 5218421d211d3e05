"""Train one part of a sweep, points x seeds, in compiled segments that the host drives.

Between two segments the host collects what was observed, reports, drops replicas that have
diverged, keeps a checkpoint, and stops when it is asked to.
"""

import collections
import dataclasses
import logging
import time
from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Bool, Float, Int, Integer, PyTree

from jaxsup.experiment.experiment import Experiment
from jaxsup.experiment.students import named_arrays
from jaxsup.sweep.callbacks import Callbacks, PartProgress, Saves
from jaxsup.sweep.compiled import Compiler, Inputs, Programs, Segment, make_inputs
from jaxsup.sweep.lanes import Lanes
from jaxsup.sweep.programs import Program
from jaxsup.sweep.resumption import unfit_arrays, unfit_lanes, unfit_results
from jaxsup.sweep.store.schema import Layout
from jaxsup.training.state import DIVERGED, FINISHED, State

log = logging.getLogger(__name__)

# A segment ends after about this long: so long does a request to stop wait.
_SEGMENT_SECONDS = 1.0
# Segments grow at most by this factor over the last one, whose speed is all that there is to go by.
_SEGMENT_GROWTH = 8
# Floating-point operations that compiling another shape is worth, about two seconds of a CPU:
# fewer replicas are trained once dropping the diverged ones saves more. A count, not a clock, so
# that a second run does the same.
_COMPILING_WORTH = 2e11


class Task(NamedTuple):
    """What a part trains, and for which dataset.

    Attributes:
        program: the program that trains it.
        rows: positions into ``program.points``.
        seeds: the seeds themselves.
        layout: the dataset, whose variables the results are.
    """

    program: Program
    rows: Int[np.ndarray, " rows"]
    seeds: Integer[np.ndarray, " seeds"]
    layout: Layout


class Trainer:
    """Trains parts on a mesh of devices; each shape is compiled once."""

    def __init__(self, mesh: Mesh) -> None:
        self.compiler = Compiler(mesh)
        self._paces: dict[Programs, _Pace] = collections.defaultdict(_Pace)

    def train(
        self,
        task: Task,
        shape: tuple[int, int],
        callbacks: Callbacks,
        checkpoint: Mapping[str, np.ndarray] | None = None,
    ) -> dict[str, np.ndarray]:
        """Train all rows with all seeds of a task, or go on from a checkpoint.

        Arguments:
            task: what to train.
            shape: number of rows and of seeds to which parts of the program are padded.
            callbacks: what happens between two segments.
            checkpoint: what `callbacks` was given to save.

        Returns:
            The variables of the dataset as arrays [rows, seeds, ...].

        Raises:
            Stopped: `callbacks` asked for it; what was done is in the last checkpoint.
        """
        run = None if checkpoint is None else self._restore(task, shape, checkpoint)
        run = self._begin(task, shape) if run is None else run
        saves = Saves(callbacks)
        recorded = task.program.fixed.recorded_steps
        last = int(recorded[-1])
        # A checkpoint may lie on a recorded step: observing it once more gives the same.
        for target in recorded[np.searchsorted(recorded, run.step) :].tolist():
            pace, due = self._paces[run.batch.programs], False
            while not due:
                stop = min(target, run.step + pace.updates)
                due = stop == target
                pace.follow(stop - run.step, run.advance(stop, due=due))
                callbacks.report(run.progress())
                if run.step < last:
                    saves.pause(run.checkpoint)
            if not run.alive.any():
                break
            self._drop_diverged(run, last - run.step)
        run.harvest(run.batch.lanes.used)
        return run.block

    def _begin(self, task: Task, shape: tuple[int, int]) -> "_Run":
        """All replicas before their first update."""
        rows, seeds = len(task.rows), len(task.seeds)
        batch = self._gather(task, Lanes.fill(rows, seeds, shape, self.compiler.mesh.size))
        block = task.layout.empty(rows, seeds)
        block["complete"][...] = True
        block["status"][...] = FINISHED
        losses = np.full((rows, seeds), np.nan)
        return _Run(task, batch, batch.programs.begin(batch.inputs), block, losses, 0)

    def _restore(
        self, task: Task, shape: tuple[int, int], checkpoint: Mapping[str, np.ndarray]
    ) -> "_Run | None":
        """Go on from what `_Run.checkpoint` returned; None where it is none of this task."""
        rows, seeds = len(task.rows), len(task.seeds)
        empty, last = task.layout.empty(rows, seeds), int(task.program.fixed.recorded_steps[-1])
        largest = Lanes.fill(rows, seeds, shape, self.compiler.mesh.size)
        reason = unfit_results(checkpoint, empty, last) or unfit_lanes(checkpoint, largest)
        if reason is None:
            batch = self._gather(task, Lanes(checkpoint["members"], checkpoint["lanes"]))
            leaves, structure = jax.tree.flatten(batch.programs.state)
            names = [f"state.{number}" for number in range(len(leaves))]
            reason = unfit_arrays(checkpoint, dict(zip(names, leaves, strict=True)))
            if reason is None:
                return _Run(
                    task,
                    batch,
                    jax.tree.unflatten(structure, [checkpoint[name] for name in names]),
                    {name: np.array(checkpoint[f"block.{name}"]) for name in empty},
                    np.array(checkpoint["losses"]),
                    int(checkpoint["step"]),
                )
        log.warning("checkpoint of a part: %s; this part starts again", reason)
        return None

    def _gather(self, task: Task, lanes: Lanes) -> "_Batch":
        """What the replicas in these lanes need to be trained.

        As long as all lanes train the same rows, their settings are passed once: what depends on
        them alone is then computed once for all seeds.
        """
        rows, seeds = task.rows[lanes.setting_rows()], task.seeds[lanes.setting_seeds()]
        inputs = make_inputs(task.program, rows, seeds)
        programs = self.compiler.programs(
            inputs, lanes.shape[1], alike=lanes.alike, one_copy=task.program.shares_frozen
        )
        return _Batch(lanes, inputs, programs, programs.freeze(inputs))

    def _drop_diverged(self, run: "_Run", remaining: int) -> None:
        """Train fewer replicas for the remaining updates, where that saves enough."""
        alive, lanes = run.alive, run.batch.lanes
        compacted = lanes.compact(alive, self.compiler.mesh.size)
        if compacted is None:
            return
        fewer, index = compacted
        updates = (lanes.members.size - fewer.members.size) * remaining
        if updates * _update_cost(run.task.program.fixed) < _COMPILING_WORTH:
            return
        run.harvest(lanes.used & ~alive)
        state = jax.tree.map(lambda leaf: np.asarray(leaf)[index], run.state)
        run.batch, run.state = self._gather(run.task, fewer), state


class _Batch(NamedTuple):
    """Replicas that are trained together.

    Attributes:
        lanes: where they lie.
        inputs: what they follow from.
        programs: what trains them.
        frozen: their arrays that are not learned.
    """

    lanes: Lanes
    inputs: Inputs
    programs: Programs
    frozen: PyTree


@dataclasses.dataclass
class _Run:
    """A task on its way.

    Attributes:
        task: what is trained.
        batch: the replicas that are still trained.
        state: where they stand.
        block: the results so far, [rows, seeds, ...].
        losses: losses recorded last, [rows, seeds].
        step: updates made.
    """

    task: Task
    batch: _Batch
    state: State
    block: dict[str, np.ndarray]
    losses: Float[np.ndarray, "rows seeds"]
    step: int

    @property
    def alive(self) -> Bool[np.ndarray, "lanes slots"]:
        """Which replicas have not diverged."""
        return self.batch.lanes.used & (np.asarray(self.state.status) == FINISHED)

    def progress(self) -> PartProgress:
        """How far it is."""
        diverged = int((self.block["status"] == DIVERGED).sum())
        return PartProgress(self.step, diverged, self.losses)

    def advance(self, stop: int, *, due: bool) -> float:
        """Train up to `stop` updates, record if that is due, and return the seconds it took."""
        began = time.perf_counter()
        lanes, inputs, programs, frozen = self.batch
        segment = Segment(jnp.int32(self.step), jnp.int32(stop), jnp.asarray(due))
        self.state, records = programs.advance(inputs, frozen, self.state, segment)
        self.step = stop
        lanes.scatter(self.block, "status", np.asarray(self.state.status))
        seconds = time.perf_counter() - began
        if due:
            column = int(np.searchsorted(self.task.layout.steps, stop))
            for name, values in records.items():
                lanes.scatter(self.block, name, np.asarray(values), column=column)
            self.losses = self.block["loss"][:, :, column]
        return seconds

    def harvest(self, where: Bool[np.ndarray, "lanes slots"]) -> None:
        """Take over how the replicas there ended."""
        lanes, state = self.batch.lanes, self.state
        for name, values in (("status", state.status), ("last_step", state.last_step)):
            lanes.scatter(self.block, name, np.asarray(values), where=where)
        steps = self.task.program.fixed.record.parameter_steps
        columns = np.searchsorted(self.task.layout.kept, steps).tolist()
        for name, leaf in named_arrays(state.snapshots).items():
            snapshots = np.asarray(leaf)
            for position, column in enumerate(columns):
                values = snapshots[:, :, position]
                lanes.scatter(self.block, name, values, where=where, column=column)

    def checkpoint(self) -> dict[str, np.ndarray]:
        """Everything from which training goes on as if it had not stopped."""
        leaves = jax.tree.leaves(self.state)
        return {
            "step": np.asarray(self.step),
            "members": self.batch.lanes.members,
            "lanes": self.batch.lanes.seeds,
            "losses": self.losses,
            **{f"state.{number}": np.asarray(leaf) for number, leaf in enumerate(leaves)},
            **{f"block.{name}": array for name, array in self.block.items()},
        }


@dataclasses.dataclass
class _Pace:
    """How many updates a segment makes."""

    updates: int = 1

    def follow(self, updates: int, seconds: float) -> None:
        """Set the next segment by how long the last one took."""
        if updates:
            fitting = int(updates * _SEGMENT_SECONDS / max(seconds, 1e-6))
            self.updates = max(1, min(_SEGMENT_GROWTH * self.updates, fitting))


def _update_cost(experiment: Experiment) -> float:
    """Floating-point operations of an update, about: products forward and backward."""
    count, latent = experiment.features.count, experiment.student.latent
    rows = experiment.batch_size if experiment.gradient == "sampled" else count
    return 6.0 * rows * (2 * count * latent + latent**2)
