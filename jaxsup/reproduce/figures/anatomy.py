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
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float
from scipy.stats import linregress

from jaxsup import SGD, DiagonalTeacher, Experiment, PowerLawFeatures, Record, Student, Sweep, plot
from jaxsup.fit import intervals
from jaxsup.plot.curves import spectra_along_training
from jaxsup.plot.style import GUIDE, MARKERS, line_style, styled
from jaxsup.reproduce import AbstractFigure, Claim, Findings, Published
from jaxsup.reproduce.analysis.crossings import steps_to_half
from jaxsup.reproduce.figure import Records
from jaxsup.reproduce.registry import FIGURES

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
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


def student_names(dataset: xr.Dataset) -> list[str]:
    """What each network of the family is called."""
    kinds = zip(
        dataset["superposition_ratio"].values, dataset["student.activation"].values, strict=True
    )
    words = {"identity": "linear", "relu": "ReLU"}
    return [f"{'W = I' if r == 1 else f'N/K = {r:g}'}, {words[str(kind)]}" for r, kind in kinds]


def slope(features: Float[np.ndarray, " features"], times: Float[np.ndarray, " features"]) -> float:
    """Least-squares slope of log time against log feature over the learned ones; NaN: too few."""
    learned = np.isfinite(times) & (times > 1)
    if learned.sum() < max(4, _PART * len(times)):
        return float("nan")
    line: Any = linregress(np.log(features[learned]), np.log(times[learned]))
    return float(line.slope)


@styled
def draw_learning_times(
    features: Float[np.ndarray, " features"],
    times: Float[np.ndarray, "students features"],
    ax: Axes,
    *,
    labels: Sequence[str],
) -> Axes:
    """Steps at which each feature is learned against its index, with the guide t ~ i^a.

    Arguments:
        features: i >= 1.
        times: steps; infinite or NaN: not learned, left out and counted.
        ax: axis to draw on.
        labels: one a student; the guide passes through the first one's first learned feature.
    """
    for position, label in enumerate(labels):
        learned = np.isfinite(times[position])
        missing = int((~learned).sum())
        color = line_style(position)["color"]
        marker = MARKERS[position % len(MARKERS)]
        name = f"{label}{f' ({missing} not learned)' if missing else ''}"
        ax.plot(
            features[learned],
            times[position][learned],
            marker,
            color=color,
            markersize=3,
            alpha=0.7,
            markeredgewidth=0,
            label=name,
        )
    learned = np.flatnonzero(np.isfinite(times[0]))
    if learned.size:
        first = learned[0]
        guide = times[0][first] * (features / features[first]) ** EXPONENT
        style = {"color": GUIDE, "linewidth": 0.9, "linestyle": (0, (4, 2))}
        ax.plot(features, guide, label=f"one by one: t ~ i^{EXPONENT:g}", **style)
    ax.set(xscale="log", yscale="log")
    ax.set_xlabel("feature i, from frequent to rare")
    ax.set_ylabel("learning time (updates)")
    ax.legend(loc="upper left")
    return ax


class Anatomy(AbstractFigure[Scale]):
    """When each feature is learned, by linear, ReLU and crowded students."""

    name = "anatomy"
    title = FIGURES[name].title
    scales = SCALES

    def configure(self, scale: Scale) -> Sweep:
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

    def measure(self, dataset: xr.Dataset, sweep: Sweep) -> Findings:
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
        shares = dataset["response_capacities"].isel(step=-1)
        shares = shares.transpose("network", "seed", "feature").values
        records = []
        for row, name in enumerate(names):
            slopes = [slope(counted + 1.0, seed) for seed in times[row]]
            records.append(
                {
                    "student": name,
                    "superposition_ratio": float(dataset["superposition_ratio"][row]),
                    "features_counted": len(counted),
                    "learned_share": float(np.isfinite(times[row]).mean()),
                    "slopes": [s if np.isfinite(s) else None for s in slopes],
                    "final_loss": float(dataset["loss"].isel(network=row, step=-1).mean()),
                    "own_share": float(shares[row].mean()),
                }
            )
        figure = self.draw(dataset, names, counted + 1.0, times)
        return Findings(records, self.summarize(records), figure, self.claims(records))

    def summarize(self, records: Records) -> list[str]:
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

    def draw(
        self,
        dataset: xr.Dataset,
        names: list[str],
        features: Float[np.ndarray, " features"],
        times: Float[np.ndarray, "students seeds features"],
    ) -> Figure:
        """Loss, learning times, the response's spectrum along training, and own shares."""
        figure, axes = plot.new_figure(4, width=3.9, height=3.6)
        named = dataset.drop_vars(
            [str(n) for n in dataset.coords if dataset[n].dims == ("network",)]
        )
        named = named.assign_coords(student=("network", names))
        plot.loss_curves(named, axes[0])
        axes[0].set_title(f"(a, b) = ({EXPONENT:g}, 0): loss", fontsize=9)
        middle = np.median(times, axis=1)
        draw_learning_times(features, middle, axes[1], labels=names)
        axes[1].set_title("when each feature's error has halved", fontsize=9)
        spectra_along_training(dataset.isel(network=-1), "response_spectrum", axes[2])
        axes[2].set_title(f"spectrum of the response V^T B W, {names[-1]}", fontsize=9)
        axes[2].set_ylabel("singular value")
        shares = named.assign(
            own_share=named["response_capacities"]
            .mean("feature")
            .assign_attrs(long_name="own share of a feature's response (mean)")
        )
        plot.observable_curves(shares, "own_share", axes[3])
        axes[3].set_title("how much of a response is the feature's own", fontsize=9)
        axes[3].set_ylim(0, 1.05)
        return figure

    def claims(self, records: Records) -> list[Claim]:
        """Sequential without superposition, parallel with it, by the slopes of learning times."""
        claims = []
        for record, published, statement in (
            (
                records[0],
                Published.about(EXPONENT, 0.1, "t_i ~ 1 / l_i ~ i^a; tolerance 0.1"),
                "Without superposition features are learned one after the other.",
            ),
            (
                records[-1],
                Published(
                    -np.inf, EXPONENT / 2, "in parallel; read as at most half of a", EXPONENT / 2
                ),
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
