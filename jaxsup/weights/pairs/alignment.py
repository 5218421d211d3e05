"""Features that two matrices have in common by their index, before and after a rotation."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from jaxsup._internal.display import fields_in_short
from jaxsup.weights.pairs.matching import present_features

_BLOCK = 4096  # columns at once, in float64


class SameFeatures(NamedTuple):
    """cos(a_i, b_i) of the features of the same index.

    Attributes:
        features: indices that both matrices represent.
        cosines: as the matrices are; None where their latent sizes differ.
        aligned: cos(R a_i, b_i) for the R that brings all directions together best.
        null: mean of `aligned` where the second matrix's columns are shuffled before R is fitted.
    """

    features: Int[np.ndarray, " shared"]
    cosines: Float[np.ndarray, " shared"] | None
    aligned: Float[np.ndarray, " shared"]
    null: float
    __repr__ = fields_in_short


def align_features(
    A: Float[np.ndarray, "latent features"],
    B: Float[np.ndarray, "others features"],
    *,
    seed: int = 0,
) -> SameFeatures | None:
    """Cosines of equal features, and after R = argmax_R sum_i cos(R a_i, b_i).

    R is orthogonal: R = U V^T with U S V^T = sum_i b_i a_i^T / (|a_i| |b_i|). Between latent spaces
    of different sizes it is a partial isometry, and R a_i is normalized again.

    Arguments:
        A: [latent, features], finite.
        B: [others, features], finite; feature i is that of A.
        seed: of the shuffle.

    Returns:
        The cosines; None where fewer than two features are represented in both.

    Reference: Schonemann, Psychometrika 31 (1966), the orthogonal Procrustes problem.
    """
    shared = np.intersect1d(present_features(A), present_features(B))
    if shared.size < 2:
        return None
    order = np.random.default_rng(seed).permutation(shared.size)
    same = None
    if len(A) == len(B):
        same = _cosines(A, B, shared, shared, np.eye(len(A)))
    return SameFeatures(
        features=shared,
        cosines=same,
        aligned=_aligned(A, B, shared, shared),
        null=float(_aligned(A, B, shared, shared[order]).mean()),
    )


def _aligned(
    A: Float[np.ndarray, "latent features"],
    B: Float[np.ndarray, "others features"],
    first: Int[np.ndarray, " shared"],
    second: Int[np.ndarray, " shared"],
) -> Float[np.ndarray, " shared"]:
    """cos(R a_i, b_j) of pairs i, j of features after the rotation that suits them best."""
    product = np.zeros((len(B), len(A)))
    for block in _blocks(first.size):
        product += _unit(B[:, second[block]]) @ _unit(A[:, first[block]]).T
    left, _, right = np.linalg.svd(product, full_matrices=False)
    return _cosines(A, B, first, second, left @ right)


def _cosines(
    A: Float[np.ndarray, "latent features"],
    B: Float[np.ndarray, "others features"],
    first: Int[np.ndarray, " shared"],
    second: Int[np.ndarray, " shared"],
    turn: Float[np.ndarray, "others latent"],
) -> Float[np.ndarray, " shared"]:
    cosines = np.empty(first.size)
    for block in _blocks(first.size):
        turned = turn @ _unit(A[:, first[block]])
        norms = np.linalg.norm(turned, axis=0)
        products = np.sum(turned * _unit(B[:, second[block]]), axis=0)
        cosines[block] = products / np.where(norms > 0, norms, 1.0)
    return np.clip(cosines, -1.0, 1.0)


def _blocks(count: int) -> list[slice]:
    return [slice(start, start + _BLOCK) for start in range(0, count, _BLOCK)]


def _unit(columns: Float[np.ndarray, "latent block"]) -> Float[np.ndarray, "latent block"]:
    exact = columns.astype(np.float64) / np.abs(columns).max()
    return exact / np.linalg.norm(exact, axis=0)
