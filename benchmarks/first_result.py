"""Claim: a first result takes 90 seconds, and scans over N/K compile three programs or fewer.

The command of `scripts/quickstart.sh` without its installation, as a process of its own, from its
start to the figure; and the compilations of a ratio scan,
N/K in {1, 2, 4, 8, 16}, counted where XLA reports them: a program is compiled once for each
group of padded widths (`_advance`, which trains and observes) beside its start (`_begin`).
"""

import logging
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.comparison import Row, Spread
from benchmarks.devices import use_jax
from benchmarks.turns import ROOT, Prepared, take_turns

_COMPILED = re.compile(r"Finished XLA compilation of jit\((.+?)\) in ([0-9.e-]+) sec")
# The programs that train.
_TRAINS = "_advance"


def measure(*, quick: bool = False, tiny: bool = False) -> list[Row]:
    """All rows."""
    case = {"features": 256, "ratios": [1, 2, 4, 8, 16], "steps": 20}
    if tiny:
        case = {"features": 8, "ratios": [1, 2], "steps": 4}
    facts = take_turns(__name__, ("ratio_scan",), case, 1, apart=not tiny)["ratio_scan"].facts
    trains = [seconds for name, seconds in facts["compiled"] if name == _TRAINS]
    others = [seconds for name, seconds in facts["compiled"] if name != _TRAINS]
    note = f"{len(others)} small programs beside, {sum(others):.2f} s in all"
    work = f"ratio scan N/K in {case['ratios']}, N = {case['features']}"
    rows = [
        _count(work, "compilations of a training program", len(trains), note, target=3.0),
        Row(work, "seconds of compilation a program", Spread.of(trains), "s"),
    ]
    return rows if tiny else [*rows, quickstart(quick=quick)]


def _count(work: str, against: str, number: int, note: str, target: float) -> Row:
    spread = Spread(number, number, number)
    return Row(work, against, spread, "", target=target, at_most=True, note=note)


def quickstart(*, quick: bool) -> Row:
    """The quick start, once: seconds from nothing to a figure."""
    scale = "smoke" if quick else "first"
    with tempfile.TemporaryDirectory() as folder:
        out = str(Path(folder) / "transition")
        command = [sys.executable, "-m", "jaxsup", "reproduce", "transition", "--scale", scale]
        began = time.perf_counter()
        process = subprocess.run(
            [*command, "--out", out], cwd=ROOT, capture_output=True, text=True, check=False
        )
        seconds = time.perf_counter() - began
        if process.returncode:
            raise SystemExit(f"benchmarks: {process.stderr.strip()}")
    work = f"quick start, scale {scale!r}"
    against = "seconds to exponents and figure"
    return Row(work, against, Spread.of([seconds]), "s", target=90.0, at_most=True)


class _Compilations(logging.Handler):
    """Collects what JAX logs about compilations: (function, seconds)."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.compiled: list[tuple[str, float]] = []

    def emit(self, record: logging.LogRecord) -> None:
        match = _COMPILED.match(record.getMessage())
        if match:
            self.compiled.append((match[1], float(match[2])))


def count_compilations(work: Any) -> list[tuple[str, float]]:
    """Run `work` and return every XLA compilation in it: name of the function, seconds."""
    import jax

    log, handler = logging.getLogger("jax"), _Compilations()
    level, propagate, told = log.level, log.propagate, jax.config.jax_log_compiles  # pyright: ignore[reportAttributeAccessIssue]
    log.addHandler(handler)
    log.propagate = False
    # For all threads: programs of a part are compiled in several.
    jax.config.update("jax_log_compiles", True)
    try:
        work()
    finally:
        jax.config.update("jax_log_compiles", told)
        log.removeHandler(handler)
        log.setLevel(level)
        log.propagate = propagate
    return handler.compiled


def ratio_scan(case: dict[str, Any]) -> Prepared:
    """All ratios N/K: the identity where K = N, random W below."""
    use_jax()
    import jaxsup

    N = case["features"]
    experiment = jaxsup.Experiment(
        jaxsup.PowerLawFeatures(N, 1.5),
        jaxsup.DiagonalTeacher(0.0),
        jaxsup.Student(N // 2),
        jaxsup.SGD(0.3),
        batch_size=16,
        steps=case["steps"],
        record=jaxsup.Record(points=3, evaluation_samples=16),
    )
    width = {
        "student.embedding": ["identity" if r == 1 else "random" for r in case["ratios"]],
        "student.latent": [N // r for r in case["ratios"]],
    }
    sweep = jaxsup.Sweep(experiment, {"width": width}, seeds=2)
    compiled = count_compilations(lambda: jaxsup.run(sweep))
    return Prepared(lambda: (0.0, 1.0), facts={"compiled": compiled})


CONTENDERS = {"ratio_scan": ratio_scan}
