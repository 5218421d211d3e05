"""Several processes on one device at once, a small sweep each, as a user starts them."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.accelerator.journal import Finding, at_most
from benchmarks.accelerator.stages import Surroundings
from benchmarks.turns import ROOT

_PROCESSES = 4
# Processes that share a device may wait for each other, but not much longer than in a row.
_SLACK = 1.5
_CONFIGURATION = """
steps = 1000
batch_size = 64
seeds = 64

[features]
kind = "power-law"
count = 64
exponent = 1.5

[teacher]
kind = "diagonal"
exponent = 0.0

[student]
latent = 16

[optimizer]
kind = "sgd"
learning_rate = 0.3

[record]
points = 8
evaluation_samples = 256
"""


def find(surroundings: Surroundings) -> Iterator[Finding]:
    """Seconds of one process and of a few at once, and whether all of them end well."""
    if surroundings.small:
        yield Finding("processes at once", note="not tried: a CPU's processes share its cores")
        return
    folder = surroundings.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sweep.toml").write_text(_CONFIGURATION, encoding="utf-8")
    alone, failures = _run(folder, ["alone"], surroundings.left)
    yield Finding("one process", value=alone, unit="s", note="; ".join(failures))
    if failures:
        return
    names = [f"company-{number}" for number in range(_PROCESSES)]
    together, failures = _run(folder, names, surroundings.left)
    yield at_most("processes that failed", len(failures), 0, note="; ".join(failures)[:300])
    if failures:
        return
    name = f"{_PROCESSES} processes at once, over as many in a row"
    yield at_most(name, together / (_PROCESSES * alone), _SLACK, note=f"{together:.1f} s")


def _run(folder: Path, names: list[str], seconds: float) -> tuple[float, list[str]]:
    """Seconds until the last of these sweeps has ended, and what failed."""
    # As a user's own shell has it: this process shares the device on purpose.
    variables = {k: v for k, v in os.environ.items() if k != "XLA_PYTHON_CLIENT_PREALLOCATE"}
    variables["PYTHONPATH"] = os.pathsep.join([str(ROOT), *sys.path])
    began = time.monotonic()
    processes = {}
    for name in names:
        command = [sys.executable, "-m", "jaxsup", "sweep", str(folder / "sweep.toml")]
        command += ["--out", str(folder / f"{name}.zarr")]
        log = (folder / f"{name}.log").open("w", encoding="utf-8")
        processes[name] = (
            log,
            subprocess.Popen(
                command, cwd=folder, env=variables, stdout=log, stderr=subprocess.STDOUT
            ),
        )
    failures = []
    for name, (log, process) in processes.items():
        try:
            status = process.wait(max(0.0, began + seconds - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            status = "no end"
        log.close()
        if status != 0:
            lines = (folder / f"{name}.log").read_text(encoding="utf-8").splitlines()
            failures.append(f"{name}: status {status}: {lines[-1] if lines else 'no output'}")
    return time.monotonic() - began, failures
