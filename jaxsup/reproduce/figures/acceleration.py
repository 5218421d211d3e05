"""Steps to a given loss with and without superposition: where "up to tenfold" holds.

Claim ("Superposition unifies power-law training dynamics", arXiv 2602.01045): training with
superposition is up to ten times faster than the sequential learning without it.

Here: the factor by which superposition reaches a relative loss L / L(0) in fewer steps than a
student with K = N, at every level that both reach, for several (a, b) and ratios, three times: at
equal step size, with the best step size of each side at each level (the frame operator of N / K
random features per dimension multiplies gradients by about N / K, which a step size can do as
well), and so against the linear student with K = N. The third tells apart two things: with W = I a
ReLU output whose own core entry starts negative gets no gradient from its feature, so the ReLU
student stalls; the linear one does not, and is the sequential learner of the theory. Curves are
means over seeds; intervals resample the seeds, with the maximum taken anew in every draw.
"""

from __future__ import annotations

import dataclasses
import itertools
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from jaxtyping import Float

from jaxsup import SGD, DiagonalTeacher, Experiment, PowerLawFeatures, Record, Student, Sweep, plot
from jaxsup.fit import intervals
from jaxsup.reproduce.claims import Claim, Published
from jaxsup.reproduce.registry import Findings

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

SETTINGS = ((1.1, 0.0), (1.5, 0.0), (2.0, 0.0), (1.5, 0.5))
"""The pairs (a, b)."""
EQUAL = 0.5
"""Step size of the comparison at equal step size."""


@dataclasses.dataclass(frozen=True)
class Scale:
    """How large the experiment is."""

    features: int
    ratios: tuple[int, ...]
    rates: tuple[float, ...]
    steps: int
    batch_size: int
    seeds: int
    evaluation_samples: int = 4096


SCALES = {
    "smoke": Scale(32, (4,), (0.25, EQUAL), 300, 32, 2, 512),
    "quick": Scale(128, (2, 4), (0.125, 0.25, EQUAL, 1.0), 4000, 64, 4),
    "paper": Scale(1024, (2, 4, 8), (0.0625, 0.125, 0.25, EQUAL, 0.7, 1.0), 30_000, 256, 16, 65536),
}
_LEVELS = np.geomspace(0.5, 1e-4, 60)
"""Losses relative to the first at which steps are compared."""


def configure(scale: Scale) -> Sweep:
    """The sweep over (a, b) x (ratio, step size) x seeds."""
    count = scale.features
    experiment = Experiment(
        PowerLawFeatures(count, SETTINGS[0][0]),
        DiagonalTeacher(SETTINGS[0][1]),
        Student(count, "identity"),
        SGD(EQUAL),
        batch_size=scale.batch_size,
        steps=scale.steps,
        record=Record(points=100, evaluation_samples=scale.evaluation_samples),
    )
    students = [("identity", 1, "relu"), ("identity", 1, "identity")]
    students += [("random", ratio, "relu") for ratio in scale.ratios]
    pairs = list(itertools.product(students, scale.rates))
    axes = {
        "setting": {
            "features.exponent": [a for a, _ in SETTINGS],
            "teacher.exponent": [b for _, b in SETTINGS],
        },
        "condition": {
            "student.embedding": [embedding for (embedding, _, _), _ in pairs],
            "student.latent": [count // ratio for (_, ratio, _), _ in pairs],
            "student.activation": [activation for (*_, activation), _ in pairs],
            "student.bias": [activation == "relu" for (*_, activation), _ in pairs],
            "optimizer.learning_rate": [rate for _, rate in pairs],
        },
    }
    return Sweep(experiment, axes, scale.seeds)


def steps_to(
    levels: Float[np.ndarray, " levels"],
    steps: Float[np.ndarray, " steps"],
    loss: Float[np.ndarray, "*curves steps"],
) -> Float[np.ndarray, "*curves levels"]:
    """When a curve first falls to each level, between records by log L against log t; inf: never.

    Arguments:
        levels: as shares of the curve's first loss, falling.
        steps: rising, the first one 0, which only gives that loss.
        loss: one or many curves; one that holds NaN reaches nothing.
    """
    relative = loss[..., 1:] / loss[..., :1]
    lowest = np.minimum.accumulate(relative, axis=-1)
    flat = lowest.reshape(-1, lowest.shape[-1])
    found = np.full((len(flat), len(levels)), np.inf)
    times = np.log(steps[1:])
    for row, curve in enumerate(flat):
        if not np.isfinite(curve).all():
            continue
        depth = -np.log(np.maximum(curve, 1e-300))
        wanted = -np.log(levels)
        reached = wanted <= depth[-1]
        first = np.searchsorted(depth, wanted[reached])
        before = np.maximum(first - 1, 0)
        rise = depth[first] - depth[before]
        share = (wanted[reached] - depth[before]) / np.where(rise > 0, rise, np.inf)
        found[row, reached] = np.exp(times[before] + share * (times[first] - times[before]))
    return found.reshape(*lowest.shape[:-1], len(levels))


class Gains(NamedTuple):
    """How many times fewer steps superposition needs, [ratio, setting, level]; NaN: not both reach.

    Attributes:
        equal: against the ReLU student with K = N, at equal step size.
        best: the same with each side's best step size at each level.
        linear: against the linear student with K = N, with the best step sizes.
    """

    equal: Float[np.ndarray, "ratios settings levels"]
    best: Float[np.ndarray, "ratios settings levels"]
    linear: Float[np.ndarray, "ratios settings levels"]


KINDS = ("equal step size", "best step sizes", "best, against linear")
"""What the three comparisons of `Gains` are called."""


def gains(loss: np.ndarray, steps: np.ndarray, equal: int) -> Gains:
    """Speed-ups from mean curves.

    Arguments:
        loss: [setting, student, rate, step]; students are ReLU with W = I, linear with W = I, then
            one a ratio.
        steps: [step], from 0.
        equal: position of the step size of the comparison at equal step size.
    """
    times = steps_to(_LEVELS, steps.astype(np.float64), loss)

    def against(base: int, of: np.ndarray) -> np.ndarray:
        mine, theirs = of[:, 2:].swapaxes(0, 1), of[None, :, base]
        both = np.isfinite(mine) & np.isfinite(theirs)
        return np.where(both, theirs, np.nan) / np.where(both, mine, 1.0)

    best = times.min(axis=2)
    return Gains(against(0, times[:, :, equal]), against(0, best), against(1, best))


def largest(values: np.ndarray) -> float:
    """The largest finite entry; NaN if there is none."""
    finite = values[np.isfinite(values)]
    return float(finite.max()) if finite.size else float("nan")


def measure(dataset: xr.Dataset, sweep: Sweep) -> Findings:
    """Speed-ups over levels, settings and ratios, and the largest of them."""
    rates = sweep.axes[1].fields["optimizer.learning_rate"]
    several = len(dict.fromkeys(rates))
    ratios = dataset["superposition_ratio"].values.reshape(-1, several)[2:, 0]
    loss = dataset["loss"].transpose("seed", "setting", "condition", "step").values
    loss = loss.reshape(*loss.shape[:2], -1, several, loss.shape[-1])
    steps, equal = dataset["step"].values, rates.index(EQUAL)
    found = gains(loss.mean(axis=0), steps, equal)
    records = [
        {
            "features.exponent": a,
            "teacher.exponent": b,
            "superposition_ratio": float(ratio),
            "comparison": kind,
            **_summit(values[row, column]),
        }
        for row, ratio in enumerate(ratios)
        for column, (a, b) in enumerate(SETTINGS)
        for kind, values in zip(KINDS, found, strict=True)
    ]
    claims = [
        _claim(f"largest speed-up, {kind}", loss, lambda x, k=k: gains(x, steps, equal)[k])
        for k, kind in enumerate(KINDS)
    ]
    return Findings(records, tell(records), draw(dataset, found, equal, several), claims)


def _summit(values: np.ndarray) -> dict[str, float | None]:
    """The largest speed-up of a setting and where it is; None where no level is reached by both."""
    if not np.isfinite(values).any():
        return {"speed_up": None, "at_relative_loss": None, "lowest_common_level": None}
    place = int(np.nanargmax(values))
    return {
        "speed_up": float(values[place]),
        "at_relative_loss": float(_LEVELS[place]),
        "lowest_common_level": float(_LEVELS[np.flatnonzero(np.isfinite(values))[-1]]),
    }


def _claim(quantity: str, loss: np.ndarray, of: Any) -> Claim:
    def statistic(seeds: np.ndarray) -> float:
        return largest(of(seeds.mean(axis=0)))

    enough = np.isfinite(statistic(loss)) and len(loss) > 1
    return Claim(
        quantity,
        "Superposition reaches a loss in up to ten times fewer steps.",
        "arXiv 2602.01045, abstract",
        Published(5.0, 20.0, "up to tenfold; tolerance a factor of 2"),
        intervals.from_bootstrap(loss, statistic, resamples=300) if enough else None,
        "" if enough else "no level is reached by both sides",
    )


def tell(records: list[dict[str, Any]]) -> list[str]:
    """A line a ratio and setting."""
    lines = ["comparison            N/K    a    b  largest speed-up  at L/L(0)  both reach L/L(0)"]
    for r in records:
        head = f"{r['comparison']:20}  {r['superposition_ratio']:3g}  {r['features.exponent']:3g}"
        head += f"  {r['teacher.exponent']:3g}"
        if r["speed_up"] is None:
            lines.append(f"{head}  no level is reached by both")
        else:
            lines.append(
                f"{head}  {r['speed_up']:16.2f}  {r['at_relative_loss']:9.2g}  "
                f"{r['lowest_common_level']:.2g}"
            )
    return lines


def draw(dataset: xr.Dataset, found: Gains, equal: int, several: int) -> Figure:
    """Curves of one setting at equal step size; speed-ups at the lowest ratio, three ways."""
    figure, axes = plot.new_figure(4, width=3.9, height=3.6)
    shown = SETTINGS.index((1.5, 0.0))
    students = dataset.isel(setting=shown, condition=slice(equal, None, several))
    along = [str(n) for n in students.coords if students[n].dims == ("condition",)]
    names = [
        f"N/K = {ratio:g}, {'ReLU' if kind == 'relu' else 'linear'}"
        for ratio, kind in zip(
            students["superposition_ratio"].values,
            students["student.activation"].values,
            strict=True,
        )
    ]
    plot.loss_curves(students.drop_vars(along).assign_coords(kind=("condition", names)), axes[0])
    axes[0].set_title(f"(a, b) = (1.5, 0), step size {EQUAL}", fontsize=9)
    settings = [f"(a, b) = ({a:g}, {b:g})" for a, b in SETTINGS]
    ratio = float(dataset["superposition_ratio"].values[2 * several])
    against = ("K = N, equal step size", "K = N, best step sizes", "linear K = N, best step sizes")
    high = max(largest(values[0]) for values in found)
    for ax, values, words in zip(axes[1:], found, against, strict=True):
        plot.speed_up(_LEVELS, values[0], ax, labels=settings)
        ax.set_title(f"N/K = {ratio:g} against {words}", fontsize=9)
        ax.set_ylim(0, 1.45 * max(10.0, high) if np.isfinite(high) else 14.5)
    return figure
