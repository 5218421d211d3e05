"""How features fall into mutually orthogonal components.

Features of different eigenspaces of F = W W^T are orthogonal whenever each lies in one eigenspace
(capacity saturation, arXiv 2602.02224), so the connected components of the Gram graph already
refine the eigenspaces. They stay defined when features spread over several eigenspaces, and they do
not suffer when two eigenvalues come close. Eigenspaces are then read off the components.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components, minimum_spanning_tree

_ROWS, _COLUMNS = 256, 2048  # of a tile of cosines: 4 MB, that its passes find in the cache
_FIRST_ROWS = 16  # of the first block: enough to see that a random matrix is one component
_EARLY_ROWS = 1024  # rows after which a matrix that falls apart will hardly turn out to be one


class Components(NamedTuple):
    """Partition of the columns of a matrix by the connected components of its Gram graph.

    Attributes:
        labels: component of each column, numbered in the order of their first columns.
        cross: largest |cos| of each column with any column that it shares no edge with; -inf for
            all where there is one component only.
    """

    labels: Int[np.ndarray, " features"]
    cross: Float[np.ndarray, " features"]


def orthogonal_components(
    directions: Float[np.ndarray, "latent features"], edge: float, max_pairs: float = np.inf
) -> Components | None:
    """Connected components of the graph with an edge where |u_i . u_j| > edge, u_i unit columns.

    Works in tiles, so memory stays bounded, and stops as soon as everything is connected: a matrix
    whose features all overlap costs one block of rows, whatever its size. Edges inside what is
    already one component are passed over, not listed.

    Arguments:
        directions: unit columns.
        edge: |cos| above which two columns are joined, in [0, 1).
        max_pairs: pairs that may be compared where the first rows do not connect everything.

    Returns:
        The partition; None where it takes more pairs.
    """
    n = directions.shape[1]
    labels, cross = np.arange(n), np.zeros(n)
    start, size = 0, _FIRST_ROWS
    while start < n:
        rows = slice(start, min(start + size, n))
        joins = [
            _joins_of_tile(directions, edge, labels, cross, rows, slice(column, column + _COLUMNS))
            for column in range(start, n, _COLUMNS)
        ]
        first, second = (np.concatenate(ends) for ends in zip(*joins, strict=True))
        if first.size:
            labels = _merge(labels, labels[first], labels[second])
        if not labels.any():
            return Components(labels, np.full(n, -np.inf))
        if rows.stop >= _EARLY_ROWS and n**2 > max_pairs:
            return None
        start, size = rows.stop, _ROWS
    return Components(labels, cross)


def _joins_of_tile(
    directions: Float[np.ndarray, "latent features"],
    edge: float,
    labels: Int[np.ndarray, " features"],
    cross: Float[np.ndarray, " features"],
    rows: slice,
    columns: slice,
) -> tuple[Int[np.ndarray, " joins"], Int[np.ndarray, " joins"]]:
    """The ends of all edges of a tile that join two labels; raises `cross` by the other pairs."""
    overlaps = np.abs(directions[:, rows].T @ directions[:, columns])
    if columns.start < rows.stop:
        diagonal = np.arange(columns.start, min(rows.stop, columns.start + overlaps.shape[1]))
        overlaps[diagonal - rows.start, diagonal - columns.start] = 0.0
    edges = overlaps > edge
    joins = np.flatnonzero(edges & (labels[rows, None] != labels[None, columns]))
    source, target = np.unravel_index(joins, edges.shape)
    np.multiply(overlaps, ~edges, out=overlaps)
    np.maximum(cross[rows], overlaps.max(axis=1), out=cross[rows])
    np.maximum(cross[columns], overlaps.max(axis=0), out=cross[columns])
    return rows.start + source, columns.start + target


def _merge(
    labels: Int[np.ndarray, " features"],
    first: Int[np.ndarray, " joins"],
    second: Int[np.ndarray, " joins"],
) -> Int[np.ndarray, " features"]:
    """Join labels first[e] and second[e] of every edge e; number the result by appearance."""
    new = first != second
    count = int(labels.max()) + 1
    pairs = (np.ones(np.count_nonzero(new), dtype=bool), (first[new], second[new]))
    _, joined = connected_components(coo_array(pairs, shape=(count, count)), directed=False)
    _, index, inverse = np.unique(joined[labels], return_index=True, return_inverse=True)
    return np.argsort(np.argsort(index))[inverse]


def bottleneck(cosines: Float[np.ndarray, "features features"]) -> float:
    """Largest t such that the edges with |cos| >= t still connect all vectors (infinite for one).

    The smallest edge of a maximum spanning tree.
    """
    if cosines.shape[0] == 1:
        return float("inf")
    costs = 2.0 - np.abs(cosines)  # positive, as a sparse matrix takes zero for no edge
    np.fill_diagonal(costs, 0.0)
    return float(2.0 - minimum_spanning_tree(costs).data.max())
