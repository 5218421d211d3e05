"""Features by index, range and name."""

import pytest
from helpers import assert_one_line_error

from jaxsup.weights.features.labels import Labels
from jaxsup.weights.features.selection import select_counted, select_features

LABELS = Labels(["the", "cat", ",", "=", "3", "a:5", "the:2", "10:30", None, "-"])
NUMBERED = Labels.numbered(1000)


@pytest.mark.parametrize(
    ("texts", "indices"),
    [
        (["1", "2", "1"], [1, 2]),
        (["3,5,9"], [3, 5, 9]),
        (["7:9", "0:2,8"], [7, 8, 0, 1]),
        ([":2", "8:"], [0, 1, 8, 9]),
        (["cat,the", "4"], [1, 0, 4]),
        (["=3", "=,", "==", "-"], [4, 2, 3, 9]),
        (["a:5", "=10:30"], [5, 7]),
        ([], []),
    ],
)
def test_features_are_chosen_by_index_range_and_name(texts: list[str], indices: list[int]) -> None:
    assert select_features(texts, LABELS) == indices


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("10", r"features: expected features 0\.\.9; got 10; count from 0"),
        ("-1", r"expected features 0\.\.9; got -1"),
        ("9" * 5000, "expected features 0"),
        ("3:11", "a range within 0:10; got '3:11'"),
        ("4:4", "a range within 0:10; got '4:4'"),
        ("-2:", "a range within 0:10"),
        ("dog", "features: expected the index of a feature; got 'dog'; give names with --labels"),
        ("1,", "expected the index of a feature; got ''"),
    ],
)
def test_a_feature_that_is_not_there_is_one_line(text: str, message: str) -> None:
    assert_one_line_error(lambda: select_features([text], LABELS), message)


@pytest.mark.parametrize(
    ("text", "chosen"),
    [
        ("7", (7, 12)),
        ("7:3", (7, 3)),
        ("cat", (1, 12)),
        ("cat:5", (1, 5)),
        ("the:2", (6, 12)),
        ("the:2:4", (6, 4)),
        ("=10:30", (7, 12)),
        ("=3:4", (4, 4)),
        ("10:30", (7, 12)),
    ],
)
def test_one_feature_with_a_count(text: str, chosen: tuple[int, int]) -> None:
    assert select_counted(text, LABELS, 12, "neighborhood") == chosen


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cat:0", "neighborhood: expected a positive count after the colon; got 'cat:0'"),
        ("1000", r"neighborhood: expected features 0\.\.999; got 1000"),
        ("cat:2", "expected the index of a feature; got 'cat'"),
    ],
)
def test_a_count_or_feature_that_makes_no_sense(text: str, message: str) -> None:
    assert_one_line_error(lambda: select_counted(text, NUMBERED, 12, "neighborhood"), message)
