"""Regimes of every law and student of the transition, with the overlap of the student's columns."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Float, Int

from jaxsup import SGD, DiagonalTeacher, PowerLawFeatures, Student, Sweep, fit, theory
from jaxsup.experiment.experiment import initial_parameters
from jaxsup.fit.stretches.regimes import Regimes, Stretch

if TYPE_CHECKING:
    import xarray as xr

    from jaxsup.experiment.experiment import Experiment


START = 5.0
"""eta t from which on curves are looked at: 2 eta l_1 t is above 2 there, and a law in t begins."""
SETTLED = 100.0
"""eta t from which on the steepest local exponent is looked for."""


class Steepest(NamedTuple):
    """The local exponent where a curve is steepest for sure: its interval's lower end is largest.

    Attributes:
        time: eta t where it is.
        exponent: alpha.
        low, high: the 95% interval at that place. That it was chosen among many is not in it.
    """

    time: float
    exponent: float
    low: float
    high: float


@dataclasses.dataclass(frozen=True)
class Row:
    """A law and a student: curves of all seeds and what they show.

    Attributes:
        a, b: exponents of the features and of the teacher.
        kind: "identity", "rotation", "between" or "random": how columns of W lie.
        ratio: N/K.
        latent: K.
        randomness: of the columns, 0 for a rotation, 1 for independent ones.
        overlap: mean squared cosine between columns, mean over seeds.
        learning_rate: eta.
        steps: recorded steps from eta t = `START` on.
        loss: of the seeds that learned.
        diverged: seeds that diverged.
        silent: seeds whose loss at the end is above half of that at the start: all outputs died.
        regimes: of the loss, over all seeds; None where every seed diverged.
        steepest: the steepest place from eta t = `SETTLED` on; None likewise, or where
            training ends before.
        linear_loss: of the linear student without superposition at this N and eta, in closed form.
    """

    a: float
    b: float
    kind: str
    ratio: float
    latent: int
    randomness: float
    overlap: float
    learning_rate: float
    steps: Int[np.ndarray, " steps"]
    loss: Float[np.ndarray, "seeds steps"]
    diverged: int
    silent: int
    regimes: Regimes | None
    steepest: Steepest | None
    linear_loss: Float[np.ndarray, " steps"]

    @property
    def laws(self) -> list[Stretch]:
        """The stretches that are power laws, from early to late."""
        return list(self.regimes.power_laws) if self.regimes else []

    @property
    def first(self) -> Stretch | None:
        """The first power law."""
        return self.laws[0] if self.laws else None

    @property
    def last(self) -> Stretch | None:
        """The last power law before the floor, or before the end of training."""
        return self.laws[-1] if self.laws else None

    @property
    def theory(self) -> float:
        """-d log L / d log t of `linear_loss` over the window of `last`.

        NaN without a window, or where nothing is left to learn within it.
        """
        if self.last is None:
            return float("nan")
        first, last = self.last.window
        inside = (self.steps >= first) & (self.steps <= last)
        if not (self.linear_loss[inside] > 0).all():
            return float("nan")
        logs = np.log(self.steps[inside]), np.log(self.linear_loss[inside])
        return -float(np.polyfit(*logs, 1)[0])

    @property
    def name(self) -> str:
        """The student in a few words."""
        names = {"identity": "W = I", "rotation": "rotation, K = N"}
        if self.kind == "between":
            return f"randomness {self.randomness:g}, K = N"
        return names.get(self.kind, f"random W, N/K = {self.ratio:.3g}")

    def to_dict(self) -> dict[str, Any]:
        """The row without its curves, JSON-safe."""
        hidden = ("steps", "loss", "regimes", "steepest", "linear_loss")
        names = [f.name for f in dataclasses.fields(self) if f.name not in hidden]
        numbers = {name: getattr(self, name) for name in names}
        regimes = self.regimes.to_dict() if self.regimes else None
        known = None if np.isnan(self.theory) else self.theory
        steepest = None if self.steepest is None else self.steepest._asdict()
        found = {"regimes": regimes, "steepest": steepest, "theory": known}
        return {**numbers, "seeds": len(self.loss), **found}


def measure(dataset: xr.Dataset, sweep: Sweep) -> list[Row]:
    """One row a law and student, in the order of the sweep.

    Arguments:
        dataset: of `transition`'s sweep, with axes "law" and "arrangement".
        sweep: that sweep.
    """
    overlaps = list(_overlaps(sweep))
    return [
        _measure_row(dataset, sweep, law, arrangement, overlaps[arrangement])
        for law in range(sweep.shape[0])
        for arrangement in range(sweep.shape[1])
    ]


def _overlaps(sweep: Sweep) -> Iterator[float]:
    """Mean squared cosine between columns of W at every student, mean over seeds."""
    for arrangement in range(sweep.shape[1]):
        experiment = sweep.experiment_at((0, arrangement))
        means = [_overlap(experiment, seed) for seed in sweep.seeds]
        yield float(np.mean(means))


def _overlap(experiment: Experiment, seed: int) -> float:
    """(|W W^T|^2 - N) / (N (N - 1)): columns have unit norm."""
    W = initial_parameters(experiment, jax.random.key(seed)).embedding
    if W is None:
        return 0.0
    columns = np.asarray(W, np.float64)
    count = columns.shape[1]
    return max((float(np.sum((columns @ columns.T) ** 2)) - count) / (count * (count - 1)), 0.0)


def _measure_row(
    dataset: xr.Dataset, sweep: Sweep, law: int, arrangement: int, overlap: float
) -> Row:
    experiment = sweep.experiment_at((law, arrangement))
    student, optimizer, features = experiment.student, experiment.optimizer, experiment.features
    assert isinstance(student, Student)
    assert isinstance(optimizer, SGD)
    assert isinstance(features, PowerLawFeatures)
    assert isinstance(experiment.teacher, DiagonalTeacher)
    learning_rate = float(optimizer.learning_rate)
    cell = dataset.isel(law=law, arrangement=arrangement).transpose("seed", "step", ...)
    steps, curves = cell["step"].values, cell["loss"].values.astype(np.float64)
    whole = cell["status"].values == 0
    learned = whole & (curves[:, -1] < curves[:, 0] / 2)
    later = learning_rate * steps >= START
    steps, loss = steps[later], curves[learned][:, later]
    regimes = fit.regimes(steps, loss) if len(loss) else None
    randomness = 0.0 if student.randomness is None else float(student.randomness)
    kinds = {0.0: "rotation", 1.0: "random"}
    return Row(
        a=float(features.exponent),
        b=float(experiment.teacher.exponent),
        kind="identity" if student.embedding == "identity" else kinds.get(randomness, "between"),
        ratio=features.count / student.latent,
        latent=student.latent,
        randomness=randomness,
        overlap=overlap,
        learning_rate=learning_rate,
        steps=steps,
        loss=loss,
        diverged=int((cell["status"].values == 1).sum()),
        silent=int((whole & ~learned).sum()),
        regimes=regimes,
        steepest=_steepest(steps, loss, learning_rate) if len(loss) else None,
        linear_loss=_linear_loss(experiment, steps),
    )


def _steepest(
    steps: Int[np.ndarray, " steps"], loss: Float[np.ndarray, "seeds steps"], learning_rate: float
) -> Steepest | None:
    """The steepest place from `SETTLED` on."""
    local = fit.local_exponent(steps, loss)
    times = learning_rate * local.steps
    settled = np.flatnonzero((times >= SETTLED) & np.isfinite(local.interval[:, 0]))
    if not settled.size:
        return None
    place = settled[np.nanargmax(local.interval[settled, 0])]
    low, high = local.interval[place]
    return Steepest(*map(float, (times[place], local.exponent[place], low, high)))


def _linear_loss(
    experiment: Experiment, steps: Int[np.ndarray, " steps"]
) -> Float[np.ndarray, " steps"]:
    """The closed form of the linear student, K = N, from a zero start."""
    count = experiment.features.count
    student = Student(count, "identity", core_scale=0.0, activation="identity", bias=False)
    linear = dataclasses.replace(experiment, student=student)
    return np.asarray(theory.loss_curve(linear, steps), np.float64)


def lines(table: Sequence[Row]) -> list[str]:
    """The table as aligned text, a line a row."""
    header = f"{'a':>4} {'b':>5}  {'student':<23} {'overlap':>8} {'eta':>5}"
    header += f"  {'first power law, steps':<34}  {'last power law, steps':<34}  {'linear':>6}"
    header += f"  {'then':<15}  steepest local exponent from eta t = {SETTLED:g} on (at eta t)"
    return [header, *(_line(row) for row in table)]


def _line(row: Row) -> str:
    cells = f"{row.a:4g} {row.b:5g}  {row.name:<23} {row.overlap:8.5f} {row.learning_rate:5g}"
    if row.regimes is None:
        return f"{cells}  every seed diverged or fell silent"
    theory_text = "-" if np.isnan(row.theory) else f"{row.theory:.3f}"
    cells += f"  {_cell(row.first):<34}  {_cell(row.last):<34}  {theory_text:>6}"
    lost = ""
    if row.silent or row.diverged:
        lost = f"  ({row.silent} seeds silent, {row.diverged} diverged)"
    return f"{cells}  {_after(row):<15}  {_peak(row.steepest)}{lost}"


def _after(row: Row) -> str:
    """What follows the last power law."""
    if row.regimes is None or row.last is None:
        return "-"
    later = row.regimes.stretches[row.regimes.stretches.index(row.last) + 1 :]
    return later[0].kind if later else "end of training"


def _peak(steepest: Steepest | None) -> str:
    if steepest is None:
        return "-"
    interval = f"({steepest.low:.2f} to {steepest.high:.2f})"
    return f"{steepest.exponent:.2f} {interval} at {steepest.time:.0f}"


def _cell(stretch: Stretch | None) -> str:
    if stretch is None:
        return "none"
    (low, high), (first, last) = stretch.interval, stretch.window
    return f"{stretch.exponent:.2f} ({low:.2f} to {high:.2f}) {first:.0f}..{last:.0f}"


def summary(table: Sequence[Row]) -> list[str]:
    """What the table says of the claim, a sentence a kind of student."""
    sentences = []
    for name, rate in dict.fromkeys((row.name, row.learning_rate) for row in table):
        rows = [r for r in table if (r.name, r.learning_rate) == (name, rate) and r.b == 0]
        last = [row.last.exponent for row in rows if row.last is not None]
        peaks = [row.steepest.exponent for row in rows if row.steepest is not None]
        found = "no power law"
        if last:
            near = sum(0.8 <= exponent <= 1.2 for exponent in last)
            found = f"last power laws {min(last):.2f} to {max(last):.2f}, "
            found += f"{near} of {len(rows)} within 0.8..1.2"
        if peaks:
            found += f"; steepest {min(peaks):.2f} to {max(peaks):.2f}"
        sentences.append(f"{name}, eta = {rate:g}, b = 0: {found}")
    return sentences
