"""Energy levels: random starts end at a few discrete losses, each with its own geometry.

Claim (Elhage et al., arXiv 2209.10652, section 7; arXiv 2602.02224 names the geometries): what is
learned is one of a few regular arrangements, and the loss jumps between them.

Here: ReLU autoencoders on one active feature, trained from random starts by the exact gradient of
the closed-form loss, so that nothing but the start decides and a level is as sharp as rounding
allows.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from jaxsup import Sweep, plot
from jaxsup.fit import intervals
from jaxsup.fit.intervals import Estimate
from jaxsup.geometry import classify
from jaxsup.geometry.census import composition
from jaxsup.plot.style import COLORS, GUIDE, MARKERS, styled
from jaxsup.reproduce import AbstractFigure, Claim, Findings, Published, toys
from jaxsup.reproduce.analysis.energy_levels import Level, find_levels
from jaxsup.reproduce.registry import FIGURES

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_NAMED_LEVELS = 5
"""Levels that have a name in the picture: those of most runs."""
_NAMED_RUNS = 16
"""Runs of a level that are classified: they agree, or the text says how many do."""
PENTAGON_LOSS = 0.01582563
"""Least closed-form loss of a regular pentagon: radius 1.170460, bias -0.282297."""
_FEW = 5
"""What "a few" is taken to mean."""


@dataclasses.dataclass(frozen=True)
class Scale:
    """How large the experiment is."""

    sizes: tuple[tuple[int, int], ...]
    steps: int
    seeds: int


SCALES = {
    "smoke": Scale(((5, 2),), 2000, 12),
    "quick": Scale(((5, 2), (6, 2), (8, 3), (12, 4)), 4000, 256),
    "paper": Scale(((5, 2), (6, 2), (8, 3), (12, 4), (16, 5), (24, 8)), 20_000, 4096),
}


class Named(NamedTuple):
    """A level with the geometry of its runs.

    Attributes:
        level: loss, spread and runs.
        geometry: what most of the classified runs are made of.
        agreeing: how many of them.
        classified: how many were classified.
    """

    level: Level
    geometry: str
    agreeing: int
    classified: int

    @property
    def runs(self) -> int:
        """How many runs ended at this level."""
        return len(self.level.members)


class Ending(NamedTuple):
    """Where the runs of a network size ended.

    Attributes:
        features, latent: N and K.
        losses: final ones; NaN where diverged.
        levels: by rising loss.
    """

    features: int
    latent: int
    losses: Float[np.ndarray, " runs"]
    levels: list[Named]


def name_levels(
    losses: Float[np.ndarray, " runs"], weights: Float[np.ndarray, "runs latent features"]
) -> list[Named]:
    """The levels of the losses with the geometries of the weights."""
    levels = []
    for level in find_levels(losses):
        members = level.members[:_NAMED_RUNS]
        words = Counter(composition(classify(weights[run])) for run in members)
        word, agreeing = words.most_common(1)[0]
        levels.append(Named(level, word, agreeing, len(members)))
    return levels


def levels_needed(levels: Int[np.ndarray, " runs"]) -> float:
    """How many levels hold 95% of the runs.

    Arguments:
        levels: the level of each run, counted from 0.
    """
    shares = np.sort(np.bincount(levels))[::-1] / len(levels)
    return float(np.searchsorted(np.cumsum(shares), 0.95 - 1e-9) + 1)


@styled
def draw_levels(ending: Ending, ax: Axes) -> Axes:
    """Final losses of many runs, sorted: a staircase with a name for each of the commonest treads.

    Arguments:
        ending: where the runs of a network size ended; at least one has not diverged.
        ax: axis to draw on.
    """
    values = np.sort(ending.losses[np.isfinite(ending.losses)].astype(np.float64))
    ax.grid(visible=False, axis="x")
    start = 0
    levels = ending.levels
    common = sorted(range(len(levels)), key=lambda i: -levels[i].runs)[:_NAMED_LEVELS]
    rarer = len(levels) - len(common)
    for index, named in enumerate(levels):
        loss, runs = named.level.loss, named.runs
        place = common.index(index) if index in common else None
        share = f"{100 * runs / len(values):.0f}%" if runs >= 0.01 * len(values) else "<1%"
        label = f"{loss:.4g} ({share}): {named.geometry}" if place is not None else None
        x = 100 * (start + np.arange(runs) + 0.5) / len(values)
        ax.axhline(loss, color="#cccccc", linewidth=0.7, zorder=1)
        ax.plot(
            x,
            values[start : start + runs],
            linestyle="none",
            marker="o" if place is None else MARKERS[place % len(MARKERS)],
            color=GUIDE if place is None else COLORS[place % len(COLORS)],
            markersize=3 if place is None else 5,
            zorder=3,
            label=label,
        )
        start += runs
    if rarer:
        label = f"{rarer} rarer level{'s' * (rarer > 1)}"
        ax.plot([], [], "o", color=GUIDE, markersize=3, label=label)
    high = max(float(values[-1]), np.finfo(float).tiny)
    ax.set(xlim=(-2, 102), ylim=(-0.03 * high, 1.1 * high))
    ax.set_xlabel("starts, sorted by loss (%)")
    ax.legend(
        loc="upper left",
        bbox_to_anchor=(-0.15, -0.17),
        title="final loss (share of starts): geometry",
        title_fontsize=8,
        alignment="left",
    )
    ax.set_ylabel("final loss (squared feature units)")
    ax.set_title(f"N = {ending.features} features, K = {ending.latent} dimensions", fontsize=9)
    return ax


class EnergyLevels(AbstractFigure[Scale]):
    """Final losses of many starts and the geometries behind them, a panel a network size."""

    name = "energy-levels"
    title = FIGURES[name].title
    scales = SCALES

    def configure(self, scale: Scale) -> Sweep:
        """The sweep over (N, K) x starts."""
        return toys.one_active(sizes=scale.sizes, steps=scale.steps, seeds=scale.seeds)

    def measure(self, dataset: xr.Dataset, sweep: Sweep) -> Findings:
        """Levels, geometries and shares of every network size."""
        axis = sweep.axes[0]
        sizes = zip(axis.fields["features.count"], axis.fields["student.latent"], strict=True)
        endings = []
        for position, (count, latent) in enumerate(sizes):
            networks = dataset.isel({axis.name: position, "kept_step": -1})
            losses = networks["loss"].isel(step=-1).transpose("seed").values
            weights = networks["embedding"].transpose("seed", "latent", "feature").values
            levels = name_levels(losses, weights[:, :latent, :count])
            endings.append(Ending(count, latent, losses, levels))
        records = [
            {
                "features": ending.features,
                "latent": ending.latent,
                "loss": named.level.loss,
                "spread": named.level.spread,
                "runs": named.runs,
                "share": named.runs / len(ending.losses),
                "geometry": named.geometry,
                "classified": named.classified,
                "agreeing": named.agreeing,
            }
            for ending in endings
            for named in ending.levels
        ]
        text = self.summarize(endings)
        return Findings(records, text, self.draw(endings), self.claims(endings))

    def summarize(self, endings: list[Ending]) -> list[str]:
        """A table a network size, a line a level."""
        lines = []
        for ending in endings:
            size = f"N = {ending.features}, K = {ending.latent}"
            lines += ["", f"{size}: {len(ending.levels)} levels of {len(ending.losses)} starts"]
            lines.append(f"  {'loss':>10}  {'spread':>7}  {'share':>6}  geometry")
            for named in ending.levels:
                share = named.runs / len(ending.losses)
                line = f"  {named.level.loss:10.8f}  {named.level.spread:7.1g}  {share:6.1%}  "
                line += named.geometry
                if named.agreeing < named.classified:
                    line += f" (in {named.agreeing} of {named.classified} classified)"
                lines.append(line)
        return lines[1:]

    def draw(self, endings: list[Ending]) -> Figure:
        """A staircase a network size."""
        figure, axes = plot.new_figure(len(endings), width=3.9, height=4.4)
        for ending, ax in zip(endings, np.atleast_1d(axes), strict=True):
            draw_levels(ending, ax)
        return figure

    def claims(self, endings: list[Ending]) -> list[Claim]:
        """How few levels five features in the plane end in, and what the lowest one is."""
        plane = [ending for ending in endings if (ending.features, ending.latent) == (5, 2)]
        if not plane:
            return []
        levels = plane[0].levels
        ground = levels[0]
        level_of_run = np.repeat(np.arange(len(levels)), [named.runs for named in levels])
        spread = Estimate(
            ground.level.loss,
            ground.level.loss - ground.level.spread,
            ground.level.loss + ground.level.spread,
            f"spread of {ground.runs} runs",
        )
        agreeing = ground.agreeing if ground.geometry == "pentagon" else 0
        return [
            Claim(
                "levels that hold 95% of starts, N = 5, K = 2",
                "Training moves between a few discrete losses, each an arrangement of its own.",
                "arXiv 2209.10652, section 7",
                Published(1, _FEW, f"a few; read as at most {_FEW}"),
                intervals.from_bootstrap(
                    level_of_run, levels_needed, what="starts", ends=(1.0, np.inf)
                ),
            ),
            Claim(
                "share of the lowest level's runs named pentagon",
                "Five features in the plane are best held as a regular pentagon.",
                "arXiv 2209.10652, section 5; arXiv 2602.02224 names the scheme",
                Published(0.95, 1.0, "a regular pentagon; all but 5%"),
                intervals.from_share(agreeing, ground.classified),
            ),
            Claim(
                "loss of the lowest level",
                "The lowest level is the loss of the regular pentagon at its best radius and bias.",
                "closed form of arXiv 2602.02224's loss, minimized over regular pentagons",
                Published.about(PENTAGON_LOSS, 1e-3 * PENTAGON_LOSS, f"{PENTAGON_LOSS}, to 0.1%"),
                spread,
            ),
        ]
