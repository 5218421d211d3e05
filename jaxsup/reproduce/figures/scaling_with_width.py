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
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Int

from jaxsup import PowerLawFeatures, Record, Sweep, plot
from jaxsup.fit import intervals
from jaxsup.fit.intervals import Estimate, log_log_slope
from jaxsup.reproduce import AbstractFigure, Claim, Findings, Published, toys
from jaxsup.reproduce.analysis.widths import (
    Settings,
    Trained,
    draw_losses,
    draw_overlaps,
    dropped_loss,
    read_settings,
    read_trained,
)
from jaxsup.reproduce.figure import Records
from jaxsup.reproduce.registry import FIGURES

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

_TOLERANCE = 0.2
_SOURCE = "arXiv 2505.10465"
Curve = Float[np.ndarray, " widths"]


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


def _exponent(
    latents: Int[np.ndarray, " widths"], losses: Float[np.ndarray, "widths seeds"]
) -> Estimate | None:
    """alpha of loss ~ K^-alpha from losses [widths, seeds]; None if one diverged."""
    return log_log_slope(1 / latents, losses) if np.isfinite(losses).all() else None


def _as_dict(estimate: Estimate | None) -> dict[str, Any] | None:
    return None if estimate is None else estimate._asdict()


def _safe(values: Curve) -> list[float | None]:
    return [float(value) if np.isfinite(value) else None for value in values]


def claim_exponents(at: Settings, slopes: list[list[Estimate | None]]) -> list[Claim]:
    """K^-c in weak superposition, where c > 0; 1/K in strong."""
    weak = "In weak superposition frequencies i^-(1+c) give a loss that falls as K^-c."
    strong = "In strong superposition the loss falls as 1/K over a broad range of c."
    cases = [("weak", weak, at.weak, a, a - 1) for a in at.exponents if a > 1]
    cases += [("strong", strong, at.strong, a, 1.0) for a in at.exponents]
    claims = []
    for regime, statement, row, a, exact in cases:
        slope = slopes[row][int(np.flatnonzero(at.exponents == a)[0])]
        claims.append(
            Claim(
                f"exponent in width, {regime} superposition, frequencies i^-{a:g}",
                statement,
                _SOURCE,
                Published.about(exact, _TOLERANCE, f"{exact:g}; tolerance {_TOLERANCE}"),
                slope,
                "" if slope else "a network diverged",
            )
        )
    return claims


def claim_overlaps(at: Settings, trained: Trained) -> list[Claim]:
    """Overlaps near 1/K, and nearly all features represented, at the strongest decay."""
    overlaps = np.moveaxis(trained.overlaps[at.strong], 1, 0).reshape(len(at.latents), -1)
    shares = trained.represented[at.strong].ravel() / at.features
    paired = bool(np.isfinite(overlaps).all())
    reason = "" if paired else "fewer than two features are represented somewhere"
    scaled = (overlaps * at.latents[:, None]).mean(axis=0)  # a setting and seed each
    return [
        Claim(
            "exponent in width of the mean squared overlap, strong superposition",
            "The mean squared overlap of feature directions falls as 1/K.",
            _SOURCE,
            Published.about(1.0, 0.1, "1; tolerance 0.1"),
            log_log_slope(1 / at.latents, overlaps) if paired else None,
            reason,
        ),
        Claim(
            "mean squared overlap times K, strong superposition",
            "Directions overlap as independent random ones do, 1/K.",
            _SOURCE,
            Published.about(1.0, 0.1, "1; tolerance 0.1"),
            intervals.from_samples(scaled, "families of widths") if paired else None,
            reason,
        ),
        Claim(
            "share of features represented, strong superposition",
            "In strong superposition nearly all features are represented.",
            _SOURCE,
            Published(0.95, 1.0, "nearly all; read as 95% or more"),
            intervals.from_samples(shares, "networks", ends=(0.0, 1.0))
            if np.isfinite(shares).all()
            else None,
            "" if np.isfinite(shares).all() else "a network diverged",
        ),
    ]


class ScalingWithWidth(AbstractFigure[Scale]):
    """Final loss, overlaps and represented features of toy autoencoders, over width."""

    name = "scaling-with-width"
    title = FIGURES[name].title
    scales = SCALES

    def configure(self, scale: Scale) -> Sweep:
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

    def measure(self, dataset: xr.Dataset, sweep: Sweep) -> Findings:
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
        text, figure = self.summarize(records, sweep), self.draw(at, trained, slopes, ideal)
        return Findings(records, text, figure, self.claims(at, trained, slopes))

    def summarize(self, records: Records, sweep: Sweep) -> list[str]:
        """A line a decay and exponent."""
        lines = [
            f"{sweep.replicas} networks of {sweep.experiment.features.count} features, "
            f"{sweep.experiment.steps} steps, {len(sweep.seeds)} starts; loss ~ K^-alpha",
            f"{'decay':>6}  {'a':>5}  {'alpha':>22}  {'alpha of dropping':>17}  "
            "represented by width",
        ]
        for record in records:
            slope = record["width_exponent"]
            alpha = "diverged"
            if slope is not None:
                alpha = f"{slope['value']:.2f} ({slope['low']:.2f} to {slope['high']:.2f})"
            counts = ", ".join("-" if n is None else f"{n:.0f}" for n in record["represented"])
            lines.append(
                f"{record['weight_decay']:6.2f}  {record['exponent']:5.3g}  {alpha:>22}  "
                f"{record['dropped_exponent']:17.2f}  {counts}"
            )
        lines.append(f"widths: {', '.join(map(str, records[0]['latents']))}")
        return lines

    def draw(
        self,
        at: Settings,
        trained: Trained,
        slopes: list[list[Estimate | None]],
        ideal: list[Curve],
    ) -> Figure:
        """Loss against width in both regimes, and the overlaps of the strong one."""
        figure, (left, middle, right) = plot.new_figure(3, width=3.9, height=4.8)
        rows = np.unique(np.rint(np.linspace(0, len(at.exponents) - 1, 4)).astype(int))
        names = [f"frequencies $i^{{-{at.exponents[j]:g}}}$" for j in rows]
        inverse = [
            trained.losses[at.strong, j, 0].mean() * at.latents[0] / at.latents for j in rows
        ]
        for decay, ax, regime, lines, words in (
            (
                at.weak,
                left,
                "weak",
                [ideal[j] for j in rows],
                "K features kept, the others dropped",
            ),
            (at.strong, middle, "strong", inverse, "1/K from the smallest width"),
        ):
            draw_losses(
                at.latents,
                [trained.losses[decay, j] for j in rows],
                names,
                ax,
                exponents=[slopes[decay][j] for j in rows],
                references=lines,
                reference_name=words,
            )
            ax.set_title(f"{regime} superposition (decay {at.decays[decay]:.2g})", fontsize=9)
        ends = [ax.get_ylim() for ax in (left, middle)]
        for ax in (left, middle):
            ax.set_ylim(min(low for low, _ in ends), max(high for _, high in ends))
        overlaps = [trained.overlaps[at.strong, j] for j in rows]
        draw_overlaps(at.latents, overlaps, names, at.features, right)
        right.set_title("strong superposition: overlaps", fontsize=9)
        return figure

    def claims(
        self, at: Settings, trained: Trained, slopes: list[list[Estimate | None]]
    ) -> list[Claim]:
        """Exponents in both regimes, and overlaps in the strong one."""
        return [*claim_exponents(at, slopes), *claim_overlaps(at, trained)]
