"""The toy model's geometry: dimensions per feature against sparsity, and their shapes.

Claim (Elhage et al., arXiv 2209.10652, section 5): as features of equal importance grow sparser,
dimensions per feature D* = K / |W|_F^2 fall from 1, rest at 1/2 where features pair up as digons,
and fall on; single features sit at the capacities of regular polytopes.

Shapes are those of `jaxsup.geometry.classify` with noise of 5% forgiven: the weights still carry
that of their last batches. "quick" is smaller than the published setting, and trains at ten times
its rate, which falls to zero; "paper" is the notebook's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from jax import Array
from jaxtyping import Float, Int

from jaxsup import AdamW, Sweep, WarmupCosine, plot, spectral
from jaxsup.fit import intervals
from jaxsup.geometry import Geometry
from jaxsup.geometry.census import feature_shares
from jaxsup.plot.style import plain_log_axis
from jaxsup.reproduce import AbstractFigure, Claim, Findings, Published, toys
from jaxsup.reproduce.analysis.autoencoders import (
    AutoencoderScale,
    autoencoder_sweep,
    classify_finite,
    last_weights,
)
from jaxsup.reproduce.analysis.capacities import draw_capacities, draw_plateau
from jaxsup.reproduce.analysis.geometry_shares import draw_geometry_shares
from jaxsup.reproduce.figure import Records
from jaxsup.reproduce.registry import FIGURES

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

PLATEAU = 0.05
"""How far from 1/2 the plateau of D* reaches."""
_FAST = AdamW(1e-2, weight_decay=1e-2, schedule=WarmupCosine(100))
SCALES = {
    "smoke": AutoencoderScale(12, 3, 4, 300, 64, 2, _FAST),
    "quick": AutoencoderScale(100, 10, 16, 5000, 512, 1, _FAST),
    "paper": AutoencoderScale(200, 20, 20, 10_000, 1024, 4, toys.PUBLISHED_OPTIMIZER),
}
_OBSERVABLES = ("dimensions_per_feature", "saturation", "localization", "eigenvalue_spread")
_NAMELESS = ("irregular", "unnamed scheme")


def plateau(records: Records) -> tuple[float, float] | None:
    """The inverse densities between which D* lies within `PLATEAU` of 1/2; None if nowhere."""
    inside = [
        record["inverse_density"]
        for record in records
        if abs(record["dimensions_per_feature"] - 0.5) <= PLATEAU
    ]
    return (min(inside), max(inside)) if inside else None


def flattest(
    inverse_density: Float[np.ndarray, " densities"], stars: Float[np.ndarray, " densities"]
) -> Int[np.ndarray, " fifth"]:
    """The fifth of the densities over which log D* changes least, D* <= 0.9: indices in a row.

    Arguments:
        inverse_density: rising.
        stars: mean D*.
    """
    width = max(2, len(stars) // 5)
    starts = [s for s in range(len(stars) - width + 1) if stars[s : s + width].max() <= 0.9]
    if not starts:
        return np.arange(0)
    change = [abs(np.log(stars[s + width - 1] / stars[s])) for s in starts]
    steps = [np.log(inverse_density[s + width - 1] / inverse_density[s]) for s in starts]
    first = starts[int(np.argmin(np.asarray(change) / np.asarray(steps)))]
    return np.arange(first, first + width)


def _capacities(spectrum: spectral.FrameSpectrum) -> Float[Array, " features"]:
    return spectrum.capacities


def _count_digons(network: Geometry) -> tuple[int, int]:
    """Features in digons, and represented features."""
    sizes = [(part.name, len(part.features)) for part in network.components]
    return sum(n for name, n in sizes if name == "digon"), sum(n for _, n in sizes)


def _share_of_first(counts: Int[np.ndarray, "networks 2"]) -> float:
    """Sum of the first column over that of the second; NaN for nothing of nothing."""
    part, whole = counts.sum(axis=0)
    return float(part) / float(whole) if whole else float("nan")


class ToyGeometry(AbstractFigure[AutoencoderScale]):
    """Dimensions per feature, capacities and named shapes, over density."""

    name = "toy-geometry"
    title = FIGURES[name].title
    scales = SCALES

    def configure(self, scale: AutoencoderScale) -> Sweep:
        """The sweep over densities x starts."""
        return autoencoder_sweep(scale, _OBSERVABLES)

    def measure(self, dataset: xr.Dataset, sweep: Sweep) -> Findings:
        """D*, capacities, and the share of features in every named shape, by density."""
        del sweep
        geometries = [classify_finite(networks) for networks in last_weights(dataset)]
        densities = dataset["features.density"].values
        final = dataset.isel(step=-1)
        columns = {
            name: final[name].transpose("features.density", "seed").mean("seed").values
            for name in ("dimensions_per_feature", "saturation", "localization", "loss")
        }
        records: Records = []
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
        claims = self.claims(dataset, geometries)
        return Findings(records, self.summarize(records), self.draw(dataset, records), claims)

    def summarize(self, records: Records) -> list[str]:
        """Where the plateau is, then a line a density."""
        ends = plateau(records)
        head = (
            f"D* lies within {PLATEAU} of 1/2 for 1 / density from {ends[0]:.2f} to {ends[1]:.2f}"
            if ends
            else f"D* lies nowhere within {PLATEAU} of 1/2"
        )
        lines = [
            head,
            "",
            "1/density     D*  saturation  represented  shapes (share of represented)",
        ]
        for record in records:
            shapes = ", ".join(f"{name} {share:.0%}" for name, share in record["shares"].items())
            lines.append(
                f"{record['inverse_density']:9.2f}  {record['dimensions_per_feature']:5.3f}  "
                f"{record['saturation']:10.3f}  {record['represented']:11.1f}  {shapes}"
            )
        return lines

    def draw(self, dataset: xr.Dataset, records: Records) -> Figure:
        """D* against sparsity, its way along training, capacities, shapes."""
        figure, axes = plot.new_figure(4, width=4.4, height=3.6)
        densities = dataset["features.density"].values
        weights = last_weights(dataset)
        finite = np.isfinite(weights).all(axis=(1, 2, 3))
        stars = (
            dataset["dimensions_per_feature"].isel(step=-1).transpose("seed", "features.density")
        )
        draw_plateau(1 / densities[finite], stars.values[:, finite], axes[0])
        capacities = [
            np.asarray(spectral.decompose_batch(W, summary=_capacities)) for W in weights[finite]
        ]
        flat = np.asarray(capacities).reshape(int(finite.sum()), -1)
        draw_capacities(flat, axes[1], inverse_density=1 / densities[finite])
        plot.observable_curves(dataset, "dimensions_per_feature", axes[3])
        axes[3].set(yscale="log", ylabel="dimensions per feature D* = K / |W|²")
        plain_log_axis(axes[3].yaxis, stars.values[:, finite])
        draw_geometry_shares(
            [record["inverse_density"] for record in records],
            [record["shares"] for record in records],
            axes[2],
        )
        return figure

    def claims(self, dataset: xr.Dataset, geometries: list[list[Geometry]]) -> list[Claim]:
        """D* where it is flattest, and how many features are digons there."""
        stars = (
            dataset["dimensions_per_feature"].isel(step=-1).transpose("features.density", "seed")
        )
        inverse = 1 / dataset["features.density"].values
        flat = flattest(inverse, stars.values.mean(axis=1))
        where = ""
        measured = digons = None
        if flat.size:
            where = f" (1/density {inverse[flat[0]]:.1f} to {inverse[flat[-1]]:.1f})"
            measured = intervals.from_samples(stars.values[flat].ravel(), "networks")
            networks = [network for row in flat for network in geometries[row]]
            # Features of one network are no independent trials: networks are.
            counts = np.array([_count_digons(network) for network in networks])
            if counts[:, 1].any():
                digons = intervals.from_bootstrap(
                    counts, _share_of_first, what="networks", ends=(0.0, 1.0)
                )
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
                Published(
                    0.5, 1.0, "the plateau is that of antipodal pairs; read as most features"
                ),
                digons,
                reason,
            ),
        ]
