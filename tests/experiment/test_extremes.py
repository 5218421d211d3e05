"""Exponents and sizes beyond what float32 and words hold: right results, or refused."""

from typing import Any

import jax
import numpy as np
import pytest
from factories import linear_experiment, relu_experiment
from helpers import assert_one_line_error

import jaxsup
from jaxsup.training.sampling.plan import arrival_rate, laws_alike, sparse_level, unsuitable_law
from jaxsup.training.updates import choose_update

EXPONENTS = (-1e30, -300.0, -50.0, -13.0, -1.5, 0.0, 1.5, 13.0, 50.0, 1e30)

pytestmark = pytest.mark.usefixtures("x32")


def frequencies(count: int, exponent: float) -> np.ndarray:
    """i^-a / sum_j j^-a in float64, relative to the largest."""
    logs = -exponent * np.log(np.arange(1, count + 1))
    weights = np.exp(logs - logs.max())
    return weights / weights.sum()


@pytest.mark.parametrize("exponent", EXPONENTS)
def test_normalized_laws_are_right_for_any_exponent(exponent):
    """float32 holds a log(i) to 2^-24 of itself, and so the law to |a| log(N) 2^-24 of itself."""
    count = 1000
    expected = frequencies(count, exponent)
    rtol = min(1.0, 1e-5 + abs(exponent) * np.log(count) * 2**-22)
    tolerance: dict[str, Any] = {"rtol": rtol, "atol": 1e-6}
    law = jaxsup.PowerLawFeatures(count, exponent, density=0.5)
    np.testing.assert_allclose(law.probabilities, 0.5 * expected, **tolerance)
    gaussian = jaxsup.GaussianFeatures(count, exponent, variance=2.0)
    np.testing.assert_allclose(gaussian.variances, 2 * expected, **tolerance)
    one_active = jaxsup.OneActiveFeatures(count, exponent)
    np.testing.assert_allclose(one_active.frequencies, expected, **tolerance)
    rates = -np.log1p(-0.5 * expected)
    assert arrival_rate(law) == pytest.approx(rates.sum(), rel=1e-9)
    assert unsuitable_law(law, 64) is None


def test_a_law_that_is_not_normalized_is_clipped_to_certainty():
    """min(1, d i^-a) is 1 for all i^50 d >= 1, also where i^50 is beyond float32."""
    law = jaxsup.PowerLawFeatures(16, -50.0, density=1e-6, normalize=False)
    np.testing.assert_allclose(law.probabilities, [1e-6, *np.ones(15)], rtol=1e-6)


def test_a_steep_law_is_trained_on_its_frequent_features():
    """At a = -50 feature 16 is active in 0.96 of the samples: mirrored, the law of a = 50."""
    losses = []
    for exponent in (-50.0, 50.0):
        experiment = linear_experiment(
            jaxsup.Student(16, "identity", core_scale=0, bias=False),
            features=jaxsup.GaussianFeatures(16, exponent),
            teacher=jaxsup.DiagonalTeacher(0.0),
            steps=20,
        )
        losses.append(np.asarray(jaxsup.simulate(experiment, jax.random.key(0)).loss))
    l_16 = float(frequencies(16, -50.0)[-1])
    assert losses[0][0] == pytest.approx(0.5, rel=1e-5)
    late = 0.5 * l_16 * (1 - 0.2 * l_16) ** 40
    assert late < losses[0][-1] < late + 0.5 * (1 - l_16)
    assert losses[1][-1] == pytest.approx(0.5 * 0.8**40, rel=1e-4)


def test_laws_are_alike_as_their_updates_are():
    """The numbers of many laws at once against the update of each."""
    base = relu_experiment(
        jaxsup.Student(8), features=jaxsup.PowerLawFeatures(256, 1.0, 1.0), batch_size=16
    )
    random = np.random.default_rng(0)
    exponents, densities = random.uniform(-2, 4, 40), 10 ** random.uniform(-3, 2.5, 40)
    numbers = {"exponent": exponents, "density": densities}
    alike = laws_alike(base.features, numbers)
    for exponent, density, number in zip(exponents, densities, alike, strict=True):
        law = jaxsup.PowerLawFeatures(256, float(exponent), float(density))
        experiment = relu_experiment(jaxsup.Student(8), features=law, batch_size=16)
        update = choose_update(experiment)
        assert (update.kind == "dense") == np.isinf(number)
        if np.isfinite(number):
            assert sparse_level(law) == number
    assert 0 < np.isinf(alike).sum() < 40


BAD = {
    "an exponent beyond float32": (
        lambda: jaxsup.PowerLawFeatures(16, 1e308),
        r"features.exponent: expected a finite number >= -1e\+30 and <= 1e\+30; got 1e\+308",
    ),
    "variances beyond float32": (
        lambda: jaxsup.GaussianFeatures(16, -50.0, normalize=False),
        r"features.exponent: expected weights of at most 3.4e\+38; got -50, which makes 10\^60.21",
    ),
    "a density that rounds to 0": (
        lambda: jaxsup.PowerLawFeatures(16, 1.0, 1e-40),
        r"features.density: expected a finite number >= 1.17549e-38; got 1e-40",
    ),
    "gains beyond float32": (
        lambda: relu_experiment(teacher=jaxsup.DiagonalTeacher(-50.0)),
        r"teacher.exponent: expected weights .*; got -50, which makes 10\^38.91; take a larger",
    ),
    "gains of a function": (
        lambda: relu_experiment(teacher=jaxsup.ElementwiseTeacher("abs", -50.0)),
        r"teacher.exponent: expected weights .*; got -50, which makes 10\^38.91; take a larger",
    ),
    "importances beyond float32": (
        lambda: relu_experiment(importance=1e8),
        r"importance: expected weights .*; got 1e\+08, which makes 10\^40; take one nearer to 1",
    ),
    "a rate beyond float32": (
        lambda: jaxsup.SGD(1e39),
        r"optimizer.learning_rate: expected at most 3.4e\+38; got 1e\+39; make it less",
    ),
    "a whole number beyond a word": (
        lambda: jaxsup.SGD(10**30),
        "optimizer.learning_rate: expected a whole number of at most 2147483647; got 1000",
    ),
    "an integer of 400 digits": (
        lambda: jaxsup.SGD(10**400),
        r"optimizer.learning_rate: expected a finite number >= 0; got 1000.*\.\.\.; give a step",
    ),
    "an integer of 5,000 digits": (
        lambda: jaxsup.Student(10**5000),
        "student.latent: expected a positive integer of at most 2147483647; got a int too long",
    ),
    "steps": (
        lambda: relu_experiment(steps=2**31),
        "steps: expected a positive integer of at most 2147483647; got 2147483648; give the number",
    ),
    "points": (
        lambda: jaxsup.Record(points=10**9),
        "record.points: expected a positive integer of at most 1000000; got 1000000000",
    ),
    "recorded steps": (
        lambda: relu_experiment(record=jaxsup.Record(steps=(2**31,))),
        "record.steps: expected steps <= 6; got 2147483648",
    ),
    "kept steps": (
        lambda: relu_experiment(record=jaxsup.Record(parameter_steps=(2**40,))),
        "record.parameter_steps: expected steps <= 6; got 1099511627776",
    ),
    "features": (
        lambda: jaxsup.PowerLawFeatures(10**9, 1.0),
        "features.count: expected a positive integer of at most 16777216; got 1000000000; give the",
    ),
    "a batch": (
        lambda: relu_experiment(batch_size=2**30),
        "batch_size: expected arrays of at most 2147483647 numbers; got one of 6442450944",
    ),
    "an embedding": (
        lambda: relu_experiment(
            jaxsup.Student(2**20), features=jaxsup.PowerLawFeatures(2**20, 1.0), batch_size=1
        ),
        "student.latent: expected arrays of at most 2147483647 numbers; got one of 1099511627776",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_a_one_line_error(case):
    assert_one_line_error(*BAD[case])


def test_the_last_step_of_a_long_run_is_recorded():
    """2^31 - 1 updates are the most: their number fits into the words that count them."""
    experiment = relu_experiment(steps=2**31 - 1, record=jaxsup.Record(points=3))
    assert experiment.recorded_steps.tolist() == [0, 1, 2**31 - 1]
