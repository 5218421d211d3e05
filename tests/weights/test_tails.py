"""Power-law tails: samples of a known exponent, closed formulas, and spectra that have none."""

import math

import numpy as np
import pytest
import scipy.stats
from helpers import assert_one_line_error

from jaxsup.weights.tails import FEWEST, NoTail, Tail, fit_tail

SAMPLES = 200


def pareto(seed: int, count: int, exponent: float) -> np.ndarray:
    """p(x) ~ x^-exponent from 1 on."""
    return np.random.default_rng(seed).random(count) ** (-1 / (exponent - 1))


def body_and_tail(seed: int, count: int, exponent: float) -> np.ndarray:
    """Clauset, Shalizi & Newman's eq. 3.10: exponential on (0, 1), of the tail's value and slope
    at 1, and a power law from there on."""
    rng = np.random.default_rng(seed)
    above, below = 1 / (exponent - 1), math.expm1(exponent) / exponent
    u = rng.random(count)
    body = -np.log1p(-rng.random(count) * -math.expm1(-exponent)) / exponent
    return np.where(rng.random(count) < above / (above + below), u ** (-above), body)


def fitted(values: np.ndarray) -> Tail:
    tail = fit_tail(values)
    assert isinstance(tail, Tail)
    return tail


@pytest.mark.extended
@pytest.mark.parametrize("sample", [pareto, body_and_tail])
def test_intervals_hold_the_exponent_as_often_as_they_say(sample) -> None:
    """384 values as of a spectrum: 95% of 200 samples within 3.3 standard errors, two-sided."""
    tails = [fitted(sample(seed, 384, 2.0)) for seed in range(SAMPLES)]
    covered = sum(tail.interval[0] <= 2.0 <= tail.interval[1] for tail in tails)
    assert abs(covered / SAMPLES - 0.95) < 3.3 * math.sqrt(0.95 * 0.05 / SAMPLES)
    # And they are no wider than they need to be: their ends are less than a factor 1.5 apart.
    ratios = [tail.interval[1] / tail.interval[0] for tail in tails]
    assert np.median(ratios) < 1.35
    exponents = np.asarray([tail.exponent for tail in tails])
    error = exponents.std() / math.sqrt(SAMPLES)
    assert abs(exponents.mean() - 2.0) < 4 * error + 0.02  # biased by 1 / n at most


def test_the_start_of_the_tail_is_found() -> None:
    """A tail from 1 on holds 24% of the values; the choice varies by a factor of two."""
    starts = [fitted(body_and_tail(seed, 1000, 2.0)).start for seed in range(24)]
    assert 0.6 < np.median(starts) < 1.3


@pytest.mark.parametrize("seed", range(5))
def test_exponent_and_distance_are_those_of_the_formulas_at_the_best_start(seed: int) -> None:
    """Of 50 values every length of the tail from ten on is tried."""
    values = body_and_tail(seed, FEWEST, 1.7)
    tail = fitted(values)
    rising = np.sort(values)
    distances = {}
    for length in range(10, FEWEST + 1):
        upper = rising[-length:]
        exponent = 1 + length / np.sum(np.log(upper / upper[0]))
        law = scipy.stats.pareto(exponent - 1, scale=upper[0])
        distances[length] = (scipy.stats.kstest(upper, law.cdf).statistic, exponent)
    best = min(distances, key=lambda length: distances[length][0])
    assert tail.size == best
    assert tail.distance == pytest.approx(distances[best][0], rel=1e-9)
    assert tail.exponent == pytest.approx(distances[best][1], rel=1e-9)
    assert tail.start == pytest.approx(rising[-best], rel=1e-12)


def test_units_and_order_do_not_matter_and_what_is_not_positive_is_left_out() -> None:
    values = pareto(3, 200, 3.0)
    tail = fitted(values)
    scaled = fitted(1e-9 * np.concatenate([[0.0, -1.0], values[::-1]]))
    assert scaled.exponent == pytest.approx(tail.exponent, rel=1e-9)
    assert scaled.interval == pytest.approx(tail.interval, rel=1e-9)
    assert scaled.start == pytest.approx(1e-9 * tail.start, rel=1e-9)
    assert scaled.size == tail.size
    assert fitted(values) == tail
    other = fit_tail(values, seed=1)
    assert isinstance(other, Tail)
    assert other.interval != tail.interval
    assert other.exponent == tail.exponent


def test_a_gaussian_matrix_has_no_tail_and_its_interval_shows_that() -> None:
    """Marchenko & Pastur's density ends at an edge. Its bootstrap starts sometimes at the edge,
    sometimes in the bulk; that of a power law does not."""
    plausible, distances = [], []
    for seed in range(24):
        W = np.random.default_rng(seed).standard_normal((384, 768))
        tail = fitted(np.linalg.svd(W, compute_uv=False) ** 2)
        plausible.append(tail.plausible)
        distances.append(tail.distance)
    assert not any(plausible)
    assert 0.09 < min(distances) < max(distances) < 0.2
    true = [fitted(pareto(seed, 384, 3.0)) for seed in range(24)]
    assert all(tail.plausible for tail in true)
    assert max(tail.distance for tail in true) < 0.09


def test_a_law_that_does_not_fit_its_values_is_not_plausible() -> None:
    """Evenly spaced logarithms: their density ends at an edge, and 384 values show it."""
    tail = fitted(np.exp(np.linspace(0, 14, 384)))
    assert tail.distance * math.sqrt(tail.size) > 1
    assert not tail.plausible
    narrow = Tail(exponent=1.5, interval=(1.4, 1.8), start=1.0, size=100, distance=0.099)
    assert narrow.plausible
    assert not narrow._replace(distance=0.101).plausible
    assert narrow._replace(interval=(1.0, 3.0)).plausible
    assert not narrow._replace(interval=(1.0, 3.1)).plausible


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (np.ones(49) + np.arange(49), "fewer than 50 eigenvalues that are not zero"),
        (np.concatenate([np.arange(1, 40), np.zeros(60)]), "fewer than 50 eigenvalues"),
        (np.zeros(0), "fewer than 50 eigenvalues"),
        (np.full(80, 3.0), "all values are alike"),
        (np.full(80, 3.0) * (1 + 1e-15 * np.arange(80)), "all values are alike"),
    ],
)
def test_there_is_none_of_few_values_or_equal_ones(values: np.ndarray, reason: str) -> None:
    found = fit_tail(values)
    assert isinstance(found, NoTail)
    assert found.reason.startswith(reason)


def test_equal_values_at_the_upper_end_are_no_obstacle() -> None:
    """A tight frame of sixty dimensions above a power law."""
    tail = fitted(np.concatenate([np.full(60, 50.0), pareto(5, 300, 2.0)]))
    assert all(map(math.isfinite, (*tail.interval, tail.exponent, tail.distance)))


@pytest.mark.parametrize("values", [np.asarray([1.0, np.nan]), np.ones((3, 3)), np.asarray(1.0)])
def test_what_is_no_sample_is_refused(values: np.ndarray) -> None:
    assert_one_line_error(lambda: fit_tail(values), "values: expected finite numbers on one axis")
