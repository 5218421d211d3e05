"""Where memory does not hold a part after all: it is halved, and trained in pieces.

The plan of a sweep asks compiler and device, but neither knows who else takes memory meanwhile, nor
what allocators waste.
"""

import gc
import logging
import math
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np

from jaxsup._internal.shortage import shortage_of
from jaxsup._internal.validation import fail
from jaxsup.sweep.callbacks import Callbacks, Saves
from jaxsup.sweep.lanes import Lanes
from jaxsup.sweep.pieces import Pieces
from jaxsup.sweep.resumption import unfit_pieces
from jaxsup.sweep.task import Task
from jaxsup.sweep.trainer import Trainer

log = logging.getLogger(__name__)

_AGAIN = "checkpoint of a part: %s; this part starts again"
# Letters of an error that are repeated.
_LONGEST = 120

_Arrays = Mapping[str, np.ndarray]


class PieceTrainer:
    """Trains parts whole, or in pieces where memory does not hold them.

    Arguments:
        trainer: trains a piece.
    """

    def __init__(self, trainer: Trainer) -> None:
        self.trainer = trainer
        self._shapes: dict[int, tuple[int, int]] = {}  # by program: what fitted

    def train(
        self,
        task: Task,
        shape: tuple[int, int],
        callbacks: Callbacks,
        load: Callable[[], _Arrays | None] = lambda: None,
    ) -> dict[str, np.ndarray]:
        """Train all rows with all seeds of a task, or go on from a checkpoint.

        Arguments:
            task: what to train.
            shape: number of rows and of seeds to which parts of the program are padded.
            callbacks: what happens between two segments.
            load: what `callbacks` was given to save last, if anything.

        Returns:
            The variables of the dataset as arrays [rows, seeds, ...].

        Raises:
            ValueError: memory does not hold one replica a device.
            Stopped: `callbacks` asked for it; what was done is in the last checkpoint.
        """
        pieces, saves = self._open(task, shape, load()), Saves(callbacks)
        known = self._shapes.get(id(task.program), shape)
        if known != pieces.shape:
            self._cut(pieces, known)
        while pieces.pending:
            shortage = self._try(pieces, callbacks)
            if shortage is not None:
                self._halve(pieces, shortage, load)
            elif pieces.pending:
                saves.pause(pieces.checkpoint)
        assert pieces.block is not None
        return pieces.block

    def _open(self, task: Task, shape: tuple[int, int], checkpoint: _Arrays | None) -> Pieces:
        """Where a checkpoint says that the task is; its beginning where there is none."""
        if checkpoint is None or "pieces" not in checkpoint:
            return Pieces.whole(task, shape, checkpoint)
        empty = task.layout.empty(len(task.rows), len(task.seeds))
        reason = unfit_pieces(checkpoint, empty)
        if reason is None:
            pieces = Pieces.restore(task, checkpoint)
            self._shapes[id(task.program)] = pieces.shape
            return pieces
        log.warning(_AGAIN, reason)
        return Pieces.whole(task, shape, None)

    def _try(self, pieces: Pieces, callbacks: Callbacks) -> str | None:
        """Train the piece at hand, or say why memory does not hold it.

        An error keeps the arrays of all functions that it went through: it must not leave this one.
        """
        piece = pieces.pending[0]
        inner, start = pieces.callbacks(callbacks), pieces.starts.get(piece)
        try:
            results = self.trainer.train(pieces.task_of(piece), pieces.shape, inner, start)
        except (MemoryError, jax.errors.JaxRuntimeError) as error:
            text = shortage_of(error)
            if text is None:
                raise
            return text
        pieces.take(piece, results)
        return None

    def _halve(self, pieces: Pieces, shortage: str, load: Callable[[], _Arrays | None]) -> None:
        """Cut what is pending into smaller pieces, which go on from the last checkpoint.

        Raises:
            ValueError: there is nothing to halve.
        """
        mesh, task, piece = self.trainer.compiler.mesh, pieces.task, pieces.pending[0]
        sharing = sharing_advice(mesh.devices.flat[0])
        smaller = smaller_shape(piece.shape, pieces.shape, mesh.size)
        if smaller is None:
            expected = "room for one network a device"
            advice = f"make the batch or the network smaller, or free memory{sharing}"
            raise fail("memory", expected, shortage, advice, described=True)
        self.trainer.forget()
        gc.collect()
        log.warning(
            "out of memory with %d networks at once (%s); %d at once from here on%s",
            math.prod(piece.shape),
            shortage[:_LONGEST],
            math.prod(smaller),
            sharing,
        )
        saved = self._open(task, pieces.shape, load())
        if saved.pending[0] == piece and piece in saved.starts:
            pieces.starts[piece] = saved.starts[piece]
        self._cut(pieces, smaller)

    def _cut(self, pieces: Pieces, shape: tuple[int, int]) -> None:
        """Train no larger pieces of the program from here on."""
        for piece, start in list(pieces.starts.items()):
            reason = self.trainer.unfit(pieces.task_of(piece), pieces.shape, start)
            if reason is not None:
                log.warning(_AGAIN, reason)
                del pieces.starts[piece]
        pieces.cut(shape, self.trainer.compiler.mesh.size)
        self._shapes[id(pieces.task.program)] = shape


def sharing_advice(device: Any) -> str:
    """What to do where another process may hold the device's memory; empty where that is no matter.

    JAX takes three quarters of a GPU for the first process that comes, whatever that needs. The
    memory plan follows the setting named here, and no other.
    """
    if device.platform != "gpu":
        return ""
    return "; if processes share a GPU, start each with XLA_PYTHON_CLIENT_MEM_FRACTION=0.1 or so"


def smaller_shape(
    piece: tuple[int, int], usual: tuple[int, int], devices: int
) -> tuple[int, int] | None:
    """Half a piece, so that devices hold fewer replicas; None where none has more than one.

    Seeds are halved before rows: the rows of a seed share its random numbers.

    Arguments:
        piece: rows and seeds.
        usual: rows and seeds to which it is padded.
        devices: number of devices that share the replicas.

    >>> smaller_shape((3, 4), (3, 4), 1), smaller_shape((5, 1), (8, 1), 1)
    ((3, 2), (3, 1))
    >>> smaller_shape((1, 4), (1, 4), 4) is None
    True
    """
    held = math.prod(Lanes.fill(*piece, usual, devices).shape)
    rows, seeds = piece
    while (rows, seeds) != (1, 1):
        rows, seeds = (rows, -(-seeds // 2)) if seeds > 1 else (-(-rows // 2), 1)
        if math.prod(Lanes.fill(rows, seeds, (rows, seeds), devices).shape) < held:
            return rows, seeds
    return None
