"""What a store says besides its data: made first, and restored where damaged."""

import contextlib
import dataclasses
import errno
import json
import os
import shutil
import time
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from jaxsup.sweep.memory import format_bytes
from jaxsup.sweep.store import journal
from jaxsup.sweep.store.facts import Facts, facts_from
from jaxsup.sweep.store.files import (
    check_place,
    check_read,
    checksum,
    clear_place,
    damage_of,
    force,
    tell_damages,
)
from jaxsup.sweep.store.identity import differences, identity_of
from jaxsup.sweep.store.place import patiently
from jaxsup.sweep.store.plan import Plan, existing
from jaxsup.sweep.store.read import log
from jaxsup.sweep.store.root import read_facts, root_data
from jaxsup.sweep.store.schema import Layout

# Making a store takes another process no longer than that, unless it was killed.
_MAKING_SECONDS = 3.0


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
        """Make the folder, or complete it where another process has begun.

        The journal comes first, by one rename: whose is there first has the say. All other files
        follow from it, so that `restore` completes what was killed on its way.

        Raises:
            OSError: it cannot be written, or there is no room for the dataset.
        """
        free = shutil.disk_usage(existing(self.path)).free
        if self.layout.nbytes > free:
            raise OSError(
                f"{self.path}: expected room for {format_bytes(self.layout.nbytes)}; "
                f"got {format_bytes(free)} that are free; record less or choose another disk"
            )
        with explained(self.path):
            patiently(self._make)

    def _make(self) -> None:
        ours = not self.path.exists()
        self.path.mkdir(parents=True, exist_ok=True)
        try:
            with self._skeleton() as skeleton:
                files = sorted(file.relative_to(skeleton) for file in _files(skeleton))
                try:
                    (skeleton / journal.FOLDER).rename(self.path / journal.FOLDER)
                except OSError as error:
                    if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                        raise
                    return  # another process was faster: its store is checked like any other
                for file in sorted(files, key=lambda file: str(file) == journal.ROOT):
                    if file.parts[0] != journal.FOLDER:
                        (self.path / file).parent.mkdir(parents=True, exist_ok=True)
                        (skeleton / file).replace(self.path / file)
        except OSError:
            if ours:
                with contextlib.suppress(OSError):
                    self.path.rmdir()  # if nothing came of it
            raise

    def wait_until_made(self) -> None:
        """Give another process that is making the folder the time to complete it."""
        deadline = time.monotonic() + _MAKING_SECONDS
        while not (self.path / journal.ROOT).exists() and time.monotonic() < deadline:
            time.sleep(0.02)

    def check_configuration(self) -> None:
        """Raise unless the folder holds this sweep.

        Raises:
            ValueError: it holds another one, or none.
        """
        facts, _ = read_facts(self.path)
        if facts is None:
            raise ValueError(
                f"{self.path}: expected the folder of a sweep; got one whose {journal.ROOT} and "
                f"{journal.MANIFEST} tell none; choose another folder"
            )
        if facts.fingerprint == self.layout.fingerprint:
            return
        ours = identity_of(self.layout.attributes())
        changes = differences(identity_of(facts.attributes), ours)
        raise ValueError(
            f"{self.path}: expected the sweep that it holds; got another one, {changes}; "
            "choose another folder, or the old configuration"
        )

    def restore(self) -> None:
        """Write metadata and coordinates that are damaged again: all follow from the sweep.

        Raises:
            ValueError: a link would lead what is written out of the store.
            OSError: something cannot be read, or written.
        """
        check_place(self.path, journal.MANIFEST)
        facts, damages = read_facts(self.path)
        if facts is not None:
            damages += damage_of(self.path, facts.files, None)
        root = journal.read_document(self.path / journal.ROOT) or {}
        if not any(damage.path == journal.ROOT for damage in damages) and (
            not root.get("consolidated_metadata")
        ):
            damages.append(journal.Damage(journal.ROOT, None, "it lacks the arrays' metadata"))
        check_read(self.path, damages)
        if not damages:
            return
        log.warning("%s: %s; written again", self.path, tell_damages(damages))
        with explained(self.path), self._skeleton() as skeleton:
            fresh = self._facts(skeleton)
            if facts is not None and set(facts.files) == set(fresh.files):
                names = {damage.path for damage in damages} - {journal.ROOT}
                # Library versions may word the same metadata otherwise: take over their checksums.
                files = {n: (fresh if n in names else facts).files[n] for n in fresh.files}
                whole = dataclasses.replace(facts, files=files)
            else:
                names = {damage.path for damage in damage_of(self.path, fresh.files, None)}
                whole = fresh
            for name in sorted(names & set(fresh.files)):
                data = (skeleton / name).read_bytes()
                journal.write_atomically(clear_place(self.path, name), data)
            self._write_facts(self.path, whole)

    def _write_facts(self, folder: Path, facts: Facts) -> None:
        """Write the manifest and the root of a folder that has all else."""
        manifest = {**facts.attributes, "files": facts.files}
        journal.write_group(clear_place(folder, journal.MANIFEST), manifest)
        journal.write_atomically(clear_place(folder, journal.ROOT), root_data(folder, facts))

    @contextlib.contextmanager
    def _skeleton(self) -> Iterator[Path]:
        """A store with all but the data, in a folder within ours."""
        folder = self.path / f".skeleton.{uuid.uuid4().hex}.partial"
        try:
            self._write_skeleton(folder)
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _write_skeleton(self, folder: Path) -> None:
        import zarr
        from zarr.codecs import Crc32cCodec, ZstdCodec

        dataset = self.layout.dataset()
        dataset.attrs = attributes_of(self.layout, self.plan, self.machine)
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
        for path in folder.rglob("*"):
            if path.is_file():
                force(path)
        self._write_facts(folder, self._facts(folder))

    def _facts(self, skeleton: Path) -> Facts:
        """The facts of a store of which all is there but the data."""
        attributes = journal.read_attributes(skeleton / journal.ROOT)
        paths = sorted(path for path in skeleton.rglob("*") if path.is_file())
        sums = {str(path.relative_to(skeleton)): checksum(path) for path in paths}
        files = {n: s for n, s in sums.items() if n not in (journal.ROOT, journal.MANIFEST)}
        facts = facts_from(attributes, files)
        assert facts is not None
        return facts


def attributes_of(layout: Layout, plan: Plan, machine: Mapping[str, Any]) -> dict[str, Any]:
    """What a store of this layout, cut so and begun on that machine, says of itself."""
    return {
        **layout.attributes(),
        **machine,
        "plan": json.dumps(dataclasses.asdict(plan)),
        "schema": json.dumps(layout.schema()),
    }


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


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())
