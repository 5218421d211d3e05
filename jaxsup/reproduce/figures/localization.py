"""Saturation forces localization: both measured on many autoencoders, all along training.

Claim ("Spectral Superposition: A Theory of Feature Geometry", arXiv 2602.02224): capacities add up
to at most the rank, and they reach it exactly when every feature lies in one eigenspace of the
frame operator; trained networks come close to saturation.

Here: autoencoders of the toy model over a range of sparsity. Localization is measured without
clusters by the spread of the eigenvalue that a feature sees, std(lambda) / mean(lambda) under its
spectral measure, zero if it is localized. Since 1 - sum_i D_i / rank is
sum_i |w_i|^2 (E[1/lambda] - 1/E[lambda]) / rank, the deficit is quadratic in a small spread, with
equal weights its mean square. So records within `DEFICIT` of saturation may not have a spread far
above its root: that is the measured form of "forces". The slope over all records, which also mixes
networks whose features differ, is told beside it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Int
from scipy.stats import linregress, spearmanr

from jaxsup import AdamW, Sweep, WarmupCosine, plot
from jaxsup.fit import intervals
from jaxsup.geometry.census import feature_shares
from jaxsup.plot.style import GUIDE, plain_log_axis, styled
from jaxsup.reproduce import AbstractFigure, Claim, Findings, Published
from jaxsup.reproduce.analysis.autoencoders import (
    AutoencoderScale,
    autoencoder_sweep,
    classify_finite,
    last_weights,
)
from jaxsup.reproduce.analysis.geometry_shares import draw_geometry_shares
from jaxsup.reproduce.figure import Records
from jaxsup.reproduce.registry import FIGURES

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NEAR = 0.95
"""Saturation from which a network counts as saturated."""
DEFICIT = 1e-3
"""1 - saturation below which a record counts as saturated."""
_SPREADS = (3e-3, 0.3)
"""Spreads between which the slope is measured."""


_OPTIMIZER = AdamW(1e-2, weight_decay=0.0, schedule=WarmupCosine(50))
SCALES = {
    "smoke": AutoencoderScale(8, 3, 3, 200, 64, 2, _OPTIMIZER),
    "quick": AutoencoderScale(24, 8, 12, 3000, 256, 8, _OPTIMIZER),
    "paper": AutoencoderScale(64, 16, 20, 20_000, 1024, 64, _OPTIMIZER),
}
Curves = Float[np.ndarray, "densities seeds steps"]
Points = Float[np.ndarray, " points"]


def deficit_slope(points: Float[np.ndarray, "networks 2 steps"]) -> float:
    """Slope of log(1 - saturation) against log(spread) within `_SPREADS`; NaN: too few points.

    Arguments:
        points: saturation and spread of every network at every recorded step.
    """
    saturation, spread = points[:, 0].ravel(), points[:, 1].ravel()
    inside = (spread > _SPREADS[0]) & (spread < _SPREADS[1]) & (saturation < 1)
    if inside.sum() < 8:
        return float("nan")
    line: Any = linregress(np.log(spread[inside]), np.log(1 - saturation[inside]))
    return float(line.slope)


def spread_when_saturated(points: Float[np.ndarray, "networks 2 steps"]) -> float:
    """95th percentile of the spread over the records within `DEFICIT` of saturation; NaN: none."""
    saturation, spread = points[:, 0], points[:, 1]
    near = spread[saturation >= 1 - DEFICIT]
    return float(np.percentile(near, 95)) if near.size else float("nan")


def rank_correlation(points: Float[np.ndarray, "networks 2"]) -> float:
    """Spearman's correlation of final saturation and spread; NaN without variance."""
    if not np.ptp(points, axis=0).all():
        return float("nan")
    correlation: Any = spearmanr(points[:, 0], points[:, 1])
    return float(np.clip(correlation.statistic, -1.0, 1.0))


@styled
def draw_saturation(
    localization: Points, saturation: Points, ax: Axes, *, steps: Int[np.ndarray, " points"]
) -> Axes:
    """Capacity saturation against mean localization, one point a network and recorded step.

    Arguments:
        localization: in [0, 1].
        saturation: in [0, 1] up to rounding.
        ax: axis to draw on.
        steps: shade of the point, light to dark, on a logarithmic scale.
    """
    x, y = localization, saturation
    _scatter(x, y, steps, ax)
    ax.plot(1, 1, "+", color="black", markersize=11, label="saturated and localized")
    ax.set(xlim=(min(0.0, float(x.min())) - 0.02, 1.04), ylim=(float(y.min()) - 0.03, 1.03))
    ax.set_xlabel("localization (mean participation of eigenspaces)")
    ax.set_ylabel("capacity saturation, sum of D over rank")
    ax.legend(loc="lower right")
    return ax


@styled
def draw_deficit(
    spread: Points, saturation: Points, ax: Axes, *, steps: Int[np.ndarray, " points"]
) -> Axes:
    """1 - saturation against eigenvalue spread on logarithmic axes, with the guide of slope 2.

    Arguments:
        spread: >= 0; points at zero and saturated ones cannot be drawn.
        saturation: in [0, 1] up to rounding.
        ax: axis to draw on.
        steps: as in `draw_saturation`.
    """
    x, y = spread, saturation
    positive = (x > 0) & (y < 1 - 1e-7)
    ax.set(xscale="log", yscale="log")
    _scatter(x[positive], 1 - y[positive], steps[positive], ax)
    if positive.any():
        ends = np.array([x[positive].min(), x[positive].max()])
        style = {"color": GUIDE, "linewidth": 1.0, "linestyle": (0, (4, 2))}
        # Above the cloud: the constant in front depends on the norms.
        scale = float(np.max((1 - y[positive]) / x[positive] ** 2))
        ax.plot(ends, scale * ends**2, label="slope 2", **style)
        ax.legend(loc="lower right")
        plain_log_axis(ax.xaxis, ends)
    ax.set_xlabel("spread of a feature's eigenvalue (relative)")
    ax.set_ylabel("1 − capacity saturation")
    return ax


def _scatter(x: Points, y: Points, steps: Int[np.ndarray, " points"], ax: Axes) -> None:
    order = np.argsort(steps, kind="stable")
    shades = np.log1p(steps)[order]
    points = ax.scatter(x[order], y[order], 9, shades, cmap="viridis_r", alpha=0.7, linewidths=0)
    last = float(steps.max()) if steps.size else 1.0
    ticks = [t for t in (0, 10, 100, 1000, 10_000) if t <= last]
    bar = ax.figure.colorbar(points, ax=ax, location="top", label="training steps", aspect=35)
    bar.set_ticks(np.log1p(ticks).tolist(), labels=[f"{t:,}" for t in ticks])


class Localization(AbstractFigure[AutoencoderScale]):
    """Saturation and localization of toy autoencoders over density, all along training."""

    name = "localization"
    title = FIGURES[name].title
    scales = SCALES

    def configure(self, scale: AutoencoderScale) -> Sweep:
        """The sweep over densities x starts; decay-free, so that nothing but the loss shapes W."""
        return autoencoder_sweep(scale, ("saturation", "localization", "eigenvalue_spread"))

    def measure(self, dataset: xr.Dataset, sweep: Sweep) -> Findings:
        """Saturation, spread and shapes by density; slope and correlation over all networks."""
        del sweep
        order = ("features.density", "seed", "step")
        names = ("saturation", "eigenvalue_spread", "localization")
        values = {name: dataset[name].transpose(*order).values for name in names}
        weights = last_weights(dataset)
        records: Records = []
        for row, density in enumerate(dataset["features.density"].values.tolist()):
            records.append(
                {
                    "density": density,
                    **{name: float(np.nanmean(values[name][row, :, -1])) for name in names},
                    "saturated_share": float(np.mean(values["saturation"][row, :, -1] >= NEAR)),
                    "shares": feature_shares(classify_finite(weights[row])),
                }
            )
        pair = np.stack([values["saturation"], values["eigenvalue_spread"]], axis=2)
        points = pair.reshape(-1, *pair.shape[2:]).astype(np.float64)
        points = points[np.isfinite(points).all(axis=(1, 2))]
        figure = self.draw(dataset, values, records)
        return Findings(
            records,
            self.summarize(records, points),
            figure,
            self.claims(points, pair[-1, :, 0, -1]),
        )

    def summarize(
        self, records: Records, points: Float[np.ndarray, "networks 2 steps"]
    ) -> list[str]:
        """The largest saturation of all, then a line a density."""
        lines = [
            f"{points.shape[0] * points.shape[2]:,} records of {len(points)} networks; "
            f"largest saturation {points[:, 0].max():.6f}, never above 1 but for rounding",
            f"slope of log(1 - saturation) against log(spread): {deficit_slope(points):.2f}",
            "",
            f"density  saturation  at least {NEAR}  spread  localization  "
            "shapes (share of represented)",
        ]
        for r in records:
            shapes = ", ".join(f"{name} {share:.0%}" for name, share in r["shares"].items())
            lines.append(
                f"{r['density']:7.3f}  {r['saturation']:10.3f}  {r['saturated_share']:13.0%}  "
                f"{r['eigenvalue_spread']:6.3f}  {r['localization']:12.3f}  {shapes}"
            )
        return lines

    def draw(self, dataset: xr.Dataset, values: dict[str, Curves], records: Records) -> Figure:
        """Saturation against localization and spread; along training; shapes by sparsity."""
        figure, axes = plot.new_figure(4, width=4.1, height=3.6)
        steps = np.broadcast_to(dataset["step"].values, values["saturation"].shape)
        for draw, name, ax in (
            (draw_saturation, "localization", axes[0]),
            (draw_deficit, "eigenvalue_spread", axes[1]),
        ):
            x, y = values[name].astype(np.float64), values["saturation"].astype(np.float64)
            finite = np.isfinite(x) & np.isfinite(y)
            draw(x[finite], y[finite], ax, steps=steps[finite])
        plot.observable_curves(dataset, "saturation", axes[2])
        inverse = [1 / record["density"] for record in records]
        draw_geometry_shares(inverse, [record["shares"] for record in records], axes[3])
        return figure

    def claims(
        self,
        points: Float[np.ndarray, "networks 2 steps"],
        sparsest: Float[np.ndarray, " seeds"],
    ) -> list[Claim]:
        """The exact relation, its trend over networks, and whether training saturates.

        Arguments:
            points: saturation and spread of every network at every recorded step.
            sparsest: final saturation at the lowest density.
        """
        source = "arXiv 2602.02224, capacity saturation"
        reach = 2 * DEFICIT**0.5
        saturated = np.isfinite(spread_when_saturated(points))
        final = points[:, :, -1]
        related = np.isfinite(rank_correlation(final))
        return [
            Claim(
                f"spread (95th percentile) of records within {DEFICIT:g} of saturation",
                "Saturation forces localization: every feature lies in one eigenspace.",
                source,
                Published(0.0, reach, f"0; read as at most twice the root of {DEFICIT:g}"),
                intervals.from_bootstrap(
                    points, spread_when_saturated, what="networks", ends=(0.0, np.inf)
                )
                if saturated
                else None,
                "" if saturated else "no record is saturated",
            ),
            Claim(
                "rank correlation of saturation and spread, trained networks",
                "The nearer a network is to saturation, the more localized its features are.",
                source,
                Published(-1.0, -0.8, "forces; read as a rank correlation of -0.8 or beyond"),
                intervals.from_bootstrap(final, rank_correlation, what="networks", ends=(-1.0, 1.0))
                if related
                else None,
                "" if related else "no variance over networks",
            ),
            Claim(
                "mean saturation of trained networks at the lowest density",
                "Trained networks in superposition saturate their capacity.",
                source,
                Published(NEAR, 1.0, f"saturated; read as {NEAR} or more"),
                intervals.from_samples(sparsest.astype(np.float64), ends=(0.0, 1.0)),
            ),
        ]
