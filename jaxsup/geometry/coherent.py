"""Coherent closure of a coloring of pairs: 2-dimensional Weisfeiler-Leman refinement.

Every pair (x, y) gets the multiset of color pairs {(c(x, z), c(z, y)) : z} as its new color until
nothing changes. The stable coloring is the coarsest coherent configuration that refines the
first one: the number of z with c(x, z) = i and c(z, y) = j depends only on k = c(x, y), and is the
intersection number p_ij^k.

References: Weisfeiler & Leman (1968), "The reduction of a graph to canonical form and the algebra
which appears therein"; Godsil, "Algebraic Combinatorics" (1993), ch. 12; Bannai & Ito, "Algebraic
Combinatorics I" (1984), ch. II.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

_WEIGHT = 2**20  # random weights below this; products summed over n < 2**13 points stay below 2**53
_FEW_PRODUCTS = 50  # matrix products up to which they are the faster certificate in any case
_MAX_TRIPLES = 5e7  # triples of points that can be sorted within some seconds
_MAX_PRODUCTS = 200  # matrix products of larger matrices that can be formed within some seconds


class Closure(NamedTuple):
    """A homogeneous coherent configuration: each point has the same relations to the rest.

    Attributes:
        matrix: class of each pair, 0 on the diagonal.
        intersection_numbers: p[k, i, j] = #{z : (x, z) in class i, (z, y) in class j} for any
            (x, y) in class k.
    """

    matrix: Int[np.ndarray, "points points"]
    intersection_numbers: Int[np.ndarray, "rank rank rank"]


def coherent_closure(colors: Int[np.ndarray, "points points"]) -> Closure | str:
    """Coarsest coherent configuration that refines `colors`, or why it is none to work with.

    Refinement uses random integer weights r, s: sum_z r[c(x, z)] s[c(z, y)], a matrix product that
    is exact in float64 and equal for equal multisets. It never splits what belongs together; that
    it did not miss a split is certified by exact counting of the intersection numbers.

    Arguments:
        colors: any integers; the diagonal is always kept apart from the rest.

    Returns:
        The closure with its intersection numbers, or a sentence if it is not homogeneous
        (two points differ) or too large to certify.
    """
    n = colors.shape[0]
    generator = np.random.default_rng(0)
    matrix = _number(colors, np.eye(n, dtype=np.int64))
    while True:
        rank = int(matrix.max()) + 1
        if not is_regular(matrix, rank):
            return (
                "the coherent closure is not homogeneous: features differ in how they see the rest"
            )
        refined = _refine(matrix, rank, generator)
        if refined.max() + 1 > rank:
            matrix = refined
            continue
        products = rank * -(-rank // _chunk(n))
        if products > _FEW_PRODUCTS and n**3 <= _MAX_TRIPLES:
            numbers = _count_by_sorting(matrix, rank)
        elif products <= _MAX_PRODUCTS:
            numbers = _count_by_products(matrix, rank)
        else:
            return f"{rank - 1} classes on {n} points are too many to certify"
        if numbers is not None:
            return Closure(matrix, numbers)


def is_regular(matrix: Int[np.ndarray, "points points"], rank: int) -> bool:
    """Whether every row holds each of the colors 0..rank-1 equally often, the diagonal just one.

    Needed for a homogeneous closure (which has at most as many classes as points), and cheap.
    """
    n = matrix.shape[0]
    if rank > n:
        return False
    cells = matrix + rank * np.arange(n)[:, None]
    counts = np.bincount(cells.ravel(), minlength=n * rank).reshape(n, rank)
    return bool((counts == counts[0]).all() and np.ptp(np.diagonal(matrix)) == 0)


def _number(
    *keys: Float[np.ndarray, "points points"] | Int[np.ndarray, "points points"],
) -> Int[np.ndarray, "points points"]:
    """Number the pairs by equality of all keys, diagonal first."""
    code = np.zeros(keys[0].shape, dtype=np.int64)
    for key in keys:
        values, inverse = np.unique(key, return_inverse=True)
        _, joint = np.unique(code * values.size + inverse.reshape(code.shape), return_inverse=True)
        code = joint.reshape(code.shape)
    first = code[0, 0]
    return np.where(code == first, 0, np.where(code < first, code + 1, code))


def _refine(
    matrix: Int[np.ndarray, "points points"], rank: int, generator: np.random.Generator
) -> Int[np.ndarray, "points points"]:
    """One round: pairs of one class stay together if their random signatures agree, both ways."""
    first, second = generator.integers(1, _WEIGHT, size=(2, rank)).astype(np.float64)
    signature = first[matrix] @ second[matrix]
    return _number(matrix, signature, signature.T)


def _chunk(n: int) -> int:
    """How many counts of at most n fit side by side into the 53 bits of a float64."""
    return int(53 // np.log2(n + 1))


def _count_by_products(
    matrix: Int[np.ndarray, "points points"], rank: int
) -> Int[np.ndarray, "rank rank rank"] | None:
    """Exact p[k, i, j], or None where they are not constant on a class: few classes.

    The counts for several classes j are packed into one product: A_i @ sum_j (n + 1)^j A_j.
    """
    n, chunk = matrix.shape[0], _chunk(matrix.shape[0])
    _, first = np.unique(matrix, return_index=True)
    numbers = np.zeros((rank, rank, rank), dtype=np.int64)
    for start in range(0, rank, chunk):
        weights = np.zeros(rank)
        width = min(chunk, rank - start)
        weights[start : start + width] = float(n + 1) ** np.arange(width)
        packed = weights[matrix]
        for i in range(rank):
            counts = (matrix == i).astype(np.float64) @ packed
            values = counts.ravel()[first]
            if not (counts == values[matrix]).all():
                return None
            digits = values.astype(np.int64)
            for j in range(start, start + width):
                digits, numbers[:, i, j] = np.divmod(digits, n + 1)
    return numbers


def _count_by_sorting(
    matrix: Int[np.ndarray, "points points"], rank: int
) -> Int[np.ndarray, "rank rank rank"] | None:
    """The same by comparing sorted lists of (c(x, z), c(z, y)), pair by pair: many classes."""
    _, first = np.unique(matrix, return_index=True)
    x, y = np.unravel_index(first, matrix.shape)
    codes = matrix[x] * rank + matrix[:, y].T  # [class, z]
    pairs = codes + rank**2 * np.arange(rank)[:, None]
    expected = np.sort(codes, axis=1)
    for row in matrix:
        if not (np.sort(row * rank + matrix.T, axis=1) == expected[row]).all():
            return None
    return np.bincount(pairs.ravel(), minlength=rank**3).reshape(rank, rank, rank)
