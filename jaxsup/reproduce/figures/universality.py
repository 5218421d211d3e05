"""The atlas: over which data, channels, students and optimisers the training exponent is about 1.

Claim ("Superposition unifies power-law training dynamics", arXiv 2602.01045): in superposition the
training exponent is about 1, independent of data and channel statistics.

Here: a full grid of (a, b), superposition ratio N/K with a frozen or a learned embedding,
optimiser, density and activation. Every setting is fitted over its seeds in the window where its
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
from typing import TYPE_CHECKING, Any

import numpy as np

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
from jaxsup.reproduce.claims import Claim, Published
from jaxsup.reproduce.registry import Findings

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


def configure(scale: Scale) -> Sweep:
    """The sweep over a x b x activation x condition x seeds.

    A condition is a student (no superposition, or a ratio with a frozen or a learned embedding), an
    optimiser and a density: one axis, since the learning rate depends on all three.
    """
    count = scale.features
    students = [("identity", 1), *itertools.product(scale.embeddings, scale.ratios)]
    chosen = list(itertools.product(students, scale.optimizers, scale.densities))
    optimizers = [
        SGD(0.5 / (ratio * max(1.0, density))) if name == "sgd" else Adam(1e-2)
        for (_, ratio), name, density in chosen
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
        "student.embedding": [embedding for (embedding, _), _, _ in chosen],
        "student.latent": [count // ratio for (_, ratio), _, _ in chosen],
        "optimizer": optimizers,
        "features.density": [density for _, _, density in chosen],
    }
    axes = {
        "features.exponent": scale.a,
        "teacher.exponent": scale.b,
        "student.activation": scale.activations,
        "condition": condition,
    }
    return Sweep(experiment, axes, scale.seeds)


def tabulate(dataset: xr.Dataset) -> list[dict[str, Any]]:
    """One record a setting: its factors, its exponent or why there is none."""
    table = measure_exponents(dataset, after=FIRST_STEP)
    dataset_ratio = dataset["superposition_ratio"].values
    optimizers = [str(value) for value in dataset["optimizer"].values]
    records = exponents_to_records(table)
    shape = table["exponent"].shape
    for record, (*_, condition) in zip(records, np.ndindex(shape), strict=True):
        embedding = record["student.embedding"]
        record["superposition_ratio"] = float(dataset_ratio[condition])
        record["optimizer"] = "Adam" if "adam" in optimizers[condition].lower() else "SGD"
        record["embedding"] = {"random": "frozen", "identity": "W = I"}.get(embedding, embedding)
    return records


def levels(record: dict[str, Any]) -> dict[str, str]:
    """The level of every factor of a setting, in words."""
    return {
        "feature exponent": f"a = {record['features.exponent']:g}",
        "channel exponent": f"b = {record['teacher.exponent']:g}",
        "superposition": f"N/K = {record['superposition_ratio']:g}",
        "embedding": record["embedding"],
        "optimiser": record["optimizer"],
        "density": f"density {record['features.density']:g}",
        "activation": {"relu": "ReLU", "identity": "linear"}[record["student.activation"]],
    }


def crowded(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The settings in superposition."""
    return [record for record in records if record["superposition_ratio"] > 1]


def found(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The settings that follow a power law."""
    return [record for record in records if record["found"]]


def is_near(exponent: float) -> bool:
    """Whether an exponent counts as about 1."""
    return NEAR[0] <= exponent <= NEAR[1]


def explained(records: list[dict[str, Any]], factor: str) -> float:
    """Share of the exponents' variance between the levels of a factor: SS_between / SS_total."""
    groups: dict[str, list[float]] = {}
    for record in records:
        groups.setdefault(levels(record)[factor], []).append(record["exponent"])
    return variance_between(list(groups.values()))


def variance_between(groups: list[list[float]]) -> float:
    """sum_g n_g (mean_g - mean)^2 over the total sum of squares; NaN without variance."""
    values = np.concatenate([np.asarray(group, np.float64) for group in groups])
    total = float(np.sum((values - values.mean()) ** 2))
    between = sum(len(group) * (np.mean(group) - values.mean()) ** 2 for group in groups)
    return float(between) / total if total > 0 else float("nan")


def measure(dataset: xr.Dataset, sweep: Sweep) -> Findings:
    """Exponents of all settings, what decides them, and the map."""
    del sweep
    records = tabulate(dataset)
    return Findings(records, tell(records), draw(records), make_claims(records))


def tell(records: list[dict[str, Any]]) -> list[str]:
    """Counts, then a line a level of every factor."""
    inside = crowded(records)
    lines = []
    for words, part in (("in superposition", inside), ("W = I", _plain(records))):
        exponents = [record["exponent"] for record in found(part)]
        near = sum(map(is_near, exponents))
        lines.append(
            f"{words}: {len(part)} settings, {len(exponents)} follow a power law, "
            f"{near} of these within {NEAR[0]:g}..{NEAR[1]:g}"
        )
    lines += ["", f"{'in superposition':24}  settings  power law  near 1  median  5% to 95%"]
    for factor, by_level in split(inside).items():
        share = explained(found(inside), factor)
        lines.append(f"{factor}: {share:.0%} of the variance")
        for level, exponents in by_level.items():
            here = [v for v in exponents if v is not None]
            near = f"{np.mean([is_near(v) for v in here]):6.0%}" if here else "     -"
            ends = np.percentile(here, [50, 5, 95]) if here else [np.nan] * 3
            lines.append(
                f"  {level:22}  {len(exponents):8}  {len(here):9}  {near}  "
                f"{ends[0]:6.2f}  {ends[1]:.2f} to {ends[2]:.2f}"
            )
    return lines


def split(records: list[dict[str, Any]]) -> dict[str, dict[str, list[float | None]]]:
    """Exponents (None without a power law) by factor and level, levels as they come."""
    by: dict[str, dict[str, list[float | None]]] = {}
    for record in records:
        for factor, level in levels(record).items():
            by.setdefault(factor, {}).setdefault(level, []).append(record["exponent"])
    return by


def _plain(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [record for record in records if record["superposition_ratio"] == 1]


def _is_published(record: dict[str, Any]) -> bool:
    """Frozen W, ReLU, plain SGD: the setting of the paper."""
    return (record["embedding"], record["student.activation"], record["optimizer"]) == (
        "frozen",
        "relu",
        "SGD",
    )


def make_claims(records: list[dict[str, Any]]) -> list[Claim]:
    """How far "about 1, whatever data and channels are" reaches."""
    inside = found(crowded(records))
    theirs = [record for record in inside if _is_published(record)]
    source = "arXiv 2602.01045, abstract"
    about = "In superposition the exponent is about 1, independent of data and channel statistics."
    most = Published(0.9, 1.0, "universal; read as 90% of settings within 0.8..1.2")
    claims = []
    for words, part in (("all settings in superposition", inside), ("frozen, ReLU, SGD", theirs)):
        near = sum(is_near(record["exponent"]) for record in part)
        share = intervals.from_share(near, len(part)) if part else None
        why = "" if part else "no setting follows a power law"
        claims.append(Claim(f"share within 0.8..1.2: {words}", about, source, most, share, why))
    values = [record["exponent"] for record in theirs]
    enough = len(values) > 1
    claims.append(
        Claim(
            "median exponent: frozen, ReLU, SGD",
            about,
            source,
            Published.about(1.0, 0.2, "about 1; tolerance 0.2"),
            intervals.from_bootstrap(values, np.median, what="settings") if enough else None,
            "" if enough else "fewer than two settings follow a power law",
        )
    )
    return [*claims, _spread_claim(records)]


def _spread_claim(records: list[dict[str, Any]]) -> Claim:
    """Spread over settings in superposition against without, both with ReLU and SGD."""
    relu = [r for r in found(records) if r["student.activation"] == "relu"]
    relu = [r for r in relu if r["optimizer"] == "SGD" and r["embedding"] != "learned"]
    rows = np.array([[r["superposition_ratio"] > 1, r["exponent"]] for r in relu])
    enough = bool(len(rows)) and all(np.sum(rows[:, 0] == side) > 2 for side in (0, 1))
    return Claim(
        "spread of exponents over (a, b, density), in superposition over without: ReLU, SGD",
        "Superposition makes exponents independent of data and channels.",
        "arXiv 2602.01045, abstract",
        Published(0.0, 0.5, "independent; read as at most half the spread without"),
        intervals.from_bootstrap(rows, _spread_ratio, what="settings") if enough else None,
        "" if enough else "fewer than three settings with a power law on one of the sides",
    )


def _spread_ratio(rows: np.ndarray) -> float:
    inside, outside = rows[rows[:, 0] == 1, 1], rows[rows[:, 0] == 0, 1]
    if len(inside) < 2 or len(outside) < 2 or outside.std() == 0:
        return float("nan")
    return float(inside.std() / outside.std())


def draw(records: list[dict[str, Any]]) -> Figure:
    """The map of ReLU students over conditions and (a, b); exponents by factor; what decides."""
    figure, axes = plot.new_figure(3, width=4.6, height=5.4)
    relu = [record for record in records if record["student.activation"] == "relu"]
    rows = list(dict.fromkeys(_row(record) for record in relu))
    columns = list(dict.fromkeys(_column(record) for record in relu))
    cells = {(row, column): [] for row in rows for column in columns}
    for record in relu:
        cells[_row(record), _column(record)].append(record["exponent"])
    grid = np.array([[_median(cells[row, column]) for column in columns] for row in rows])
    plot.exponent_atlas(grid, axes[0], rows=rows, columns=columns, near=NEAR)
    axes[0].set_title("ReLU students: median over densities", fontsize=9)
    inside = crowded(records)
    plot.exponents_by_factor(_finite(split(inside)), axes[1], near=NEAR)
    axes[1].set_title("in superposition; right: share within 0.8..1.2", fontsize=9)
    parts = {factor: explained(found(inside), factor) for factor in split(inside)}
    plot.variance_shares(parts, axes[2])
    axes[2].set_title("what decides the exponent in superposition", fontsize=9)
    return figure


def _row(record: dict[str, Any]) -> str:
    ratio = record["superposition_ratio"]
    student = "W = I" if ratio == 1 else f"N/K = {ratio:g}, {record['embedding']}"
    return f"{student}, {record['optimizer']}"


def _column(record: dict[str, Any]) -> str:
    return f"{record['features.exponent']:g}, {record['teacher.exponent']:g}"


def _median(exponents: list[float | None]) -> float:
    """Median exponent of a cell; NaN where fewer than half of its settings have one."""
    known = [value for value in exponents if value is not None]
    return float(np.median(known)) if 2 * len(known) >= len(exponents) else float("nan")


def _finite(by: dict[str, dict[str, list[float | None]]]) -> dict[str, dict[str, list[float]]]:
    return {
        factor: {level: [v for v in values if v is not None] for level, values in ls.items()}
        for factor, ls in by.items()
    }
