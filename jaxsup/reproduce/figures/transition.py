"""Training exponent against the superposition ratio, from K = N to crowded networks.

Claim ("Superposition unifies power-law training dynamics", arXiv 2602.01045): without
superposition the exponent is (a + 2b - 1)/a and depends on data and channel importance; with it,
the exponent is about 1 whatever they are.

Here: sparse power-law data of density 1, ReLU students with bias; W = I at K = N, frozen random
unit-norm columns below; the core B and the bias are learned by plain gradient descent at step size
0.5 (0.25 at N/K = 16, where 0.5 diverges). Every exponent is fitted over seeds, in the window where
its own loss curve is steadiest, after 10 steps: 2 eta l_1 t is then 3 (a = 1.1) to 8 (a = 2), and
the law in t begins.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from jaxsup import (
    SGD,
    DiagonalTeacher,
    Experiment,
    PowerLawFeatures,
    Record,
    Student,
    Sweep,
    fit_power_law,
    measure_exponents,
    plot,
    theory,
)
from jaxsup.fit import intervals
from jaxsup.fit.exponents import exponents_to_records, format_exponents
from jaxsup.reproduce import AbstractFigure, Claim, Findings, Published
from jaxsup.reproduce.figure import Records
from jaxsup.reproduce.registry import FIGURES

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

SETTINGS = ((1.1, 0.0), (1.5, 0.0), (1.5, 0.5), (2.0, 0.0), (2.0, 1.0))
"""The pairs (a, b)."""
FIRST_STEP = 10
"""Earlier steps belong to no fit."""
TOLERANCE = 0.05
"""How far a finite, noisy ReLU network may be from the linear theory."""


@dataclasses.dataclass(frozen=True)
class Scale:
    """How large the experiment is."""

    features: int
    ratios: tuple[int, ...]
    steps: int
    batch_size: int
    seeds: int
    evaluation_samples: int = 8192


SCALES = {
    "smoke": Scale(32, (1, 2), 200, 32, 2, 512),
    "quick": Scale(256, (1, 2, 4, 8, 16), 4000, 128, 4),
    "paper": Scale(1024, (1, 2, 4, 8, 16), 30_000, 256, 16, 65536),
}


def exact_exponents(sweep: Sweep) -> Float[np.ndarray, " settings"]:
    """Exponents of the linear student without superposition at this N and step size.

    They are fitted to the closed-form curve like the others are to theirs: beside
    (a + 2b - 1)/a they show what finite N and a finite window do to an exponent.
    """
    exponents = []
    for a, b in SETTINGS:
        linear = dataclasses.replace(
            sweep.experiment,
            features=dataclasses.replace(sweep.experiment.features, exponent=a),
            teacher=DiagonalTeacher(b),
            student=Student(
                sweep.experiment.features.count,
                "identity",
                core_scale=0.0,
                activation="identity",
                bias=False,
            ),
        )
        steps = linear.recorded_steps[linear.recorded_steps >= FIRST_STEP]
        exponents.append(fit_power_law(steps, theory.loss_curve(linear, steps)).exponent)
    return np.asarray(exponents)


def _ratio(record: dict[str, Any]) -> float:
    return record["superposition_ratio"]


def _claim(record: dict[str, Any], *, crowded: bool) -> Claim:
    a, b = record["features.exponent"], record["teacher.exponent"]
    if crowded:
        statement = "In superposition the exponent is about 1, whatever data and channels are."
        published = Published.about(1.0, 0.2, "about 1; tolerance 0.2")
    else:
        statement = "Without superposition the exponent is (a + 2b - 1)/a."
        limit = record["theory_limit"]
        levels = [x for x in (limit, record["exact"]) if x is not None]
        at_size = "no power law" if record["exact"] is None else f"{record['exact']:.2f}"
        words = f"{limit:.2f}; {at_size} at this N and window; tolerance {TOLERANCE}"
        published = Published(min(levels) - TOLERANCE, max(levels) + TOLERANCE, words)
    return Claim(
        f"exponent at N/K = {_ratio(record):g}, (a, b) = ({a:g}, {b:g})",
        statement,
        "arXiv 2602.01045, abstract" if crowded else "arXiv 2602.01045, theory",
        published,
        intervals.from_fit(record),
        "" if record["found"] else record["reason"],
    )


class Transition(AbstractFigure[Scale]):
    """Exponents of students from K = N to crowded networks, over five pairs (a, b)."""

    name = "transition"
    title = FIGURES[name].title
    scales = SCALES

    def configure(self, scale: Scale) -> Sweep:
        """The sweep over (a, b) x N/K x seeds."""
        count = scale.features
        experiment = Experiment(
            PowerLawFeatures(count, SETTINGS[0][0]),
            DiagonalTeacher(SETTINGS[0][1]),
            Student(count, "identity"),
            SGD(0.5),
            batch_size=scale.batch_size,
            steps=scale.steps,
            record=Record(points=80, evaluation_samples=scale.evaluation_samples),
        )
        axes = {
            "setting": {
                "features.exponent": [a for a, _ in SETTINGS],
                "teacher.exponent": [b for _, b in SETTINGS],
            },
            "ratio": {
                "student.embedding": ["identity" if r == 1 else "random" for r in scale.ratios],
                "student.latent": [count // r for r in scale.ratios],
                "optimizer.learning_rate": [min(0.5, 4 / r) for r in scale.ratios],
            },
        }
        return Sweep(experiment, axes, scale.seeds)

    def measure(self, dataset: xr.Dataset, sweep: Sweep) -> Findings:
        """Exponents at every setting and ratio, beside those of exact linear students."""
        table = measure_exponents(dataset, after=FIRST_STEP)
        table["exact"] = ("setting", exact_exponents(sweep))
        table["exact"].attrs["long_name"] = "exponent of the exact linear curve at this N, K = N"
        text = [format_exponents(table), "", *self.summarize(table)]
        records = exponents_to_records(table)
        return Findings(records, text, self.draw(dataset, table), self.claims(records))

    def summarize(self, table: xr.Dataset) -> list[str]:
        """What the exponents say of the claim, a sentence a ratio."""
        lines = []
        for ratio, column in table.groupby("superposition_ratio"):
            exponents = column["exponent"].values[column["found"].values]
            near = int(((exponents > 0.8) & (exponents < 1.2)).sum())
            where = "without superposition" if ratio == 1 else "in superposition"
            counts = f"{exponents.size} of {column['found'].size}"
            lines.append(
                f"N/K = {ratio:g} ({where}): {counts} settings follow a power law; exponents "
                f"{exponents.min():.2f} to {exponents.max():.2f}, {near} within 0.8..1.2"
                if exponents.size
                else f"N/K = {ratio:g} ({where}): no setting follows a power law"
            )
        return lines

    def draw(self, dataset: xr.Dataset, table: xr.Dataset) -> Figure:
        """Loss curves of the first setting beside exponent against ratio."""
        figure, (left, right) = plot.new_figure(2, width=4.9, height=3.7)
        plot.loss_curves(dataset.isel(setting=0), left)
        a, b = SETTINGS[0]
        left.set_title(f"a = {a:g}, b = {b:g}: median and range over seeds", fontsize=9)
        plot.exponent_against_ratio(table, right)
        return figure

    def claims(self, records: Records) -> list[Claim]:
        """Exponents at K = N, at the onset of superposition and at the highest ratio."""
        crowded = [_ratio(record) for record in records if _ratio(record) > 1]
        ends = sorted({1.0, min(crowded), max(crowded)})
        return [_claim(r, crowded=end > 1) for end in ends for r in records if _ratio(r) == end]
