"""Intervals of resampled statistics against exact enumerations, formulas and known truths."""

import itertools
import math
from collections.abc import Callable
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest
from helpers import assert_one_line_error

from jaxsup.fit.intervals import Estimate, from_bootstrap

# 97.5% quantiles of Student's t, from a printed table to eight digits.
STUDENT = {3: 3.1824463, 5: 2.5705818}
MASKED = np.ma.masked_array([1.0, 2.0, 1e6, 4.0], [False, False, True, False])

Statistic = Callable[[np.ndarray], float]


def every_draw(samples: np.ndarray, statistic: Statistic) -> np.ndarray:
    """The statistic of each of the n^n equally likely resamples."""
    resamples = itertools.product(samples, repeat=len(samples))
    return np.array([statistic(np.array(resample)) for resample in resamples])


def bca_levels(draws: np.ndarray, samples: np.ndarray, statistic: Statistic) -> list[float]:
    """Efron's formula: the shares of all draws below the ends of a 95% interval."""
    normal, value = NormalDist(), statistic(samples)
    below = np.mean(draws < value) + np.mean(draws == value) / 2
    jackknife = np.array([statistic(np.delete(samples, i)) for i in range(len(samples))])
    d = jackknife.mean() - jackknife
    skewness, bias = np.sum(d**3) / (6 * np.sum(d**2) ** 1.5), normal.inv_cdf(float(below))
    shifted = [bias + normal.inv_cdf(level) for level in (0.025, 0.975)]
    return [normal.cdf(bias + z / (1 - skewness * z)) for z in shifted]


def widening(count: int) -> float:
    """Student's interval of a mean over that of plain quantiles: t / z sqrt(n / (n - 1))."""
    return STUDENT[count - 1] / 1.9599640 * math.sqrt(count / (count - 1))


def narrow(estimate: Estimate, count: int) -> tuple[float, float]:
    """The ends before they are moved away from the statistic."""
    value, low, high, _ = estimate
    return (low - value) / widening(count) + value, (high - value) / widening(count) + value


def root_mean_square(samples: np.ndarray) -> float:
    return float(np.sqrt(np.mean(samples**2)))


@pytest.mark.parametrize("statistic", [np.mean, root_mean_square])
def test_bootstrap_intervals_are_efrons(statistic: Statistic) -> None:
    """Six skewed samples, every one of their 46,656 resamples against 10,000 that are drawn.

    Drawing blurs the levels: by sqrt(0.06 0.94 / 10^4) = 0.0024 as every quantile, and by 0.003
    through the bias, whose normal quantile is known to 0.0125. Four of their sum in quadrature.
    """
    samples = np.exp(np.random.default_rng(2).normal(size=6))
    draws = every_draw(samples, statistic)
    low, high = bca_levels(draws, samples, statistic)
    estimate = from_bootstrap(samples, statistic, resamples=10_000)
    assert estimate.value == statistic(samples)
    first, last = narrow(estimate, 6)
    # The ends are draws themselves, up to rounding.
    assert np.mean(draws <= first + 1e-6) == pytest.approx(low, abs=0.015)
    assert np.mean(draws <= last + 1e-6) == pytest.approx(high, abs=0.015)
    assert low > 0.025 + 0.03  # plain quantiles would not pass
    assert high > 0.975 + 0.015


def test_the_generator_settles_the_draws_and_rows_stay_together() -> None:
    rows = np.random.default_rng(3).normal(size=(9, 2))

    def difference(pairs: np.ndarray) -> float:
        return float(np.mean(pairs[:, 0] - pairs[:, 1]))

    estimate = from_bootstrap(rows, difference, what="pairs")
    assert estimate == from_bootstrap(rows, difference, what="pairs")
    assert estimate != from_bootstrap(rows, difference, what="pairs", seed=1)
    assert estimate[:3] == from_bootstrap(rows[:, 0] - rows[:, 1], np.mean)[:3]
    assert estimate.basis == "bootstrap of 9 pairs"


def test_many_samples_have_the_interval_of_their_standard_error() -> None:
    """Normals: mean +- 1.96 s / sqrt(n), up to the scatter of 1,000 draws (5%)."""
    for count in (400, 3000):  # with BCa, and without
        samples = np.random.default_rng(4).normal(size=count)
        estimate = from_bootstrap(samples, np.mean)
        reach = 1.96 * samples.std() / math.sqrt(count)
        assert estimate.high - estimate.value == pytest.approx(reach, rel=0.12)
        assert estimate.value - estimate.low == pytest.approx(reach, rel=0.12)


def test_samples_that_are_all_alike_have_an_interval_of_no_width() -> None:
    assert from_bootstrap([3.0, 3.0, 3.0, 3.0], np.mean)[:3] == (3.0, 3.0, 3.0)


def test_where_leaving_one_out_changes_nothing_plain_quantiles_stand_in() -> None:
    """The median of 1, 1, 1, 2 stays 1 without any one sample; 2 of a resample needs three 2s."""
    estimate = from_bootstrap([1.0, 1.0, 1.0, 2.0], np.median, resamples=4000)
    # The median is above 1 with probability C(4,2)/4^4 3^2 + C(4,3)/4^4 3 + 1/4^4 = 0.262, and 2
    # with probability 13/256 = 0.051: the 97.5% quantile is 2, the 2.5% quantile 1.
    np.testing.assert_allclose((estimate.value, *narrow(estimate, 4)), [1.0, 1.0, 2.0], rtol=1e-6)


def test_draws_that_are_not_finite_are_left_out() -> None:
    """s / m of 0, 0, 1, 1 has no value where a resample is all 0: 15 of 16 draws count."""

    def relative_spread(samples: np.ndarray) -> float:
        return float(samples.std() / samples.mean()) if samples.any() else math.nan

    # With k ones of 4: sqrt((4 - k) / k), k = 4, 3, 2, 1 with odds 1 : 4 : 6 : 4 of 15.
    estimate = from_bootstrap([0.0, 0.0, 1.0, 1.0], relative_spread)
    numbers = estimate.value, *narrow(estimate, 4)
    np.testing.assert_allclose(numbers, [1.0, 0.0, math.sqrt(3)], rtol=1e-6, atol=1e-6)


def test_no_finite_draw_leaves_no_interval() -> None:
    """All twelve samples are in one draw by chance of 12! / 12^12 = 5e-5."""

    def whole(samples: np.ndarray) -> float:
        return 1.0 if len(set(samples)) == 12 else math.nan

    estimate = from_bootstrap(np.arange(1.0, 13.0), whole)
    assert estimate.value == 1.0
    assert math.isnan(estimate.low)
    assert math.isnan(estimate.high)


@pytest.mark.parametrize("count", [2, 3, 5])
def test_intervals_of_few_samples_hold_their_mean(count: int) -> None:
    """400 draws: at least 90% to within 3 sqrt(0.9 0.1 / 400) = 4.5%; BCa alone holds 51 to 83%."""
    rng = np.random.default_rng(count)
    estimates = [from_bootstrap(rng.normal(size=count), np.mean, resamples=100) for _ in range(400)]
    assert np.mean([each.low <= 0 <= each.high for each in estimates]) > 0.9 - 0.045


def test_intervals_of_a_resampled_statistic_end_where_it_does() -> None:
    estimate = from_bootstrap([0.0, 1.0, 1.0], np.mean, ends=(0.0, 1.0))
    assert estimate[1:3] == (0.0, 1.0)
    plain = from_bootstrap([0.0, 1.0, 1.0], np.mean)
    assert plain.low < 0
    assert plain.high > 1


def test_an_interval_is_stretched_to_hold_its_value() -> None:
    """No resample but that of both samples has two different ones."""
    estimate = from_bootstrap([0.0, 1.0], np.ptp, resamples=4)
    assert estimate.low <= estimate.value <= estimate.high


def test_a_resampled_statistic_sees_masks_and_is_a_real_number() -> None:
    assert from_bootstrap(MASKED, np.mean).value == pytest.approx(7 / 3)
    words = "statistic: expected a finite number; got"
    assert_one_line_error(lambda: from_bootstrap(np.arange(1, 5) + 1j, np.mean), words)


BAD: dict[str, tuple[Callable[[], Any], str]] = {
    "one draw": (lambda: from_bootstrap([1.0], np.mean), "samples: expected two or more; got 1"),
    "no resamples": (
        lambda: from_bootstrap([1.0, 2.0], np.mean, resamples=0),
        "resamples: expected an integer >= 1; got 0; take 1000",
    ),
    "seed": (
        lambda: from_bootstrap([1.0, 2.0], np.mean, seed=-1),
        "seed: expected an integer >= 0; got -1; give a natural number",
    ),
    "outside": (
        lambda: from_bootstrap([1.0, 2.0], np.mean, ends=(0.0, 1.0)),
        r"statistic: expected a number in 0\.\.1; got 1.5; give the ends",
    ),
    "number": (lambda: from_bootstrap(1.0, np.mean), "samples: expected two or more; got 1"),
    "statistic": (
        lambda: from_bootstrap([np.nan, 1.0], np.mean),
        "statistic: expected a finite number; got nan; leave out",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_a_one_line_error(case: str) -> None:
    assert_one_line_error(*BAD[case])
