"""Formation: when saturation and localization form, against the regimes of the loss curve.

One of the two papers is about L(t) ("Superposition unifies power-law training dynamics",
arXiv 2602.01045: in superposition the exponent is about 1), the other about the geometry that is
learned ("Spectral Superposition", arXiv 2602.02224: capacity saturation forces localization).
Neither says when, along L(t), the geometry forms; this measures it.

**Protocol**, fixed before the runs of any scale but a pilot (N = 64 and 256, 2 seeds, 3,000 and
4,000 steps) that chose the step size of the autoencoders and the start. Sparse power-law data,
density 1, p_i ~ i^-a, values on [0, 2], target x (b = 0); ReLU and bias, N/K = 2; loss
1/2 E |phi(z) - x|^2; plain SGD.

- *Networks.* The bottleneck: W frozen, random unit columns, the core B learned from standard
  deviation 1e-3, step size 1, all as in `transition`. The autoencoder: W learned from random unit
  columns, tied, no core, step size 0.3 (at 1 outputs die for good in the pilot, with a = 1.5 and 2;
  at 0.3 none does).
- *Geometry.* Saturation, spread and localization of the response M = V^T B W, by its output's frame
  (`jaxsup.training.observables.response`): for the autoencoder they are those of W. The spread,
  sd/mean of the eigenvalue under a feature's spectral measure, is 0 where all features are
  localized and needs no clusters; the localization beside it (participation ratio of eigenspaces)
  has the default tolerance, which finds nearly every eigenvalue by itself at these K.
  The bottleneck's rank is K from the start, by its random core: while only a few directions are
  learned its saturation is low for that reason alone, and rises as more of them are.
- *Window.* Curves are looked at from eta t = 5 on, as in `transition`: before, the bottleneck's
  response turns from that of a random core to that of the few most frequent features, a large
  change that depends on where the core starts. Values at step 0 are told beside it.
- *Regimes.* `jaxsup.fit.regimes` at its defaults on the loss of all seeds.
- *When.* The change is that from the start of the window to the end of training. Steps at which
  10%, 50% and 90% of it have been made for good; its share in each stretch of the regimes, and
  while the local exponent of L is within 0.8 to 1.2, each beside the share that the stretch has of
  log t: what forms evenly in log t has equal shares. How much of its way is change tells whether
  these numbers mean something (1: it only rises, or only falls).
- *Rates.* Spearman's correlation of alpha(t) = -d log L / d log t with the rate of forming, both by
  the same local lines; and the steps at which each is largest, with the decades between them. Both
  are smooth functions of t, which correlate by chance more easily than samples do: the interval is
  over seeds and holds no such chance. (The shift of largest correlation was to be told instead of
  the two steps; at the quick scale it lies at the end of its range for every network.)
- *Intervals* are Student's over seeds, of steps by their logarithms. Seeds that diverge, or whose
  loss ends above half of its start, are counted and belong to no curve.

Where training ends matters: "90% of the change" is of the change until then.

Sizes: exponents are about 1 at N = 1,024, K = 512, batch 256: within steps 500 to 5,000 for
a = 1.1 and 2,500 to 8,000 for a = 1.5. That is the standard scale, with 10,000 steps.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from jaxsup import SGD, DiagonalTeacher, Experiment, PowerLawFeatures, Record, Student, Sweep
from jaxsup.reproduce import AbstractFigure, Claim, Findings
from jaxsup.reproduce.analysis import formation_lines, formation_panels, formation_table
from jaxsup.reproduce.registry import FIGURES

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

    from jaxsup.fit.intervals import Estimate
    from jaxsup.reproduce.analysis.formation_table import Row

RATIO = 2
"""N/K."""
STEP_SIZES = {"bottleneck": 1.0, "autoencoder": 0.3}
"""eta of each kind of network."""
_UNSTATED = "no paper states it"
SATURATION = formation_table.OBSERVABLES[0]


@dataclasses.dataclass(frozen=True)
class Scale:
    """How large the experiment is.

    Attributes:
        features: N.
        steps, batch_size, seeds, evaluation_samples: as the experiment takes them.
        exponents: of the features, a.
        points: recorded steps asked for.
    """

    features: int
    steps: int
    batch_size: int
    seeds: int
    exponents: tuple[float, ...] = (1.1, 1.5, 2.0)
    evaluation_samples: int = 8192
    points: int = 72


SCALES = {
    "smoke": Scale(24, 300, 32, 2, (1.1, 2.0), 512, 40),
    "quick": Scale(256, 6000, 64, 3, evaluation_samples=4096),
    "standard": Scale(1024, 10_000, 256, 3, (1.1, 1.5), 4096),
    "paper": Scale(1024, 30_000, 256, 5, evaluation_samples=16384),
}


class Formation(AbstractFigure[Scale]):
    """When geometry forms along the loss curve, of bottlenecks and of autoencoders."""

    name = "formation"
    title = FIGURES[name].title
    scales = SCALES

    def configure(self, scale: Scale) -> Sweep:
        """The sweep over networks x laws x seeds."""
        experiment = Experiment(
            PowerLawFeatures(scale.features, scale.exponents[0]),
            DiagonalTeacher(0.0),
            Student(scale.features // RATIO),
            SGD(1.0),
            batch_size=scale.batch_size,
            steps=scale.steps,
            record=Record(
                points=scale.points,
                observables=formation_table.OBSERVABLES,
                evaluation_samples=scale.evaluation_samples,
            ),
        )
        axes = {
            "network": {
                "student.embedding": ["random", "learned"],
                "student.core": [True, False],
                "optimizer.learning_rate": list(STEP_SIZES.values()),
            },
            "law": {"features.exponent": list(scale.exponents)},
        }
        return Sweep(experiment, axes, scale.seeds)

    def measure(self, dataset: xr.Dataset, sweep: Sweep) -> Findings:
        """Regimes of every network and law, and when its geometry forms."""
        table = formation_table.measure(dataset, sweep)
        records = [row.to_dict() for row in table]
        return Findings(records, self.summarize(table), self.draw(table), self.claims(table))

    def summarize(self, table: list[Row]) -> list[str]:
        """A block a network and law, then a sentence each."""
        return [*formation_lines.lines(table), "", *formation_lines.summary(table)]

    def draw(self, table: list[Row]) -> Figure:
        """Loss, saturation and spread with the regimes; a column a network and law."""
        return formation_panels.draw(table)

    def claims(self, table: list[Row]) -> list[Claim]:
        """What is measured; no paper states when geometry forms."""
        return [claim for row in table for claim in _claims(row)]


def _claims(row: Row) -> list[Claim]:
    """Of the saturation of a row: where half of it forms, how much at alpha = 1, and its rate."""
    course = row.courses.get(SATURATION)
    if course is None:
        why = "every seed diverged or fell silent"
        return [_claim("step at which half of saturation's change is made", row, None, why)]
    half = course.steps[1]
    stretch = row.stretch_at(half.value) if half else None
    where = f": in a {stretch.kind} of exponent {stretch.exponent:.2f}" if stretch else ""
    low, high = formation_table.ABOUT_ONE
    share = f"share of saturation's change while the local exponent is {low:g} to {high:g}"
    rate = "local exponent and rate of saturation"
    why = "" if course.delay else f"{_UNSTATED}; {_whose_peak(row)} of a seed is at an end"
    return [
        _claim(f"step at which half of saturation's change is made{where}", row, half),
        _claim(f"{share} ({row.time_about_one:.0%} of log t)", row, course.about_one),
        _claim(f"rank correlation of {rate}", row, course.correlation),
        _claim("decades from the steepest loss to the fastest saturation", row, course.delay, why),
    ]


def _whose_peak(row: Row) -> str:
    """Which of the two peaks is not within the curve for all seeds."""
    outside = row.steepest is None or row.steepest.place != "inside"
    return "the steepest loss" if outside else "the fastest saturation"


def _claim(quantity: str, row: Row, estimate: Estimate | None, why: str = "") -> Claim:
    """A measured number that no source states."""
    return Claim(
        f"{quantity}, {row.name}",
        "When, along the regimes of L(t), does capacity saturation form?",
        "neither in arXiv 2602.01045 nor in arXiv 2602.02224",
        None,
        estimate,
        why or _UNSTATED,
    )
