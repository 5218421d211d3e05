"""What holds of every verdict, over random ranges and intervals."""

import math
from collections.abc import Iterator

import numpy as np
import pytest

from jaxsup.fit import intervals
from jaxsup.fit.intervals import Estimate
from jaxsup.reproduce.claims import AGREES, DIFFERS, NOT_CLAIMED, Claim, Published

INF = math.inf
KINDS = ("two ends", "open above", "open below", "a share")


def verdict(published: Published, low: float, value: float, high: float) -> str:
    measured = Estimate(value, low, high, "by hand")
    return Claim("number", "It is so.", "a paper", published, measured).verdict


def random_cases(kind: str) -> Iterator[tuple[Published, np.ndarray]]:
    """Ranges with low, value and high of an interval, in thousandths so that ends may touch."""
    rng = np.random.default_rng(KINDS.index(kind))
    for _ in range(4000):
        spread = int(rng.choice([30, 300, 3000]))
        numbers = np.sort(rng.integers(0, spread, 3)) / 1000.0
        low, high = np.sort(rng.integers(0, spread, 2)) / 1000.0
        if kind == "a share":
            numbers, low, high = np.minimum(numbers, 1.0), min(low, 1.0), 1.0
        scale = float(rng.choice([0.01, 0.1, 1.0]))
        ranges = {
            "two ends": Published(low, high, "so"),
            "open above": Published(low, INF, "so", scale),
            "open below": Published(-INF, high, "so", scale),
            "a share": Published(low, high, "so"),
        }
        yield ranges[kind], numbers


@pytest.mark.parametrize("kind", KINDS)
def test_all_verdicts_occur_and_a_value_never_gets_the_wrong_one(kind: str) -> None:
    seen = set()
    for published, (low, value, high) in random_cases(kind):
        judged = verdict(published, low, value, high)
        inside = published.low <= value <= published.high
        seen.add(judged)
        assert judged != (DIFFERS if inside else AGREES)
        assert judged != AGREES or high - low <= published.width
    assert seen == {AGREES, DIFFERS, NOT_CLAIMED}


@pytest.mark.parametrize("kind", KINDS)
def test_a_narrower_interval_takes_no_verdict_back(kind: str) -> None:
    rng = np.random.default_rng(7)
    decided = 0
    for published, (low, value, high) in random_cases(kind):
        wide = verdict(published, low, value, high)
        share = rng.uniform()
        narrow = verdict(published, value - share * (value - low), value, value)
        both = verdict(published, value, value, value)
        if wide != NOT_CLAIMED:
            assert narrow == both == wide
        assert both == (AGREES if published.low <= value <= published.high else DIFFERS)
        decided += narrow != wide
    assert decided > 100  # narrowing does decide some


@pytest.mark.parametrize("kind", ["two ends", "open above"])
def test_verdicts_do_not_depend_on_the_sign_of_what_is_measured(kind: str) -> None:
    for published, (low, value, high) in random_cases(kind):
        mirrored = Published(-published.high, -published.low, "so", published.scale)
        assert verdict(published, low, value, high) == verdict(mirrored, -high, -value, -low)


def test_a_wider_range_keeps_what_agrees_and_a_narrower_one_what_differs() -> None:
    rng = np.random.default_rng(8)
    for published, (low, value, high) in random_cases("two ends"):
        reach = float(rng.uniform(0, 0.1))
        wider = Published(published.low - reach, published.high + reach, "so")
        if verdict(published, low, value, high) == AGREES:
            assert verdict(wider, low, value, high) == AGREES
        if verdict(wider, low, value, high) == DIFFERS:
            assert verdict(published, low, value, high) == DIFFERS


@pytest.mark.parametrize("truth", [0.79, 0.81, 1.0])
def test_wrong_verdicts_are_as_rare_as_intervals_that_miss(truth: float) -> None:
    # Five normal seeds of standard deviation 0.05 around the truth; published 0.8 to 1.2. A wrong
    # verdict takes an interval that misses the truth on one side: at most 2.5%. The bound is that
    # plus four standard errors of 2,000 trials.
    published = Published(0.8, 1.2, "about 1")
    seeds = np.random.default_rng(9).normal(truth, 0.05, (2000, 5))
    judged = [
        verdict(published, estimate.low, estimate.value, estimate.high)
        for estimate in map(intervals.from_samples, seeds)
    ]
    wrong = DIFFERS if 0.8 <= truth <= 1.2 else AGREES
    assert judged.count(wrong) <= 2000 * 0.025 + 4 * math.sqrt(2000 * 0.025 * 0.975)
    if truth == 1.0:  # and evidence decides: the interval reaches 0.062 on average
        assert judged.count(AGREES) > 1900
