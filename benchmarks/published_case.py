"""What all contenders of the published sweep train, and how their networks are compared."""

import dataclasses
from typing import Any

from benchmarks.held_out import autoencoder_loss, frequencies, sparse_samples

CHECK_STEPS = 60


@dataclasses.dataclass(frozen=True)
class Case:
    """The slice, and a smaller one whose losses are compared: the same code at other sizes.

    Attributes:
        checked: widths of the smaller one.
        seconds: how long a turn lasts at least.
        folder: where the first contender leaves the starting weights.
    """

    features: int = 1000
    latents: tuple[int, ...] = (10, 15, 25, 39, 63, 100)
    batch: int = 2048
    exponents: tuple[float, ...] = (1.0, 1.125, 1.25, 1.375, 1.5, 1.625, 1.75, 1.875, 2.0)
    decay: float = -0.5
    learning_rate: float = 1e-2
    checked: tuple[int, ...] = (6, 12)
    seconds: float = 5.0
    folder: str = ""

    @property
    def networks(self) -> int:
        """Of the slice."""
        return len(self.latents) * len(self.exponents)

    @property
    def small(self) -> "Case":
        """What is compared: few features and samples."""
        return dataclasses.replace(self, features=60, latents=self.checked, batch=128)


def held_out_loss(W: Any, c: Any, exponent: float) -> float:
    """Loss of a trained network on the samples that all contenders share."""
    x = sparse_samples(frequencies(W.shape[1], exponent), 2.0)
    return autoencoder_loss(W, c, x, 1.0)
