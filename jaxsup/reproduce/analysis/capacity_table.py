"""What the spectra of a capacity sweep say: a row a width and sparsity, lines, and tolerances."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from jaxsup.fit import intervals
from jaxsup.fit.intervals import Estimate
from jaxsup.spectral import FrameSpectrum, decompose_batch
from jaxsup.spectral.measures import linear_law
from jaxsup.spectral.nulls import gaussian_null

if TYPE_CHECKING:
    import xarray as xr

FEWEST, LEAST_R_SQUARED = 20, 0.1
"""Features and R^2 of a line that counts, as in the repository of arXiv 2602.02224."""
TOLERANCES = np.geomspace(1e-5, 0.3, 10)
"""Widths of an eigenspace, relative to the largest eigenvalue, at which "collapse" is measured."""


class Measured(NamedTuple):
    """What is kept of the spectrum of one network; [features] or [eigenspaces], NaN: not there."""

    rank: Array
    eigenspaces: Array
    capacities: Array
    leverages: Array
    spreads: Array
    projections: Array
    participations: Array
    mean_eigenvalues: Array
    line_eigenvalues: Array
    line_features: Array
    line_slopes: Array
    line_fits: Array
    line_projections: Array


def keep(spectrum: FrameSpectrum) -> Measured:
    """What the figure needs of a spectrum."""
    law, shown = linear_law(spectrum, fewest=FEWEST), spectrum.represented
    home = (spectrum.homes[:, None] == jnp.arange(spectrum.measures.shape[1])[None, :]).astype(
        spectrum.norms.dtype
    )
    # Of the features at home on an eigenspace, the mean share that lies on it.
    inside = jnp.sum(home * spectrum.measures, axis=0) / jnp.maximum(jnp.sum(home, axis=0), 1.0)

    def each(values: Float[Array, " features"]) -> Float[Array, " features"]:
        return jnp.where(shown, values, jnp.nan)

    return Measured(
        rank=spectrum.rank,
        eigenspaces=spectrum.count,
        capacities=each(spectrum.capacities),
        leverages=each(spectrum.leverages),
        spreads=each(spectrum.eigenvalue_spreads),
        projections=each(spectrum.largest_projections),
        participations=each(1.0 / jnp.maximum(spectrum.localization, 1e-12)),
        mean_eigenvalues=each(spectrum.mean_eigenvalues),
        line_eigenvalues=law.eigenvalues,
        line_features=law.features,
        line_slopes=law.slopes,
        line_fits=law.r_squared,
        line_projections=inside,
    )


def keep_projection(spectrum: FrameSpectrum) -> Float[Array, ""]:
    """Mean over represented features of the largest share on one eigenspace."""
    count = jnp.maximum(jnp.sum(spectrum.represented), 1).astype(spectrum.norms.dtype)
    return jnp.sum(spectrum.largest_projections) / count


def saturation(row: Row) -> Float[np.ndarray, " networks"]:
    """sum_i D_i / rank of each network."""
    return np.nansum(row.each["capacities"], axis=1) / row.rank


def deficit(row: Row) -> Float[np.ndarray, " networks"]:
    """1 - saturation of each network."""
    return 1.0 - saturation(row)


def mean_of(name: str) -> Callable[[Row], Float[np.ndarray, " networks"]]:
    """The mean over represented features of each network."""
    return lambda row: np.nanmean(row.each[name], axis=1)


def slack(row: Row) -> Float[np.ndarray, " networks"]:
    """Mean over represented features of 1 - D_i / l_i of each network."""
    return np.nanmean(1.0 - row.each["capacities"] / row.each["leverages"], axis=1)


QUANTITIES: dict[str, Callable[[Row], Float[np.ndarray, " networks"]]] = {
    "rank_share": lambda row: row.rank / row.latent,
    "deficit": deficit,
    "slack": slack,
    "spread": mean_of("spreads"),
    "projection": mean_of("projections"),
    "participation": mean_of("participations"),
    "eigenspaces": lambda row: row.eigenspaces.astype(np.float64),
    "mean_eigenvalue": mean_of("mean_eigenvalues"),
}
"""One number a network, by name."""


@dataclasses.dataclass(frozen=True, eq=False)
class Row:
    """The networks of one width and sparsity that did not diverge.

    Attributes:
        features, latent, sparsity: N, K and S.
        rank, eigenspaces: of each network.
        each: what every feature has, by the fields of `Measured`.
        lines: of the eigenspaces that count: lambda, slope, R^2 and the mean share on it.
    """

    features: int
    latent: int
    sparsity: float
    rank: Int[np.ndarray, " networks"]
    eigenspaces: Int[np.ndarray, " networks"]
    each: dict[str, Float[np.ndarray, "networks features"]]
    lines: Float[np.ndarray, "lines 4"]

    def to_dict(self) -> dict[str, Any]:
        """Means over networks as JSON-safe values, with the closed-form nulls beside them."""
        null = gaussian_null(self.latent, self.features)
        return {
            "features": self.features,
            "latent": self.latent,
            "sparsity": self.sparsity,
            "networks": len(self.rank),
            **{name: float(np.mean(measure(self))) for name, measure in QUANTITIES.items()},
            "lines": len(self.lines),
            "line_slope": float(np.median(np.prod(self.lines[:, :2], axis=1)))
            if len(self.lines)
            else None,
            "null_deficit": 1 - null.saturation,
            "null_slack": null.slack,
            "null_spread": null.eigenvalue_spread,
        }


def measure_rows(dataset: xr.Dataset) -> list[Row]:
    """A row a width and sparsity, from the last weights.

    Arguments:
        dataset: of `jaxsup.reproduce.toys.capacity_sweep`.
    """
    order = ("width", "features.density", "seed", "latent", "feature")
    weights = dataset["embedding"].isel(kept_step=-1).transpose(*order)
    rows = []
    for place, latent in enumerate(dataset["student.latent"].values.tolist()):
        for column, density in enumerate(dataset["features.density"].values.tolist()):
            W = weights[place, column, :, :latent].values
            W = W[np.isfinite(W).all(axis=(1, 2))]
            if len(W):
                rows.append(_row(W, 1.0 - density))
    return rows


def _row(W: Float[np.ndarray, "networks latent features"], sparsity: float) -> Row:
    kept = jax.tree.map(np.asarray, decompose_batch(W, summary=keep))
    counts = (kept.line_features >= FEWEST) & (kept.line_fits > LEAST_R_SQUARED)
    columns = (kept.line_eigenvalues, kept.line_slopes, kept.line_fits, kept.line_projections)
    each = ("capacities", "leverages", "spreads", "projections", "participations")
    return Row(
        features=W.shape[2],
        latent=W.shape[1],
        sparsity=round(sparsity, 9),
        rank=kept.rank,
        eigenspaces=kept.eigenspaces,
        each={n: np.asarray(getattr(kept, n), np.float64) for n in (*each, "mean_eigenvalues")},
        lines=np.stack([column[counts].astype(np.float64) for column in columns], axis=1),
    )


class ToleranceCurve(NamedTuple):
    """The largest projection on one eigenspace over the tolerance that makes eigenspaces.

    Attributes:
        sparsity: of the networks; None for the Gaussian null.
        projections: mean over features and networks at each of `TOLERANCES`.
    """

    sparsity: float | None
    projections: Float[np.ndarray, " tolerances"]


def measure_tolerances(
    dataset: xr.Dataset, latent: int, sparsities: Sequence[float]
) -> list[ToleranceCurve]:
    """The curves of some sparsities at one width, and that of their Gaussian null."""
    width = dataset["student.latent"].values.tolist().index(latent)
    curves = []
    for density, column in zip(
        dataset["features.density"].values.tolist(),
        range(dataset.sizes["features.density"]),
        strict=True,
    ):
        if round(1 - density, 9) not in sparsities:
            continue
        chosen = dataset["embedding"].isel({"kept_step": -1, "width": width})
        chosen = chosen.isel({"features.density": column}).transpose("seed", "latent", "feature")
        W = chosen.values[:, :latent]
        W = W[np.isfinite(W).all(axis=(1, 2))]
        if len(W):
            curves.append(ToleranceCurve(round(1 - density, 9), _projections(W)))
    shape = (1, latent, dataset.sizes["feature"])
    null = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    return [*curves, ToleranceCurve(None, _projections(null))]


def _projections(
    W: Float[np.ndarray, "networks latent features"],
) -> Float[np.ndarray, " tolerances"]:
    return np.asarray(
        [
            float(np.mean(decompose_batch(W, summary=keep_projection, relative_tolerance=t)))
            for t in TOLERANCES.tolist()
        ]
    )


def estimate(rows: Sequence[Row], quantity: str) -> Estimate | None:
    """Mean over networks with its interval; of one network, over resampled features.

    None where a single network has no features to resample the quantity from.
    """
    values = np.concatenate([QUANTITIES[quantity](row) for row in rows])
    if len(values) > 1:
        return intervals.from_bootstrap(values, np.mean, what="networks")
    (row,) = rows
    names = ("capacities", "leverages", "spreads", "projections", "participations")
    columns = np.stack([row.each[n][0] for n in (*names, "mean_eigenvalues")], axis=1)
    columns = columns[np.isfinite(columns).all(axis=1)]

    def statistic(some: Float[np.ndarray, "features columns"]) -> float:
        capacities, leverages = some[:, 0], some[:, 1]
        if quantity == "deficit":
            # A resampled set has the rank that its leverages add up to.
            return 1.0 - float(capacities.sum() / leverages.sum())
        if quantity == "slack":
            return float(np.mean(1.0 - capacities / leverages))
        place = {"spread": 2, "projection": 3, "participation": 4, "mean_eigenvalue": 5}[quantity]
        return float(some[:, place].mean())

    if quantity in ("rank_share", "eigenspaces"):
        value = float(values[0])
        return Estimate(value, value, value, "one network, counted")
    return intervals.from_bootstrap(columns, statistic, what="features of one network")
