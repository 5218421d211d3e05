"""Checks of the pictures that commands write."""

from __future__ import annotations

from pathlib import Path


def check_picture(path: Path) -> None:
    """Raise unless a picture can be written at `path`.

    Raises:
        ValueError: the ending names no format.
        FileNotFoundError: the folder is not there.
    """
    if path.suffix not in (".png", ".pdf", ".svg"):
        raise ValueError(f"{path}: expected .png, .pdf or .svg; got {path.suffix!r}; rename it")
    if not path.absolute().parent.is_dir():
        raise FileNotFoundError(
            f"{path}: expected a folder that is there; got none at {path.parent}; make it first"
        )
