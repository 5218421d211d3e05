"""Two features in one dimension: which is represented, over density and importance.

Claim (Elhage et al., arXiv 2209.10652, section 3): trained networks fall into phases, and the
boundaries are those at which the losses of three ideal arrangements cross
(`jaxsup.theory.two_features.two_feature_losses`).

Every point is trained from several random starts, and the network of lowest exact loss counts
(`jaxsup.theory.two_features.two_feature_errors`). Its phase is read from its weights: the
arrangement whose direction (w_1, w_2), up to sign, is nearest, (1, 0), (0, 1) or (1, -1), if it
lies within 22.5 degrees; "none of these" otherwise, and for weights shorter than 0.1. Trained pairs
need not have equal norms: near the boundary that lowers their loss below the ideal pair's by
several per cent, so their phase reaches a little further."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from jaxsup import Sweep, plot
from jaxsup.fit import intervals
from jaxsup.fit.intervals import Estimate
from jaxsup.reproduce import AbstractFigure, Claim, Findings, Published, toys
from jaxsup.reproduce.analysis.phases import NONE, PHASES, draw_excess, draw_phases
from jaxsup.reproduce.registry import FIGURES
from jaxsup.theory.two_features import two_feature_errors, two_feature_losses

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

_ANGLES = (0.0, math.pi / 2, 3 * math.pi / 4)
_REACH = math.pi / 8
_SHORTEST = 0.1
_CLEAR = 1.05
"""Points whose best two arrangements differ by more than this factor lie clear of a boundary."""


@dataclasses.dataclass(frozen=True)
class Scale:
    """How large the experiment is."""

    densities: int
    importances: int
    steps: int
    seeds: int
    batch_size: int = 64
    learning_rate: float = 3e-2


SCALES = {
    "smoke": Scale(8, 7, 200, 2),
    "quick": Scale(100, 100, 1000, 4),
    "paper": Scale(1000, 100, 6000, 8, learning_rate=1e-2),
}


class Phases(NamedTuple):
    """What the networks became, and what the arrangements say; over both axes.

    Attributes:
        trained: codes of `PHASES`, or `NONE`.
        exact: the arrangement of lowest loss.
        clear: whether its loss is lower than the second by 5% or more.
        ratio: the trained network's exact loss over that of the best arrangement.
    """

    trained: Int[np.ndarray, "importances densities"]
    exact: Int[np.ndarray, "importances densities"]
    clear: Bool[np.ndarray, "importances densities"]
    ratio: Float[np.ndarray, "importances densities"]


def outcomes(W: Float[np.ndarray, "... 2"]) -> Int[np.ndarray, "..."]:  # noqa: UP037 - a shape
    """The phase of each network by the rule above, from the two entries of its embedding."""
    angle = np.mod(np.arctan2(W[..., 1], W[..., 0]), np.pi)
    away = np.stack([np.abs(angle - target) for target in _ANGLES])
    away = np.minimum(away, np.pi - away)
    near = (away.min(axis=0) <= _REACH) & (np.hypot(W[..., 0], W[..., 1]) >= _SHORTEST)
    return np.where(near, away.argmin(axis=0), NONE)


def find_phases(dataset: xr.Dataset) -> Phases:
    """Pick the best start of every point, and read its phase."""
    order = ("importance", "features.density", "seed")
    s, r = dataset["features.density"].values, dataset["importance"].values
    last = dataset.isel(kept_step=-1, latent=0).transpose(..., "feature")
    W = last["embedding"].transpose(*order, "feature").values
    bias = last["bias"].transpose(*order, "feature").values
    density = np.broadcast_to(s[:, None], W.shape[:-1]).astype(W.dtype)
    errors = np.asarray(two_feature_errors(W, bias, density), np.float64)
    losses = errors[..., 0] + r[:, None, None] * errors[..., 1]
    losses = np.where(np.isfinite(losses), losses, np.inf)
    best = losses.argmin(axis=-1)[..., None]
    arranged = two_feature_losses(s[None, :], r[:, None])
    ranked = np.sort(arranged, axis=0)
    return Phases(
        trained=np.take_along_axis(outcomes(W), best, axis=-1)[..., 0],
        exact=arranged.argmin(axis=0),
        clear=ranked[1] >= _CLEAR * ranked[0],
        ratio=np.take_along_axis(losses, best, axis=-1)[..., 0] / ranked[0],
    )


def _share(which: Bool[np.ndarray, "..."]) -> float | None:  # noqa: UP037 - a shape
    return float(which.mean()) if which.size else None


class ToyPhaseDiagram(AbstractFigure[Scale]):
    """The phase of the best of several starts, over density and importance."""

    name = "toy-phase-diagram"
    title = FIGURES[name].title
    scales = SCALES

    def configure(self, scale: Scale) -> Sweep:
        """The sweep over importance 0.1 to 10 x density 0.01 to 1 x starts."""
        return toys.two_feature_phases(
            densities=np.geomspace(0.01, 1.0, scale.densities).tolist(),
            importances=np.geomspace(0.1, 10.0, scale.importances).tolist(),
            steps=scale.steps,
            batch_size=scale.batch_size,
            learning_rate=scale.learning_rate,
            seeds=scale.seeds,
        )

    def measure(self, dataset: xr.Dataset, sweep: Sweep) -> Findings:
        """The share of points whose phase is that of the exact losses, in all and by phase."""
        phases = find_phases(dataset)
        agrees = phases.trained == phases.exact
        table = {
            name: {
                "share_exact": float((phases.exact == code).mean()),
                "share_trained": float((phases.trained == code).mean()),
                "agreement": _share(agrees[phases.exact == code]),
            }
            for code, name in enumerate(PHASES)
        }
        record = {
            "points": int(agrees.size),
            "seeds": len(sweep.seeds),
            "steps": sweep.experiment.steps,
            "agreement": _share(agrees),
            "agreement_clear": _share(agrees[phases.clear]),
            "share_clear": _share(phases.clear),
            "none_of_these": float((phases.trained == NONE).mean()),
            "loss_ratio_median": float(np.median(phases.ratio)),
            "phases": table,
        }
        claims = self.claims(phases, dataset["features.density"].values)
        return Findings([record], self.summarize(record), self.draw(dataset, phases), claims)

    def summarize(self, record: dict[str, Any]) -> list[str]:
        """Agreement with the exact losses, in all and by phase."""

        def percent(share: float | None, width: int = 0) -> str:
            return f"{'-':>{width}}" if share is None else f"{share:{width}.1%}"

        lines = [
            f"{record['points']:,} points, the best of {record['seeds']} starts each",
            f"{percent(record['agreement'])} are in the phase that the exact losses say; "
            f"{percent(record['agreement_clear'])} of the {percent(record['share_clear'])} where "
            "these differ by 5% or more",
            "trained loss over that of the best arrangement: median "
            f"{record['loss_ratio_median']:.3f}",
            "",
            f"{'phase':32}  {'exact':>6}  {'trained':>7}  {'agreement':>9}",
        ]
        lines += [
            f"{name:32}  {row['share_exact']:6.1%}  {row['share_trained']:7.1%}  "
            f"{percent(row['agreement'], 9)}"
            for name, row in record["phases"].items()
        ]
        return [*lines, f"{'none of these':32}  {'':6}  {record['none_of_these']:7.1%}"]

    def draw(self, dataset: xr.Dataset, phases: Phases) -> Figure:
        """The phases beside the loss of the trained networks relative to the best arrangement."""
        figure, (left, right) = plot.new_figure(2, width=5.6, height=3.8)
        s, r = dataset["features.density"].values, dataset["importance"].values
        draw_phases(s, r, phases.trained, left)
        left.set_title(f"what {phases.trained.size:,} trained networks became", fontsize=9)
        draw_excess(s, r, phases.ratio, right)
        right.set_title("trained loss beside that of the best ideal arrangement", fontsize=9)
        return figure

    def claims(self, phases: Phases, densities: Float[np.ndarray, " densities"]) -> list[Claim]:
        """Whether trained phases are those of the exact losses, and how far the pair reaches."""
        agrees = np.where(phases.clear, phases.trained == phases.exact, np.nan).T
        pair = (phases.trained == PHASES.index("antipodal pair")).any(axis=0)
        last = int(np.flatnonzero(pair).max(initial=0))
        edges = np.sqrt(densities[1:] * densities[:-1])
        ends = (edges[last - 1] if last else densities[0]), edges[min(last, len(edges) - 1)]
        reach = Estimate(
            float(densities[last]),
            float(min(ends[0], densities[last])),
            float(max(ends[1], densities[last])),
            "cell of the grid of densities",
        )
        return [
            Claim(
                "share of points in the phase of lowest exact loss, where losses differ by 5%",
                "Trained networks fall into the phases that the losses of ideal arrangements "
                "predict.",
                "arXiv 2209.10652, section 3",
                Published(0.95, 1.0, "empirical and theoretical diagram match; read as 95%"),
                intervals.from_bootstrap(agrees, np.nanmean, what="densities", ends=(0.0, 1.0)),
            ),
            Claim(
                "highest density at which a pair is trained",
                "Superposition ends where the pair's loss exceeds that of one feature: s = 4/7, "
                "r = 1.",
                "arXiv 2209.10652, section 3; the boundary by exact losses, "
                "wattenberg/superposition",
                Published.about(4 / 7, 0.05, "4/7 by exact losses; tolerance 0.05"),
                reach if pair.any() else None,
                "" if pair.any() else "no pair was trained at this size",
            ),
        ]
