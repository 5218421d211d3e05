"""The atlas: over which data, channels and optimizers the training exponent is about 1.

Claim ("Superposition unifies power-law training dynamics", arXiv 2602.01045): in superposition the
training exponent is about 1, independent of data and channel statistics.

**Protocol**, fixed before the run that is shown; step sizes, one alternative value law and the
lengths of training were changed after pilots in which networks diverged, could not represent their
targets, or were still rising at the end; the test for growth without a limit was added after
seeing them. Sparse power-law data, teacher diag(i^-b), students phi(W^T B W
x + c), B from standard deviation 1e-3 and c from 0, loss 1/2 E |phi(z) - y|^2. Reference, nearest
to the source: N/K = 2, random frozen W, ReLU, SGD, density 1, values on [0, 2]. Three parts, one
sweep:

- *Grid*, all of a x b x N/K x embedding (frozen, learned, and W = I without superposition) at one
  N, the reference elsewhere.
- *Ladder*, the frozen students of the grid at several N; the large ones at the smallest N/K only,
  the largest at b = 0 only.
- *Screen*, all eleven factors at once, on a design that confounds no main effect and no interaction
  of two factors (`jaxsup.reproduce.analysis.atlas_design`). It cannot see: what lies between or
  beyond its levels (most factors have two), and interactions of structural factors from three on,
  which it confounds with others. Step sizes of SGD and Adam are different things, and a smaller
  step also means less training: the number of updates is that of N.

*Exponents*, the same for every student, of the mean curve of all seeds: that of the first and of
the last power law before the floor (`jaxsup.fit.regimes` at its defaults), and the steepest local
exponent over about half a decade (`atlas_table.measure_steepest`), which curves that climb
steadily have too. A last law may end with training instead of at a floor; a steepest stretch at
the end of training counts as *rising*. Times are step size x updates.

*What decides*: shares of variance and changes of the exponent over the screen, by least squares.
*N -> infinity*: q(N) = q + c f(N) with f = 1/log N, N^-1/2, 1/N, weighted by the seeds' errors;
the interval is the hull of the three 95% intervals. It holds only if one of these forms does: where
q + c log N, which has no limit, fits as well as the best of them, no limit is claimed.

**Sizes.** Quick, two cores, minutes: 10,352 networks of N = 32 to 256. So small, no law has room
for decades, floors of the bottleneck or of gradient noise are near, and a limit from four sizes
within a factor of eight is a guess with an interval. Paper, accelerator: 102,000 networks, N to
4,096. At B (3 N K + 2 K^2) multiply-adds a step (2 N K more where W learns), K padded to N/2, they
take 3.6e17 FLOP, 3.4 hours of one card at 30 TFLOP/s (an H200 reaches 68 where W is large and
frozen); the longest of its 38 programs (N = 4,096) takes 34 minutes at 30. What is trained is
checkpointed every minute, so that `timeout 470 jaxsup reproduce universality --scale paper
--resume`, again and again, goes on in pieces of eight minutes.
"""

from __future__ import annotations

import dataclasses
import itertools
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from jaxsup import SGD, DiagonalTeacher, Experiment, PowerLawFeatures, Record, Student, Sweep
from jaxsup.fit import intervals
from jaxsup.reproduce import AbstractFigure, Claim, Findings, Published
from jaxsup.reproduce.analysis import atlas_design, atlas_panels, atlas_table
from jaxsup.reproduce.analysis.atlas_design import AtlasSweep, Setting
from jaxsup.reproduce.analysis.atlas_parts import Parts
from jaxsup.reproduce.analysis.atlas_table import RESPONSES
from jaxsup.reproduce.analysis.size_limits import Ladder
from jaxsup.reproduce.registry import FIGURES

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

NEAR = (0.8, 1.2)
"""Exponents that count as about 1."""
_SOURCE = "arXiv 2602.01045, abstract"
_ABOUT_ONE = "In superposition the exponent is about 1, independent of data and channel statistics."
_QUICK: dict[str, tuple[Any, ...]] = {
    "a": (1.1, 2.0),
    "b": (0.0, 0.5),
    "ratio": (2, 4),
    "step": (1.0, 0.5),
    "density": (1.0, 3.0),
    "slope": (0.0, 1.0),
    "features": (32, 64),
    "batch_size": (32, 8),
    "optimizer": ("SGD", "Adam"),
    "values": ("uniform", "unit"),
    "embedding": ("random", "learned"),
}
_VARIED = ("a", "step", "embedding")
_SMOKE = {name: levels if name in _VARIED else levels[:1] for name, levels in _QUICK.items()}
_PAPER = {**_QUICK, "a": (1.1, 1.3, 1.5, 2.0), "b": (0.0, 0.25, 0.5), "ratio": (2, 4, 8)}


@dataclasses.dataclass(frozen=True)
class Scale:
    """How large the atlas is.

    Attributes:
        steps: updates of every N; the N are those of the ladder.
        base: N of the grid.
        large: b of those N of the ladder that have the smallest N/K and not all b.
        a, b, ratios: levels of the grid; the smallest ratio and b first.
        levels: of the screen's factors, the reference first.
        seeds, evaluation_samples, sampling: as sweeps and experiments take them.
    """

    steps: dict[int, int]
    base: int
    large: dict[int, tuple[float, ...]]
    a: tuple[float, ...]
    b: tuple[float, ...]
    ratios: tuple[int, ...]
    levels: dict[str, tuple[Any, ...]]
    seeds: int
    evaluation_samples: int = 1024
    # One law of samples for sparse and dense data: fewer programs to compile.
    sampling: str = "dense"

    def settings(self) -> list[Setting]:
        """All settings: the grid with its ladder, then the screen."""
        names = ("step", "density", "slope", "batch_size", "optimizer", "values")
        reference = {name: self.levels[name][0] for name in names}
        frozen = [("random", ratio) for ratio in self.ratios]
        others = [("identity", 1), *(("learned", ratio) for ratio in self.ratios)]
        sizes = [N for N in self.steps if N not in self.large]
        grids = [
            atlas_design.grid(frozen, self.a, self.b, sizes, reference),
            *(
                atlas_design.grid(frozen[:1], self.a, b, [N], reference)
                for N, b in self.large.items()
            ),
            atlas_design.grid(others, self.a, self.b, [self.base], reference),
        ]
        return [*itertools.chain(*grids), *atlas_design.screen(self.levels)]


SCALES = {
    "smoke": Scale(
        {16: 200, 24: 200, 32: 200},
        16,
        {32: (0.0,)},
        (1.1, 2.0),
        (0.0,),
        (2,),
        _SMOKE | {"features": (16,)},
        2,
        128,
    ),
    "quick": Scale(
        {32: 2000, 64: 2400, 128: 6000, 256: 10_000},
        64,
        {128: (0.0, 0.25, 0.5, 1.0), 256: (0.0,)},
        (1.1, 1.2, 1.35, 1.5, 1.75, 2.0),
        (0.0, 0.25, 0.5, 1.0),
        (2, 4, 8),
        _QUICK,
        8,
        768,
    ),
    "paper": Scale(
        {128: 10_000, 256: 10_000, 512: 20_000, 1024: 30_000, 2048: 30_000, 4096: 30_000},
        512,
        {2048: (0.0,), 4096: (0.0,)},
        (1.1, 1.2, 1.3, 1.5, 1.75, 2.0),
        (0.0, 0.125, 0.25, 0.5, 1.0),
        (2, 4, 8),
        _PAPER | {"features": (128, 512), "batch_size": (256, 64)},
        20,
        8192,
        "auto",
    ),
}


class Universality(AbstractFigure[Scale]):
    """Exponents of a designed atlas of conditions, what decides them, and how N moves them."""

    name = "universality"
    title = FIGURES[name].title
    scales = SCALES
    widths = 1

    def configure(self, scale: Scale) -> Sweep:
        """The sweep over settings x seeds: one axis, since the design is no full grid."""
        experiment = Experiment(
            PowerLawFeatures(scale.base, scale.a[0]),
            DiagonalTeacher(scale.b[0]),
            Student(scale.base // 2),
            SGD(1.0),
            steps=scale.steps[scale.base],
            sampling=scale.sampling,
            record=Record(points=64, evaluation_samples=scale.evaluation_samples),
        )
        return AtlasSweep(experiment, scale.settings(), scale.steps, scale.seeds)

    def measure(self, dataset: xr.Dataset, sweep: Sweep) -> Findings:
        """Exponents of all settings, what decides them, and how N moves them."""
        assert isinstance(sweep, AtlasSweep)
        table = atlas_table.tabulate(dataset, sweep)
        base = next(each.features for each in sweep.settings if each.embedding == "identity")
        parts = Parts.of(table, base)
        records = atlas_table.to_records(table)
        return Findings(records, self.summarize(parts), self.draw(parts), self.claims(parts))

    def summarize(self, parts: Parts) -> list[str]:
        """Counts, what leaving each reference level changes, and the ladders over N."""
        return parts.lines(NEAR)

    def draw(self, parts: Parts) -> Figure:
        """The grid, what decides, and both against N."""
        return atlas_panels.draw(parts, NEAR)

    def claims(self, parts: Parts) -> list[Claim]:
        """How far "about 1, whatever data and channels are" reaches."""
        theirs = parts.frozen
        words = f"frozen, ReLU, SGD, N = {parts.base}"
        screen = f"all {len(parts.screen)} settings of the screen"
        return [
            _share_claim(screen, parts.screen, "last"),
            _share_claim(words, theirs, "last"),
            _share_claim(words, theirs, "steepest"),
            _median_claim(words, theirs),
            _spread_claim(parts),
            *(_limit_claim(ladder) for ladder in parts.ladders if ladder.b == 0),
        ]


def _share_claim(words: str, table: pd.DataFrame, response: str) -> Claim:
    """Of all settings: one without a power law is not near 1."""
    near = int(table[response].between(*NEAR).sum())
    return Claim(
        f"share with a {RESPONSES[response]} within {NEAR[0]:g}..{NEAR[1]:g}: {words}",
        _ABOUT_ONE,
        _SOURCE,
        Published(0.9, 1.0, "universal; read as 90% of settings within 0.8..1.2"),
        intervals.from_share(near, len(table)) if len(table) else None,
        "" if len(table) else "no setting was trained",
    )


def _median_claim(words: str, table: pd.DataFrame) -> Claim:
    exponents = table["last"].dropna().to_numpy()
    enough = len(exponents) > 1
    return Claim(
        f"median exponent of the last power law: {words}",
        _ABOUT_ONE,
        _SOURCE,
        Published.about(1.0, 0.2, "about 1; tolerance 0.2"),
        intervals.from_bootstrap(exponents, np.median, what="settings") if enough else None,
        "" if enough else "fewer than two settings have a power law",
    )


def _spread_claim(parts: Parts) -> Claim:
    """Spread of last exponents over (a, b): frozen at the smallest N/K against W = I, paired."""
    pairs, base = parts.pairs, parts.base
    enough = len(pairs) > 2
    return Claim(
        f"spread of last power laws over (a, b), frozen at the smallest N/K over W = I, N = {base}",
        "Superposition makes exponents independent of data and channels.",
        _SOURCE,
        Published(0.0, 0.5, "independent; read as at most half the spread without"),
        intervals.from_bootstrap(pairs, _spread_ratio, what="laws", ends=(0.0, np.inf))
        if enough
        else None,
        "" if enough else "fewer than three laws (a, b) have a power law on both sides",
    )


def _spread_ratio(pairs: Float[np.ndarray, "laws 2"]) -> float:
    """Standard deviation of the first column over that of the second; NaN where that is 0."""
    inside, outside = pairs.std(axis=0)
    return float(inside / outside) if outside > 0 else float("nan")


def _limit_claim(ladder: Ladder) -> Claim:
    """What the steepest local exponent tends to as N grows."""
    limit, reason = ladder.limit, ""
    if limit is None:
        reason = "fewer than three sizes reach it before training ends"
    elif ladder.unlimited is not None:
        reason = f"growth without a limit, {ladder.unlimited} a doubling of N, fits as well"
    return Claim(
        f"steepest local exponent, N -> infinity, frozen, ReLU, SGD, a = {ladder.a:g}, b = 0",
        _ABOUT_ONE,
        _SOURCE,
        Published.about(1.0, 0.2, "about 1; tolerance 0.2"),
        limit,
        reason,
    )
