"""Claim: bottleneck students train many times faster than by the loop a researcher writes.

ReLU and bias, W frozen, a fresh sparse batch each step, plain SGD, float32. Contenders:
`jaxsup.run` on a sweep of one setting and R seeds, so that every network has data of its own; the
eager PyTorch loop, one network at a time; `torch.func` vmapped over the ensemble; our own
`simulate` in a Python loop. A sweep of 16 settings that share the random numbers of a seed is a row
of its own.

Of a step (batch B, N features, K latent) only these products cannot be avoided, since W is frozen
and x has about one active feature a sample: core times input 2 B K K, readout 2 B K N, its
derivative 2 B K N, the core's derivative 2 B K K. The input layer is a gather and not counted.
Nor are samples without any active feature: they are all alike, and their share needs no product. B
is the mean number of the others, and a roofline counts nothing else.
"""

import dataclasses
import functools
import math
import statistics
import tempfile
from collections.abc import Callable
from typing import Any

from benchmarks import peaks, torch_bottleneck
from benchmarks.comparison import Notes, Row, compare, same_mean, same_values, share_of
from benchmarks.devices import ARITHMETIC, use_jax
from benchmarks.held_out import losses, save_start
from benchmarks.starts import starting_parameters, training_seconds
from benchmarks.turns import Measured, Prepared, calibrate, stopwatch, take_turns

EXPONENT = 1.5
_OWN = ("jaxsup", "simulate", "eager", "ensemble", "products", "memory")
_PAIRED = ("jaxsup", "eager")


@dataclasses.dataclass(frozen=True)
class Case:
    """One size.

    Attributes:
        features, latent, batch, networks: sizes.
        exponents: frequency exponents, one a setting; networks are settings x seeds.
        checked, check_steps: networks and steps of the comparison of loss curves.
        seconds: how long a turn lasts.
        device: where PyTorch computes; JAX takes the best it has.
        precision: of the products of all contenders, and of the peak, as `jaxsup.Experiment` has
            it.
        side, stream: smallest sizes of the peaks' matrices and arrays.
        folder: where the first contender leaves the starting weights.
    """

    features: int
    latent: int
    batch: int
    networks: int
    exponents: list[float]
    checked: int
    check_steps: int
    seconds: float
    learning_rate: float = 0.3
    device: str = "cpu"
    precision: str = "float32"
    side: int = 1024
    stream: int = 2**25
    folder: str = ""

    @property
    def name(self) -> str:
        """As the table has it."""
        return f"bottleneck {self.features}/{self.latent}/{self.batch}, {self.networks} networks"

    @property
    def flops(self) -> float:
        """Of the products that no step can do without."""
        B, N, K = self.occupied * self.batch, self.features, self.latent
        return 4.0 * B * K * K + 4.0 * B * K * N

    @property
    def occupied(self) -> float:
        """Share of the samples that have an active feature, 1 - prod_i (1 - p_i)."""
        law = [i**-EXPONENT for i in range(1, self.features + 1)]
        return 1 - math.prod(1 - weight / sum(law) for weight in law)

    @property
    def bytes(self) -> float:
        """Read or written at least once a step where the ensemble is larger than the caches."""
        return 4.0 * (2 * self.latent**2 + 2 * self.features + self.latent * self.features)


CASES = {
    "small": Case(64, 16, 64, 512, [EXPONENT], checked=16, check_steps=200, seconds=3.0),
    "middle": Case(256, 64, 256, 64, [EXPONENT], checked=12, check_steps=100, seconds=4.0),
    "large": Case(1024, 256, 1024, 8, [EXPONENT], checked=6, check_steps=30, seconds=6.0),
}
TARGETS = {("small", "eager"): 60.0, ("middle", "eager"): 6.0, ("large", "products"): 0.75}


def measure(*, quick: bool = False, tiny: bool = False) -> list[Row]:
    """All rows."""
    if tiny:
        case = Case(8, 3, 8, 16, [EXPONENT], checked=16, check_steps=10, seconds=0.0)
        case = dataclasses.replace(case, side=64, stream=1024)
        return _own_data("tiny", case, repeats=1, apart=False)
    rows = []
    repeats = 3 if quick else 5
    for name, case in CASES.items():
        if quick:
            case = dataclasses.replace(case, seconds=case.seconds / 4)
        rows += _own_data(name, case, repeats)
        if name != "large":
            rows += _paired(case, repeats)
    return rows


def _own_data(name: str, case: Case, repeats: int, *, apart: bool = True) -> list[Row]:
    """Every network draws its own data."""
    seats, notes = contend(_OWN, case, repeats, apart=apart)
    ours = seats["jaxsup"].costs
    names = {"eager": "eager PyTorch loop", "ensemble": "torch.func over the ensemble"}
    rows = []
    for rival, target in (("eager", TARGETS.get((name, "eager"))), ("ensemble", 1.0)):
        if seats[rival].missing:
            print(f"skipped: {names[rival]}: {seats[rival].missing}")
            continue
        row = compare(case.name, names[rival], ours, seats[rival].costs, target=target)
        note = f"{ARITHMETIC[case.precision]}; {notes[rival]}{_company(seats)}"
        rows.append(dataclasses.replace(row, note=note))
    rows.append(compare(case.name, "simulate in a Python loop", ours, seats["simulate"].costs))
    return [*rows, roofline(case, seats, TARGETS.get((name, "products")))]


def roofline(case: Case, seats: dict[str, Measured], target: float | None) -> Row:
    """The least time that the machine's peaks allow, over the time taken."""
    product = [case.flops * cost for cost in seats["products"].costs]
    moved = [case.bytes * cost for cost in seats["memory"].costs]
    bounds = [max(pair) for pair in zip(product, moved, strict=True)]
    binding = "matrix products" if statistics.median(product) >= statistics.median(moved) else ""
    gflops = 1e-9 / statistics.median(seats["products"].costs)
    gigabytes = 1e-9 / statistics.median(seats["memory"].costs)
    return share_of(
        case.name,
        f"roofline ({binding or 'memory bandwidth'})",
        seats["jaxsup"].costs,
        bounds,
        target=target,
        note=f"peaks of this run: {gflops:.0f} GFLOP/s ({seats['products'].facts['arithmetic']}, "
        f"side {seats['products'].facts['size']:,}), {gigabytes:.1f} GB/s; "
        f"counted: the {case.occupied:.0%} of samples that have an active feature",
    )


def _paired(case: Case, repeats: int) -> list[Row]:
    """Sixteen settings share the random numbers of a seed, as sweeps have it."""
    exponents = [1.1 + 0.9 * k / 15 for k in range(16)]
    case = dataclasses.replace(case, exponents=exponents, checked=16)
    seats, notes = contend(_PAIRED, case, repeats)
    if seats["eager"].missing:
        return []
    work = f"{case.name}, PAIRED: 16 settings share a seed's random numbers"
    costs = seats["jaxsup"].costs, seats["eager"].costs
    note = f"{ARITHMETIC[case.precision]}; {notes['eager']}"
    return [compare(work, "eager PyTorch loop", *costs, note=note)]


def contend(
    names: tuple[str, ...], case: Case, repeats: int, *, apart: bool = True
) -> tuple[dict[str, Measured], Notes]:
    """Let `names` take turns at a case; what they measured, and how curves agreed before."""
    # `simulate` draws what the sweep draws.
    exact = {"simulate": functools.partial(same_values, tolerance=1e-3)}
    notes = Notes(case.name, names[0], same_mean, exact)
    with tempfile.TemporaryDirectory() as folder:
        table = dataclasses.asdict(dataclasses.replace(case, folder=folder))
        seats = take_turns(__name__, names, table, repeats, check=notes, apart=apart)
    return seats, notes


def _company(seats: dict[str, Measured]) -> str:
    """What else the machine did meanwhile."""
    waiting = max(seat.waiting for seat in seats.values())
    others = max(seat.others for seat in seats.values())
    return f"; others on the machine used up to {others:.2f} cores, those waiting {waiting:.2f}"


def make_sweep(case: Case, steps: int, networks: int, record: Any) -> Any:
    """Settings x seeds as a user would have them."""
    import jaxsup

    experiment = jaxsup.Experiment(
        jaxsup.PowerLawFeatures(case.features, EXPONENT),
        jaxsup.DiagonalTeacher(0.0),
        jaxsup.Student(case.latent),
        jaxsup.SGD(case.learning_rate),
        batch_size=case.batch,
        steps=steps,
        record=record,
        precision=case.precision,
    )
    axes = {"features.exponent": case.exponents}
    return jaxsup.Sweep(experiment, axes, -(-networks // len(case.exponents)))


def checked(case: Case, trained: Callable[[Any], Any]) -> list[list[float]]:
    """Held-out losses of the compared networks at three steps, [networks, steps]."""
    import numpy as np

    import jaxsup

    steps = (case.check_steps // 4, case.check_steps // 2, case.check_steps)
    record = jaxsup.Record(points=2, parameter_steps=steps, evaluation_samples=64)
    sweep = make_sweep(case, case.check_steps, case.checked, record)
    start = starting_weights(sweep)
    save_start(case.folder, **start)
    cores, biases = trained(sweep)
    curve = [
        losses(start["embedding"], cores[:, step], biases[:, step], start["exponents"])
        for step in range(len(steps))
    ]
    return np.stack(curve, axis=1).tolist()


def starting_weights(sweep: Any) -> dict[str, Any]:
    """Weights from which the networks of a sweep start, setting by setting, and their exponents."""
    import numpy as np

    names = ("embedding", "core", "bias")
    starts = starting_parameters(sweep, names)
    exponents = np.repeat(sweep.axis_table()["features.exponent"], len(sweep.seeds))
    return {"exponents": exponents, **{n: np.stack([s[n] for s in starts]) for n in names}}


def jaxsup_sweep(table: dict[str, Any]) -> Prepared:
    """The public engine: `jaxsup.run`, compilation apart."""
    use_jax()
    import jaxsup

    case = Case(**table)

    def trained(sweep: Any) -> tuple[Any, Any]:
        dataset = jaxsup.run(sweep)
        arrays = (dataset[name].values for name in ("core", "bias"))
        cores, biases = (array.reshape(-1, *array.shape[2:]) for array in arrays)
        return cores, biases

    curve = checked(case, trained)
    compiled: list[float] = []

    def train(steps: int) -> float:
        record = jaxsup.Record(points=2, evaluation_samples=64)
        seconds, compiling = training_seconds(make_sweep(case, steps, case.networks, record))
        compiled.append(compiling)
        return seconds

    steps = calibrate(train, case.seconds, first=10)
    facts = {"steps": steps, "compile_seconds": statistics.median(compiled)}
    return Prepared(lambda: (train(steps), steps * case.networks), curve, facts)


def simulate_loop(table: dict[str, Any]) -> Prepared:
    """Our `simulate`, one network after the other."""
    jax = use_jax()
    import numpy as np

    import jaxsup

    case = Case(**table)

    def trained(sweep: Any) -> tuple[Any, Any]:
        keys = [jax.random.key(seed) for seed in sweep.seeds]
        snapshots = [jaxsup.simulate(sweep.experiment, key).snapshots for key in keys]
        return tuple(np.stack([getattr(k, name) for k in snapshots]) for name in ("core", "bias"))

    curve = checked(case, trained)
    record = jaxsup.Record(points=2, evaluation_samples=64)
    experiment = make_sweep(case, 20, 1, record).experiment

    def train(networks: int) -> float:
        def loop() -> None:
            for seed in range(networks):
                jax.block_until_ready(jaxsup.simulate(experiment, jax.random.key(seed)))

        return stopwatch(loop)

    train(1)
    networks = calibrate(train, case.seconds / 2)
    return Prepared(lambda: (train(networks), networks * experiment.steps), curve)


CONTENDERS = {
    "jaxsup": jaxsup_sweep,
    "simulate": simulate_loop,
    "eager": torch_bottleneck.eager_loop,
    "ensemble": torch_bottleneck.vmapped_ensemble,
    **peaks.CONTENDERS,
}
