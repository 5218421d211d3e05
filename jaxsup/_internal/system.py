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
    """Bytes left of a container's limit, which psutil does not see; None where there is none."""
    try:
        limit, used = ((_CGROUP / f"memory.{name}").read_text() for name in ("max", "current"))
        return max(0, int(limit) - int(used))  # "max", for no limit, is no integer
    except (OSError, ValueError):
        return None
