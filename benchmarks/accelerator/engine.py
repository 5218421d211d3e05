"""The engine on a device: against a CPU, resumed, shared out, and in the memory as planned."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np

import jaxsup
from benchmarks.accelerator.journal import Finding, at_most
from benchmarks.accelerator.reference import make_sweep
from benchmarks.accelerator.stages import Surroundings
from benchmarks.turns import ROOT
from jaxsup.sweep.callbacks import Stopped
from jaxsup.sweep.footprint import footprint
from jaxsup.sweep.programs import plan_programs

LOSS_BOUND = 2e-5
"""Of a loss at any record. Other orders of float32's sums moved it by 7e-7 on a CPU in full size;
training products of TensorFloat-32, simulated there, by 1.2e-4."""
SHARED_BOUND = 1e-5
# Bytes that the part takes whose memory is measured.
_MEMORY = 2**31
# What a plan may be below the peak: what a device rounds its pieces up by.
_SLACK = 1.02


def against_cpu(surroundings: Surroundings) -> Iterator[Finding]:
    """A sweep on this device, against the same one that a CPU trains in another process."""
    folder = surroundings.folder
    folder.mkdir(parents=True, exist_ok=True)
    file, size = folder / "reference.npz", "small" if surroundings.small else "full"
    command = [sys.executable, "-m", "benchmarks.accelerator.reference", size, str(file.resolve())]
    variables = {**os.environ, "JAX_PLATFORMS": "cpu", "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(command, cwd=ROOT, env=variables)
    try:
        ours = jaxsup.run(make_sweep(small=surroundings.small))["loss"].values
        status = process.wait()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    if status:
        raise RuntimeError(f"the sweep on a CPU ended with status {status}")
    expected = np.load(file)["loss"]
    error = np.abs(ours - expected).max() / np.abs(expected).max()
    relative = (np.abs(ours - expected) / np.abs(expected)).max()
    note = f"{ours.size} losses, {ours.shape[:-1]} networks; {error:.2g} of the largest loss"
    yield at_most("losses against a CPU", relative, LOSS_BOUND, "of the loss", note)


def resumed(surroundings: Surroundings) -> Iterator[Finding]:
    """A sweep twice, and once stopped and gone on with: the same bits."""
    folder = surroundings.folder
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    sweep = make_sweep(small=surroundings.small)
    whole, again = (jaxsup.run(sweep, folder / name).load() for name in ("whole", "again"))
    yield at_most("numbers that differ between two runs", _differing(whole, again), 0)
    # Early, so that the rest is trained by the second call.
    segments, stops = 0, 3

    def stop() -> bool:
        nonlocal segments
        segments += 1
        return segments >= stops

    try:
        jaxsup.run(sweep, folder / "stopped", checkpoint=0.0, stop=stop)
    except Stopped:
        resumed = jaxsup.run(sweep, folder / "stopped", resume=True).load()
        differing = _differing(whole, resumed)
        yield at_most("numbers that differ after a stop", differing, 0)
    else:
        raise RuntimeError("the sweep was asked to stop and did not")


def _differing(one: Any, other: Any) -> int:
    """How many numbers of two datasets have other bits."""
    return sum(
        int(
            np.sum(
                np.ascontiguousarray(one[name].values).view(np.uint8)
                != np.ascontiguousarray(other[name].values).view(np.uint8)
            )
        )
        for name in one.data_vars
    )


def shared(surroundings: Surroundings) -> Iterator[Finding]:
    """A sweep on all devices, against the same one on the first of them."""
    count = len(surroundings.devices)
    if count == 1:
        yield Finding("losses of all devices against one", note="not tried: there is one device")
        return
    sweep = make_sweep(small=surroundings.small)
    one = jaxsup.run(sweep, devices=surroundings.devices[:1])["loss"].values
    many = jaxsup.run(sweep, devices=surroundings.devices)["loss"].values
    error = (np.abs(many - one) / np.abs(one)).max()
    note = f"{count} devices"
    yield at_most("losses of all devices against one", error, SHARED_BOUND, "of the loss", note)


def memory(surroundings: Surroundings) -> Iterator[Finding]:
    """The bytes that were planned for a part, against the peak that the device reports."""
    name, device = "peak over plan", surroundings.devices[0]
    before = device.memory_stats() or {}
    if "peak_bytes_in_use" not in before:
        yield Finding(name, note="not available: this device does not report its memory")
        return
    sweep = _large_sweep(2)
    (program,) = plan_programs(sweep, 1)
    need = footprint(program, 2**20, [device])
    limit = min(_MEMORY, before.get("bytes_limit", _MEMORY) // 2)
    networks = max(1, need.fitting(limit))
    jaxsup.run(_large_sweep(networks), devices=[device], chunk=networks)
    after, plan = device.memory_stats() or {}, need.part(networks)
    if after["peak_bytes_in_use"] <= before["peak_bytes_in_use"]:
        yield Finding(name, note="not measured: more was in use before in this process")
        return
    peak = after["peak_bytes_in_use"] - before["bytes_in_use"]
    note = f"{networks:,} networks: planned {plan / 2**20:,.0f} MiB, peak {peak / 2**20:,.0f} MiB"
    yield at_most(name, peak / plan, _SLACK, note=note)


def _large_sweep(networks: int) -> jaxsup.Sweep:
    experiment = jaxsup.Experiment(
        jaxsup.PowerLawFeatures(256, 1.5),
        jaxsup.DiagonalTeacher(0.0),
        jaxsup.Student(64),
        jaxsup.SGD(0.3),
        batch_size=256,
        steps=8,
        record=jaxsup.Record(points=2, evaluation_samples=1024),
    )
    return jaxsup.Sweep(experiment, seeds=networks)
