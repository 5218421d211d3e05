"""Slopes of logarithms and dimensions of borders, against exact ones and numpy."""

import numpy as np
import pytest

from jaxsup.fit.slopes import log_log_slope
from jaxsup.reproduce.analysis.box_counting import measure_border


def test_a_slope_and_its_interval_are_those_of_the_covariance_of_a_line():
    rng = np.random.default_rng(0)
    x = np.array([5.0, 8.0, 13.0, 20.0, 32.0, 50.0])
    y = 3 * x**-0.8 * np.exp(0.1 * rng.normal(size=6))
    got = log_log_slope(x, y)
    coefficients, covariance = np.polyfit(np.log(x), np.log(y), 1, cov=True)
    assert got.value == pytest.approx(coefficients[0], rel=1e-12)
    # 2.7764 is the 97.5% quantile of Student's t with four degrees of freedom.
    reach = 2.7764451 * np.sqrt(covariance[0, 0])
    assert got.high - got.value == pytest.approx(reach, rel=1e-7)
    assert got.value - got.low == pytest.approx(reach, rel=1e-7)


def test_repeats_are_averaged():
    x, y = [1, 2, 4], np.array([[1.0, 3.0], [0.5, 1.5], [0.25, 0.75]])
    got = log_log_slope(x, y)
    assert got == log_log_slope(x, y.mean(axis=1))
    assert got.value == pytest.approx(-1, abs=1e-12)


def test_intervals_hold_the_slope_in_95_of_100_draws():
    """2,000 draws: 95% to within 4 sqrt(0.95 0.05 / 2000) = 2%."""
    rng = np.random.default_rng(1)
    x = np.geomspace(1, 10, 6)
    held = 0
    for _ in range(2000):
        got = log_log_slope(x, x**1.5 * np.exp(0.2 * rng.normal(size=6)))
        held += got.low <= 1.5 <= got.high
    assert abs(held / 2000 - 0.95) < 0.02


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
    "two points": (lambda: log_log_slope([1, 2], [1, 2]), "x: expected three or more different"),
    "repeated": (lambda: log_log_slope([1, 2, 2], [1, 2, 3]), "x: expected three or more"),
    "shapes": (lambda: log_log_slope([1, 2, 3], [1, 2]), r"y: expected \[points\] or"),
    "negative": (lambda: log_log_slope([1, 2, 3], [1, -2, 3]), "y: expected positive.*got -2.0"),
    "nan": (lambda: log_log_slope([1, 2, np.nan], [1, 2, 3]), "x: expected positive.*got nan"),
    "numbers": (lambda: measure_border(np.zeros((32, 32))), "region: expected truth values"),
    "small": (lambda: measure_border(np.zeros((8, 32), bool)), "9 or more a side"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_a_one_line_error(case):
    make, match = BAD[case]
    with pytest.raises(ValueError, match=match) as caught:
        make()
    assert "\n" not in str(caught.value)
