"""Train one part of a sweep, points x seeds, in compiled segments that the host drives.

Between two segments the host collects what was observed, reports, drops replicas that have
diverged, keeps a checkpoint, and stops when it is asked to. Accelerators are given the next segment
meanwhile, unless one is due for which the host must have seen the last.
"""

import dataclasses
import logging
import weakref
from collections.abc import Mapping
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from jaxsup.experiment.experiment import Experiment
from jaxsup.sweep.callbacks import Callbacks, Saves
from jaxsup.sweep.compiled import Compiler, Programs, make_inputs
from jaxsup.sweep.distributed import Start
from jaxsup.sweep.lanes import Lanes
from jaxsup.sweep.resumption import unfit_arrays, unfit_lanes, unfit_results
from jaxsup.sweep.starting import start_arrays
from jaxsup.sweep.task import Batch, Task, TaskRun
from jaxsup.training.state import FINISHED

log = logging.getLogger(__name__)

# All segments that a device has been given end after about this long: so long does a request to
# stop wait.
_SEGMENT_SECONDS = 1.0
# Segments that a device is given at once. An accelerator would stand still while the host looks at
# the last one; a CPU is the host.
_DEPTH = {"cpu": 1}
_DEPTH_ELSEWHERE = 2
# Segments grow at most by this factor over the longest, whose speed is all that there is to go by.
_SEGMENT_GROWTH = 8
# Floating-point operations that compiling another shape is worth, about three seconds of two cores
# (six of one), as long as that takes: a part that is mostly padding, and a part most of whose
# replicas have diverged, get a shape of their own where it saves more. A count, not a clock, so
# that a second run does the same.
_COMPILING_WORTH = 4e11


class Trainer:
    """Trains parts on a mesh of devices; each shape is compiled once.

    Arguments:
        mesh: the devices.
        kernels: as `Compiler` takes it.
    """

    def __init__(self, mesh: Mesh, kernels: Path | None = None) -> None:
        self.compiler = Compiler(mesh, kernels)
        self._depth = _DEPTH.get(mesh.devices.flat[0].platform, _DEPTH_ELSEWHERE)
        # Programs that are given up are not kept for their pace.
        self._paces: weakref.WeakKeyDictionary[Programs, _Pace] = weakref.WeakKeyDictionary()

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
        run = self.begin(task, shape) if run is None else run
        saves = Saves(callbacks)
        recorded, last = task.program.fixed.recorded_steps, _last_step(task)
        # A checkpoint may lie on a recorded step: observing it once more gives the same.
        for target in recorded[np.searchsorted(recorded, run.step) :].tolist():
            pace, due = self._pace(run.batch.programs), False
            while not due:
                stop = min(target, run.reached + pace.updates)
                due = stop == target
                run.send(stop, due=due)
                while len(run.sent) >= (1 if due else self._depth):
                    updates = run.sent[0].stop - run.step
                    pace.follow(updates, run.receive())
                    callbacks.report(run.progress())
                    if run.reached < last:
                        saves.pause(run.checkpoint)
            if not run.alive.any():
                break
            self._drop_diverged(run, last - run.step)
        run.harvest(run.batch.lanes.used)
        return run.block

    def unfit(
        self, task: Task, shape: tuple[int, int], checkpoint: Mapping[str, np.ndarray]
    ) -> str | None:
        """Why results and places in a checkpoint are none of a task; None where they are.

        Arguments:
            task: what would be trained.
            shape: number of rows and of seeds to which parts of the program are padded.
            checkpoint: what it would go on from.
        """
        empty = task.layout.empty(len(task.rows), len(task.seeds))
        last, largest = _last_step(task), self._lanes(task, shape)
        reason = unfit_results(checkpoint, empty, last) or unfit_lanes(checkpoint, largest)
        states = [array for name, array in checkpoint.items() if name.startswith("state.")]
        if reason is None and any(a.shape[:2] != checkpoint["members"].shape for a in states):
            return "its state is not that of its lanes"
        return reason

    def _pace(self, programs: Programs) -> "_Pace":
        if programs not in self._paces:
            self._paces[programs] = _Pace(_SEGMENT_SECONDS / self._depth)
        return self._paces[programs]

    def forget(self) -> None:
        """Give up what is compiled: programs take memory too."""
        self.compiler.forget()
        self._paces.clear()

    def begin(self, task: Task, shape: tuple[int, int]) -> TaskRun:
        """All replicas before their first update.

        Arguments:
            task: what to train.
            shape: number of rows and of seeds to which parts of the program are padded.
        """
        rows, seeds = len(task.rows), len(task.seeds)
        lanes = self._lanes(task, shape)
        batch = self._gather(task, lanes)
        block = task.layout.empty(rows, seeds)
        block["complete"][...] = True
        block["status"][...] = FINISHED
        losses = np.full((rows, seeds), np.nan)
        state = batch.programs.begin(batch.inputs, _given(task, lanes))
        return TaskRun(task, batch, state, block, losses, 0)

    def _restore(
        self, task: Task, shape: tuple[int, int], checkpoint: Mapping[str, np.ndarray]
    ) -> TaskRun | None:
        """Go on from what `TaskRun.checkpoint` returned; None where it is none of this task."""
        reason = self.unfit(task, shape, checkpoint)
        if reason is None:
            batch = self._gather(task, Lanes(checkpoint["members"], checkpoint["lanes"]))
            leaves, structure = jax.tree.flatten(batch.programs.state)
            names = [f"state.{number}" for number in range(len(leaves))]
            reason = unfit_arrays(checkpoint, dict(zip(names, leaves, strict=True)))
            if reason is None:
                return TaskRun(
                    task,
                    batch,
                    jax.tree.unflatten(structure, [checkpoint[name] for name in names]),
                    {v: np.array(checkpoint[f"block.{v}"]) for v in task.layout.variables},
                    np.array(checkpoint["losses"]),
                    int(checkpoint["step"]),
                )
        log.warning("checkpoint of a part: %s; this part starts again", reason)
        return None

    def _lanes(self, task: Task, shape: tuple[int, int]) -> Lanes:
        """Where the replicas of a task lie at first.

        They have the shape for which the program is compiled anyway, unless that is mostly padding
        and training the padding costs more than compiling another shape.
        """
        rows, seeds, devices = len(task.rows), len(task.seeds), self.compiler.mesh.size
        usual = Lanes.fill(rows, seeds, shape, devices, mostly_padding=True)
        own = Lanes.fill(rows, seeds, shape, devices)
        padding = usual.members.size - own.members.size
        return usual if _spares_compiling(task, padding * _last_step(task)) else own

    def _gather(self, task: Task, lanes: Lanes) -> Batch:
        """What the replicas in these lanes need to be trained.

        As long as all lanes train the same rows, their settings are passed once: what depends on
        them alone is then computed once for all seeds.
        """
        rows, seeds = task.rows[lanes.setting_rows()], task.seeds[lanes.setting_seeds()]
        inputs, given = make_inputs(task.program, rows, seeds), _given(task, lanes)
        programs = self.compiler.programs(
            inputs,
            lanes.shape[1],
            alike=lanes.alike,
            one_copy=task.program.shares_frozen,
            given=given,
        )
        return Batch(lanes, inputs, programs, programs.freeze(inputs, given))

    def _drop_diverged(self, run: TaskRun, remaining: int) -> None:
        """Train fewer replicas for the remaining updates, where that saves enough."""
        alive, lanes = run.alive, run.batch.lanes
        compacted = lanes.compact(alive, self.compiler.mesh.size)
        if compacted is None:
            return
        fewer, index = compacted
        if _spares_compiling(run.task, (lanes.members.size - fewer.members.size) * remaining):
            return
        run.harvest(lanes.used & ~alive)
        state = jax.tree.map(lambda leaf: np.asarray(leaf)[index], run.state)
        run.batch, run.state = self._gather(run.task, fewer), state


def _given(task: Task, lanes: Lanes) -> Start:
    """What the replicas in these lanes start from."""
    rows, seeds = task.rows[lanes.setting_rows()], task.seeds[lanes.setting_seeds()]
    arrays = start_arrays(task.program, rows, seeds)
    return {name: jnp.asarray(array) for name, array in arrays.items()}


@dataclasses.dataclass
class _Pace:
    """How many updates a segment makes.

    Attributes:
        seconds: what a segment is to take.
        updates: of the next segment.
        longest: updates of the longest so far.
    """

    seconds: float
    updates: int = 1
    longest: int = 1

    def follow(self, updates: int, seconds: float) -> None:
        """Set the next segment by how long the last one took."""
        if updates:
            fitting = int(updates * self.seconds / max(seconds, 1e-6))
            self.longest = max(self.longest, updates)
            self.updates = max(1, min(_SEGMENT_GROWTH * self.longest, fitting))


def _last_step(task: Task) -> int:
    """The update after which a task has ended."""
    return int(task.program.fixed.recorded_steps[-1])


def _spares_compiling(task: Task, updates: int) -> bool:
    """Whether so many updates of a network cost less than compiling a shape without them."""
    return updates * update_cost(task.program.fixed) < _COMPILING_WORTH


def update_cost(experiment: Experiment) -> float:
    """Floating-point operations of an update, about: products forward and backward."""
    count, latent = experiment.features.count, experiment.student.latent
    rows = experiment.update_samples if experiment.gradient == "sampled" else count
    return 6.0 * rows * (2 * count * latent + latent**2)
