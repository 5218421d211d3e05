"""Claim: a slice of the published scaling sweep trains many times faster than its eager equivalent.

Liu, Liu, Gore (arXiv 2505.10465): relu(W^T W x + c), 1000 features with frequencies i^-a, latent 10
to 100, batch 2048, Adam with a decay that pulls norms of features towards 1 (here -0.5), warm-up
and cosine. The slice is one decay x 9 exponents x 6 widths, 54 networks: that of
`jaxsup.reproduce.toys.width_scaling`, a program a width. Settings share the random numbers of their
seed, as in any sweep of jaxsup: PAIRED. Contenders: `jaxsup.run`; the eager PyTorch loop, one
network at a time; `torch.func` vmapped over the 9 exponents of a width. Costs are means over the
slice.
"""

import dataclasses
import tempfile
from typing import Any

from benchmarks import torch_published
from benchmarks.comparison import Notes, Row, rows_against, same_mean
from benchmarks.devices import ARITHMETIC, use_jax
from benchmarks.held_out import save_start
from benchmarks.published_case import CHECK_STEPS, Case, held_out_loss
from benchmarks.starts import starting_parameters, training_seconds
from benchmarks.turns import Prepared, calibrate, take_turns

NAMES = {"eager": ("eager PyTorch loop", 8.0), "ensemble": ("torch.func over exponents", 1.0)}


def measure(*, quick: bool = False, tiny: bool = False) -> list[Row]:
    """All rows."""
    case = Case(seconds=1.0 if quick else 5.0)
    if tiny:
        case = Case(12, (3,), 8, (1.0, 1.25, 1.5, 2.0), checked=(6,), seconds=0.0)
    work = f"published sweep, slice of {case.networks} networks, PAIRED"
    notes = Notes(work, "jaxsup", same_mean)
    with tempfile.TemporaryDirectory() as folder:
        table = dataclasses.asdict(dataclasses.replace(case, folder=folder))
        names = ("jaxsup", *NAMES)
        seats = take_turns(__name__, names, table, 1 if tiny else 3, check=notes, apart=not tiny)
    return rows_against(work, seats, NAMES, lambda name: f"{ARITHMETIC['float32']}; {notes[name]}")


def make_sweep(case: Case, steps: int, record: Any) -> Any:
    """The slice as a user would have it."""
    import jaxsup

    return jaxsup.reproduce.toys.width_scaling(
        features=case.features,
        latents=case.latents,
        decays=[case.decay],
        exponents=case.exponents,
        steps=steps,
        batch_size=case.batch,
        learning_rate=case.learning_rate,
        record=record,
    )


def jaxsup_sweep(table: dict[str, Any]) -> Prepared:
    """The public engine: `jaxsup.run`, compilation apart."""
    use_jax()
    import jaxsup

    case = Case(**table)
    small = case.small
    steps = (CHECK_STEPS // 2, CHECK_STEPS)
    check = make_sweep(
        small,
        CHECK_STEPS,
        jaxsup.Record(points=2, parameter_steps=steps, evaluation_samples=64),
    )
    starts = starting_parameters(check, ("embedding", "bias"))
    save_start(
        case.folder,
        **{f"{name}_{k}": start[name] for k, start in enumerate(starts) for name in start},
    )
    dataset = jaxsup.run(check)
    curve = []
    for exponent in range(len(small.exponents)):
        for width, latent in enumerate(small.latents):
            at = (0, exponent, width, 0)
            Ws, cs = (dataset[name].values[at] for name in ("embedding", "bias"))
            a = small.exponents[exponent]
            pairs = zip(Ws, cs, strict=True)
            curve.append([held_out_loss(W[:latent], c, a) for W, c in pairs])
    record = jaxsup.Record(points=2, evaluation_samples=64)

    def train(steps: int) -> float:
        sweep = make_sweep(case, steps, record)
        return training_seconds(sweep, widths=len(case.latents))[0]

    steps = calibrate(train, case.seconds, first=4)
    return Prepared(lambda: (train(steps), steps * case.networks), curve, {"steps": steps})


CONTENDERS = {
    "jaxsup": jaxsup_sweep,
    "eager": torch_published.eager_loop,
    "ensemble": torch_published.vmapped_exponents,
}
