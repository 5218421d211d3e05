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
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from jaxsup import SGD, DiagonalTeacher, Experiment, PowerLawFeatures, Record, Student, Sweep, plot
from jaxsup.fit import intervals
from jaxsup.plot.style import COVERING, GUIDE, line_style, styled
from jaxsup.reproduce import AbstractFigure, Claim, Findings, Published
from jaxsup.reproduce.analysis.crossings import steps_to
from jaxsup.reproduce.figure import Records
from jaxsup.reproduce.registry import FIGURES

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
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
Loss = Float[np.ndarray, "*seeds settings students rates steps"]
Gain = Float[np.ndarray, "ratios settings levels"]


class Gains(NamedTuple):
    """How many times fewer steps superposition needs; NaN where a level is not reached by both.

    Attributes:
        equal: against the ReLU student with K = N, at equal step size.
        best: the same with each side's best step size at each level.
        linear: against the linear student with K = N, with the best step sizes.
    """

    equal: Gain
    best: Gain
    linear: Gain


KINDS = ("equal step size", "best step sizes", "best, against linear")
"""What the three comparisons of `Gains` are called."""


def gains(loss: Loss, steps: Int[np.ndarray, " steps"], equal: int) -> Gains:
    """Speed-ups from mean curves.

    Arguments:
        loss: [settings, students, rates, steps]; students are ReLU with W = I, linear with W = I,
            then one a ratio.
        steps: rising, from 0.
        equal: position of the step size of the comparison at equal step size.
    """
    times = steps_to(_LEVELS, steps.astype(np.float64), loss)

    def against(base: int, students: Float[np.ndarray, "settings students levels"]) -> Gain:
        crowded, plain = students[:, 2:].swapaxes(0, 1), students[None, :, base]
        reached = np.isfinite(crowded) & np.isfinite(plain)
        return np.where(reached, plain, np.nan) / np.where(reached, crowded, 1.0)

    best = times.min(axis=2)
    return Gains(against(0, times[:, :, equal]), against(0, best), against(1, best))


def largest(values: Float[np.ndarray, "..."]) -> float:  # noqa: UP037 - a shape
    """The largest finite entry; NaN if there is none."""
    finite = values[np.isfinite(values)]
    return float(finite.max()) if finite.size else float("nan")


def _summit(values: Float[np.ndarray, " levels"]) -> dict[str, float | None]:
    """The largest speed-up of a setting and where it is; None where no level is reached by both."""
    if not np.isfinite(values).any():
        return {"speed_up": None, "at_relative_loss": None, "lowest_common_level": None}
    place = int(np.nanargmax(values))
    return {
        "speed_up": float(values[place]),
        "at_relative_loss": float(_LEVELS[place]),
        "lowest_common_level": float(_LEVELS[np.flatnonzero(np.isfinite(values))[-1]]),
    }


def _claim(quantity: str, loss: Loss, gain: Callable[[Loss], Gain]) -> Claim:
    def statistic(seeds: Loss) -> float:
        return largest(gain(seeds.mean(axis=0)))

    enough = np.isfinite(statistic(loss)) and len(loss) > 1
    return Claim(
        quantity,
        "Superposition reaches a loss in up to ten times fewer steps.",
        "arXiv 2602.01045, abstract",
        Published(5.0, 20.0, "up to tenfold; tolerance a factor of 2"),
        intervals.from_bootstrap(loss, statistic, resamples=300) if enough else None,
        "" if enough else "no level is reached by both sides",
    )


@styled
def draw_speed_up(
    levels: Float[np.ndarray, " levels"],
    gains: Float[np.ndarray, "settings levels"],
    ax: Axes,
    *,
    labels: Sequence[str],
) -> Axes:
    """How many times fewer steps a loss takes, against the loss relative to the first.

    Arguments:
        levels: L / L(0), falling; drawn from left to right as training goes.
        gains: NaN where a level is not reached by both sides.
        ax: axis to draw on.
        labels: one a setting.
    """
    for level, words in ((1.0, "no gain"), (10.0, "tenfold")):
        ax.axhline(level, color=GUIDE, linewidth=0.8, linestyle=(0, (4, 2)))
        ax.annotate(
            words,
            (0, level),
            xycoords=("axes fraction", "data"),
            xytext=(3, 2),
            textcoords="offset points",
            fontsize=7,
        )
    for position, label in enumerate(labels):
        reached = np.isfinite(gains[position])
        name = label if reached.any() else f"{label}: not reached by both"
        ax.plot(levels[reached], gains[position][reached], label=name, **line_style(position))
        if reached.any():
            last = np.flatnonzero(reached)[-1]
            ax.plot(levels[last], gains[position][last], "o", color=line_style(position)["color"])
    common = levels[np.isfinite(gains).any(axis=0)]
    ax.set(xscale="log", xlim=(levels.max(), 0.6 * common.min() if common.size else levels.min()))
    ax.set_xlabel("loss relative to the first, L / L(0)")
    ax.set_ylabel("speed-up: how many times fewer steps")
    ax.legend(loc="upper right", **COVERING)
    return ax


class Acceleration(AbstractFigure[Scale]):
    """Steps to a loss with and without superposition, at equal and at best step sizes."""

    name = "acceleration"
    title = FIGURES[name].title
    scales = SCALES

    def configure(self, scale: Scale) -> Sweep:
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

    def measure(self, dataset: xr.Dataset, sweep: Sweep) -> Findings:
        """Speed-ups over levels, settings and ratios, and the largest of them."""
        rates = sweep.axes[1].fields["optimizer.learning_rate"]
        several = len(dict.fromkeys(rates))
        ratios = dataset["superposition_ratio"].values.reshape(-1, several)[2:, 0]
        loss = dataset["loss"].transpose("seed", "setting", "condition", "step").values
        loss = loss.reshape(*loss.shape[:2], -1, several, loss.shape[-1])
        steps, equal = dataset["step"].values, rates.index(EQUAL)
        speed_ups = gains(loss.mean(axis=0), steps, equal)
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
            for kind, values in zip(KINDS, speed_ups, strict=True)
        ]
        figure = self.draw(dataset, speed_ups, equal, several)
        return Findings(records, self.summarize(records), figure, self.claims(loss, steps, equal))

    def summarize(self, records: Records) -> list[str]:
        """A line a ratio and setting."""
        lines = [
            "comparison            N/K    a    b  largest speed-up  at L/L(0)  both reach L/L(0)"
        ]
        for r in records:
            setting = f"{r['features.exponent']:3g}  {r['teacher.exponent']:3g}"
            head = f"{r['comparison']:20}  {r['superposition_ratio']:3g}  {setting}"
            if r["speed_up"] is None:
                lines.append(f"{head}  no level is reached by both")
            else:
                lines.append(
                    f"{head}  {r['speed_up']:16.2f}  {r['at_relative_loss']:9.2g}  "
                    f"{r['lowest_common_level']:.2g}"
                )
        return lines

    def draw(self, dataset: xr.Dataset, speed_ups: Gains, equal: int, several: int) -> Figure:
        """Curves of one setting at equal step size; speed-ups at the lowest ratio, three ways."""
        figure, axes = plot.new_figure(4, width=3.9, height=3.6)
        setting = SETTINGS.index((1.5, 0.0))
        students = dataset.isel(setting=setting, condition=slice(equal, None, several))
        along = [str(n) for n in students.coords if students[n].dims == ("condition",)]
        names = [
            f"N/K = {ratio:g}, {'ReLU' if kind == 'relu' else 'linear'}"
            for ratio, kind in zip(
                students["superposition_ratio"].values,
                students["student.activation"].values,
                strict=True,
            )
        ]
        named = students.drop_vars(along).assign_coords(kind=("condition", names))
        plot.loss_curves(named, axes[0])
        axes[0].set_title(f"(a, b) = (1.5, 0), step size {EQUAL}", fontsize=9)
        settings = [f"(a, b) = ({a:g}, {b:g})" for a, b in SETTINGS]
        ratio = float(dataset["superposition_ratio"].values[2 * several])
        best = "best step sizes"
        against = ("K = N, equal step size", f"K = N, {best}", f"linear K = N, {best}")
        high = max(largest(values[0]) for values in speed_ups)
        for ax, values, words in zip(axes[1:], speed_ups, against, strict=True):
            draw_speed_up(_LEVELS, values[0], ax, labels=settings)
            ax.set_title(f"N/K = {ratio:g} against {words}", fontsize=9)
            ax.set_ylim(0, 1.45 * max(10.0, high) if np.isfinite(high) else 14.5)
        return figure

    def claims(self, loss: Loss, steps: Int[np.ndarray, " steps"], equal: int) -> list[Claim]:
        """Whether the largest speed-up is about tenfold, compared three ways.

        Arguments:
            loss: [seeds, settings, students, rates, steps].
            steps: as `gains` takes them.
            equal: likewise.
        """
        return [
            _claim(f"largest speed-up, {kind}", loss, lambda x, k=k: gains(x, steps, equal)[k])
            for k, kind in enumerate(KINDS)
        ]
