"""Features of the same index before and after the best rotation."""

import numpy as np
import pytest
from scipy.linalg import orthogonal_procrustes
from tight_frames import rotation

from jaxsup.weights.pairs import alignment
from jaxsup.weights.pairs.alignment import align_features


def test_the_rotation_is_the_best_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alignment, "_BLOCK", 7)
    rng = np.random.default_rng(0)
    A = rng.standard_normal((6, 50))
    B = rotation(rng, 6) @ A + rng.standard_normal((6, 50))
    first, second = (W / np.linalg.norm(W, axis=0) for W in (A, B))
    turn, _ = orthogonal_procrustes(first.T, second.T)
    found = align_features(A, B)
    assert found is not None
    np.testing.assert_allclose(found.aligned, np.sum((turn.T @ first) * second, axis=0), atol=1e-12)
    assert found.cosines is not None
    assert found.aligned.mean() > max(found.cosines.mean(), found.null) + 0.3


def test_unrelated_features_align_no_better_than_shuffled_ones() -> None:
    rng = np.random.default_rng(1)
    A, B = rng.standard_normal((2, 8, 4000))
    found = align_features(A, B)
    assert found is not None
    # Either mean is |M|_* / N with entries of M near normal, of variance N / K^2; the nuclear norm
    # moves by at most sqrt(K) |dM|_F, so that (Poincare) its variance is at most N / K.
    error = np.sqrt(2 / (8 * 4000))
    assert abs(found.aligned.mean() - found.null) < 4 * error
    assert found.null > 0


def test_features_that_one_matrix_lacks_are_left_out() -> None:
    A, B = np.eye(4), np.eye(4)
    A[:, 1] = B[:, 2] = 0
    found = align_features(A, B)
    assert found is not None
    assert found.features.tolist() == [0, 3]
    assert found.cosines == pytest.approx([1, 1])
    assert align_features(np.zeros((3, 4)), np.eye(4)) is None
