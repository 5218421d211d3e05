"""Energy levels: random starts end at a few discrete losses, each with a geometry of its own.

Claim (Elhage et al., arXiv 2209.10652, section 7; arXiv 2602.02224 names the geometries): what is
learned is one of a few regular arrangements, and the loss jumps between them.

Here: ReLU autoencoders on one active feature, trained from random starts by the exact gradient of
the closed-form loss, so that nothing but the start decides and a level is as sharp as rounding
allows.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from jaxsup import Sweep, plot
from jaxsup.fit import intervals
from jaxsup.fit.intervals import Estimate
from jaxsup.geometry import classify, commonest, composition
from jaxsup.reproduce import toys
from jaxsup.reproduce.analysis.energy_levels import Level, find_levels
from jaxsup.reproduce.claims import Claim, Published
from jaxsup.reproduce.registry import Findings

if TYPE_CHECKING:
    import xarray as xr

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


def configure(scale: Scale) -> Sweep:
    """The sweep over (N, K) x starts."""
    return toys.one_active(sizes=scale.sizes, steps=scale.steps, seeds=scale.seeds)


class Named(NamedTuple):
    """A level with the geometry of its runs.

    Attributes:
        level: loss, spread and runs.
        geometry: what most of the classified runs are made of.
        agreeing: how many of them.
        classified: how many were looked at.
    """

    level: Level
    geometry: str
    agreeing: int
    classified: int


def name_levels(losses: np.ndarray, weights: np.ndarray) -> list[Named]:
    """The levels of `losses` [runs] with the geometries of `weights` [runs, K, N]."""
    named = []
    for level in find_levels(losses):
        chosen = level.members[:_NAMED_RUNS]
        word, agreeing = commonest([composition(classify(weights[run])) for run in chosen])
        named.append(Named(level, word, agreeing, len(chosen)))
    return named


def measure(dataset: xr.Dataset, sweep: Sweep) -> Findings:
    """Levels, geometries and shares of every network size."""
    axis = sweep.axes[0]
    sizes = list(zip(axis.fields["features.count"], axis.fields["student.latent"], strict=True))
    figure, axes = plot.new_figure(len(sizes), width=3.9, height=4.4)
    records: list[dict[str, Any]] = []
    text: list[str] = []
    claims: list[Claim] = []
    for position, (count, latent) in enumerate(sizes):
        one = dataset.isel({axis.dim: position, "kept_step": -1})
        losses = one["loss"].isel(step=-1).transpose("seed").values
        weights = one["embedding"].transpose("seed", "latent", "feature").values
        levels = name_levels(losses, weights[:, :latent, :count])
        text += ["", *_table(count, latent, levels, len(losses))]
        records += [_record(count, latent, named, len(losses)) for named in levels]
        ax = np.atleast_1d(axes)[position]
        plot.energy_levels(
            losses,
            [(named.level.loss, named.geometry, len(named.level.members)) for named in levels],
            ax,
        )
        ax.set_title(f"N = {count} features, K = {latent} dimensions", fontsize=9)
        if (count, latent) == (5, 2):
            claims = make_claims(levels)
    return Findings(records, text[1:], figure, claims)


def make_claims(levels: list[Named]) -> list[Claim]:
    """How few levels five features in the plane end in, and what the lowest one is."""
    ground = levels[0]
    sizes = np.repeat(np.arange(len(levels)), [len(named.level.members) for named in levels])
    spread = Estimate(
        ground.level.loss,
        ground.level.loss - ground.level.spread,
        ground.level.loss + ground.level.spread,
        f"spread of {len(ground.level.members)} runs",
    )
    agreeing = ground.agreeing if ground.geometry == "pentagon" else 0
    return [
        Claim(
            "levels that hold 95% of starts, N = 5, K = 2",
            "Training moves between a few discrete losses, each an arrangement of its own.",
            "arXiv 2209.10652, section 7",
            Published(1, _FEW, f"a few; read as at most {_FEW}"),
            intervals.from_bootstrap(sizes, _levels_needed, what="starts"),
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
            "closed form of arXiv 2602.02224's loss, minimised over regular pentagons",
            Published.about(PENTAGON_LOSS, 1e-3 * PENTAGON_LOSS, f"{PENTAGON_LOSS}, to 0.1%"),
            spread,
        ),
    ]


def _levels_needed(levels: np.ndarray) -> float:
    """How many levels hold 95% of `levels`, the level of each run."""
    shares = np.sort(np.bincount(levels))[::-1] / len(levels)
    return float(np.searchsorted(np.cumsum(shares), 0.95 - 1e-9) + 1)


def _record(count: int, latent: int, named: Named, runs: int) -> dict[str, Any]:
    return {
        "features": count,
        "latent": latent,
        "loss": named.level.loss,
        "spread": named.level.spread,
        "runs": len(named.level.members),
        "share": len(named.level.members) / runs,
        "geometry": named.geometry,
        "classified": named.classified,
        "agreeing": named.agreeing,
    }


def _table(count: int, latent: int, levels: list[Named], runs: int) -> list[str]:
    lines = [f"N = {count}, K = {latent}: {len(levels)} levels of {runs} starts"]
    lines.append(f"  {'loss':>10}  {'spread':>7}  {'share':>6}  geometry")
    for named in levels:
        share = len(named.level.members) / runs
        line = f"  {named.level.loss:10.8f}  {named.level.spread:7.1g}  {share:6.1%}  "
        line += named.geometry
        if named.agreeing < named.classified:
            line += f" (in {named.agreeing} of {named.classified} looked at)"
        lines.append(line)
    return lines
