"""Files of a store: written whole or not at all, held to their checksums, never outside of it.

What a process may not read now, or a disk cannot give, says nothing of what was written: only what
is gone, or reads otherwise, is damage.
"""

import contextlib
import hashlib
import os
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np

from jaxsup._internal.validation import fail

# What tells that a file is not there; any other error leaves open what is.
GONE = (FileNotFoundError, NotADirectoryError, IsADirectoryError)


class Damage(NamedTuple):
    """Something that is not as it was written.

    Attributes:
        path: the file, below the store.
        tile: the tile that it belongs to; None for metadata.
        why: what is wrong with it.
        unread: it could not be read now; nothing is known of it.
    """

    path: str
    tile: str | None
    why: str
    unread: bool = False

    def __str__(self) -> str:
        return f"{self.path}: {self.why}"


def tell_damages(damages: Sequence[Damage]) -> str:
    """The first of them, and how many more there are."""
    others = f" and {len(damages) - 1} more" if len(damages) > 1 else ""
    return f"{damages[0]}{others}"


class UnreadableError(OSError):
    """The system does not give a file.

    Attributes:
        reason: what it says.
    """

    def __init__(self, path: object, reason: str) -> None:
        super().__init__(
            f"{path}: expected a file that can be read; got {reason!r}; "
            "mend that, then ask again: what is stored was left as it is"
        )
        self.reason = reason


def check_read(folder: Path, damages: Iterable[Damage]) -> None:
    """Raise where something of a folder could not be read now.

    Raises:
        UnreadableError: of the first that could not.
    """
    for damage in damages:
        if damage.unread:
            raise UnreadableError(folder / damage.path, damage.why)


def digest_arrays(arrays: Mapping[str, np.ndarray]) -> str:
    """SHA-256 of arrays, with their names, types and shapes."""
    digest = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        digest.update(f"{name} {array.dtype} {array.shape} ".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def checksum(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def force(path: Path) -> None:
    """Force what was written to a file to the disk."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def force_folder(folder: Path) -> None:
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
    force_folder(path.parent)


def clear_place(store: Path, name: str) -> Path:
    """The path of a file that is to be written: inside of the store, with nothing in its way.

    A folder where the file belongs, or a file where one of its folders does, is set aside.

    Raises:
        ValueError: the name, or a link on the way, leads out of the store.
        OSError: what is in the way cannot be moved.
    """
    path = check_place(store, name)
    if path.is_symlink():
        path.unlink()
    blocking = path if path.is_dir() else _lowest(path.parent)
    if blocking == path or not blocking.is_dir():
        blocking.rename(blocking.with_name(f"{blocking.name}.{uuid.uuid4().hex}.displaced"))
    return path


def check_place(store: Path, name: str) -> Path:
    """The path of a file that is to be written, inside of the store.

    Raises:
        ValueError: the name, or a link on the way, leads out of the store.
    """
    path = store / name
    if not is_inside(name) or not path.parent.resolve().is_relative_to(store.resolve()):
        expected, found = "a place inside of the store", "a link out of it"
        raise fail(str(path), expected, found, "remove that", described=True)
    return path


def _lowest(path: Path) -> Path:
    """The last place on the way to `path` that is there, as whatever it is."""
    path = path.absolute()
    return next(place for place in (path, *path.parents) if os.path.lexists(place))


def damage_of(store: Path, files: Mapping[str, str], tile: str | None) -> list[Damage]:
    """Which of these files are not as their checksums say."""
    damages = []
    for name, expected in files.items():
        try:
            if not is_inside(name):
                damages.append(Damage(name, tile, "it lies outside of the store"))
            elif checksum(store / name) != expected:
                damages.append(Damage(name, tile, "its checksum differs"))
        except IsADirectoryError:
            damages.append(Damage(name, tile, "a folder is in its place"))
        except GONE:
            damages.append(Damage(name, tile, "missing"))
        except OSError as error:
            damages.append(unread(name, tile, error))
    return damages


def unread(name: str, tile: str | None, error: OSError) -> Damage:
    """A file that the system does not give."""
    return Damage(name, tile, f"it cannot be read ({_reason(error)})", unread=True)


@contextlib.contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turn what the system says of a file that it does not give into one clear line.

    Raises:
        UnreadableError: with that line.
        OSError: the file is gone.
    """
    try:
        yield
    except GONE:
        raise
    except OSError as error:
        raise UnreadableError(path, _reason(error)) from None


def is_inside(name: str) -> bool:
    """Whether a name, relative to a folder, stays in it."""
    parts = PurePosixPath(name).parts
    return bool(parts) and not PurePosixPath(name).is_absolute() and ".." not in parts


def _reason(error: OSError) -> str:
    if isinstance(error, UnreadableError):
        return error.reason
    return error.strerror or str(error) or type(error).__name__
