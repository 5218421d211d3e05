"""Subspaces of two matrices: orthonormal bases, principal angles, overlaps, in float64."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from jaxsup._internal.display import fields_in_short
from jaxsup._internal.validation import fail


class Basis(NamedTuple):
    """Singular vectors W = sum_a s_a u_a v_a^T to the rank of W.

    Attributes:
        latent: u_a as columns, an orthonormal basis of the column space.
        features: v_a as columns, an orthonormal basis of the row space.
        values: s_a, falling; s_a^2 are the eigenvalues of F = W W^T.
    """

    latent: Float[np.ndarray, "latent rank"]
    features: Float[np.ndarray, "features rank"]
    values: Float[np.ndarray, " rank"]
    __repr__ = fields_in_short

    @property
    def rank(self) -> int:
        """Dimension of the column space and of the row space."""
        return len(self.values)


def singular_basis(W: Float[np.ndarray, "latent features"]) -> Basis:
    """The singular vectors whose values are above 4 sqrt(max(K, N)) epsilon of the largest.

    Epsilon is that of W's dtype: what lies below is rounding of the numbers that came.

    Arguments:
        W: [latent, features], finite.
    """
    exact = W.astype(np.float64)
    peak = np.abs(exact).max() or 1.0
    left, values, right = np.linalg.svd(exact / peak, full_matrices=False)
    epsilon = float(np.finfo(W.dtype).eps)
    rank = int(np.sum(values > 4 * np.sqrt(max(W.shape)) * epsilon * values[0]))
    return Basis(left[:, :rank], right[:rank].T, peak * values[:rank])


def principal_angles(
    first: Float[np.ndarray, "ambient a"], second: Float[np.ndarray, "other b"]
) -> Float[np.ndarray, " angles"]:
    """The min(a, b) principal angles of two subspaces, rising, in [0, pi/2].

    Their cosines are the singular values of Q_a^T Q_b; angles below pi/4 come from the sines, the
    singular values of what is left of the smaller basis outside of the larger subspace, as a cosine
    near 1 has lost their digits.

    Arguments:
        first: orthonormal columns.
        second: orthonormal columns.

    Raises:
        ValueError: the columns have different lengths.

    Reference: Bjorck & Golub, Math. Comp. 27 (1973).

    >>> principal_angles(np.eye(3)[:, :2], np.eye(3)[:, 1:]).round(4)
    array([0.    , 1.5708])
    """
    if len(first) != len(second):
        text = f"{len(first)} and {len(second)}"
        do = "compare subspaces of one space"
        raise fail("bases", "columns of one length", text, do, described=True)
    small, large = sorted((first, second), key=lambda basis: basis.shape[1])
    if not small.shape[1]:
        return np.empty(0)
    shared = large.T @ small
    cosines = np.clip(np.linalg.svd(shared, compute_uv=False), 0.0, 1.0)
    sines = np.linalg.svd(small - large @ shared, compute_uv=False)[::-1]
    near = cosines**2 > 0.5
    return np.where(near, np.arcsin(np.clip(sines, 0.0, 1.0)), np.arccos(cosines))


def subspace_overlaps(
    first: Float[np.ndarray, "ambient a"],
    second: Float[np.ndarray, "ambient b"],
    first_sizes: Int[np.ndarray, " rows"],
    second_sizes: Int[np.ndarray, " columns"],
) -> Float[np.ndarray, "rows columns"]:
    """tr(P_i P_j) / min(m_i, m_j), P projectors on consecutive groups of orthonormal columns.

    1 where the smaller subspace lies in the larger, 0 where they are orthogonal, and max(m) / K on
    average for random ones in K dimensions.

    Arguments:
        first: orthonormal columns.
        second: orthonormal columns.
        first_sizes: dimensions m_i of the groups, in the order of the columns; those beyond the
            last group are left out.
        second_sizes: the same of the second.
    """
    squares = (first.T @ second) ** 2
    rows, columns = np.cumsum(first_sizes), np.cumsum(second_sizes)
    starts = rows - first_sizes, columns - second_sizes
    sums = np.add.reduceat(squares[: rows[-1], : columns[-1]], starts[0], axis=0)
    sums = np.add.reduceat(sums, starts[1], axis=1)
    return sums / np.minimum(first_sizes[:, None], second_sizes[None, :])


def leading_overlaps(
    first: Float[np.ndarray, "ambient a"],
    second: Float[np.ndarray, "ambient b"],
    sizes: Int[np.ndarray, " sizes"],
) -> Float[np.ndarray, " sizes"]:
    """tr(P_k Q_k) / k of the subspaces that the first k columns span; k / K for random ones.

    Arguments:
        first: orthonormal columns.
        second: orthonormal columns.
        sizes: k, each at most the number of columns of either.
    """
    table = np.cumsum(np.cumsum((first.T @ second) ** 2, axis=0), axis=1)
    return table[sizes - 1, sizes - 1] / sizes


def eigenspace_sizes(
    values: Float[np.ndarray, " rank"], relative_tolerance: float
) -> Int[np.ndarray, " eigenspaces"]:
    """Dimensions of the eigenspaces of F: eigenvalues closer than the tolerance are chained.

    Arguments:
        values: singular values of W, falling.
        relative_tolerance: gap of eigenvalues s^2, relative to the largest.
    """
    squares = values**2
    opens = np.flatnonzero(squares[:-1] - squares[1:] > relative_tolerance * squares[:1])
    return np.diff(np.concatenate([[0], opens + 1, [len(values)]])) if len(values) else opens
