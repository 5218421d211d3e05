"""The toy model's introduction: five features in the plane, from dense data to sparse.

Claim (Elhage et al., arXiv 2209.10652, introduction): dense data leave room for the two most
important features only, at right angles; as data grow sparser more features are held, in antipodal
pairs first, and in the end all five as a pentagon.

Here: the public notebook's setting (importance 0.9^i, densities 20^-u), from several starts; of
each density the start of lowest loss is drawn, while the counts are over all of them. A feature is
held if its vector is longer than half of the longest one. "quick" trains at ten times the
published rate, which falls to zero, for fewer steps.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float, Int
from matplotlib import colormaps

from jaxsup import AdamW, Sweep, WarmupCosine, plot
from jaxsup.fit import intervals
from jaxsup.geometry import classify
from jaxsup.geometry.census import composition
from jaxsup.plot.style import COLORS, GUIDE, plain_log_axis, styled
from jaxsup.reproduce import AbstractFigure, Claim, Findings, Published, toys
from jaxsup.reproduce.analysis.autoencoders import last_weights
from jaxsup.reproduce.figure import Records
from jaxsup.reproduce.registry import FIGURES

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LATENT, FEATURES = 2, 5
SHORTEST = 0.5
"""Features shorter than this share of the longest one are not held: the reading of the pictures."""
NOISE = 0.1
"""Relative noise on a feature that a name forgives: unequal importance bends the shapes."""
_DRAWN = 5
"""Densities that are drawn."""


@dataclasses.dataclass(frozen=True)
class Scale:
    """How large the experiment is: arguments of `jaxsup.reproduce.toys.elhage_introduction`."""

    instances: int
    steps: int
    batch_size: int
    seeds: int
    optimizer: AdamW


_FAST = AdamW(1e-2, weight_decay=1e-2, schedule=WarmupCosine(100))
SCALES = {
    "smoke": Scale(3, 300, 128, 2, _FAST),
    "quick": Scale(10, 5000, 256, 24, _FAST),
    "paper": Scale(10, 10_000, 1024, 64, toys.PUBLISHED_OPTIMIZER),
}


def longer_than_half(
    W: Float[np.ndarray, "*networks latent features"],
) -> Bool[np.ndarray, "*networks features"]:
    """Which features are longer than `SHORTEST`, a half, of their network's longest."""
    norms = np.linalg.norm(W, axis=-2)
    return norms > SHORTEST * norms.max(axis=-1, keepdims=True)


@styled
def draw_directions(W: Float[np.ndarray, "2 features"], ax: Axes, *, reach: float) -> Axes:
    """Features in the plane as rays from the origin, dark to light from the first to the last.

    Arguments:
        W: columns, one a feature.
        ax: axis to draw on.
        reach: > 0, largest coordinate of all panels, so that side by side they have one scale.
    """
    shades = colormaps["viridis"](np.linspace(0, 0.9, W.shape[1]))
    for index, (point, shade) in enumerate(zip(W.T, shades, strict=True)):
        ax.plot([0, point[0]], [0, point[1]], color=shade, linewidth=1.6)
        ax.plot(*point, "o", color=shade, markersize=5)
        if np.hypot(*point) < 0.15 * reach:
            continue  # not represented: its number would lie on the others'
        away = point * (1 + 0.16 * reach / max(float(np.hypot(*point)), 0.16 * reach))
        ax.annotate(f"{index + 1}", tuple(away.tolist()), ha="center", va="center", fontsize=7.5)
    ax.set(xlim=(-1.3 * reach, 1.3 * reach), ylim=(-1.3 * reach, 1.3 * reach))
    ax.set_aspect("equal")
    ax.set_xlabel("first latent dimension")
    return ax


@styled
def draw_counts(
    density: Float[np.ndarray, " densities"], counts: Int[np.ndarray, "starts densities"], ax: Axes
) -> Axes:
    """How many features are held against inverse density: every start, and the mean.

    Arguments:
        density: in (0, 1].
        counts: of features, 0..N.
        ax: axis to draw on.
    """
    x = 1 / density
    for place, column in zip(x, counts.T, strict=True):
        levels, times = np.unique(column, return_counts=True)
        sizes = 90 * times / len(counts)
        ax.scatter(np.full(len(levels), place), levels, sizes, color=COLORS[3], zorder=2)
    ax.plot(x, counts.mean(axis=0), color=COLORS[0], label="mean of starts", zorder=3)
    for level, words in ((LATENT, f"K = {LATENT}"), (FEATURES, f"N = {FEATURES}")):
        ax.axhline(level, color=GUIDE, linewidth=0.8, linestyle=(0, (4, 2)))
        ax.annotate(
            words,
            (0, level),
            xycoords=("axes fraction", "data"),
            xytext=(3, 3),
            textcoords="offset points",
            fontsize=7,
        )
    ax.set(xscale="log", ylim=(0, FEATURES + 0.6))
    plain_log_axis(ax.xaxis, x)
    ax.set_xlabel("inverse density of a feature")
    ax.set_ylabel("features (area: share of starts)")
    ax.legend(loc="lower right")
    return ax


class ToyIntro(AbstractFigure[Scale]):
    """Which of five features are held in the plane, over density."""

    name = "toy-intro"
    title = FIGURES[name].title
    scales = SCALES

    def configure(self, scale: Scale) -> Sweep:
        """The sweep over densities x starts."""
        return toys.elhage_introduction(features=FEATURES, latent=LATENT, **vars(scale))

    def measure(self, dataset: xr.Dataset, sweep: Sweep) -> Findings:
        """How many features are represented at each density, and as what."""
        del sweep
        weights = last_weights(dataset)
        losses = dataset["loss"].isel(step=-1).transpose("features.density", "seed").values
        represented = longer_than_half(weights)
        records: Records = []
        for row, density in enumerate(dataset["features.density"].values.tolist()):
            names = Counter(
                composition(classify(W, tolerance=NOISE, zero_tolerance=SHORTEST))
                for W in weights[row]
            )
            name, times = names.most_common(1)[0]
            records.append(
                {
                    "density": density,
                    "represented": represented[row].sum(axis=1).tolist(),
                    "two_most_important": int(
                        (represented[row] == (np.arange(FEATURES) < 2)).all(1).sum()
                    ),
                    "geometry": name,
                    "geometry_starts": times,
                    "starts": names.total(),
                    "loss": float(losses[row].min()),
                }
            )
        best = weights[np.arange(len(weights)), losses.argmin(axis=1)]
        return Findings(
            records, self.summarize(records), self.draw(records, best), self.claims(records)
        )

    def summarize(self, records: Records) -> list[str]:
        """A line a density."""
        lines = ["density  represented (mean)  commonest geometry (starts)"]
        lines += [
            f"{r['density']:7.3f}  {np.mean(r['represented']):18.2f}  {r['geometry']} "
            f"({r['geometry_starts']} of {r['starts']})"
            for r in records
        ]
        return lines

    def draw(
        self, records: Records, best: Float[np.ndarray, "densities latent features"]
    ) -> Figure:
        """The five feature vectors of the best start at some densities, and how many are held."""
        rows = np.unique(np.linspace(0, len(records) - 1, _DRAWN).round().astype(int))
        figure, axes = plot.new_figure(len(rows) + 1, width=2.7, height=3.1)
        for ax, row in zip(axes, rows.tolist(), strict=False):
            draw_directions(best[row], ax, reach=float(np.abs(best).max()))
            ax.set_title(f"density {records[row]['density']:.2g}", fontsize=9)
        axes[0].set_ylabel("second latent dimension")
        axes[-1].set_title("how many are held", fontsize=9)
        counts = np.array([record["represented"] for record in records]).T
        draw_counts(np.array([record["density"] for record in records]), counts, axes[-1])
        return figure

    def claims(self, records: Records) -> list[Claim]:
        """The two ends of the range of densities."""
        dense, sparse = records[0], records[-1]
        source = "arXiv 2209.10652, introduction"
        return [
            Claim(
                "share of starts that hold the two most important features alone, dense data",
                "Without sparsity the model holds the two most important features and no others.",
                source,
                Published(0.5, 1.0, "the two most important; read as most starts"),
                intervals.from_share(dense["two_most_important"], dense["starts"]),
            ),
            Claim(
                f"share of starts that hold all five features, density {sparse['density']:g}",
                "At high sparsity all five features are held.",
                source,
                Published(0.5, 1.0, "all five; read as most starts"),
                intervals.from_share(
                    sum(count == FEATURES for count in sparse["represented"]), sparse["starts"]
                ),
            ),
            Claim(
                f"share of starts that end in a pentagon, density {sparse['density']:g}",
                "At high sparsity the five features form a pentagon.",
                source,
                Published(0.5, 1.0, "a pentagon; read as most starts"),
                intervals.from_share(
                    sparse["geometry_starts"] if sparse["geometry"] == "pentagon" else 0,
                    sparse["starts"],
                ),
            ),
        ]
