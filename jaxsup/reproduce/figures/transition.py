"""Training exponents on both sides of the transition into superposition, with controls.

Claim ("Superposition unifies power-law training dynamics", arXiv 2602.01045): without superposition
the exponent is (a + 2b - 1)/a and depends on data and channel importance; with it, the exponent is
about 1 whatever they are.

**Protocol**, fixed before any run. Sparse power-law data, density 1, p_i ~ i^-a, values on [0, 2];
teacher diag(i^-b); ReLU students with bias, loss 1/2 E |phi(z) - y|^2; W frozen, unit columns; the
core B starts at standard deviation 1e-3, the bias at 0; plain SGD. Laws (a, b): b = 0 with a = 1.1,
1.3, 1.5, 2, and a = 1.5 with b = 0.25, 0.5.

- *Students.* Random W, N/K = 1 to 16, fine near 1. Three controls have no bottleneck, K = N: W = I;
  a random rotation (no overlap either); and columns between the rotation and random ones (overlap).
  So overlap and bottleneck are told apart.
- *Step size* eta: 1 for random columns, less where it would diverge (4 / (N/K) beyond N/K = 4).
  Where columns overlap less a step of 1 kills outputs for good (`acceleration` shows that trap):
  0.1 for W = I and for the rotation, 0.3 between it and random columns; one W = I at 1 shows the
  trap here. Times are eta t: noise apart, runs of different step sizes follow the same flow.
- *Exponents*, the same for every student: `jaxsup.fit.regimes` at its defaults on the curves of all
  seeds, from eta t = 5 on, where the law in t begins. The exponent of the last power law before the
  floor, and that of the first, with their 95% intervals. Where only one is found it is both. A
  curve that steepens all the while is a crossover and has no such exponent; so the steepest
  `jaxsup.fit.local_exponent` from eta t = 100 on (later than any start-up) is given beside them:
  that whose 95% interval has the largest lower end.
- *Seeds* that diverge, or whose loss ends above half of its start because all outputs died, are
  counted and belong to no curve. (This was added after a first look: one of the 390 networks of the
  paper scale is silent from the start, and a mean with it shows nothing else.)

What the controls do not show: ReLU students with orthogonal columns lose outputs even at small
steps, so their exponents stay low. The linear student with W = I, whose closed form is drawn and
tabulated over the same steps, loses none, and at finite N it steepens too, as its sum is learned to
the end. Only what exceeds it is superposition's own.

Overlap is the mean squared cosine between columns, mean over seeds: 1/K for independent columns, 0
for a rotation.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

from jaxsup import (
    SGD,
    DiagonalTeacher,
    Experiment,
    PowerLawFeatures,
    Record,
    Student,
    Sweep,
    theory,
)
from jaxsup.fit.intervals import Estimate
from jaxsup.reproduce import AbstractFigure, Claim, Findings, Published
from jaxsup.reproduce.analysis import transition_limits, transition_panels, transition_table
from jaxsup.reproduce.registry import FIGURES

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

    from jaxsup.reproduce.analysis.transition_table import Row

LAWS = ((1.1, 0.0), (1.3, 0.0), (1.5, 0.0), (2.0, 0.0), (1.5, 0.25), (1.5, 0.5))
"""The pairs (a, b)."""
RATIOS = (1, 1.02, 1.07, 1.33, 2, 4, 8, 16)
TOLERANCE, NARROW = 0.2, 0.05
"""Half the widths of "about 1" and of a theoretical exponent."""
EXAMPLE_RATIO = 2
"""The ratio whose curves are drawn."""


@dataclasses.dataclass(frozen=True)
class Scale:
    """How large the experiment is.

    Attributes:
        features: N.
        steps, batch_size, seeds, evaluation_samples: as the experiment takes them.
        laws: pairs (a, b).
        ratios: N/K of random embeddings.
        randomness: of the embeddings between a rotation and random columns, K = N.
        controls: whether W = I and the rotation are trained too.
    """

    features: int
    steps: int
    batch_size: int
    seeds: int
    laws: tuple[tuple[float, float], ...] = LAWS
    ratios: tuple[float, ...] = RATIOS
    randomness: tuple[float, ...] = (0.25, 0.5)
    controls: bool = True
    evaluation_samples: int = 8192


_CURVES = ((1.1, 0.0), (1.5, 0.0), (2.0, 0.0))
SCALES = {
    "smoke": Scale(32, 300, 32, 2, ((1.1, 0.0), (2.0, 0.0)), (1, 2), (0.5,), True, 512),
    "first": Scale(128, 6000, 64, 3, _CURVES, (1, 2, 4, 8), (), True, 2048),
    "quick": Scale(256, 8000, 64, 3, _CURVES, (1, 1.07, 2, 8), (), True, 4096),
    "standard": Scale(
        512, 8000, 128, 3, (*_CURVES, (1.5, 0.5)), RATIOS, (0.5,), evaluation_samples=4096
    ),
    "paper": Scale(1024, 30_000, 256, 5, evaluation_samples=16384),
    "large": Scale(4096, 20_000, 256, 5, LAWS[:4], (2,), (), False, 8192),
}


@dataclasses.dataclass(frozen=True)
class Arrangement:
    """A student of the scan: how its columns lie, and its step size.

    Attributes:
        embedding: as `jaxsup.Student` takes it.
        latent: K.
        randomness: as `jaxsup.Student` takes it.
        learning_rate: eta.
    """

    embedding: str
    latent: int
    randomness: float | None
    learning_rate: float


def arrangements(scale: Scale) -> list[Arrangement]:
    """The students of a scale: controls without a bottleneck, then random columns by N/K."""
    N = scale.features
    students = []
    if scale.controls:
        students = [
            Arrangement("identity", N, None, 1.0),
            Arrangement("identity", N, None, 0.1),
            Arrangement("random", N, 0.0, 0.1),
        ]
    students += [Arrangement("random", N, randomness, 0.3) for randomness in scale.randomness]
    return students + [
        Arrangement("random", round(N / ratio), 1.0, min(1.0, 4 / ratio)) for ratio in scale.ratios
    ]


class Transition(AbstractFigure[Scale]):
    """Exponents of the first and the last regime, from K = N to crowded networks."""

    name = "transition"
    title = FIGURES[name].title
    scales = SCALES
    widths = 4

    def configure(self, scale: Scale) -> Sweep:
        """The sweep over laws x students x seeds."""
        students = arrangements(scale)
        experiment = Experiment(
            PowerLawFeatures(scale.features, scale.laws[0][0]),
            DiagonalTeacher(scale.laws[0][1]),
            Student(scale.features, randomness=1.0),
            SGD(1.0),
            batch_size=scale.batch_size,
            steps=scale.steps,
            record=Record(points=120, evaluation_samples=scale.evaluation_samples),
        )
        axes = {
            "law": {
                "features.exponent": [a for a, _ in scale.laws],
                "teacher.exponent": [b for _, b in scale.laws],
            },
            "arrangement": {
                "student.embedding": [s.embedding for s in students],
                "student.latent": [s.latent for s in students],
                "student.randomness": [s.randomness for s in students],
                "optimizer.learning_rate": [s.learning_rate for s in students],
            },
        }
        return Sweep(experiment, axes, scale.seeds)

    def measure(self, dataset: xr.Dataset, sweep: Sweep) -> Findings:
        """Both regimes of every law and student, and the overlap of its columns."""
        table = transition_table.measure(dataset, sweep)
        records = [row.to_dict() for row in table]
        return Findings(records, self.summarize(table), self.draw(table), self.claims(table))

    def summarize(self, table: list[Row]) -> list[str]:
        """A line a law and student, a sentence a student, and what so few features cannot show."""
        text = [*transition_table.lines(table), "", *transition_table.summary(table)]
        limits = transition_limits.limits(table)
        return [*text, "", *limits] if limits else text

    def draw(self, table: list[Row]) -> Figure:
        """Curves with their regimes, local exponents, and both regimes' exponents."""
        return transition_panels.draw(table, EXAMPLE_RATIO)

    def claims(self, table: list[Row]) -> list[Claim]:
        """The exponents that the source states, and the control that it does not have."""
        rows = [row for row in table if row.kind != "between"]
        random = [row for row in rows if row.kind == "random"]
        crowded = min({r.ratio for r in random} - {1.0}, key=lambda r: abs(r - EXAMPLE_RATIO))
        claims = [_without(row) for row in rows if row.kind == "identity"]
        claims += [_within(row) for row in random if row.ratio == crowded]
        return claims + [_control(row) for row in random if row.ratio == 1]


def _quantity(row: Row) -> str:
    return (
        f"last exponent, {row.name}, eta = {row.learning_rate:g}, (a, b) = ({row.a:g}, {row.b:g})"
    )


def _estimate(row: Row) -> tuple[Estimate | None, str]:
    """The exponent of the last regime, and why there is none."""
    if row.last is None:
        return None, "no seed learned" if row.regimes is None else "no regime is a power law"
    low, high = row.last.interval
    if not math.isfinite(low):
        return None, "its interval cannot be known from these curves"
    first, last = row.last.window
    basis = f"steps {first:.0f} to {last:.0f}, {len(row.loss)} seeds"
    return Estimate(row.last.exponent, low, high, basis), ""


def _without(row: Row) -> Claim:
    """W = I against theory, at this N and window."""
    measured, reason = _estimate(row)
    limit, published = float(theory.training_exponent(row.a, row.b)), None
    if math.isfinite(row.theory):
        words = f"{row.theory:.2f}: the linear student at this N and window; {limit:.2f} for N -> "
        published = Published.about(row.theory, NARROW, f"{words}infinity; tolerance {NARROW}")
    return Claim(
        _quantity(row),
        "Without superposition the exponent is (a + 2b - 1)/a.",
        "arXiv 2602.01045, theory",
        published,
        measured,
        reason or ("" if published else "the linear student has nothing left to learn there"),
    )


def _within(row: Row) -> Claim:
    """A random bottleneck against "about 1"."""
    measured, reason = _estimate(row)
    return Claim(
        _quantity(row),
        "In superposition the exponent is about 1, whatever data and channels are.",
        "arXiv 2602.01045, abstract",
        Published.about(1.0, TOLERANCE, f"about 1; tolerance {TOLERANCE}"),
        measured,
        reason,
    )


def _control(row: Row) -> Claim:
    """Overlap without a bottleneck: the source has no such student."""
    measured, reason = _estimate(row)
    return Claim(
        _quantity(row),
        "Control: do overlapping columns without a bottleneck (K = N) learn as fast?",
        "not in arXiv 2602.01045",
        None,
        measured,
        reason or "the source does not have this student; compare it with N/K > 1",
    )
