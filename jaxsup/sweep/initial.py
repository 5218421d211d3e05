"""Parameters from which the networks of a sweep start, by setting and seed."""

import dataclasses
import functools

import numpy as np
from jaxtyping import Int, Integer

from jaxsup.sweep.store.files import digest_arrays


@dataclasses.dataclass(frozen=True, eq=False)
class Initial:
    """Parameters from which the networks of a sweep start.

    Attributes:
        arrays: by name, [axes..., seed, ...]; axes along which they are the same have size 1.
        shape: sizes of the sweep's axes.
        seeds: its seeds.
        origin: where they are from, for people.
    """

    arrays: dict[str, np.ndarray]
    shape: tuple[int, ...]
    seeds: tuple[int, ...]
    origin: str

    @functools.cached_property
    def digest(self) -> str:
        """SHA-256 of the arrays, with their names, types and shapes."""
        return digest_arrays(self.arrays)

    def at(
        self, points: Int[np.ndarray, "lanes slots"], seeds: Integer[np.ndarray, " lanes"]
    ) -> dict[str, np.ndarray]:
        """The arrays of replicas, [lanes, slots, ...].

        Arguments:
            points: flat indices into the sweep's grid.
            seeds: the seeds of the lanes.
        """
        places = {seed: place for place, seed in enumerate(self.seeds)}
        lanes = np.array([places[seed] for seed in seeds.tolist()])
        settings = np.unravel_index(points, self.shape) if self.shape else ()
        index = (*settings, np.broadcast_to(lanes[:, None], points.shape))
        return {
            name: array[
                tuple(np.minimum(i, n - 1) for i, n in zip(index, array.shape, strict=False))
            ]
            for name, array in self.arrays.items()
        }
