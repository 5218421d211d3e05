"""Four processes that start at a barrier on one folder, with and without slow metadata.

The processes stay and train one small sweep after another. What a network's file system takes for a
change of a folder is slept before each change: Python raises an audit event there.
"""

import os
import random
import sys
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from trials.outcome import Outcome
from warm_processes import warm_context

PROCESSES = 4
CHANGES = {"os.mkdir", "os.rename", "os.remove", "os.rmdir"}
# Whether the folder is there, empty, and how many seconds a change of it takes at most.
KINDS = {
    "four shards start at once on a new folder": (False, 0.0),
    "four shards start at once on an empty folder": (True, 0.0),
    "four shards start at once, each change of a folder takes up to 20 ms": (False, 0.02),
}


def trials(folder: Path, count: int, seed: int) -> Iterator[Outcome]:
    """Start four warm processes `count` times for each kind."""
    with Team() as team:
        for kind, (there, latency) in KINDS.items():
            for number in range(count):
                store = folder / f"{list(KINDS).index(kind)}-{number}"
                if there:
                    store.mkdir()
                yield team.start(kind, store, latency, seed)


class Team:
    """Four processes, each ready to train a share as soon as it is told where."""

    def __init__(self) -> None:
        context = warm_context()
        self.barrier = context.Barrier(PROCESSES)
        self.members: list[tuple[Any, Connection]] = []
        for index in range(PROCESSES):
            ours, theirs = context.Pipe()
            process = context.Process(
                target=_member, args=(index, self.barrier, theirs), daemon=True
            )
            process.start()
            self.members.append((process, ours))

    def __enter__(self) -> "Team":
        import jax

        import jaxsup

        self.whole = jaxsup.run(_sweep(), devices=jax.local_devices()[:1], chunk=3)
        return self

    def __exit__(self, *error: object) -> None:
        for process, connection in self.members:
            connection.send(None)
            process.join(30)

    def start(self, kind: str, store: Path, latency: float, seed: int) -> Outcome:
        """All four train their shares; what has come of it, against a sweep in memory."""
        import xarray as xr

        for _, connection in self.members:
            connection.send((store, latency, seed))
        errors = [connection.recv() for _, connection in self.members]
        case = f"{store.name}, seed {seed}"
        if any(errors):
            return Outcome(kind, case, False, "; ".join(filter(None, errors)))
        with xr.open_zarr(store) as stored:
            missing = int((~stored["complete"].values).sum())
            different = [
                str(name)
                for name in self.whole.variables
                if stored[name].values.tobytes() != self.whole[name].values.tobytes()
            ]
        held = not missing and not different
        return Outcome(kind, case, held, f"{missing} missing, other values in {different}")


def _sweep() -> Any:
    """Four seeds of three networks: a tile for each process."""
    from sweep_cases import rate_sweep

    return rate_sweep(seeds=PROCESSES)


def _member(index: int, barrier: Any, orders: Connection) -> None:
    """Train share `index` where it is told to, time and again."""
    import jax

    import jaxsup
    from jaxsup.sweep.processes import Share

    os.fsync = lambda _: None  # no power is cut here
    draws, longest = random.Random(), 0.0

    def delay(event: str, _: object) -> None:
        if longest and event in CHANGES:
            time.sleep(draws.uniform(0, longest))

    sys.addaudithook(delay)
    sweep, options = _sweep(), {"devices": jax.local_devices()[:1], "chunk": 3}
    jaxsup.run(sweep, **options)
    while (order := orders.recv()) is not None:
        store, longest, seed = order
        draws.seed(f"{seed} {store.name} {index}")
        barrier.wait(120)
        try:
            jaxsup.run(sweep, store, share=Share(index, PROCESSES), **options)
        except Exception as error:
            orders.send(f"share {index}: {type(error).__name__}: {error}")
        else:
            orders.send("")
