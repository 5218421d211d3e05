"""The toy model's introduction: five features in the plane, from dense data to sparse.

Claim (Elhage et al., arXiv 2209.10652, introduction): dense data leave room for the two most
important features only, at right angles; as data grow sparser more features are held, in antipodal
pairs first, and in the end all five as a pentagon.

Here: the public notebook's setting (importance 0.9^i, densities 20^-u), from several starts; of
each density the start of lowest loss is drawn, while the counts are over all of them. A feature is
represented if its vector is longer than half of the longest one. "quick" trains at ten times the
published rate, which falls to zero, for fewer steps.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Bool, Float

from jaxsup import AdamW, Sweep, WarmupCosine, plot
from jaxsup.fit import intervals
from jaxsup.geometry import classify, commonest, composition
from jaxsup.reproduce import toys
from jaxsup.reproduce.claims import Claim, Published
from jaxsup.reproduce.registry import Findings

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

LATENT, FEATURES = 2, 5
SHORTEST = 0.5
"""Features shorter than this share of the longest one are not represented."""
NOISE = 0.1
"""Relative noise on a feature that a name forgives: unequal importance bends the shapes."""
_DRAWN = 5
"""Densities that are drawn."""


@dataclasses.dataclass(frozen=True)
class Scale:
    """How large the experiment is."""

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


def configure(scale: Scale) -> Sweep:
    """The sweep over densities x starts."""
    return toys.elhage_introduction(
        features=FEATURES,
        latent=LATENT,
        instances=scale.instances,
        optimizer=scale.optimizer,
        steps=scale.steps,
        batch_size=scale.batch_size,
        seeds=scale.seeds,
    )


def represented(W: Float[np.ndarray, "*networks latent features"]) -> Bool[np.ndarray, "..."]:  # noqa: UP037 - a shape
    """Which features are longer than `SHORTEST` of their network's longest, [..., features]."""
    norms = np.linalg.norm(W, axis=-2)
    return norms > SHORTEST * norms.max(axis=-1, keepdims=True)


def measure(dataset: xr.Dataset, sweep: Sweep) -> Findings:
    """How many features are held at each density, and as what."""
    del sweep
    order = ("features.density", "seed", "latent", "feature")
    weights = dataset["embedding"].isel(kept_step=-1).transpose(*order).values
    losses = dataset["loss"].isel(step=-1).transpose("features.density", "seed").values
    held = represented(weights)
    records: list[dict[str, Any]] = []
    for row, density in enumerate(dataset["features.density"].values.tolist()):
        names = [
            composition(classify(W, tolerance=NOISE, zero_tolerance=SHORTEST)) for W in weights[row]
        ]
        name, times = commonest(names)
        records.append(
            {
                "density": density,
                "represented": held[row].sum(axis=1).tolist(),
                "two_most_important": int((held[row] == (np.arange(FEATURES) < 2)).all(1).sum()),
                "geometry": name,
                "geometry_starts": times,
                "starts": len(names),
                "loss": float(losses[row].min()),
            }
        )
    best = weights[np.arange(len(weights)), losses.argmin(axis=1)]
    return Findings(records, tell(records), draw(records, best), make_claims(records))


def make_claims(records: list[dict[str, Any]]) -> list[Claim]:
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


def tell(records: list[dict[str, Any]]) -> list[str]:
    """A line a density."""
    lines = ["density  represented (mean)  commonest geometry (starts)"]
    lines += [
        f"{r['density']:7.3f}  {np.mean(r['represented']):18.2f}  {r['geometry']} "
        f"({r['geometry_starts']} of {r['starts']})"
        for r in records
    ]
    return lines


def draw(records: list[dict[str, Any]], best: np.ndarray) -> Figure:
    """The five feature vectors of the best start at some densities, and how many are held."""
    chosen = np.unique(np.linspace(0, len(records) - 1, _DRAWN).round().astype(int))
    figure, axes = plot.new_figure(len(chosen) + 1, width=2.7, height=3.1)
    for ax, row in zip(axes, chosen.tolist(), strict=False):
        plot.feature_directions(best[row], ax, reach=float(np.abs(best).max()))
        ax.set_title(f"density {records[row]['density']:.2g}", fontsize=9)
    axes[0].set_ylabel("second latent dimension")
    axes[-1].set_title("how many are held", fontsize=9)
    counts = np.array([record["represented"] for record in records]).T
    densities = [record["density"] for record in records]
    plot.represented_counts(densities, counts, axes[-1], features=FEATURES, latent=LATENT)
    return figure
