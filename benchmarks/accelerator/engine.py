"""The engine on a device: against a CPU, resumed, shared out, and in the memory as planned."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np

import jaxsup
from benchmarks.accelerator.journal import Finding, at_most
from benchmarks.accelerator.reference import make_sweep, make_sweeps
from benchmarks.accelerator.stages import Surroundings
from benchmarks.turns import ROOT
from jaxsup.sweep.callbacks import Stopped

LOSS_BOUND = 2e-5
"""Of a loss at any record. Other orders of float32's sums moved it by 7e-7 on a CPU in full size;
training products of TensorFloat-32, simulated there, by 1.2e-4."""
SHARED_BOUND = 1e-5
# What a plan may be below the peak: what a device rounds its pieces up by.
_SLACK = 1.02


def against_cpu(surroundings: Surroundings) -> Iterator[Finding]:
    """Sweeps on this device, against the same ones that a CPU trains in another process."""
    folder = surroundings.folder
    folder.mkdir(parents=True, exist_ok=True)
    file, size = folder / "reference.npz", "small" if surroundings.small else "full"
    command = [sys.executable, "-m", "benchmarks.accelerator.reference", size, str(file.resolve())]
    variables = {**os.environ, "JAX_PLATFORMS": "cpu", "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(command, cwd=ROOT, env=variables)
    try:
        sweeps = make_sweeps(small=surroundings.small)
        losses = {name: jaxsup.run(sweep)["loss"].values for name, sweep in sweeps.items()}
        status = process.wait()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    if status:
        raise RuntimeError(f"the sweeps on a CPU ended with status {status}")
    expected = np.load(file)
    for name, ours in losses.items():
        theirs = expected[name]
        error = np.abs(ours - theirs).max() / np.abs(theirs).max()
        relative = (np.abs(ours - theirs) / np.abs(theirs)).max()
        note = f"{ours.size} losses, {ours.shape[:-1]} networks; {error:.2g} of the largest loss"
        yield at_most(f"losses against a CPU: {name}", relative, LOSS_BOUND, "of the loss", note)


def resumed(surroundings: Surroundings) -> Iterator[Finding]:
    """A sweep twice, and once stopped and gone on with, here and by another process: the same bits.

    Another process may find other kernels faster; the store tells it of those that it began with.
    """
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
        shutil.copytree(folder / "stopped", folder / "elsewhere")
        resumed = jaxsup.run(sweep, folder / "stopped", resume=True).load()
        differing = _differing(whole, resumed)
        yield at_most("numbers that differ after a stop", differing, 0)
        size = "small" if surroundings.small else "full"
        module = "benchmarks.accelerator.going_on"
        command = [sys.executable, "-m", module, size, str((folder / "elsewhere").resolve())]
        variables = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
        if surroundings.devices[0].platform == "cpu":
            # A CPU has as many devices as a process asks for; other shares have other last bits.
            variables["JAX_NUM_CPU_DEVICES"] = str(len(surroundings.devices))
        subprocess.run(command, cwd=ROOT, env=variables, check=True)
        differing = _differing(whole, jaxsup.open_store(folder / "elsewhere").load())
        yield at_most("numbers that differ after another process", differing, 0)
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
    """The bytes that were planned for a part, against the peak that the device reports.

    The plan is of arrays. While it tries kernels out, the compiler takes more, and gives it back.
    """
    for networks, flags, bound in (
        ("middling", "--xla_gpu_autotune_level=0", _SLACK),
        ("small", "--xla_gpu_autotune_level=0", _SLACK),
        ("large", "--xla_gpu_autotune_level=0", _SLACK),
        ("middling", "", None),
    ):
        tried = "" if flags else ", kernels tried out"
        name = f"{networks} networks: peak over plan{tried}"
        if surroundings.left < 0:
            yield Finding(name, note="not measured: out of time")
            continue
        found = _peak_memory(networks, flags)
        if not found:
            yield Finding(name, note="not available: this device does not report its memory")
            return
        plan, peak = found["plan"] / 2**20, found["peak"] / 2**20
        note = f"{found['networks']:,} networks: planned {plan:,.0f} MiB, peak {peak:,.0f} MiB"
        if bound is None:
            yield Finding(name, value=peak / plan, note=note)
        else:
            yield at_most(name, peak / plan, bound, note=note)


def _peak_memory(networks: str, flags: str) -> dict[str, int]:
    """What a process of its own finds, under flags for the compiler."""
    flags = f"{os.environ.get('XLA_FLAGS', '')} {flags}".strip()
    own = {"XLA_FLAGS": flags, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    command = [sys.executable, "-m", "benchmarks.accelerator.peak_memory", networks]
    process = subprocess.run(
        command, cwd=ROOT, env=os.environ | own, stdout=subprocess.PIPE, check=True, text=True
    )
    return json.loads(process.stdout.splitlines()[-1])
