"""Where trained parts go: into memory, or into a store."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from jaxsup.sweep.store.machine import machine
from jaxsup.sweep.store.schema import Layout
from jaxsup.sweep.work import Part

if TYPE_CHECKING:
    import xarray as xr


@runtime_checkable
class Results(Protocol):
    """Where trained parts go."""

    @property
    def kernels(self) -> Path | None:
        """Folder for what the compiler found out about kernels; None: it finds out anew."""
        ...

    def stored(self) -> set[str]:
        """Names of the tiles that are there already."""
        ...

    def claim(self, tiles: set[str]) -> set[str]:
        """Get ready to train the tiles of these names, and return those that can be."""
        ...

    def commit(self, part: Part, block: dict[str, np.ndarray], seconds: float) -> None:
        """Keep arrays [points, seeds, ...]."""
        ...

    def checkpoint(self, part: Part) -> dict[str, np.ndarray] | None:
        """Where an earlier run left the part."""
        ...

    def saver(self, part: Part) -> Callable[[dict[str, np.ndarray]], None] | None:
        """What keeps a checkpoint of the part."""
        ...

    def dataset(self) -> "xr.Dataset":
        """All that is there, labeled."""
        ...

    def close(self) -> None:
        """Nothing is kept from here on."""
        ...


class MemoryResults:
    """Results that stay in memory.

    Arguments:
        layout: the dataset.
        devices: what trains here.
        began: when the run began, by `time.perf_counter`.
    """

    @property
    def kernels(self) -> None:
        return None

    def __init__(self, layout: Layout, devices: Sequence[Any], began: float) -> None:
        self.layout, self.devices, self.began = layout, list(devices), began
        points, seeds = layout.sweep.points, len(layout.sweep.seeds)
        self.arrays = layout.empty(points, seeds)

    def stored(self) -> set[str]:
        return set()

    def claim(self, tiles: set[str]) -> set[str]:
        return tiles

    def commit(self, part: Part, block: dict[str, np.ndarray], seconds: float) -> None:
        del seconds
        for name, values in block.items():
            self.arrays[name][np.ix_(part.points, part.seeds)] = values

    def checkpoint(self, part: Part) -> None:
        del part

    def saver(self, part: Part) -> None:
        del part

    def dataset(self) -> "xr.Dataset":
        seconds = round(time.perf_counter() - self.began, 3)
        dataset = self.layout.dataset(self.arrays)
        here = machine(self.devices, self.layout.products(self.devices[0]))
        return dataset.assign_attrs(**here, seconds=seconds)

    def close(self) -> None:
        pass
