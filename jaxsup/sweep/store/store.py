"""The folder that a sweep fills: a Zarr group of the labelled dataset, committed tile by tile.

Everything but the data is written first, in one rename. A tile is one chunk of every variable, so
that committing it touches nobody else's files: processes write to one store without locks.
"""

import contextlib
import dataclasses
import errno
import json
import os
import shutil
import uuid
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxsup.sweep.memory import format_bytes
from jaxsup.sweep.processes import Share
from jaxsup.sweep.store import journal
from jaxsup.sweep.store.checkpoint import Checkpoint
from jaxsup.sweep.store.read import check_version, log, open_whole
from jaxsup.sweep.store.schema import LAYOUT_VERSION, Layout, machine
from jaxsup.sweep.work import Part, Tile

if TYPE_CHECKING:
    import xarray as xr


@dataclasses.dataclass(frozen=True)
class Plan:
    """How a store is cut, fixed when it is made.

    Attributes:
        tile: sizes of a tile over (axes..., seed).
        widths: padded widths that a scan over the latent dimension compiles to.
        capacities: replicas that each program trains at once, unless a later run says otherwise.
    """

    tile: tuple[int, ...]
    widths: int
    capacities: tuple[int, ...]


def check_store(store: str | Path, *, join: bool = False) -> None:
    """Raise unless a sweep can be written at `store`: before anything expensive starts.

    Arguments:
        join: whether a store that is there may be filled further.

    Raises:
        FileExistsError: something is there already, and `join` is not set.
        OSError: the folder cannot be written.
    """
    path = Path(store)
    if path.exists() and not join:
        raise FileExistsError(
            f"{path}: expected a new folder; got one that exists; "
            "choose another, or go on with it by --resume (resume=True)"
        )
    if path.exists() and not path.is_dir():
        raise NotADirectoryError(
            f"{path}: expected a folder; got a file of that name; choose another place"
        )
    existed = path.exists()
    try:
        _write_probe(path)
        if not existed:
            with contextlib.suppress(OSError):  # not empty: another process has begun
                path.rmdir()
    except OSError as error:
        raise PermissionError(
            f"{path}: expected a folder that can be written; got {error.strerror!r}; "
            "choose another place"
        ) from None


def _write_probe(path: Path) -> None:
    """Make the folder and a file in it. Another process may take the empty folder away between."""
    for last in (False,) * 20 + (True,):
        path.mkdir(parents=True, exist_ok=True)
        probe = path / f"probe.{uuid.uuid4().hex}"
        try:
            probe.touch()
        except FileNotFoundError:
            if last:
                raise
        else:
            probe.unlink()
            return


class Store:
    """A sweep's folder, open for writing."""

    def __init__(
        self, path: Path, layout: Layout, plan: Plan, devices: list[Any], share: Share
    ) -> None:
        self.path, self.layout, self.plan, self.share = path, layout, plan, share
        self.machine = machine(devices)
        self._arrays: dict[str, Any] = {}

    @staticmethod
    def read_plan(store: str | Path) -> Plan | None:
        """The plan of a store that is there; None where there is none yet.

        Raises:
            ValueError: what is there is no store that can be filled further.
        """
        path = Path(store)
        if not path.exists() or not any(path.iterdir()):
            return None
        for name in (journal.MANIFEST, journal.ROOT):
            attributes = journal.read_attributes(path / name) or {}
            if "plan" in attributes:
                check_version(path, attributes, writing=True)
                plan = json.loads(attributes["plan"])
                return Plan(tuple(plan["tile"]), plan["widths"], tuple(plan["capacities"]))
        check_version(path, journal.read_attributes(path / journal.ROOT), writing=True)
        raise ValueError(
            f"{path}: expected the folder of a sweep; got one whose {journal.ROOT} and "
            f"{journal.MANIFEST} tell no plan; choose another folder"
        )

    @classmethod
    def open(
        cls, path: Path, layout: Layout, plan: Plan, devices: list[Any], share: Share
    ) -> "Store":
        """Make the store, or join one that is there; metadata that is damaged is restored.

        The plan of the process that makes it is everybody's: see `plan`.

        Raises:
            ValueError: the store holds another sweep.
            OSError: it cannot be written, or there is no room for the dataset.
        """
        store = cls(path, layout, plan, devices, share)
        if path.exists() and any(path.iterdir()):
            store._check_configuration()
        if not share.coordinated or share.index == 0:
            if not path.exists() or not any(path.iterdir()):
                store._create()
                store._check_configuration()
            store._restore_metadata()
        share.meet("store")
        store.plan = cls.read_plan(path) or plan
        return store

    def stored(self) -> set[str]:
        """Names of the tiles that are stored whole. Damaged ones are named and given up."""
        whole, damages = journal.survey(self.path, self.layout.fingerprint)
        for damage in damages:
            log.warning("%s: %s; this chunk is trained again", self.path, damage)
            if damage.tile is not None:
                index = [int(number) for number in damage.tile.split(".")]
                (self.path / self._file("complete", index)).unlink(missing_ok=True)
                journal.record_path(self.path, damage.tile).unlink(missing_ok=True)
        return set(whole)

    def commit(self, part: Part, block: Mapping[str, np.ndarray], seconds: float) -> None:
        """Write a part's tiles, arrays [points, seeds, ...], each whole or not at all.

        Raises:
            OSError: the disk is full, or not ours any more.
        """
        points, seeds = part.points, part.seeds
        order = np.argsort(points)
        with self._explain():
            for tile in part.tiles:
                rows = order[np.searchsorted(points[order], tile.points)]
                columns = np.searchsorted(seeds, tile.seeds)
                for name in self.layout.variables:
                    self._write(name, tile, block[name][np.ix_(rows, columns)])
                files = [self._file(name, tile.index) for name in self.layout.variables]
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
            with self._explain():
                self._checkpoint(part).save(arrays)

        return save

    def dataset(self) -> "xr.Dataset":
        """The dataset as it stands; the process that finds it finished puts the totals on it."""
        whole, _ = journal.survey(self.path, self.layout.fingerprint)
        total = sum(1 for _ in self._tiles())
        if len(whole) == total:
            with self._explain():
                self._finish(whole)
        return open_whole(self.path)

    def _finish(self, whole: Mapping[str, Mapping[str, Any]]) -> None:
        """Put totals on a finished store and clear what interrupted processes left."""
        root = json.loads((self.path / journal.ROOT).read_bytes())
        seconds = round(sum(record["seconds"] for record in whole.values()), 3)
        root["attributes"].update(self.machine, seconds=seconds)
        journal.write_atomically(self.path / journal.ROOT, json.dumps(root, indent=1).encode())
        for leftover in self.path.rglob("*.partial"):
            leftover.unlink(missing_ok=True)

    def _create(self) -> None:
        free = shutil.disk_usage(_existing(self.path)).free
        if self.layout.nbytes > free:
            raise OSError(
                f"{self.path}: expected room for {format_bytes(self.layout.nbytes)}; "
                f"got {format_bytes(free)} that are free; record less or choose another disk"
            )
        with self._explain(), self._skeleton() as skeleton:
            try:
                skeleton.rename(self.path)
            except OSError as error:
                # Another process was faster; its store is checked like any other.
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise

    @contextlib.contextmanager
    def _skeleton(self) -> Iterator[Path]:
        """A store with all but the data, in a folder beside ours."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        folder = self.path.parent / f".{self.path.name}.{uuid.uuid4().hex}.partial"
        try:
            self._write_skeleton(folder)
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _write_skeleton(self, folder: Path) -> None:
        import zarr
        from zarr.codecs import Crc32cCodec, ZstdCodec

        plan = json.dumps(dataclasses.asdict(self.plan))
        dataset = self.layout.dataset()
        dataset.attrs.update(self.machine, plan=plan)
        dataset.to_zarr(folder, mode="w-", zarr_format=3, consolidated=False)
        group = zarr.open_group(folder, mode="r+")
        for name, variable in self.layout.variables.items():
            group.create_array(
                name,
                shape=(*self.layout.shape, *variable.shape),
                chunks=(*self.plan.tile, *variable.shape),
                dtype=variable.dtype,
                fill_value=variable.fill,
                compressors=[ZstdCodec(), Crc32cCodec()],
                dimension_names=(*self.layout.dims, *variable.dims),
                attributes=variable.attrs,
            )
        journal.write_group(folder / journal.MANIFEST, {})
        with warnings.catch_warnings():
            # Consolidated metadata is not in the specification of format 3 yet; readers that do
            # not know it lose nothing.
            warnings.filterwarnings("ignore", message="Consolidated metadata", category=UserWarning)
            zarr.consolidate_metadata(folder)
        files = sorted(p for p in folder.rglob("*") if p.is_file())
        sums = {str(p.relative_to(folder)): journal.checksum(p) for p in files}
        volatile = (journal.ROOT, journal.MANIFEST)
        manifest = {
            "layout_version": LAYOUT_VERSION,
            "fingerprint": self.layout.fingerprint,
            "configuration": dataset.attrs["configuration"],
            "precision": dataset.attrs["precision"],
            "plan": plan,
            "files": {name: value for name, value in sums.items() if name not in volatile},
        }
        journal.write_group(folder / journal.MANIFEST, manifest)

    def _check_configuration(self) -> None:
        """Raise unless the store holds this sweep."""
        for name in (journal.MANIFEST, journal.ROOT):
            attributes = journal.read_attributes(self.path / name)
            if attributes and "fingerprint" in attributes:
                break
        else:
            raise ValueError(
                f"{self.path}: expected the folder of a sweep; got one without {journal.ROOT}; "
                "choose another folder"
            )
        if attributes["fingerprint"] == self.layout.fingerprint:
            return
        stored = {**json.loads(attributes["configuration"]), "precision": attributes["precision"]}
        ours = self.layout.attributes()
        given = {**json.loads(ours["configuration"]), "precision": ours["precision"]}
        raise ValueError(
            f"{self.path}: expected the sweep that it holds; got another one, "
            f"{differences(stored, given)}; choose another folder, or the old configuration"
        )

    def _restore_metadata(self) -> None:
        """Write metadata and coordinates that are damaged again: all follow from the sweep."""
        manifest = journal.read_attributes(self.path / journal.MANIFEST)
        root = journal.read_attributes(self.path / journal.ROOT)
        damages = []
        if manifest is None or "files" not in manifest:
            damages.append(journal.Damage(journal.MANIFEST, None, "it cannot be read"))
        else:
            damages += journal.damage_of(self.path, manifest["files"], None)
        if root is None:
            damages.append(journal.Damage(journal.ROOT, None, "it cannot be read"))
        if not damages:
            return
        with self._explain(), self._skeleton() as skeleton:
            for damage in damages:
                log.warning("%s: %s; it is written again", self.path, damage)
                journal.write_atomically(
                    self.path / damage.path, (skeleton / damage.path).read_bytes()
                )
            # Library versions may word the same metadata otherwise: take over their checksums.
            fresh = journal.read_attributes(skeleton / journal.MANIFEST) or {}
            for name in fresh["files"]:
                fresh["files"][name] = journal.checksum(self.path / name)
            journal.write_group(self.path / journal.MANIFEST, fresh)

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
            "devices": str(self.machine["device_count"]),
            "versions": f"{self.machine['jaxsup_version']} {self.machine['jax_version']}",
        }
        name = f"unfinished.{names[0]}.safetensors"
        return Checkpoint(self.path / journal.FOLDER / name, marks)

    @contextlib.contextmanager
    def _explain(self) -> Iterator[None]:
        """Turn what the system says of a full disk or lost permission into one clear line."""
        try:
            yield
        except OSError as error:
            if error.errno is None:
                raise
            raise type(error)(
                f"{self.path}: expected room to write; got {os.strerror(error.errno)!r}; what is "
                "stored is whole: mend that, then go on with --resume (resume=True)"
            ) from None


def differences(stored: Any, given: Any) -> str:
    """Which fields differ between two configurations, and how.

    >>> differences({"optimizer": {"rate": 0.1}, "seeds": 2}, {"optimizer": {"rate": 0.5}})
    'optimizer.rate 0.5 instead of 0.1, seeds absent instead of 2'
    """
    one, other = dict(_flatten(stored)), dict(_flatten(given))
    texts = []
    for name in dict.fromkeys([*one, *other]):
        before, after = one.get(name, "absent"), other.get(name, "absent")
        if before != after:
            texts.append(f"{name} {_short(after)} instead of {_short(before)}")
    return ", ".join(texts)


def _flatten(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _flatten(item, f"{path}.{key}" if path else key)
    else:
        yield path, value


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 40 else text[:37] + "..."


def _existing(path: Path) -> Path:
    """The nearest folder above that is there."""
    path = path.absolute()
    while not path.exists():
        path = path.parent
    return path
