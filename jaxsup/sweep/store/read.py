"""Read what a sweep has stored: the dataset, and an inventory of the folder."""

import contextlib
import logging
import math
import os
import re
import stat
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxsup._internal.paths import local_path
from jaxsup._internal.system import check_assertions
from jaxsup._internal.validation import fail
from jaxsup.sweep.store.facts import Facts
from jaxsup.sweep.store.files import GONE, Damage, check_read, damage_of, readable, tell_damages
from jaxsup.sweep.store.inventory import Inventory
from jaxsup.sweep.store.journal import (
    FOLDER,
    MANIFEST,
    ROOT,
    read_attributes,
    read_document,
    survey,
)
from jaxsup.sweep.store.machine import in_words
from jaxsup.sweep.store.root import (
    PLANNING,
    check_version,
    is_copy,
    is_first_layout,
    known_totals,
    read_facts,
)
from jaxsup.sweep.store.schema import PENDING
from jaxsup.training.state import DIVERGED

if TYPE_CHECKING:
    import xarray as xr

log = logging.getLogger("jaxsup")

_UNFINISHED = re.compile(r"unfinished\.([0-9.]+)\.safetensors")


def open_store(store: str | Path) -> "xr.Dataset":
    """Open a dataset that `jaxsup.run` wrote, after a check of every file.

    Networks that have not been trained yet are NaN, with ``status`` -1 and ``complete`` False; a
    warning says how many there are. Attributes are those that the sweep wrote, even where another
    program has written the root since; a warning says so. What xarray saved of a dataset by
    ``to_zarr`` opens as well, with a warning that there are no checksums to hold it to.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: the folder holds no sweep, a damaged one, or one of a later version.
        OSError: a file cannot be read now.
    """
    check_assertions()
    path = local_path(store)
    facts, damages = _facts_of(path)
    if facts is None:
        return open_whole(path)
    whole, others = _survey(path, facts)
    check_read(path, others)
    opens = bool(facts.files) and read_attributes(path / ROOT) is not None
    if others or (damages and not opens):
        raise _refusal(path, [*damages, *others])
    try:
        dataset = open_whole(path)
    except ValueError:
        if damages:
            raise _refusal(path, damages) from None
        raise
    for damage in damages:
        text = "%s: %s; what the manifest says is taken instead, --resume (resume=True) mends it"
        log.warning(text, path, damage)
    if len(whole) < facts.tiles:
        text = "%s: %d of %d tiles are stored; the others are missing (NaN), or not committed"
        log.warning(text, path, len(whole), facts.tiles)
    return dataset


def open_whole(path: Path) -> "xr.Dataset":
    """Open the dataset without a check of its data.

    Raises:
        ValueError: there is none, or it cannot be read.
        OSError: a file cannot be read now.
    """
    import xarray as xr

    old = is_first_layout(path) or is_copy(path)
    facts, damages = (None, []) if old else read_facts(path)
    # A root that is not as it was written may tell wrong metadata. The arrays' own are held to
    # their checksums; to find them, Zarr looks at all that lies in the folder.
    believed = not damages and bool((read_document(path / ROOT) or {}).get("consolidated_metadata"))
    try:
        with readable(path), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Object at .* is not recognized")
            dataset = xr.open_zarr(path, consolidated=believed, zarr_format=3)
    except (ValueError, KeyError, TypeError, AttributeError, RuntimeError, *GONE) as error:
        raise ValueError(
            f"{path}: expected a Zarr group that can be read; got {error}; restore or remake it"
        ) from None
    if facts is not None:
        attributes = _attributes(path, facts)
        coordinates = str(attributes.pop("coordinates", "")).split()
        dataset = dataset.set_coords([name for name in coordinates if name in dataset])
        dataset.attrs.update(attributes)
    dataset.attrs = {name: v for name, v in dataset.attrs.items() if name not in PLANNING}
    if "loss" not in dataset or "configuration" not in dataset.attrs:
        raise ValueError(
            f"{path}: expected a dataset with a loss; got {sorted(map(str, dataset))}; "
            "give the folder that `jaxsup sweep --out` made"
        )
    return dataset


def take_inventory(store: str | Path) -> Inventory:
    """Go through a store, also a damaged or unfinished one.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: it holds no sweep, or nothing tells which.
        OSError: the root or the manifest cannot be read now.
    """
    path = Path(store)
    facts, damages = _facts_of(path)
    sizes = _file_sizes(path)
    nbytes = sum(sizes.values())
    if facts is None:
        return _inventory_of_dataset(path, nbytes)
    whole, others = _survey(path, facts)
    damages += others
    machines: dict[str, int] = {}
    for name, record in whole.items():
        machine = in_words(record)
        machines[machine] = machines.get(machine, 0) + facts.replicas(name)
    waiting = {found[1] for found in (_UNFINISHED.fullmatch(file.name) for file in sizes) if found}
    return Inventory(
        path=str(path),
        attributes=_attributes(path, facts),
        sizes=facts.sizes,
        tiles=facts.tiles,
        tiles_stored=len(whole),
        networks=math.prod(facts.shape),
        networks_stored=sum(map(facts.replicas, whole)),
        diverged=_diverged(path, facts, whole, damages),
        damages=[damage for damage in damages if not damage.unread],
        unread=[damage for damage in damages if damage.unread],
        nbytes=nbytes,
        seconds=round(sum(record["seconds"] for record in whole.values()), 3),
        machines=list(machines.items()),
        unfinished=sorted(
            f"unfinished.{name}.safetensors" for name in waiting - set(whole) if facts.is_tile(name)
        ),
    )


def _file_sizes(folder: Path) -> dict[Path, int]:
    """Bytes of the files below a folder. While it is filled, files come and go."""
    sizes = {}
    for parent, _, names in os.walk(folder):
        for file in (Path(parent, name) for name in names):
            with contextlib.suppress(*GONE):
                status = file.stat()
                if stat.S_ISREG(status.st_mode):
                    sizes[file] = status.st_size
    return sizes


def _inventory_of_dataset(path: Path, nbytes: int) -> Inventory:
    """Of what was written in one go, without a journal: the first layout, and what xarray saves."""
    dataset = open_whole(path)
    if not {"status", "last_step"} <= {*dataset}:
        raise fail(f"{path}", "status and last_step", "none", "save them too", described=True)
    replicas, stored = dataset["status"].size, int((dataset["status"] != PENDING).sum())
    return Inventory(
        path=str(path),
        attributes=dict(dataset.attrs),
        sizes={str(dim): int(size) for dim, size in dataset.sizes.items()},
        tiles=1,
        tiles_stored=int(stored == replicas),
        networks=replicas,
        networks_stored=stored,
        diverged=_diverged_in(dataset, [tuple(slice(n) for n in dataset["status"].shape)]),
        damages=[],
        unread=[],
        nbytes=nbytes,
        seconds=dataset.attrs.get("seconds", math.nan),
        machines=[(in_words(dataset.attrs), stored)],
        unfinished=[],
    )


def _facts_of(path: Path) -> tuple[Facts | None, list[Damage]]:
    """What a store says of itself; None of the first layout and of what another program saved.

    Raises:
        FileNotFoundError: there is no such folder.
        NotADirectoryError: it is a file.
        ValueError: it holds no sweep, a later layout, or nothing that tells which.
        OSError: the root or the manifest cannot be read now.
    """
    if not path.exists():
        raise FileNotFoundError(
            f"{path}: expected the folder of a sweep; got none there; check the path"
        )
    if path.is_file():
        raise NotADirectoryError(
            f"{path}: expected the folder of a sweep; got a file; "
            "give the folder that `jaxsup sweep --out` made"
        )
    with readable(path):
        present = [name for name in (ROOT, MANIFEST) if (path / name).is_file()]
    if not present:
        raise ValueError(
            f"{path}: expected the folder of a sweep; got one without {ROOT}; "
            "give the folder that `jaxsup sweep --out` made"
        )
    check_version(path, writing=False)
    if copied := is_copy(path):
        log.warning("%s: saved by another program, without checksums: nothing is checked", path)
    if copied or is_first_layout(path):
        return None, []
    facts, damages = read_facts(path)
    if facts is None:
        raise _refusal(path, [*damages, Damage(ROOT, None, "it does not tell that either")])
    return facts, damages


def _refusal(path: Path, damages: list[Damage]) -> ValueError:
    return ValueError(
        f"{path}: expected files as they were written; got {tell_damages(damages)}; "
        "the sweep with --resume (resume=True) mends it and keeps the rest"
    )


def _survey(path: Path, facts: Facts) -> tuple[dict[str, dict[str, Any]], list[Damage]]:
    """Records of whole tiles, and everything else that is damaged, metadata first."""
    whole, damages = survey(path, facts)
    named = {damage.tile for damage in damages}
    if "seconds" in (read_attributes(path / ROOT) or {}):
        # A store that was finished has every record.
        missing = (name for name in facts.names() if name not in whole and name not in named)
        damages += [Damage(f"{FOLDER}/{name}/zarr.json", name, "missing") for name in missing]
    return whole, damage_of(path, facts.files, None) + damages


def _attributes(path: Path, facts: Facts) -> dict[str, Any]:
    """Attributes of the dataset: with the totals, where all tiles have a record."""
    return {**facts.attributes, **(known_totals(path, facts) if facts.sealed else {})}


def _diverged(
    path: Path, facts: Facts, whole: Mapping[str, Any], damages: list[Damage]
) -> list[dict[str, Any]] | None:
    """The networks that diverged; None where damage of metadata hides them."""
    if any(damage.tile is None and damage.path != ROOT for damage in damages):
        return None
    try:
        return _diverged_in(open_whole(path), [facts.region(name) for name in whole])
    except ValueError:
        return None


def _diverged_in(dataset: "xr.Dataset", regions: list[tuple[slice, ...]]) -> list[dict[str, Any]]:
    """The networks that diverged. Other regions, which may be damaged, are not read."""
    shape = dataset["status"].shape
    status, last_step = np.full(shape, -1), np.full(shape, -1)
    for region in regions:
        status[region] = dataset["status"][region].values
        last_step[region] = dataset["last_step"][region].values
    return [
        {**_where(dataset, position.tolist()), "last_step": int(last_step[tuple(position)])}
        for position in np.argwhere(status == DIVERGED)
    ]


def _where(dataset: "xr.Dataset", position: list[int]) -> dict[str, Any]:
    """The coordinates of a network: the values on the axes, and its seed."""
    where: dict[str, Any] = {}
    for dim, index in zip(dataset["status"].dims, position, strict=True):
        names = [
            name
            for name, coordinate in dataset.coords.items()
            if coordinate.dims == (dim,) and name != "superposition_ratio"
        ]
        where.update({str(name): dataset[name].values[index].item() for name in names})
        if not names:
            where[str(dim)] = index
    return where
