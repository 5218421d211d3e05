"""What a store says besides its data: made first, in one rename, and restored where damaged."""

import contextlib
import dataclasses
import errno
import json
import os
import shutil
import uuid
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from jaxsup.sweep.memory import format_bytes
from jaxsup.sweep.store import journal
from jaxsup.sweep.store.plan import Plan
from jaxsup.sweep.store.read import log
from jaxsup.sweep.store.schema import LAYOUT_VERSION, Layout


class Metadata:
    """Groups, arrays without data, coordinates and the manifest of a sweep's folder.

    Attributes:
        path: the folder.
        layout: the dataset.
        plan: how it is cut.
        machine: what trains: versions and devices.
    """

    def __init__(self, path: Path, layout: Layout, plan: Plan, machine: Mapping[str, Any]) -> None:
        self.path, self.layout, self.plan, self.machine = path, layout, plan, machine

    def create(self) -> None:
        """Make the folder, unless another process is faster.

        Raises:
            OSError: it cannot be written, or there is no room for the dataset.
        """
        free = shutil.disk_usage(_existing(self.path)).free
        if self.layout.nbytes > free:
            raise OSError(
                f"{self.path}: expected room for {format_bytes(self.layout.nbytes)}; "
                f"got {format_bytes(free)} that are free; record less or choose another disk"
            )
        with explained(self.path), self._skeleton() as skeleton:
            try:
                skeleton.rename(self.path)
            except OSError as error:
                # Another process was faster; its store is checked like any other.
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise

    def check_configuration(self) -> None:
        """Raise unless the folder holds this sweep.

        Raises:
            ValueError: it holds another one, or none.
        """
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
        changes = differences(_identity(attributes), _identity(self.layout.attributes()))
        raise ValueError(
            f"{self.path}: expected the sweep that it holds; got another one, {changes}; "
            "choose another folder, or the old configuration"
        )

    def restore(self) -> None:
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
        with explained(self.path), self._skeleton() as skeleton:
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


@contextlib.contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn what the system says of a full disk or lost permission into one clear line.

    Raises:
        OSError: as it was, with a line that says what is whole and how to go on.
    """
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        raise type(error)(
            f"{path}: expected room to write; got {os.strerror(error.errno)!r}; what is "
            "stored is whole: mend that, then go on with --resume (resume=True)"
        ) from None


def _identity(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """What the numbers of a store depend on, by name, as its attributes have it."""
    updates = json.loads(attributes.get("update_identities", "[]"))
    return {
        **json.loads(attributes["configuration"]),
        "precision": attributes["precision"],
        "updates": {str(number): identity for number, identity in enumerate(updates, 1)},
    }


def differences(stored: Any, ours: Any) -> str:
    """Which fields differ between two configurations, and how.

    >>> differences({"optimizer": {"rate": 0.1}, "seeds": 2}, {"optimizer": {"rate": 0.5}})
    'optimizer.rate 0.5 instead of 0.1, seeds absent instead of 2'
    """
    stored_fields, our_fields = dict(_flatten(stored)), dict(_flatten(ours))
    texts = []
    for name in dict.fromkeys([*stored_fields, *our_fields]):
        before, after = stored_fields.get(name, "absent"), our_fields.get(name, "absent")
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
