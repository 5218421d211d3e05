"""The root of a store, which xarray reads: a view of what the manifest and the arrays tell.

Whatever reads a store here takes the manifest's word. What the root says otherwise is named, and
written again when the sweep goes on. Attributes and arrays that a user added stay.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jaxsup.sweep.store.facts import Facts, facts_from, schema_from
from jaxsup.sweep.store.files import GONE, Damage, readable
from jaxsup.sweep.store.journal import (
    FOLDER,
    MANIFEST,
    ROOT,
    is_sealed,
    read_attributes,
    read_document,
)
from jaxsup.sweep.store.journal import records as read_records
from jaxsup.sweep.store.machine import NAMES, totals
from jaxsup.sweep.store.schema import LAYOUT_VERSION

PLANNING = frozenset({"plan", "schema"})
"""Attributes that say how a store is cut: its own business, no dataset's that is made of it."""
_ARRAY = "/zarr.json"
_TOTALS = frozenset({*NAMES, "seconds"})
"""Attributes that the root tells of all machines in the end, and before of the one that made it."""


def read_facts(store: Path) -> tuple[Facts | None, list[Damage]]:
    """What a store says of itself, by its manifest, else by its root; and what is wrong with both.

    Raises:
        OSError: the system does not give one of the files.
    """
    document, manifest = read_document(store / ROOT), read_attributes(store / MANIFEST)
    attributes = _attributes(document)
    facts = _facts_of(manifest, document) if manifest is not None else None
    if facts is None:
        damage = Damage(MANIFEST, None, "it is missing, or not as it was written")
        return facts_from(attributes, {}), [damage]
    why = _fault(document, store, facts) or _fault_of_totals(attributes, store, facts)
    return facts, [Damage(ROOT, None, why)] if why else []


def is_first_layout(store: Path) -> bool:
    """Whether a store is of the layout that had no journal."""
    attributes = _attributes(read_document(store / ROOT))
    return not ((store / FOLDER).exists() or {"layout_version", "fingerprint"} & set(attributes))


def is_copy(store: Path) -> bool:
    """Whether another program wrote a dataset of jaxsup there, or a part of one: without a journal.

    What xarray saves has the attributes of the store that it opened. A store that lost its journal
    tells its plan, and holds what it tells; `open_store` hands on no plan.
    """
    attributes = _attributes(read_document(store / ROOT))
    if (store / FOLDER).exists() or "configuration" not in attributes:
        return False
    facts = facts_from(attributes, {})
    if facts is None:
        return not PLANNING & attributes.keys()
    told = [facts.sizes[dim] for dim in (*facts.grid, *facts.variables["loss"])]
    return (read_document(store / "loss" / ROOT) or {}).get("shape", told) != told


def check_version(store: Path, *, writing: bool) -> None:
    """Raise unless this version of jaxsup can read, or write, a store of that layout.

    Raises:
        ValueError: the layout is a later one, or too old to be filled further.
        OSError: the system does not give the root or the manifest.
    """
    told = [_attributes(read_document(store / name)) for name in (MANIFEST, ROOT)]
    versions = [attributes.get("layout_version", 1) for attributes in told if attributes]
    if not versions or LAYOUT_VERSION in versions:
        return  # where the other one says otherwise, it is damaged
    version = versions[0]
    if not isinstance(version, int) or version > LAYOUT_VERSION:
        raise ValueError(
            f"{store}: expected a store of layout {LAYOUT_VERSION} or before; got {version}; "
            "update jaxsup"
        )
    if writing:
        raise ValueError(
            f"{store}: expected a store of layout {LAYOUT_VERSION} to go on with; got {version}, "
            "which can only be read; begin a new folder"
        )


def known_totals(store: Path, facts: Facts) -> dict[str, Any]:
    """The totals that the records of a finished store tell; empty where one is missing.

    Raises:
        OSError: the records cannot be listed.
    """
    records = [record for _, record in read_records(store, facts)]
    whole = [record for record in records if not isinstance(record, Damage)]
    return totals(whole) if len(whole) == facts.tiles else {}


def root_data(store: Path, facts: Facts) -> bytes:
    """The root as it should be, with what a user has added to the one that is there.

    It repeats the metadata of all arrays, so that xarray opens a store by one file; readers that do
    not know them there lose nothing.

    Raises:
        OSError: the system does not give the root that is there, or the metadata of an array.
    """
    attributes = _attributes(read_document(store / ROOT))
    added = {n: v for n, v in attributes.items() if n not in {*facts.attributes, *_TOTALS}}
    ours = {name.removesuffix(_ARRAY) for name in facts.files if name.endswith(_ARRAY)}
    names = sorted(ours | {path.parent.name for path in store.glob("*" + _ARRAY)})
    documents = {n: read_document(store / (n + _ARRAY)) or {} for n in names if n != FOLDER}
    metadata = {
        name: document
        for name, document in documents.items()
        if document.get("node_type") == "array" or (name in ours and document)
    }
    document = {
        "attributes": {**facts.attributes, **added},
        "zarr_format": 3,
        "consolidated_metadata": {"kind": "inline", "must_understand": False, "metadata": metadata},
        "node_type": "group",
    }
    return json.dumps(document, indent=1).encode()


def _attributes(document: Mapping[str, Any] | None) -> dict[str, Any]:
    attributes = (document or {}).get("attributes")
    return attributes if isinstance(attributes, dict) else {}


def _facts_of(manifest: dict[str, Any], document: Mapping[str, Any] | None) -> Facts | None:
    """The facts of a manifest; None where they are none of this or an earlier layout."""
    plain = {name: value for name, value in manifest.items() if name not in ("files", "sha256")}
    files, version = manifest.get("files"), plain.get("layout_version")
    if not isinstance(files, dict) or not isinstance(version, int):
        return None
    if is_sealed(manifest) and version == LAYOUT_VERSION:
        return facts_from(plain, files)
    if is_sealed(manifest) or version >= LAYOUT_VERSION:
        return None
    # The layouts before held less in the manifest: the root tells the rest.
    try:
        arrays = (document or {})["consolidated_metadata"]["metadata"]
        schema = schema_from({n: m for n, m in arrays.items() if "shape" in m}, files)
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
    return facts_from({**_attributes(document), **plain, "schema": schema}, files)


def _fault(document: Mapping[str, Any] | None, store: Path, facts: Facts) -> str | None:
    """What is wrong with a root, totals aside."""
    if document is None:
        return "it is missing, or not as it was written"
    if (document.get("zarr_format"), document.get("node_type")) != (3, "group"):
        return "it is no Zarr group"
    attributes, absent = _attributes(document), object()
    names = sorted(facts.attributes.keys() - _TOTALS - ({"schema"} if not facts.sealed else set()))
    changed = [n for n in names if attributes.get(n, absent) != facts.attributes[n]]
    if changed:
        return _otherwise(changed)
    repeated = document.get("consolidated_metadata")
    if repeated is not None and not _repeats(repeated, store, facts):
        return "its metadata are not those of the arrays"
    return None


def _fault_of_totals(attributes: Mapping[str, Any], store: Path, facts: Facts) -> str | None:
    """What is wrong with the totals of a root: of who made it, or of all records."""
    if not facts.sealed:
        return None
    found = {name: attributes[name] for name in _TOTALS & attributes.keys()}
    if found == {name: facts.attributes[name] for name in _TOTALS & facts.attributes.keys()}:
        return None
    known = known_totals(store, facts)
    if not known and "seconds" in found:
        return None  # of a finished store that has lost a record, which is named
    changed = [name for name in sorted(_TOTALS) if found.get(name) != known.get(name)]
    return _otherwise(changed) if changed else None


def _otherwise(names: list[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"not as it was written: {', '.join(names[:3])}{more}"


def _repeats(repeated: object, store: Path, facts: Facts) -> bool:
    """Whether the metadata that a root repeats are those of the arrays that are whole."""
    if not isinstance(repeated, dict) or not isinstance(repeated.get("metadata"), dict):
        return False
    if (repeated.get("kind"), repeated.get("must_understand")) != ("inline", False):
        return False
    for name in filter(lambda name: name.endswith(_ARRAY), facts.files):
        try:
            with readable(store / name):
                data = (store / name).read_bytes()
        except GONE:
            continue
        if hashlib.sha256(data).hexdigest() != facts.files[name]:
            continue
        array = json.loads(data)
        told = repeated["metadata"].get(name.removesuffix(_ARRAY))
        if array.get("node_type") == "array" and told != array:
            return False
    return True
