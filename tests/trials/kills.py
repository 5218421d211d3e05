"""Sweeps that are killed before the K-th change of the file system, K drawn, and then resumed.

Python raises an audit event before each file that it opens for writing, makes, renames or removes;
SIGKILL is sent from there, so that no handler, no `finally` and no buffer has a say.
"""

import os
import random
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from trials.outcome import Outcome
from warm_processes import warm_context

CHANGES = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link"}
ONCE = "kill -9 before the K-th change of the file system, then resume"
TWICE = "the same, and the first resume is killed as well"


def trials(folder: Path, count: int, seed: int) -> Iterator[Outcome]:
    """Kill `count` sweeps once, and `count` twice."""
    import jaxsup

    whole = jaxsup.run(_sweep(), **_options())
    changes = _train(folder / "counted", 0)
    for kind, kills in ((ONCE, 1), (TWICE, 2)):
        draws = random.Random(f"{seed} {kind}")
        for number in range(count):
            store = folder / f"{kills}-{number}" / "store"
            moments = [draws.randint(1, changes)]
            _train(store, moments[0])
            if kills == 2:
                # What is left to do takes fewer changes; a late kill comes after the end.
                moments.append(draws.randint(1, changes // 2))
                _train(store, moments[1])
            case = f"K = {' and '.join(map(str, moments))} of {changes}"
            yield Outcome(kind, case, *_resume(store, whole))


def _sweep() -> Any:
    from sweep_cases import rate_sweep

    return rate_sweep(seeds=2)


def _options() -> dict[str, Any]:
    import jax

    return {"devices": jax.local_devices()[:1], "chunk": 3}


def _resume(store: Path, whole: Any) -> tuple[bool, str]:
    """Whether going on gives the bits of an uninterrupted sweep and leaves nothing behind."""
    import jaxsup
    from jaxsup.sweep.store.read import open_store

    try:
        jaxsup.run(_sweep(), store, resume=True, **_options())
        with open_store(store) as stored:
            different = [
                str(name)
                for name in whole.variables
                if stored[name].values.tobytes() != whole[name].values.tobytes()
            ]
    except Exception as error:
        return False, f"{type(error).__name__}: {error}"
    patterns = ("*.partial", "probe.*", "unfinished.*", ".*.partial")
    left = [path.name for pattern in patterns for path in store.parent.rglob(pattern)]
    return not different and not left, f"other values in {different}, left {left}"


def _train(store: Path, moment: int) -> int:
    """Train in a process that is killed before that change, if not 0; how many there were."""
    context = warm_context()
    ours, theirs = context.Pipe()
    process = context.Process(target=_killed, args=(store, moment, theirs))
    process.start()
    theirs.close()
    try:
        return ours.recv()
    except EOFError:
        process.join()
        assert process.exitcode == -signal.SIGKILL, process.exitcode
        return 0


def _killed(store: Path, moment: int, report: Any) -> None:
    import jaxsup

    os.fsync = lambda _: None  # no power is cut here
    changes, place = 0, str(store.parent)

    def count(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal changes
        writes = event == "open" and bool((arguments[2] or 0) & (os.O_WRONLY | os.O_RDWR))
        if event not in CHANGES and not writes:
            return
        path = os.fsdecode(arguments[0]) if isinstance(arguments[0], str | bytes | Path) else ""
        # `shutil.rmtree` names files relative to a folder that it has opened.
        if path.startswith(place) or not path.startswith("/"):
            changes += 1
            if changes == moment:
                os.kill(os.getpid(), signal.SIGKILL)

    options = _options()
    sys.addaudithook(count)
    jaxsup.run(_sweep(), store, resume=True, checkpoint=0, **options)
    report.send(changes)
