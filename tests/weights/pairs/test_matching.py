"""Features of permuted, noisy and partly shared dictionaries are found again."""

import numpy as np
import pytest
from tight_frames import rotation

from jaxsup.weights.pairs import matching
from jaxsup.weights.pairs.matching import assign_features, match_features, present_features


def dictionary(latent: int = 20, features: int = 90, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((latent, features))


def cosines(A: np.ndarray, B: np.ndarray) -> np.ndarray:
    return (A / np.linalg.norm(A, axis=0)).T @ (B / np.linalg.norm(B, axis=0))


@pytest.mark.parametrize("absolute", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_permuted_dictionary_is_found_again(absolute: bool, dtype: type) -> None:
    rng = np.random.default_rng(1)
    A, order = dictionary().astype(dtype), rng.permutation(90)
    signs = rng.choice([-1, 1], 90) if absolute else np.ones(90)
    B = (A * signs * rng.uniform(0.1, 9, 90))[:, order].astype(dtype)
    found = match_features(A, B, absolute=absolute)
    assert found is not None
    assert found.exact
    assert found.features.tolist() == list(range(90))
    np.testing.assert_array_equal(order[found.partners], np.arange(90))
    assert found.mutual.all()
    np.testing.assert_allclose(found.cosines, signs, atol=8 * np.finfo(dtype).eps)
    paired = assign_features(A, B, absolute=absolute)
    assert paired is not None
    np.testing.assert_array_equal(order[paired.partners], paired.features)
    np.testing.assert_allclose(paired.cosines, signs, atol=8 * np.finfo(dtype).eps)


@pytest.mark.parametrize("absolute", [False, True])
def test_matches_are_those_of_brute_force(absolute: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matching, "_ROWS", 7)
    monkeypatch.setattr(matching, "_COLUMNS", 16)
    A, B = dictionary(5, 40), dictionary(5, 60, seed=1)
    A[:, 3], B[:, [0, 59]] = 0, 0
    ours, theirs = np.delete(np.arange(40), 3), np.arange(1, 59)
    table = cosines(A[:, ours], B[:, theirs])
    sizes = np.abs(table) if absolute else table
    found = match_features(A, B, absolute=absolute)
    assert found is not None
    best = sizes.argmax(axis=1)
    np.testing.assert_array_equal(found.features, ours)
    np.testing.assert_array_equal(found.partners, theirs[best])
    np.testing.assert_allclose(found.cosines, table[np.arange(39), best], rtol=1e-12)
    np.testing.assert_array_equal(found.mutual, sizes.argmax(axis=0)[best] == np.arange(39))
    assert 0 < found.mutual.sum() < 39


def test_an_assignment_is_the_best_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    from itertools import permutations

    A, B = dictionary(3, 4), dictionary(3, 6, seed=1)
    table = cosines(A, B)
    best = max(permutations(range(6), 4), key=lambda p: sum(table[np.arange(4), p]))
    found = assign_features(A, B)
    assert found is not None
    assert found.features.tolist() == [0, 1, 2, 3]
    assert tuple(found.partners) == best
    np.testing.assert_allclose(found.cosines, table[np.arange(4), best])
    assert assign_features(np.zeros((3, 2)), B) is None
    monkeypatch.setattr(matching, "_ASSIGNED", 23)
    assert assign_features(A, B) is None


def test_large_matrices_are_looked_at_in_evenly_spaced_features(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    A, B = dictionary(40, 100), dictionary(40, 80, seed=1)
    whole = match_features(A, B)
    monkeypatch.setattr(matching, "_MATCH_WORK", 11 * 40 * 80)
    part, full = match_features(A, B), match_features(A, B, full=True)
    assert whole is not None
    assert part is not None
    assert full is not None
    assert (part.exact, full.exact) == (False, True)
    rows = np.linspace(0, 99, 11).round().astype(int)
    np.testing.assert_array_equal(part.features, rows)
    for name in ("partners", "cosines", "mutual"):
        np.testing.assert_allclose(getattr(part, name), getattr(whole, name)[rows], rtol=1e-14)
        np.testing.assert_allclose(getattr(full, name), getattr(whole, name), rtol=1e-14)


def test_unrelated_dictionaries_match_no_better_than_the_null() -> None:
    A, B = dictionary(16, 600), dictionary(16, 500, seed=1)
    found = match_features(A, B)
    assert found is not None
    error = found.cosines.std() / np.sqrt(600)
    for null in (found.null, found.null_of_moments):
        assert abs(found.cosines.mean() - null.mean) < 4 * np.hypot(error, null.stderr)
        assert null.best.shape == (512,)


def test_a_common_mean_raises_the_null_of_moments_and_no_other() -> None:
    mean = np.zeros((16, 1))
    mean[0] = 4
    A, B = dictionary(16, 600) + mean, dictionary(16, 500, seed=1) + mean
    found = match_features(A, B)
    assert found is not None
    error = found.cosines.std() / np.sqrt(600)
    near = found.null_of_moments
    assert abs(found.cosines.mean() - near.mean) < 4 * np.hypot(error, near.stderr)
    assert found.null.mean < near.mean - 0.2


def test_a_rotation_hides_matches_from_cosines() -> None:
    A = dictionary(16, 200)
    found = match_features(A, rotation(np.random.default_rng(4), 16) @ A)
    assert found is not None
    assert found.cosines.mean() < found.null.mean + 0.05


def test_zero_matrices_have_no_matches() -> None:
    assert match_features(np.zeros((3, 2)), np.eye(3)) is None
    assert match_features(np.eye(3), np.zeros((3, 2))) is None
    assert present_features(np.zeros((3, 2))).size == 0
    assert present_features(np.diag([1e-30, 1e-20, 1.0])).tolist() == [2]
