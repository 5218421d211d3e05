"""Orthogonal components, tile by tile, against the dense Gram matrix."""

import numpy as np
import pytest
from scipy.sparse.csgraph import connected_components

from jaxsup.geometry import classify, components
from jaxsup.geometry.components import orthogonal_components


def blocks(rng, shapes, noise):
    """Random unit columns in mutually orthogonal subspaces, shuffled, turned, and tilted a bit."""
    rows, columns = (sum(sizes) for sizes in zip(*shapes, strict=True))
    W, row, column = np.zeros((rows, columns)), 0, 0
    for height, width in shapes:
        W[row : row + height, column : column + width] = rng.standard_normal((height, width))
        row, column = row + height, column + width
    turn = np.linalg.qr(rng.standard_normal((rows, rows)))[0]
    W = turn @ W[:, rng.permutation(columns)]
    W = W / np.linalg.norm(W, axis=0) + noise * rng.standard_normal(W.shape)
    return W / np.linalg.norm(W, axis=0)


@pytest.mark.parametrize("tile", [(1, 1), (7, 11), (16, 5), (256, 2048)])
@pytest.mark.parametrize("first", [1, 16])
def test_tiles_give_the_components_of_the_whole_gram_matrix(tile, first, monkeypatch):
    for name, size in zip(("_ROWS", "_COLUMNS", "_FIRST_ROWS"), (*tile, first), strict=True):
        monkeypatch.setattr(components, name, size)
    rng, edge = np.random.default_rng(0), 0.02
    shapes = [(3, 20), (1, 4), (2, 2), (4, 30), (1, 1)]
    U = blocks(rng, shapes, 1e-4)
    partition = orthogonal_components(U, edge)
    assert partition is not None
    overlaps = np.abs(U.T @ U)
    np.fill_diagonal(overlaps, 0.0)
    count, labels = connected_components(overlaps > edge, directed=False)
    assert count == len(shapes)
    order = np.unique(labels, return_index=True)[1]
    np.testing.assert_array_equal(partition.labels, np.argsort(np.argsort(order))[labels])
    expected = np.where(overlaps > edge, 0.0, overlaps).max(axis=1)
    np.testing.assert_allclose(partition.cross, expected, rtol=0, atol=1e-15)


def test_what_overlaps_is_one_component_after_the_first_rows():
    """2,500 columns: more than a tile, so that the first block of rows has two."""
    U = blocks(np.random.default_rng(1), [(4, 2500)], 0.0)
    partition = orthogonal_components(U, 1e-3, max_pairs=1)  # few are compared
    assert partition is not None
    assert not partition.labels.any()
    assert (partition.cross == -np.inf).all()


def test_what_falls_apart_is_given_up_where_all_pairs_are_too_many():
    U = blocks(np.random.default_rng(2), [(2, 1500), (2, 1500)], 0.0)
    assert orthogonal_components(U, 1e-3, max_pairs=3000**2 - 1) is None
    whole = orthogonal_components(U, 1e-3, max_pairs=3000**2)
    assert whole is not None
    assert np.bincount(whole.labels).tolist() == [1500, 1500]
    left_out, split = (classify(U, max_pairs=pairs) for pairs in (3000**2 - 1, None))
    assert (left_out.left_out, split.left_out) == (True, False)
    assert (len(left_out.components), len(split.components)) == (0, 2)
    assert "components left out" in str(left_out)
    assert not classify(np.zeros((2, 3))).left_out
