"""What all contenders of the two features train, and how their networks are compared."""

import dataclasses
from typing import Any

from benchmarks.held_out import autoencoder_loss, sparse_samples

DENSITY, IMPORTANCE, CHECK_STEPS = 0.3, 0.7, 80


@dataclasses.dataclass(frozen=True)
class Case:
    """How many networks, and whether they share a seed's random numbers.

    Attributes:
        side: settings are side x side; with 1, networks are seeds.
        checked: networks whose losses are compared.
        seconds: how long a turn lasts.
        folder: where the first contender leaves the starting weights.
    """

    side: int
    seeds: int
    checked: int = 400
    batch: int = 64
    learning_rate: float = 1e-2
    seconds: float = 4.0
    folder: str = ""

    @property
    def networks(self) -> int:
        """Settings x seeds."""
        return self.side**2 * self.seeds


def held_out_losses(Ws: Any, cs: Any) -> list[float]:
    """Losses of networks of the one setting, W [networks, 1, 2], on the same samples."""
    import numpy as np

    x = sparse_samples(np.full(2, DENSITY), 1.0)
    weights = np.array([1.0, IMPORTANCE])
    return [autoencoder_loss(W, c, x, weights) for W, c in zip(Ws, cs, strict=True)]
