"""What the command writes to: streams that take any text and show no control characters."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import sys
from collections.abc import Iterator
from typing import TextIO

from jaxsup._internal.text import plain_text

_NARROWEST = 40  # columns; in very few of them tyro goes round in circles
_COLOR = re.compile("(\x1b\\[[0-9;]*m)")


def one_line(text: object) -> str:
    """The text without line breaks and control characters."""
    return plain_text(" ".join(str(text).split()))


class PlainStream:
    """A text stream that writes what its terminal can show, and nothing that commands it.

    Arguments:
        stream: what is written to.
        optional: whether it is no error if that cannot be written, as a log on a full disk.

    Attributes:
        terminal: the stream itself, for what draws on it.
        colors: whether colors pass: those that the parser of the command line prints.
    """

    def __init__(self, stream: TextIO | io.TextIOBase, *, optional: bool = False) -> None:
        self.terminal = stream
        self._accepted = (OSError,) if optional else ()
        self.colors = stream.isatty()

    def write(self, text: str) -> int:
        parts = _COLOR.split(text) if self.colors else [text]
        parts[::2] = [plain_text(part) for part in parts[::2]]
        encoding = self.terminal.encoding or "utf-8"
        shown = "".join(parts).encode(encoding, "backslashreplace").decode(encoding)
        with contextlib.suppress(*self._accepted):
            self.terminal.write(shown)
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(*self._accepted):
            self.terminal.flush()

    def __getattr__(self, name: str) -> object:
        return getattr(self.terminal, name)


@contextlib.contextmanager
def plain_streams() -> Iterator[tuple[PlainStream, PlainStream]]:
    """Standard output and error as `PlainStream`, whatever they are: closed ones go nowhere."""
    _fill_descriptors()
    before = sys.stdout, sys.stderr
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        streams = (
            PlainStream(sys.stdout or nowhere),
            PlainStream(sys.stderr or nowhere, optional=True),
        )
        sys.stdout, sys.stderr = streams  # pyright: ignore[reportAttributeAccessIssue]
        try:
            yield streams
        finally:
            sys.stdout, sys.stderr = before


def widen() -> None:
    """See to it that help has columns enough to be laid out."""
    if shutil.get_terminal_size().columns < _NARROWEST:
        os.environ["COLUMNS"] = str(_NARROWEST)


def _fill_descriptors() -> None:
    """Open what is closed of 0, 1 and 2: else the next file opened would get the warnings in it."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest that is free
