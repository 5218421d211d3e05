"""Checks of the pictures that commands write, and how they are drawn."""

from __future__ import annotations

import os
from pathlib import Path


def check_picture(path: Path, *, force: bool) -> None:
    """Raise unless a picture can be written at `path`, before anything expensive starts.

    Arguments:
        path: the file.
        force: whether a file that is there may be written over.

    Raises:
        ValueError: the ending names no format.
        FileNotFoundError: the folder is not there.
        FileExistsError: something of that name is there.
        PermissionError: the folder or file may not be written.
    """
    if path.suffix not in (".png", ".pdf", ".svg"):
        raise ValueError(f"{path}: expected .png, .pdf or .svg; got {path.suffix!r}; rename it")
    if not path.absolute().parent.is_dir():
        raise FileNotFoundError(
            f"{path}: expected a folder that is there; got none at {path.parent}; make it first"
        )
    if path.is_dir() or (os.path.lexists(path) and not force):
        what, do = "a folder", "choose another name"
        if not path.is_dir():
            what, do = "one that is there", "choose another name, or add --force to replace it"
        raise FileExistsError(f"{path}: expected a new file; got {what}; {do}")
    if not os.access(path if path.exists() else path.absolute().parent, os.W_OK):
        raise PermissionError(
            f"{path}: expected a place to write; got one without permission; choose another"
        )


def use_house_style() -> None:
    """Draw to files as this package draws, whatever notebooks and matplotlibrc have asked for.

    Call it before Matplotlib is imported: its import fails where MPLBACKEND names a notebook's
    backend that is not installed.
    """
    os.environ["MPLBACKEND"] = "agg"
    import matplotlib as mpl

    mpl.rcdefaults()
