"""The toy model's geometry: dimensions per feature against sparsity, and the shapes behind it.

Claim (Elhage et al., arXiv 2209.10652, section 5): as features of equal importance grow sparser,
dimensions per feature D* = K / |W|_F^2 fall from 1, rest at 1/2 where features pair up as digons,
and fall on; single features sit at the capacities of regular polytopes.

Shapes are those of `jaxsup.geometry.classify` with noise of 5% forgiven: the weights still carry
that of their last batches. "quick" is smaller than the published setting, and trains at ten times
its rate, which falls to zero; "paper" is the notebook's.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxsup import AdamW, Record, Sweep, WarmupCosine, plot, spectral
from jaxsup.fit import intervals
from jaxsup.geometry import Geometry, classify, feature_shares
from jaxsup.plot import plain_log_axis
from jaxsup.reproduce import toys
from jaxsup.reproduce.claims import Claim, Published
from jaxsup.reproduce.registry import Findings

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

NOISE = 0.05
"""Relative noise on a feature that a name forgives."""
SHORTEST = 0.1
"""Features shorter than this share of the longest one are not represented."""
PLATEAU = 0.05
"""How far from 1/2 the plateau of D* reaches."""


@dataclasses.dataclass(frozen=True)
class Scale:
    """How large the experiment is."""

    features: int
    latent: int
    instances: int
    steps: int
    batch_size: int
    seeds: int
    optimizer: AdamW


_FAST = AdamW(1e-2, weight_decay=1e-2, schedule=WarmupCosine(100))
SCALES = {
    "smoke": Scale(12, 3, 4, 300, 64, 2, _FAST),
    "quick": Scale(100, 10, 16, 5000, 512, 1, _FAST),
    "paper": Scale(200, 20, 20, 10_000, 1024, 4, toys.PUBLISHED_OPTIMIZER),
}


def configure(scale: Scale) -> Sweep:
    """The sweep over densities x starts."""
    record = Record(
        points=24,
        observables=("dimensions_per_feature", "saturation", "localization", "eigenvalue_spread"),
        parameter_steps=(scale.steps,),
        cluster_tolerance=NOISE,
    )
    return toys.elhage_geometry(
        features=scale.features,
        latent=scale.latent,
        instances=scale.instances,
        optimizer=scale.optimizer,
        steps=scale.steps,
        batch_size=scale.batch_size,
        seeds=scale.seeds,
        record=record,
    )


def classify_all(dataset: xr.Dataset) -> list[list[Geometry]]:
    """The geometry of every network, by density and seed."""
    order = ("features.density", "seed", "latent", "feature")
    weights = dataset["embedding"].isel(kept_step=-1).transpose(*order).values
    return [
        [classify(W, tolerance=NOISE, zero_tolerance=SHORTEST) for W in row if np.isfinite(W).all()]
        for row in weights
    ]


def measure(dataset: xr.Dataset, sweep: Sweep) -> Findings:
    """D*, capacities, and the share of features in every named shape, by density."""
    del sweep
    geometries = classify_all(dataset)
    densities = dataset["features.density"].values
    final = dataset.isel(step=-1)
    columns = {
        name: final[name].transpose("features.density", "seed").mean("seed").values
        for name in ("dimensions_per_feature", "saturation", "localization", "loss")
    }
    records: list[dict[str, Any]] = []
    for row, density in enumerate(densities):
        represented = [sum(len(c.features) for c in g.components) for g in geometries[row]]
        shares = feature_shares(geometries[row])
        records.append(
            {
                "density": float(density),
                "inverse_density": float(1 / density),
                **{name: float(values[row]) for name, values in columns.items()},
                "represented": float(np.mean(represented)) if represented else 0.0,
                "shares": shares,
                "named_share": sum(v for k, v in shares.items() if k not in _NAMELESS),
            }
        )
    claims = make_claims(dataset, geometries)
    return Findings(records, _tell(records), _draw(dataset, records), claims)


_NAMELESS = ("irregular", "unnamed scheme")


def plateau(records: list[dict[str, Any]]) -> tuple[float, float] | None:
    """The inverse densities between which D* lies within `PLATEAU` of 1/2; None if nowhere."""
    inside = [
        record["inverse_density"]
        for record in records
        if abs(record["dimensions_per_feature"] - 0.5) <= PLATEAU
    ]
    return (min(inside), max(inside)) if inside else None


def flattest(inverse_density: np.ndarray, stars: np.ndarray) -> np.ndarray:
    """The fifth of the densities over which log D* changes least, D* <= 0.9: indices in a row.

    Arguments:
        inverse_density: [densities], rising.
        stars: [densities], mean D*.
    """
    width = max(2, len(stars) // 5)
    starts = [s for s in range(len(stars) - width + 1) if stars[s : s + width].max() <= 0.9]
    if not starts:
        return np.arange(0)
    change = [abs(np.log(stars[s + width - 1] / stars[s])) for s in starts]
    steps = [np.log(inverse_density[s + width - 1] / inverse_density[s]) for s in starts]
    first = starts[int(np.argmin(np.asarray(change) / np.asarray(steps)))]
    return np.arange(first, first + width)


def make_claims(dataset: xr.Dataset, geometries: list[list[Geometry]]) -> list[Claim]:
    """D* where it is flattest, and how many features are digons there."""
    stars = dataset["dimensions_per_feature"].isel(step=-1).transpose("features.density", "seed")
    inverse = 1 / dataset["features.density"].values
    flat = flattest(inverse, stars.values.mean(axis=1))
    where = ""
    measured = digons = None
    if flat.size:
        where = f" (1/density {inverse[flat[0]]:.1f} to {inverse[flat[-1]]:.1f})"
        measured = intervals.from_samples(stars.values[flat].ravel(), "networks")
        networks = [network for row in flat for network in geometries[row]]
        held = sum(len(part.features) for network in networks for part in network.components)
        if held:
            hits = round(feature_shares(networks).get("digon", 0.0) * held)
            digons = intervals.from_share(hits, held)
    reason = "" if digons else "D* nowhere lies below 0.9: too few densities or steps"
    return [
        Claim(
            f"D* where it is flattest{where}",
            "Dimensions per feature rest at 1/2 over a wide range of sparsity.",
            "arXiv 2209.10652, section 5",
            Published.about(0.5, PLATEAU, f"1/2; tolerance {PLATEAU}"),
            measured,
            reason,
        ),
        Claim(
            f"share of features in digons there{where}",
            "On the plateau features are held in antipodal pairs.",
            "arXiv 2209.10652, section 5",
            Published(0.5, 1.0, "the plateau is that of antipodal pairs; read as most features"),
            digons,
            reason,
        ),
    ]


def _tell(records: list[dict[str, Any]]) -> list[str]:
    found = plateau(records)
    head = (
        f"D* lies within {PLATEAU} of 1/2 for 1 / density from {found[0]:.2f} to {found[1]:.2f}"
        if found
        else f"D* lies nowhere within {PLATEAU} of 1/2"
    )
    lines = [head, "", "1/density     D*  saturation  represented  shapes (share of represented)"]
    for record in records:
        shapes = ", ".join(f"{name} {share:.0%}" for name, share in record["shares"].items())
        lines.append(
            f"{record['inverse_density']:9.2f}  {record['dimensions_per_feature']:5.3f}  "
            f"{record['saturation']:10.3f}  {record['represented']:11.1f}  {shapes}"
        )
    return lines


def _draw(dataset: xr.Dataset, records: list[dict[str, Any]]) -> Figure:
    """D* against sparsity, its way along training, capacities, shapes."""
    figure, axes = plot.new_figure(4, width=4.4, height=3.6)
    densities = dataset["features.density"].values
    order = ("features.density", "seed", "latent", "feature")
    weights = dataset["embedding"].isel(kept_step=-1).transpose(*order).values
    finite = np.isfinite(weights).all(axis=(1, 2, 3))
    stars = dataset["dimensions_per_feature"].isel(step=-1).transpose("seed", "features.density")
    plot.dimension_plateau(1 - densities[finite], stars.values[:, finite], axes[0])
    capacities = [
        np.asarray(spectral.decompose_batch(W, summary=_shown_capacities)) for W in weights[finite]
    ]
    flat = np.asarray(capacities).reshape(int(finite.sum()), -1)
    name = "1 / (1 − S), inverse density of a feature"
    plot.capacity_scatter(flat, axes[1], against=1 / densities[finite], name=name)
    plot.observable_curves(dataset, "dimensions_per_feature", axes[3])
    axes[3].set(yscale="log", ylabel="dimensions per feature D* = K / |W|²")
    plain_log_axis(axes[3].yaxis, stars.values[:, finite])
    plot.geometry_shares(
        [record["inverse_density"] for record in records],
        [record["shares"] for record in records],
        axes[2],
    )
    return figure


def _shown_capacities(spectrum: spectral.FrameSpectrum) -> Any:
    return spectrum.capacities
