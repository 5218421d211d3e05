"""Principal angles and overlaps of planted subspaces."""

import numpy as np
import pytest
from helpers import assert_one_line_error
from tight_frames import rotation

from jaxsup.weights.pairs.subspaces import (
    eigenspace_sizes,
    leading_overlaps,
    principal_angles,
    singular_basis,
    subspace_overlaps,
)

ANGLES = np.asarray([0.0, 1e-9, 1e-4, 0.3, 0.78, 0.79, 1.2, np.pi / 2])


def planted(angles: np.ndarray, ambient: int, more: int, seed: int = 0):
    """Bases of two subspaces with these angles; the second has `more` dimensions beside."""
    turn, count = rotation(np.random.default_rng(seed), ambient), len(angles)
    first, normal = turn[:, :count], turn[:, count : 2 * count]
    second = first * np.cos(angles) + normal * np.sin(angles)
    rest = turn[:, 2 * count : 2 * count + more]
    rng = np.random.default_rng(seed + 1)
    return first @ rotation(rng, count), np.hstack([second, rest]) @ rotation(rng, count + more)


@pytest.mark.parametrize("more", [0, 3])
@pytest.mark.parametrize("swapped", [False, True])
def test_planted_angles_are_found_small_ones_too(more: int, swapped: bool) -> None:
    bases = planted(ANGLES, 24, more)
    found = principal_angles(*(bases[::-1] if swapped else bases))
    np.testing.assert_allclose(found, ANGLES, rtol=1e-6, atol=3e-15)


def test_angles_with_nothing_or_elsewhere() -> None:
    assert principal_angles(np.eye(3)[:, :0], np.eye(3)).size == 0
    assert_one_line_error(
        lambda: principal_angles(np.eye(3), np.eye(4)), "columns of one length; got 3 and 4"
    )


@pytest.mark.parametrize("shape", [(5, 40), (40, 5), (6, 6)])
@pytest.mark.parametrize("scale", [1e-200, 1.0, 1e200])
def test_the_basis_gives_back_the_matrix(shape: tuple[int, int], scale: float) -> None:
    rng = np.random.default_rng(0)
    W = scale * rng.standard_normal((shape[0], 4)) @ rng.standard_normal((4, shape[1]))
    basis = singular_basis(W)
    assert basis.rank == 4
    for vectors in (basis.latent, basis.features):
        np.testing.assert_allclose(vectors.T @ vectors, np.eye(4), atol=1e-13)
    rebuilt = (basis.latent * basis.values) @ basis.features.T
    np.testing.assert_allclose(rebuilt, W, atol=1e-13 * np.abs(W).max())


def test_the_rank_is_that_of_the_digits_that_came() -> None:
    assert singular_basis(np.diag([1.0, 5e-4, 1e-9]).astype(np.float32)).rank == 2
    assert singular_basis(np.diag([1.0, 5e-4, 1e-9])).rank == 3
    assert singular_basis(np.zeros((3, 4))).rank == 0


def test_overlaps_are_traces_of_products_of_projectors() -> None:
    rng = np.random.default_rng(3)
    first, second = rotation(rng, 9)[:, :7], rotation(rng, 9)[:, :8]
    sizes = np.asarray([3, 1, 2]), np.asarray([2, 5])
    found = subspace_overlaps(first, second, *sizes)
    ends = [np.cumsum(s) for s in sizes]
    for i, m in enumerate(sizes[0]):
        for j, n in enumerate(sizes[1]):
            a = first[:, ends[0][i] - m : ends[0][i]]
            b = second[:, ends[1][j] - n : ends[1][j]]
            assert found[i, j] == pytest.approx(np.trace(a @ a.T @ b @ b.T) / min(m, n))
    k = np.asarray([1, 4, 7])
    expected = [
        np.trace(first[:, :n] @ first[:, :n].T @ second[:, :n] @ second[:, :n].T) / n for n in k
    ]
    np.testing.assert_allclose(leading_overlaps(first, second, k), expected)


def test_close_eigenvalues_share_an_eigenspace() -> None:
    values = np.sqrt([4.0, 4.0 - 3e-4, 2.0, 1.0, 1.0, 1.0])
    assert eigenspace_sizes(values, 1e-4).tolist() == [2, 1, 3]
    assert eigenspace_sizes(values, 1e-5).tolist() == [1, 1, 1, 3]
    assert eigenspace_sizes(values, 0.6).tolist() == [6]
    assert eigenspace_sizes(values[:1], 0.1).tolist() == [1]
    assert eigenspace_sizes(np.empty(0), 0.1).tolist() == []
