"""Which features of two matrices with one latent space are the same: matches by cosine."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.optimize import linear_sum_assignment

from jaxsup._internal.display import fields_in_short
from jaxsup._internal.places import even_places
from jaxsup.spectral.arrays import rounding

# Multiply-adds that each direction may cost before it is cut down to evenly spaced features, unless
# all is asked for: some ten seconds on two quiet cores.
_MATCH_WORK = 4e11
_PASSES = 32  # multiply-adds that going through one cosine costs besides
_ASSIGNED = 2**24  # entries of a table of cosines that is assigned: 4,096 features on either side
_ROWS, _COLUMNS = 256, 4096
_DRAWS = 512  # random directions of a null


class Null(NamedTuple):
    """Best cosines of random directions with the features of the other matrix.

    Attributes:
        mean: of the best cosines.
        stderr: standard error of the mean.
        best: the sample, [draws].
    """

    mean: float
    stderr: float
    best: Float[np.ndarray, " draws"]
    __repr__ = fields_in_short


class Matches(NamedTuple):
    """For features of one matrix, the feature of another with the largest cosine (or |cosine|).

    Attributes:
        features: indices into the first matrix: all represented ones, or evenly spaced ones.
        exact: whether they are all.
        partners: the best match of each, index into the second matrix.
        cosines: with it; with its sign.
        mutual: whether the match's own best match is the feature.
        null: of as many columns with directions that are independent and uniform.
        null_of_moments: of directions drawn from a normal law with the mean and the covariance of
            the first matrix's columns: what a common mean and common large axes bring about.
    """

    features: Int[np.ndarray, " tested"]
    exact: bool
    partners: Int[np.ndarray, " tested"]
    cosines: Float[np.ndarray, " tested"]
    mutual: Bool[np.ndarray, " tested"]
    null: Null
    null_of_moments: Null
    __repr__ = fields_in_short


class Assignment(NamedTuple):
    """The one-to-one matches with the largest sum of cosines (or |cosines|).

    Attributes:
        features: indices into the first matrix, rising.
        partners: indices into the second.
        cosines: of the pairs, with their signs.
    """

    features: Int[np.ndarray, " pairs"]
    partners: Int[np.ndarray, " pairs"]
    cosines: Float[np.ndarray, " pairs"]
    __repr__ = fields_in_short


def match_features(
    A: Float[np.ndarray, "latent features"],
    B: Float[np.ndarray, "latent others"],
    *,
    absolute: bool = False,
    full: bool = False,
    seed: int = 0,
) -> Matches | None:
    """The best match b(i) = argmax_j cos(a_i, b_j) of features of A, and whether it is mutual.

    Of features in both that are not zero. Exact for every feature that is looked at; work is
    O(N_A N_B K), memory bounded by tiles.

    Arguments:
        A: [latent, features], finite.
        B: [latent, others], finite.
        absolute: match by |cos|, where the sign of a direction means nothing.
        full: look at all features of A; otherwise, beyond 4e11 multiply-adds, evenly spaced ones.
        seed: of the random directions of the nulls.

    Returns:
        The matches; None where one of the matrices is zero.
    """
    ours, theirs = present_features(A), present_features(B)
    if not ours.size or not theirs.size:
        return None
    first, second = _unit(A[:, ours]), _unit(B[:, theirs])
    cost = max(len(A), _PASSES) * theirs.size
    tested = ours.size if full else min(ours.size, max(1, int(_MATCH_WORK / cost)))
    rows = even_places(ours.size, tested)
    partners, _ = _best(first[:, rows], second, absolute=absolute)
    reached, inverse = np.unique(partners, return_inverse=True)
    back, _ = _best(second[:, reached], first, absolute=absolute)
    rng = np.random.default_rng(seed)
    uniform = rng.standard_normal((len(A), _DRAWS))
    columns = A[:, ours] / np.abs(A).max()
    mean = columns.mean(axis=1, keepdims=True)
    # Combinations of the centered columns with independent weights have their covariance.
    weights = rng.standard_normal((ours.size, _DRAWS)) / np.sqrt(ours.size)
    weights = weights.astype(columns.dtype)
    alike = mean + (columns - mean) @ weights
    return Matches(
        features=ours[rows],
        exact=tested == ours.size,
        partners=theirs[partners],
        cosines=_pair_cosines(A, B, (ours[rows], theirs[partners])),
        mutual=back[inverse] == rows,
        null=_null(uniform, second, absolute=absolute),
        null_of_moments=_null(alike, second, absolute=absolute),
    )


def assign_features(
    A: Float[np.ndarray, "latent features"],
    B: Float[np.ndarray, "latent others"],
    *,
    absolute: bool = False,
) -> Assignment | None:
    """Pairs of features, each at most once, with the largest sum of cosines (or |cosines|).

    Arguments:
        A: [latent, features], finite.
        B: [latent, others], finite.
        absolute: whether the sizes of cosines are summed.

    Returns:
        As many pairs as the matrix with fewer features has; None where either is zero, or they hold
        more than 2^24 pairs of features (4,096 on either side).

    Reference: Crouse, IEEE Trans. Aerosp. Electron. Syst. 52 (2016), as SciPy has it.
    """
    ours, theirs = present_features(A), present_features(B)
    if not 0 < ours.size * theirs.size <= _ASSIGNED:
        return None
    cosines = _unit(A[:, ours], np.float64).T @ _unit(B[:, theirs], np.float64)
    rows, columns = linear_sum_assignment(np.abs(cosines) if absolute else cosines, maximize=True)
    found = np.clip(cosines[rows, columns], -1.0, 1.0)
    return Assignment(ours[rows], theirs[columns], found)


def present_features(W: Float[np.ndarray, "latent features"]) -> Int[np.ndarray, " present"]:
    """Indices of the columns with |w_i|^2 > r max_j |w_j|^2, r as in `jaxsup.spectral`."""
    peak = np.abs(W).max()
    squares = np.sum((W / (peak or 1.0)) ** 2, axis=0, dtype=np.float64)
    return np.flatnonzero(squares > rounding(W.shape, W.dtype) * squares.max())


def _best(
    queries: Float[np.ndarray, "latent queries"],
    columns: Float[np.ndarray, "latent features"],
    *,
    absolute: bool,
) -> tuple[Int[np.ndarray, " queries"], Float[np.ndarray, " queries"]]:
    """The unit column with the largest cosine (or |cosine|) to each unit query, and its size."""
    count = queries.shape[1]
    places, sizes = np.zeros(count, int), np.full(count, -np.inf, np.float32)
    for top in range(0, count, _ROWS):
        block = slice(top, top + _ROWS)
        rows = np.ascontiguousarray(queries[:, block].T)
        for start in range(0, columns.shape[1], _COLUMNS):
            cosines = rows @ columns[:, start : start + _COLUMNS]
            if absolute:
                np.abs(cosines, out=cosines)
            found = np.argmax(cosines, axis=1)
            values = np.take_along_axis(cosines, found[:, None], axis=1)[:, 0]
            higher = values > sizes[block]
            places[block][higher] = start + found[higher]
            sizes[block][higher] = values[higher]
    return places, sizes


def _pair_cosines(
    A: Float[np.ndarray, "latent features"],
    B: Float[np.ndarray, "latent others"],
    pairs: tuple[Int[np.ndarray, " pairs"], Int[np.ndarray, " pairs"]],
) -> Float[np.ndarray, " pairs"]:
    """cos(a_i, b_j) of pairs of columns that are not zero, in float64."""
    cosines = np.empty(pairs[0].size)
    for start in range(0, cosines.size, _COLUMNS):
        block = slice(start, start + _COLUMNS)
        first = _unit(A[:, pairs[0][block]], np.float64)
        cosines[block] = np.sum(first * _unit(B[:, pairs[1][block]], np.float64), axis=0)
    return np.clip(cosines, -1.0, 1.0)


def _null(
    directions: Float[np.ndarray, "latent draws"],
    columns: Float[np.ndarray, "latent features"],
    *,
    absolute: bool,
) -> Null:
    drawn = directions[:, np.any(directions != 0, axis=0)]
    best = _best(_unit(drawn), columns, absolute=absolute)[1].astype(np.float64)
    error = float(best.std(ddof=1) / np.sqrt(best.size)) if best.size > 1 else 0.0
    return Null(float(best.mean()), error, best)


def _unit(
    columns: Float[np.ndarray, "latent features"], dtype: type = np.float32
) -> Float[np.ndarray, "latent features"]:
    """Columns of unit norm; none may be zero."""
    scaled = columns / np.abs(columns).max()
    return (scaled / np.linalg.norm(scaled, axis=0)).astype(dtype)
