"""Contenders that take turns: each warmed up in a process of its own, one at work at a time.

    python -m benchmarks.turns MODULE CONTENDER CASE    # what `take_turns` starts; reads from stdin

JAX and PyTorch both keep pools of threads, so each contender has a process to itself and waits on
its standard input until it is its turn. The order of the turns is reversed every round: a slow
drift of the machine cancels. While one works, the processor time of those that wait is measured,
and that of everybody else on the machine.
"""

import dataclasses
import importlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
# Threads that wait for work spin for a few milliseconds before they sleep.
_SETTLE_SECONDS = 0.05


class Missing(Exception):  # noqa: N818 - a finding, not an error
    """What a contender needs is not on this machine."""


@dataclasses.dataclass(frozen=True)
class Prepared:
    """A contender, compiled and warm.

    Attributes:
        turn: does its work once and returns (seconds, units of work done).
        curve: what it computes, [replicas, ...], for the comparison before any timing.
        facts: anything to report, seconds of compilation among it.
    """

    turn: Callable[[], tuple[float, float]]
    curve: Any = None
    facts: dict[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass
class Measured:
    """What came of a contender's turns.

    Attributes:
        costs: seconds a unit of work, one a round.
        curve, facts: as it prepared them.
        missing: why it could not take part; None if it did.
        waiting: largest share of a core that the waiting contenders used during its turns.
        others: largest number of cores that everybody else on the machine used.
    """

    costs: list[float] = dataclasses.field(default_factory=list)
    curve: Any = None
    facts: dict[str, Any] = dataclasses.field(default_factory=dict)
    missing: str | None = None
    waiting: float = 0.0
    others: float = 0.0


def take_turns(
    module: str,
    names: Sequence[str],
    case: dict[str, Any],
    repeats: int,
    *,
    check: Callable[[dict[str, Measured]], None] | None = None,
    apart: bool = True,
) -> dict[str, Measured]:
    """Let the contenders `names` of a benchmark work in turns, `repeats` rounds.

    Arguments:
        module: module whose `CONTENDERS` maps names to functions case -> `Prepared`.
        case: handed to every contender, as JSON; the first may leave files for the others in
            ``case["folder"]``.
        check: compares the curves before anything is timed, and ends all if they differ.
        apart: whether each has a process of its own (without: for tests).
    """
    with ExitStack() as stack:
        seats: dict[str, Any] = {}
        measured = {name: Measured() for name in names}
        for name in names:
            make = _Process if apart else _Here
            try:
                seats[name] = stack.enter_context(make(module, name, case))
            except Missing as reason:
                measured[name].missing = str(reason)
                continue
            measured[name].curve, measured[name].facts = seats[name].curve, seats[name].facts
        if check is not None:
            check(measured)
        for number in range(repeats):
            order = list(seats) if number % 2 == 0 else list(seats)[::-1]
            for name in order:
                waiting = [seat.pid for other, seat in seats.items() if other != name]
                with _processor_times(measured[name], seats[name].pid, waiting if apart else []):
                    seconds, units = seats[name].go()
                measured[name].costs.append(seconds / units)
    return measured


class _Here:
    """A contender in this process."""

    def __init__(self, module: str, name: str, case: dict[str, Any]) -> None:
        prepared = importlib.import_module(module).CONTENDERS[name](case)
        self.pid = os.getpid()
        self.curve, self.facts, self.go = prepared.curve, prepared.facts, prepared.turn

    def __enter__(self) -> "_Here":
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to end."""


class _Process:
    """A contender in a process of its own, spoken to in lines of JSON."""

    def __init__(self, module: str, name: str, case: dict[str, Any]) -> None:
        command = [sys.executable, "-m", "benchmarks.turns", module, name, json.dumps(case)]
        self.name = name
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
        )
        self.pid = self.process.pid
        ready = self._read()
        if "missing" in ready:
            self.process.wait()
            raise Missing(ready["missing"])
        self.curve, self.facts = ready["curve"], ready["facts"]

    def go(self) -> tuple[float, float]:
        time.sleep(_SETTLE_SECONDS)
        assert self.process.stdin is not None
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        return tuple(self._read()["turn"])

    def _read(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"benchmarks: {self.name} ended with status {self.process.wait()}")
        return json.loads(line)

    def __enter__(self) -> "_Process":
        return self

    def __exit__(self, *_: object) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


@contextmanager
def _processor_times(measured: Measured, worker: int, waiting: Sequence[int]) -> Iterator[None]:
    """Processor time of those who wait, and of everybody else, while `worker` has its turn."""
    began, before = time.perf_counter(), [_used(worker), *map(_used, waiting)]
    busy = _busy()
    yield
    seconds = time.perf_counter() - began
    after = [_used(worker), *map(_used, waiting)]
    worker_busy, *idle = (now - was for now, was in zip(after, before, strict=True))
    measured.waiting = max(measured.waiting, sum(idle) / seconds)
    measured.others = max(measured.others, (_busy() - busy - worker_busy - sum(idle)) / seconds)


def _used(pid: int) -> float:
    """Seconds of processor time that a process has used; 0 where the system does not tell."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    except (OSError, IndexError):
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _busy() -> float:
    """Seconds of processor time that all processes have used; 0 where the system does not tell."""
    try:
        fields = Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()[1:]
    except OSError:
        return 0.0
    user, nice, system, _idle, _wait, irq, softirq = map(int, fields[:7])
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


def calibrate(work: Callable[[int], float], seconds: float, first: int = 1) -> int:
    """How many repetitions of `work` last about `seconds`, by growing trials, which warm it up.

    `work(count)` does `count` repetitions and returns the seconds they took. With `seconds` = 0
    (for tests), `first` is enough.
    """
    count = first
    while True:
        took = max(work(count), 1e-9)
        if not seconds:
            return first
        if took >= seconds / 4:
            return max(1, round(count * seconds / took))
        count = max(count + 1, min(10 * count, round(count * seconds / took)))


def stopwatch(work: Callable[[], Any]) -> float:
    """Seconds that `work` takes; it must wait for its device itself."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _main(module: str, name: str, case: str) -> None:
    # Whatever libraries print must not get between the lines of the protocol.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def say(**message: Any) -> None:
        print(json.dumps(message), file=answers, flush=True)

    try:
        prepared = importlib.import_module(module).CONTENDERS[name](json.loads(case))
    except Missing as reason:
        say(missing=str(reason))
        return
    say(curve=prepared.curve, facts=prepared.facts)
    for _ in sys.stdin:
        say(turn=prepared.turn())


if __name__ == "__main__":
    # As a module of its own name, so that `Missing` is the one that benchmarks raise.
    importlib.import_module("benchmarks.turns")._main(*sys.argv[1:])
