"""The acceleration: dead outputs, ratios of exponents and speed-ups, against what is known."""

import json
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from scipy import stats

import jaxsup
from jaxsup.experiment.experiment import initial_parameters
from jaxsup.fit.intervals import Estimate
from jaxsup.reproduce.analysis import dead_outputs, exponent_ratios, speed_ups
from jaxsup.reproduce.analysis.acceleration_table import (
    LIMIT,
    LINEAR,
    OWN_LAW,
    RANDOM,
    RELU,
    SAME_WINDOW,
    SMALL,
    UNIT,
    Gain,
    Ratio,
    measure,
)
from jaxsup.reproduce.analysis.exponent_ratios import Curve, Exponent
from jaxsup.reproduce.figures import acceleration

FIGURE = acceleration.Acceleration()


@pytest.mark.parametrize("name", list(acceleration.SCALES))
def test_every_scale_has_what_its_protocol_compares(name: str) -> None:
    scale = acceleration.SCALES[name]
    sweep = FIGURE.configure(scale)
    assert sweep.experiment.record.names == ("loss", "feature_error", "own_output")
    students = acceleration.arrangements(scale)
    assert sweep.shape == (len(scale.laws), len(students))
    known = {(s.embedding, s.latent, s.activation, s.learning_rate) for s in students}
    N = scale.features
    assert {("identity", N, "relu", SMALL), ("identity", N, "identity", UNIT)} <= known
    assert {("random", N, "relu", UNIT), ("random", N // 2, "relu", UNIT)} <= known
    for place, student in enumerate(students):
        trained = sweep.experiment_at((0, place)).student
        assert isinstance(trained, jaxsup.Student)
        assert trained.bias == (student.activation == "relu")
    assert scale.laws[0] == (1.1, 0.0)


@pytest.mark.parametrize(
    "student",
    [
        jaxsup.Student(3, core_scale=0.5, bias_scale=0.5),
        jaxsup.Student(6, "identity", core_scale=0.5, bias_scale=0.5),
        jaxsup.Student(3, "learned", core=False, bias_scale=0.5),
        jaxsup.Student(3, "untied", core_scale=0.5, bias_scale=0.5),
        jaxsup.Student(3, core_scale=0.5, bias=False),
    ],
)
def test_own_output_is_the_largest_over_samples_of_one_feature(student: jaxsup.Student) -> None:
    experiment = jaxsup.Experiment(
        jaxsup.PowerLawFeatures(6, 1.1), jaxsup.DiagonalTeacher(0.0), student, jaxsup.SGD(0.1)
    )
    arrays = initial_parameters(experiment, jax.random.key(3))
    network = jaxsup.Network(arrays, jnp.ones(6), jnp.ones(()), student)
    measured = dead_outputs.OwnOutput().measure(network)

    eye = np.eye(6)
    W = eye if arrays.embedding is None else np.asarray(arrays.embedding, np.float64)
    R = W if arrays.readout is None else np.asarray(arrays.readout, np.float64)
    B = np.eye(len(W)) if arrays.core is None else np.asarray(arrays.core, np.float64)
    c = np.zeros(6) if arrays.bias is None else np.asarray(arrays.bias, np.float64)
    values = np.linspace(0, 2, 201)
    z = np.einsum("kf,kl,lf,v->vf", R, B, W, values) + c
    np.testing.assert_allclose(measured, z.max(axis=0), atol=2e-6)


def test_a_feature_is_due_where_the_sequential_learner_has_one_per_cent_left() -> None:
    features = jaxsup.PowerLawFeatures(40, 1.5, values="sign")
    variances = np.asarray(features.probabilities, np.float64)
    gain = np.zeros(40)
    for _ in range(200):  # db/dt = eta l (1 - b), a step at a time
        gain += 0.3 * variances * (1 - gain)
    due = dead_outputs.due_features(features, 0.3, 200)
    assert 0 < due.sum() < 40
    np.testing.assert_array_equal(due, (1 - gain) ** 2 <= 0.01)


def test_dead_outputs_are_due_unlearned_and_perhaps_silent() -> None:
    first = np.array([4.0, 3, 2, 1, 1])
    last = np.array([[0.0, 2.8, 2.0, 0.95, 1.0], [0.0, 2.6, 0.1, 0.1, 1.0]])
    errors = np.stack([np.broadcast_to(first, (2, 5)), np.full((2, 5), 9.0), last], axis=1)
    own = np.array([[1.0, 0.0, 1.0, -1.0, -1.0], [-1.0] * 5])
    dead = dead_outputs.count_dead(errors, own, np.array([True] * 4 + [False]))
    assert dead.due == 4
    # 2.8 / 3, 2 / 2 and 0.95 / 1 are above 0.9; 2.6 / 3 is not, and the last feature was not due.
    assert (dead.dead.tolist(), dead.silent.tolist()) == ([3, 0], [2, 0])
    np.testing.assert_allclose(dead.share, [5.75 / 6.75, 0], rtol=1e-12)
    np.testing.assert_allclose(dead.fraction, [0.75, 0])


def law(exponent: float, seeds: int, generator: np.random.Generator, noise: float = 0.03) -> Curve:
    """A power law on 100 log-spaced steps with white noise of each seed."""
    steps = np.unique(np.geomspace(1, 10_000, 100).astype(int))
    loss = steps**-exponent * np.exp(noise * generator.normal(size=(seeds, len(steps))))
    return Curve(steps, loss, 0.5)


def test_ratios_of_known_exponents_lie_in_their_intervals() -> None:
    generator = np.random.default_rng(4)
    missed, trials = 0, 40
    for _ in range(trials):
        fast, slow = (
            exponent_ratios.last_exponent(law(exponent, 3, generator)) for exponent in (1.0, 0.1)
        )
        ratio, reason = exponent_ratios.divide(fast, slow)
        assert ratio, reason
        missed += not ratio.low <= 10.0 <= ratio.high
    # More than 6 of 40 come up in 0.3% of experiments if 5% miss.
    assert missed <= stats.binom.ppf(0.997, trials, 0.05)


def test_an_exponent_over_a_window_has_the_interval_of_its_seeds() -> None:
    steps = np.unique(np.geomspace(1, 1000, 60).astype(int))
    slopes = np.array([0.4, 0.5, 0.6])
    curve = Curve(steps, steps ** -slopes[:, None], 0.1)
    found = exponent_ratios.exponent_over(curve, (1.0, 50.0))
    margin = stats.t.ppf(0.9875, 2) * 0.1 / math.sqrt(3)
    assert found[:3] == pytest.approx((0.5, 0.5 - margin, 0.5 + margin), rel=1e-9)
    assert "ends before" in exponent_ratios.exponent_over(curve, (50.0, 300.0)).reason
    assert exponent_ratios.exponent_over(curve, None).reason


def test_the_quotient_of_intervals_and_when_there_is_none() -> None:
    fast, slow = Exponent(1.0, 0.9, 1.2), Exponent(0.1, 0.08, 0.12)
    ratio, _ = exponent_ratios.divide(fast, slow)
    assert ratio
    assert ratio[:3] == pytest.approx((10, 7.5, 15), rel=1e-12)
    assert exponent_ratios.divide(Exponent(0.1, -0.1, 0.3), slow)[0][1] == pytest.approx(-1.25)  # pyright: ignore
    none, reason = exponent_ratios.divide(fast, Exponent(0.1, -0.01, 0.2))
    assert none is None
    assert reason == "the reference's exponent cannot be told from 0"
    missing = exponent_ratios.missing("no regime is a power law")
    assert exponent_ratios.divide(missing, slow)[1].startswith("with superposition: no regime")
    assert exponent_ratios.last_exponent(None).reason == "every seed diverged"


def test_speed_ups_are_taken_at_the_best_step_size_of_each_side() -> None:
    # c / t^2 from L(0) = 1 reaches a level in sqrt(c / level) steps.
    steps = np.array([0, 1, 1_000_000])

    def curves(scales: list[list[float]]) -> np.ndarray:
        scale = np.array(scales)
        return np.stack([np.ones_like(scale), scale, scale * 1e-12], axis=-1)

    student = speed_ups.fastest(steps, curves([[0.04, 0.01], [0.4, 0.4]]), [0.3, 1.0])
    diverged = np.full((1, 2, 3), np.nan)
    plain = np.concatenate([curves([[0.36, 0.36], [0.25, 0.49]]), diverged])
    reference = speed_ups.fastest(steps, plain, [0.5, 1.0, 2.0])
    late = speed_ups.LEVELS < 0.009
    np.testing.assert_allclose(student.learning_rate[:, late], 0.3)
    found = speed_ups.compare(student, reference)
    np.testing.assert_allclose(found.factors[:, late], np.outer([2.5, 6.0], np.ones(late.sum())))
    np.testing.assert_allclose(found.mean[late], math.sqrt(15))
    assert found.deepest == pytest.approx(1e-4)
    nothing = speed_ups.compare(student, speed_ups.fastest(steps, diverged, [2.0]))
    assert nothing.largest is None
    assert math.isnan(nothing.level)


def test_the_mean_factor_is_geometric_with_students_interval() -> None:
    factors = np.array([[np.nan, 2.0, 1.0], [8.0, np.nan, 3.0]])
    largest = speed_ups.largest_factors(factors)
    np.testing.assert_array_equal(largest, [2, 8])
    found = speed_ups.mean_factor(largest)
    margin = stats.t.ppf(0.975, 1) * math.log(2)  # logs are log 4 -+ log 2
    assert found
    assert found[:3] == pytest.approx((4, 4 * math.exp(-margin), 4 * math.exp(margin)))
    assert speed_ups.mean_factor(np.array([2.0, np.nan])) is None
    assert speed_ups.mean_factor(np.array([2.0])) is None


def ratio_of(reference: str, low: float, high: float, a: float = 1.1) -> Ratio:
    limit = (a - 1) / a
    denominator = Exponent(limit, limit, limit)
    estimate = Estimate((low + high) / 2, low, high, "by hand")
    return Ratio(a, 0.0, 2.0, reference, Exponent(1, 1, 1), denominator, estimate, "")


def test_claims_on_ratios_follow_from_their_intervals() -> None:
    ratios = [
        ratio_of(LIMIT, 10, 12),  # in 8.8..13.2
        ratio_of(SAME_WINDOW, 0.5, 0.9),
        ratio_of(OWN_LAW, 5, 12),
        ratio_of(LIMIT, 1.7, 2.3, a=2.0),  # in 1.6..2.4
        ratio_of(OWN_LAW, 1.7, 2.3, a=2.0),  # tenfold is of a = 1.1 alone
    ]
    claims = acceleration.claim_ratios(ratios)
    verdicts = [claim.verdict for claim in claims]
    assert verdicts == ["agrees", "differs", "not claimed", "agrees"]
    assert claims[0].published
    assert claims[0].published[:2] == pytest.approx((8.8, 13.2))
    none = ratios[0]._replace(estimate=None, reason="no regime is a power law")
    (claim,) = acceleration.claim_ratios([none])
    assert (claim.verdict, claim.explanation) == ("not claimed", "no regime is a power law")


def test_claims_on_steps_take_the_largest_over_laws_in_each_seed() -> None:
    def gain(a: float, reference: str, factors: list[list[float]]) -> Gain:
        nan = float("nan")
        found = speed_ups.SpeedUp(np.array(factors), None, nan, nan, (nan, nan))
        return Gain(a, 0.0, 2.0, reference, found)

    gains = [
        gain(1.1, RELU, [[9.0, 1.0], [1.0, 2.0], [10.0, 1.0]]),
        gain(2.0, RELU, [[1.0, 2.0], [9.5, np.nan], [1.0, 1.0]]),
        gain(1.1, LINEAR, [[0.9], [1.0], [1.1]]),
    ]
    relu, linear = acceleration.claim_speed_ups(gains)
    assert relu.measured
    assert relu.measured.value == pytest.approx((9 * 9.5 * 10) ** (1 / 3))
    assert (relu.verdict, linear.verdict) == ("agrees", "differs")
    wide = acceleration.claim_speed_ups(
        [gain(1.1, kind, [[2.0], [40.0]]) for kind in (RELU, LINEAR)]
    )
    assert wide[0].verdict == "not claimed"


def synthetic() -> tuple[xr.Dataset, jaxsup.Sweep]:
    """Power laws of known exponents for the students of a small scale, and known dead outputs."""
    scale = acceleration.Scale(
        32, 3000, 32, 3, ((1.1, 0.0),), (SMALL, UNIT), (UNIT, 2.0), (UNIT,), (UNIT,)
    )
    sweep = FIGURE.configure(scale)
    steps = sweep.experiment.record.schedule(scale.steps)
    students = acceleration.arrangements(scale)
    exponents = {"relu": 0.2, "identity": 0.25}
    shape = (1, len(students), 3)
    loss, errors = np.ones((*shape, len(steps))), np.full((*shape, len(steps), 32), 1e-3)
    own, status = np.ones((*shape, len(steps), 32)), np.zeros(shape, int)
    errors[..., 0, :] = 1.0
    noise = np.random.default_rng(0).normal(size=(3, len(steps) - 1))
    for place, student in enumerate(students):
        crowded = student.embedding == "random"
        exponent = 1.0 if crowded else exponents[student.activation]
        law = (student.learning_rate * steps[1:] + 1.0) ** -exponent
        loss[0, place, :, 1:] = law * np.exp(0.01 * noise)
    trapped = 1  # W = I, ReLU, at UNIT: five dead outputs, three of them silent
    errors[0, trapped, :, -1, :5], own[0, trapped, :, -1, :3] = 0.95, -0.1
    status[0, 3, 1], loss[0, 3, 1, 5:] = 1, np.nan  # a seed of the linear student at 2
    dims = ("law", "arrangement", "seed", "step")
    variables = {
        "loss": (dims, loss),
        "feature_error": ((*dims, "feature"), errors),
        "own_output": ((*dims, "feature"), own),
        "status": (dims[:3], status),
    }
    return xr.Dataset(variables, coords={"step": steps}), sweep


def test_the_whole_measurement_on_curves_that_are_known() -> None:
    dataset, sweep = synthetic()
    table = measure(dataset, sweep)
    assert [row.kind for row in table.rows] == [RELU] * 2 + [LINEAR] * 2 + [RANDOM] * 2
    trapped = table.rows[1].dead
    assert trapped
    assert (trapped.due, trapped.dead.tolist(), trapped.silent.tolist()) == (32, [5] * 3, [3] * 3)
    assert [row.whole.count(False) for row in table.rows] == [0, 0, 0, 1, 0, 0]

    expected = {LIMIT: 11.0, SAME_WINDOW: 4.0, OWN_LAW: 4.0}
    for ratio in table.ratios:
        if ratio.reference in expected:
            assert ratio.estimate, ratio.reason
            assert ratio.estimate.value == pytest.approx(expected[ratio.reference], rel=0.05)
    # The student's 1 / (t + 1) against (t + 1)^-0.25: at the loss L, 1 / L against 1 / L^4.
    (linear,) = [gain for gain in table.gains if gain.reference == LINEAR]
    at = int(np.argmin(abs(speed_ups.LEVELS - 0.2)))
    level = speed_ups.LEVELS[at]
    slower = (level**-4 - 1) / 2  # the best of the linear student's step sizes is 2
    found = linear.speed_up.factors[[0, 2], at]
    np.testing.assert_allclose(found, slower / (1 / level - 1), rtol=0.2)

    findings = FIGURE.measure(dataset, sweep)
    json.dumps(findings.records, allow_nan=False)
    assert any("linear W = I, same window" in line for line in findings.text)
    assert any(line.endswith("1 diverged") for line in findings.text)
    assert len(findings.figure.axes) == 6
    assert [claim.quantity for claim in findings.claims][-2].startswith("largest factor")
