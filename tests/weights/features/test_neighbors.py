"""Nearest features against brute force in float64."""

import numpy as np
import pytest
from helpers import assert_one_line_error
from tight_frames import polygon

from jaxsup.weights.features import neighbors
from jaxsup.weights.features.neighbors import nearest


@pytest.mark.parametrize("absolute", [False, True])
@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
def test_neighbors_are_those_of_brute_force(
    absolute: bool, scale: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(neighbors, "_BLOCK", 16)
    monkeypatch.setattr(neighbors, "_CHOSEN", 2)
    W = (scale * np.random.default_rng(0).standard_normal((7, 90))).astype(np.float32)
    W[:, [4, 50]] = 0
    represented = np.any(W, axis=0)
    exact = W.astype(np.float64)
    chosen = [0, 89, 33]
    neighborhoods = nearest(W, chosen, 5, represented=represented, absolute=absolute)
    for i, found in zip(chosen, neighborhoods, strict=True):
        cosines = {
            j: exact[:, i] @ exact[:, j] / np.linalg.norm(exact[:, i]) / np.linalg.norm(exact[:, j])
            for j in range(90)
            if j != i and represented[j]
        }
        ranked = sorted(cosines, key=lambda j: -(abs(cosines[j]) if absolute else cosines[j]))
        assert found.feature == i
        assert found.features.tolist() == ranked[:5]
        np.testing.assert_allclose(found.cosines, [cosines[j] for j in ranked[:5]], rtol=1e-12)
        assert found.opposite == min(cosines, key=lambda j: cosines[j])
        assert found.opposite_cosine == pytest.approx(min(cosines.values()))


def test_an_antipode_is_no_neighbor_by_cosine_but_overlaps_most() -> None:
    W = np.concatenate([polygon(6), np.zeros((2, 1))], axis=1)
    chosen = np.arange(7) < 6
    by_cosine = nearest(W, [1], 9, represented=chosen)[0]
    by_size = nearest(W, [1], 9, represented=chosen, absolute=True)[0]
    assert set(by_cosine.features[:2]) == {0, 2}
    assert by_cosine.features[-1] == by_cosine.opposite == 4
    assert by_size.features[0] == 4
    assert by_size.cosines[0] == pytest.approx(-1)
    assert len(by_size.features) == 5


def test_a_feature_alone_has_no_neighbors() -> None:
    found = nearest(np.eye(3)[:, :1], [0], represented=np.ones(1, bool))[0]
    assert (found.features.tolist(), found.opposite) == ([], None)


@pytest.mark.parametrize("feature", [-1, 1, 2])
def test_what_is_not_represented_has_none(feature: int) -> None:
    W, chosen = np.eye(2), np.asarray([True, False])
    message = f"feature: expected one that is represented; got feature {feature}, which is not"
    assert_one_line_error(lambda: nearest(W, [feature], represented=chosen), message)


def test_at_least_one_neighbor_is_asked_for() -> None:
    every = np.ones(2, bool)
    assert_one_line_error(
        lambda: nearest(np.eye(2), [0], 0, represented=every), "count: expected a positive integer"
    )
