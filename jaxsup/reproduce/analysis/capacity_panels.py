"""The picture of a capacity sweep: six panels, each with what a random matrix shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from jaxsup import plot
from jaxsup._internal.places import even_places
from jaxsup.plot.style import COLORS, GUIDE, MARKERS, plain_log_axis, say_instead, styled
from jaxsup.reproduce.analysis.capacity_claims import PRINTED, PUBLISHED_SIZE, STEP
from jaxsup.reproduce.analysis.capacity_table import (
    QUANTITIES,
    TOLERANCES,
    Row,
    ToleranceCurve,
)
from jaxsup.spectral.nulls import gaussian_null

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_PUBLISHED: Any = {
    "marker": "o",
    "markersize": 8,
    "markerfacecolor": "none",
    "markeredgecolor": "black",
    "markeredgewidth": 1.0,
    "linestyle": "",
    "zorder": 5,
}
_MOST_WIDTHS = 5


def draw(
    rows: Sequence[Row],
    nulls: Float[np.ndarray, "lines 4"],
    curves: Sequence[ToleranceCurve],
    dataset: xr.Dataset,
) -> Figure:
    """Six panels.

    Arguments:
        rows: result of `capacity_table.measure_rows`.
        nulls: result of `capacity_table.null_lines`.
        curves: result of `capacity_table.measure_tolerances`.
        dataset: of the sweep, for what was recorded along training.
    """
    figure, axes = plot.new_figure(3, rows=2, width=4.3, height=3.6)
    draw_against_sparsity(rows, axes[0, 0], "deficit", "1 − Σ D / rank")
    draw_against_sparsity(rows, axes[0, 1], "spread", "sd / mean of λ, by leverage")
    draw_against_sparsity(rows, axes[0, 2], "mean_eigenvalue", "mean λ, by leverage")
    draw_lines(rows, nulls, axes[1, 0])
    draw_tolerances(curves, axes[1, 1])
    draw_training(dataset, axes[1, 2])
    axes[0, 0].set_title("Distance from saturation")
    axes[0, 1].set_title("Spread of a feature's eigenvalue")
    axes[0, 2].set_title("Mean of a feature's eigenvalue")
    axes[1, 0].set_title("Linear law: D = |w|² / λ")
    axes[1, 1].set_title("One eigenspace: a matter of tolerance")
    axes[1, 2].set_title("Distance from saturation along training")
    return figure


def shown_widths(rows: Sequence[Row]) -> list[int]:
    """Up to five widths, evenly over those that there are."""
    widths = sorted({row.latent for row in rows})
    return [widths[place] for place in even_places(len(widths), _MOST_WIDTHS)]


@styled
def draw_against_sparsity(rows: Sequence[Row], ax: Axes, quantity: str, label: str) -> Axes:
    """Means over networks; dotted: the Gaussian null; circles: the published network."""
    for place, latent in enumerate(shown_widths(rows)):
        some = sorted((r for r in rows if r.latent == latent), key=lambda row: row.sparsity)
        x = [row.sparsity for row in some]
        y = [float(np.mean(QUANTITIES[quantity](row))) for row in some]
        color, features = COLORS[place], some[0].features
        marker = MARKERS[place]
        ax.plot(x, y, color=color, marker=marker, markersize=3.5, label=f"K = {latent}")
        null = gaussian_null(latent, features)
        level = {"deficit": 1 - null.saturation, "spread": null.eigenvalue_spread}.get(quantity)
        if level:
            ax.axhline(level, color=color, linewidth=0.9, linestyle=(0, (1, 2)))
    if quantity != "mean_eigenvalue":
        ax.plot([], [], color=GUIDE, linewidth=0.9, linestyle=(0, (1, 2)), label="Gaussian matrix")
    else:
        ax.axhline(2, color=GUIDE, linewidth=0.8, linestyle=(0, (4, 2)), label="2: antipodal pairs")
    if PUBLISHED_SIZE in {(row.features, row.latent) for row in rows}:
        x = [row.sparsity for row in PRINTED]
        y = [getattr(row, quantity) for row in PRINTED]
        ax.plot(x, y, label="published, K = 112", **_PUBLISHED)
    ax.axvline(STEP, color="#bbbbbb", linewidth=0.8, zorder=0)
    ax.set_yscale("log")
    low, high = ax.get_ylim()
    lines = -(-len(ax.get_legend_handles_labels()[0]) // 2)
    ax.set_ylim(low, high * (high / low) ** (0.1 * lines))  # room for the legend
    ax.set_xlabel("sparsity S, probability that a feature is 0")
    ax.set_ylabel(label)
    ax.legend(loc="upper left", ncols=2, fontsize=7)
    return ax


@styled
def draw_lines(rows: Sequence[Row], nulls: Float[np.ndarray, "lines 4"], ax: Axes) -> Axes:
    """Slope of D against |w|^2 in an eigenspace, times the lambda that the law divides by.

    Crosses: Gaussian matrices of the same shapes, whose eigenvalues are told in units of their mean
    square entry times N.
    """
    lines = np.concatenate([row.lines for row in rows])
    if not len(lines):
        say_instead(ax, "no eigenspace has a line:\n20 features and R² above 0.1")
        return ax
    sparsity = np.concatenate([np.full(len(row.lines), row.sparsity) for row in rows])
    shades: Any = {"c": sparsity, "cmap": "viridis_r", "alpha": 0.6, "zorder": 3}
    points = ax.scatter(lines[:, 0], lines[:, 0] * lines[:, 1], 8, **shades)
    if len(nulls):
        # Of unit entries lambda is about N: brought to the middle of the trained ones.
        shift = np.exp(np.mean(np.log(lines[:, 0])) - np.mean(np.log(nulls[:, 0])))
        cross: Any = {"color": GUIDE, "marker": "x", "linewidths": 0.8, "zorder": 2}
        label = "Gaussian matrices (λ shifted)"
        ax.scatter(shift * nulls[:, 0], nulls[:, 0] * nulls[:, 1], 10, label=label, **cross)
    ax.axhline(1, color="black", linewidth=0.9, label="1: the law")
    ax.figure.colorbar(points, ax=ax, label="sparsity S")
    ax.set_xscale("log")
    plain_log_axis(ax.xaxis, [lines[:, 0].min(), lines[:, 0].max()])
    low, high = ax.get_ylim()
    ax.set_ylim(low, high + 0.35 * (high - low))  # room for the legend
    ax.set_xlabel(f"λ of the eigenspace, {len(lines):,} of them")
    ax.set_ylabel("slope of D against |w|², times λ")
    ax.legend(loc="upper left")
    return ax


@styled
def draw_tolerances(curves: Sequence[ToleranceCurve], ax: Axes) -> Axes:
    """Largest share on one eigenspace against the tolerance that makes eigenspaces."""
    trained = [curve for curve in curves if curve.sparsity is not None]
    for place, curve in enumerate(trained):
        color, marker = COLORS[place % len(COLORS)], MARKERS[place % len(MARKERS)]
        dots: Any = {"color": color, "marker": marker, "markersize": 3.5}
        ax.plot(TOLERANCES, curve.projections, label=f"S = {curve.sparsity:.2f}", **dots)
    for curve in curves:
        if curve.sparsity is None:
            style: Any = {"color": GUIDE, "linestyle": (0, (1, 2)), "linewidth": 1.4}
            ax.plot(TOLERANCES, curve.projections, label="Gaussian matrix", **style)
    ax.axvline(1e-4, color="#bbbbbb", linewidth=0.8, zorder=0)
    ax.set(xscale="log", ylim=(0, 1.42))
    ax.set_yticks([0, 0.2, 0.4, 0.6, 0.8, 1])
    ax.set_xlabel("eigenvalues within this share of the largest\nare one eigenspace (gray: 1e-4)")
    ax.set_ylabel("largest share of a feature on one")
    ax.legend(loc="upper left", ncols=2)
    return ax


@styled
def draw_training(dataset: xr.Dataset, ax: Axes) -> Axes:
    """1 - saturation, mean over seeds, against steps at the width nearest N / 9."""
    latents = dataset["student.latent"].values
    width = int(np.argmin(np.abs(latents - dataset.sizes["feature"] / 9)))
    densities = dataset["features.density"].values
    order = ("features.density", "seed", "step")
    values = 1 - dataset["saturation"].isel(width=width).transpose(*order)
    for place, column in enumerate(even_places(len(densities), 6)):
        y = np.nanmean(values[column].values, axis=0)
        color = COLORS[place % len(COLORS)]
        ax.plot(dataset["step"], y, color=color, label=f"S = {1 - densities[column]:.2f}")
    ax.set(xscale="log", yscale="log")
    ax.set_xlabel(f"updates (K = {latents[width]})")
    ax.set_ylabel("1 − Σ D / rank")
    ax.legend(loc="best", ncols=2)
    return ax
