"""What two matrices have in common: subspaces, eigenspaces, features."""

import dataclasses
from typing import Any

import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Float, Int

from jaxsup._internal.display import fields_in_short
from jaxsup._internal.validation import check_number, fail
from jaxsup.spectral.arrays import as_array, floating_type
from jaxsup.spectral.spectrum import CLUSTER_TOLERANCE
from jaxsup.weights.pairs.alignment import SameFeatures, align_features
from jaxsup.weights.pairs.matching import Assignment, Matches, assign_features, match_features
from jaxsup.weights.pairs.subspaces import (
    Basis,
    eigenspace_sizes,
    leading_overlaps,
    principal_angles,
    singular_basis,
    subspace_overlaps,
)

# Multiply-adds that singular vectors may cost before they are left out, as is the best rotation,
# unless all is asked for: some half a minute a matrix on two quiet cores.
_BASIS_WORK = 1e11
_EIGENSPACES = 16  # of either matrix, above which leading subspaces are compared instead
_CHAIN = 10  # spread of an eigenspace, in tolerances, above which it is a chain of eigenvalues


@dataclasses.dataclass(frozen=True, eq=False)
class SubspaceAngles:
    """Principal angles of two subspaces of one space.

    Attributes:
        angles: rising, in radians, in [0, pi/2].
        dimensions: of the two subspaces.
        ambient: of the space.
    """

    angles: Float[np.ndarray, " angles"]
    dimensions: tuple[int, int]
    ambient: int
    __repr__ = fields_in_short

    @property
    def mean_squared_cosine(self) -> float:
        """tr(P_A P_B) / min(dimensions), in [0, 1]; 0 where a subspace is empty."""
        return float(np.mean(np.cos(self.angles) ** 2)) if self.angles.size else 0.0

    @property
    def null(self) -> float:
        """Expected mean squared cosine of random subspaces: max(dimensions) / ambient."""
        return max(self.dimensions) / self.ambient

    @property
    def forced(self) -> bool:
        """Whether a subspace is the whole space, so that every angle is zero."""
        return max(self.dimensions) == self.ambient

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON-safe values."""
        return {
            "angles": self.angles.tolist(),
            "dimensions": list(self.dimensions),
            "ambient": self.ambient,
            "mean_squared_cosine": self.mean_squared_cosine,
            "null": self.null,
            "forced": self.forced,
        }


@dataclasses.dataclass(frozen=True, eq=False)
class SharedEigenspaces:
    """Overlaps of the eigenspaces of F_A and F_B, or of the spans of leading eigenvectors.

    Attributes:
        overlaps: tr(P_i Q_j) / min(m_i, m_j) of eigenspaces by falling eigenvalue, [first, second];
            None where either matrix has more than 16, or chains of close eigenvalues.
        sizes: dimensions of the eigenspaces of either matrix.
        leading: dimensions k of the spans that are compared.
        leading_overlaps: tr(P_k Q_k) / k; of random spans k / latent.
        latent: K.
    """

    overlaps: Float[np.ndarray, "first second"] | None
    sizes: tuple[Int[np.ndarray, " first"], Int[np.ndarray, " second"]]
    leading: Int[np.ndarray, " spans"]
    leading_overlaps: Float[np.ndarray, " spans"]
    latent: int
    __repr__ = fields_in_short

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON-safe values."""
        return {
            "overlaps": None if self.overlaps is None else self.overlaps.tolist(),
            "multiplicities": [sizes.tolist() for sizes in self.sizes],
            "leading": self.leading.tolist(),
            "leading_overlaps": self.leading_overlaps.tolist(),
            "leading_null": (self.leading / self.latent).tolist(),
        }


@dataclasses.dataclass(frozen=True, eq=False)
class Comparison:
    """What `compare` found; fields are None where the sizes of the matrices do not fit.

    Attributes:
        shapes: [latent, features] of A and B.
        bases: singular vectors of A and B; None where they were left out for their cost.
        latent_angles: between the column spaces, in latent space.
        feature_angles: between the row spaces, in the space of features.
        eigenspaces: of F = W W^T, in latent space.
        matches: of the features of A in B, and of those of B in A.
        assignment: one-to-one; None also where there are more than 2^24 pairs.
        same: features of the same index.
        absolute: whether features were matched by |cos|.
    """

    shapes: tuple[tuple[int, int], tuple[int, int]]
    bases: tuple[Basis, Basis] | None
    latent_angles: SubspaceAngles | None
    feature_angles: SubspaceAngles | None
    eigenspaces: SharedEigenspaces | None
    matches: tuple[Matches, Matches] | None
    assignment: Assignment | None
    same: SameFeatures | None
    absolute: bool
    __repr__ = fields_in_short

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON-safe values."""
        bases = self.bases or ()
        return {
            "shapes": [list(shape) for shape in self.shapes],
            "ranks": [basis.rank for basis in bases] or None,
            "eigenvalues": [(basis.values**2).tolist() for basis in bases] or None,
            "latent_angles": self.latent_angles and self.latent_angles.to_dict(),
            "feature_angles": self.feature_angles and self.feature_angles.to_dict(),
            "eigenspaces": self.eigenspaces and self.eigenspaces.to_dict(),
            "absolute": self.absolute,
            "matches": self.matches and [_plain(matches) for matches in self.matches],
            "assignment": self.assignment and _plain(self.assignment),
            "same_features": self.same and _plain(self.same),
        }


def compare(
    A: ArrayLike,
    B: ArrayLike,
    *,
    absolute: bool = False,
    full: bool = False,
    relative_tolerance: float = CLUSTER_TOLERANCE,
    seed: int = 0,
) -> Comparison:
    """Principal angles, shared eigenspaces and matched features of two matrices.

    In latent space, where the latent sizes agree: the column spaces, the eigenspaces of F = W W^T,
    and each feature's best match by cosine. In the space of features, where their numbers agree:
    the row spaces, which no rotation of latent space moves, and the cosines of equal features
    before and after the best rotation.

    Arguments:
        A: [latent, features], finite and real.
        B: the same of another matrix.
        absolute: match features by |cos|: the sign of a direction means nothing.
        full: whatever the size. Otherwise singular vectors beyond 1e11 multiply-adds are left out,
            and with them the best rotation, and matches beyond 4e11 are those of evenly spaced
            features.
        relative_tolerance: of eigenvalues that share an eigenspace; see `jaxsup.spectral`.
        seed: of the random directions that matches are measured against.

    Raises:
        ValueError: neither the latent sizes nor the numbers of features agree, a matrix is not
            finite, real and non-empty, or the tolerance is out of range.

    References: Bjorck & Golub, Math. Comp. 27 (1973), principal angles; Schonemann, Psychometrika
    31 (1966), the best rotation.

    >>> import numpy as np
    >>> found = compare(np.eye(3), np.eye(3)[:, [2, 0, 1]])
    >>> found.matches[0].partners.tolist(), found.matches[0].mutual.all()
    ([1, 2, 0], np.True_)
    """
    first, second = _checked(A), _checked(B)
    check_number(
        "relative_tolerance", relative_tolerance, "say 1e-4", low=0, high=1, high_open=True
    )
    in_latent, in_features = (first.shape[k] == second.shape[k] for k in (0, 1))
    if not in_latent and not in_features:
        text = " and ".join(f"{k:,} x {n:,}" for k, n in (first.shape, second.shape))
        expected = "matrices with as many latent dimensions, or as many features"
        raise fail("A, B", expected, text, "check --tensor and --orientation", described=True)
    work = max(k * n * min(k, n) for k, n in (first.shape, second.shape))
    affordable = full or work <= _BASIS_WORK
    bases = (singular_basis(first), singular_basis(second)) if affordable else None
    return Comparison(
        shapes=((first.shape[0], first.shape[1]), (second.shape[0], second.shape[1])),
        bases=bases,
        latent_angles=_angles(bases, "latent") if bases and in_latent else None,
        feature_angles=_angles(bases, "features") if bases and in_features else None,
        eigenspaces=_shared(*bases, relative_tolerance) if bases and in_latent else None,
        matches=_both_ways(first, second, absolute, full, seed) if in_latent else None,
        assignment=assign_features(first, second, absolute=absolute) if in_latent else None,
        same=align_features(first, second, seed=seed) if affordable and in_features else None,
        absolute=absolute,
    )


def _checked(W: ArrayLike) -> Float[np.ndarray, "latent features"]:
    """W as float32 or float64 on the host: the digits say what is rounding."""
    as_array(W)
    original = np.asarray(W)
    return original.astype(floating_type(original.dtype), copy=False)


def _angles(bases: tuple[Basis, Basis], name: str) -> SubspaceAngles:
    first, second = (getattr(basis, name) for basis in bases)
    angles = principal_angles(first, second)
    return SubspaceAngles(angles, (first.shape[1], second.shape[1]), len(first))


def _shared(first: Basis, second: Basis, tolerance: float) -> SharedEigenspaces | None:
    """Overlaps of eigenspaces, or of leading spans alone; None for a zero matrix."""
    least = min(first.rank, second.rank)
    if not least:
        return None
    leading = np.unique(np.append(2 ** np.arange(least.bit_length()), least))
    sizes = [eigenspace_sizes(basis.values, tolerance) for basis in (first, second)]
    clear = all(
        len(group) <= _EIGENSPACES and not _chained(basis.values, group, tolerance)
        for basis, group in zip((first, second), sizes, strict=True)
    )
    return SharedEigenspaces(
        overlaps=subspace_overlaps(first.latent, second.latent, *sizes) if clear else None,
        sizes=(sizes[0], sizes[1]),
        leading=leading,
        leading_overlaps=leading_overlaps(first.latent, second.latent, leading),
        latent=len(first.latent),
    )


def _chained(
    values: Float[np.ndarray, " rank"], sizes: Int[np.ndarray, " eigenspaces"], tolerance: float
) -> bool:
    """Whether an eigenspace is far wider than the tolerance: no eigenspace, but a chain."""
    ends = np.cumsum(sizes)
    squares = values**2
    spreads = squares[ends - sizes] - squares[ends - 1]
    return bool((spreads > _CHAIN * tolerance * squares[0]).any())


def _both_ways(
    A: Float[np.ndarray, "latent features"],
    B: Float[np.ndarray, "latent others"],
    absolute: bool,
    full: bool,
    seed: int,
) -> tuple[Matches, Matches] | None:
    ways = [
        match_features(*pair, absolute=absolute, full=full, seed=seed) for pair in ((A, B), (B, A))
    ]
    return (ways[0], ways[1]) if ways[0] is not None and ways[1] is not None else None


def _plain(found: Any) -> dict[str, Any]:
    """A tuple of arrays and numbers, as JSON-safe values; of a null, mean and standard error."""
    values: dict[str, Any] = {}
    for name, value in found._asdict().items():
        if name.startswith("null") and not isinstance(value, float):
            values[name] = {"mean": value.mean, "stderr": value.stderr}
        else:
            values[name] = value.tolist() if isinstance(value, np.ndarray) else value
    return values
