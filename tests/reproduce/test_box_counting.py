"""Dimensions of borders, against exact ones and boxes counted one by one."""

import numpy as np
import pytest
from helpers import assert_one_line_error

from jaxsup.reproduce.analysis.box_counting import measure_border


def sierpinski(size: int) -> np.ndarray:
    """Pascal's triangle modulo 2: C(i, j) is odd where j has no bit that i lacks."""
    i, j = np.mgrid[:size, :size]
    return (j & ~i) == 0


def boxes_by_hand(inside: np.ndarray, size: int) -> int:
    count = 0
    for i in range(0, inside.shape[0] - size, size):
        for j in range(0, inside.shape[1] - size, size):
            box = inside[i : i + size + 1, j : j + size + 1]
            count += int(box.any() and not box.all())
    return count


def test_boxes_are_counted_as_by_hand():
    inside = np.random.default_rng(2).random((40, 70)) < 0.97
    border = measure_border(inside)
    assert border.sizes.tolist() == [1, 2, 4]
    assert border.counts.tolist() == [boxes_by_hand(inside, size) for size in (1, 2, 4)]


def test_borders_have_their_known_dimensions():
    n = 513
    i, j = np.mgrid[:n, :n]
    for smooth in (3 * i + 7 * j < 2011, (i - 250.3) ** 2 + (j - 260.8) ** 2 < 200.0**2):
        border = measure_border(smooth)
        assert border.dimension is not None
        assert border.dimension.value == pytest.approx(1, abs=0.03)
    board = measure_border((i + j) % 2 == 0)
    assert board.dimension is not None
    assert board.dimension.value == pytest.approx(2, abs=1e-12)
    triangle = measure_border(sierpinski(n))
    assert triangle.dimension is not None
    assert triangle.dimension.value == pytest.approx(np.log2(3), abs=0.05)


def test_a_coarse_map_or_one_of_a_kind_has_no_dimension():
    assert measure_border(np.zeros((64, 64), bool)).dimension is None
    coarse = measure_border(np.eye(17, dtype=bool))
    assert coarse.dimension is None
    assert coarse.sizes.tolist() == [1, 2]


BAD = {
    "numbers": (lambda: measure_border(np.zeros((32, 32))), "region: expected truth values"),
    "small": (lambda: measure_border(np.zeros((8, 32), bool)), "9 or more a side"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_a_one_line_error(case):
    make, match = BAD[case]
    assert_one_line_error(make, match)
