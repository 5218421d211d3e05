"""What the spectral measures of a matrix say, beside what random matrices would show."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Shaped

from jaxsup._internal.display import fields_in_short
from jaxsup._internal.text import align_left
from jaxsup.spectral import FrameSpectrum
from jaxsup.spectral.measures import (
    LinearLaw,
    MeasureSummary,
    binned_entropies,
    linear_law,
    summarize_measures,
)
from jaxsup.spectral.nulls import NULLS, gaussian_null, sample_null

# Multiply-adds that drawing and decomposing random matrices may cost, both nulls together: a few
# seconds on two quiet cores. One sample of 768 x 50,257 takes nearly half of them.
_WORK = 4e11
_PRODUCTS = 6  # of K x N by the smaller square, in one sample
_SAMPLES, _MOST_SAMPLES = 16, 64  # of each null; where all is asked for
_SEED = 0

_HEAD = ("measure", "this matrix", "Gaussian", "norms kept, directions redrawn")
# Name in `MeasureSummary`, name in the table.
_ROWS = {
    "saturation": "saturation, of rank",
    "latent_saturation": "saturation, of K",
    "leverage": "leverage",
    "slack": "slack",
    "mean_eigenvalue": "kappa",
    "eigenvalue_spread": "spread",
    "localization": "localization",
    "largest_projection": "largest projection",
    "entropy": "entropy",
    "binned_entropy": "binned entropy",
    "lines": "linear law, lines",
    "linear_law": "slope x eigenvalue",
    "r_squared": "R²",
}


@dataclasses.dataclass(frozen=True, eq=False)
class Measures:
    """What spectral measures say, of a matrix and of random ones.

    The names of single numbers are those of `jaxsup.spectral.measures.MeasureSummary`; means are
    over represented features, and a value is NaN where there is nothing to measure.

    Attributes:
        values: single numbers of the matrix.
        per_feature: "slack", "eigenvalue_spreads", "largest_projections", "entropies",
            "binned_entropies" and "homes", [features].
        law: the linear law on its eigenspaces.
        closed_forms: of a Gaussian matrix of its shape and mean square, on average; not of all.
        samples: of random matrices, by null ("gaussian", "directions") and name; empty where they
            were left out for their cost.
        redrawn: "slack" and "eigenvalue_spreads" of every feature of these, by null and name.
        seed: of the samples.
    """

    values: Mapping[str, float]
    per_feature: Mapping[str, Shaped[np.ndarray, " features"]]
    law: LinearLaw
    closed_forms: Mapping[str, float]
    samples: Mapping[str, Mapping[str, Float[np.ndarray, " samples"]]]
    redrawn: Mapping[str, Mapping[str, Float[np.ndarray, "samples features"]]]
    seed: int = _SEED
    __repr__ = fields_in_short

    @property
    def count(self) -> int:
        """Sampled matrices of each null."""
        return len(self.samples["gaussian"]["rank"]) if self.samples else 0

    def null(self, kind: str, name: str) -> float:
        """What a random matrix shows: the closed form where there is one, else the samples' mean.

        NaN where neither is there. Of samples that have it.
        """
        if kind == "gaussian" and name in self.closed_forms:
            return self.closed_forms[name]
        values = self._finite_samples(kind, name)
        return float(values.mean()) if values.size else math.nan

    def _finite_samples(self, kind: str, name: str) -> Float[np.ndarray, " finite"]:
        """Those in which there was something to measure: not every one has a line."""
        values = np.asarray(self.samples[kind][name] if self.samples else [], np.float64)
        return values[np.isfinite(values)]

    def to_dict(self) -> dict[str, Any]:
        """As JSON-safe values; None for what cannot be measured."""
        nulls = {
            kind: {name: [_finite(float(x)) for x in drawn] for name, drawn in each.items()}
            for kind, each in self.samples.items()
        }
        return {
            "values": {name: _finite(value) for name, value in self.values.items()},
            "gaussian_closed_form": {n: _finite(value) for n, value in self.closed_forms.items()},
            "samples": nulls,
            "count": self.count,
            "seed": self.seed,
        }

    def __str__(self) -> str:
        """A row for each number: this matrix, Gaussian, directions redrawn."""
        rows: list[tuple[str, ...]] = [_HEAD]
        for name, label in _ROWS.items():
            closed = name in self.closed_forms
            gaussian = _number(self.closed_forms[name]) if closed else self._drawn("gaussian", name)
            cells = (_number(self.values[name]), gaussian, self._drawn("directions", name))
            rows.append((label, *cells))
        lines = align_left(rows)
        if not self.samples:
            return "\n".join([*lines, "random matrices left out at this size (--full)"])
        drawn = "one sample" if self.count == 1 else f"mean and range of {self.count} samples"
        return "\n".join([*lines, f"nulls: closed forms, else {drawn}, seed {self.seed}"])

    def _drawn(self, kind: str, name: str) -> str:
        """Mean and range of the samples."""
        values = self._finite_samples(kind, name)
        if not values.size:
            return "-"
        low, high = (_number(float(x)) for x in (values.min(), values.max()))
        middle = _number(float(values.mean()))
        return middle if low == high else f"{middle} ({low} to {high})"


def measure_with_nulls(
    W: Float[np.ndarray, "latent features"],
    spectrum: FrameSpectrum,
    *,
    full: bool,
    relative_tolerance: float,
    rank_tolerance: float | None,
) -> Measures:
    """The measures of a matrix, closed forms, and samples of both nulls.

    Up to 16 samples of each null, as many as 4e11 multiply-adds pay for (of 6 products of W with
    the smaller square a sample); none if they do not pay for one.

    Arguments:
        W: in the precision of the spectrum.
        spectrum: its decomposition with these tolerances, padded.
        full: up to 64 samples and 16 times the work, at least 4 at any size.
        relative_tolerance: of eigenspaces.
        rank_tolerance: of the rank.
    """
    summary, each, law = jax.tree.map(np.asarray, _measure(jnp.asarray(W), spectrum))
    count = int(spectrum.count)
    law = LinearLaw(*(column[:count] for column in law))
    each["homes"] = np.where(each.pop("represented"), each["homes"], count)
    variance = float(np.mean(np.asarray(spectrum.norms, np.float64) ** 2)) / W.shape[0]
    closed = gaussian_null(*W.shape)._asdict()
    closed["mean_eigenvalue"] *= variance
    samples_each = _count_samples(*W.shape, full=full)
    samples: dict[str, dict[str, np.ndarray]] = {}
    redrawn: dict[str, dict[str, np.ndarray]] = {}
    for null, key in zip(NULLS, jax.random.split(jax.random.key(_SEED)), strict=True):
        if not samples_each:
            break
        drawn, of_features, _ = sample_null(
            key,
            W,
            null=null,
            samples=samples_each,
            summary=measure,
            relative_tolerance=relative_tolerance,
            rank_tolerance=rank_tolerance,
        )
        samples[null] = {name: np.asarray(x) for name, x in drawn._asdict().items()}
        kept = of_features["represented"]
        redrawn[null] = {
            name: np.where(kept, of_features[name], np.nan)
            for name in ("slack", "eigenvalue_spreads")
        }
    values = {name: float(x) for name, x in summary._asdict().items()}
    return Measures(values, each, law, closed, samples, redrawn)


def measure(
    W: Float[Array, "latent features"], spectrum: FrameSpectrum
) -> tuple[MeasureSummary, dict[str, Shaped[Array, " features"]], LinearLaw]:
    """All at once, to be compiled: one program for the matrix and its random ones."""
    each = {
        "slack": spectrum.slack,
        "eigenvalue_spreads": spectrum.eigenvalue_spreads,
        "largest_projections": spectrum.largest_projections,
        "entropies": spectrum.entropies,
        "binned_entropies": binned_entropies(W, spectrum),
        "homes": spectrum.homes,
        "represented": spectrum.represented,
    }
    return summarize_measures(W, spectrum), each, linear_law(spectrum)


_measure = jax.jit(measure)


def _count_samples(latent: int, features: int, *, full: bool) -> int:
    """Samples of each null that the work pays for."""
    each = len(NULLS) * _PRODUCTS * latent * features * min(latent, features)
    if full:
        return max(4, min(_MOST_SAMPLES, int(16 * _WORK / each)))
    return min(_SAMPLES, int(_WORK / each))


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.4g}"


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
