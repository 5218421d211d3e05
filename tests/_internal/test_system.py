"""Cores and memory against what the kernel and the process itself say."""

import ctypes
import os

import numpy as np
import psutil
import pytest

from jaxsup._internal import system


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="Linux only")
def test_cores_are_those_that_the_scheduler_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system, "processors", lambda: None)
    allowed = os.sched_getaffinity(0)
    assert system.available_cores() == len(allowed)
    try:
        os.sched_setaffinity(0, {min(allowed)})
        assert system.available_cores() == 1
    finally:
        os.sched_setaffinity(0, allowed)


def test_cores_of_the_machine_where_there_is_no_affinity(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psutil, "Process", object)
    monkeypatch.setattr(system, "processors", lambda: None)
    assert system.available_cores() == psutil.cpu_count()


def test_resident_memory_grows_by_what_is_written() -> None:
    before = system.resident_memory()
    block = np.ones(2**25)  # 256 MiB, every page written
    # Where memory is short, pages of libraries may go meanwhile.
    assert system.resident_memory() - before > 0.7 * block.nbytes


def test_a_job_may_have_less_than_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = psutil.virtual_memory()
    monkeypatch.setattr(system, "memory_left", lambda: 2_000_000)
    monkeypatch.setattr(system, "processors", lambda: 0.5)
    assert (system.free_memory(), system.available_cores()) == (2_000_000, 1)
    monkeypatch.setattr(system, "memory_left", lambda: None)
    monkeypatch.setattr(system, "processors", lambda: None)
    assert 0 < system.free_memory() <= machine.total
    assert system.free_memory() == pytest.approx(machine.available, rel=0.2)
    cores = system.available_cores()
    monkeypatch.setattr(system, "processors", lambda: cores + 0.1)
    assert system.available_cores() == cores


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="it is glibc's")
def test_freed_memory_is_given_back() -> None:
    """Of 100 MiB in pieces of 1 KiB all but the last piece is freed, below which the rest stays."""
    library = ctypes.CDLL(None)
    library.malloc.restype, library.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
    pieces = [library.malloc(1024) for _ in range(100 * 1024)]
    for piece in pieces:
        ctypes.memset(piece, 1, 1024)
    for piece in pieces[:-1]:
        library.free(piece)
    before = system.resident_memory()
    system.return_freed_memory()
    assert before - system.resident_memory() > 50 * 2**20
    library.free(pieces[-1])
