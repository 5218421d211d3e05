"""The atlas: over which data, channels and optimizers the training exponent is about 1.

Claim ("Superposition unifies power-law training dynamics", arXiv 2602.01045): in superposition the
training exponent is about 1, independent of data and channel statistics.

Here: a full grid of (a, b), superposition ratio N/K with a frozen or a learned embedding,
optimizer, density and activation. Every setting is fitted over its seeds in the window where its
mean loss is steadiest, after `FIRST_STEP` steps; settings without a power law are counted apart.
What decides the exponent is measured twice: by the share of settings within 0.8..1.2 at every value
of every factor, and by the share of the exponents' variance that each factor's main effect
explains.

SGD steps at 0.5 (K/N) / max(1, density): the frame operator multiplies the gradient by about N/K
and active features add up, so that all conditions are equally far from instability. Adam steps at
0.01 everywhere.
"""

from __future__ import annotations

import dataclasses
import itertools
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from jaxsup import (
    SGD,
    Adam,
    DiagonalTeacher,
    Experiment,
    PowerLawFeatures,
    Record,
    Student,
    Sweep,
    measure_exponents,
    plot,
)
from jaxsup.fit import intervals
from jaxsup.fit.exponents import exponents_to_records
from jaxsup.reproduce import AbstractFigure, Claim, Findings, Published
from jaxsup.reproduce.analysis.factors import (
    draw_atlas,
    draw_by_factor,
    draw_variance_shares,
    format_levels,
    median_exponents,
    spread_ratio,
)
from jaxsup.reproduce.figure import Records
from jaxsup.reproduce.registry import FIGURES

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

FIRST_STEP = 10
"""Earlier steps belong to no fit."""
NEAR = (0.8, 1.2)
"""Exponents that count as about 1."""


@dataclasses.dataclass(frozen=True)
class Scale:
    """How large the grid is."""

    features: int
    a: tuple[float, ...]
    b: tuple[float, ...]
    ratios: tuple[int, ...]
    densities: tuple[float, ...]
    activations: tuple[str, ...]
    steps: int
    batch_size: int
    seeds: int
    evaluation_samples: int = 1024
    embeddings: tuple[str, ...] = ("random", "learned")
    optimizers: tuple[str, ...] = ("sgd", "adam")
    sampling: str = "auto"
    points: int = 60


SCALES = {
    "smoke": Scale(
        16, (1.5, 2.0), (0.0,), (2,), (1.0,), ("relu",), 120, 16, 2, 256, ("random",), ("sgd",)
    ),
    "quick": Scale(
        64,
        (1.1, 1.5, 2.0, 2.5),
        (0.0, 0.5, 1.0),
        (2, 4, 8),
        (0.25, 1.0, 4.0),
        ("relu", "identity"),
        600,
        32,
        10,
        points=40,
        # One law for sparse and dense data halves the number of programs to compile.
        sampling="dense",
    ),
    "paper": Scale(
        256,
        (1.1, 1.3, 1.5, 1.75, 2.0, 2.5),
        (0.0, 0.25, 0.5, 0.75, 1.0),
        (2, 4, 8, 16),
        (0.1, 0.3, 1.0, 3.0),
        ("relu", "identity"),
        10_000,
        256,
        24,
        16384,
    ),
}
_EXPONENTS = ("feature exponent", "channel exponent")
FACTORS = (*_EXPONENTS, "superposition", "embedding", "optimizer", "density", "activation")
"""Columns of the table that hold a level in words."""
_PUBLISHED = ("frozen", "ReLU", "SGD")
"""Embedding, activation and optimizer of the source."""
_ACTIVATIONS = {"relu": "ReLU", "identity": "linear"}
_SOURCE = "arXiv 2602.01045, abstract"
_ABOUT_ONE = "In superposition the exponent is about 1, independent of data and channel statistics."


def measure_settings(dataset: xr.Dataset) -> Records:
    """One record a setting: its factors, its exponent or why there is none."""
    table = measure_exponents(dataset, after=FIRST_STEP)
    ratios = dataset["superposition_ratio"].values
    optimizers = [str(value) for value in dataset["optimizer"].values]
    records = exponents_to_records(table)
    shape = table["exponent"].shape
    for record, (*_, condition) in zip(records, np.ndindex(shape), strict=True):
        embedding = record["student.embedding"]
        record["superposition_ratio"] = float(ratios[condition])
        record["optimizer"] = "Adam" if "adam" in optimizers[condition].lower() else "SGD"
        record["embedding"] = {"random": "frozen", "identity": "W = I"}.get(embedding, embedding)
    return records


def tabulate(records: Records) -> pd.DataFrame:
    """A row a setting: its exponent (NaN without a power law), N/K, and the level of each factor.

    The columns are ``"exponent"``, ``"ratio"`` and `FACTORS`.
    """
    table = pd.DataFrame(records)
    return pd.DataFrame(
        {
            "exponent": table["exponent"].astype(np.float64),
            "ratio": table["superposition_ratio"],
            "feature exponent": table["features.exponent"].map("a = {:g}".format),
            "channel exponent": table["teacher.exponent"].map("b = {:g}".format),
            "superposition": table["superposition_ratio"].map("N/K = {:g}".format),
            "embedding": table["embedding"],
            "optimizer": table["optimizer"],
            "density": table["features.density"].map("density {:g}".format),
            "activation": table["student.activation"].map(_ACTIVATIONS.get),
        }
    )


def atlas(table: pd.DataFrame) -> pd.DataFrame:
    """Median exponent of ReLU students over densities, conditions by (a, b)."""
    relu = table.loc[table["activation"] == "ReLU"]
    crowded = relu["superposition"] + ", " + relu["embedding"]
    students = crowded.where(relu["ratio"] > 1, "W = I")
    values = relu["feature exponent"].str[4:] + ", " + relu["channel exponent"].str[4:]
    return median_exponents(relu["exponent"], students + ", " + relu["optimizer"], values)


def _share_claim(words: str, table: pd.DataFrame) -> Claim:
    near = int(table["exponent"].between(*NEAR).sum())
    return Claim(
        f"share within {NEAR[0]:g}..{NEAR[1]:g}: {words}",
        _ABOUT_ONE,
        _SOURCE,
        Published(0.9, 1.0, "universal; read as 90% of settings within 0.8..1.2"),
        intervals.from_share(near, len(table)) if len(table) else None,
        "" if len(table) else "no setting follows a power law",
    )


def _spread_claim(table: pd.DataFrame) -> Claim:
    """Spread over settings in superposition against without, both with ReLU and SGD."""
    theirs = (table["activation"] == "ReLU") & (table["optimizer"] == "SGD")
    theirs &= table["embedding"] != "learned"
    crowded = table["ratio"][theirs] > 1
    rows = np.stack([crowded, table["exponent"][theirs]], axis=1)
    enough = bool(2 < crowded.sum() < len(crowded) - 2)
    return Claim(
        "spread of exponents over (a, b, density), in superposition over without: ReLU, SGD",
        "Superposition makes exponents independent of data and channels.",
        _SOURCE,
        Published(0.0, 0.5, "independent; read as at most half the spread without"),
        intervals.from_bootstrap(rows, spread_ratio, what="settings") if enough else None,
        "" if enough else "fewer than three settings with a power law on one of the sides",
    )


class Universality(AbstractFigure[Scale]):
    """Exponents of a full grid of conditions, and which of its factors decide them."""

    name = "universality"
    title = FIGURES[name].title
    scales = SCALES

    def configure(self, scale: Scale) -> Sweep:
        """The sweep over a x b x activation x condition x seeds.

        A condition is a student (no superposition, or a ratio with a frozen or a learned
        embedding), an optimizer and a density: one axis, since the learning rate depends on all.
        """
        count = scale.features
        students = [("identity", 1), *itertools.product(scale.embeddings, scale.ratios)]
        conditions = list(itertools.product(students, scale.optimizers, scale.densities))
        optimizers = [
            SGD(0.5 / (ratio * max(1.0, density))) if name == "sgd" else Adam(1e-2)
            for (_, ratio), name, density in conditions
        ]
        experiment = Experiment(
            PowerLawFeatures(count, scale.a[0]),
            DiagonalTeacher(scale.b[0]),
            Student(count, "identity"),
            SGD(0.5),
            batch_size=scale.batch_size,
            steps=scale.steps,
            sampling=scale.sampling,
            record=Record(points=scale.points, evaluation_samples=scale.evaluation_samples),
        )
        condition = {
            "student.embedding": [embedding for (embedding, _), _, _ in conditions],
            "student.latent": [count // ratio for (_, ratio), _, _ in conditions],
            "optimizer": optimizers,
            "features.density": [density for _, _, density in conditions],
        }
        axes = {
            "features.exponent": scale.a,
            "teacher.exponent": scale.b,
            "student.activation": scale.activations,
            "condition": condition,
        }
        return Sweep(experiment, axes, scale.seeds)

    def measure(self, dataset: xr.Dataset, sweep: Sweep) -> Findings:
        """Exponents of all settings, what decides them, and the map."""
        del sweep
        records = measure_settings(dataset)
        table = tabulate(records)
        return Findings(records, self.summarize(table), self.draw(table), self.claims(table))

    def summarize(self, table: pd.DataFrame) -> list[str]:
        """Counts, then a line a level of every factor."""
        crowded = table.loc[table["ratio"] > 1]
        plain = table.loc[table["ratio"] == 1]
        lines = []
        for words, part in (("in superposition", crowded), ("W = I", plain)):
            near = part["exponent"].between(*NEAR).sum()
            lines.append(
                f"{words}: {len(part)} settings, {part['exponent'].count()} follow a power law, "
                f"{near} of these within {NEAR[0]:g}..{NEAR[1]:g}"
            )
        head = f"{'in superposition':24}  settings  power law  near 1  median  5% to 95%"
        return [*lines, "", head, *format_levels(crowded, FACTORS, near=NEAR)]

    def draw(self, table: pd.DataFrame) -> Figure:
        """The map of ReLU students; exponents by factor; what decides."""
        figure, axes = plot.new_figure(3, width=4.6, height=5.4)
        crowded = table.loc[table["ratio"] > 1]
        draw_atlas(atlas(table), axes[0], near=NEAR)
        axes[0].set_title("ReLU students: median over densities", fontsize=9)
        draw_by_factor(crowded, FACTORS, axes[1], near=NEAR)
        axes[1].set_title("in superposition; right: share within 0.8..1.2", fontsize=9)
        draw_variance_shares(crowded, FACTORS, axes[2])
        axes[2].set_title("what decides the exponent in superposition", fontsize=9)
        return figure

    def claims(self, table: pd.DataFrame) -> list[Claim]:
        """How far "about 1, whatever data and channels are" reaches."""
        follow = table.dropna()
        crowded = follow.loc[follow["ratio"] > 1]
        published = (crowded[["embedding", "activation", "optimizer"]] == list(_PUBLISHED)).all(
            axis=1
        )
        theirs = crowded.loc[published]
        words, enough = ", ".join(_PUBLISHED), len(theirs) > 1
        median = Claim(
            f"median exponent: {words}",
            _ABOUT_ONE,
            _SOURCE,
            Published.about(1.0, 0.2, "about 1; tolerance 0.2"),
            intervals.from_bootstrap(theirs["exponent"].to_numpy(), np.median, what="settings")
            if enough
            else None,
            "" if enough else "fewer than two settings follow a power law",
        )
        return [
            _share_claim("all settings in superposition", crowded),
            _share_claim(words, theirs),
            median,
            _spread_claim(follow),
        ]
