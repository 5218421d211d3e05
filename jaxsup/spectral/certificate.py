"""What float64 on the host says of a spectrum from a device."""

from typing import NamedTuple

import numpy as np
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Bool, Float, Int

from jaxsup._internal.display import fields_in_short
from jaxsup.spectral.arrays import (
    as_array,
    check_same_shape,
    check_tolerances,
    data_rank_cut,
    in_own_precision,
    rounding,
)
from jaxsup.spectral.spectrum import CLUSTER_TOLERANCE, FrameSpectrum, decompose


class Certificate(NamedTuple):
    """The float64 spectrum, and how far a spectrum in lower precision is from it; see `certify`.

    Attributes:
        eigenvalues: distinct, falling, in units of W^2.
        multiplicities: dimension of each eigenspace.
        measures: spectral measures of the features.
        capacities: D_i.
        represented: whether each feature is.
        rank: of W, by its singular values.
        agrees: same multiplicities and same represented features.
        margin: smallest gap between eigenspaces, the null space among them / widest spread inside
            of one.
        errors: of "eigenvalues", "measures" and "capacities".
        bounds: of the same.
    """

    eigenvalues: Float[np.ndarray, " eigenspaces"]
    multiplicities: Int[np.ndarray, " eigenspaces"]
    measures: Float[np.ndarray, "features eigenspaces"]
    capacities: Float[np.ndarray, " features"]
    represented: Bool[np.ndarray, " features"]
    rank: int
    agrees: bool
    margin: float
    errors: dict[str, float]
    bounds: dict[str, float]
    __repr__ = fields_in_short

    @property
    def certified(self) -> bool:
        """The structure agrees and every error is within its bound."""
        return self.agrees and all(self.errors[name] <= self.bounds[name] for name in self.bounds)


@in_own_precision
def certify(
    W: ArrayLike,
    spectrum: FrameSpectrum | None = None,
    *,
    relative_tolerance: float = CLUSTER_TOLERANCE,
    rank_tolerance: float | None = None,
) -> Certificate:
    """Check a spectrum of `W`, by default `decompose(W)`, against a float64 SVD in numpy.

    The SVD decides rank, represented features and eigenspaces itself: singular values that are
    below r_W times the largest one are zero, r_W being the default rank tolerance for the type of
    W's numbers (those of types narrower than float32, for float32). That is what storing W can
    blur, and far less than forming F = W W^T blurs: of diag(1, 5e-4), float32's F has rank 1, the
    SVD finds 2, and the two disagree. With `rank_tolerance`, both sides use that one.

    With r the default rank tolerance of the spectrum's dtype, the relative error allowed for F:
    `errors` are largest absolute differences: of all eigenvalues, relative to the largest; of
    measures and capacities (infinite where the structure differs). `bounds` are r for eigenvalues
    (Weyl); r (1 + 2 c / gap) for measures (Davis-Kahan), the gap between eigenspaces relative to
    lambda_max and c = 1, or lambda_max / min_i |w_i|^2 when N < K; r (1 + lambda_max max_i D_i^2 /
    |w_i|^2) for capacities.

    Arguments:
        W: [latent, features], finite and real.
        spectrum: of this matrix; default: `decompose(W)` with the same tolerances.
        relative_tolerance: of the clusters, in [0, 1); see `jaxsup.spectral`.
        rank_tolerance: eigenvalue, relative to the largest, up to which it counts as zero on both
            sides; in [0, 1), default: each side's own.

    Raises:
        ValueError: W is no finite, real, non-empty matrix or leaves the range of the precision, a
            tolerance is out of range, or the spectrum is that of a matrix of another shape.

    Reference: Davis & Kahan, SIAM J. Numer. Anal. 7 (1970), the sin(theta) theorem.
    """
    check_tolerances(relative_tolerance=relative_tolerance, rank_tolerance=rank_tolerance)
    as_array(W)
    if spectrum is None:
        spectrum = decompose(
            W, relative_tolerance=relative_tolerance, rank_tolerance=rank_tolerance
        )
    check_same_shape(np.shape(W), spectrum)
    tested, exact = spectrum.trim(), np.asarray(W, np.float64)
    # Fourth powers of the entries stay in range; a power of two changes no digit.
    exponent = int(np.frexp(np.abs(exact).max())[1])
    exact = np.ldexp(exact, -exponent)
    r = rounding(exact.shape, tested.norms.dtype)
    cut = data_rank_cut(W) if rank_tolerance is None else rank_tolerance
    reference = _decompose_by_svd(exact, relative_tolerance, cut)
    sizes = np.array([len(group) for group in reference.groups], int)
    agrees = np.array_equal(sizes, tested.multiplicities)
    agrees = agrees and np.array_equal(reference.represented, tested.represented)
    gap, widest = _separation(reference, sizes)
    return Certificate(
        eigenvalues=np.ldexp(
            np.array([reference.values[group].mean() for group in reference.groups]), 2 * exponent
        ),
        multiplicities=sizes,
        measures=reference.measures,
        capacities=reference.capacities,
        represented=reference.represented,
        rank=int(sizes.sum()),
        agrees=agrees,
        margin=float(gap / max(widest, np.finfo(np.float64).eps)),
        errors=_errors(reference, tested, exponent, agrees=agrees),
        bounds=_bounds(exact, reference, gap, r),
    )


class _Reference(NamedTuple):
    """A spectrum in float64; `groups` are the indices of each eigenspace's eigenvalues."""

    values: Float[np.ndarray, " eigenvalues"]
    groups: list[Int[np.ndarray, "..."]]
    measures: Float[np.ndarray, "features eigenspaces"]
    capacities: Float[np.ndarray, " features"]
    represented: Bool[np.ndarray, " features"]

    @property
    def top(self) -> float:
        """The largest eigenvalue, above zero."""
        return max(self.values[0], np.finfo(np.float64).tiny)


def _decompose_by_svd(
    W: Float[np.ndarray, "latent features"], relative_tolerance: float, rank_tolerance: float
) -> _Reference:
    singular, right = np.linalg.svd(W, full_matrices=False)[1:]
    values, squares = singular**2, np.sum(W**2, axis=0)
    mass = (singular[:, None] * right) ** 2  # [eigenvalues, features]
    rank = int(np.sum(values > rank_tolerance * values[0]))
    drops = values[: max(rank - 1, 0)] - values[1 : max(rank, 1)]
    opens = np.flatnonzero(drops > relative_tolerance * values[0])
    groups = np.split(np.arange(rank), opens + 1) if rank else []
    retained = mass[:rank].sum(0)
    # Written out, not taken from `represented`: this is the check of it.
    chosen = (squares > rank_tolerance * squares.max()) & (retained > 0.5 * squares)
    parts = [np.where(chosen, mass[g].sum(0) / np.where(chosen, retained, 1.0), 0) for g in groups]
    measures = np.stack(parts, axis=1) if parts else np.zeros((W.shape[1], 0))
    capacities = np.where(chosen, squares**2 / np.where(chosen, values @ mass, 1.0), 0.0)
    return _Reference(values, groups, measures, capacities, chosen)


def _separation(
    reference: _Reference, sizes: Int[np.ndarray, " eigenspaces"]
) -> tuple[float, float]:
    """Smallest gap between eigenspaces and widest spread inside of one, relative to the largest."""
    values, ends = reference.values, np.cumsum(sizes)
    edges = values[ends - 1] - np.append(values, -np.inf)[ends]
    widest = max([np.ptp(values[group]) for group in reference.groups], default=0.0)
    return edges.min(initial=np.inf) / reference.top, widest / reference.top


def _errors(
    reference: _Reference, tested: FrameSpectrum, exponent: int, *, agrees: bool
) -> dict[str, float]:
    """Largest differences, of eigenvalues relative to the largest; the reference's W / 2^e."""
    unit = np.ldexp(float(tested.scale), -exponent)
    scaled = unit**2 * np.asarray(tested.scaled_eigenvalues, np.float64)
    values = _distance(reference.values, scaled) / reference.top
    return {
        "eigenvalues": float(values),
        "measures": _distance(reference.measures, tested.measures) if agrees else float("inf"),
        "capacities": _distance(reference.capacities, tested.capacities)
        if agrees
        else float("inf"),
    }


def _bounds(
    W: Float[np.ndarray, "latent features"], reference: _Reference, gap: float, r: float
) -> dict[str, float]:
    top, chosen = reference.top, reference.represented
    squares = np.sum(W**2, axis=0)[chosen]
    factor = 1.0 if W.shape[0] <= W.shape[1] else top / squares.min(initial=top)
    strain = top * np.max(reference.capacities[chosen] ** 2 / squares, initial=0.0)
    return {
        "eigenvalues": r,
        "measures": float(r * (1 + 2 * factor / gap)),
        "capacities": float(r * (1 + strain)),
    }


def _distance(
    reference: Float[np.ndarray, "*shape"], tested: Float[Array | np.ndarray, "*shape"]
) -> float:
    return float(np.max(np.abs(reference - np.asarray(tested)), initial=0.0))
