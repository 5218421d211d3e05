"""What float64 on the host says of a spectrum that was found on a device."""

from typing import NamedTuple

import numpy as np
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float

from jaxsup.spectral.arrays import check_tolerances, rounding
from jaxsup.spectral.spectrum import CLUSTER_TOLERANCE, FrameSpectrum, decompose


class Certificate(NamedTuple):
    """The float64 spectrum, and how far a spectrum in lower precision is from it; see `certify`."""

    eigenvalues: np.ndarray  # distinct, descending
    multiplicities: np.ndarray
    measures: np.ndarray  # [features, eigenspaces]
    capacities: np.ndarray
    represented: np.ndarray
    rank: int
    agrees: bool  # same multiplicities and same represented features
    margin: float  # smallest gap between eigenspaces / widest spread inside one
    errors: dict[str, float]  # of "eigenvalues", "measures" and "capacities"
    bounds: dict[str, float]  # of the same

    @property
    def certified(self) -> bool:
        """The structure agrees and every error is within its bound."""
        return self.agrees and all(self.errors[name] <= self.bounds[name] for name in self.bounds)


def certify(
    W: ArrayLike,
    spectrum: FrameSpectrum | None = None,
    *,
    relative_tolerance: float = CLUSTER_TOLERANCE,
    rank_tolerance: float | None = None,
) -> Certificate:
    """Check a spectrum of `W`, by default `decompose(W)`, against a float64 SVD in numpy.

    Both sides use the same tolerances, and r is the default rank tolerance of the spectrum's dtype:
    the relative error allowed for F. `errors` are largest absolute differences: of all eigenvalues,
    relative to the largest; of measures and capacities (infinite where the structure differs).
    `bounds` are r for eigenvalues (Weyl); r (1 + 2 c / gap) for measures (Davis-Kahan), the gap
    between eigenspaces relative to lambda_max and c = 1, or lambda_max / min_i |w_i|^2 when N < K;
    r (1 + lambda_max max_i D_i^2 / |w_i|^2) for capacities.
    """
    check_tolerances(relative_tolerance, rank_tolerance)
    tolerances = {"relative_tolerance": relative_tolerance, "rank_tolerance": rank_tolerance}
    found = decompose(W, **tolerances) if spectrum is None else spectrum.trim()
    exact = np.asarray(W, np.float64)
    if found.norms.shape != exact.shape[1:]:
        raise ValueError(
            f"expected the spectrum of this matrix; got {len(found.norms)} features for W of shape "
            f"{exact.shape}; do certify(W, decompose(W))"
        )
    r = rounding(exact.shape, found.norms.dtype)
    cut = r if rank_tolerance is None else rank_tolerance
    values, groups, measures, capacities, shown = _reference(exact, relative_tolerance, cut)
    sizes = np.array([len(g) for g in groups], int)
    rank, top = sizes.sum(), max(values[0], np.finfo(np.float64).tiny)
    ends = np.cumsum(sizes)
    edges = values[ends - 1] - np.append(values, -np.inf)[ends]
    gap = edges.min(initial=np.inf) / top
    widest = max([np.ptp(values[g]) for g in groups], default=0.0) / top
    squares = np.sum(exact**2, axis=0)
    wide = exact.shape[0] <= exact.shape[1]
    factor = 1.0 if wide else top / squares[shown].min(initial=top)
    strain = top * np.max(capacities[shown] ** 2 / squares[shown], initial=0.0)
    agrees = np.array_equal(sizes, found.multiplicities)
    agrees = agrees and np.array_equal(shown, found.represented)
    errors = {"eigenvalues": float(_distance(values, found.raw_eigenvalues) / top)}
    errors["measures"] = _distance(measures, found.measures) if agrees else float("inf")
    errors["capacities"] = _distance(capacities, found.capacities) if agrees else float("inf")
    return Certificate(
        eigenvalues=np.array([values[g].mean() for g in groups]),
        multiplicities=sizes,
        measures=measures,
        capacities=capacities,
        represented=shown,
        rank=int(rank),
        agrees=agrees,
        margin=float(gap / max(widest, np.finfo(np.float64).eps)),
        errors=errors,
        bounds={
            "eigenvalues": r,
            "measures": float(r * (1 + 2 * factor / gap)),
            "capacities": float(r * (1 + strain)),
        },
    )


def _reference(
    W: Float[np.ndarray, "K N"], relative_tolerance: float, rank_tolerance: float
) -> tuple[np.ndarray, list[np.ndarray], np.ndarray, np.ndarray, np.ndarray]:
    """Eigenvalues, clusters of indices, measures, capacities, represented: by SVD, in numpy."""
    singular, right = np.linalg.svd(W, full_matrices=False)[1:]
    values, squares = singular**2, np.sum(W**2, axis=0)
    mass = (singular[:, None] * right) ** 2  # [slots, features]
    rank = int(np.sum(values > rank_tolerance * values[0]))
    drops = values[: max(rank - 1, 0)] - values[1 : max(rank, 1)]
    opens = np.flatnonzero(drops > relative_tolerance * values[0])
    groups = np.split(np.arange(rank), opens + 1) if rank else []
    kept = mass[:rank].sum(0)
    shown = (squares > rank_tolerance * squares.max()) & (kept > 0.5 * squares)
    parts = [np.where(shown, mass[g].sum(0) / np.where(shown, kept, 1.0), 0.0) for g in groups]
    measures = np.stack(parts, axis=1) if parts else np.zeros((W.shape[1], 0))
    capacities = np.where(shown, squares**2 / np.where(shown, values @ mass, 1.0), 0.0)
    return values, groups, measures, capacities, shown


def _distance(reference: np.ndarray, found: Array) -> float:
    return float(np.max(np.abs(reference - np.asarray(found)), initial=0.0))
