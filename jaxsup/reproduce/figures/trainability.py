"""Trainability: where networks learn, fall silent or diverge, over two learning rates.

Autoencoders relu(W^T W x + b) on one active feature of value 1, with the loss of the published
maps of the toy model (public code of the authors of arXiv 2602.02224),
sum_i (1 - relu(g_ii + b_i))^2 + sum_{i != j} relu(g_ij + b_i)^2 with g = W^T W, descend its exact
gradient from one start a seed, with a rate for W and one for b. There, a network counts as diverged
once loss or gradient leaves 1e12. Here: if a recorded loss does or a number is no longer finite;
the text says how large the parameters of the others are, so that one sees that none came back.

Claims: the border between training and divergence is a fractal (Sohl-Dickstein,
arXiv 2402.06184, for other networks); rates of W above 2 / lambda_max of the start, up to about
twice that, still train (Lewkowycz et al., arXiv 2003.02218, for a solvable model).
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from jaxsup import (
    SGD,
    DiagonalTeacher,
    Experiment,
    OneActiveFeatures,
    Record,
    Student,
    Sweep,
    plot,
    simulate,
    theory,
)
from jaxsup.fit import intervals
from jaxsup.fit.intervals import Estimate
from jaxsup.reproduce import AbstractFigure, Claim, Findings, Published
from jaxsup.reproduce.analysis.box_counting import Border, draw_box_counts, measure_border
from jaxsup.reproduce.analysis.outcomes import (
    DIVERGES,
    LEARNS,
    OUTCOMES,
    Maps,
    draw_map,
    read_outcomes,
)
from jaxsup.reproduce.analysis.sharpness import sharpness
from jaxsup.reproduce.registry import FIGURES

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

_RATES, _BIAS_RATES = (0.1, 4.0), (0.1, 100.0)
"""Ranges of the rates of W, in units of K/N, and of the bias, in units of 1/N: about the inverse
curvatures of the start, so that the map shows the same region at every size."""
_FRACTAL = 1.17, 1.98
"""Published dimensions; of a smooth curve counting boxes makes 1.03 at most."""


@dataclasses.dataclass(frozen=True)
class Scale:
    """How large the experiment is."""

    features: int
    latent: int
    grid: int
    steps: int
    seeds: int


SCALES = {
    "smoke": Scale(16, 3, 33, 60, 2),
    "quick": Scale(32, 4, 129, 300, 4),
    "paper": Scale(256, 32, 1024, 500, 3),
}


def largest_stable_rate(
    outcomes: Int[np.ndarray, " rates"], rates: Float[np.ndarray, " rates"]
) -> float:
    """The largest of rising rates below the first that diverges; NaN if the first does."""
    diverged = np.flatnonzero(outcomes == DIVERGES)
    last = (diverged[0] if diverged.size else len(rates)) - 1
    return float(rates[last]) if last >= 0 else float("nan")


def sharpness_of_start(sweep: Sweep, seed: int) -> float:
    """Largest eigenvalue by size of the loss's Hessian by W at the start of a seed."""
    record = Record(points=2, parameter_steps=(0,))
    experiment = dataclasses.replace(sweep.experiment_at((0, 0)), steps=1, record=record)
    start = simulate(experiment, jax.random.key(seed)).snapshots
    assert start is not None
    assert start.embedding is not None
    assert start.bias is not None
    W, bias = start.embedding[0], start.bias[0]
    importance = jnp.full(W.shape[1], float(W.shape[1]))
    return sharpness(
        lambda W: theory.one_sparse_loss(W, bias, importance=importance, values="one"), W
    )


def _dimension(borders: list[Border]) -> Estimate | None:
    """Mean over the starts; from box sizes where there is one start only."""
    estimates = [border.dimension for border in borders if border.dimension is not None]
    if len(estimates) < len(borders):
        return None
    if len(estimates) == 1:
        return estimates[0]
    return intervals.from_samples([estimate.value for estimate in estimates], "starts")


def _over_seeds(values: Float[np.ndarray, " seeds"]) -> Estimate | None:
    if len(values) < 2 or not np.isfinite(values).all():
        return None
    return intervals.from_samples(values, "starts")


class Trainability(AbstractFigure[Scale]):
    """Outcomes over the rate of W and that of the bias, and the borders between them."""

    name = "trainability"
    title = FIGURES[name].title
    scales = SCALES

    def configure(self, scale: Scale) -> Sweep:
        """The sweep over the rate of W x the rate of b x starts."""
        count = scale.features
        experiment = Experiment(
            OneActiveFeatures(count, values="one"),
            DiagonalTeacher(0.0),
            Student(scale.latent, "learned", core=False),
            SGD(0.1, bias_learning_rate=0.1),
            steps=scale.steps,
            gradient="exact",
            record=Record(points=12, observables=("embedding_norm", "bias_norm")),
            reduction="sum",
            # A plain sum over the active feature, not a mean.
            importance=np.full(count, float(count)),
        )
        units = {
            "optimizer.learning_rate": (scale.latent / count, _RATES),
            "optimizer.bias_learning_rate": (1 / count, _BIAS_RATES),
        }
        axes = {
            name: (unit * np.geomspace(*ends, scale.grid)).tolist()
            for name, (unit, ends) in units.items()
        }
        return Sweep(experiment, axes, scale.seeds)

    def measure(self, dataset: xr.Dataset, sweep: Sweep) -> Findings:
        """Shares, borders and their dimensions, and the largest stable rate by the curvature."""
        maps = read_outcomes(dataset, sweep)
        rates = dataset["optimizer.learning_rate"].values
        borders = {
            "divergence": [measure_border(o == DIVERGES) for o in maps.outcomes],
            "learning": [measure_border(o == LEARNS) for o in maps.outcomes],
        }
        stable = np.array([largest_stable_rate(o[:, 0], rates) for o in maps.outcomes])
        classical = np.array([2 / sharpness_of_start(sweep, seed) for seed in sweep.seeds])
        dimensions = {name: _dimension(traces) for name, traces in borders.items()}
        ratio = _over_seeds(stable / classical)
        shares = {name: float((maps.outcomes == code).mean()) for code, name in enumerate(OUTCOMES)}
        record = {
            "networks": int(maps.outcomes.size),
            "steps": sweep.experiment.steps,
            "shares": shares,
            "largest_norm": float(np.nanmax(maps.norms)),
            "dimensions": {k: v._asdict() if v else None for k, v in dimensions.items()},
            "box_sizes": borders["divergence"][0].sizes.tolist(),
            "box_counts": {k: [b.counts.tolist() for b in v] for k, v in borders.items()},
            "stable_rate": stable.tolist(),
            "two_over_sharpness": classical.tolist(),
        }
        figure = self.draw(dataset, maps, borders)
        claims = self.claims(dimensions["divergence"], ratio)
        return Findings([record], self.summarize(record, dimensions, ratio), figure, claims)

    def summarize(
        self, record: dict[str, Any], dimensions: dict[str, Estimate | None], ratio: Estimate | None
    ) -> list[str]:
        """Shares of the outcomes, dimensions of the borders, and the largest stable rate."""
        shares = ", ".join(f"{share:.1%} {name}" for name, share in record["shares"].items())
        lines = [
            f"{record['networks']:,} networks, {record['steps']} steps: {shares}",
            f"largest norm of parameters that did not diverge: {record['largest_norm']:.4g}",
        ]
        lines += [
            f"dimension of the border of {name}: {dimension or 'not measured'}"
            for name, dimension in dimensions.items()
        ]
        lines.append(
            "largest stable rate of W at the smallest rate of b, over 2 / lambda_max of the start: "
            f"{ratio or 'not measured'}"
        )
        return lines

    def draw(self, dataset: xr.Dataset, maps: Maps, borders: dict[str, list[Border]]) -> Figure:
        """The map of the first start beside the box counts of its borders."""
        figure, (left, right) = plot.new_figure(2, width=5.4, height=4.3)
        rates = dataset["optimizer.learning_rate"].values
        bias_rates = dataset["optimizer.bias_learning_rate"].values
        draw_map(rates, bias_rates, maps.outcomes[0], maps.losses[0], left)
        left.set_title(f"{maps.outcomes[0].size:,} networks from one start", fontsize=9)
        draw_box_counts({f"border of {name}": traces for name, traces in borders.items()}, right)
        right.set_title("how rough the borders are", fontsize=9)
        return figure

    def claims(self, dimension: Estimate | None, ratio: Estimate | None) -> list[Claim]:
        """Whether the border is fractal, and how far beyond the classical rate training goes."""
        return [
            Claim(
                "box-counting dimension of the border of divergence",
                "The border between trainable and untrainable hyper-parameters is a fractal.",
                "arXiv 2402.06184, six other networks",
                Published(*_FRACTAL, "fractal; dimensions from 1.17 to 1.98"),
                dimension,
                "" if dimension else "the grid is too coarse: fewer than three box sizes",
            ),
            Claim(
                "largest stable rate of W over 2 / lambda_max of the start",
                "Between 2 / lambda_max and about twice that, training grows at first and "
                "converges.",
                "arXiv 2003.02218, a solvable model",
                Published(1.0, 2.0, "from 2 / lambda_max to about 4 / lambda_max"),
                ratio,
                "" if ratio else "needs two starts or more, stable at the smallest rates",
            ),
        ]
