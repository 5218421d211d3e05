"""Scaling with width: loss against latent dimensions in weak and in strong superposition.

Claims (Liu, Liu, Gore, arXiv 2505.10465): with few features represented (weak superposition), data
whose frequencies fall as i^-(1+c) give a loss that falls as K^-c; with all features represented
(strong superposition) the loss falls as 1/K over a broad range of c, because the mean squared
overlap of feature directions does. The sign of the weight decay sets the regime.

At N features the first claim is cut short: K features kept without error and the rest replaced by
their means leave (1/N) sum_{i > K} (4/3 p_i - p_i^2), which is steeper than K^-c where K/N is not
small. The picture shows it, and the text its exponent over the same widths.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from jaxsup import PowerLawFeatures, Record, Sweep, plot
from jaxsup.fit import intervals
from jaxsup.fit.intervals import Estimate, log_log_slope
from jaxsup.reproduce import toys
from jaxsup.reproduce.claims import Claim, Published
from jaxsup.reproduce.registry import Findings

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

STRONG, WEAK = -1.0, 1 / 3
"""Decays whose nearest neighbours in the sweep stand for the two regimes."""
_REPRESENTED = 0.5
"""A feature whose direction is longer is represented."""
_TOLERANCE = 0.2
_SOURCE = "arXiv 2505.10465"


@dataclasses.dataclass(frozen=True)
class Scale:
    """How large the experiment is."""

    features: int
    latents: tuple[int, ...]
    decays: tuple[float, ...]
    exponents: tuple[float, ...]
    steps: int
    batch_size: int
    seeds: int
    evaluation_samples: int


SCALES = {
    "smoke": Scale(24, (2, 3, 5), (-1.0, 1 / 3), (1.0, 1.5), 60, 64, 2, 1024),
    "quick": Scale(200, (4, 6, 9, 13, 20), (-1.0, 1 / 3), (1.0, 1.5, 2.0), 4000, 256, 3, 32_768),
    "paper": Scale(
        1000,
        (10, 15, 25, 39, 63, 100),
        tuple(np.linspace(-1, 1, 10).tolist()),
        tuple(np.linspace(1, 2, 9).tolist()),
        20_000,
        2048,
        3,
        262_144,
    ),
}


def configure(scale: Scale) -> Sweep:
    """The sweep over decay x exponent x width x starts."""
    record = Record(
        points=4, parameter_steps=(scale.steps,), evaluation_samples=scale.evaluation_samples
    )
    return toys.width_scaling(
        features=scale.features,
        latents=scale.latents,
        decays=scale.decays,
        exponents=scale.exponents,
        steps=scale.steps,
        batch_size=scale.batch_size,
        seeds=scale.seeds,
        record=record,
    )


class Trained(NamedTuple):
    """The end of training; all over [decays, exponents, widths, seeds], NaN where diverged.

    Attributes:
        losses: final loss.
        represented: number of features whose direction is longer than 1/2.
        overlaps: mean squared cosine over pairs of these; NaN for fewer than two.
    """

    losses: np.ndarray
    represented: np.ndarray
    overlaps: np.ndarray


def read_trained(dataset: xr.Dataset, sweep: Sweep) -> Trained:
    """Losses, and what the kept weights represent."""
    order = (*(axis.dim for axis in sweep.axes), "seed")
    losses = dataset["loss"].isel(step=-1).transpose(*order).values
    weights = dataset["embedding"].isel(kept_step=-1).transpose(*order, "latent", "feature").values
    represented, overlaps = np.full(losses.shape, np.nan), np.full(losses.shape, np.nan)
    for index in zip(*np.nonzero(np.isfinite(losses)), strict=True):
        represented[index], overlaps[index] = represent(np.nan_to_num(weights[index]))
    return Trained(losses, represented, overlaps)


def represent(W: np.ndarray) -> tuple[int, float]:
    """How many columns of W [latent, features] are longer than 1/2, and their mean cos^2.

    The sum of cos^2 over all pairs, i = j too, is |F|^2 of the unit vectors, F = U U^T.
    """
    norms = np.linalg.norm(W, axis=0)
    shown = norms > _REPRESENTED
    count = int(shown.sum())
    if count < 2:
        return count, float("nan")
    U = W[:, shown].astype(np.float64) / norms[shown]
    return count, float((((U @ U.T) ** 2).sum() - count) / (count * (count - 1)))


def dropped_loss(features: PowerLawFeatures, latents: np.ndarray) -> np.ndarray:
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

    decays: np.ndarray
    exponents: np.ndarray
    latents: np.ndarray
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


def measure(dataset: xr.Dataset, sweep: Sweep) -> Findings:
    """Width exponents in both regimes, overlaps, and how many features are represented."""
    trained, at = read_trained(dataset, sweep), read_settings(sweep)
    laws = [sweep.experiment_at((0, row, 0)).features for row in range(len(at.exponents))]
    ideal = [dropped_loss(law, at.latents) for law in laws if isinstance(law, PowerLawFeatures)]
    slopes = [[_exponent(at.latents, losses) for losses in rows] for rows in trained.losses]
    records = [
        {
            "weight_decay": float(decay),
            "exponent": float(exponent),
            "latents": at.latents.tolist(),
            "loss": _safe(trained.losses[i, j].mean(axis=-1)),
            "width_exponent": _as_dict(slopes[i][j]),
            "dropped_loss": ideal[j].tolist(),
            "dropped_exponent": log_log_slope(1 / at.latents, ideal[j]).value,
            "represented": _safe(trained.represented[i, j].mean(axis=-1)),
            "mean_squared_overlap": _safe(trained.overlaps[i, j].mean(axis=-1)),
        }
        for i, decay in enumerate(at.decays)
        for j, exponent in enumerate(at.exponents)
    ]
    claims = [*claim_exponents(at, slopes), *claim_overlaps(at, trained)]
    return Findings(records, _tell(records, sweep), draw(at, trained, slopes, ideal), claims)


def _exponent(latents: np.ndarray, losses: np.ndarray) -> Estimate | None:
    """alpha of loss ~ K^-alpha from losses [widths, seeds]; None if one diverged."""
    return log_log_slope(1 / latents, losses) if np.isfinite(losses).all() else None


def _as_dict(estimate: Estimate | None) -> dict[str, Any] | None:
    return None if estimate is None else estimate._asdict()


def _safe(values: np.ndarray) -> list[float | None]:
    return [float(value) if np.isfinite(value) else None for value in values]


def claim_exponents(at: Settings, slopes: list[list[Estimate | None]]) -> list[Claim]:
    """K^-c in weak superposition, where c > 0; 1/K in strong."""
    weak = "In weak superposition frequencies i^-(1+c) give a loss that falls as K^-c."
    strong = "In strong superposition the loss falls as 1/K over a broad range of c."
    cases = [("weak", weak, at.weak, a, a - 1) for a in at.exponents if a > 1]
    cases += [("strong", strong, at.strong, a, 1.0) for a in at.exponents]
    claims = []
    for regime, statement, row, a, exact in cases:
        found = slopes[row][int(np.flatnonzero(at.exponents == a)[0])]
        claims.append(
            Claim(
                f"exponent in width, {regime} superposition, frequencies i^-{a:g}",
                statement,
                _SOURCE,
                Published.about(exact, _TOLERANCE, f"{exact:g}; tolerance {_TOLERANCE}"),
                found,
                "" if found else "a network diverged",
            )
        )
    return claims


def claim_overlaps(at: Settings, trained: Trained) -> list[Claim]:
    """Overlaps near 1/K, and nearly all features represented, at the strongest decay."""
    overlaps = np.moveaxis(trained.overlaps[at.strong], 1, 0).reshape(len(at.latents), -1)
    shares = trained.represented[at.strong].ravel() / at.features
    known = bool(np.isfinite(overlaps).all())
    reason = "" if known else "fewer than two features are represented somewhere"
    scaled = (overlaps * at.latents[:, None]).mean(axis=0)  # a setting and seed each
    return [
        Claim(
            "exponent in width of the mean squared overlap, strong superposition",
            "The mean squared overlap of feature directions falls as 1/K.",
            _SOURCE,
            Published.about(1.0, 0.1, "1; tolerance 0.1"),
            log_log_slope(1 / at.latents, overlaps) if known else None,
            reason,
        ),
        Claim(
            "mean squared overlap times K, strong superposition",
            "Directions overlap as independent random ones do, 1/K.",
            _SOURCE,
            Published.about(1.0, 0.1, "1; tolerance 0.1"),
            intervals.from_samples(scaled, "families of widths") if known else None,
            reason,
        ),
        Claim(
            "share of features represented, strong superposition",
            "In strong superposition nearly all features are represented.",
            _SOURCE,
            Published(0.95, 1.0, "nearly all; read as 95% or more"),
            intervals.from_samples(shares, "networks") if np.isfinite(shares).all() else None,
            "" if np.isfinite(shares).all() else "a network diverged",
        ),
    ]


def draw(
    at: Settings,
    trained: Trained,
    slopes: list[list[Estimate | None]],
    ideal: list[np.ndarray],
) -> Figure:
    """Loss against width in both regimes, and the overlaps of the strong one."""
    figure, (left, middle, right) = plot.new_figure(3, width=3.9, height=4.8)
    shown = np.unique(np.rint(np.linspace(0, len(at.exponents) - 1, 4)).astype(int))
    names = [f"frequencies $i^{{-{at.exponents[j]:g}}}$" for j in shown]
    inverse = [trained.losses[at.strong, j, 0].mean() * at.latents[0] / at.latents for j in shown]
    for row, ax, regime, lines, what in (
        (at.weak, left, "weak", [ideal[j] for j in shown], "K features kept, the others dropped"),
        (at.strong, middle, "strong", inverse, "1/K from the smallest width"),
    ):
        plot.loss_against_width(
            at.latents,
            [trained.losses[row, j] for j in shown],
            names,
            ax,
            exponents=[slopes[row][j] for j in shown],
            references=lines,
            reference_name=what,
        )
        ax.set_title(f"{regime} superposition (decay {at.decays[row]:.2g})", fontsize=9)
    ends = [ax.get_ylim() for ax in (left, middle)]
    for ax in (left, middle):
        ax.set_ylim(min(low for low, _ in ends), max(high for _, high in ends))
    overlaps = [trained.overlaps[at.strong, j] for j in shown]
    plot.overlap_against_width(at.latents, overlaps, names, at.features, right)
    right.set_title("strong superposition: overlaps", fontsize=9)
    return figure


def _tell(records: list[dict[str, Any]], sweep: Sweep) -> list[str]:
    lines = [
        f"{sweep.replicas} networks of {sweep.experiment.features.count} features, "
        f"{sweep.experiment.steps} steps, {len(sweep.seeds)} starts; loss ~ K^-alpha",
        f"{'decay':>6}  {'a':>5}  {'alpha':>22}  {'alpha of dropping':>17}  represented by width",
    ]
    for record in records:
        found = record["width_exponent"]
        alpha = "diverged"
        if found is not None:
            alpha = f"{found['value']:.2f} ({found['low']:.2f} to {found['high']:.2f})"
        kept = ", ".join("-" if n is None else f"{n:.0f}" for n in record["represented"])
        lines.append(
            f"{record['weight_decay']:6.2f}  {record['exponent']:5.3g}  {alpha:>22}  "
            f"{record['dropped_exponent']:17.2f}  {kept}"
        )
    lines.append(f"widths: {', '.join(map(str, records[0]['latents']))}")
    return lines
