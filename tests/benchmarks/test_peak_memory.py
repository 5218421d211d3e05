"""The memory of a part on an accelerator: the plan is held against what the device reports."""

import math
import types
from pathlib import Path

import pytest
from cards import card

from benchmarks.accelerator import engine, peak_memory
from benchmarks.accelerator.reference import make_sweeps
from benchmarks.accelerator.stages import Surroundings
from jaxsup.sweep.programs import plan_programs
from jaxsup.training.updates import gathered, sparse

HERE = Surroundings(Path(), small=True, devices=[], deadline=math.inf)


def test_memory_is_held_against_the_peak_of_the_device(monkeypatch):
    """A device that reports a peak of 1.5 times the plan, and one that reports nothing."""
    for peak, holds in ((1500, False), (900, True)):
        found = {"networks": 100, "plan": 1000, "peak": peak}
        monkeypatch.setattr(engine, "_peak_memory", lambda networks, flags, found=found: found)
        *alone, tried = engine.memory(HERE)
        assert len(alone) == len(peak_memory.NETWORKS)
        for finding in alone:
            assert (finding.holds, finding.value) == (holds, pytest.approx(peak / 1000))
        assert (tried.holds, tried.value) == (None, pytest.approx(peak / 1000))
    monkeypatch.setattr(engine, "_peak_memory", lambda networks, flags: {})
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
    assert peak_memory.measure(device, "small") == {"networks": 100, "plan": 1000, "peak": 1500}
    silent = types.SimpleNamespace(memory_stats=lambda: None)
    assert peak_memory.measure(silent, "small") == {}


def test_every_kind_of_kernels_has_networks_that_are_measured_and_compared(monkeypatch):
    """Small networks in two kernels, large ones by halves, and others without."""
    for module in (sparse, gathered):
        monkeypatch.setattr(module, "fault_of_kernels", lambda *arguments: None)
    measured = {name: peak_memory._sweep(*size, 1) for name, size in peak_memory.NETWORKS.items()}
    compared = {name.split()[0]: sweep for name, sweep in make_sweeps(small=False).items()}
    for sweeps in (measured, compared):
        kinds = {}
        for name, sweep in sweeps.items():
            program, *_ = plan_programs(sweep, 1)
            update = program.update.on(program.example, card())
            kinds[name] = tuple(getattr(update, way, False) for way in ("fused", "halved"))
        expected = {"small": (True, False), "middling": (False, False), "large": (False, True)}
        assert kinds == expected
