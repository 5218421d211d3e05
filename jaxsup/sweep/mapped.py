"""How many pieces of memory a process has mapped: compiled programs consist of hundreds.

Linux allows a process so many (vm.max_map_count, usually 65,530); beyond, LLVM finds no memory for
another program, and the process ends with a fault of segmentation.
"""

import contextlib
from pathlib import Path

_MAPS, _MOST = Path("/proc/self/maps"), Path("/proc/sys/vm/max_map_count")
_SHARE = 1 / 3
# Of what others have compiled nothing is given up: from then on so much more is allowed.
_MORE = 1 / 20
_MOST_SHARE = 0.9


def mapped_share() -> float:
    """Pieces that are mapped, over those that may be; 0 where the system tells no limit."""
    with contextlib.suppress(OSError, ValueError), _MAPS.open("rb") as maps:
        return sum(1 for _ in maps) / int(_MOST.read_text())
    return 0.0


class Crowding:
    """Tells when compiled programs are to be given up, so that others find room."""

    def __init__(self) -> None:
        self._allowed = _SHARE

    def calls_for_release(self) -> bool:
        """Count what is mapped now, and say whether it is more than is allowed."""
        return mapped_share() > self._allowed

    def note_release(self) -> None:
        """Say that programs were given up: what is left now is no reason to do so again."""
        self._allowed = min(max(_SHARE, mapped_share() + _MORE), _MOST_SHARE)
