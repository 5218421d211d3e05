"""Laws and students of the acceleration: curves, ratios of exponents, speed-ups, dead outputs."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from jaxsup import SGD, DiagonalTeacher, PowerLawFeatures, Student, Sweep, theory
from jaxsup.fit.intervals import Estimate
from jaxsup.fit.single.result import json_safe
from jaxsup.reproduce.analysis import dead_outputs, exponent_ratios, speed_ups
from jaxsup.reproduce.analysis.exponent_ratios import Curve, Exponent

if TYPE_CHECKING:
    import xarray as xr

    from jaxsup.reproduce.analysis.dead_outputs import Dead
    from jaxsup.reproduce.analysis.speed_ups import SpeedUp

RELU, LINEAR, RANDOM = "W = I, ReLU", "W = I, linear", "random W"
"""The kinds of students."""
SMALL, UNIT = 0.1, 1.0
"""Step sizes of the exponents: of the ReLU student with W = I, and of the others."""
SAME_WINDOW, OWN_LAW, OWN_LAW_RELU, LIMIT = (
    "linear W = I, same window",
    "linear W = I, its last law",
    "ReLU W = I, small step, its last law",
    "(a + 2b - 1)/a",
)
"""What the exponent in superposition is divided by."""


@dataclasses.dataclass(frozen=True)
class Row:
    """A law and a student at a step size.

    Attributes:
        a, b: exponents of the features and of the teacher.
        kind: `RELU`, `LINEAR` or `RANDOM`.
        ratio: N/K.
        learning_rate: eta.
        steps: recorded steps, from 0.
        loss: of every seed, NaN from where it diverged.
        whole: seeds that did not.
        dead: outputs that did not learn, of the whole seeds; None where there are none.
    """

    a: float
    b: float
    kind: str
    ratio: float
    learning_rate: float
    steps: Int[np.ndarray, " steps"]
    loss: Float[np.ndarray, "seeds steps"]
    whole: list[bool]
    dead: Dead | None

    @property
    def curve(self) -> Curve:
        """The whole seeds, without step 0."""
        return Curve(self.steps[1:], self.loss[self.whole][:, 1:], self.learning_rate)

    @property
    def end(self) -> Float[np.ndarray, " seeds"]:
        """The last loss over the first, of the whole seeds."""
        loss = self.loss[self.whole]
        return loss[:, -1] / loss[:, 0]

    def to_dict(self) -> dict[str, Any]:
        """The row without its curves, JSON-safe; means over the whole seeds."""
        known = {"a": self.a, "b": self.b, "student": self.kind, "ratio": self.ratio}
        known |= {"learning_rate": self.learning_rate, "diverged": self.whole.count(False)}
        if self.dead is None:
            return known
        counts = {"dead": self.dead.dead, "silent": self.dead.silent}
        means = {name: float(values.mean()) for name, values in counts.items()}
        means |= {"share_of_loss": float(self.dead.share.mean()), "end": float(self.end.mean())}
        return {**known, "due": self.dead.due, **means}


class Ratio(NamedTuple):
    """The last exponent in superposition over one without.

    Attributes:
        a, b: the law.
        ratio: N/K of the student in superposition.
        reference: what its exponent is divided by.
        numerator, denominator: the exponents.
        estimate: the quotient; None for a `reason`.
        reason: empty, or why there is none.
    """

    a: float
    b: float
    ratio: float
    reference: str
    numerator: Exponent
    denominator: Exponent
    estimate: Estimate | None
    reason: str

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe."""
        plain = self._asdict()
        for side in ("numerator", "denominator"):
            fields = getattr(self, side)._asdict()
            plain[side] = {name: json_safe(value) for name, value in fields.items()}
        plain["estimate"] = None if self.estimate is None else self.estimate._asdict()
        return plain


class Gain(NamedTuple):
    """A speed-up of a student in superposition.

    Attributes:
        a, b: the law.
        ratio: N/K.
        reference: `RELU` or `LINEAR`.
        speed_up: over the levels of loss, at best step sizes.
    """

    a: float
    b: float
    ratio: float
    reference: str
    speed_up: SpeedUp

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe; the factors are means over seeds, one a level."""
        found = self.speed_up
        return {
            **{"a": self.a, "b": self.b, "ratio": self.ratio, "reference": self.reference},
            "largest": None if found.largest is None else found.largest._asdict(),
            **{"at": json_safe(found.level), "deepest": json_safe(found.deepest)},
            "step_sizes": [json_safe(rate) for rate in found.rates],
            "factors": [json_safe(float(factor)) for factor in found.mean],
        }


class Table(NamedTuple):
    """All that is measured."""

    rows: list[Row]
    ratios: list[Ratio]
    gains: list[Gain]

    def records(self) -> list[dict[str, Any]]:
        """Numbers for programs."""
        parts = {"student": self.rows, "exponents": self.ratios, "speed-up": self.gains}
        return [{"what": name, **each.to_dict()} for name, part in parts.items() for each in part]


def measure(dataset: xr.Dataset, sweep: Sweep) -> Table:
    """What the networks of `acceleration` show.

    Arguments:
        dataset: with axes "law" and "arrangement", "feature_error" and "own_output".
        sweep: that it is the result of.
    """
    rows = [
        _measure_row(dataset, sweep, law, arrangement)
        for law in range(sweep.shape[0])
        for arrangement in range(sweep.shape[1])
    ]
    laws = [[row for row in rows if (row.a, row.b) == law] for law in laws_of(rows)]
    ratios = [ratio for law in laws for ratio in _ratios(law)]
    return Table(rows, ratios, [gain for law in laws for gain in _gains(law)])


def laws_of(found: Sequence[Row] | Sequence[Ratio]) -> list[tuple[float, float]]:
    """Every (a, b), in the order of the first that has it."""
    return list(dict.fromkeys((each.a, each.b) for each in found))


def limit_of(ratios: Sequence[Ratio], law: tuple[float, float]) -> float:
    """(a + 2b - 1)/a of a law, as the ratio over it has it."""
    found = (r for r in ratios if (r.a, r.b, r.reference) == (*law, LIMIT))
    return next(found).denominator.value


def _measure_row(dataset: xr.Dataset, sweep: Sweep, law: int, arrangement: int) -> Row:
    experiment = sweep.experiment_at((law, arrangement))
    features, teacher = experiment.features, experiment.teacher
    student, optimizer = experiment.student, experiment.optimizer
    # The figure trains no others.
    assert isinstance(features, PowerLawFeatures)
    assert isinstance(teacher, DiagonalTeacher)
    assert isinstance(student, Student)
    assert isinstance(optimizer, SGD)
    cell = dataset.isel(law=law, arrangement=arrangement).transpose("seed", "step", ...)
    whole = (cell["status"].values == 0).tolist()
    learning_rate = float(optimizer.learning_rate)
    due = dead_outputs.due_features(features, learning_rate, experiment.steps)
    errors = cell["feature_error"].values[whole].astype(np.float64)
    own = cell["own_output"].values[whole][:, -1]
    kind = RANDOM
    if student.embedding == "identity":
        kind = RELU if student.bias else LINEAR
    return Row(
        a=float(features.exponent),
        b=float(teacher.exponent),
        kind=kind,
        ratio=features.count / student.latent,
        learning_rate=learning_rate,
        steps=cell["step"].values,
        loss=cell["loss"].values.astype(np.float64),
        whole=whole,
        dead=dead_outputs.count_dead(errors, own, due) if any(whole) else None,
    )


def _crowded(law: Sequence[Row]) -> list[float]:
    """Superposition ratios above 1."""
    return sorted({row.ratio for row in law if row.kind == RANDOM and row.ratio > 1})


def _at(law: Sequence[Row], kind: str, ratio: float, learning_rate: float) -> Curve | None:
    wanted = (kind, ratio, learning_rate)
    found = [r for r in law if (r.kind, r.ratio, round(r.learning_rate, 6)) == wanted]
    return found[0].curve if found else None


def _ratios(law: Sequence[Row]) -> Iterator[Ratio]:
    """Ratios of exponents of a law, for each ratio N/K and reference."""
    a, b = law[0].a, law[0].b
    linear, relu = _at(law, LINEAR, 1.0, UNIT), _at(law, RELU, 1.0, SMALL)
    own, own_relu = exponent_ratios.last_exponent(linear), exponent_ratios.last_exponent(relu)
    exact = float(theory.training_exponent(a, b))
    limit = Exponent(exact, exact, exact)
    for ratio in _crowded(law):
        numerator = exponent_ratios.last_exponent(_at(law, RANDOM, ratio, UNIT))
        same = exponent_ratios.exponent_over(linear, numerator.window)
        references = {LIMIT: limit, SAME_WINDOW: same, OWN_LAW: own, OWN_LAW_RELU: own_relu}
        for name, denominator in references.items():
            quotient = exponent_ratios.divide(numerator, denominator)
            yield Ratio(a, b, ratio, name, numerator, denominator, *quotient)


def _gains(law: Sequence[Row]) -> Iterator[Gain]:
    """Speed-ups of a law, for each ratio N/K and reference."""

    def best(kind: str, ratio: float) -> speed_ups.Fastest:
        rows = [row for row in law if (row.kind, row.ratio) == (kind, ratio)]
        loss = np.stack([row.loss for row in rows])
        return speed_ups.fastest(rows[0].steps, loss, [row.learning_rate for row in rows])

    references = {kind: best(kind, 1.0) for kind in (RELU, LINEAR)}
    for ratio in _crowded(law):
        student = best(RANDOM, ratio)
        for kind, reference in references.items():
            yield Gain(law[0].a, law[0].b, ratio, kind, speed_ups.compare(student, reference))
