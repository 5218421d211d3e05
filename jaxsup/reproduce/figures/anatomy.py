"""Anatomy of one family of runs: how superposition turns sequential into parallel learning.

Claim ("Superposition unifies power-law training dynamics", arXiv 2602.01045): without superposition
features are learned one after the other, each at a time of its own; with it, all are learned
together.

Here: the same data, (a, b) = (1.5, 0), seen by the linear student with W = I, by the ReLU student
with W = I, and by ReLU students in superposition. A feature's learning time is the step from which
on its expected squared error stays below half of its first value (`steps_to_half`); in theory it
is proportional to 1 / l_i = i^a for the linear student. Features that are active less than
`RAREST` times among the evaluation samples have no reliable error and are left out. Beside the
times stand the spectrum of the response V^T B W and the share of each feature's response that is
its own, M_ii^2 / sum_j M_ij^2: when, along the loss, the geometry forms.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from jaxsup import SGD, DiagonalTeacher, Experiment, PowerLawFeatures, Record, Student, Sweep, plot
from jaxsup.fit import intervals
from jaxsup.reproduce.claims import Claim, Published
from jaxsup.reproduce.registry import Findings

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

EXPONENT = 1.5
"""The feature exponent a."""
RAREST = 20
"""Expected active evaluation samples of the rarest feature that counts."""
_PART = 0.25
"""A slope needs this share of the counted features learned."""


@dataclasses.dataclass(frozen=True)
class Scale:
    """How large the experiment is."""

    features: int
    ratios: tuple[int, ...]
    steps: int
    batch_size: int
    seeds: int
    evaluation_samples: int
    points: int = 48


SCALES = {
    "smoke": Scale(24, (2,), 300, 32, 2, 2048, 16),
    "quick": Scale(128, (2, 4), 6000, 64, 4, 16384),
    "paper": Scale(512, (2, 4, 8), 60_000, 256, 16, 131_072, 96),
}


def configure(scale: Scale) -> Sweep:
    """The sweep over students x seeds."""
    count = scale.features
    experiment = Experiment(
        PowerLawFeatures(count, EXPONENT),
        DiagonalTeacher(0.0),
        Student(count, "identity"),
        SGD(0.5),
        batch_size=scale.batch_size,
        steps=scale.steps,
        record=Record(
            points=scale.points,
            observables=("feature_error", "response_spectrum", "response_capacities"),
            evaluation_samples=scale.evaluation_samples,
        ),
    )
    crowded = len(scale.ratios)
    axes = {
        "network": {
            "student.embedding": ["identity", "identity", *["random"] * crowded],
            "student.latent": [count, count, *(count // ratio for ratio in scale.ratios)],
            "student.activation": ["identity", "relu", *["relu"] * crowded],
            "student.bias": [False, True, *[True] * crowded],
        },
    }
    return Sweep(experiment, axes, scale.seeds)


def student_names(dataset: xr.Dataset) -> list[str]:
    """What each network of the family is called."""
    kinds = zip(
        dataset["superposition_ratio"].values, dataset["student.activation"].values, strict=True
    )
    words = {"identity": "linear", "relu": "ReLU"}
    return [f"{'W = I' if r == 1 else f'N/K = {r:g}'}, {words[str(kind)]}" for r, kind in kinds]


def steps_to_half(
    steps: Float[np.ndarray, " steps"], errors: Float[np.ndarray, "*curves steps"]
) -> Float[np.ndarray, "*curves"]:
    """From which step on an error stays below half of its first value; inf: not by the end.

    Between two records the crossing is placed by log error against log step.

    Arguments:
        steps: rising, the first one 0, which only gives the first value.
        errors: > 0; NaN reaches nothing.
    """
    relative = errors[..., 1:] / errors[..., :1]
    above = ~(relative < 0.5)
    flat_r, flat_a = (x.reshape(-1, x.shape[-1]) for x in (relative, above))
    times = np.log(steps[1:])
    found = np.full(len(flat_r), np.inf)
    for row, (curve, high) in enumerate(zip(flat_r, flat_a, strict=True)):
        if high[-1]:
            continue
        if not high.any():
            found[row] = steps[1]
            continue
        last = int(np.flatnonzero(high)[-1])
        before, after = (np.log(max(curve[k], 1e-300)) for k in (last, last + 1))
        share = (before - np.log(0.5)) / (before - after)
        found[row] = np.exp(times[last] + share * (times[last + 1] - times[last]))
    return found.reshape(relative.shape[:-1])


def slope(features: np.ndarray, times: np.ndarray) -> float:
    """Least-squares slope of log time against log feature over the learned ones; NaN: too few."""
    known = np.isfinite(times) & (times > 1)
    if known.sum() < max(4, _PART * len(times)):
        return float("nan")
    return float(np.polyfit(np.log(features[known]), np.log(times[known]), 1)[0])


def measure(dataset: xr.Dataset, sweep: Sweep) -> Findings:
    """Learning times and their slopes, with what the response looks like at the end."""
    features = sweep.experiment.features
    assert isinstance(features, PowerLawFeatures)
    probabilities = np.asarray(features.probabilities)
    samples = sweep.experiment.record.evaluation_samples
    counted = np.flatnonzero(probabilities * samples >= RAREST)
    errors = dataset["feature_error"].transpose("network", "seed", "feature", "step").values
    steps = dataset["step"].values.astype(np.float64)
    times = steps_to_half(steps, errors[:, :, counted].astype(np.float64))
    names = student_names(dataset)
    own = dataset["response_capacities"].isel(step=-1).transpose("network", "seed", "feature")
    records = []
    for row, name in enumerate(names):
        slopes = [slope(counted + 1.0, one) for one in times[row]]
        records.append(
            {
                "student": name,
                "superposition_ratio": float(dataset["superposition_ratio"][row]),
                "features_counted": len(counted),
                "learned_share": float(np.isfinite(times[row]).mean()),
                "slopes": [s if np.isfinite(s) else None for s in slopes],
                "final_loss": float(dataset["loss"].isel(network=row, step=-1).mean()),
                "own_share": float(own.values[row].mean()),
            }
        )
    figure = draw(dataset, names, counted + 1.0, times)
    return Findings(records, tell(records), figure, make_claims(records))


def make_claims(records: list[dict[str, Any]]) -> list[Claim]:
    """Sequential without, parallel with superposition: slopes of log time against log feature."""
    claims = []
    for record, published, statement in (
        (
            records[0],
            Published.about(EXPONENT, 0.1, "t_i ~ 1 / l_i ~ i^a; tolerance 0.1"),
            "Without superposition features are learned one after the other.",
        ),
        (
            records[-1],
            Published(-np.inf, EXPONENT / 2, "in parallel; read as at most half of a"),
            "With superposition features are learned in parallel.",
        ),
    ):
        slopes = [s for s in record["slopes"] if s is not None]
        claims.append(
            Claim(
                f"slope of log learning time against log i: {record['student']}",
                statement,
                "arXiv 2602.01045, theory and abstract",
                published,
                intervals.from_samples(slopes) if len(slopes) > 1 else None,
                "" if len(slopes) > 1 else "too few features are learned within these steps",
            )
        )
    return claims


def tell(records: list[dict[str, Any]]) -> list[str]:
    """A line a student."""
    head = f"{'student':16}  learned  slope of log t against log i  final loss  own share"
    lines = [head]
    for record in records:
        slopes = [s for s in record["slopes"] if s is not None]
        mean = f"{np.mean(slopes):.2f}" if slopes else "too few"
        lines.append(
            f"{record['student']:16}  {record['learned_share']:7.0%}  {mean:>29}  "
            f"{record['final_loss']:10.3g}  {record['own_share']:9.2f}"
        )
    count = records[0]["features_counted"]
    lines.append(f"learned: share of the {count} features whose error has halved for good")
    return lines


def draw(dataset: xr.Dataset, names: list[str], features: np.ndarray, times: np.ndarray) -> Figure:
    """Loss, learning times, the response's spectrum along training, and own shares."""
    figure, axes = plot.new_figure(4, width=3.9, height=3.6)
    named = dataset.drop_vars([str(n) for n in dataset.coords if dataset[n].dims == ("network",)])
    named = named.assign_coords(student=("network", names))
    plot.loss_curves(named, axes[0])
    axes[0].set_title(f"(a, b) = ({EXPONENT:g}, 0): loss", fontsize=9)
    middle = np.median(times, axis=1)
    plot.learning_times(features, middle, axes[1], labels=names, slope=EXPONENT)
    axes[1].set_title("when each feature's error has halved", fontsize=9)
    plot.spectra_along_training(dataset.isel(network=-1), "response_spectrum", axes[2])
    axes[2].set_title(f"spectrum of the response V^T B W, {names[-1]}", fontsize=9)
    axes[2].set_ylabel("singular value")
    own = named.assign(
        own_share=named["response_capacities"]
        .mean("feature")
        .assign_attrs(long_name="own share of a feature's response (mean)")
    )
    plot.observable_curves(own, "own_share", axes[3])
    axes[3].set_title("how much of a response is the feature's own", fontsize=9)
    axes[3].set_ylim(0, 1.05)
    return figure
