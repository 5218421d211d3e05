"""Paths as people write them."""

import os
import re
from pathlib import Path

from jaxsup._internal.validation import fail

# A scheme of two letters or more: C:/ is a drive.
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")


def local_path(path: str | Path, name: str = "path") -> Path:
    """A path of this machine, with ~ as the home folder, as shells have it.

    Shells leave ~ as it is in --out=~/run, and Python everywhere.

    Arguments:
        path: the path.
        name: what an error calls it.

    Raises:
        ValueError: it is an address of something elsewhere, as s3://bucket/run.

    >>> str(local_path("runs/a"))
    'runs/a'
    """
    if not isinstance(path, str | os.PathLike):
        raise fail(name, "a path", path, "write it as text")
    text = os.fspath(path)
    if "\0" in text:
        raise fail(name, "a path", text, "leave out the character \\0")
    if _URL.match(text):
        do = "give a local one, and copy from or to there"
        raise fail(name, "a path on this machine", text, do)
    return Path(os.path.expanduser(text))
