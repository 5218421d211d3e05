"""What one weight matrix holds: its spectrum, coherence, capacities and named geometries."""

import dataclasses
import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Float

from jaxsup._internal.display import html_table, html_text
from jaxsup._internal.validation import feature_indices
from jaxsup.geometry import Geometry, classify
from jaxsup.spectral import FrameSpectrum
from jaxsup.spectral.arrays import check_tolerances
from jaxsup.spectral.certificate import Certificate
from jaxsup.spectral.spectrum import CLUSTER_TOLERANCE
from jaxsup.weights.checked import check_matrix, decompose_with_check, rank_tolerance_of
from jaxsup.weights.coherence import Coherence, measure_coherence
from jaxsup.weights.files.read import Weights
from jaxsup.weights.measures import Measures, measure_with_nulls
from jaxsup.weights.spectrum_text import (
    describe_certificate,
    describe_eigenspaces,
    describe_precision,
)

# Multiply-adds that splitting the features into components may cost: some half a minute.
_GEOMETRY_WORK = 3e11
_LOCALIZED = 0.99  # participation ratio from which a feature counts as being on one eigenspace

_EACH = (
    "norms",
    "capacities",
    "leverages",
    "mean_eigenvalues",
    "localization",
    "entropy_localization",
    "represented",
)
"""What the spectrum says of every feature."""


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Diagnosis:
    """What `diagnose` found in a matrix.

    Attributes:
        matrix: W, float32 or float64 as it came.
        spectrum: of F = W W^T, in JAX's precision or in float64.
        measures: single numbers of the spectral measures, beside those of random matrices.
        geometry: names of the components; see its `left_out`.
        coherence: of the represented features.
        dimensions_per_feature: D* = K / |W|_F^2; infinite for a zero matrix.
        relative_tolerance: of the clusters of eigenvalues.
        certificate: the float64 check of the spectrum; None where it was left out for its cost.
        rank_in_float32: the rank that float32 found where the check in float64 found another one,
            so that all was computed in float64; else None.
    """

    matrix: Float[np.ndarray, "latent features"]
    spectrum: FrameSpectrum
    measures: Measures
    geometry: Geometry
    coherence: Coherence
    dimensions_per_feature: float
    relative_tolerance: float
    certificate: Certificate | None
    rank_in_float32: int | None = None

    @property
    def localized(self) -> int:
        """Features with a participation ratio of at least 0.99: in effect on one eigenspace."""
        return int(np.sum(np.asarray(self.spectrum.localization) >= _LOCALIZED))

    @property
    def precision(self) -> str:
        """What was computed in: "float32" or "float64"."""
        return str(self.spectrum.norms.dtype)

    def __repr__(self) -> str:
        latent, features = self.matrix.shape
        saturation, null = self.measures.values, self.measures.null("gaussian", "saturation")
        return (
            f"<Diagnosis of {latent:,} x {features:,}: rank {int(self.spectrum.rank):,}, "
            f"saturation {saturation['saturation']:.4f} (Gaussian {null:.4f}), "
            f"{len(self.geometry.components):,} components>"
        )

    def to_dict(self, features: Sequence[int] = ()) -> dict[str, Any]:
        """All of it as JSON-safe values; the spectral measures of the chosen features only.

        Raises:
            ValueError: a feature is not there.
        """
        spectrum, law = self.spectrum, self.measures.law
        plain = ("eigenvalues", "multiplicities", "spreads", "tightness", "raw_eigenvalues")
        latent, count = self.matrix.shape
        chosen = feature_indices("features", features, count).tolist()
        certificate = self.certificate
        return {
            "features": count,
            "latent": latent,
            "precision": self.precision,
            "rank": int(spectrum.rank),
            "rank_in_float32": self.rank_in_float32,
            "saturation": float(spectrum.saturation),
            "overall_tightness": float(spectrum.overall_tightness),
            "dimensions_per_feature": _finite(self.dimensions_per_feature),
            "coherence": self.coherence._asdict(),
            "localized": self.localized,
            "relative_tolerance": self.relative_tolerance,
            "summary": self.measures.to_dict(),
            "eigenspaces": {
                **{name: np.asarray(getattr(spectrum, name)).tolist() for name in plain},
                "features": np.asarray(law.features).tolist(),
                **{
                    name: [_finite(float(x)) for x in getattr(law, name)]
                    for name in ("slopes", "intercepts", "r_squared")
                },
            },
            "per_feature": {
                **{name: np.asarray(getattr(spectrum, name)).tolist() for name in _EACH},
                **{name: each.tolist() for name, each in self.measures.per_feature.items()},
            },
            "measures": {str(i): np.asarray(spectrum.measures[i]).tolist() for i in chosen},
            "geometry": self.geometry.to_dict(),
            "certificate": None
            if certificate is None
            else {
                "certified": bool(certificate.certified),
                "agrees": bool(certificate.agrees),
                "margin": _finite(certificate.margin),
                "errors": {name: _finite(value) for name, value in certificate.errors.items()},
                "bounds": {name: _finite(value) for name, value in certificate.bounds.items()},
            },
        }

    def rows(self) -> list[tuple[str, str]]:
        """Name and value of every single number, as the table prints them."""
        spectrum, coherence = self.spectrum, self.coherence
        latent, count = self.matrix.shape
        represented = np.asarray(spectrum.represented)
        missing = count - int(represented.sum())
        absent = f", {missing:,} of them not represented" if missing else ""
        rank, eigenspaces = int(spectrum.rank), int(spectrum.count)
        at_least = "" if coherence.exact else "at least "
        partly = f" ({coherence.features:,} features against all; --full: all pairs)"
        null = f"of a Gaussian matrix {self.measures.null('gaussian', 'saturation'):.4f}"
        return [
            ("features N", f"{count:,}{absent}"),
            ("latent K", f"{latent:,}; superposition ratio N/K = {count / latent:.4g}"),
            ("rank", f"{rank:,}, in {eigenspaces:,} eigenspace{'s' * (eigenspaces != 1)}"),
            *describe_precision(rank, self.rank_in_float32),
            ("saturation", f"{float(spectrum.saturation):.4f} = sum of capacities / rank; {null}"),
            ("capacity", _range(np.asarray(spectrum.capacities)[represented])),
            ("localization", _range(np.asarray(spectrum.localization)[represented])),
            ("", f"{self.localized:,} features on one eigenspace ({_LOCALIZED:g} or more)"),
            ("D*", f"{self.dimensions_per_feature:.4g} = K / |W|^2, dimensions per feature"),
            ("coherence", f"{at_least}{coherence.value:.4f}{'' if coherence.exact else partly}"),
            ("rms cosine", f"{coherence.root_mean_square:.4f}"),
            ("Welch bound", f"{coherence.welch_bound:.4f}, least possible value of these two"),
            ("mean |cosine|", coherence.describe_mean(latent)),
            ("tightness", f"residual {float(spectrum.overall_tightness):.2e}, 0 = tight frames"),
            ("float64 check", describe_certificate(self.certificate, spectrum)),
        ]

    def __str__(self) -> str:
        """Four tables: single numbers, measures beside their nulls, eigenspaces, components."""
        single = [f"{name:<14} {value}" for name, value in self.rows()]
        return "\n\n".join(["\n".join(single), self._other_tables()])

    def _repr_html_(self) -> str:
        return html_text(repr(self)) + html_table(self.rows()) + html_text(self._other_tables())

    def _other_tables(self) -> str:
        """Those below the single numbers."""
        spaces = describe_eigenspaces(self.spectrum, self.measures.law, self.relative_tolerance)
        tables = [str(self.measures), spaces, str(self.geometry)]
        return "\n".join(["\n\n".join(tables), *self._reasons()])

    def _reasons(self) -> list[str]:
        """Why components are irregular, with how many of each."""
        reasons = Counter(c.reason for c in self.geometry.components if c.reason)
        lines = [f"irregular ({count}): {reason}" for reason, count in reasons.most_common()]
        return ["--full compares all", *lines] if self.geometry.left_out else lines


def diagnose(
    W: ArrayLike | Weights,
    *,
    full: bool = False,
    tolerance: float = 1e-3,
    relative_tolerance: float = CLUSTER_TOLERANCE,
) -> Diagnosis:
    """Decompose F = W W^T, measure coherence and D* = K / |W|_F^2, and name the geometries.

    All is computed in float64 where JAX has it enabled, whatever the type of W, else in float32;
    and in float64 again where the check of that finds another rank. The numbers of W are then as
    good as their type: singular values that rounding W can make count as zero, those below r times
    the largest, r that of float32 for float32 or narrower types.

    Beside what the spectral measures say stands what random matrices would show: of Gaussian
    entries, and with the norms of the columns kept and their directions redrawn; in closed form, or
    from up to 16 samples with a fixed seed, as many as 4e11 multiply-adds pay for.

    Arguments:
        W: [latent, features], finite and real; or what `read_weights` gives.
        full: whatever the size, take the coherence over all pairs (O(N^2 K)), check the spectrum
            against a float64 SVD, and draw 16 times as many random matrices, 4 to 64. Otherwise
            coherence beyond 2e10 multiply-adds is a lower bound from evenly spaced features against
            all others, a check beyond 2e9 is left out, and so are components beyond 3e11, if the
            first thousand features do not show one component.
        tolerance: noise on a feature that names forgive; see `jaxsup.geometry.classify`. Exact or
            converged weights: 1e-3; trained ones with gradient noise: 1e-2 to 5e-2.
        relative_tolerance: gap of eigenvalues, relative to the largest, up to which they share an
            eigenspace; see `jaxsup.spectral`.

    Returns:
        A `Diagnosis`; print it, or take `to_dict()`.

    Raises:
        ValueError: W is no finite, real, non-empty matrix, or its entries are so large or small
            that their squares leave the range of the precision; a tolerance is out of range.

    References: arXiv 2602.02224 (spectral measures, capacity saturation); arXiv 2209.10652 (D*);
    Welch, IEEE Trans. Inf. Theory 20 (1974).

    >>> import numpy as np
    >>> angles = 2 * np.pi * np.arange(5) / 5
    >>> diagnosis = diagnose(np.stack([np.cos(angles), np.sin(angles)]))
    >>> diagnosis.geometry.names, round(diagnosis.dimensions_per_feature, 3)
    ({'pentagon': 1}, 0.4)
    """
    matrix = check_matrix(W.matrix if isinstance(W, Weights) else W)
    check_tolerances(relative_tolerance=relative_tolerance)
    settings: dict[str, Any] = {"full": full, "relative_tolerance": relative_tolerance}
    padded, certificate = decompose_with_check(matrix, **settings)
    rank = int(padded.rank)
    if certificate is None or certificate.rank == rank or padded.norms.dtype == np.float64:
        return _measure(matrix, padded, certificate, tolerance=tolerance, **settings)
    with jax.enable_x64(True):  # of this thread alone
        padded, certificate = decompose_with_check(matrix, **settings)
        found = _measure(matrix, padded, certificate, tolerance=tolerance, **settings)
    return dataclasses.replace(found, rank_in_float32=rank)


def _measure(
    matrix: Float[np.ndarray, "latent features"],
    padded: FrameSpectrum,
    certificate: Certificate | None,
    *,
    full: bool,
    tolerance: float,
    relative_tolerance: float,
) -> Diagnosis:
    """All beside the spectrum, in JAX's precision."""
    wide, spectrum = matrix.astype(jnp.result_type(float)), padded.trim()
    max_pairs = None if full else int(_GEOMETRY_WORK / max(len(matrix), 32))
    squares = float(np.sum(np.asarray(spectrum.norms, np.float64) ** 2))
    return Diagnosis(
        matrix=matrix,
        spectrum=spectrum,
        measures=measure_with_nulls(
            wide,
            padded,
            full=full,
            relative_tolerance=relative_tolerance,
            rank_tolerance=rank_tolerance_of(matrix),
        ),
        geometry=classify(matrix, tolerance=tolerance, max_pairs=max_pairs),
        coherence=measure_coherence(wide[:, np.asarray(spectrum.represented)], full=full),
        dimensions_per_feature=len(matrix) / squares if squares else math.inf,
        relative_tolerance=relative_tolerance,
        certificate=certificate,
    )


def largest_features(diagnosis: Diagnosis, count: int = 8) -> list[int]:
    """The represented features of largest norm, at most `count`, in the order of the matrix."""
    spectrum = diagnosis.spectrum
    norms = np.where(np.asarray(spectrum.represented), np.asarray(spectrum.norms), -1.0)
    best = np.argsort(-norms, kind="stable")[:count]
    return sorted(int(i) for i in best if norms[i] >= 0)


def _range(values: Float[np.ndarray, " features"]) -> str:
    """Median and the range of the middle 90%."""
    if not values.size:
        return "no feature is represented"
    low, middle, high = np.percentile(values, [5, 50, 95])
    return f"median {middle:.3g}, 5% to 95%: {low:.3g} to {high:.3g}"


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
