"""Train one part and print its predicted and measured memory, in a process of its own.

Linux keeps a process's peak and lets it be reset: it is, after compilation and before training.
That peak holds the pages of mapped files, 150 MiB of libraries: where memory is short, Linux takes
them back while a part trains, and the peak looks lower than what was allocated. So what is
anonymous is looked at every millisecond as well. Both are lower bounds: the larger one counts.
"""

import json
import os
import sys
import threading
from pathlib import Path
from typing import Any

import jax
import numpy as np


def main() -> None:
    case = json.loads(sys.argv[1])
    jax.config.update("jax_num_cpu_devices", case["devices"])
    import jaxsup
    from jaxsup.sweep.callbacks import Callbacks
    from jaxsup.sweep.footprint import footprint
    from jaxsup.sweep.memory import kept_by_threads
    from jaxsup.sweep.programs import plan_programs
    from jaxsup.sweep.store.schema import Layout
    from jaxsup.sweep.task import Task
    from jaxsup.sweep.trainer import Trainer

    gradient = case.get("gradient", "sampled")
    alone = case.get("one_active", False)
    law = jaxsup.OneActiveFeatures if alone else jaxsup.PowerLawFeatures
    experiment = jaxsup.Experiment(
        law(case["count"], 1.5),
        jaxsup.DiagonalTeacher(0.0),
        jaxsup.Student(
            case["latent"],
            case.get("embedding", "random"),
            core=not alone,
            activation="relu" if alone or gradient == "sampled" else "identity",
        ),
        jaxsup.Adam(1e-3) if "embedding" in case else jaxsup.SGD(0.1),
        batch_size=case.get("batch", 64),
        steps=2,
        gradient=gradient,
        sampling=case.get("sampling", "auto"),
        record=jaxsup.Record(
            points=3,
            evaluation_samples=case.get("samples", 256),
            observables=case.get("observables", ()),
        ),
    )
    points, seeds = case["points"], case["seeds"]
    exponents = np.linspace(1.1, 2, points).tolist()
    sweep = jaxsup.Sweep(experiment, {"features.exponent": exponents}, seeds)
    program = plan_programs(sweep, 1)[0]
    trainer = Trainer(jax.sharding.Mesh(np.asarray(jax.local_devices()), ("replica",)))
    baseline = 0
    watch = AnonymousPeak()

    compile_programs = trainer.compiler.programs

    def programs(*arguments: Any, **options: Any) -> Any:
        nonlocal baseline
        compiled = compile_programs(*arguments, **options)
        if not baseline:
            Path("/proc/self/clear_refs").write_text("5")
            baseline = peak()
            watch.start()
        return compiled

    trainer.compiler.programs = programs  # pyright: ignore[reportAttributeAccessIssue]
    layout = Layout(sweep, [program])
    task = Task(program, np.arange(points), np.arange(seeds, dtype=np.uint32), layout)
    trainer.train(task, (points, seeds), Callbacks())
    predicted = footprint(program, seeds, jax.local_devices()).part(points * seeds)
    kept = kept_by_threads(case["devices"])
    measured = max(peak() - baseline, watch.stop())
    print(json.dumps({"predicted": predicted, "kept": kept, "measured": measured}))


class AnonymousPeak:
    """By how much memory that is no file's grows at most, as far as looking often tells."""

    def __init__(self) -> None:
        self._growth = 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> int:
        self._done.set()
        self._thread.join()
        return self._growth

    def _look(self) -> None:
        baseline = anonymous()
        while not self._done.wait(1e-3):
            self._growth = max(self._growth, anonymous() - baseline)


def anonymous() -> int:
    resident, shared = Path("/proc/self/statm").read_text().split()[1:3]
    return (int(resident) - int(shared)) * os.sysconf("SC_PAGE_SIZE")


def peak() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


if __name__ == "__main__":
    main()
