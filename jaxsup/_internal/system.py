"""What this process may use of the machine, cores and memory, and of its interpreter."""

from pathlib import Path

import psutil

_CGROUP = Path("/sys/fs/cgroup")  # version 2: where a container finds its own limits


def check_assertions() -> None:
    """Raise where Python leaves out assertions: zarr then reads no metadata, and all looks damaged.

    Raises:
        ValueError: it does, by -O or PYTHONOPTIMIZE.
    """
    if not __debug__:
        raise ValueError(
            "python: expected assertions, which zarr needs to read what it stored; got -O or "
            "PYTHONOPTIMIZE; leave it out"
        )


def available_cores() -> int:
    """Cores that this process may run on: schedulers often give fewer than the machine has."""
    process = psutil.Process()
    if hasattr(process, "cpu_affinity"):  # not on macOS
        return len(process.cpu_affinity() or [0])
    return psutil.cpu_count() or 1


def resident_memory() -> int:
    """Bytes of memory that this process holds now."""
    return psutil.Process().memory_info().rss


def free_memory() -> int:
    """Bytes of memory that are free: of the machine, or of the container that this runs in."""
    free = psutil.virtual_memory().available
    container = _free_in_container()
    return free if container is None else min(free, container)


def _free_in_container() -> int | None:
    """Bytes left of a container's limit, which psutil does not see; None where there is none.

    Files that were read count as used, until the kernel wants their pages back.
    """
    try:
        limit, used = ((_CGROUP / f"memory.{name}").read_text() for name in ("max", "current"))
        # "max", for no limit, is no integer.
        return max(0, int(limit) - max(0, int(used) - _cached_in_container()))
    except (OSError, ValueError):
        return None


def _cached_in_container() -> int:
    """Bytes of files that a container holds and does not use; 0 where it does not tell."""
    try:
        lines = (_CGROUP / "memory.stat").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("inactive_file "))
