"""The plan of a store: how it is cut, and whether there is one to go on with."""

import dataclasses
import json
import os
import re
import tempfile
import time
from pathlib import Path

from jaxsup.sweep.store import journal
from jaxsup.sweep.store.root import check_version, is_copy, read_facts

# Names of what a process may leave that is killed, and of what file systems keep in every folder.
_TRACE = re.compile(r"probe\.\w+(\.partial)?|\.\w+\.[0-9a-f]{32}\.partial|\.nfs\w+|lost\+found")
# Seconds between looks for a plan that another process may be about to write.
_PAUSES = (0.02, 0.1, 0.3)


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


def is_blank(store: str | Path) -> bool:
    """Whether nothing is in the way of a new store: no folder, or one without anything of value."""
    try:
        return all(_TRACE.fullmatch(name) for name in os.listdir(store))
    except FileNotFoundError:
        return True


def read_plan(store: str | Path) -> Plan | None:
    """The plan of a store that is there; None where there is none yet.

    Raises:
        ValueError: what is there is no store that can be filled further.
    """
    path = Path(store)
    # Another process may be making the store: its manifest comes first, all at once.
    for pause in (*_PAUSES, None):
        if is_blank(path):
            return None
        check_version(path, writing=True)
        if is_copy(path):
            raise ValueError(
                f"{path}: expected the folder of a sweep; got a dataset that another program "
                "saved, without a journal; choose another folder"
            )
        facts, _ = read_facts(path)
        if facts is not None:
            plan = json.loads(facts.attributes["plan"])
            return Plan(facts.tile, plan["widths"], tuple(plan["capacities"]))
        if pause is not None:
            time.sleep(pause)
    raise ValueError(
        f"{path}: expected the folder of a sweep; got one whose {journal.ROOT} and "
        f"{journal.MANIFEST} tell no plan; choose another folder"
    )


def check_store(store: str | Path, *, join: bool = False) -> None:
    """Raise unless a sweep can be written at `store`: before anything expensive starts.

    Nothing is left there, also if the process is killed on its way.

    Arguments:
        join: whether a store that is there may be filled further.

    Raises:
        FileNotFoundError: it is a link to nowhere.
        FileExistsError: something is there already, and `join` is not set.
        NotADirectoryError: it is a file.
        OSError: the folder cannot be written.
    """
    path = Path(store)
    if path.is_symlink() and not path.exists():
        raise FileNotFoundError(
            f"{path}: expected a folder; got a link to {os.readlink(path)}, which is not there; "
            "make that folder, or choose another place"
        )
    try:
        if path.exists() and not path.is_dir():
            raise NotADirectoryError(
                f"{path}: expected a folder; got a file of that name; choose another place"
            )
        taken = path.exists() and not is_blank(path)
        names = () if join else (journal.MANIFEST, journal.ROOT)
        if taken and names and not any((path / name).exists() for name in names):
            raise FileExistsError(
                f"{path}: expected a new folder, or an empty one; got one with other files; "
                "choose another"
            )
        if taken and not join:
            raise FileExistsError(
                f"{path}: expected a new folder; got one that exists; "
                "choose another, or go on with it by --resume (resume=True)"
            )
        tempfile.TemporaryFile(dir=existing(path), prefix="probe.", suffix=".partial").close()
    except OSError as error:
        if error.errno is None:
            raise
        raise PermissionError(
            f"{path}: expected a folder that can be written; got {error.strerror!r}; "
            "choose another place"
        ) from None


def existing(path: Path) -> Path:
    """The folder, or the nearest one above that is there."""
    path = path.absolute()
    while not path.exists():
        path = path.parent
    return path
