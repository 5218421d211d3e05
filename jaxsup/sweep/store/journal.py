"""What a store says of its own files: a manifest, a record for each tile, their checksums.

Both are Zarr groups without arrays. Their attributes say which files belong together, what the
SHA-256 of each is, and last what the SHA-256 of all that is: the seal. A tile counts as stored
when its record is there, names exactly the files of that tile, and every one of them is as the
record says; the record is written last, by a rename.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from jaxsup.sweep.store.facts import Facts
from jaxsup.sweep.store.files import (
    GONE,
    Damage,
    checksum,
    clear_place,
    damage_of,
    force,
    force_folder,
    readable,
    unread,
    write_atomically,
)

FOLDER = "journal"
MANIFEST = "journal/zarr.json"
ROOT = "zarr.json"
_SEAL = "sha256"


def write_group(path: Path, attributes: Mapping[str, Any]) -> None:
    """Write a Zarr group that holds attributes alone, and their seal."""
    sealed = {**attributes, _SEAL: _seal(attributes)}
    group = {"zarr_format": 3, "node_type": "group", "attributes": sealed}
    write_atomically(path, json.dumps(group, indent=1).encode())


def read_attributes(path: Path) -> dict[str, Any] | None:
    """Attributes of a Zarr group; None where there is none, or none whose seal is right.

    The first layouts had no seals: who reads a later one asks for it by `is_sealed`.

    Raises:
        OSError: the system does not give the file.
    """
    document = read_document(path)
    if document is None or set(document) - {"consolidated_metadata"} != {
        "zarr_format",
        "node_type",
        "attributes",
    }:
        return None
    attributes = document["attributes"]
    if (document["zarr_format"], document["node_type"]) != (3, "group"):
        return None
    if not isinstance(attributes, dict):
        return None
    return None if attributes.get(_SEAL, _seal(attributes)) != _seal(attributes) else attributes


def is_sealed(attributes: Mapping[str, Any]) -> bool:
    """Whether attributes came with a seal."""
    return _SEAL in attributes


def read_document(path: Path) -> dict[str, Any] | None:
    """A JSON object; None where there is none.

    Raises:
        OSError: the system does not give the file.
    """
    try:
        with readable(path):
            document = json.loads(path.read_bytes())
    except (*GONE, ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def record_path(store: Path, tile: str) -> Path:
    """The record of a tile."""
    return store / FOLDER / tile / "zarr.json"


def write_record(store: Path, tile: str, files: list[str], attributes: Mapping[str, Any]) -> None:
    """Commit a tile whose files have been written."""
    for name in files:
        force(store / name)
    sums = {name: checksum(store / name) for name in files}
    for folder in {(store / name).parent for name in files}:
        force_folder(folder)
    path = clear_place(store, str(record_path(Path(), tile)))
    write_group(path, {**attributes, "files": sums})


def records(store: Path, facts: Facts) -> Iterator[tuple[str, dict[str, Any] | Damage]]:
    """What the records of the tiles say, by the tiles' names; of a bad one, why.

    Anything else that lies in the journal is ignored.

    Raises:
        OSError: the journal cannot be listed.
    """
    try:
        with readable(store / FOLDER):
            names = [entry.name for entry in (store / FOLDER).iterdir()]
    except GONE:
        return
    for tile in sorted(filter(facts.is_tile, names)):
        record = _read_record(store, facts, tile)
        if record is not None:
            yield tile, record


def _read_record(store: Path, facts: Facts, tile: str) -> dict[str, Any] | Damage | None:
    name = str(record_path(Path(), tile))
    try:
        attributes = read_attributes(store / name)
        if attributes is None and not (store / name).exists():
            return None
    except OSError as error:
        return unread(name, tile, error)
    if attributes is None or (facts.sealed and not is_sealed(attributes)):
        return Damage(name, tile, "it is not as it was written")
    why = _fault(attributes, facts, tile)
    return attributes if why is None else Damage(name, tile, why)


def _fault(record: Mapping[str, Any], facts: Facts, tile: str) -> str | None:
    """What is wrong with a record."""
    if record.get("fingerprint") != facts.fingerprint:
        return "it belongs to another configuration"
    files = record.get("files")
    if not isinstance(files, dict) or set(files) != facts.files_of(tile):
        return "its files are not those of this tile"
    if not isinstance(record.get("seconds"), int | float):
        return "it tells no seconds"
    return None


def survey(store: Path, facts: Facts) -> tuple[dict[str, dict[str, Any]], list[Damage]]:
    """Records of the tiles that are stored whole, by name, and what is wrong with the others.

    Raises:
        OSError: the journal cannot be listed.
    """
    whole: dict[str, dict[str, Any]] = {}
    damages = []
    for tile, record in records(store, facts):
        if isinstance(record, Damage):
            damages.append(record)
            continue
        wrong = damage_of(store, record["files"], tile)
        damages += wrong
        if not wrong:
            whole[tile] = record
    return whole, damages


def _seal(attributes: Mapping[str, Any]) -> str:
    """SHA-256 of all attributes but the seal."""
    plain = {name: value for name, value in attributes.items() if name != _SEAL}
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()
