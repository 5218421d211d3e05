"""Features that two matrices have in common by their index, before and after a rotation."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from jaxsup.weights.matching import present_features


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
    first, second = _unit(A[:, shared]), _unit(B[:, shared])
    shuffled = second[:, np.random.default_rng(seed).permutation(shared.size)]
    same = len(A) == len(B)
    return SameFeatures(
        features=shared,
        cosines=np.clip(np.sum(first * second, axis=0), -1.0, 1.0) if same else None,
        aligned=_aligned(first, second),
        null=float(_aligned(first, shuffled).mean()),
    )


def _aligned(
    first: Float[np.ndarray, "latent shared"], second: Float[np.ndarray, "others shared"]
) -> Float[np.ndarray, " shared"]:
    left, _, right = np.linalg.svd(second @ first.T, full_matrices=False)
    turned = left @ (right @ first)
    norms = np.linalg.norm(turned, axis=0)
    return np.clip(np.sum(turned * second, axis=0) / np.where(norms > 0, norms, 1.0), -1.0, 1.0)


def _unit(columns: Float[np.ndarray, "latent shared"]) -> Float[np.ndarray, "latent shared"]:
    exact = columns.astype(np.float64) / np.abs(columns).max()
    return exact / np.linalg.norm(exact, axis=0)
