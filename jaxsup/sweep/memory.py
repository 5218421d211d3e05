"""How much memory there is, and how many replicas fit: the memory plan of a sweep."""

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from jaxsup._internal.system import available_cores, free_memory, resident_memory
from jaxsup._internal.validation import fail
from jaxsup.sweep.footprint import Footprint

_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
# What a part may take: the rest of an accelerator's memory goes to the compiled programs, to
# fragmentation, and to whoever shares it.
_USABLE = 0.8
# An accelerator's memory where it does not tell.
_UNTOLD = 2**33
# On a CPU a part that stays near the caches is faster than the largest that memory holds: see
# `benchmarks/scaling.py`.
_CPU_WORKING_SET = 40 * 2**20
COMPILING = 256 * 2**20
"""Bytes that compilation takes on the host and does not give back."""
# Freed blocks that a thread's part of the C library's heap keeps for its next, beyond the two
# threads that footprints allow for: 16 devices on two cores kept up to 5.5 MiB each. To give blocks
# back at once (M_MMAP_THRESHOLD) takes all of it away, and a fifth of the speed or more.
_THREAD_KEEPS = 6 * 2**20


class Budget(NamedTuple):
    """Bytes that a part may take, over all devices.

    Attributes:
        limit: what there is.
        preferred: what is used of it, unless a part takes more with one replica a device.
    """

    limit: int
    preferred: int


def choose_chunk(need: Footprint, points: int, budget: Budget) -> int:
    """How many replicas to train at once: at least one a device, whole seeds where any fits.

    Less than a seed is a multiple of the devices, as they would train padding beside it.

    Arguments:
        need: what replicas take.
        points: settings that the program trains: so many replicas share a seed.
        budget: what they may take.

    Raises:
        ValueError: not even one a device fits.
    """
    least = need.part(need.devices)
    if least > budget.limit:
        raise fail(
            "memory",
            f"at least {format_bytes(least)} for one network a device",
            f"a budget of {format_bytes(budget.limit)}",
            "allow more, use fewer devices, or make the batch or the network smaller",
            described=True,
        )
    replicas = need.fitting(min(budget.limit, budget.preferred))
    unit = points if replicas >= points else need.devices
    return max(need.devices, replicas - replicas % unit)


def memory_budget(memory: int | str | None, devices: Sequence[Any]) -> Budget:
    """Bytes that a part may take, over all `devices`.

    Arguments:
        memory: bytes, or text like ``"4GiB"``: on an accelerator what its arrays may take, on a CPU
            what the whole process may. Default: four fifths of what is free of an accelerator's
            memory; on a CPU half of what is free, and rather what stays near the caches.
        devices: devices that share the part.

    Raises:
        ValueError: `memory` is no size, or too small for the process itself.
    """
    if memory is not None:
        limit = parse_bytes(memory)
        if devices[0].platform == "cpu":
            program = resident_memory() + COMPILING + kept_by_threads(len(devices))
            if limit <= program:
                least = f"more than the {format_bytes(program)} of the program itself"
                raise fail("memory", least, memory, "allow more")
            limit -= program
        return Budget(limit, limit)
    if devices[0].platform == "cpu":
        limit = free_memory() // 2
        return Budget(limit, min(limit, _CPU_WORKING_SET))
    limit = int(_USABLE * min(map(_free_on, devices)) * len(devices))
    return Budget(limit, limit)


def kept_by_threads(devices: int) -> int:
    """Bytes that the threads of so many devices of a CPU keep beside what programs hold, at most.

    The runtime has one for each core and for each device.
    """
    return _THREAD_KEEPS * max(0, max(available_cores(), devices) - 2)


def _free_on(device: Any) -> int:
    """Bytes of an accelerator that are not taken by this process, of those that JAX may take."""
    stats = device.memory_stats() or {}
    return max(0, stats.get("bytes_limit", _UNTOLD) - stats.get("bytes_in_use", 0))


def parse_bytes(text: int | str) -> int:
    """A number of bytes from 2147483648, "2GiB", "2G" or "512 MiB" (powers of 1,024).

    Raises:
        ValueError: it is none.

    >>> parse_bytes("1.5 GiB")
    1610612736
    """
    match = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]*)?)\s*([KMGT]?)(?:i?B)?\s*", str(text), re.I)
    size = float(match[1]) * _UNITS[match[2].upper()] if match else 0.0
    if isinstance(text, bool) or not 1 <= size < 2**63:
        raise fail("memory", "a size in bytes", text, "write it like 4GiB or 512MiB")
    return int(size)


def format_bytes(size: float) -> str:
    """A size for people.

    >>> format_bytes(1610612736), format_bytes(700)
    ('1.5 GiB', '700 B')
    """
    units = ["B", "KiB", "MiB", "GiB", "TiB"]
    unit = units.pop(0)
    while size >= 1024 and units:
        size, unit = size / 1024, units.pop(0)
    return f"{size:.0f} {unit}" if size >= 100 or unit == "B" else f"{size:.2g} {unit}"
