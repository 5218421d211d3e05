"""Strongly regular graphs by their adjacency matrices, and frames on their eigenspaces."""

import itertools

import numpy as np


def rook(side):
    """Cells of a square board, adjacent in a row or a column."""
    cells = list(itertools.product(range(side), repeat=2))
    return np.array([[(a == c) != (b == d) for c, d in cells] for a, b in cells])


def shrikhande():
    """The graph with the parameters of the 4 x 4 rook's, (16, 6, 2, 2), that is not it."""
    cells = list(itertools.product(range(4), repeat=2))
    near = {(1, 0), (3, 0), (0, 1), (0, 3), (1, 1), (3, 3)}
    return np.array([[((a - c) % 4, (b - d) % 4) in near for c, d in cells] for a, b in cells])


def petersen():
    """Pairs of five points, adjacent where they are disjoint: (10, 3, 0, 1)."""
    points = list(itertools.combinations(range(5), 2))
    return np.array([[not set(p) & set(q) for q in points] for p in points])


def on_eigenspace(adjacency, eigenvalue):
    """The eigenspace's projections of the basis vectors, as columns."""
    values, vectors = np.linalg.eigh(adjacency.astype(float))
    return vectors[:, np.abs(values - eigenvalue) < 1e-9].T
