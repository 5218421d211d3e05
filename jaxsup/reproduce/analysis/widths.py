"""Loss and overlaps of toy autoencoders against their width: read from a sweep, and drawn.

The sweep is one of `jaxsup.reproduce.toys.width_scaling`, over decay x exponent x width.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from matplotlib.ticker import NullLocator

from jaxsup.experiment.features import PowerLawFeatures
from jaxsup.fit.intervals import Estimate
from jaxsup.plot.style import GUIDE, MARKERS, line_style, plain_log_axis, styled

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes

    from jaxsup.sweep.grid import Sweep

STRONG, WEAK = -1.0, 1 / 3
"""Decays whose nearest neighbors in the sweep stand for the two regimes."""
LONG = 0.5
"""Norm beyond which the source counts a feature as represented, whatever the others are."""

Widths = Int[np.ndarray, " widths"]
WidthsBySeeds = Float[np.ndarray, "widths seeds"]
Networks = Float[np.ndarray, "decays exponents widths seeds"]


class Trained(NamedTuple):
    """The end of training; NaN where diverged.

    Attributes:
        losses: final loss.
        represented: number of features whose direction is longer than 1/2.
        overlaps: mean squared cosine over pairs of these; NaN for fewer than two.
    """

    losses: Networks
    represented: Networks
    overlaps: Networks


def read_trained(dataset: xr.Dataset, sweep: Sweep) -> Trained:
    """Losses, and what the kept weights represent."""
    order = (*(axis.name for axis in sweep.axes), "seed")
    losses = dataset["loss"].isel(step=-1).transpose(*order).values
    weights = dataset["embedding"].isel(kept_step=-1).transpose(*order, "latent", "feature").values
    represented, overlaps = np.full(losses.shape, np.nan), np.full(losses.shape, np.nan)
    for index in zip(*np.nonzero(np.isfinite(losses)), strict=True):
        represented[index], overlaps[index] = long_features(np.nan_to_num(weights[index]))
    return Trained(losses, represented, overlaps)


def long_features(W: Float[np.ndarray, "latent features"]) -> tuple[int, float]:
    """How many columns are longer than `LONG`, and their mean squared cosine.

    The sum of cos^2 over all pairs, i = j too, is |F|^2 of the unit vectors, F = U U^T.

    Arguments:
        W: finite.

    Returns:
        The number, and the mean over pairs; NaN for fewer than two columns.
    """
    norms = np.linalg.norm(W, axis=0)
    long = norms > LONG
    count = int(long.sum())
    if count < 2:
        return count, float("nan")
    U = W[:, long].astype(np.float64) / norms[long]
    return count, float((((U @ U.T) ** 2).sum() - count) / (count * (count - 1)))


def dropped_loss(features: PowerLawFeatures, latents: Widths) -> Float[np.ndarray, " widths"]:
    """Loss of K most frequent features kept without error, the others replaced by their means."""
    p = np.arange(1, features.count + 1) ** -float(features.exponent)
    p = p / p.sum()
    variances = 4 / 3 * p - p**2  # E v = 1 and E v^2 = 4/3 for v uniform on [0, 2]
    return np.array([variances[latent:].sum() for latent in latents]) / features.count


class Settings(NamedTuple):
    """The axes of the sweep, and which decays stand for the regimes.

    Attributes:
        decays, exponents, latents: values along the axes.
        weak, strong: positions among the decays.
        features: their number N.
    """

    decays: Float[np.ndarray, " decays"]
    exponents: Float[np.ndarray, " exponents"]
    latents: Widths
    weak: int
    strong: int
    features: int


def read_settings(sweep: Sweep) -> Settings:
    """The axes of the sweep as arrays."""
    decays, exponents, widths = (axis.fields for axis in sweep.axes)
    values = np.array(decays["optimizer.weight_decay"], np.float64)
    return Settings(
        values,
        np.array(exponents["features.exponent"], np.float64),
        np.array(widths["student.latent"]),
        weak=int(np.abs(values - WEAK).argmin()),
        strong=int(np.abs(values - STRONG).argmin()),
        features=sweep.experiment.features.count,
    )


@styled
def draw_losses(
    latents: Widths,
    losses: Sequence[WidthsBySeeds],
    names: Sequence[str],
    ax: Axes,
    *,
    exponents: Sequence[Estimate | None],
    references: Sequence[Float[np.ndarray, " widths"]],
    reference_name: str,
) -> Axes:
    """Final loss against width, one line a setting: mean over seeds, dots for the seeds.

    Arguments:
        latents: K.
        losses: of each setting, positive.
        names: of each setting.
        ax: axis to draw on.
        exponents: of each setting, written behind its name; None where there is none.
        references: of each setting, thin and dotted.
        reference_name: what they are.
    """
    for position, (name, values) in enumerate(zip(names, losses, strict=True)):
        exponent = exponents[position]
        if exponent is not None:
            reach = (exponent.high - exponent.low) / 2
            name = f"{name}: α = {exponent.value:.2f} ± {reach:.2f}"
        style = line_style(position)
        marker = MARKERS[position % len(MARKERS)]
        ax.plot(latents, values.mean(axis=1), marker=marker, label=name, **style)
        seeds = np.broadcast_to(latents[:, None], values.shape)
        ax.plot(seeds, values, ".", color=style["color"], alpha=0.35, markersize=3)
        label = reference_name if position == len(references) - 1 else None
        guide = {"color": style["color"], "linewidth": 0.9, "linestyle": ":"}
        ax.plot(latents, references[position], label=label, **guide)
    _log_axes(latents, ax)
    ax.set_ylabel("final loss (mean over features)")
    ax.legend(loc="upper left", bbox_to_anchor=(-0.05, -0.17), alignment="left")
    return ax


@styled
def draw_overlaps(
    latents: Widths,
    overlaps: Sequence[WidthsBySeeds],
    names: Sequence[str],
    count: int,
    ax: Axes,
) -> Axes:
    """Mean squared cosine of two features against width, beside 1/K and the Welch floor.

    1/K is that of independent random directions, (N - K) / (K (N - 1)) the least that N unit
    vectors can have.

    Arguments:
        latents: K.
        overlaps: of each setting, positive.
        names: of each setting.
        count: number of features N.
        ax: axis to draw on.

    Reference: Welch, IEEE Trans. Inf. Theory 20 (1974).
    """
    for position, (name, values) in enumerate(zip(names, overlaps, strict=True)):
        color, marker = line_style(position)["color"], MARKERS[position % len(MARKERS)]
        ax.plot(
            latents, values.mean(axis=1), linestyle="none", marker=marker, label=name, color=color
        )
    fine = np.geomspace(latents.min(), latents.max(), 100)
    ax.plot(fine, 1 / fine, color=GUIDE, linewidth=0.9, label="1/K, random directions")
    floor = (count - fine) / (fine * (count - 1))
    ax.plot(fine, floor, color=GUIDE, linewidth=0.9, linestyle="--", label="Welch floor")
    _log_axes(latents, ax)
    ax.set_ylabel("mean squared cosine of two represented features")
    ax.legend(loc="upper left", bbox_to_anchor=(-0.05, -0.17), alignment="left")
    return ax


def _log_axes(latents: Widths, ax: Axes) -> None:
    ax.set(xscale="log", yscale="log")
    ax.set_xticks(latents, [f"{width:g}" for width in latents])
    ax.xaxis.set_minor_locator(NullLocator())
    plain_log_axis(ax.yaxis, np.array(ax.get_ylim()))
    ax.set_xlabel("width K (latent dimensions)")
