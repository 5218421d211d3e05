"""Claim: with default records, evaluating the loss takes at most 15% of a run's time.

ReLU students whose loss is estimated from samples, by each kind of update, in short and long runs.
For every program of a sweep, compiled as `jaxsup.run` compiles it: the time of an update, from a
segment that records nothing, and that of a record, from segments without updates that do, less
those that do not. The share is R e / (R e + T u) for R records of e and T updates of u seconds;
the lowest of several repetitions counts for each, and what the host does beside is left out, which
only makes the share smaller.
"""

import dataclasses
import time
from pathlib import Path
from typing import Any

from benchmarks.comparison import Row, Spread
from benchmarks.devices import use_jax

TARGET = 0.15
# Seconds that are told from none.
_CLOCK = 1e-7


def measure(*, quick: bool = False, tiny: bool = False) -> list[Row]:
    """All rows."""
    use_jax()
    seconds, rounds = (0.2, 3) if quick else (1.0, 7)
    if tiny:
        seconds, rounds = 0.0, 1
    rows = []
    for name, sweep in cases(tiny=tiny).items():
        costs = [program_costs(sweep, program, seconds, rounds) for program in programs_of(sweep)]
        records = sum(cost["records"] * cost["record"] for cost in costs)
        updates = sum(cost["updates"] * cost["update"] for cost in costs)
        share = records / (records + updates)
        samples = "/".join(str(cost["samples"]) for cost in costs)
        ratio = min(cost["ratio"] for cost in costs)
        rows.append(
            Row(
                name,
                "the whole run",
                Spread(share, share, share),
                "%",
                target=TARGET,
                at_most=True,
                note=f"{costs[0]['records']} records of {samples} samples; a sample that trains "
                f"costs {ratio:.2f} times one that is evaluated",
            )
        )
    return rows


def cases(*, tiny: bool) -> dict[str, Any]:
    """Sweeps by name: four rates and a few seeds of each experiment, records by default."""
    import jaxsup

    def sweep(experiment: Any, seeds: int, rates: int = 4) -> Any:
        values = [0.1 * (1 + i / rates) for i in range(rates)]
        return jaxsup.Sweep(experiment, {"optimizer.learning_rate": values}, seeds)

    def bottleneck(count: int, latent: int, batch: int, steps: int, law: Any = None) -> Any:
        return jaxsup.Experiment(
            law or jaxsup.PowerLawFeatures(count, 1.5),
            jaxsup.DiagonalTeacher(0.0),
            jaxsup.Student(latent),
            jaxsup.SGD(0.1),
            batch_size=batch,
            steps=steps,
        )

    if tiny:
        return {"8/2/8": sweep(bottleneck(8, 2, 8, 4), 2, 2)}
    found = {"examples/transition.toml": example()}
    for steps in (1_000, 20_000):
        for count, latent, batch, seeds in (
            (64, 16, 64, 16),
            (256, 64, 256, 4),
            (1024, 256, 1024, 1),
        ):
            case = bottleneck(count, latent, batch, steps)
            found[f"{count}/{latent}/{batch}, {steps:,} steps"] = sweep(case, seeds)
        dense = bottleneck(64, 16, 64, steps, jaxsup.GaussianFeatures(64, 1.5))
        found[f"64/16/64, Gaussian features, {steps:,} steps"] = sweep(dense, 16)
        toy = jaxsup.Experiment(
            jaxsup.PowerLawFeatures(5, 0.0, 0.5, "unit", normalize=False),
            jaxsup.DiagonalTeacher(0.0),
            jaxsup.Student(2, "learned", core=False),
            jaxsup.AdamW(1e-3, weight_decay=0.01),
            batch_size=1024,
            steps=steps,
        )
        found[f"5/2/1024, W learned, {steps:,} steps"] = sweep(toy, 8)
    found["1024/256/1024, 100 steps"] = sweep(bottleneck(1024, 256, 1024, 100), 1)
    return found


def example() -> Any:
    """The sweep of `examples/transition.toml` with 16 seeds, its samples by default."""
    import jaxsup
    from jaxsup.sweep.tables import read_sweep

    sweep = read_sweep(Path(__file__).parent.parent / "examples" / "transition.toml")
    record = dataclasses.replace(sweep.experiment.record, evaluation_samples=None)
    experiment = dataclasses.replace(sweep.experiment, record=record)
    return jaxsup.Sweep(experiment, sweep.axis_table(), 16)


def programs_of(sweep: Any) -> list[Any]:
    """What the sweep compiles."""
    from jaxsup.sweep.programs import plan_programs

    return plan_programs(sweep, 4)


def program_costs(sweep: Any, program: Any, seconds: float, rounds: int) -> dict[str, Any]:
    """Seconds of an update and of a record, with how many of each a run has."""
    import jax
    import jax.numpy as jnp
    import numpy as np
    from jax.sharding import Mesh

    from jaxsup.sweep.compiled import Compiler, make_inputs
    from jaxsup.sweep.distributed import Segment
    from jaxsup.sweep.lanes import Lanes

    mesh = Mesh(np.asarray(jax.local_devices()), ("replica",))
    points, seeds = len(program.points), np.asarray(sweep.seeds, np.uint32)
    lanes = Lanes.fill(points, len(seeds), (points, len(seeds)), mesh.size)
    inputs = make_inputs(program, lanes.setting_rows(), seeds[lanes.setting_seeds()])
    programs = Compiler(mesh).programs(
        inputs, lanes.shape[1], alike=lanes.alike, one_copy=program.shares_frozen
    )
    frozen = programs.freeze(inputs, {})
    state = programs.begin(inputs, {})

    def run(first: int, stop: int, *, due: bool) -> float:
        nonlocal state
        segment = Segment(jnp.int32(first), jnp.int32(stop), jnp.asarray(due))
        jax.block_until_ready(state)
        began = time.perf_counter()
        state, _, records = programs.advance(inputs, frozen, state, segment)
        jax.block_until_ready((state, records))
        return time.perf_counter() - began

    updates = 1
    while run(0, updates, due=False) < seconds / rounds:
        updates *= 2
    idle = min(run(0, 0, due=False) for _ in range(rounds))
    training = min(run(0, updates, due=False) for _ in range(rounds)) - idle
    update = max(training, _CLOCK) / updates
    observing = min(run(0, 0, due=True) for _ in range(rounds)) - idle
    record = max(observing, _CLOCK)  # a tiny one is lost in the segment's own time
    experiment = program.fixed
    samples = experiment.evaluation_samples
    return {
        "updates": experiment.steps,
        "update": update,
        "records": len(experiment.recorded_steps),
        "record": record,
        "samples": samples,
        "ratio": (update / experiment.batch_size) / (record / samples),
    }
