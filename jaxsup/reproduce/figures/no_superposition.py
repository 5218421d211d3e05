"""Without superposition: loss curves and exponents over (a, b), with the theory laid over.

Claim ("Superposition unifies power-law training dynamics", arXiv 2602.01045): a student that has a
dimension for every feature learns as L ~ t^-alpha with alpha = (a + 2b - 1)/a, so that data (a) and
channel importance (b) decide the exponent.

Here: W = I, sparse power-law data of density 1, stochastic gradients, once with the linear student
of the theory and once with ReLU and bias. Beside each measured exponent stand two predictions: the
law for infinitely many features, and the slope over the same window of the exact linear curve with
the N features there are (`jaxsup.theory.loss_curve`). Where they part, N is what bends the curve.

With W = I a ReLU output whose own core entry starts negative, as half of them do, gets no gradient
from its feature alone: it learns late or never, and the loss stalls. The report says how many of
the `COMMON` most frequent features are still to be learned at the end.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

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
    measure_exponents,
    plot,
)
from jaxsup.fit import intervals
from jaxsup.fit.tables.exponents import exponents_to_records, format_exponents
from jaxsup.plot.style import COLORS, GUIDE, MARKERS, add_legend, styled
from jaxsup.reproduce import AbstractFigure, Claim, Findings, Published
from jaxsup.reproduce.analysis.exact_curves import Curves, Steps, exact_curve, exact_slopes
from jaxsup.reproduce.figure import Records
from jaxsup.reproduce.registry import FIGURES

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FIRST_STEP = 10
"""Earlier steps belong to no fit: the law needs 2 eta l_1 t >> 1."""
TOLERANCE = 0.1
"""Root mean square deviation of an exponent that still counts as the theory's."""
COMMON = 16
"""Most frequent features whose learning is reported: all of them have had the time."""
_STUDENTS = ("identity", "relu")
_NAMES = {"identity": "linear student", "relu": "ReLU student, bias"}
"""What the picture calls them."""


@dataclasses.dataclass(frozen=True)
class Scale:
    """How large the experiment is."""

    features: int
    a: tuple[float, ...]
    b: tuple[float, ...]
    steps: int
    batch_size: int
    seeds: int
    evaluation_samples: int = 8192


SCALES = {
    "smoke": Scale(32, (1.5, 2.0), (0.0, 0.5), 300, 32, 2, 512),
    "quick": Scale(256, (1.25, 1.5, 2.0, 2.5), (0.0, 0.5, 1.0), 2000, 64, 3),
    "paper": Scale(
        1024, (1.1, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0), (0.0, 0.25, 0.5, 1.0), 30_000, 256, 8, 65536
    ),
}


def unlearned(dataset: xr.Dataset) -> Float[np.ndarray, "*settings"]:
    """Share of the `COMMON` most frequent features whose error has not halved, over settings."""
    errors = dataset["feature_error"].transpose("kind", ..., "seed", "feature", "step").values
    errors = errors[..., :COMMON, :]
    return np.mean(~(errors[..., -1] < 0.5 * errors[..., 0]), axis=(-1, -2))


def deviations(records: Records, student: str, prediction: str) -> Float[np.ndarray, " settings"]:
    """Measured exponent minus a prediction ("theory_limit" or "exact"), where both are there."""
    return np.array(
        [
            record["exponent"] - record[prediction]
            for record in records
            if record["student.activation"] == student
            and record["exponent"] is not None
            and record[prediction] is not None
        ]
    )


def _root_mean_square(values: Float[np.ndarray, " settings"]) -> float:
    return float(np.sqrt(np.mean(values**2)))


@styled
def draw_against_theory(table: xr.Dataset, ax: Axes) -> Axes:
    """Measured exponents against (a + 2b - 1)/a, with intervals and the line of equality.

    Crosses: slopes of the exact curves at this N over the windows of the first student's fits,
    where the table has ``exact``.

    Arguments:
        table: result of `jaxsup.measure_exponents` with the students along its
            first axis, ``"kind"``; settings without a power law are left out.
        ax: axis to draw on.
    """
    reach = [0.0]
    for position in range(table.sizes["kind"]):
        rows = table.isel(kind=position)
        follows = rows["found"].values.ravel()
        names = ("theory_limit", "exponent", "interval_low", "interval_high")
        x, y, *ends = (rows[name].values.ravel()[follows] for name in names)
        kind = str(rows["student.activation"].item())
        shift = 0.012 * (position - (table.sizes["kind"] - 1) / 2)
        ax.errorbar(
            x + shift,
            y,
            np.abs(np.stack(ends) - y),
            linestyle="",
            marker=MARKERS[position % len(MARKERS)],
            color=COLORS[2 * position % len(COLORS)],
            capsize=2,
            elinewidth=0.9,
            label=_NAMES[kind],
        )
        reach += [*x, *y]
    if "exact" in table:
        first = table.isel(kind=0)
        x, y = first["theory_limit"].values.ravel(), first["exact"].values.ravel()
        ax.plot(x, y, "x", color=GUIDE, markersize=6, label="exact linear curve, same windows")
        reach += [*x, *y[np.isfinite(y)]]
    high = 1.08 * max(reach)
    ax.plot([0, high], [0, high], color=GUIDE, linewidth=0.9, label="(a + 2b - 1)/a", zorder=1)
    ax.set(xlim=(0, high), ylim=(0, high))
    ax.set_aspect("equal", adjustable="box")
    ax.set_xlabel("(a + 2b - 1)/a, infinitely many features")
    ax.set_ylabel("measured training exponent α")
    add_legend(ax, where="below")
    return ax


class NoSuperposition(AbstractFigure[Scale]):
    """Exponents of linear and ReLU students with W = I, over (a, b)."""

    name = "no-superposition"
    title = FIGURES[name].title
    scales = SCALES

    def configure(self, scale: Scale) -> Sweep:
        """The sweep over student x b x a x seeds."""
        student = Student(
            scale.features, "identity", core_scale=0.0, activation="identity", bias=False
        )
        experiment = Experiment(
            PowerLawFeatures(scale.features, scale.a[0]),
            DiagonalTeacher(scale.b[0]),
            student,
            SGD(0.5),
            batch_size=scale.batch_size,
            steps=scale.steps,
            record=Record(
                points=80,
                observables=("feature_error",),
                evaluation_samples=scale.evaluation_samples,
            ),
        )
        axes = {
            "kind": {
                "student.activation": list(_STUDENTS),
                "student.bias": [False, True],
                "student.core_scale": [0.0, 1e-3],  # ReLU outputs of a zero start have no gradient
            },
            "teacher.exponent": scale.b,
            "features.exponent": scale.a,
        }
        return Sweep(experiment, axes, scale.seeds)

    def measure(self, dataset: xr.Dataset, sweep: Sweep) -> Findings:
        """Exponents of both students beside the two predictions."""
        table = measure_exponents(dataset, after=FIRST_STEP)
        steps = dataset["step"].values[dataset["step"].values > 0]
        late = steps >= FIRST_STEP
        b, a = (dataset[name].values for name in ("teacher.exponent", "features.exponent"))
        curves = np.array(
            [[exact_curve(sweep, x, y, steps) for x in a.tolist()] for y in b.tolist()]
        )
        table["exact"] = (
            table["exponent"].dims,
            exact_slopes(table, steps[late], curves[..., late]),
        )
        table["exact"].attrs["long_name"] = "slope of the exact linear curve, this N and window"
        records = exponents_to_records(table)
        stuck = unlearned(dataset)
        for record, share in zip(records, stuck.ravel().tolist(), strict=True):
            record["unlearned_share"] = share
        text = [format_exponents(table), "", *self.summarize(records)]
        return Findings(
            records, text, self.draw(dataset, table, steps, curves), self.claims(records)
        )

    def summarize(self, records: Records) -> list[str]:
        """Deviations of every student from every prediction, a sentence each."""
        lines = []
        for student in _STUDENTS:
            name = "linear" if student == "identity" else "ReLU"
            rows = [record for record in records if record["student.activation"] == student]
            follow = sum(record["found"] for record in rows)
            stuck = [record["unlearned_share"] for record in rows]
            lines.append(
                f"{name}: {follow} of {len(rows)} settings follow a power law; at the end "
                f"{min(stuck):.0%} to {max(stuck):.0%} of the {COMMON} most frequent features have "
                "not halved their error"
            )
            predictions = ("theory_limit", "(a + 2b - 1)/a"), ("exact", "the exact curve's")
            for prediction, words in predictions:
                off = deviations(records, student, prediction)
                if off.size:
                    lines.append(f"  minus {words}: {off.min():+.2f} to {off.max():+.2f}")
        return lines

    def draw(self, dataset: xr.Dataset, table: xr.Dataset, steps: Steps, curves: Curves) -> Figure:
        """Loss curves of both students at the lowest b; exponents against theory."""
        figure, axes = plot.new_figure(3, width=4.3, height=3.8)
        names = ("linear students", "ReLU students with bias")
        for kind, (ax, name) in enumerate(zip(axes[:2], names, strict=True)):
            networks = dataset.isel({"teacher.exponent": 0, "kind": kind})
            exact = networks["loss"].isel(seed=0).sel(step=steps).copy(data=curves[0])
            plot.loss_curves(networks, ax, theory=exact)
            ax.set_title(f"{name}, b = {networks['teacher.exponent'].item():g}", fontsize=9)
            ax.set_ylim(bottom=0.5 * float(curves[0].min()))
        draw_against_theory(table, axes[2])
        return figure

    def claims(self, records: Records) -> list[Claim]:
        """How far the exponents of both students are from both predictions, over all (a, b)."""
        claims = []
        for student in _STUDENTS:
            name = "linear student" if student == "identity" else "ReLU student with bias"
            for prediction, words in (
                ("theory_limit", "(a + 2b - 1)/a"),
                ("exact", "the sum over N modes, same window"),
            ):
                off = deviations(records, student, prediction)
                enough = off.size > 1
                claims.append(
                    Claim(
                        f"rms of exponent minus that of {words}, {name}",
                        "Without superposition the exponent is (a + 2b - 1)/a, set by the data.",
                        "arXiv 2602.01045, theory",
                        Published(0.0, TOLERANCE, f"equal; tolerance {TOLERANCE}"),
                        intervals.from_bootstrap(
                            off, _root_mean_square, what="settings", ends=(0.0, np.inf)
                        )
                        if enough
                        else None,
                        ""
                        if enough
                        else "fewer than two settings follow a power law in this window",
                    )
                )
        return claims
