"""Which features of a matrix point where a chosen one does, or away from it."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from jaxsup._internal.display import fields_in_short
from jaxsup._internal.validation import check_positive_integer, fail

_BLOCK = 4096  # columns that are compared at once
_CHOSEN = 64  # features that they are compared with at once
NEIGHBORS = 10
"""Neighbors of a feature where no number is given."""


class Neighbors(NamedTuple):
    """The nearest features of one.

    Attributes:
        feature: whose they are.
        features: the nearest, by falling cosine (or |cosine|); the feature itself is left out.
        cosines: cos(w_i, w_j) of these, with their signs.
        opposite: the feature with the lowest cosine; None where there is no other.
        opposite_cosine: that cosine.
    """

    feature: int
    features: Int[np.ndarray, " neighbors"]
    cosines: Float[np.ndarray, " neighbors"]
    opposite: int | None
    opposite_cosine: float
    __repr__ = fields_in_short


def nearest(
    W: Float[np.ndarray, "latent features"],
    chosen: Sequence[int],
    count: int = NEIGHBORS,
    *,
    represented: Bool[np.ndarray, " features"],
    absolute: bool = False,
) -> list[Neighbors]:
    """The features with the largest cos(w_i, w_j) to each chosen i, over all represented j != i.

    Exact, in float64, in blocks: memory beyond W is the cosines of 64 features with all.

    Arguments:
        W: [latent, features], finite.
        chosen: indices i of represented features.
        count: how many neighbors of each.
        represented: which features have a direction; see `jaxsup.spectral.represented`.
        absolute: by |cos| instead: of all features that overlap, antipodes among them.

    Raises:
        ValueError: a chosen feature is not there or not represented, or `count` is no positive
            integer.

    >>> square = np.array([[1.0, 0.0, -1.0, 0.0], [0.0, 1.0, 0.0, -1.0]])
    >>> nearest(square, [0], 1, represented=np.ones(4, bool), absolute=True)[0].features
    array([2])
    """
    check_positive_integer("count", count, "give a number of neighbors")
    for feature in chosen:
        if not 0 <= feature < W.shape[1] or not represented[feature]:
            text = f"feature {feature}, which is not"
            do = "choose one that the matrix represents"
            raise fail("feature", "one that is represented", text, do, described=True)
    found = []
    for start in range(0, len(chosen), _CHOSEN):
        some = chosen[start : start + _CHOSEN]
        rows = zip(some, _cosines(W, some, represented), strict=True)
        found += [_best(feature, row, count, absolute=absolute) for feature, row in rows]
    return found


def _cosines(
    W: Float[np.ndarray, "latent features"],
    chosen: Sequence[int],
    represented: Bool[np.ndarray, " features"],
) -> Float[np.ndarray, "chosen features"]:
    """cos(w_i, w_j) of the chosen i, NaN for j = i and where j is not represented."""
    peak = np.abs(W).max(initial=0.0) or 1.0
    own = W[:, list(chosen)].astype(np.float64) / peak
    own /= np.linalg.norm(own, axis=0)
    cosines = np.empty((len(chosen), W.shape[1]))
    for start in range(0, W.shape[1], _BLOCK):
        block = slice(start, start + _BLOCK)
        columns = W[:, block].astype(np.float64) / peak
        norms = np.where(represented[block], np.linalg.norm(columns, axis=0), np.nan)
        cosines[:, block] = own.T @ columns / norms
    cosines[np.arange(len(chosen)), list(chosen)] = np.nan
    return np.clip(cosines, -1.0, 1.0)


def _best(
    feature: int, cosines: Float[np.ndarray, " features"], count: int, *, absolute: bool
) -> Neighbors:
    others = np.flatnonzero(~np.isnan(cosines))
    if not others.size:
        return Neighbors(feature, others, np.empty(0), None, 0.0)
    sizes = np.abs(cosines[others]) if absolute else cosines[others]
    order = np.argsort(-sizes, kind="stable")[:count]
    opposite = int(others[np.argmin(cosines[others])])
    found = others[order]
    return Neighbors(feature, found, cosines[found], opposite, float(cosines[opposite]))
