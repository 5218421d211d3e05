"""Geometries planted among other features, found by index, by neighborhood and as clusters."""

import json
from pathlib import Path

import numpy as np
import pytest
from helpers import assert_one_line_error
from tight_frames import polygon, rotation, simplex

from jaxsup.weights.features import subsets
from jaxsup.weights.features.labels import Labels
from jaxsup.weights.features.subsets import classify_subset, find_clusters, find_neighborhood

PENTAGON = [3, 40, 41, 77, 90]
DEAD = [0, 99]


def crowd() -> np.ndarray:
    """A hundred directions in nine dimensions, a turned pentagon and two dead features in them."""
    rng = np.random.default_rng(0)
    W = rng.standard_normal((9, 100))
    W[:, PENTAGON] = (rotation(rng, 9)[:, :2] @ polygon(5))[:, [0, 2, 4, 1, 3]]
    W[:, DEAD] = 1e-9 * rng.standard_normal((9, 2))
    return W


def alive(W: np.ndarray) -> np.ndarray:
    return np.linalg.norm(W, axis=0) > 1e-4


def test_a_pentagon_among_others_is_named_with_the_indices_of_the_matrix() -> None:
    W = crowd()
    found = classify_subset(W, PENTAGON[::-1], represented=alive(W))
    assert found.geometry is not None
    (component,) = found.geometry.components
    assert component.name == "pentagon"
    assert component.features.tolist() == PENTAGON
    assert found.features.tolist() == PENTAGON[::-1]
    assert found.mean_cosine == pytest.approx(-1 / 4)  # its unit vectors sum to zero


def test_what_the_matrix_does_not_represent_is_no_feature_among_its_like() -> None:
    W = crowd()
    found = classify_subset(W, DEAD, represented=alive(W))
    assert found.geometry is not None
    assert found.geometry.components == ()
    assert found.geometry.not_represented.tolist() == DEAD
    mixed = classify_subset(W, [*PENTAGON, *DEAD], represented=alive(W)).geometry
    assert mixed is not None
    assert mixed.names == {"pentagon": 1}
    assert mixed.not_represented.tolist() == DEAD
    np.testing.assert_allclose(mixed.norms[1:-1], 1.0)


def test_a_neighborhood_is_the_feature_with_those_that_overlap_most() -> None:
    rng = np.random.default_rng(1)
    turn = rotation(rng, 6)
    # Each simplex in its own three dimensions: nothing else overlaps with its corners.
    W = np.concatenate([turn[:, :3] @ simplex(3), 2 * turn[:, 3:] @ simplex(3)], axis=1)
    found = find_neighborhood(W, 6, 3, represented=np.ones(8, bool))
    assert found.features[0] == 6
    assert set(found.features) == {4, 5, 6, 7}
    assert found.geometry is not None
    assert found.geometry.names == {"tetrahedron": 1}


def test_clusters_are_the_components_of_the_graph_of_large_cosines() -> None:
    rng = np.random.default_rng(2)
    centers = rng.standard_normal((30, 4))
    sizes = [9, 5, 3, 1]
    W = np.repeat(centers, sizes, axis=1) * rng.choice([-1, 1], 18) * rng.uniform(1, 3, 18)
    W = (W + 0.02 * rng.standard_normal(W.shape))[:, rng.permutation(18)]
    W = np.concatenate([W, np.zeros((30, 2))], axis=1)
    found = find_clusters(W, 0.8, represented=alive(W), classified=1)
    unit = W[:, :18] / np.linalg.norm(W[:, :18], axis=0)
    near = np.abs(unit.T @ unit) > 0.8
    reached = np.linalg.matrix_power(near.astype(int), 18) > 0
    expected = {tuple(np.flatnonzero(row)) for row in reached}
    assert {tuple(c.features) for c in found.clusters} == {c for c in expected if len(c) > 1}
    assert [c.features.size for c in found.clusters] == [9, 5, 3]
    assert (found.single, found.left_out) == (1, False)
    assert [c.geometry is not None for c in found.clusters] == [True, False, False]
    members = found.clusters[0].features
    pairs = (unit.T @ unit)[np.ix_(members, members)][np.triu_indices(9, 1)]
    assert found.clusters[0].mean_cosine == pytest.approx(pairs.mean(), abs=1e-12)


def test_words_and_json() -> None:
    W = crowd()
    labels = Labels([f"n{i}" for i in range(100)], Path("vocab.txt"))
    text = classify_subset(W, PENTAGON, represented=alive(W)).describe(labels)
    assert text.splitlines()[:2] == [
        "chosen features: 5 features, mean cosine -0.250",
        "  n3, n40, n41, n77, n90",
    ]
    assert "1      pentagon  5" in text
    loose = find_clusters(W, 0.6, represented=alive(W))
    assert f"{loose.single:,} in none" in loose.describe(labels)
    assert "irregular: " in loose.describe(labels)
    json.dumps(loose.to_dict(), allow_nan=False)
    many = find_clusters(np.eye(40).repeat(2, axis=1), represented=np.ones(80, bool))
    assert "and 32 more, of up to 2 features" in many.describe(Labels.numbered(80))
    assert " and 88 more" in classify_subset(W, range(100), represented=alive(W)).describe(labels)


def test_clusters_that_cost_too_much_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subsets, "_CLUSTER_WORK", 1.0)
    W = np.eye(1100)
    every = np.ones(1100, bool)
    found = find_clusters(W, represented=every)
    assert found.left_out
    assert "left out, too many pairs" in found.describe(Labels.numbered(1100))
    assert find_clusters(W, represented=every, full=True).single == 1100
    assert find_clusters(0 * W, represented=~every).clusters == ()


@pytest.mark.parametrize(
    ("features", "message"),
    [
        ([], "at least one; got none of them"),
        ([3, 100], r"features 0\.\.99; got 100"),
        ([-1], r"features 0\.\.99; got -1"),
    ],
)
def test_features_that_are_not_there(features: list[int], message: str) -> None:
    W = crowd()
    match = f"features: expected {message}; count from 0"
    assert_one_line_error(lambda: classify_subset(W, features, represented=alive(W)), match)


@pytest.mark.parametrize("cosine", [0.0, 1.0, np.nan])
def test_a_threshold_that_is_none(cosine: float) -> None:
    W = crowd()
    assert_one_line_error(
        lambda: find_clusters(W, cosine, represented=alive(W)), "cosine: expected a finite number"
    )
