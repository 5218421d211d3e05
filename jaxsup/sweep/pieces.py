"""A part in pieces: its blocks of rows and seeds, those that are done and those that are not.

The pieces of a part are put together before its tiles are committed: the store's tiles stay as they
are, whatever fits into memory.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from jaxsup.sweep.callbacks import Callbacks, PartProgress
from jaxsup.sweep.lanes import Lanes
from jaxsup.sweep.resumption import cut_checkpoint
from jaxsup.sweep.task import Task
from jaxsup.training.state import DIVERGED

_Arrays = Mapping[str, np.ndarray]


class Piece(NamedTuple):
    """A block of a task's replicas, [rows, seeds].

    Attributes:
        rows: the first row, and the one after the last.
        seeds: likewise.
    """

    rows: tuple[int, int]
    seeds: tuple[int, int]

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows and of seeds."""
        return self.rows[1] - self.rows[0], self.seeds[1] - self.seeds[0]

    @property
    def place(self) -> tuple[slice, slice]:
        """Its index into arrays [rows, seeds, ...] of the task."""
        return slice(*self.rows), slice(*self.seeds)

    def cut(self, shape: tuple[int, int]) -> list["Piece"]:
        """Pieces of at most this shape."""
        return [
            Piece(rows, seeds)
            for seeds in _ranges(*self.seeds, shape[1])
            for rows in _ranges(*self.rows, shape[0])
        ]


@dataclasses.dataclass
class Pieces:
    """A task on its way, piece by piece.

    Attributes:
        task: what is trained.
        shape: rows and seeds to which pieces are padded.
        pending: pieces that are not done, the first of them at hand.
        starts: checkpoints from which pieces go on.
        block: results of the pieces that are done, [rows, seeds, ...]; None before there are any.
    """

    task: Task
    shape: tuple[int, int]
    pending: list[Piece]
    starts: dict[Piece, _Arrays]
    block: dict[str, np.ndarray] | None = None

    @classmethod
    def whole(cls, task: Task, shape: tuple[int, int], start: _Arrays | None) -> "Pieces":
        """One piece."""
        piece = Piece((0, len(task.rows)), (0, len(task.seeds)))
        return cls(task, shape, [piece], {} if start is None else {piece: start})

    @property
    def all(self) -> Piece:
        """The whole task."""
        return Piece((0, len(self.task.rows)), (0, len(self.task.seeds)))

    def task_of(self, piece: Piece) -> Task:
        """What a piece trains."""
        rows, seeds = piece.place
        return self.task._replace(rows=self.task.rows[rows], seeds=self.task.seeds[seeds])

    @classmethod
    def restore(cls, task: Task, checkpoint: _Arrays) -> "Pieces":
        """What `checkpoint` returned, once `unfit_pieces` finds nothing wrong with it."""
        pending = [Piece((a, b), (c, d)) for a, b, c, d in checkpoint["pieces"].tolist()]
        found = {piece: _named(checkpoint, f"{n}.") for n, piece in enumerate(pending)}
        starts: dict[Piece, _Arrays] = {p: arrays for p, arrays in found.items() if arrays}
        rows, seeds = checkpoint["shape"].tolist()
        block = {name: np.array(array) for name, array in _named(checkpoint, "results.").items()}
        return cls(task, (rows, seeds), pending, starts, block)

    def checkpoint(self, current: _Arrays | None = None) -> dict[str, np.ndarray]:
        """Everything from which training goes on.

        Arguments:
            current: the checkpoint of the piece at hand; default: the one that it started from.
        """
        starts = self.starts if current is None else {**self.starts, self.pending[0]: current}
        return {
            "pieces": np.array([[*p.rows, *p.seeds] for p in self.pending]),
            "shape": np.array(self.shape),
            **{f"results.{name}": array for name, array in self._results().items()},
            **{
                f"{number}.{name}": array
                for number, piece in enumerate(self.pending)
                for name, array in starts.get(piece, {}).items()
            },
        }

    def take(self, piece: Piece, results: dict[str, np.ndarray]) -> None:
        """The piece at hand is done."""
        self.pending.remove(piece)
        self.starts.pop(piece, None)
        if piece == self.all:
            self.block = results
            return
        self.block = self._results()
        for name, values in results.items():
            self.block[name][piece.place] = values

    def cut(self, shape: tuple[int, int], devices: int) -> None:
        """Cut what is pending into pieces of this shape; checkpoints are cut as well."""
        pending, starts = [], {}
        for piece in self.pending:
            inner = Piece((0, piece.shape[0]), (0, piece.shape[1])).cut(shape)
            pieces = piece.cut(shape)
            for within, smaller in zip(inner, pieces, strict=True):
                if piece in self.starts:
                    lanes = Lanes.fill(*smaller.shape, shape, devices)
                    starts[smaller] = cut_checkpoint(self.starts[piece], within.place, lanes)
            pending.extend(pieces)
        self.shape, self.pending, self.starts = shape, pending, starts

    def callbacks(self, callbacks: Callbacks) -> Callbacks:
        """What happens between two segments of the piece at hand, told of the whole task."""
        piece, save = self.pending[0], callbacks.save
        if piece == self.all:
            return callbacks
        last = int(self.task.program.fixed.recorded_steps[-1])
        column = int(np.searchsorted(self.task.layout.steps, last))
        results = self._results()
        losses = results["loss"][:, :, column].astype(float)
        done = losses.size - sum(int(np.prod(p.shape)) for p in self.pending)
        diverged = int((results["status"] == DIVERGED).sum())

        def report(progress: PartProgress) -> None:
            losses[piece.place] = progress.losses
            steps = progress.network_steps + done * last
            callbacks.report(PartProgress(steps, diverged + progress.diverged, losses))

        def save_all(arrays: dict[str, np.ndarray]) -> None:
            assert save is not None
            save(self.checkpoint(arrays))

        return dataclasses.replace(callbacks, report=report, save=save and save_all)

    def _results(self) -> dict[str, np.ndarray]:
        if self.block is None:
            return self.task.layout.empty(len(self.task.rows), len(self.task.seeds))
        return self.block


def _ranges(first: int, last: int, size: int) -> Sequence[tuple[int, int]]:
    return [(start, min(start + size, last)) for start in range(first, last, size)]


def _named(arrays: _Arrays, prefix: str) -> dict[str, np.ndarray]:
    return {n.removeprefix(prefix): array for n, array in arrays.items() if n.startswith(prefix)}
