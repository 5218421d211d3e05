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


EACH = (
    "capacities",
    "leverages",
    "slacks",
    "spreads",
    "projections",
    "participations",
    "mean_eigenvalues",
)
"""What is kept of every feature."""


class Measured(NamedTuple):
    """What is kept of the spectrum of one network; [features] or [eigenspaces], NaN: not there."""

    rank: Array
    eigenspaces: Array
    capacities: Array
    leverages: Array
    slacks: Array
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
        slacks=each(spectrum.slack),
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
    """Mean by leverage of the largest share on one eigenspace."""
    total = jnp.maximum(jnp.sum(spectrum.leverages), 1e-12)
    return jnp.sum(spectrum.leverages * spectrum.largest_projections) / total


def deficit(row: Row) -> Float[np.ndarray, " networks"]:
    """1 - sum_i D_i / rank of each network."""
    return 1.0 - np.nansum(row.each["capacities"], axis=1) / row.rank


def by_leverage(name: str) -> Callable[[Row], Float[np.ndarray, " networks"]]:
    """sum_i l_i x_i / sum_i l_i of each network, over represented features."""

    def mean(row: Row) -> Float[np.ndarray, " networks"]:
        weights = row.each["leverages"]
        return np.nansum(weights * row.each[name], axis=1) / np.nansum(weights, axis=1)

    return mean


def alike(name: str) -> Callable[[Row], Float[np.ndarray, " networks"]]:
    """The plain mean over represented features of each network."""
    return lambda row: np.nanmean(row.each[name], axis=1)


QUANTITIES: dict[str, Callable[[Row], Float[np.ndarray, " networks"]]] = {
    "rank_share": lambda row: row.rank / row.latent,
    "deficit": deficit,
    "slack": by_leverage("slacks"),
    "spread": by_leverage("spreads"),
    "projection": by_leverage("projections"),
    "participation": by_leverage("participations"),
    "eigenspaces": lambda row: row.eigenspaces.astype(np.float64),
    "mean_eigenvalue": by_leverage("mean_eigenvalues"),
    "plain_slack": alike("slacks"),
    "plain_spread": alike("spreads"),
    "plain_mean_eigenvalue": alike("mean_eigenvalues"),
}
"""One number a network, by name; "plain" ones count every represented feature alike."""


@dataclasses.dataclass(frozen=True, eq=False)
class Row:
    """The networks of one width and sparsity that did not diverge and are not zero.

    Attributes:
        features, latent, sparsity: N, K and S.
        rank, eigenspaces: of each network.
        each: what every feature has, by the names of `EACH`; NaN where it is not represented.
        lines: of the eigenspaces that count: lambda, slope, R^2 and the mean share on it.
    """

    features: int
    latent: int
    sparsity: float
    rank: Int[np.ndarray, " networks"] | Float[np.ndarray, " networks"]
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
    rows = []
    for width in range(dataset.sizes["width"]):
        for column, density in enumerate(dataset["features.density"].values.tolist()):
            W = _last_weights(dataset, width, column)
            if len(W):
                rows.append(_row(W, 1.0 - density))
    return rows


def _last_weights(
    dataset: xr.Dataset, width: int, column: int
) -> Float[np.ndarray, "networks latent features"]:
    """Of one width and density, without networks that diverged or are zero."""
    cell = dataset.isel({"kept_step": -1, "width": width, "features.density": column})
    latent = int(cell["student.latent"])
    W = cell["embedding"].transpose("seed", "latent", "feature").values[:, :latent]
    return W[np.isfinite(W).all(axis=(1, 2)) & W.any(axis=(1, 2))]


def null_lines(rows: Sequence[Row]) -> Float[np.ndarray, "lines 4"]:
    """The lines of a Gaussian matrix of each shape that there is, as `Row.lines` has them."""
    rng = np.random.default_rng(0)
    shapes = sorted({(row.latent, row.features) for row in rows})
    drawn = [rng.standard_normal((1, *shape)).astype(np.float32) for shape in shapes]
    return np.concatenate([_row(W, 0.0).lines for W in drawn])


def _row(W: Float[np.ndarray, "networks latent features"], sparsity: float) -> Row:
    kept = jax.tree.map(np.asarray, decompose_batch(W, summary=keep))
    counts = (kept.line_features >= FEWEST) & (kept.line_fits > LEAST_R_SQUARED)
    columns = (kept.line_eigenvalues, kept.line_slopes, kept.line_fits, kept.line_projections)
    return Row(
        features=W.shape[2],
        latent=W.shape[1],
        sparsity=round(sparsity, 9),
        rank=kept.rank,
        eigenspaces=kept.eigenspaces,
        each={name: np.asarray(getattr(kept, name), np.float64) for name in EACH},
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
    for column, density in enumerate(dataset["features.density"].values.tolist()):
        if round(1 - density, 9) not in sparsities:
            continue
        W = _last_weights(dataset, width, column)
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

    What is counted of one network has no interval of its own.
    """
    measure = QUANTITIES[quantity]
    values = np.concatenate([measure(row) for row in rows])
    if len(values) > 1:
        return intervals.from_samples(values, "networks")
    if quantity in ("rank_share", "eigenspaces"):
        value = float(values[0])
        return Estimate(value, value, value, "one network, counted")
    (row,) = rows
    shown = np.flatnonzero(np.isfinite(row.each["capacities"][0]))

    def statistic(places: Int[np.ndarray, " features"]) -> float:
        each = {name: column[:, places] for name, column in row.each.items()}
        # A resampled set has the rank that its leverages add up to.
        rank = np.nansum(each["leverages"], axis=1)
        return float(measure(dataclasses.replace(row, each=each, rank=rank))[0])

    return intervals.from_bootstrap(shown, statistic, what="features of one network")
