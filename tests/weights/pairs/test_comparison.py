"""Two matrices: rotated, permuted, of other sizes, and with planted common subspaces."""

import json
from pathlib import Path

import numpy as np
import pytest
from helpers import assert_one_line_error
from tight_frames import polygon, rotation, simplex, stack

from jaxsup.weights.features.labels import Labels
from jaxsup.weights.pairs import comparison as comparison_module
from jaxsup.weights.pairs.comparison import compare
from jaxsup.weights.pairs.comparison_text import describe_comparison

RNG = np.random.default_rng


def described(found, names: bool = False) -> str:
    labels = [
        Labels([f"{letter}{i}" for i in range(n)], Path("v")) if names else Labels.numbered(n)
        for letter, (_, n) in zip("ab", found.shapes, strict=True)
    ]
    json.dumps(found.to_dict(), allow_nan=False)
    return describe_comparison(found, *labels)


def test_a_rotated_dictionary_has_the_same_row_space_and_is_aligned() -> None:
    A = RNG(0).standard_normal((12, 200))
    turn = rotation(RNG(1), 12)
    found = compare(A, turn @ A)
    assert found.feature_angles is not None
    np.testing.assert_allclose(found.feature_angles.angles, 0, atol=1e-13)
    assert found.feature_angles.null == pytest.approx(12 / 200)
    assert found.same is not None
    np.testing.assert_allclose(found.same.aligned, 1, atol=1e-12)
    unit = A / np.linalg.norm(A, axis=0)
    assert found.same.cosines is not None
    np.testing.assert_allclose(found.same.cosines, np.sum(unit * (turn @ unit), axis=0), atol=1e-13)
    assert found.same.null < 0.4
    assert found.latent_angles is not None
    assert found.latent_angles.forced
    text = described(found)
    assert "one of them is the whole space, every angle is 0" in text
    assert "mean squared cosine 1.0000; random: 0.0600" in text


def test_a_permuted_dictionary_has_the_same_eigenspaces_and_features() -> None:
    A = stack(polygon(5), 2 * simplex(3), 0.5 * polygon(7))
    order = RNG(2).permutation(A.shape[1])
    turn = rotation(RNG(3), 7)
    found = compare(turn @ A, (turn @ A)[:, order])
    assert found.eigenspaces is not None
    assert found.eigenspaces.overlaps is not None
    np.testing.assert_allclose(found.eigenspaces.overlaps, np.eye(3), atol=1e-12)
    assert [sizes.tolist() for sizes in found.eigenspaces.sizes] == [[3, 2, 2]] * 2
    assert found.matches is not None
    np.testing.assert_array_equal(order[found.matches[0].partners], np.arange(16))
    np.testing.assert_array_equal(found.matches[1].partners, order)
    text = described(found, names=True)
    assert "3 eigenspaces of A, 3 of B (dimension): overlap tr(P Q)" in text
    assert "A 0 (3)  1.0000   0.0000   0.0000" in text
    lines = text.split("best matched\n")[1].splitlines()[1:6]
    for first, second, cosine, mutual in map(str.split, lines):
        assert order[int(second[1:])] == int(first[1:])
        assert (cosine, mutual) == ("1.0000", "yes")


def test_planted_angles_between_column_spaces() -> None:
    turn = rotation(RNG(4), 9)
    angles = np.asarray([0.1, 0.7])
    first, second = turn[:, :2], turn[:, :2] * np.cos(angles) + turn[:, 2:4] * np.sin(angles)
    mixed = [
        basis @ RNG(5 + k).standard_normal((2, 30 - k)) for k, basis in enumerate((first, second))
    ]
    found = compare(*mixed)
    assert found.latent_angles is not None
    np.testing.assert_allclose(found.latent_angles.angles, angles, rtol=1e-10)
    assert found.latent_angles.dimensions == (2, 2)
    assert found.latent_angles.mean_squared_cosine == pytest.approx(np.mean(np.cos(angles) ** 2))
    assert found.feature_angles is None
    assert found.same is None
    text = described(found)
    assert "2 and 2 of 9 latent dimensions" in text
    assert "principal angles 5.73 to 40.1 degrees" in text
    assert "not compared by index: their numbers differ" in text


def test_leading_spans_stand_in_for_many_eigenspaces() -> None:
    rng = RNG(6)
    values = 0.95 ** np.arange(40)
    turn, other = rotation(rng, 40), rotation(rng, 36)
    # The first four eigenvectors are shared, the others turned among themselves.
    second = turn.copy()
    second[:, 4:] = turn[:, 4:] @ other
    A, B = ((basis * values) @ rotation(rng, 90)[:40] for basis in (turn, second))
    found = compare(A, B).eigenspaces
    assert found is not None
    assert found.overlaps is None
    assert found.leading.tolist() == [1, 2, 4, 8, 16, 32, 40]
    np.testing.assert_allclose(found.leading_overlaps[[0, 1, 2, 6]], 1, atol=1e-10)
    inside = np.sum((other[:4, :4]) ** 2)
    assert found.leading_overlaps[3] == pytest.approx((4 + inside) / 8)
    text = described(compare(A, B))
    assert "40 eigenspaces of A, 40 of B, too many or chains of close eigenvalues" in text


def test_a_chain_of_eigenvalues_is_no_eigenspace() -> None:
    A = np.diag(np.sqrt(np.linspace(1, 2, 12)))
    found = compare(A, A, relative_tolerance=0.05).eigenspaces
    assert found is not None
    assert found.overlaps is None
    assert [len(sizes) for sizes in found.sizes] == [1, 1]


def test_other_latent_sizes_leave_the_space_of_features() -> None:
    A = RNG(7).standard_normal((8, 60))
    B = np.concatenate([rotation(RNG(8), 8) @ A, np.zeros((3, 60))])
    found = compare(A, B)
    assert (found.latent_angles, found.eigenspaces, found.matches) == (None, None, None)
    assert found.assignment is None
    assert found.feature_angles is not None
    np.testing.assert_allclose(found.feature_angles.angles, 0, atol=1e-13)
    assert found.same is not None
    assert found.same.cosines is None
    np.testing.assert_allclose(found.same.aligned, 1, atol=1e-12)
    assert "latent space   not compared: the latent sizes differ" in described(found)


def test_large_matrices_keep_their_matches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison_module, "_BASIS_WORK", 1.0)
    A = RNG(9).standard_normal((6, 20))
    found, full = compare(A, -A), compare(A, -A, full=True, absolute=True)
    assert found.bases is None
    assert found.latent_angles is None
    assert found.same is None
    assert "features by their index: left out at this size (--full)" in described(found)
    assert full.bases is not None
    assert full.matches is not None
    assert full.matches[0].partners.tolist() == list(range(20))
    assert "one to one     20 pairs of largest sum: mean 1.0000" in described(full)


def test_zero_matrices_and_short_numbers_are_no_mistake() -> None:
    found = compare(np.zeros((3, 4)), np.eye(3, 4, dtype=np.float16))
    assert (found.matches, found.eigenspaces, found.same) == (None, None, None)
    assert "0 and 3 of 3 latent dimensions: no angles" in described(found)
    assert "matches        none: a matrix is zero" in described(found)
    assert "0 and 3 of 4 features: no angles" in described(found)
    integers = compare(np.eye(3, dtype=np.int8), np.eye(3))
    assert integers.same is not None
    assert integers.same.cosines is not None
    np.testing.assert_allclose(integers.same.cosines, 1)


def test_what_cannot_be_compared_is_one_line() -> None:
    message = r"A, B: expected matrices with as many latent .*; got 3 x 4 and 5 x 1,000; check"
    assert_one_line_error(lambda: compare(np.ones((3, 4)), np.ones((5, 1000))), message)
    assert_one_line_error(lambda: compare(np.eye(3), np.full((3, 3), np.nan)), "finite numbers")
    assert_one_line_error(
        lambda: compare(np.eye(3), np.eye(3), relative_tolerance=1.0), "relative_tolerance"
    )
