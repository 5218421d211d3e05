"""Where a store lies: held open while it is filled, so that it is found again when it is moved."""

import contextlib
import errno
import glob
import os
import re
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

from jaxsup.sweep.store import journal

if sys.platform != "win32":
    import fcntl

# Temporary files of ours and of Zarr's.
_PARTIAL = re.compile(r".*\.[0-9a-f]{32}\.partial")
# What processes that share a folder, or a network's file system, do to each other in passing.
_PASSING = (errno.ENOENT, errno.EEXIST, errno.ENOTEMPTY, errno.ESTALE)
_TRIES = 5
# Seconds after which a temporary file has no living owner, whoever that was.
_ABANDONED = 24 * 3600


class Place:
    """The folder of a store.

    Attributes:
        path: the folder, as it was named.
        home: its absolute path when it was opened.
        opened: when, by the system's clock.
        alone: whether no other process of this machine fills the folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.home = Path(os.path.abspath(path))
        self.opened = time.time()
        self.alone = False
        self._manifest = journal.read_attributes(path / journal.MANIFEST)
        self._handle: int | None = None
        with contextlib.suppress(OSError):  # Windows opens no folders
            self._handle = os.open(path, os.O_RDONLY)

    def close(self) -> None:
        """Let go of the folder and its lock."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def lock(self, *, alone: bool) -> bool:
        """Lock the folder against others that would train the same; whether that was possible.

        The system drops the lock when the process ends, however it ends. Nothing is written. On
        network file systems it reaches the processes of this machine only.

        Arguments:
            alone: whether this process trains everything; shares do not exclude each other.

        Returns:
            Whether nobody holds a lock that excludes ours. True where there are no locks.
        """
        if sys.platform == "win32" or self._handle is None:
            return True
        try:
            fcntl.flock(self._handle, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:  # a file system without locks
            return True
        self.alone = alone
        return True

    def moved(self) -> bool:
        """Whether the folder is not where it was.

        It is if the path leads to the folder that was opened, or to one with the same manifest:
        some network file systems number their folders anew.
        """
        try:
            there = self.path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return True
        except OSError:  # out of reach for now
            return False
        if self._handle is None or os.path.samestat(there, os.fstat(self._handle)):
            return False
        return journal.read_attributes(self.path / journal.MANIFEST) != self._manifest

    def found(self) -> Path | None:
        """Where the folder is now, if the system can tell."""
        if self._handle is None:
            return None
        with contextlib.suppress(OSError, ValueError):
            if sys.platform == "darwin":
                name = fcntl.fcntl(self._handle, fcntl.F_GETPATH, bytes(1024)).rstrip(b"\0")
                path = Path(os.fsdecode(name))
            else:
                path = Path(os.readlink(f"/proc/self/fd/{self._handle}"))
            if os.path.samestat(path.stat(), os.fstat(self._handle)):
                return path
        return None

    def abandoned(self, path: Path) -> bool:
        """Whether a temporary file or folder has no living owner.

        None of this machine has one, if we are alone and it is older than our beginning.
        """
        try:
            changed = path.lstat().st_mtime
        except OSError:
            return False
        return changed < (self.opened if self.alone else time.time() - _ABANDONED)


def patiently(action: Callable[[], None]) -> None:
    """Do what may be repeated, again where another process may have been in the way.

    Raises:
        OSError: it failed each time, or for another reason.
    """
    for attempt in range(_TRIES):
        try:
            return action()
        except OSError as error:
            if error.errno not in _PASSING or attempt == _TRIES - 1:
                raise
        time.sleep(0.05 * 2**attempt)
    return None


def clear_leftovers(path: Path, place: Place) -> None:
    """Remove what interrupted processes left in a store and beside it; nothing of living ones."""
    home = place.home
    leftovers = [
        *(file for file in path.rglob("*.partial") if _PARTIAL.fullmatch(file.name)),
        *path.glob("probe.*"),
        *home.parent.glob(f".{glob.escape(home.name)}.{'[0-9a-f]' * 32}.partial"),
    ]
    for file in filter(place.abandoned, leftovers):
        if file.is_dir():
            shutil.rmtree(file, ignore_errors=True)
        else:
            file.unlink(missing_ok=True)
