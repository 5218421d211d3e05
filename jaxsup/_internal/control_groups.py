"""Limits of the groups that this process is in: of a container, or of a scheduler's job.

Linux has them in files, of two versions; a group has the limits of those around it as well.
"""

from collections.abc import Iterator
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")
_OWN = Path("/proc/self/cgroup")
# By version: limit and use of memory, and how its statistics call files that nobody uses now.
_MEMORY = {
    2: ("memory.max", "memory.current", "inactive_file "),
    1: ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file "),
}


def memory_left() -> int | None:
    """Bytes left of the narrowest limit, at least 0; None where there is none.

    Files that were read count as used, until the kernel wants their pages back.
    """
    left = []
    for version, group in _groups("memory"):
        limit_name, used_name, cached_name = _MEMORY[version]
        limit, used = _number(group / limit_name), _number(group / used_name)
        if limit is not None and used is not None:
            left.append(max(0, limit - max(0, used - _cached(group, cached_name))))
    return min(left, default=None)


def processors() -> float | None:
    """Processors whose time the narrowest quota is worth; None where there is none."""
    quotas = []
    for version, group in _groups("cpu"):
        if version == 2:
            quota, period = (*_words(group / "cpu.max"), "", "")[:2]
        else:
            quota, period = (
                "".join(_words(group / f"cpu.cfs_{name}_us")) for name in ("quota", "period")
            )
        # "max" or -1 is no quota.
        if quota.isdecimal() and period.isdecimal() and int(period) > 0:
            quotas.append(int(quota) / int(period))
    return min(quotas, default=None)


def _groups(controller: str) -> Iterator[tuple[int, Path]]:
    """Version and folder of the groups with a controller, from the process's own outwards."""
    for line in _lines(_OWN):
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0" and not controllers:
            version, root = 2, _ROOT
        elif controller in controllers.split(","):
            version, root = 1, _ROOT / controller
        else:
            continue
        # Seen from inside of a container, what lies outside is not there.
        own = Path(path.lstrip("/"))
        inside = [] if ".." in own.parts else [own, *own.parents]
        for group in dict.fromkeys([*inside, Path()]):
            yield version, root / group


def _cached(group: Path, name: str) -> int:
    """Bytes of files that a group holds and does not use; 0 where it does not tell."""
    numbers = [line[len(name) :] for line in _lines(group / "memory.stat") if line.startswith(name)]
    return sum(int(number) for number in numbers if number.isdecimal())


def _number(file: Path) -> int | None:
    """A whole number; None where a file has none: "max" is no limit."""
    text = "".join(_words(file))
    return int(text) if text.isdecimal() else None


def _words(file: Path) -> list[str]:
    return [word for line in _lines(file) for word in line.split()]


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text().splitlines()
    except (OSError, ValueError):
        return []
