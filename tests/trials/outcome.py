"""One fault tried, or one bad input given, and what came of it.

A module of this folder makes trials of one or more kinds: ``trials(folder, count, seed)`` yields an
`Outcome` for each. Tests run few of them with a fixed seed; `scripts/faults.py` runs many and
writes the table of docs/faults.md.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Protocol


class Outcome(NamedTuple):
    """What came of one trial.

    Attributes:
        kind: the row of the table, such as "one bit of a chunk flipped".
        case: what was done, so that a person can do it again.
        held: whether it was survived (nothing silent, nothing lost) or refused in one clear line.
        got: what happened, in words.
    """

    kind: str
    case: str
    held: bool
    got: str


class Trials(Protocol):
    """What a module of trials has."""

    def __call__(self, folder: Path, count: int, seed: int) -> Iterator[Outcome]:
        """Try `count` cases of each kind, drawn by `seed`, with `folder` to write in."""
        ...
