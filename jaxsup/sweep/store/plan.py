"""The plan of a store: how it is cut, and whether there is one to go on with."""

import contextlib
import dataclasses
import json
import uuid
from pathlib import Path

from jaxsup.sweep.store import journal
from jaxsup.sweep.store.root import check_version, read_facts


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


def read_plan(store: str | Path) -> Plan | None:
    """The plan of a store that is there; None where there is none yet.

    Raises:
        ValueError: what is there is no store that can be filled further.
    """
    path = Path(store)
    if not path.exists() or not any(path.iterdir()):
        return None
    check_version(path, writing=True)
    facts, _ = read_facts(path)
    if facts is None:
        raise ValueError(
            f"{path}: expected the folder of a sweep; got one whose {journal.ROOT} and "
            f"{journal.MANIFEST} tell no plan; choose another folder"
        )
    plan = json.loads(facts.attributes["plan"])
    return Plan(facts.tile, plan["widths"], tuple(plan["capacities"]))


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
