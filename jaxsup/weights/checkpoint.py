"""One matrix of a checkpoint in single numbers, of whatever size and shape.

Spectra are computed by NumPy in float64, in blocks of columns: nothing is compiled for a shape, and
besides the matrix only the smaller of its products and the eigenvectors of that are held whole.
"""

import dataclasses
import math
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from jaxsup._internal.validation import fail
from jaxsup.spectral.arrays import check_tolerances, data_rank_cut, rounding
from jaxsup.spectral.nulls import gaussian_null
from jaxsup.spectral.spectrum import CLUSTER_TOLERANCE
from jaxsup.weights.coherence import Coherence, measure_coherence
from jaxsup.weights.tails import NoTail, Tail, fit_tail

BLOCK = 2048
"""Columns that are gone through at once."""

_REACH = 1e120  # largest entry, whose fourth power is far from the end of float64


@dataclasses.dataclass(frozen=True)
class MatrixSummary:
    """One matrix in single numbers.

    Attributes:
        features: N, columns of W.
        latent: K, rows of W.
        represented: features with a direction; see `jaxsup.spectral.represented`.
        rank: eigenvalues of F = W W^T that are not zero.
        eigenspaces: clusters of these.
        saturation: sum_i D_i / rank, in [0, 1]; 0 for a zero matrix.
        saturation_null: the same for a Gaussian matrix of this shape, on average.
        localization: mean over represented features of sum_k mu_ik^2, in [0, 1].
        effective_rank: exp of the entropy of the singular values' shares, in [1, rank]; 0 for a
            zero matrix.
        tail: power law in the upper eigenvalues' density, p(lambda) ~ lambda^-alpha, or why none.
        coherence: of the represented features.
    """

    features: int
    latent: int
    represented: int
    rank: int
    eigenspaces: int
    saturation: float
    saturation_null: float
    localization: float
    effective_rank: float
    tail: Tail | NoTail
    coherence: Coherence

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON-safe values."""
        single = {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if field.name not in ("tail", "coherence")
        }
        tail, reason = None, None
        if isinstance(self.tail, Tail):
            tail = {**self.tail._asdict(), "plausible": self.tail.plausible}
        else:
            reason = self.tail.reason
        coherence = self.coherence._asdict()
        return {**single, "tail": tail, "no_tail": reason, "coherence": coherence}


def measure_matrix(
    W: Float[np.ndarray, "latent features"],
    *,
    full: bool = False,
    x64: bool = False,
    relative_tolerance: float = CLUSTER_TOLERANCE,
) -> MatrixSummary:
    """Rank, saturation, localization, effective rank, tail and coherence of a matrix of any size.

    The spectrum has the definitions of `jaxsup.spectral.decompose` in float64, whatever the
    precision of W; rounding of the type that W has is no rank (`data_rank_cut`).

    Arguments:
        W: [latent, features], finite and real, of at least one row and column.
        full: take the coherence over all pairs, whatever it costs.
        x64: take the cosines, too, in float64 and not in float32.
        relative_tolerance: gap of eigenvalues, relative to the largest, up to which they share an
            eigenspace; in [0, 1).

    Raises:
        ValueError: the tolerance is out of range, or the entries are so large or small that their
            fourth powers leave the range of float64.

    References: arXiv 2602.02224 (spectral measures, saturation); Roy & Vetterli, EUSIPCO (2007)
    (effective rank); see `jaxsup.weights.tails` and `jaxsup.weights.coherence`.

    >>> angles = 2 * np.pi * np.arange(5) / 5
    >>> pentagon = measure_matrix(np.stack([np.cos(angles), np.sin(angles)]))
    >>> pentagon.rank, round(pentagon.saturation, 6), round(pentagon.localization, 6)
    (2, 1.0, 1.0)
    """
    check_tolerances(relative_tolerance=relative_tolerance)
    latent, features = W.shape
    values, vectors, exponent = _eigenpairs(W)
    cut = max(rounding(W.shape, np.float64), data_rank_cut(W))
    rank = int(np.sum((values > cut * values[0]) & (values > 0)))
    gaps = np.diff(values[:rank]) < -relative_tolerance * values[0]
    starts = np.flatnonzero([True, *gaps][:rank])
    capacities, localization, represented = _per_feature(W, values, vectors, exponent, starts, cut)
    chosen = np.ldexp(W if represented.all() else W[:, represented], -exponent)
    return MatrixSummary(
        features=features,
        latent=latent,
        represented=int(represented.sum()),
        rank=rank,
        eigenspaces=len(starts),
        saturation=float(capacities.sum()) / max(rank, 1),
        saturation_null=gaussian_null(latent, features).saturation,
        localization=float(localization[represented].mean()) if represented.any() else 0.0,
        effective_rank=effective_rank(np.sqrt(values[:rank])),
        tail=fit_tail(np.ldexp(values[:rank], 2 * exponent)),
        coherence=measure_coherence(
            chosen.astype(np.float64 if x64 else np.float32, copy=False), full=full
        ),
    )


def effective_rank(singular_values: Float[np.ndarray, " values"]) -> float:
    """exp of the entropy of sigma_i / sum_j sigma_j.

    Arguments:
        singular_values: positive.

    Returns:
        From 1 to the number of values; 0 if there are none.

    Reference: Roy & Vetterli, EUSIPCO (2007).

    >>> round(effective_rank(np.ones(7)), 6)
    7.0
    """
    if not singular_values.size:
        return 0.0
    shares = singular_values / singular_values.sum()
    return math.exp(-float(np.sum(shares * np.log(shares))))


def _eigenpairs(
    W: Float[np.ndarray, "latent features"],
) -> tuple[Float[np.ndarray, " eigenvalues"], Float[np.ndarray, "eigenvalues eigenvalues"], int]:
    """Falling eigenvalues of the smaller product of W / 2^e, eigenvectors as columns, and e."""
    peak = max(float(W.max()), -float(W.min()))
    if peak > _REACH or 0 < peak < 1 / _REACH:
        expected = f"a largest entry between {1 / _REACH:g} and {_REACH:g}"
        raise fail("W", expected, peak, "rescale the matrix")
    exponent = math.frexp(peak)[1]
    wide = W if W.shape[0] <= W.shape[1] else W.T
    product = np.zeros((len(wide), len(wide)))
    for start in range(0, wide.shape[1], BLOCK):
        block = wide[:, start : start + BLOCK].astype(np.float64) * 2.0**-exponent
        product += block @ block.T
    values, vectors = np.linalg.eigh(product)
    return np.maximum(values[::-1], 0.0), vectors[:, ::-1], exponent


def _per_feature(
    W: Float[np.ndarray, "latent features"],
    values: Float[np.ndarray, " eigenvalues"],
    vectors: Float[np.ndarray, "eigenvalues eigenvalues"],
    exponent: int,
    starts: Int[np.ndarray, " eigenspaces"],
    cut: float,
) -> tuple[
    Float[np.ndarray, " features"], Float[np.ndarray, " features"], Bool[np.ndarray, " features"]
]:
    """Capacities D_i, participation ratios sum_k mu_ik^2, and which features are represented.

    Zero for those that are not. `starts` are the first eigenvalues of the eigenspaces; those below
    `cut` times the largest are zero, and squared norms likewise.
    """
    latent, features = W.shape
    rank = int(np.sum((values > cut * values[0]) & (values > 0)))
    squares, overlaps, retained, focus = np.zeros((4, features))
    for start in range(0, features, BLOCK):
        part = slice(start, start + BLOCK)
        if latent <= features:
            masses = (vectors.T @ (W[:, part].astype(np.float64) * 2.0**-exponent)) ** 2
        else:  # eigenvectors of the Gram matrix: (u_a . w_i)^2 = lambda_a v_ia^2
            masses = values[:, None] * vectors[part].T ** 2
        squares[part] = masses.sum(axis=0)
        overlaps[part] = values @ masses
        if rank:
            spaces = np.add.reduceat(masses[:rank], starts, axis=0)
            retained[part] = spaces.sum(axis=0)
            focus[part] = np.sum(spaces**2, axis=0)
    represented = squares > cut * squares.max()
    represented &= retained > 0.5 * squares
    own = np.where(represented, squares, 1.0) ** 2
    capacities = np.where(represented, own / np.maximum(overlaps, own), 0.0)
    localization = np.where(represented, focus / np.where(represented, retained, 1.0) ** 2, 0.0)
    return capacities, localization, represented
