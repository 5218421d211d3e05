"""Claim: 100,000 networks of one neuron train faster than in batched PyTorch.

Two features in one dimension, relu(w w^T x + c), batch 64, Adam at 1e-2, falling along a cosine.
One setting and 100,000 seeds, so that all have data of their own; and, PAIRED, the 316 x 316
settings of the phase diagram (density x importance) with one seed, whose random numbers they share.
The contender is PyTorch with all networks in one array, autograd and torch.optim.Adam; it draws one
batch for all where jaxsup does.
"""

import dataclasses
import tempfile
from typing import Any

from benchmarks import torch_two_features
from benchmarks.comparison import Notes, Row, rows_against, same_mean
from benchmarks.devices import use_jax
from benchmarks.held_out import save_start
from benchmarks.starts import training_seconds
from benchmarks.turns import Prepared, calibrate, take_turns
from benchmarks.two_features_case import CHECK_STEPS, DENSITY, IMPORTANCE, Case, held_out_losses

_RIVALS = {"batched": ("batched PyTorch", 1.0)}


def measure(*, quick: bool = False, tiny: bool = False) -> list[Row]:
    """All rows."""
    seconds = 1.0 if quick else 4.0
    cases = {
        "two features, 100,000 networks": Case(1, 100_000, seconds=seconds),
        "two features, 316 x 316 settings, PAIRED": Case(316, 1, seconds=seconds),
    }
    if tiny:
        cases = {"two features, 20 networks": Case(1, 20, checked=20, batch=8, seconds=0.0)}
    rows = []
    for work, case in cases.items():
        with tempfile.TemporaryDirectory() as folder:
            table = dataclasses.asdict(dataclasses.replace(case, folder=folder))
            names = ("jaxsup", "batched")
            notes = Notes(work, "jaxsup", same_mean)
            seats = take_turns(
                __name__, names, table, 1 if tiny else 3, check=notes, apart=not tiny
            )
        rows += rows_against(work, seats, _RIVALS, notes.__getitem__)
    return rows


def make_sweep(side: int, seeds: int, case: Case, steps: int, record: Any) -> Any:
    """The phase diagram, or one point of it, as a user would have it."""
    import numpy as np

    import jaxsup

    single = side == 1
    return jaxsup.reproduce.toys.two_feature_phases(
        densities=[DENSITY] if single else np.linspace(0.01, 1.0, side).tolist(),
        importances=[IMPORTANCE] if single else np.geomspace(0.1, 10.0, side).tolist(),
        steps=steps,
        batch_size=case.batch,
        learning_rate=case.learning_rate,
        seeds=seeds,
        record=record,
    )


def jaxsup_sweep(table: dict[str, Any]) -> Prepared:
    """The public engine: `jaxsup.run`, compilation apart."""
    jax = use_jax()
    import numpy as np

    import jaxsup
    from jaxsup.experiment.experiment import initial_parameters

    case = Case(**table)
    steps = (CHECK_STEPS // 2, CHECK_STEPS)
    record = jaxsup.Record(points=2, parameter_steps=steps, evaluation_samples=64)
    check = make_sweep(1, case.checked, case, CHECK_STEPS, record)
    keys = jax.vmap(jax.random.key)(np.arange(case.checked))
    start = jax.vmap(lambda key: initial_parameters(check.experiment, key))(keys)
    save_start(case.folder, embedding=start.embedding, bias=start.bias)
    dataset = jaxsup.run(check)
    Ws, cs = (dataset[name].values[0, 0] for name in ("embedding", "bias"))
    columns = [held_out_losses(Ws[:, k], cs[:, k]) for k in range(len(steps))]
    curve = np.stack(columns, axis=1).tolist()
    rough = jaxsup.Record(points=2, evaluation_samples=64)

    def train(steps: int) -> float:
        return training_seconds(make_sweep(case.side, case.seeds, case, steps, rough))[0]

    steps = calibrate(train, case.seconds, first=10)
    return Prepared(lambda: (train(steps), steps * case.networks), curve, {"steps": steps})


CONTENDERS = {"jaxsup": jaxsup_sweep, "batched": torch_two_features.batched}
