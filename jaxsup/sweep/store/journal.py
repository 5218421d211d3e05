"""What a store says of its own files: a manifest, a record for each tile, their checksums.

Both are Zarr groups without arrays, whose attributes say which files belong together and what
their SHA-256 is. A tile counts as stored when its record is there and every file it names is as
the record says; the record is written last, by a rename.
"""

import hashlib
import json
import os
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

FOLDER = "journal"
MANIFEST = "journal/zarr.json"
ROOT = "zarr.json"


class Damage(NamedTuple):
    """Something that is not as it was written.

    Attributes:
        path: the file, below the store.
        tile: the tile that it belongs to; None for metadata.
        why: what is wrong with it.
    """

    path: str
    tile: str | None
    why: str

    def __str__(self) -> str:
        return f"{self.path}: {self.why}"


def checksum(path: Path) -> str:
    """SHA-256 of a file, which is forced to the disk on the way."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file so that it is there whole or not at all, also after a power cut.

    Raises:
        OSError: the system cannot write it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{uuid.uuid4().hex}.partial")
    try:
        with partial.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError:
        partial.unlink(missing_ok=True)
        raise
    _force_folder(path.parent)


def write_group(path: Path, attributes: Mapping[str, Any]) -> None:
    """Write a Zarr group that holds attributes alone."""
    group = {"zarr_format": 3, "node_type": "group", "attributes": attributes}
    write_atomically(path, json.dumps(group, indent=1).encode())


def read_attributes(path: Path) -> dict[str, Any] | None:
    """Attributes of a Zarr group; None where the file is missing or cannot be read."""
    try:
        attributes = json.loads(path.read_bytes())["attributes"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return attributes if isinstance(attributes, dict) else None


def record_path(store: Path, tile: str) -> Path:
    """The record of a tile."""
    return store / FOLDER / tile / "zarr.json"


def write_record(store: Path, tile: str, files: list[str], attributes: Mapping[str, Any]) -> None:
    """Commit a tile whose files have been written."""
    sums = {name: checksum(store / name) for name in files}
    for folder in {(store / name).parent for name in files}:
        _force_folder(folder)
    write_group(record_path(store, tile), {**attributes, "files": sums})


def records(store: Path) -> Iterator[tuple[str, dict[str, Any] | None]]:
    """Names of the tiles that have a record, and its attributes; None where it is unreadable."""
    for folder in sorted((store / FOLDER).iterdir()):
        if folder.is_dir() and (folder / "zarr.json").exists():
            yield folder.name, read_attributes(folder / "zarr.json")


def damage_of(store: Path, files: Mapping[str, str], tile: str | None) -> list[Damage]:
    """Which of these files are not as their checksums say."""
    damages = []
    for name, expected in files.items():
        path = store / name
        if not path.is_file():
            damages.append(Damage(name, tile, "missing"))
        elif checksum(path) != expected:
            damages.append(Damage(name, tile, "its checksum differs"))
    return damages


def survey(store: Path, fingerprint: str) -> tuple[dict[str, dict[str, Any]], list[Damage]]:
    """Records of the tiles that are stored whole, by name, and what is wrong with the others."""
    whole: dict[str, dict[str, Any]] = {}
    damages = []
    for tile, attributes in records(store):
        name = str(record_path(Path(), tile))
        if attributes is None or not isinstance(attributes.get("files"), dict):
            damages.append(Damage(name, tile, "it cannot be read"))
            continue
        if attributes.get("fingerprint") != fingerprint:
            damages.append(Damage(name, tile, "it belongs to another configuration"))
            continue
        wrong = damage_of(store, attributes["files"], tile)
        damages += wrong
        if not wrong:
            whole[tile] = attributes
    return whole, damages


def _force_folder(folder: Path) -> None:
    """Force a folder's entries to the disk, where the system can."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    except OSError:
        pass
    finally:
        os.close(handle)
