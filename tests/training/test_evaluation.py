"""The recorded loss where it is estimated: how many samples, and its standard error."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from factories import linear_experiment, relu_experiment
from scipy import stats
from update_cases import LARGE, SMALL, STUDENTS, experiment

import jaxsup
from jaxsup.experiment.experiment import initial_parameters
from jaxsup.experiment.record import Record
from jaxsup.training.evaluation import estimated_errors, evaluate
from jaxsup.training.losses import loss_weights
from jaxsup.training.updates import Dense, choose_update

TRIALS = 1000


def known_losses():
    """Experiments whose loss has a closed form, by the update whose samples estimate it."""
    few = Record(points=2, evaluation_samples=400)
    linear = STUDENTS["frozen, linear"]
    yield pytest.param(experiment(linear, SMALL, record=few), id="listed")
    yield pytest.param(experiment(linear, LARGE, record=few), id="gathered", marks=pytest.mark.slow)
    gaussian = jaxsup.GaussianFeatures(12, 1.2)
    weighted = {"importance": 0.8, "reduction": "mean"}
    yield pytest.param(
        experiment(linear, 12, features=gaussian, record=few, **weighted), id="dense"
    )
    one = jaxsup.OneActiveFeatures(12)
    student = jaxsup.Student(5, "learned", core=False, bias_scale=0.1)
    yield pytest.param(experiment(student, 12, features=one, record=few), id="ReLU, one active")


@pytest.mark.parametrize("case", list(known_losses()))
def test_losses_scatter_around_the_known_one_by_their_standard_error(case):
    """Of 1,000 estimates, as many within 1 and 2 standard errors as of a normal law's draws.

    Two-sided binomial bounds at 1e-6; with 400 samples the mean is normal enough for them.
    """
    exact = choose_update(case)
    update = dataclasses.replace(exact, evaluation=None)
    parameters = initial_parameters(case, jax.random.key(0))
    weights = loss_weights(case.features.count, case.importance, case.reduction)
    known, stderr = evaluate(case, exact, parameters, jax.random.key(0))
    assert np.isnan(stderr)

    def estimate(key):
        errors, stderr = evaluate(case, update, parameters, key)
        return jnp.sum(weights * errors), stderr

    keys = jax.random.split(jax.random.key(1), TRIALS)
    losses, errors = (np.asarray(a, np.float64) for a in jax.jit(jax.vmap(estimate))(keys))
    scores = np.abs(losses - float(jnp.sum(weights * known))) / errors
    for bound in (1.0, 2.0):
        law = stats.binom(TRIALS, stats.norm.cdf(bound) - stats.norm.cdf(-bound))
        assert law.isf(1 - 0.5e-6) <= np.sum(scores < bound) <= law.isf(0.5e-6)


@pytest.mark.parametrize(("samples", "sizes"), [(600, (200, 200, 200)), (130, (130,))])
def test_the_standard_error_is_that_of_all_samples_together(samples, sizes):
    """Samples drawn in blocks, and 130 evaluated in unequal pieces: float64 by the formula."""
    case = relu_experiment(record=Record(points=2, evaluation_samples=samples))
    key, parameters = jax.random.key(3), initial_parameters(case, jax.random.key(1))
    errors, stderr = estimated_errors(case, Dense(None), parameters, key)
    keys = [jax.random.fold_in(key, block) for block in range(len(sizes))]
    draws = [case.features.sample_batch(k, size) for k, size in zip(keys, sizes, strict=True)]
    x = jnp.concatenate(draws)
    outputs = np.asarray(case.student.outputs(parameters, x), np.float64)
    squares = (outputs - np.asarray(case.teacher.targets(x))) ** 2
    losses = squares.sum(axis=1) / 2
    np.testing.assert_allclose(stderr, losses.std(ddof=1) / samples**0.5, rtol=1e-5)
    np.testing.assert_allclose(errors, squares.mean(axis=0), rtol=1e-5)


def test_samples_that_are_all_alike_leave_no_error():
    """Output 0 on one active feature of value 1: each sample's loss is 1/2; no digits cancel."""
    features, student = jaxsup.OneActiveFeatures(6, values="one"), jaxsup.Student(3, core_scale=0)
    case = relu_experiment(
        student,
        features=features,
        teacher=jaxsup.DiagonalTeacher(0.0),
        record=Record(points=2, evaluation_samples=600),
    )
    parameters = initial_parameters(case, jax.random.key(0))
    errors, stderr = estimated_errors(case, Dense(None), parameters, jax.random.key(1))
    assert float(stderr) == 0.0
    np.testing.assert_allclose(errors.sum(), 1.0, rtol=1e-6)


def test_a_single_sample_has_no_standard_error():
    case = relu_experiment(record=Record(points=2, evaluation_samples=1))
    run = jaxsup.simulate(case, jax.random.key(0))
    assert np.isfinite(run.loss).all()
    assert np.isnan(run.observables["loss_stderr"]).all()


def test_it_is_recorded_where_the_loss_is_estimated():
    run = jaxsup.simulate(relu_experiment(), jax.random.key(0))
    stderr = np.asarray(run.observables["loss_stderr"])
    assert stderr.shape == run.loss.shape
    assert ((stderr > 0) & (stderr < run.loss)).all()
    exact = jaxsup.simulate(linear_experiment(), jax.random.key(0))
    assert "loss_stderr" not in exact.observables
    asked = Record(points=2, observables=("loss_stderr",))
    exact = jaxsup.simulate(linear_experiment(record=asked), jax.random.key(0))
    assert np.isnan(exact.observables["loss_stderr"]).all()


@pytest.mark.parametrize(("features", "ratio"), [(5, 0.4), (63, 0.4), (64, 0.8), (1024, 0.8)])
@pytest.mark.parametrize("batch", [1, 64, 1000])
@pytest.mark.parametrize("steps", [1, 30, 1000, 20_000, 10**6])
def test_as_many_samples_as_training_pays_for(steps, batch, features, ratio):
    """What is evaluated costs at most 0.15 / 0.85 of what is trained, and nearly that."""
    record = Record()
    samples = record.samples(steps, batch, features)
    spent = samples * len(record.schedule(steps))
    allowed = 0.15 / 0.85 * ratio * steps * batch
    assert samples in range(128, 4097, 64)
    assert spent <= allowed or samples == 128
    assert spent + 64 * len(record.schedule(steps)) > allowed or samples == 4096


def test_a_number_that_is_asked_for_stays():
    for samples in (1, 5000):
        record = Record(evaluation_samples=samples)
        assert record.samples(10, 1, 5) == record.samples(10**6, 1000, 500) == samples
    case = relu_experiment(record=Record(), steps=4000, batch_size=64)
    assert case.evaluation_samples == Record().samples(4000, 64, 6) == 320
