"""What happens between two segments of training: reports, checkpoints, requests to stop."""

import dataclasses
import time
from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from jaxsup._internal.display import fields_in_short


class Stopped(Exception):  # noqa: N818 - a request, not an error
    """Training ended early, as it was asked to."""


@dataclasses.dataclass(frozen=True)
class PartProgress:
    """How far a part is.

    Attributes:
        network_steps: updates made, summed over its replicas.
        diverged: replicas of the part that have diverged.
        losses: losses recorded last, [points, seeds], NaN where diverged.
    """

    network_steps: int
    diverged: int
    losses: Float[np.ndarray, "points seeds"]
    __repr__ = fields_in_short


def never() -> bool:
    """Nobody asks to stop."""
    return False


@dataclasses.dataclass(frozen=True)
class Callbacks:
    """What happens between two segments.

    Attributes:
        report: called after every segment.
        stop: whether to end now.
        save: keeps a checkpoint, a mapping from names to arrays; None where there is no store.
        save_every: seconds between two checkpoints at least.
    """

    report: Callable[[PartProgress], None] = lambda _: None
    stop: Callable[[], bool] = never
    save: Callable[[dict[str, np.ndarray]], None] | None = None
    save_every: float = 60.0


class Saves:
    """Keeps checkpoints of a run: when it is due, and when training is to stop."""

    def __init__(self, callbacks: Callbacks) -> None:
        self.callbacks = callbacks
        self.saved = time.perf_counter()
        self.seconds = 0.0

    def pause(self, checkpoint: Callable[[], dict[str, np.ndarray]]) -> None:
        """Between two segments.

        Arguments:
            checkpoint: makes one of the run as it stands.

        Raises:
            Stopped: the callbacks asked for it; a checkpoint is kept.
        """
        stopping, save = self.callbacks.stop(), self.callbacks.save
        wait = max(self.callbacks.save_every, 20 * self.seconds)
        if save is not None and (stopping or time.perf_counter() - self.saved > wait):
            began = time.perf_counter()
            save(checkpoint())
            self.saved = time.perf_counter()
            self.seconds = self.saved - began
        if stopping:
            raise Stopped
