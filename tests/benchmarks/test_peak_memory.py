"""The memory of a part on an accelerator: the plan is held against what the device reports."""

import math
import types
from pathlib import Path

import pytest

from benchmarks.accelerator import engine, peak_memory
from benchmarks.accelerator.stages import Surroundings

HERE = Surroundings(Path(), small=True, devices=[], deadline=math.inf)


def test_memory_is_held_against_the_peak_of_the_device(monkeypatch):
    """A device that reports a peak of 1.5 times the plan, and one that reports nothing."""
    for peak, holds in ((1500, False), (900, True)):
        found = {"networks": 100, "plan": 1000, "peak": peak}
        monkeypatch.setattr(engine, "_peak_memory", lambda flags, found=found: found)
        alone, tried = engine.memory(HERE)
        assert (alone.holds, alone.value) == (holds, pytest.approx(peak / 1000))
        assert (tried.holds, tried.value) == (None, pytest.approx(peak / 1000))
    monkeypatch.setattr(engine, "_peak_memory", lambda flags: {})
    (finding,) = engine.memory(HERE)
    assert finding.holds is None
    assert "not available" in finding.note


def test_peak_memory_is_that_of_the_part_alone(monkeypatch):
    """A device that had 100 bytes in use before; and one that reports nothing."""
    monkeypatch.setattr(peak_memory.jaxsup, "run", lambda *args, **options: None)
    need = types.SimpleNamespace(fitting=lambda limit: 100, part=lambda networks: 10 * networks)
    monkeypatch.setattr(peak_memory, "footprint", lambda *args: need)
    reports = iter([{"bytes_in_use": 100, "peak_bytes_in_use": 200}, {"peak_bytes_in_use": 1600}])
    device = types.SimpleNamespace(memory_stats=lambda: next(reports))
    assert peak_memory.measure(device) == {"networks": 100, "plan": 1000, "peak": 1500}
    assert peak_memory.measure(types.SimpleNamespace(memory_stats=lambda: None)) == {}
