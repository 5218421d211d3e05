"""Without superposition: loss curves and exponents over (a, b), with the theory laid over.

Claim ("Superposition unifies power-law training dynamics", arXiv 2602.01045): a student that has a
dimension for every feature learns as L ~ t^-alpha with alpha = (a + 2b - 1)/a, so that data (a) and
channel importance (b) decide the exponent.

Here: W = I, sparse power-law data of density 1, stochastic gradients, once with the linear student
of the theory and once with ReLU and bias. Beside each measured exponent stand two predictions: the
law for infinitely many features, and the same fit made to the exact linear curve with the N
features there are (`jaxsup.theory.loss_curve`). Where they part, N is what bends the curve.

With W = I a ReLU output whose own core entry starts negative, as half of them do, gets no gradient
from its feature alone: it learns late or never, and the loss stalls. The report says how many of
the `COMMON` most frequent features are still to be learned at the end.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

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
from jaxsup.reproduce.claims import Claim, Published
from jaxsup.reproduce.registry import Findings

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

FIRST_STEP = 10
"""Earlier steps belong to no fit: the law needs 2 eta l_1 t >> 1."""
TOLERANCE = 0.1
"""Root mean square deviation of an exponent that still counts as the theory's."""
COMMON = 16
"""Most frequent features whose learning is reported: all of them have had the time."""
_STUDENTS = ("identity", "relu")


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


def configure(scale: Scale) -> Sweep:
    """The sweep over student x b x a x seeds."""
    student = Student(scale.features, "identity", core_scale=0.0, activation="identity", bias=False)
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


def exact_curve(sweep: Sweep, a: float, b: float, steps: np.ndarray) -> np.ndarray:
    """Loss of the exact linear student at this N and step size, [steps]."""
    base = sweep.experiment
    experiment = dataclasses.replace(
        base,
        features=dataclasses.replace(base.features, exponent=a),
        teacher=DiagonalTeacher(b),
    )
    return np.asarray(theory.loss_curve(experiment, steps, key=jax.random.key(0)))


def measure(dataset: xr.Dataset, sweep: Sweep) -> Findings:
    """Exponents of both students beside the two predictions."""
    table = measure_exponents(dataset, after=FIRST_STEP)
    steps = dataset["step"].values[dataset["step"].values > 0]
    late = steps >= FIRST_STEP
    b, a = (dataset[name].values for name in ("teacher.exponent", "features.exponent"))
    curves = np.array([[exact_curve(sweep, x, y, steps) for x in a.tolist()] for y in b.tolist()])
    fits = [[fit_power_law(steps[late], curve[late]).exponent for curve in row] for row in curves]
    table["exact"] = (table["exponent"].dims[1:], np.array(fits))
    table["exact"].attrs["long_name"] = "exponent of the exact linear curve at this N, K = N"
    records = exponents_to_records(table)
    stuck = unlearned(dataset)
    for record, share in zip(records, stuck.ravel().tolist(), strict=True):
        record["unlearned_share"] = share
    text = [format_exponents(table), "", *tell(records)]
    return Findings(records, text, draw(dataset, table, steps, curves), make_claims(records))


def unlearned(dataset: xr.Dataset) -> np.ndarray:
    """Share of the `COMMON` most frequent features whose error has not halved, over settings."""
    errors = dataset["feature_error"].transpose("kind", ..., "seed", "feature", "step").values
    errors = errors[..., :COMMON, :]
    return np.mean(~(errors[..., -1] < 0.5 * errors[..., 0]), axis=(-1, -2))


def deviations(records: list[dict[str, Any]], student: str, prediction: str) -> np.ndarray:
    """Measured exponent minus a prediction ("theory" or "exact"), where both are there."""
    return np.array(
        [
            record["exponent"] - record[prediction]
            for record in records
            if record["student.activation"] == student
            and record["exponent"] is not None
            and record[prediction] is not None
        ]
    )


def _root_mean_square(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(values**2)))


def make_claims(records: list[dict[str, Any]]) -> list[Claim]:
    """How far the exponents of both students are from both predictions, over all (a, b)."""
    claims = []
    for student in _STUDENTS:
        name = "linear student" if student == "identity" else "ReLU student with bias"
        for prediction, words in (("theory", "(a + 2b - 1)/a"), ("exact", "the sum over N modes")):
            off = deviations(records, student, prediction)
            enough = off.size > 1
            claims.append(
                Claim(
                    f"rms of exponent minus that of {words}, {name}",
                    "Without superposition the exponent is (a + 2b - 1)/a, set by the data.",
                    "arXiv 2602.01045, theory",
                    Published(0.0, TOLERANCE, f"equal; tolerance {TOLERANCE}"),
                    intervals.from_bootstrap(off, _root_mean_square, what="settings")
                    if enough
                    else None,
                    "" if enough else "fewer than two settings follow a power law in this window",
                )
            )
    return claims


def tell(records: list[dict[str, Any]]) -> list[str]:
    """Deviations of every student from every prediction, a sentence each."""
    lines = []
    for student in _STUDENTS:
        name = "linear" if student == "identity" else "ReLU"
        asked = sum(record["student.activation"] == student for record in records)
        found = [r for r in records if r["student.activation"] == student and r["found"]]
        stuck = [r["unlearned_share"] for r in records if r["student.activation"] == student]
        lines.append(
            f"{name}: {len(found)} of {asked} settings follow a power law; at the end "
            f"{min(stuck):.0%} to {max(stuck):.0%} of the {COMMON} most frequent features have not "
            "halved their error"
        )
        for prediction, words in (("theory", "(a + 2b - 1)/a"), ("exact", "the exact curve's")):
            off = deviations(records, student, prediction)
            if off.size:
                lines.append(f"  minus {words}: {off.min():+.2f} to {off.max():+.2f}")
    return lines


def draw(dataset: xr.Dataset, table: xr.Dataset, steps: np.ndarray, curves: np.ndarray) -> Figure:
    """Loss curves of both students at the lowest b; exponents against theory."""
    figure, axes = plot.new_figure(3, width=4.3, height=3.8)
    names = ("linear students", "ReLU students with bias")
    for kind, (ax, name) in enumerate(zip(axes[:2], names, strict=True)):
        one = dataset.isel({"teacher.exponent": 0, "kind": kind})
        exact = one["loss"].isel(seed=0).sel(step=steps).copy(data=curves[0])
        plot.loss_curves(one, ax, theory=exact)
        ax.set_title(f"{name}, b = {one['teacher.exponent'].item():g}", fontsize=9)
        ax.set_ylim(bottom=0.5 * float(curves[0].min()))
    plot.exponent_against_theory(table, axes[2])
    return figure
