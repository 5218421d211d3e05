"""The compute-optimal frontier: which width K is best for so much compute, and its loss.

Claim ("Superposition unifies power-law training dynamics", arXiv 2602.01045): the loss at the best
size falls with compute along a compute-optimal frontier, with an exponent of about 0.27. What is
known of it, a summary, does not say whether that is the exponent of the size or of the loss, nor
how compute is counted. Both are measured here, and neither is held to the number.

Here: students with frozen random unit-norm columns, ReLU and bias; the core and the bias are
learned by plain gradient descent on data of density 1, b = 0. Compute is counted from the sizes:
the multiply-adds of training so far, t (B (2 N K + 2 K^2 + n K) + K^2) after t steps with batches
of B samples of n active features, see `jaxsup.reproduce.analysis.frontier.multiply_adds`.

Step sizes are multiples of 1 / (1 + sqrt(N/K))^2, the inverse of the largest eigenvalue of W W^T
for random unit columns (the edge of the Marchenko-Pastur law): at one multiple all widths are
equally far from instability. Every width is trained at each of `RATES`, and its loss at a compute
is that of the best of them, so that no width is best because its steps are larger than another's.
Batch and number of steps are the same for all; neither is optimized.

L*(C) is the lower envelope over K of the mean loss over seeds; K*(C) the lowest point of a parabola
in log-log through the best K and its neighbors. Exponents are slopes over the compute at which the
best K has a trained neighbor on both sides and L* is at most half of the first loss. Intervals
resample the seeds, with the envelope, the step sizes and the window found anew in every draw. They
are about the slope over this window and no more: the slopes over its two halves tell how far the
frontier is from a power law.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Int

from jaxsup import SGD, DiagonalTeacher, Experiment, PowerLawFeatures, Record, Student, Sweep, plot
from jaxsup.plot.style import COLOR_MAP, GUIDE, line_style, plain_log_axis, styled
from jaxsup.reproduce import AbstractFigure, Claim, Findings, Published
from jaxsup.reproduce.analysis.frontier import (
    Measured,
    fitted,
    measure_one,
    multiply_adds,
    why_outside,
)
from jaxsup.reproduce.figure import Records
from jaxsup.reproduce.registry import FIGURES

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

A = (1.1, 1.5)
"""Exponents of the data; b = 0."""
RATES = (2.0, 4.0, 8.0)
"""Step sizes times the largest eigenvalue of W W^T; at 8 the first networks diverge, at 16 most."""
QUANTITIES, PARTS = ("width", "loss"), ("", "_early", "_late")
"""What has an exponent, and over which part of the window: all, lower half, upper half."""
_SOURCE = "arXiv 2602.01045, compute-optimal frontier, by a summary"
_UNKNOWN = (
    "what is known of the source says neither of what the exponent is nor what compute counts"
)


@dataclasses.dataclass(frozen=True)
class Scale:
    """How large the experiment is; widths are half an octave apart, from `smallest` to N."""

    features: int
    smallest: int
    steps: int
    batch_size: int
    seeds: int
    evaluation_samples: int = 8192

    @property
    def widths(self) -> tuple[int, ...]:
        """The widths K, the last of them N."""
        count = round(2 * np.log2(self.features / self.smallest))
        return tuple(round(self.features / 2 ** (k / 2)) for k in range(count, -1, -1))


SCALES = {
    "smoke": Scale(32, 4, 200, 16, 2, 512),
    "quick": Scale(256, 8, 3000, 64, 4),
    "standard": Scale(512, 8, 6000, 64, 4),
    "paper": Scale(1024, 16, 30_000, 256, 5, 65536),
}


@styled
def draw_frontier(measured: Measured, widths: Sequence[int], ax: Axes) -> Axes:
    """Loss against compute, a line a width, with the envelope where it is a frontier.

    Arguments:
        measured: result of `measure_one`.
        widths: K, rising.
        ax: axis to draw on.
    """
    import matplotlib as mpl

    colors = mpl.colormaps[COLOR_MAP](np.linspace(0, 0.92, len(widths)))
    for width, compute, loss, color in zip(
        widths, measured.compute, measured.loss, colors, strict=True
    ):
        ends = width in (widths[0], widths[-1])
        ax.plot(compute, loss, color=color, lw=0.9, label=f"K = {width}" if ends else None)
    frontier = measured.frontier
    window = fitted(frontier, measured.first)
    shown = np.where(window, frontier.loss, np.nan)
    ax.plot(frontier.compute, shown, color="black", lw=2.6, label="frontier: lowest over K")
    if window.any():
        x, y = np.log(frontier.compute[window]), np.log(frontier.loss[window])
        line = np.exp(y.mean() - measured.exponents.loss * (x - x.mean()))
        slopes = (
            measured.exponents.loss,
            measured.exponents.loss_early,
            measured.exponents.loss_late,
        )
        label = "slope −{:.2f} (halves: −{:.2f}, −{:.2f})".format(*slopes)
        ax.plot(
            frontier.compute[window], line, color="#c8553d", lw=1.2, ls=(0, (4, 2)), label=label
        )
    ax.set(xscale="log", yscale="log")
    plain_log_axis(ax.yaxis, measured.loss)
    ax.set_xlabel("compute C (multiply-adds of training so far)")
    ax.set_ylabel("test loss L at the best step size")
    ax.legend(loc="lower left")
    return ax


@styled
def draw_best_widths(found: Sequence[Measured], widths: Sequence[int], ax: Axes) -> Axes:
    """The best width against compute with its power law, a line an a.

    Arguments:
        found: results of `measure_one`.
        widths: K, rising: the two ends bound what could be best.
        ax: axis to draw on.
    """
    for end, words in ((widths[0], "smallest K trained"), (widths[-1], "largest K trained, N")):
        ax.axhline(end, color=GUIDE, linewidth=0.8, linestyle=(0, (4, 2)))
        place = (1, end)
        style: Any = {"textcoords": "offset points", "fontsize": 7, "ha": "right"}
        ax.annotate(words, place, (-2, 2), xycoords=("axes fraction", "data"), **style)
    for position, measured in enumerate(found):
        color = line_style(2 * position)["color"]
        frontier, exponents = measured.frontier, measured.exponents
        window = fitted(frontier, measured.first)
        early = frontier.bracketed & ~window
        ax.plot(frontier.compute[early], frontier.width[early], ".", color=color, alpha=0.3)
        slopes = exponents.width, exponents.width_early, exponents.width_late
        label = "a = {:g}: C^{:.2f} (halves: {:.2f}, {:.2f})".format(measured.a, *slopes)
        ax.plot(
            frontier.compute[window], frontier.width[window], "o", color=color, ms=3, label=label
        )
        if np.isfinite(exponents.width):
            x, y = np.log(frontier.compute[window]), np.log(frontier.width[window])
            line = np.exp(y.mean() + exponents.width * (x - x.mean()))
            ax.plot(frontier.compute[window], line, color=color, lw=1.2)
    ax.plot(
        [], [], ".", color=GUIDE, alpha=0.3, label="before half of the loss is learned: not fitted"
    )
    ax.set(xscale="log", yscale="log", ylim=(0.7 * widths[0], 5 * widths[-1]))
    plain_log_axis(ax.yaxis, widths)
    ax.set_xlabel("compute C (multiply-adds of training so far)")
    ax.set_ylabel("best width K*")
    ax.legend(loc="upper left")
    return ax


class ComputeFrontier(AbstractFigure[Scale]):
    """Loss against compute over widths, its envelope, and exponents of both."""

    name = "frontier"
    title = FIGURES[name].title
    scales = SCALES
    widths = 4

    def configure(self, scale: Scale) -> Sweep:
        """The sweep over a x (K, step size) x seeds."""
        count = scale.features
        experiment = Experiment(
            PowerLawFeatures(count, A[0]),
            DiagonalTeacher(0.0),
            Student(scale.widths[0]),
            SGD(0.5),
            batch_size=scale.batch_size,
            steps=scale.steps,
            record=Record(points=120, evaluation_samples=scale.evaluation_samples),
        )
        pairs = list(itertools.product(scale.widths, RATES))
        condition = {
            "student.latent": [latent for latent, _ in pairs],
            "optimizer.learning_rate": [
                rate / (1 + (count / latent) ** 0.5) ** 2 for latent, rate in pairs
            ],
        }
        return Sweep(experiment, {"features.exponent": A, "condition": condition}, scale.seeds)

    def measure(self, dataset: xr.Dataset, sweep: Sweep) -> Findings:
        """Envelopes and exponents at every a."""
        experiment, features = sweep.experiment, sweep.experiment.features
        assert isinstance(features, PowerLawFeatures)
        widths = np.asarray(sweep.axes[1].fields["student.latent"][:: len(RATES)])
        active = float(features.probabilities.sum())
        batch = experiment.batch_size
        costs = [multiply_adds(features.count, int(K), batch, active) for K in widths]
        compute = np.outer(costs, dataset["step"].values[1:])
        loss = dataset["loss"].transpose("features.exponent", "seed", "condition", "step").values
        loss = loss.reshape(*loss.shape[:2], len(widths), len(RATES), -1).astype(np.float64)
        found = [measure_one(a, widths, compute, rows) for a, rows in zip(A, loss, strict=True)]
        records = [_record(measured, widths) for measured in found]
        figure = self.draw(found, [int(K) for K in widths])
        return Findings(records, self.summarize(records), figure, self.claims(found))

    def summarize(self, records: Records) -> list[str]:
        """Where the frontier lies, and its exponents, some lines an a."""
        lines = []
        for r in records:
            head = f"a = {r['features.exponent']:g}:"
            if r["loss_exponent"] is None:
                lines.append(
                    f"{head} no frontier: no K between two others does best after the start"
                )
                continue
            (low, high), (small, large) = r["window"], r["best_widths"]
            width, loss = ([r[f"{q}_exponent{part}"] for part in PARTS] for q in QUANTITIES)
            lines += [
                f"{head} {r['decades']:.1f} decades of compute, {low:.2g} to {high:.2g} "
                f"multiply-adds, where a K between the smallest and the largest is best",
                f"  best K  ~ C^{width[0]:.3f}, from {small:.0f} to {large:.0f}; over the lower "
                f"half of the window C^{width[1]:.3f}, over the upper C^{width[2]:.3f}",
                f"  loss    ~ C^{-loss[0]:.3f}; over the lower half C^{-loss[1]:.3f}, over the "
                f"upper C^{-loss[2]:.3f}",
                f"  below that, {r['why_not_below']}; above, {r['why_not_above']}",
            ]
        return lines

    def draw(self, found: list[Measured], widths: list[int]) -> Figure:
        """Curves and envelope at every a; the best widths."""
        figure, axes = plot.new_figure(len(found) + 1, width=4.4, height=3.9)
        for measured, ax in zip(found, axes[:-1], strict=True):
            draw_frontier(measured, widths, ax)
            ax.set_title(
                f"a = {measured.a:g}: widths from K = {widths[0]} to {widths[-1]}", fontsize=9
            )
        draw_best_widths(found, widths, axes[-1])
        axes[-1].set_title("which width is best, and its power law", fontsize=9)
        return figure

    def claims(self, found: list[Measured]) -> list[Claim]:
        """Both readings of the published exponent, at every a; neither is held to it."""
        claims = []
        for measured in found:
            for words, estimate in (("best width", measured.size), ("loss", measured.height)):
                claims.append(
                    Claim(
                        f"exponent of the {words} against compute, a = {measured.a:g}",
                        "Along the compute-optimal frontier the exponent is about 0.27.",
                        _SOURCE,
                        Published.about(0.27, 0.05, "about 0.27, not said of what; tolerance 0.05"),
                        estimate,
                        _UNKNOWN,
                    )
                )
        return claims


def _record(measured: Measured, widths: Int[np.ndarray, " widths"]) -> dict[str, Any]:
    frontier, exponents = measured.frontier, measured.exponents
    window = fitted(frontier, measured.first)
    compute, best = frontier.compute[window], frontier.width[window]
    some, places = bool(window.any()), np.flatnonzero(window)
    ends = (int(places[0]), int(places[-1])) if some else (0, 0)
    numbers = {
        f"{quantity}_exponent{part}": getattr(exponents, quantity + part)
        for quantity in QUANTITIES
        for part in PARTS
    }
    return {
        "features.exponent": measured.a,
        **{name: value if np.isfinite(value) else None for name, value in numbers.items()},
        "decades": exponents.decades,
        "window": [float(compute[0]), float(compute[-1])] if some else None,
        "best_widths": [float(best[0]), float(best[-1])] if some else None,
        **{
            f"why_not_{side}": why_outside(frontier, measured.first, point, len(widths))
            for side, point in (("below", ends[0] - 1), ("above", ends[1] + 1))
            if some
        },
        "compute": frontier.compute.tolist(),
        "loss": [None if np.isnan(x) else float(x) for x in frontier.loss],
        "best": [int(widths[k]) for k in frontier.best],
        "best_rate": [RATES[k] for k in measured.rates],
    }
