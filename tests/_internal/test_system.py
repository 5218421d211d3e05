"""Cores and memory against what the kernel and the process itself say."""

import os
from pathlib import Path

import numpy as np
import psutil
import pytest

from jaxsup._internal import system


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="Linux only")
def test_cores_are_those_that_the_scheduler_gives() -> None:
    allowed = os.sched_getaffinity(0)
    assert system.available_cores() == len(allowed)
    try:
        os.sched_setaffinity(0, {min(allowed)})
        assert system.available_cores() == 1
    finally:
        os.sched_setaffinity(0, allowed)


def test_cores_of_the_machine_where_there_is_no_affinity(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psutil, "Process", object)
    assert system.available_cores() == psutil.cpu_count()


def test_resident_memory_grows_by_what_is_written() -> None:
    before = system.resident_memory()
    block = np.ones(2**25)  # 256 MiB, every page written
    # Where memory is short, pages of libraries may go meanwhile.
    assert system.resident_memory() - before > 0.7 * block.nbytes


@pytest.mark.parametrize(
    ("limit", "used", "free"),
    [
        ("3000000\n", "1000000\n", 2_000_000),
        ("1000000\n", "3000000\n", 0),
        ("max\n", "5\n", None),
        (None, None, None),
    ],
)
def test_a_container_may_have_less_memory_than_the_machine(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    limit: str | None,
    used: str | None,
    free: int | None,
) -> None:
    monkeypatch.setattr(system, "_CGROUP", tmp_path)
    for name, text in (("max", limit), ("current", used)):
        if text is not None:
            (tmp_path / f"memory.{name}").write_text(text)
    machine = psutil.virtual_memory()
    if free is not None:
        assert system.free_memory() == free
        # Of what is used, some are files that were read.
        stat = "anon 100\ninactive_anon 700\ninactive_file 500000\nactive_file 900\n"
        (tmp_path / "memory.stat").write_text(stat)
        assert limit is not None
        assert used is not None
        assert system.free_memory() == max(0, int(limit) - int(used) + 500_000)
    else:
        assert 0 < system.free_memory() <= machine.total
        assert system.free_memory() == pytest.approx(machine.available, rel=0.2)
