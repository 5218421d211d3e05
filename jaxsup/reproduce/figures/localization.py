"""Saturation forces localisation: both measured on many autoencoders, all along their training.

Claim ("Spectral Superposition: A Theory of Feature Geometry", arXiv 2602.02224): capacities add up
to at most the rank, and they reach it exactly when every feature lies in one eigenspace of the
frame operator; trained networks come close to saturation.

Here: autoencoders of the toy model over a range of sparsity. Localisation is measured without
clusters by the spread of the eigenvalue that a feature sees, std(lambda) / mean(lambda) under its
spectral measure, zero if it is localised. Since 1 - sum_i D_i / rank is
sum_i |w_i|^2 (E[1/lambda] - 1/E[lambda]) / rank, the deficit is quadratic in a small spread, with
equal weights its mean square. So records within `DEFICIT` of saturation may not have a spread far
above its root: that is the measured form of "forces". The slope over all records, which also mixes
networks whose features differ, is told beside it.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from jaxsup import AdamW, Record, Sweep, WarmupCosine, plot
from jaxsup.fit import intervals
from jaxsup.geometry import classify, feature_shares
from jaxsup.reproduce import toys
from jaxsup.reproduce.claims import Claim, Published
from jaxsup.reproduce.registry import Findings

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

NOISE = 0.05
"""Relative noise on a feature that a name and an eigenspace forgive."""
SHORTEST = 0.1
"""Features shorter than this share of the longest one are not represented."""
NEAR = 0.95
"""Saturation from which a network counts as saturated."""
DEFICIT = 1e-3
"""1 - saturation below which a record counts as saturated."""
_SPREADS = (3e-3, 0.3)
"""Spreads between which the slope is measured."""


@dataclasses.dataclass(frozen=True)
class Scale:
    """How large the experiment is."""

    features: int
    latent: int
    instances: int
    steps: int
    batch_size: int
    seeds: int


SCALES = {
    "smoke": Scale(8, 3, 3, 200, 64, 2),
    "quick": Scale(24, 8, 12, 3000, 256, 8),
    "paper": Scale(64, 16, 20, 20_000, 1024, 64),
}


def configure(scale: Scale) -> Sweep:
    """The sweep over densities x starts; decay-free, so that nothing but the loss shapes W."""
    return toys.elhage_geometry(
        features=scale.features,
        latent=scale.latent,
        instances=scale.instances,
        optimizer=AdamW(1e-2, weight_decay=0.0, schedule=WarmupCosine(50)),
        steps=scale.steps,
        batch_size=scale.batch_size,
        seeds=scale.seeds,
        record=Record(
            points=24,
            observables=("saturation", "localization", "eigenvalue_spread"),
            parameter_steps=(scale.steps,),
            cluster_tolerance=NOISE,
        ),
    )


def deficit_slope(points: Float[np.ndarray, "networks 2 steps"]) -> float:
    """Slope of log(1 - saturation) against log(spread) within `_SPREADS`; NaN: too few points.

    Arguments:
        points: saturation and spread of every network at every recorded step.
    """
    saturation, spread = points[:, 0].ravel(), points[:, 1].ravel()
    inside = (spread > _SPREADS[0]) & (spread < _SPREADS[1]) & (saturation < 1)
    if inside.sum() < 8:
        return float("nan")
    return float(np.polyfit(np.log(spread[inside]), np.log(1 - saturation[inside]), 1)[0])


def spread_when_saturated(points: Float[np.ndarray, "networks 2 steps"]) -> float:
    """95th percentile of the spread over the records within `DEFICIT` of saturation; NaN: none."""
    saturation, spread = points[:, 0], points[:, 1]
    near = spread[saturation >= 1 - DEFICIT]
    return float(np.percentile(near, 95)) if near.size else float("nan")


def rank_correlation(points: Float[np.ndarray, "networks 2"]) -> float:
    """Spearman's correlation of final saturation and spread; NaN without variance."""
    ranks = np.argsort(np.argsort(points, axis=0), axis=0).astype(np.float64)
    if not ranks.std(axis=0).all():
        return float("nan")
    return float(np.asarray(np.corrcoef(ranks.T))[0, 1])


def measure(dataset: xr.Dataset, sweep: Sweep) -> Findings:
    """Saturation, spread and named shapes by density; slope and correlation over all networks."""
    del sweep
    order = ("features.density", "seed", "step")
    names = ("saturation", "eigenvalue_spread", "localization")
    values = {name: dataset[name].transpose(*order).values for name in names}
    weights = dataset["embedding"].isel(kept_step=-1)
    weights = weights.transpose("features.density", "seed", "latent", "feature").values
    records: list[dict[str, Any]] = []
    for row, density in enumerate(dataset["features.density"].values.tolist()):
        geometries = [
            classify(W, tolerance=NOISE, zero_tolerance=SHORTEST)
            for W in weights[row]
            if np.isfinite(W).all()
        ]
        records.append(
            {
                "density": density,
                **{name: float(np.nanmean(values[name][row, :, -1])) for name in names},
                "saturated_share": float(np.mean(values["saturation"][row, :, -1] >= NEAR)),
                "shares": feature_shares(geometries),
            }
        )
    pair = np.stack([values["saturation"], values["eigenvalue_spread"]], axis=2)
    points = pair.reshape(-1, *pair.shape[2:]).astype(np.float64)
    points = points[np.isfinite(points).all(axis=(1, 2))]
    figure = draw(dataset, values, records)
    return Findings(records, tell(records, points), figure, make_claims(points, pair[-1, :, 0, -1]))


def make_claims(points: np.ndarray, sparsest: np.ndarray) -> list[Claim]:
    """The exact relation, its trend over networks, and whether training saturates."""
    source = "arXiv 2602.02224, capacity saturation"
    reach = 2 * DEFICIT**0.5
    saturated = np.isfinite(spread_when_saturated(points))
    final = points[:, :, -1]
    related = np.isfinite(rank_correlation(final))
    return [
        Claim(
            f"spread (95th percentile) of records within {DEFICIT:g} of saturation",
            "Saturation forces localisation: every feature lies in one eigenspace.",
            source,
            Published(0.0, reach, f"0; read as at most twice the root of {DEFICIT:g}"),
            intervals.from_bootstrap(points, spread_when_saturated, what="networks")
            if saturated
            else None,
            "" if saturated else "no record is saturated",
        ),
        Claim(
            "rank correlation of saturation and spread, trained networks",
            "The nearer a network is to saturation, the more localised its features are.",
            source,
            Published(-1.0, -0.8, "forces; read as a rank correlation of -0.8 or beyond"),
            intervals.from_bootstrap(final, rank_correlation, what="networks") if related else None,
            "" if related else "no variance over networks",
        ),
        Claim(
            "mean saturation of trained networks at the lowest density",
            "Trained networks in superposition saturate their capacity.",
            source,
            Published(NEAR, 1.0, f"saturated; read as {NEAR} or more"),
            intervals.from_samples(sparsest.astype(np.float64)),
        ),
    ]


def tell(records: list[dict[str, Any]], points: np.ndarray) -> list[str]:
    """The largest saturation of all, then a line a density."""
    lines = [
        f"{points.shape[0] * points.shape[2]:,} records of {len(points)} networks; "
        f"largest saturation {points[:, 0].max():.6f}, never above 1 but for rounding",
        f"slope of log(1 - saturation) against log(spread): {deficit_slope(points):.2f}",
        "",
        f"density  saturation  at least {NEAR}  spread  localisation  "
        "shapes (share of represented)",
    ]
    for r in records:
        shapes = ", ".join(f"{name} {share:.0%}" for name, share in r["shares"].items())
        lines.append(
            f"{r['density']:7.3f}  {r['saturation']:10.3f}  {r['saturated_share']:13.0%}  "
            f"{r['eigenvalue_spread']:6.3f}  {r['localization']:12.3f}  {shapes}"
        )
    return lines


def draw(
    dataset: xr.Dataset, values: dict[str, np.ndarray], records: list[dict[str, Any]]
) -> Figure:
    """Saturation against localisation and against spread; along training; shapes by sparsity."""
    figure, axes = plot.new_figure(4, width=4.1, height=3.6)
    steps = np.broadcast_to(dataset["step"].values, values["saturation"].shape)
    plot.saturation_scatter(values["localization"], values["saturation"], axes[0], steps=steps)
    plot.saturation_deficit(values["eigenvalue_spread"], values["saturation"], axes[1], steps=steps)
    plot.observable_curves(dataset, "saturation", axes[2])
    inverse = [1 / record["density"] for record in records]
    plot.geometry_shares(inverse, [record["shares"] for record in records], axes[3])
    return figure
