"""Read what a sweep has stored: the dataset, and an inventory of the folder."""

import dataclasses
import json
import logging
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxsup._internal.paths import local_path
from jaxsup.sweep.store import journal
from jaxsup.sweep.store.journal import Damage
from jaxsup.sweep.store.schema import LAYOUT_VERSION
from jaxsup.training.state import DIVERGED

if TYPE_CHECKING:
    import xarray as xr

log = logging.getLogger("jaxsup")


def open_store(store: str | Path) -> "xr.Dataset":
    """Open a dataset that `jaxsup.run` wrote, after a check of every file.

    Networks that have not been trained yet are NaN, with ``status`` -1 and ``complete`` False; a
    warning says how many there are.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: the folder holds no sweep, a damaged one, or one of a later version.
    """
    path = local_path(store)
    attributes = _root_attributes(path)
    if "layout_version" not in attributes:
        return open_whole(path)
    whole, damages = _survey(path, attributes)
    if damages:
        others = f" and {len(damages) - 1} more" if len(damages) > 1 else ""
        raise ValueError(
            f"{path}: expected files as they were written; got {damages[0]}{others}; "
            "the sweep with --resume (resume=True) mends it and keeps the rest"
        )
    dataset = open_whole(path)
    total = _tile_count(path)
    if len(whole) < total:
        log.warning(
            "%s: %d of %d tiles are stored; the others are missing (NaN)", path, len(whole), total
        )
    return dataset


def open_whole(path: Path) -> "xr.Dataset":
    """Open the dataset without asking the journal.

    Raises:
        ValueError: there is none, or it cannot be read.
    """
    import xarray as xr

    try:
        dataset = xr.open_zarr(path, consolidated=None if _is_consolidated(path) else False)
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise ValueError(
            f"{path}: expected a Zarr group that can be read; got {error}; restore or remake it"
        ) from None
    if "loss" not in dataset or "configuration" not in dataset.attrs:
        raise ValueError(
            f"{path}: expected a dataset with a loss; got {sorted(map(str, dataset))}; "
            "give the folder that `jaxsup sweep --out` made"
        )
    return dataset


@dataclasses.dataclass(frozen=True)
class Inventory:
    """What a store holds.

    Attributes:
        path: the folder.
        attributes: what the dataset says of itself: configuration, versions, devices.
        sizes: of the dataset's dimensions.
        tiles, tiles_stored: tiles in all, and stored whole.
        networks, networks_stored: networks in all, and stored whole.
        diverged: coordinates of the networks that diverged, with ``last_step``.
        damages: files that are not as they were written.
        nbytes: bytes on disk.
        seconds: time that training took, summed over processes.
        machines: (versions and devices, networks trained there).
        unfinished: names of the checkpoints of parts that were stopped on their way.
    """

    path: str
    attributes: dict[str, Any]
    sizes: dict[str, int]
    tiles: int
    tiles_stored: int
    networks: int
    networks_stored: int
    diverged: list[dict[str, Any]]
    damages: list[Damage]
    nbytes: int
    seconds: float
    machines: list[tuple[str, int]]
    unfinished: list[str]


def take_inventory(store: str | Path) -> Inventory:
    """Go through a store, also a damaged or unfinished one.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: it holds no sweep, or its metadata cannot be read at all.
    """
    path = Path(store)
    attributes = _root_attributes(path)
    dataset = open_whole(path)
    shape = dataset["status"].shape
    if "layout_version" in attributes:
        whole, damages = _survey(path, attributes)
        tile = json.loads(attributes["plan"])["tile"]
        regions = {name: _region(name, tile) for name in whole}
        tiles = _tile_count(path)
    else:
        # The first layout was written in one go, without a journal.
        whole = {"all": {**dataset.attrs, "seconds": dataset.attrs.get("seconds", math.nan)}}
        damages, tiles = [], 1
        regions = {"all": tuple(slice(size) for size in shape)}
    complete = np.zeros(shape, bool)
    status, last_step = np.full(shape, -1), np.full(shape, -1)
    machines: dict[str, int] = {}
    for name, region in regions.items():
        complete[region] = True
        # Tile by tile: a damaged one must not be touched.
        status[region] = dataset["status"][region].values
        last_step[region] = dataset["last_step"][region].values
        machine = _machine(whole[name])
        machines[machine] = machines.get(machine, 0) + complete[region].size
    files = [file for file in path.rglob("*") if file.is_file()]
    return Inventory(
        path=str(path),
        attributes=dict(dataset.attrs),
        sizes={str(dim): int(size) for dim, size in dataset.sizes.items()},
        tiles=tiles,
        tiles_stored=len(whole),
        networks=int(complete.size),
        networks_stored=int(complete.sum()),
        diverged=[
            {**_where(dataset, position.tolist()), "last_step": int(last_step[tuple(position)])}
            for position in np.argwhere(status == DIVERGED)
        ],
        damages=damages,
        nbytes=sum(file.stat().st_size for file in files),
        seconds=round(sum(record["seconds"] for record in whole.values()), 3),
        machines=list(machines.items()),
        unfinished=sorted(f.name for f in files if f.name.startswith("unfinished.")),
    )


def check_version(path: Path, attributes: Mapping[str, Any] | None, *, writing: bool) -> None:
    """Raise unless this version of jaxsup can read, or write, a store of that layout.

    Raises:
        ValueError: the layout is a later one, or too old to be filled further.
    """
    version = (attributes or {}).get("layout_version", 1)
    if not isinstance(version, int) or version > LAYOUT_VERSION:
        raise ValueError(
            f"{path}: expected a store of layout {LAYOUT_VERSION} or before; got {version}; "
            "update jaxsup"
        )
    if writing and attributes and version < LAYOUT_VERSION:
        raise ValueError(
            f"{path}: expected a store of layout {LAYOUT_VERSION} to go on with; got {version}, "
            "which can only be read; begin a new folder"
        )


def _root_attributes(path: Path) -> dict[str, Any]:
    """Attributes of the dataset.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: it holds no sweep, a later layout, or attributes that cannot be read.
    """
    if not path.exists():
        raise FileNotFoundError(
            f"{path}: expected the folder of a sweep; got none there; check the path"
        )
    present = [name for name in (journal.ROOT, journal.MANIFEST) if (path / name).is_file()]
    if not present:
        raise ValueError(
            f"{path}: expected the folder of a sweep; got one without {journal.ROOT}; "
            "give the folder that `jaxsup sweep --out` made"
        )
    attributes = journal.read_attributes(path / journal.ROOT)
    if attributes is None:
        raise ValueError(
            f"{path}: expected files as they were written; got {journal.ROOT}: it cannot be read; "
            "the sweep with --resume (resume=True) mends it and keeps the rest"
        )
    check_version(path, attributes, writing=False)
    return attributes


def _survey(
    path: Path, attributes: Mapping[str, Any]
) -> tuple[dict[str, dict[str, Any]], list[Damage]]:
    """Records of whole tiles, and everything that is damaged, metadata first."""
    manifest = journal.read_attributes(path / journal.MANIFEST)
    if manifest is None or "files" not in manifest:
        damages = [Damage(journal.MANIFEST, None, "it cannot be read")]
    else:
        damages = journal.damage_of(path, manifest["files"], None)
    whole, others = journal.survey(path, attributes["fingerprint"])
    return whole, damages + others


def _tile_count(path: Path) -> int:
    metadata = json.loads((path / journal.ROOT).read_bytes())["consolidated_metadata"]
    array = metadata["metadata"]["complete"]
    tile = array["chunk_grid"]["configuration"]["chunk_shape"]
    return math.prod(-(-n // t) for n, t in zip(array["shape"], tile, strict=True))


def _is_consolidated(path: Path) -> bool:
    try:
        return "consolidated_metadata" in json.loads((path / journal.ROOT).read_bytes())
    except (OSError, ValueError):
        return False


def _region(tile: str, sizes: list[int]) -> tuple[slice, ...]:
    """The grid positions that a tile covers."""
    index = [int(number) for number in tile.split(".")]
    return tuple(slice(i * size, (i + 1) * size) for i, size in zip(index, sizes, strict=True))


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


def _machine(record: Mapping[str, Any]) -> str:
    """Versions and devices in words."""
    return (
        f"jaxsup {record['jaxsup_version']}, jax {record['jax_version']}, "
        f"{record['device_count']} x {record['device']} ({record['platform']})"
    )
