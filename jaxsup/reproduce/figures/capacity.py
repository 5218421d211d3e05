"""Capacity over width and sparsity: saturation, spread and the linear law, beside nulls.

Claims ("Spectral Superposition: A Theory of Feature Geometry", arXiv 2602.02224, and the tables of
its public repository): trained autoencoders use all of their rank, their capacities saturate it,
so features are localized ("collapse onto single eigenspaces"), and within an eigenspace capacity is
|w_i|^2 / lambda.

**Protocol**, fixed before any run. `jaxsup.reproduce.toys.capacity_sweep`: relu(W^T W x + c), N =
1,024, c starts at -0.1, Xavier W, plain squared error, Adam at 1e-3, batch 1,024, 25,000 steps, 56
records. "paper": all 32 widths x 50 sparsities x 2 seeds. "standard": K = 112, the one width whose
rows the repository prints, at its six sparsities, one seed. "quick": N = 128 with the same ratios
K/N, 10,000 steps of batch 256: smaller, so that it may differ for that reason.

- *Spectra* of the last W: eigenspaces are chains of eigenvalues within 1e-4 of the largest, as in
  the repository. Means weigh features by their leverage, the dimensions that they hold: the slack
  that the repository prints is its 1 - saturation in every range, which is an identity of that
  mean, sum_i l_i (1 - D_i / l_i) / rank, and of no other. (Added after a first look: plain means,
  which the table shows beside, are mostly of features whose vectors have all but vanished.)
- *Lines*: D_i against |w_i|^2 over the features whose largest measure is on one eigenspace; kept
  with 20 features or more and R^2 above 0.1, as in the repository. The law says slope x lambda = 1.
  Gaussian matrices of the same shapes stand beside: D grows with |w|^2 there too, at slopes of the
  same order, so that a correlation with 1 / lambda is no sign of structure. (Added after a first
  look.)
- *Nulls*: a Gaussian matrix of the same shape, in closed form for saturation, spread and slack,
  and sampled for the largest projection; a trained number far from its null says something.
- *Tolerance*: the largest projection on one eigenspace is measured again with eigenspaces of 1e-5
  to 0.3, for W and for its null: what "collapse" depends on.
- *Intervals*: 95%, by resampling networks where a row has two or more of them, else the features
  of the one network.
- *Agreement* is read as: 1 - saturation and slack within a factor of 2 of the published number,
  spread, projections, participation, number of eigenspaces and mean eigenvalue within 25%.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from jaxsup import Sweep, plot
from jaxsup.reproduce import AbstractFigure, Claim, Findings, toys
from jaxsup.reproduce.analysis import capacity_claims, capacity_panels, capacity_table
from jaxsup.reproduce.figure import Records
from jaxsup.reproduce.registry import FIGURES

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

    from jaxsup.reproduce.analysis.capacity_table import Row, ToleranceCurve

PUBLISHED_SPARSITIES = tuple(np.linspace(0.0, 0.99, 50)[[0, 15, 25, 35, 45, 49]].tolist())
"""Those of the repository's table for K = 112."""


@dataclasses.dataclass(frozen=True)
class Scale:
    """How large the sweep is, see `jaxsup.reproduce.toys.capacity_sweep`; None: as published."""

    features: int = 1024
    latents: tuple[int, ...] | None = None
    sparsities: tuple[float, ...] | None = None
    steps: int = 25_000
    batch_size: int = 1024
    seeds: int = 2


SCALES = {
    "smoke": Scale(64, (4, 16), (0.0, 0.5, 0.9), 200, 64),
    "quick": Scale(
        128,
        (2, 8, 14, 24, 32, 48, 64),
        (0.0, 0.15, 0.3, 0.45, 0.6, 0.7, 0.76, 0.83, 0.91, 0.99),
        10_000,
        256,
    ),
    "standard": Scale(latents=(112,), sparsities=PUBLISHED_SPARSITIES, seeds=1),
    "paper": Scale(),
}


class Capacity(AbstractFigure[Scale]):
    """Saturation, spread, slack and the linear law over width and sparsity."""

    name = "capacity"
    title = FIGURES[name].title
    scales = SCALES
    widths = 8

    def configure(self, scale: Scale) -> Sweep:
        """The sweep over widths x sparsities x seeds."""
        return toys.capacity_sweep(**dataclasses.asdict(scale))

    def measure(self, dataset: xr.Dataset, sweep: Sweep) -> Findings:
        """Spectra of the last weights, the linear law and the tolerances, beside their nulls."""
        del sweep
        rows = capacity_table.measure_rows(dataset)
        if not rows:
            figure, ax = plot.new_figure()
            ax.set_axis_off()
            return Findings([], ["every network diverged, or has no weight left"], figure, [])
        latent = min((r.latent for r in rows), key=lambda k: abs(k - rows[0].features / 9))
        sparsities = sorted({row.sparsity for row in rows if row.latent == latent})
        places = np.linspace(0, len(sparsities) - 1, min(5, len(sparsities))).round().astype(int)
        chosen = [sparsities[place] for place in places]
        curves = capacity_table.measure_tolerances(dataset, latent, chosen)
        nulls = capacity_table.null_lines(rows)
        records = [row.to_dict() for row in rows]
        return Findings(
            records,
            self.summarize(records, nulls, curves, latent),
            self.draw(rows, nulls, curves, dataset),
            self.claims(rows),
        )

    def summarize(
        self,
        records: Records,
        nulls: Float[np.ndarray, "lines 4"],
        curves: list[ToleranceCurve],
        latent: int,
    ) -> list[str]:
        """A line a width and sparsity, then the largest projection by tolerance."""
        lines = [
            "null: a Gaussian matrix of the same shape; (plain): every feature counts alike",
            "",
            "  K  sparsity  rank/K  1-saturation     null   spread    null  (plain)  "
            "projection  spaces   kappa  (plain)  lines  slope x lambda",
        ]
        for r in records:
            slope = "-" if r["line_slope"] is None else f"{r['line_slope']:.3f}"
            lines.append(
                f"{r['latent']:3d}  {r['sparsity']:8.3f}  {r['rank_share']:6.3f}  "
                f"{r['deficit']:12.5f}  {r['null_deficit']:7.4f}  {r['spread']:7.4f}  "
                f"{r['null_spread']:6.3f}  {r['plain_spread']:7.4f}  {r['projection']:10.3f}  "
                f"{r['eigenspaces']:6.0f}  {r['mean_eigenvalue']:6.3f}  "
                f"{r['plain_mean_eigenvalue']:7.3f}  {r['lines']:5d}  {slope:>14}"
            )
        scaled = nulls[:, 0] * nulls[:, 1]
        if len(scaled):
            lines.append(
                f"Gaussian matrices have {len(scaled):,} lines, of slope x lambda "
                f"{scaled.mean():.3f} +- {scaled.std():.3f}"
            )
        lines += ["", f"largest projection on one eigenspace by tolerance, K = {latent}"]
        head = "  ".join(f"{tolerance:7.1e}" for tolerance in capacity_table.TOLERANCES)
        lines.append(f"{'sparsity':>9}  {head}")
        for curve in curves:
            name = "Gaussian" if curve.sparsity is None else f"{curve.sparsity:.3f}"
            shares = "  ".join(f"{share:7.3f}" for share in curve.projections)
            lines.append(f"{name:>9}  {shares}")
        return lines

    def draw(
        self,
        rows: list[Row],
        nulls: Float[np.ndarray, "lines 4"],
        curves: list[ToleranceCurve],
        dataset: xr.Dataset,
    ) -> Figure:
        """Six panels, nulls and published points laid over."""
        return capacity_panels.draw(rows, nulls, curves, dataset)

    def claims(self, rows: list[Row]) -> list[Claim]:
        """The repository's tables, the linear law, the abstract's words and the step."""
        return capacity_claims.claims_of(rows)
