"""Claim: a map of trainability over two learning rates comes many times faster than point by point.

Autoencoders relu(W^T W x + b) on one active feature of value 1, the exact gradient of
sum_i (1 - relu(g_ii + b_i))^2 + sum_{i != j} relu(g_ij + b_i)^2 with g = W^T W, a grid over the
rate of W and the rate of b, all rates small enough that nothing diverges (what has diverged costs
jaxsup nothing). Contenders: `jaxsup.run`; the PyTorch loop, one point at a time; `torch.func`
vmapped over the grid. Without chance: loss curves are compared number by number. The roofline
counts the two products of a step that cannot be avoided, g and W (m + m^T), 2 K N N each.
"""

import dataclasses
import functools
import tempfile
from typing import Any

from benchmarks import peaks, torch_trainability
from benchmarks.comparison import Notes, Row, rows_against, same_values, share_of
from benchmarks.devices import use_jax
from benchmarks.held_out import save_start
from benchmarks.starts import starting_parameters, training_seconds
from benchmarks.trainability_case import Case
from benchmarks.turns import Prepared, calibrate, take_turns

NAMES = {"eager": "PyTorch loop, one point at a time", "ensemble": "torch.func over the grid"}
# Targets of float64; the loops of float32 have none of their own.
TARGETS = {(256, 32): 8.0, (32, 4): 200.0}
_PEAK_SIDE = 1024
_SECONDS = 6.0
_TOLERANCES = {True: 1e-9, False: 1e-4}


def measure(*, quick: bool = False, tiny: bool = False) -> list[Row]:
    """All rows."""
    if tiny:
        return _rows(Case(8, 2, 3, x64=False, check_steps=5, seconds=0.0), 1, apart=False)
    rows = []
    for features, latent, side in ((256, 32, 16), (32, 4, 64)):
        for x64 in (True, False):
            # A map is 500 steps: in much shorter turns the start of each part counts too much.
            case = Case(features, latent, side, x64, seconds=0.5 if quick else _SECONDS)
            rows += _rows(case, 3 if quick else 5)
    return rows


def _rows(case: Case, repeats: int, *, apart: bool = True) -> list[Row]:
    precision = "float64" if case.x64 else "float32"
    work = f"trainability {case.features} x {case.latent}, {case.side**2} networks, {precision}"
    tolerance = _TOLERANCES[case.x64]
    notes = Notes(work, "jaxsup", functools.partial(same_values, tolerance=tolerance))
    with tempfile.TemporaryDirectory() as folder:
        table = dataclasses.asdict(dataclasses.replace(case, folder=folder))
        names = ("jaxsup", *NAMES, "products")
        seats = take_turns(__name__, names, table, repeats, check=notes, apart=apart)
    targets = {
        "eager": TARGETS.get((case.features, case.latent)) if case.x64 else None,
        "ensemble": 1.0,
    }
    rivals = {name: (against, targets[name]) for name, against in NAMES.items()}
    rows = rows_against(work, seats, rivals, notes.__getitem__)
    bounds = [4.0 * case.latent * case.features**2 * cost for cost in seats["products"].costs]
    rows.append(share_of(work, "roofline (matrix products)", seats["jaxsup"].costs, bounds))
    return rows


def products(table: dict[str, Any]) -> Prepared:
    """The machine's peak in this precision."""
    seconds = min(table["seconds"], 1.0)
    return peaks.products({"side": _PEAK_SIDE, "x64": table["x64"], "seconds": seconds})


def make_sweep(
    case: Case, rates: list[float], bias_rates: list[float], steps: int, record: Any
) -> Any:
    """The grid as a user would have it."""
    import numpy as np

    import jaxsup

    count = case.features
    experiment = jaxsup.Experiment(
        jaxsup.OneActiveFeatures(count, values="one"),
        jaxsup.DiagonalTeacher(0.0),
        jaxsup.Student(case.latent, "learned", core=False),
        jaxsup.SGD(0.1, bias_learning_rate=0.1),
        steps=steps,
        gradient="exact",
        record=record,
        reduction="sum",
        importance=np.full(count, float(count)),  # a plain sum over features, not a mean
    )
    axes = {"optimizer.learning_rate": rates, "optimizer.bias_learning_rate": bias_rates}
    return jaxsup.Sweep(experiment, axes)


def jaxsup_sweep(table: dict[str, Any]) -> Prepared:
    """The public engine: `jaxsup.run`, compilation apart."""
    use_jax(x64=table["x64"])
    import jaxsup

    case = Case(**table)
    rates, bias_rates = case.rates
    every = jaxsup.Record(steps=tuple(range(1, case.check_steps)))
    check = make_sweep(case, rates[-1:], bias_rates[-1:], case.check_steps, every)
    (start,) = starting_parameters(check, ("embedding", "bias"))
    save_start(case.folder, **start)
    curve = jaxsup.run(check)["loss"].values.ravel().tolist()

    def train(steps: int) -> float:
        sweep = make_sweep(case, rates, bias_rates, steps, jaxsup.Record(points=2))
        return training_seconds(sweep)[0]

    steps = calibrate(train, case.seconds, first=10)
    return Prepared(lambda: (train(steps), steps * case.side**2), curve, {"steps": steps})


CONTENDERS = {
    "jaxsup": jaxsup_sweep,
    "eager": torch_trainability.eager_loop,
    "ensemble": torch_trainability.vmapped_grid,
    "products": products,
}
