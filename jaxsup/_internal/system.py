"""What this process may use of the machine, cores and memory, and of its interpreter."""

import contextlib
import ctypes
import math

import psutil

from jaxsup._internal.control_groups import memory_left, processors


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
    """Cores that this process may use: of the machine, or of its container or job."""
    process, quota = psutil.Process(), processors()
    if hasattr(process, "cpu_affinity"):  # not on macOS
        cores = len(process.cpu_affinity() or [0])
    else:
        cores = psutil.cpu_count() or 1
    # Of one and a half the time of two is used up, with pauses.
    return cores if quota is None else max(1, min(cores, math.ceil(quota)))


def resident_memory() -> int:
    """Bytes of memory that this process holds now."""
    return psutil.Process().memory_info().rss


def free_memory() -> int:
    """Bytes of memory that are free: of the machine, or of the container or job that this is in."""
    free, left = psutil.virtual_memory().available, memory_left()
    return free if left is None else min(free, left)


def return_freed_memory() -> None:
    """Give back what the C library's heap keeps of what was freed, where it is glibc's.

    A compiler leaves it hundreds of MiB in small pieces: 175 to 411 MiB after the programs of a
    sweep of N = 1,024, given back in 0.06 to 0.18 s.
    """
    with contextlib.suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).malloc_trim(ctypes.c_size_t(0))
