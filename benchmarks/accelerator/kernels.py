"""What a device does in an update, kernel by kernel, as its own profiler tells.

Two numbers say whether a program waits for its launches or for its arithmetic: how many kernels an
update starts, and how much of the time one of them is at work.
"""

import collections
import gzip
import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax

import jaxsup
from benchmarks.accelerator.ensembles import (
    Ensemble,
    bottleneck_experiment,
    large_case,
    small_case,
)
from benchmarks.accelerator.journal import Finding
from benchmarks.accelerator.stages import Surroundings

# Updates that are traced: enough to count by, and few enough for the profiler's buffers.
_TRACED = 50
# So many kernels are named.
_NAMED = 12


class Kernel(NamedTuple):
    """A kernel that ran on a stream of a device, from when and for how long, in seconds."""

    name: str
    began: float
    seconds: float


def find(surroundings: Surroundings) -> Iterator[Finding]:
    """Kernels an update of small, middling and large networks, and the device's idle time."""
    small = surroundings.small
    for name, experiment, networks in _cases(small=small):
        if surroundings.left < 0:
            yield Finding(name, note="not measured: out of time")
            continue
        ensemble = Ensemble(experiment, networks, surroundings.devices[:1])
        ensemble.train(_TRACED)
        folder = surroundings.folder / "trace"
        shutil.rmtree(folder, ignore_errors=True)
        with jax.profiler.trace(str(folder)):
            seconds = ensemble.train(_TRACED)
        kernels = read_kernels(folder)
        shutil.rmtree(folder, ignore_errors=True)
        if not kernels:
            yield Finding(name, note="not available: this device's profiler names no kernels")
            return
        yield from _shares(name, kernels, seconds)


def _cases(*, small: bool) -> Iterator[tuple[str, jaxsup.Experiment, int]]:
    case = small_case(small=small)
    yield case.name, bottleneck_experiment(case), case.networks
    # As the sweep of examples/transition.toml has them.
    middling = jaxsup.Experiment(
        jaxsup.PowerLawFeatures(128, 1.5),
        jaxsup.DiagonalTeacher(0.0),
        jaxsup.Student(64),
        jaxsup.SGD(0.5),
        batch_size=32,
        steps=10**6,
        record=jaxsup.Record(points=2, evaluation_samples=64),
    )
    networks = 4 if small else 335
    yield f"bottleneck 128/64/32, {networks} networks", middling, networks
    case = large_case(small=small)
    yield case.name, bottleneck_experiment(case), case.networks


def _shares(name: str, kernels: Sequence[Kernel], seconds: float) -> Iterator[Finding]:
    """Launches an update, the share of the time in which one is at work, and the longest."""
    busy = busy_seconds(kernels)
    yield Finding(f"{name}: kernels an update", value=len(kernels) / _TRACED)
    yield Finding(f"{name}: an update", value=1e6 * seconds / _TRACED, unit="us, traced")
    yield Finding(f"{name}: device at work", value=1e6 * busy / _TRACED, unit="us an update")
    totals: collections.Counter[str] = collections.Counter()
    counts: collections.Counter[str] = collections.Counter()
    for kernel in kernels:
        totals[kernel.name] += kernel.seconds
        counts[kernel.name] += 1
    for kernel, total in totals.most_common(_NAMED):
        note = f"{counts[kernel] / _TRACED:.3g} an update, {total / busy:.0%} of the work"
        short = kernel if len(kernel) <= 80 else kernel[:77] + "..."
        yield Finding(f"{name}: {short}", value=1e6 * total / _TRACED, unit="us", note=note)


def busy_seconds(kernels: Sequence[Kernel]) -> float:
    """Seconds in which at least one kernel is at work, whatever runs beside it."""
    busy, reached = 0.0, float("-inf")
    for kernel in sorted(kernels, key=lambda kernel: kernel.began):
        end = kernel.began + kernel.seconds
        busy += max(0.0, end - max(kernel.began, reached))
        reached = max(reached, end)
    return busy


def read_kernels(folder: Path) -> list[Kernel]:
    """The kernels in what `jax.profiler.trace` has written: events on streams of devices."""
    kernels = []
    for path in folder.rglob("*.trace.json.gz"):
        with gzip.open(path, "rt", encoding="utf-8") as file:
            events = json.load(file)["traceEvents"]
        devices = {event["pid"] for event in events if _named(event, "process_name", "/device:GPU")}
        streams = {
            (event["pid"], event["tid"])
            for event in events
            if _named(event, "thread_name", "Stream")
        }
        for event in events:
            place = event.get("pid"), event.get("tid")
            if event.get("ph") == "X" and place[0] in devices and place in streams:
                kernels.append(Kernel(event["name"], 1e-6 * event["ts"], 1e-6 * event["dur"]))
    return kernels


def _named(event: dict[str, Any], kind: str, beginning: str) -> bool:
    return event.get("name") == kind and event["args"]["name"].startswith(beginning)
