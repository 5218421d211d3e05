"""The folder that a sweep fills: a Zarr group of the labeled dataset, committed tile by tile.

Everything but the data is written first. A tile is one chunk of every variable, so that committing
it touches nobody else's files: processes write to one store at once.
"""

import contextlib
import itertools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxsup._internal.display import named
from jaxsup.sweep.processes import Share
from jaxsup.sweep.store import journal
from jaxsup.sweep.store.checkpoint import Checkpoint
from jaxsup.sweep.store.facts import facts_from
from jaxsup.sweep.store.files import check_read, clear_place
from jaxsup.sweep.store.machine import bits, machine, totals
from jaxsup.sweep.store.metadata import Metadata, attributes_of, explained
from jaxsup.sweep.store.place import Place, clear_leftovers, patiently
from jaxsup.sweep.store.plan import Plan, is_blank, read_plan
from jaxsup.sweep.store.read import log, open_whole
from jaxsup.sweep.store.schema import Layout
from jaxsup.sweep.work import Part, Tile

if TYPE_CHECKING:
    import xarray as xr


class Store:
    """A sweep's folder, open for writing.

    Attributes:
        path: the folder.
        layout: the dataset.
        plan: how it is cut, as the process that made it says.
        machine: what trains here: versions and devices.
    """

    def __init__(self, path: Path, layout: Layout, plan: Plan, devices: Sequence[Any]) -> None:
        self.path, self.layout, self.plan = path, layout, plan
        self.machine = machine(list(devices), layout.products(devices[0]))
        self._place = Place(path)
        facts = facts_from(attributes_of(layout, plan, self.machine), {})
        assert facts is not None
        self._facts = facts
        self._arrays: dict[str, Any] = {}
        self._damages: list[journal.Damage] = []

    def __repr__(self) -> str:
        return named(self, f"{self.path}")

    @classmethod
    def open(
        cls,
        path: Path,
        layout: Layout,
        plan: Plan,
        devices: Sequence[Any],
        share: Share,
        *,
        alone: bool = False,
    ) -> "Store":
        """Make the store, or join one that is there; metadata that is damaged is restored.

        Arguments:
            path: the folder.
            layout: the dataset.
            plan: how to cut it. If another process was faster to make it, its plan is everybody's.
            devices: what trains here.
            share: what this process trains.
            alone: whether it trains everything, so that another would do the same work.

        Raises:
            ValueError: the store holds another sweep.
            OSError: it cannot be written, there is no room for the dataset, or another process
                trains all of it.
        """
        here = machine(list(devices), layout.products(devices[0]))
        metadata = Metadata(path, layout, plan, here)
        if not is_blank(path):
            metadata.check_configuration()
        if not share.coordinated or share.index == 0:
            if is_blank(path):
                metadata.create()
                metadata.check_configuration()
            metadata.wait_until_made()
            metadata.restore()
        share.wait_for_all("store")
        store = cls(path, layout, read_plan(path) or plan, devices)
        store._lock(alone=alone)
        return store

    @property
    def kernels(self) -> Path | None:
        """Where the compiler keeps what it found out: whoever goes on has the same kernels."""
        return self.path / journal.FOLDER / "kernels"

    def close(self) -> None:
        """Let others have the folder."""
        self._place.close()

    def stored(self) -> set[str]:
        """Names of the tiles that are stored whole."""
        whole, self._damages = journal.survey(self.path, self._facts)
        return set(whole)

    def claim(self, tiles: set[str]) -> set[str]:
        """Get ready to train these tiles: what is damaged of them is named and given up.

        Files of other tiles are not touched: another process may be writing them.

        Returns:
            The tiles to train: all but those of which a file cannot be read now, but may be later.
        """
        mine = [damage for damage in self._damages if damage.tile in tiles]
        unread = {damage.tile for damage in mine if damage.unread and damage.tile is not None}
        for damage in mine:
            if damage.tile in unread:
                log.warning("%s: %s; this tile is left as it is", self.path, damage)
                continue
            log.warning("%s: %s; this tile is trained again", self.path, damage)
            if damage.tile is not None:
                index = [int(number) for number in damage.tile.split(".")]
                clear_place(self.path, self._file("complete", index)).unlink(missing_ok=True)
                record = str(journal.record_path(Path(), damage.tile))
                clear_place(self.path, record).unlink(missing_ok=True)
        return tiles - unread

    def commit(self, part: Part, block: Mapping[str, np.ndarray], seconds: float) -> None:
        """Write a part's tiles, arrays [points, seeds, ...], each whole or not at all.

        Raises:
            OSError: the disk is full, or not ours any more; or the folder was moved, and the
                tiles were written where it is now.
        """
        self._keep(lambda: self._commit(part, block, seconds))

    def _commit(self, part: Part, block: Mapping[str, np.ndarray], seconds: float) -> None:
        points, seeds = part.points, part.seeds
        order = np.argsort(points)
        for tile in part.tiles:
            rows = order[np.searchsorted(points[order], tile.points)]
            columns = np.searchsorted(seeds, tile.seeds)
            files = [self._file(name, tile.index) for name in self.layout.variables]
            for file in files:
                clear_place(self.path, file)
            for name in self.layout.variables:
                self._write(name, tile, block[name][np.ix_(rows, columns)])
            record = {
                "fingerprint": self.layout.fingerprint,
                "seconds": round(seconds * tile.replicas / part.replicas, 3),
                **self.machine,
            }
            journal.write_record(self.path, tile.name, files, record)
        self._checkpoint(part).forget()

    def checkpoint(self, part: Part) -> dict[str, np.ndarray] | None:
        """Where an earlier run left the part."""
        return self._checkpoint(part).load()

    def saver(self, part: Part) -> Callable[[dict[str, np.ndarray]], None]:
        """What keeps a checkpoint of the part."""

        def save(arrays: dict[str, np.ndarray]) -> None:
            self._keep(lambda: self._checkpoint(part).save(arrays))

        return save

    def dataset(self) -> "xr.Dataset":
        """The dataset as it stands; the process that finds it finished puts the totals on it.

        Raises:
            OSError: a file of it cannot be read now.
        """
        whole, damages = journal.survey(self.path, self._facts)
        check_read(self.path, damages)
        total = sum(1 for _ in self._tiles())
        if len(whole) == total:
            with explained(self.path):
                patiently(lambda: self._finish(whole))
        return open_whole(self.path)

    def _lock(self, *, alone: bool) -> None:
        """Hold the folder, so that no other process does the same work unasked.

        Raises:
            BlockingIOError: another process does, and we would.
        """
        if self._place.lock(alone=alone):
            return
        if not alone:
            log.warning(
                "%s: another process trains all of it now; this share is trained twice", self.path
            )
            return
        self.close()
        raise BlockingIOError(
            f"{self.path}: expected a folder that no process trains into; got one that another "
            "process fills now; wait for it, or share the work by --shard I/N (share=Share(i, n))"
        )

    def _keep(self, write: Callable[[], None]) -> None:
        """Write where the folder is; what is written may be written again.

        Raises:
            FileNotFoundError: the folder was moved or deleted. It is written where the folder is
                now, or else into one beside the place where it was.
            OSError: it cannot be written.
        """
        if not self._place.moved():
            try:
                with explained(self.path):
                    patiently(write)
            except OSError:
                if not self._place.moved():
                    raise
            if not self._place.moved():
                return
        place, before = self._place.found(), self.path
        self.path = place or self._rescue()
        self._arrays.clear()
        with explained(self.path):
            patiently(write)
        text = "moved" if place else "deleted"
        raise FileNotFoundError(
            f"{before}: expected the folder to stay while it is filled; got it {text}; training "
            f"stops, what is at hand is in {self.path}: go on there with --resume (resume=True)"
        )

    def _rescue(self) -> Path:
        """Make a store beside the place of one that is gone."""
        home = self._place.home
        for number in itertools.count(1):
            path = home.with_name(f"{home.name}.rescued" + f".{number}" * (number > 1))
            metadata = Metadata(path, self.layout, self.plan, self.machine)
            if is_blank(path):
                metadata.create()
            with contextlib.suppress(ValueError):  # of another sweep
                metadata.check_configuration()
                if read_plan(path) == self.plan:
                    metadata.wait_until_made()
                    return path
        raise AssertionError

    def _finish(self, whole: Mapping[str, Mapping[str, Any]]) -> None:
        """Put totals on a finished store and clear what interrupted processes left."""
        root = json.loads((self.path / journal.ROOT).read_bytes())
        root["attributes"].update(totals(list(whole.values())))
        journal.write_atomically(self.path / journal.ROOT, json.dumps(root, indent=1).encode())
        clear_leftovers(self.path, self._place)
        # Of parts that were committed just before their process was killed.
        for path in (self.path / journal.FOLDER).glob("unfinished.*.safetensors"):
            path.unlink(missing_ok=True)

    def _write(self, name: str, tile: Tile, values: np.ndarray) -> None:
        import zarr

        if name not in self._arrays:
            with zarr.config.set({"array.write_empty_chunks": True}):
                self._arrays[name] = zarr.open_array(self.path / name, mode="r+")
        shape = tuple(part.stop - part.start for part in tile.region)
        self._arrays[name][tile.region] = values.reshape(*shape, *values.shape[2:])

    def _file(self, name: str, index: Any) -> str:
        inner = [0] * len(self.layout.variables[name].shape)
        return "/".join([name, "c", *map(str, [*index, *inner])])

    def _tiles(self) -> Iterator[tuple[int, ...]]:
        counts = [-(-n // t) for n, t in zip(self.layout.shape, self.plan.tile, strict=True)]
        return iter(np.ndindex(*counts))

    def _checkpoint(self, part: Part) -> Checkpoint:
        names = [tile.name for tile in part.tiles]
        marks = {
            "fingerprint": self.layout.fingerprint,
            "tiles": " ".join(names),
            "shape": str(part.shape),
            **bits(self.machine),
        }
        name = f"unfinished.{names[0]}.safetensors"
        return Checkpoint(self.path / journal.FOLDER / name, marks)
