"""Train one part and print its predicted and measured memory, in a process of its own.

Linux keeps a process's peak and lets it be reset: it is, after compilation and before training.
"""

import json
import sys
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

    compile_programs = trainer.compiler.programs

    def programs(*arguments: Any, **options: Any) -> Any:
        nonlocal baseline
        compiled = compile_programs(*arguments, **options)
        if not baseline:
            Path("/proc/self/clear_refs").write_text("5")
            baseline = peak()
        return compiled

    trainer.compiler.programs = programs  # pyright: ignore[reportAttributeAccessIssue]
    layout = Layout(sweep, [program])
    task = Task(program, np.arange(points), np.arange(seeds, dtype=np.uint32), layout)
    trainer.train(task, (points, seeds), Callbacks())
    predicted = footprint(program, seeds, jax.local_devices()).part(points * seeds)
    kept = kept_by_threads(case["devices"])
    print(json.dumps({"predicted": predicted, "kept": kept, "measured": peak() - baseline}))


def peak() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


if __name__ == "__main__":
    main()
