"""What one weight matrix holds: its spectrum, coherence, capacities and named geometries."""

import dataclasses
import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Float

from jaxsup import spectral
from jaxsup._internal.validation import fail
from jaxsup.geometry import Geometry, classify
from jaxsup.spectral import FrameSpectrum
from jaxsup.spectral.arrays import as_array
from jaxsup.spectral.certificate import Certificate
from jaxsup.spectral.spectrum import CLUSTER_TOLERANCE
from jaxsup.weights.coherence import Coherence, measure_coherence

# Multiply-adds that the check may cost before it is left out, unless all is asked for: below a
# second on two quiet cores.
_CERTIFICATE_WORK = 2e9
# And those that splitting the features into components may cost: some half a minute.
_GEOMETRY_WORK = 3e11
_LOCALIZED = 0.99  # participation ratio from which a feature counts as being on one eigenspace
_ROWS = 12  # eigenspaces in the printed table


@dataclasses.dataclass(frozen=True, eq=False)
class Diagnosis:
    """What `diagnose` found in a matrix.

    Attributes:
        matrix: W.
        spectrum: of F = W W^T.
        geometry: names of the components; see its `left_out`.
        coherence: of the represented features.
        dimensions_per_feature: D* = K / |W|_F^2; infinite for a zero matrix.
        relative_tolerance: of the clusters of eigenvalues.
        certificate: the float64 check of the spectrum; None where it was left out for its cost.
    """

    matrix: Float[np.ndarray, "latent features"]
    spectrum: FrameSpectrum
    geometry: Geometry
    coherence: Coherence
    dimensions_per_feature: float
    relative_tolerance: float
    certificate: Certificate | None

    @property
    def localized(self) -> int:
        """Features with a participation ratio of at least 0.99: in effect on one eigenspace."""
        return int(np.sum(np.asarray(self.spectrum.localization) >= _LOCALIZED))

    def to_dict(self, features: Sequence[int] = ()) -> dict[str, Any]:
        """All of it as JSON-safe values; the spectral measures of the chosen features only."""
        spectrum = self.spectrum
        plain = ("eigenvalues", "multiplicities", "spreads", "tightness", "raw_eigenvalues")
        each = ("norms", "capacities", "localization", "entropy_localization", "represented")
        latent, count = self.matrix.shape
        certificate = self.certificate
        return {
            "features": count,
            "latent": latent,
            "rank": int(spectrum.rank),
            "saturation": float(spectrum.saturation),
            "overall_tightness": float(spectrum.overall_tightness),
            "dimensions_per_feature": _finite(self.dimensions_per_feature),
            "coherence": self.coherence._asdict(),
            "localized": self.localized,
            "relative_tolerance": self.relative_tolerance,
            "eigenspaces": {name: np.asarray(getattr(spectrum, name)).tolist() for name in plain},
            "per_feature": {name: np.asarray(getattr(spectrum, name)).tolist() for name in each},
            "measures": {str(i): np.asarray(spectrum.measures[i]).tolist() for i in features},
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
        return [
            ("features N", f"{count:,}{absent}"),
            ("latent K", f"{latent:,}; superposition ratio N/K = {count / latent:.4g}"),
            ("rank", f"{rank:,}, in {eigenspaces:,} eigenspace{'s' * (eigenspaces != 1)}"),
            ("saturation", f"{float(spectrum.saturation):.4f} = sum of capacities / rank"),
            ("capacity", _range(np.asarray(spectrum.capacities)[represented])),
            ("localization", _range(np.asarray(spectrum.localization)[represented])),
            ("", f"{self.localized:,} features on one eigenspace ({_LOCALIZED:g} or more)"),
            ("D*", f"{self.dimensions_per_feature:.4g} = K / |W|^2, dimensions per feature"),
            ("coherence", f"{at_least}{coherence.value:.4f}{'' if coherence.exact else partly}"),
            ("rms cosine", f"{coherence.root_mean_square:.4f}"),
            ("Welch bound", f"{coherence.welch_bound:.4f}, least possible value of these two"),
            ("mean |cosine|", coherence.describe_mean(latent)),
            ("tightness", f"residual {float(spectrum.overall_tightness):.2e}, 0 = tight frames"),
            ("float64 check", self._certificate_text()),
        ]

    def _certificate_text(self) -> str:
        if self.certificate is None:
            return "left out at this size (--full)"
        if self.certificate.certified:
            return "passed: same eigenspaces, errors within their bounds"
        if self.certificate.agrees:
            return "same eigenspaces, but errors beyond their bounds: compute in float64 (--x64)"
        return "other eigenspaces than in this precision: compute in float64 (--x64)"

    def __str__(self) -> str:
        """Three tables: single numbers, eigenspaces, components."""
        single = [f"{name:<14} {value}" for name, value in self.rows()]
        return "\n".join(
            [*single, "", self._eigenspaces(), "", str(self.geometry), *self._reasons()]
        )

    def _eigenspaces(self) -> str:
        spectrum = self.spectrum
        home = np.argmax(np.asarray(spectrum.measures), axis=1) if int(spectrum.count) else 0
        represented = np.asarray(spectrum.represented)
        homes = np.broadcast_to(home, represented.shape)[represented]
        counts = np.bincount(homes, minlength=int(spectrum.count))
        columns = ("eigenvalue", "dimension", "spread", "tightness residual", "features")
        lines = ["  ".join(columns)]
        table = zip(
            np.asarray(spectrum.eigenvalues),
            np.asarray(spectrum.multiplicities),
            np.asarray(spectrum.spreads),
            np.asarray(spectrum.tightness),
            counts,
            strict=True,
        )
        for value, size, spread, residual, features in list(table)[:_ROWS]:
            cells = (f"{value:.5g}", str(size), f"{spread:.1e}", f"{residual:.1e}", f"{features:,}")
            lines.append(
                "  ".join(f"{x:<{len(n)}}" for x, n in zip(cells, columns, strict=True)).rstrip()
            )
        if len(counts) > _ROWS:
            rest = slice(_ROWS, None)
            largest = int(np.max(np.asarray(spectrum.multiplicities)[rest]))
            lines.append(f"and {len(counts) - _ROWS} more, of dimension up to {largest}")
        spreads, top = np.asarray(spectrum.spreads), float(np.max(spectrum.eigenvalues, initial=0))
        if (spreads > 10 * self.relative_tolerance * top).any():
            lines.append(
                "Spreads far above the cluster tolerance: chains of close eigenvalues, no "
                "eigenspaces; a smaller --cluster-tolerance splits them."
            )
        return "\n".join(lines)

    def _reasons(self) -> list[str]:
        """Why components are irregular, with how many of each."""
        reasons = Counter(c.reason for c in self.geometry.components if c.reason)
        lines = [f"irregular ({count}): {reason}" for reason, count in reasons.most_common()]
        return ["--full compares all", *lines] if self.geometry.left_out else lines


def diagnose(
    W: ArrayLike,
    *,
    full: bool = False,
    tolerance: float = 1e-3,
    relative_tolerance: float = CLUSTER_TOLERANCE,
) -> Diagnosis:
    """Decompose F = W W^T, measure coherence and D* = K / |W|_F^2, and name the geometries.

    Arguments:
        W: [latent, features], finite and real.
        full: whatever the size, take the coherence over all pairs (O(N^2 K)) and check the spectrum
            against a float64 SVD. Otherwise coherence beyond 2e10 multiply-adds is a lower bound
            from evenly spaced features against all others, a check beyond 2e9 is left out, and so
            are components beyond 3e11, if the first thousand features do not show one component.
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
    matrix = _checked(W)
    spectrum = spectral.decompose(matrix, relative_tolerance=relative_tolerance)
    latent, features = matrix.shape
    certificate = None
    if full or latent * features * min(latent, features) <= _CERTIFICATE_WORK:
        certificate = spectral.certify(matrix, spectrum, relative_tolerance=relative_tolerance)
    max_pairs = None if full else int(_GEOMETRY_WORK / max(latent, 32))
    squares = float(np.sum(np.asarray(spectrum.norms, np.float64) ** 2))
    return Diagnosis(
        matrix=matrix,
        spectrum=spectrum,
        geometry=classify(matrix, tolerance=tolerance, max_pairs=max_pairs),
        coherence=measure_coherence(matrix[:, np.asarray(spectrum.represented)], full=full),
        dimensions_per_feature=latent / squares if squares else math.inf,
        relative_tolerance=relative_tolerance,
        certificate=certificate,
    )


def largest_features(diagnosis: Diagnosis, count: int = 8) -> list[int]:
    """The represented features of largest norm, at most `count`, in the order of the matrix."""
    spectrum = diagnosis.spectrum
    norms = np.where(np.asarray(spectrum.represented), np.asarray(spectrum.norms), -1.0)
    best = np.argsort(-norms, kind="stable")[:count]
    return sorted(int(i) for i in best if norms[i] >= 0)


def _checked(W: ArrayLike) -> Float[np.ndarray, "latent features"]:
    """W as float32 or float64 in the range where squares keep the digits of the precision."""
    array = as_array(W)
    original = np.asarray(W)
    matrix = original if original.dtype in (np.float32, np.float64) else original.astype(np.float32)
    if original.dtype.kind in "iu":
        matrix = original.astype(np.float64)
    reach = 1e15 if array.dtype == np.float32 else 1e120
    peak = float(np.abs(matrix).max())
    if peak > reach or 0 < peak < 1 / reach:
        expected = f"a largest entry between {1 / reach:g} and {reach:g} in {array.dtype}"
        raise fail("W", expected, peak, "rescale the matrix")
    return matrix


def _range(values: Float[np.ndarray, " features"]) -> str:
    """Median and the range of the middle 90%."""
    if not values.size:
        return "no feature is represented"
    low, middle, high = np.percentile(values, [5, 50, 95])
    return f"median {middle:.3g}, 5% to 95%: {low:.3g} to {high:.3g}"


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
