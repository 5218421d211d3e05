"""A task on its way: replicas on the devices, segments sent to them, and the results so far."""

import collections
import dataclasses
import time
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Integer, PyTree

from jaxsup.experiment.initial import named_arrays
from jaxsup.sweep.callbacks import PartProgress
from jaxsup.sweep.compiled import Programs
from jaxsup.sweep.distributed import Inputs, Segment
from jaxsup.sweep.lanes import Lanes
from jaxsup.sweep.programs import Program
from jaxsup.sweep.store.schema import Layout
from jaxsup.training.state import DIVERGED, FINISHED, State


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


class Batch(NamedTuple):
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


class Sent(NamedTuple):
    """A segment that the devices have been given.

    Attributes:
        stop: its last update.
        due: whether the replicas are recorded there.
        status: theirs at its end.
        records: what is recorded of them, by name; empty where nothing is due.
        began: when it was sent, by `time.perf_counter`.
    """

    stop: int
    due: bool
    status: Int[Array, "lanes slots"]
    records: dict[str, Array]
    began: float


@dataclasses.dataclass
class TaskRun:
    """A task on its way.

    Attributes:
        task: what is trained.
        batch: the replicas that are still trained.
        state: where they stand once all segments that were sent have ended.
        block: the results so far, [rows, seeds, ...].
        losses: losses recorded last, [rows, seeds].
        step: updates made, as far as results are in.
        sent: segments whose results are not in yet, the oldest first.
    """

    task: Task
    batch: Batch
    state: State
    block: dict[str, np.ndarray]
    losses: Float[np.ndarray, "rows seeds"]
    step: int
    sent: collections.deque[Sent] = dataclasses.field(default_factory=collections.deque)
    _ended: float = 0.0

    @property
    def alive(self) -> Bool[np.ndarray, "lanes slots"]:
        """Which replicas have not diverged; waits for all that was sent."""
        return self.batch.lanes.used & (np.asarray(self.state.status) == FINISHED)

    @property
    def reached(self) -> int:
        """Updates made once all segments that were sent have ended."""
        return self.sent[-1].stop if self.sent else self.step

    def progress(self) -> PartProgress:
        """How far it is."""
        diverged = int((self.block["status"] == DIVERGED).sum())
        return PartProgress(self.step * self.losses.size, diverged, self.losses)

    def send(self, stop: int, *, due: bool) -> None:
        """Let the devices train up to `stop` updates, and record if that is due."""
        began = time.perf_counter()
        _, inputs, programs, frozen = self.batch
        segment = Segment(jnp.int32(self.reached), jnp.int32(stop), jnp.asarray(due))
        self.state, status, records = programs.advance(inputs, frozen, self.state, segment)
        self.sent.append(Sent(stop, due, status, records if due else {}, began))

    def receive(self) -> float:
        """Wait for the oldest segment that was sent, and return the seconds that it took."""
        stop, due, status, records, began = self.sent.popleft()
        lanes = self.batch.lanes
        lanes.scatter(self.block, "status", np.asarray(status))
        self.step, before, self._ended = stop, self._ended, time.perf_counter()
        seconds = self._ended - max(began, before)
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
        self._leave_out_padding()

    def _leave_out_padding(self) -> None:
        """A network has no parameters beyond its own latent dimensions, whatever arrays hold."""
        latents = self.task.program.latents[self.task.rows]
        for name, axes in self.task.program.padded_axes.items():
            for axis in axes if name in self.block else ():
                values = np.moveaxis(self.block[name], axis + 3, 1)  # behind rows, seeds and steps
                for latent in np.unique(latents).tolist():
                    values[latents == latent, latent:] = np.nan

    def checkpoint(self) -> dict[str, np.ndarray]:
        """Everything from which training goes on as if it had not stopped."""
        while self.sent:
            self.receive()
        leaves = jax.tree.leaves(self.state)
        return {
            "step": np.asarray(self.step),
            "members": self.batch.lanes.members,
            "lanes": self.batch.lanes.seeds,
            "losses": self.losses,
            **{f"state.{number}": np.asarray(leaf) for number, leaf in enumerate(leaves)},
            **{f"block.{name}": array for name, array in self.block.items()},
        }
