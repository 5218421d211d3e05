"""Stages one after the other, each as long as there is time for it."""

import contextlib
import dataclasses
import os
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.accelerator.journal import CUT_OFF, ENDED, FAILED, SKIPPED, Finding, Journal

# After the last second, a library that doesn't come back is given so long.
_GRACE_SECONDS = 20.0
_ALARMED_EVERY = 2.0
# So long before the last second nothing new is begun: what is at work may end in order.
_RESERVE_SECONDS = 10.0


class OutOfTime(BaseException):
    """The time of the whole run is over: nothing that a stage takes for its own error."""


@dataclasses.dataclass(frozen=True)
class Surroundings:
    """What a stage may use.

    Attributes:
        folder: for files of its own.
        small: whether sizes are those of a CPU.
        devices: what to check.
        deadline: when the stage should have ended, by `time.monotonic`.
    """

    folder: Path
    small: bool
    devices: Sequence[Any]
    deadline: float

    @property
    def left(self) -> float:
        """Seconds left to the stage: once they are over, it begins nothing new."""
        return self.deadline - time.monotonic()


@dataclasses.dataclass(frozen=True)
class Stage:
    """A few checks or measurements that belong together.

    Attributes:
        name: one word.
        title: what it is about.
        run: finds one thing after the other.
        needs: seconds without which it is not begun, on an accelerator.
        most: seconds after which it begins nothing new, there; None: whatever is left.
    """

    name: str
    title: str
    run: Callable[[Surroundings], Iterator[Finding]]
    needs: float
    most: float | None

    def limits(self, *, small: bool) -> tuple[float, float]:
        """`needs` and `most`; on a CPU sizes are small, and so are these."""
        most = float("inf") if self.most is None else self.most
        return (0.1 * self.needs, 0.5 * most) if small else (self.needs, most)


def run_stages(
    stages: Sequence[Stage],
    journal: Journal,
    seconds: float,
    devices: Sequence[Any],
    *,
    small: bool,
) -> None:
    """Run what an earlier call has not ended, those last that it did not come back from.

    Arguments:
        stages: what to run.
        journal: where findings go.
        seconds: time for all of them.
        devices: what to check.
        small: whether sizes are those of a CPU.
    """
    stop = time.monotonic() + seconds
    known = journal.accounts
    missing = [s for s in stages if s.name not in known or known[s.name].ending != ENDED]
    missing.sort(key=lambda stage: stage.name in known and known[stage.name].ending is None)
    with _watched(journal, seconds + _GRACE_SECONDS):
        for stage in missing:
            left, (needs, most) = stop - time.monotonic(), stage.limits(small=small)
            journal.begin(stage.name, stage.title)
            if left < needs:
                reason = f"{max(0.0, left):.0f} s were left, it takes {needs:.0f} or more"
                journal.end(stage.name, SKIPPED, note=reason)
                print(f"{stage.name}: skipped: {reason}", flush=True)
                continue
            folder = journal.folder / stage.name
            deadline = min(stop - min(_RESERVE_SECONDS, 0.1 * seconds), time.monotonic() + most)
            _run(stage, journal, Surroundings(folder, small, devices, deadline), left)
            journal.save_tables()


def _run(stage: Stage, journal: Journal, surroundings: Surroundings, left: float) -> None:
    print(f"{stage.name}: {stage.title}", flush=True)
    began, ending, note = time.monotonic(), ENDED, ""
    try:
        with _alarm(left):
            for finding in stage.run(surroundings):
                journal.find(stage.name, finding)
                _say(finding)
    except OutOfTime:
        ending, note = CUT_OFF, "the time of the whole run was over"
    except (Exception, SystemExit) as error:
        ending, note = FAILED, f"{type(error).__name__}: {error}"[:500]
        traceback.print_exc()
    seconds = time.monotonic() - began
    journal.end(stage.name, ending, seconds, note)
    print(f"    {ending} after {seconds:.1f} s{': ' if note else ''}{note}", flush=True)


def _say(finding: Finding) -> None:
    verdict = {True: "holds", False: "DOES NOT HOLD", None: ""}[finding.holds]
    value = "" if finding.value is None else f"{finding.value:.4g} {finding.unit}".strip()
    bound = "" if finding.bound is None else f"(bound {finding.bound:.4g})"
    words = (f"    {finding.name}:", value, bound, verdict, finding.note)
    print(" ".join(word for word in words if word), flush=True)


@contextlib.contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    """`OutOfTime` in the code inside, once the time is over and Python has its turn.

    Only the main thread of a process, on systems with alarms, is interrupted so.
    """
    is_main = threading.current_thread() is threading.main_thread()
    if not (is_main and hasattr(signal, "setitimer")):
        yield
        return

    def interrupt(*_: object) -> None:
        raise OutOfTime

    before = signal.signal(signal.SIGALRM, interrupt)
    # Again and again: where it falls into the end of an object, Python ignores what is raised.
    signal.setitimer(signal.ITIMER_REAL, max(seconds, 1e-3), _ALARMED_EVERY)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextlib.contextmanager
def _watched(journal: Journal, seconds: float) -> Iterator[None]:
    """End the process if it has not come back by then: a library may wait for ever."""

    def give_up() -> None:
        journal.save_tables()
        print(journal.tables(), "\ncut off: a library did not come back", flush=True)
        os._exit(1)

    watch = threading.Timer(seconds, give_up)
    watch.daemon = True
    watch.start()
    try:
        yield
    finally:
        watch.cancel()
