"""Features at the ends of each measure, against capacities and norms by NumPy."""

import json
from pathlib import Path

import numpy as np
import pytest
from tight_frames import polygon, stack

from jaxsup.spectral import decompose
from jaxsup.weights.features.labels import Labels
from jaxsup.weights.features.ranking import rank_features


def planted() -> np.ndarray:
    """A pentagon, a long triangle, a lone feature, two dead ones, and one across two of these."""
    W = stack(polygon(5), 3.0 * polygon(3), np.eye(1), np.zeros((0, 2)), np.zeros((0, 1)))
    W[:, -1] = 0
    W[[0, 2], -1] = 0.5
    return W


def test_lists_are_those_of_numpy() -> None:
    W = planted()
    ranking = rank_features(decompose(W), 3)
    F, norms = W @ W.T, np.linalg.norm(W, axis=0)
    overlaps = np.einsum("ki,kl,li->i", W, F, W)
    alive = np.flatnonzero(norms)
    capacities = np.zeros(12)
    capacities[alive] = norms[alive] ** 4 / overlaps[alive]
    np.testing.assert_allclose(ranking.capacities, capacities, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(ranking.norms, norms, rtol=1e-6)
    leverages = np.einsum("ki,kl,li->i", W, np.linalg.pinv(F), W)
    np.testing.assert_allclose(ranking.leverages, leverages, rtol=1e-5, atol=1e-6)
    crowded = alive[np.argsort(capacities[alive])]
    assert ranking.lists["most crowded (smallest capacity)"].tolist()[0] == crowded[0] == 11
    assert set(ranking.lists["largest norm"]) == {5, 6, 7}
    assert ranking.lists["smallest norm"].tolist()[0] == 11
    assert ranking.lists["least localized"].tolist()[0] == 11
    assert 8 in ranking.lists["most localized"]
    assert ranking.lists["not represented"].tolist() == [9, 10]


def test_lists_name_their_features_in_text_and_json() -> None:
    names = [*"abcdefgh", "sole", "[unused0]", "[unused1]", "both\n"]
    labels = Labels(names, Path("vocab.txt"))
    ranking = rank_features(decompose(planted()), 1)
    record = json.loads(json.dumps(ranking.to_dict(labels), allow_nan=False))
    assert [entry["name"] for entry in record["not represented"]] == ["[unused0]", "[unused1]"]
    assert record["smallest norm"][0]["name"] == "both\n"
    assert record["smallest norm"][0]["norm"] == pytest.approx(np.sqrt(0.5), rel=1e-6)
    tables = ranking.describe(labels).split("\n\n")
    lines = tables[-1].splitlines()
    assert lines[0] == "not represented"
    assert lines[1].split() == ["feature", "name", "norm", "capacity", "leverage", "localization"]
    assert lines[2].split() == ["9", "[unused0]", "0", "0", "0", "0"]
    assert lines[3] == "and 1 more"
    assert "11       both\\n" in ranking.describe(labels)


def test_numbers_alone_have_no_column_of_names() -> None:
    W = np.concatenate([np.diag([3.0, 2.0, 1.0]), np.ones((3, 1))], axis=1)
    text = rank_features(decompose(W)).describe(Labels.numbered(4))
    assert "name" not in text
    assert "not represented" not in text
    heads = ["feature", "norm", "capacity", "leverage", "localization"]
    assert [line.split() for line in text.splitlines()].count(heads) == 5


def test_ends_of_what_is_the_same_for_all_are_not_listed() -> None:
    rng = np.random.default_rng(0)
    W = rng.standard_normal((4, 9))
    lists = rank_features(decompose(W / np.linalg.norm(W, axis=0))).lists
    assert "largest norm" not in lists
    assert "smallest norm" not in lists
    assert len(lists["most localized"]) == 9
    assert list(rank_features(decompose(polygon(5))).lists) == ["not represented"]
    assert list(rank_features(decompose(np.zeros((2, 3)))).lists) == ["not represented"]
