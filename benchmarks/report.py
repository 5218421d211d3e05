"""The table on the terminal, and the JSON with the environment."""

import dataclasses
import json
import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmarks.comparison import Row

_PACKAGES = ("jaxsup", "jax", "jaxlib", "numpy", "scipy", "torch", "zarr", "xarray")
_THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "XLA_FLAGS")


def cores() -> int:
    """Cores that this process may use: what every contender gets."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def environment() -> dict[str, Any]:
    """What the figures depend on: versions, processor, cores, settings of threads."""
    versions = {}
    for name in _PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = None
    return {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "processor": _processor(),
        "cores": cores(),
        "threads": {name: os.environ.get(name) for name in _THREADS},
        **versions,
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def print_rows(rows: list[Row]) -> None:
    """Lines of the table, the target of each beside what was reached."""
    for row in rows:
        scale = 100.0 if row.unit == "%" else 1.0
        numbers = [scale * x for x in dataclasses.astuple(row.reached)]
        median, low, high = (_short(x) for x in numbers)
        spread = "" if low == high else f" ({low}..{high})"
        reached = f"{median}{row.unit}{spread}"
        target = "" if row.target is None else f"{_short(scale * row.target)}{row.unit}"
        if target:
            target = ("at most " if row.at_most else "at least ") + target
            target += " met" if row.met else " MISSED"
        if row.impossible:
            target = "ERROR of the benchmark: more than the attainable, so the peak is none"
        costs = "" if row.ours is None else f"{_short(row.ours)} us"
        if row.theirs is not None:
            costs += f" against {_short(row.theirs)} us"
        print(f"{row.work}\n    against {row.against:<38} {reached:<24} {target:<24} {costs}")
        if row.note:
            print(f"    {row.note}")
    sys.stdout.flush()


def _short(number: float) -> str:
    return f"{number:.3g}" if abs(number) < 1000 else f"{number:,.0f}"


def write_json(path: Path, results: dict[str, Any]) -> None:
    """Everything measured, with the environment."""
    report = {"environment": environment(), "benchmarks": results}
    path.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
