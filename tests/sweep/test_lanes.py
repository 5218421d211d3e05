"""Which replica lies where: results arrive at their rows and seeds whatever is dropped."""

import numpy as np
import pytest

from jaxsup.sweep.lanes import Lanes


def values_of(lanes: Lanes) -> np.ndarray:
    """Every replica's own number, 10 row + seed; garbage in the padding."""
    numbers = 10 * lanes.members + lanes.seeds[:, None]
    return np.where(lanes.used, numbers, -999)


def scattered(lanes: Lanes, rows: int, seeds: int) -> np.ndarray:
    block = {"value": np.full((rows, seeds), -1)}
    lanes.scatter(block, "value", values_of(lanes))
    return block["value"]


@pytest.mark.parametrize("devices", [1, 2, 4])
@pytest.mark.parametrize(("rows", "seeds"), [(1, 1), (3, 2), (2, 7), (5, 5)])
def test_every_replica_has_one_place(rows, seeds, devices):
    lanes = Lanes.fill(rows, seeds, (5, 7), devices)
    assert lanes.used.sum() == rows * seeds
    shared = lanes.shape[1] if lanes.shape[1] >= devices else lanes.shape[0]
    assert shared % devices == 0
    expected = 10 * np.arange(rows)[:, None] + np.arange(seeds)
    np.testing.assert_array_equal(scattered(lanes, rows, seeds), expected)
    assert lanes.alike
    assert lanes.setting_rows().shape == lanes.shape[1:]
    assert lanes.setting_rows().max() == rows - 1
    assert lanes.setting_rows().min() == lanes.setting_seeds().min() == 0


def test_a_part_that_would_be_mostly_padding_has_a_shape_of_its_own():
    assert Lanes.fill(3, 1, (5, 1), 1).shape == (1, 5)
    assert Lanes.fill(2, 1, (5, 1), 1).shape == (1, 2)
    padded = Lanes.fill(2, 1, (5, 1), 1, mostly_padding=True)
    assert padded.shape == (1, 5)
    np.testing.assert_array_equal(scattered(padded, 2, 1), [[0], [10]])


def test_values_go_where_they_are_asked_for():
    lanes = Lanes(np.array([[0, 1, -1], [1, 0, -1]]), np.array([1, 0]))
    block = {"plain": np.zeros((2, 2)), "curve": np.zeros((2, 2, 3, 4))}
    where = np.array([[True, False, True], [False, True, False]])
    lanes.scatter(block, "plain", np.arange(1.0, 7).reshape(2, 3), where=where)
    np.testing.assert_array_equal(block["plain"], [[5, 1], [0, 0]])
    # Narrower values leave what lies beyond them, and other columns.
    lanes.scatter(block, "curve", np.ones((2, 3, 2)), column=1)
    expected = np.zeros((2, 2, 3, 4))
    expected[:, :, 1, :2] = 1
    np.testing.assert_array_equal(block["curve"], expected)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("devices", [1, 2])
def test_compacted_lanes_keep_all_that_are_alive(seed, devices):
    random = np.random.default_rng(seed)
    lanes = Lanes.fill(8, 6, (8, 6), devices)
    alive = lanes.used & (random.random(lanes.shape) < random.random())
    compacted = lanes.compact(alive, devices)
    if compacted is None:
        assert alive.any(axis=1).sum() > 3 or alive.sum(axis=1).max() > 4 or not alive.any()
        return
    fewer, index = compacted
    assert fewer.members.size < lanes.members.size
    assert fewer.shape[1] % devices == 0
    np.testing.assert_array_equal(values_of(lanes)[index][fewer.used], values_of(fewer)[fewer.used])
    kept = scattered(fewer, 8, 6)
    expected = np.full((8, 6), -1)
    rows, seeds = lanes.members[alive], lanes.seeds[np.nonzero(alive)[0]]
    expected[rows, seeds] = 10 * rows + seeds
    np.testing.assert_array_equal(kept, expected)


def test_lanes_that_lost_different_rows_are_not_alike():
    lanes = Lanes.fill(4, 2, (4, 2), 1)
    alive = np.array([[True, True, False, False], [False, True, True, False]])
    compacted = lanes.compact(alive, 1)
    assert compacted is not None
    fewer, _ = compacted
    assert fewer.shape == (2, 2)
    assert not fewer.alike
    np.testing.assert_array_equal(fewer.setting_rows(), [[0, 1], [1, 2]])


def test_nothing_is_compacted_where_too_few_have_gone():
    lanes = Lanes.fill(4, 1, (4, 1), 1)
    assert lanes.compact(np.array([[True, True, True, False]]), 1) is None
    # Two devices share four slots; none of the halves may leave one of them idle.
    assert lanes.compact(np.array([[True, False, False, False]]), 4) is None
