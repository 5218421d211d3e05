"""Intervals against numpy, formulas written out and textbook numbers."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from helpers import assert_one_line_error, untyped
from scipy.special import bdtr, bdtrc

from jaxsup.fit.intervals import (
    Estimate,
    from_fit,
    from_samples,
    from_share,
    log_log_slope,
)
from jaxsup.fit.single.power_law import fit_power_law
from jaxsup.fit.tables.exponents import exponents_to_records, measure_exponents

# --- lines through logarithms -------------------------------------------------------------------


def test_a_slope_and_its_interval_are_those_of_the_covariance_of_a_line() -> None:
    rng = np.random.default_rng(0)
    x = np.array([5.0, 8.0, 13.0, 20.0, 32.0, 50.0])
    y = 3 * x**-0.8 * np.exp(0.1 * rng.normal(size=6))
    slope = log_log_slope(x, y)
    coefficients, covariance = np.polyfit(np.log(x), np.log(y), 1, cov=True)
    assert slope.value == pytest.approx(coefficients[0], rel=1e-12)
    # 2.7764 is the 97.5% quantile of Student's t with four degrees of freedom.
    reach = 2.7764451 * np.sqrt(covariance[0, 0])
    assert slope.high - slope.value == pytest.approx(reach, rel=1e-7)
    assert slope.value - slope.low == pytest.approx(reach, rel=1e-7)


def test_repeats_are_averaged() -> None:
    x, y = [1, 2, 4], np.array([[1.0, 3.0], [0.5, 1.5], [0.25, 0.75]])
    slope = log_log_slope(x, y)
    assert slope == log_log_slope(x, y.mean(axis=1))
    assert slope.value == pytest.approx(-1, abs=1e-12)


MASKED = np.ma.masked_array([1.0, 2.0, 1e6, 4.0], [False, False, True, False])


@pytest.mark.parametrize(
    ("measure", "name"),
    [
        (from_samples, "samples"),
        (lambda numbers: log_log_slope([1, 2, 3, 4], numbers), "y"),
        (lambda numbers: log_log_slope(numbers, [1, 2, 3, 4]), "x"),
    ],
)
def test_no_mask_and_no_imaginary_part_is_dropped(
    measure: Callable[[Any], Estimate], name: str
) -> None:
    complex_numbers = np.arange(1, 5) + 1j
    words = f"{name}: expected an array of real numbers; got dtype complex128"
    assert_one_line_error(lambda: measure(complex_numbers), words)
    assert_one_line_error(lambda: measure(MASKED), f"{name}: expected")


def test_a_level_line_has_an_exact_slope_of_zero() -> None:
    assert log_log_slope([1, 2, 3], [1.0, 1.0, 1.0])[:3] == (0.0, 0.0, 0.0)


def test_intervals_hold_the_slope_in_95_of_100_draws() -> None:
    """2,000 draws: 95% to within 4 sqrt(0.95 0.05 / 2000) = 2%."""
    rng = np.random.default_rng(1)
    x = np.geomspace(1, 10, 6)
    hits = 0
    for _ in range(2000):
        slope = log_log_slope(x, x**1.5 * np.exp(0.2 * rng.normal(size=6)))
        hits += slope.low <= 1.5 <= slope.high
    assert abs(hits / 2000 - 0.95) < 0.02


# --- samples and shares -------------------------------------------------------------------------

# 97.5% quantiles of Student's t, from a printed table to seven digits.
STUDENT = {
    1: 12.706205,
    2: 4.3026527,
    3: 3.1824463,
    4: 2.7764451,
    5: 2.5705818,
    9: 2.2621572,
    99: 1.9842170,
}


@pytest.mark.parametrize("freedom", STUDENT)
def test_means_have_students_interval(freedom: int) -> None:
    samples = np.random.default_rng(freedom).normal(3.0, 2.0, freedom + 1)
    estimate = from_samples(samples)
    reach = STUDENT[freedom] * samples.std(ddof=1) / math.sqrt(freedom + 1)
    expected = [samples.mean(), samples.mean() - reach, samples.mean() + reach]
    np.testing.assert_allclose(estimate[:3], expected, rtol=1e-7)
    assert estimate.basis == f"Student's t over {freedom + 1} seeds"


def test_equal_samples_have_an_interval_of_no_width() -> None:
    assert from_samples([2.0, 2.0, 2.0], "starts")[:3] == (2.0, 2.0, 2.0)


@pytest.mark.parametrize("unit", [1e-320, 1e-200, 1e200, 1e307])
def test_samples_of_any_size_have_their_interval(unit: float) -> None:
    estimate = from_samples([unit, 2 * unit])
    # s = unit / sqrt(2), and so t s / sqrt(2) = t unit / 2.
    ends = [1.5 * unit, (1.5 - STUDENT[1] / 2) * unit, (1.5 + STUDENT[1] / 2) * unit]
    np.testing.assert_allclose(estimate[:3], ends, rtol=1e-3 if unit < 1e-300 else 1e-7)


@pytest.mark.parametrize(("hits", "trials"), [(8, 10), (1, 3), (0, 10), (10, 10), (900, 50_000)])
def test_shares_have_the_exact_interval(hits: int, trials: int) -> None:
    """At its ends what was counted, or more or fewer, has a probability of 2.5%."""
    estimate = from_share(hits, trials)
    assert estimate.value == hits / trials
    assert 0 <= estimate.low <= estimate.value <= estimate.high <= 1
    at_least = bdtrc(hits - 1, trials, estimate.low) if hits else None
    at_most = bdtr(hits, trials, estimate.high) if hits < trials else None
    assert estimate.low == 0 if at_least is None else at_least == pytest.approx(0.025)
    assert estimate.high == 1 if at_most is None else at_most == pytest.approx(0.025)


@pytest.mark.parametrize("trials", [1, 2, 5, 20])
def test_intervals_of_shares_hold_the_share_in_95_percent_of_cases(trials: int) -> None:
    estimates = [from_share(hits, trials) for hits in range(trials + 1)]
    for true in np.linspace(0.001, 0.999, 500):
        odds = [
            math.comb(trials, k) * true**k * (1 - true) ** (trials - k)
            for k, estimate in enumerate(estimates)
            if estimate.low <= true <= estimate.high
        ]
        assert sum(odds) >= 0.95 - 1e-12


def test_intervals_of_samples_end_where_their_quantity_does() -> None:
    estimate = from_samples([0.9, 1.0, 1.0], ends=(0.0, 1.0))
    plain = from_samples([0.9, 1.0, 1.0])
    assert plain.high > 1.0
    assert estimate[:3] == (plain.value, plain.low, 1.0)


# --- fits ---------------------------------------------------------------------------------------


def test_a_fit_gives_its_interval_and_a_refusal_gives_none() -> None:
    t = np.arange(1, 2001)
    fit = fit_power_law(t, 3.0 * t**-0.5)
    estimate = from_fit(fit)
    assert estimate is not None
    assert (estimate.low, estimate.high) == fit.interval
    assert estimate.value == pytest.approx(0.5, abs=1e-6)
    assert estimate.basis == "power-law fit over 1 seeds"
    assert from_fit(fit_power_law(t, np.exp(-t / 300))) is None
    kept = fit.to_dict()
    kept["widest"] = [0.1, 0.9]
    assert from_fit(kept) == estimate._replace(low=0.1, high=0.9)
    del kept["widest"]  # as before there was one
    assert from_fit(kept) == estimate
    unknown = from_fit({**kept, "interval": [None, None]})  # what JSON has for what is not finite
    assert unknown is not None
    assert unknown.value == estimate.value
    assert math.isnan(unknown.low)
    assert math.isnan(unknown.high)


def test_a_record_of_a_sweep_gives_the_same_as_its_fit() -> None:
    import xarray as xr

    t = np.unique(np.geomspace(1, 1e4, 60).astype(int))
    noise = 0.05 * np.random.default_rng(5).standard_normal((3, len(t)))
    loss = t**-0.7 * np.exp(noise)
    dataset = xr.Dataset({"loss": (("seed", "step"), loss)}, {"step": t})
    (record,) = exponents_to_records(measure_exponents(dataset))
    assert from_fit(record) == from_fit(fit_power_law(t, loss))


def test_an_estimate_reads_as_a_number_with_its_interval() -> None:
    assert str(Estimate(0.51234, 0.4, 0.61, "by hand")) == "0.512 (0.4 to 0.61)"


BAD: dict[str, tuple[Callable[[], Any], str]] = {
    "two points": (lambda: log_log_slope([1, 2], [1, 2]), "x: expected three or more different"),
    "repeated": (lambda: log_log_slope([1, 2, 2], [1, 2, 3]), "x: expected three or more"),
    "shapes": (
        lambda: log_log_slope([1, 2, 3], [1, 2]),
        r"y: expected \[points\] or .* got shapes of y and x \(2,\), \(3,\); give as many rows",
    ),
    "negative": (lambda: log_log_slope([1, 2, 3], [1, -2, 3]), "y: expected positive.*got -2.0"),
    "nan": (lambda: log_log_slope([1, 2, np.nan], [1, 2, 3]), "x: expected positive.*got nan"),
    "one sample": (lambda: from_samples([1.0]), r"samples: expected two or more finite.*\(1,\)"),
    "matrix": (lambda: from_samples([[1.0, 2.0]]), r"samples: expected two or more finite.*\(1, 2"),
    "not finite": (
        lambda: from_samples([1.0, np.nan]),
        "1 of them finite; leave out what diverged",
    ),
    "outside": (
        lambda: from_samples([0.5, 1.5], ends=(0.0, 1.0)),
        r"samples: expected numbers in 0\.\.1; got 0\.5 to 1\.5",
    ),
    "no trials": (lambda: from_share(0, 0), "trials: expected a positive integer; got 0"),
    "hits": (lambda: from_share(3, 2), r"hits: expected a count in 0\.\.2; got 3; count hits"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_a_one_line_error(case: str) -> None:
    assert_one_line_error(*BAD[case])


@untyped
def test_half_a_hit_is_none():
    hits: object = 1.5
    match = r"hits: expected a count in 0\.\.2; got 1.5"
    assert_one_line_error(lambda: from_share(hits, 2), match)  # pyright: ignore[reportArgumentType]
