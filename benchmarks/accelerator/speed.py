"""Shares of the roofline, a sweep of the examples, the eager loop, and a figure at paper scale."""

import dataclasses
import importlib.util
from collections.abc import Iterator
from typing import Any

import jaxsup
from benchmarks import bottleneck, peaks
from benchmarks.accelerator.ensembles import (
    Ensemble,
    bottleneck_experiment,
    large_case,
    own_float32,
    small_case,
)
from benchmarks.accelerator.journal import Finding
from benchmarks.accelerator.stages import Surroundings
from benchmarks.devices import ARITHMETIC
from benchmarks.turns import ROOT, Measured
from jaxsup.sweep.callbacks import Stopped
from jaxsup.sweep.tables import read_sweep

_SHARE = 0.5
"""Of the roofline: what the large case is to reach in float32."""


def rooflines(surroundings: Surroundings) -> Iterator[Finding]:
    """Small and large networks in both precisions, over the peaks of the same arithmetic."""
    small = surroundings.small
    seconds = 0.05 if small else 0.5
    size = {"side": 512, "stream": 2**24} if small else {"side": 2048, "stream": 2**26}
    memory = _peak(peaks.memory(size | {"seconds": seconds}))
    note = f"arrays of {memory.facts['size']:,} float32 numbers"
    yield Finding("memory", value=1e-9 / memory.costs[0], unit="GB/s", note=note)
    for precision in ("float32",) if small else ("float32", "fast"):
        products = _peak(peaks.products(size | {"seconds": seconds, "precision": precision}))
        note = f"side {products.facts['size']:,}, {products.facts['library']}"
        rate = 1e-12 / products.costs[0]
        yield Finding(f"products, {precision!r}", value=rate, unit="TFLOP/s", note=note)
        for make, target in ((small_case, None), (large_case, None if small else _SHARE)):
            if surroundings.left < 0:
                yield Finding(make.__name__, note="not measured: out of time")
                continue
            case = make(small=small, precision=precision)
            ensemble = Ensemble(bottleneck_experiment(case), case.networks, surroundings.devices)
            cost = ensemble.step_seconds(seconds)
            seats = {"jaxsup": Measured(costs=[cost]), "products": products, "memory": memory}
            row = bottleneck.roofline(case, seats, target if precision == "float32" else None)
            name = f"{case.name}, {precision!r}"
            yield Finding(name, value=1e6 * cost, unit="us a network-step")
            yield _share(name, row)


def _peak(prepared: Any) -> Measured:
    """The fastest of a few turns of a contender."""
    turns = [prepared.turn() for _ in range(3)]
    return Measured(costs=[min(took / units for took, units in turns)], facts=prepared.facts)


def _share(name: str, row: bottleneck.Row) -> Finding:
    """The roofline's row; only a share that cannot be is a check, and one that fails."""
    reached, note = 100 * row.reached.median, f"{row.against}; {row.note}"
    if row.impossible:
        note = f"an error of the benchmark: the peak is none; {note}"
        return Finding(f"{name}: share", False, reached, 100.0, "%", note)
    if row.target is not None:
        note = f"to reach: {row.target:.0%}, {'met' if row.met else 'MISSED'}; {note}"
    return Finding(f"{name}: share", None, reached, None, "%", note)


def example(surroundings: Surroundings) -> Iterator[Finding]:
    """The sweep of `examples/transition.toml`, by `jaxsup.run`: few, middling networks."""
    sweep = read_sweep(ROOT / "examples" / "transition.toml")
    if surroundings.small:
        experiment = dataclasses.replace(sweep.experiment, steps=20)
        sweep = jaxsup.Sweep(experiment, {"student.latent": [64, 32]}, 2)
    reports: list[Any] = []
    jaxsup.run(sweep, widths=4, progress=reports.append, devices=surroundings.devices)
    last = reports[-1]
    name = f"{sweep.replicas:,} networks x {sweep.experiment.steps:,} steps"
    yield Finding(
        name, value=last.seconds, unit="s", note=f"compiling {last.compile_seconds:.1f} s"
    )
    yield Finding(f"{name}: rate", value=last.rate, unit="network-steps/s")


def rival(surroundings: Surroundings) -> Iterator[Finding]:
    """The eager PyTorch loop on the same card and in the same arithmetic, where PyTorch is."""
    if importlib.util.find_spec("torch") is None:
        yield Finding("eager PyTorch loop", note="not measured: PyTorch is not installed")
        return
    if surroundings.small:
        yield Finding("eager PyTorch loop", note="on a CPU: python -m benchmarks --only bottleneck")
        return
    for make in (small_case, large_case):
        case = dataclasses.replace(make(small=False), device="cuda", seconds=2.0)
        seats, notes = bottleneck.contend(("jaxsup", "eager"), case, 3)
        if seats["eager"].missing:
            yield Finding("eager PyTorch loop", note=f"not measured: {seats['eager'].missing}")
            return
        costs = seats["jaxsup"].costs, seats["eager"].costs
        row = bottleneck.compare(case.name, "eager PyTorch loop", *costs)
        name = f"{case.name}, against the eager loop"
        both = f"{row.ours:.3g} us against {row.theirs:.3g} us a network-step"
        note = f"{both}; ours to float32's accuracy as sweeps multiply, theirs in float32"
        yield Finding(name, None, row.reached.median, None, "x", f"{note}; {notes['eager']}")
        with own_float32():
            experiment = bottleneck_experiment(case)
            ensemble = Ensemble(experiment, case.networks, surroundings.devices[:1])
        ours = 1e6 * ensemble.step_seconds(0.5)
        note = f"{ours:.3g} us; {ARITHMETIC[case.precision]}"
        name = f"{name}, in the cores' own float32 on both sides"
        yield Finding(name, None, row.theirs / ours, None, "x", note)


def transition(surroundings: Surroundings) -> Iterator[Finding]:
    """The figure `transition`, as far as the time goes: the next call goes on with it."""
    for scale in ("smoke",) if surroundings.small else ("paper", "large"):
        reports: list[Any] = []
        folder = surroundings.folder / scale
        try:
            report = jaxsup.reproduce.reproduce(
                "transition",
                scale,
                folder,
                resume=folder.exists(),
                progress=reports.append,
                stop=lambda: surroundings.left < 0,
            )
        except Stopped:
            last = reports[-1]
            share = 100 * last.network_steps_done / last.network_steps
            note = f"{last.replicas_done} of {last.replicas} networks are whole; {last.rate:,.0f} "
            note += "network-steps/s; the same command goes on"
            yield Finding(f"{scale}: trained", value=share, unit="%", note=note)
            return
        yield Finding(f"{scale}: training", value=report.seconds["training"], unit="s")
        # What networks of the smallest scale do is no claim of anybody's.
        for claim in () if surroundings.small else report.findings.claims:
            note = f"published {claim.published}, measured {claim.measured}"
            yield Finding(f"{scale}: {claim.quantity}: {claim.verdict}", note=note)
