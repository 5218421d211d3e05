"""Noise in the hidden layer: its loss in closed form, by quadrature, and who refuses it."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from factories import linear_experiment, relu_experiment
from helpers import assert_one_line_error

import jaxsup
from jaxsup.experiment.experiment import initial_parameters
from jaxsup.experiment.tables import to_table
from jaxsup.theory.references import linear_reference
from jaxsup.training.losses import population_errors, sampled_errors, squares_of_samples
from jaxsup.training.updates import Dense, choose_update, explain_update

SIGMA = 0.7
STUDENTS: dict[str, jaxsup.Student] = {
    "random": jaxsup.Student(3, core_scale=0.5),
    "untied": jaxsup.Student(3, "untied", core_scale=0.5),
    "identity": jaxsup.Student(6, "identity", core_scale=0.5),
}


def noisy(student: jaxsup.Student, sigma: Any = SIGMA, **changes: Any) -> jaxsup.Student:
    return dataclasses.replace(student, hidden_noise=sigma, **changes)


def squared_columns(parameters: Any, count: int) -> np.ndarray:
    """|v_i|^2 of each output's column of V."""
    V = parameters.embedding if parameters.readout is None else parameters.readout
    return np.ones(count) if V is None else (np.asarray(V, float) ** 2).sum(axis=0)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("name", STUDENTS)
def test_a_linear_student_pays_half_sigma_squared_of_its_readout(name: str) -> None:
    """In closed form to rounding, and within 5 standard errors of 20,000 samples."""
    experiment = linear_experiment(noisy(STUDENTS[name]))
    parameters = initial_parameters(experiment, jax.random.key(2))
    errors = np.asarray(population_errors("linear", experiment, parameters))
    plain = linear_experiment(STUDENTS[name])
    without = np.asarray(population_errors("linear", plain, parameters))
    columns = squared_columns(parameters, 6)
    np.testing.assert_allclose(errors - without, SIGMA**2 * columns, rtol=1e-12)
    run = jaxsup.simulate(dataclasses.replace(experiment, steps=6), jax.random.key(2))
    start = 0.5 * (without.sum() + SIGMA**2 * columns.sum())
    np.testing.assert_allclose(run.loss[0], start, rtol=1e-12)
    x = experiment.features.sample_batch(jax.random.key(0), 20_000)
    parts = experiment.student, experiment.teacher, parameters, x
    squares = np.asarray(squares_of_samples(*parts, jax.random.key(1)))
    error = squares.std(axis=0) / np.sqrt(len(x))
    assert (np.abs(squares.mean(axis=0) - errors) < 5 * error).all()
    assert (np.abs(squares.mean(axis=0) - without) > 5 * error).any()


@pytest.mark.usefixtures("x64")
def test_exact_descent_shrinks_the_readout_by_its_noise() -> None:
    """The noise adds sigma^2 V to the derivative of the loss in V, and nothing elsewhere."""
    student = STUDENTS["untied"]
    gradients = []
    for case in (linear_experiment(noisy(student)), linear_experiment(student)):
        parameters = initial_parameters(case, jax.random.key(2))
        none = jax.tree.map(lambda _: None, parameters)
        update = choose_update(case)
        assert update.kind == "population"
        gradients.append(update.gradient(case, 0, parameters, none, jax.random.key(0)))
    with_noise, without = gradients
    difference = np.asarray(with_noise.readout - without.readout)
    np.testing.assert_allclose(difference, SIGMA**2 * parameters.readout, rtol=1e-9)
    np.testing.assert_allclose(with_noise.embedding, without.embedding, rtol=1e-12)
    np.testing.assert_allclose(with_noise.core, without.core, rtol=1e-12)


@pytest.mark.usefixtures("x64")
def test_a_relu_student_is_evaluated_under_its_noise() -> None:
    """E (relu(v_i (h + sigma n) + c_i) - y_i)^2 over n, by quadrature, for one hidden dimension.

    Within 5 standard errors of 40,000 draws.
    """
    student = noisy(jaxsup.Student(1, "learned", core=False, bias_scale=0.3))
    experiment = relu_experiment(student)
    parameters = initial_parameters(experiment, jax.random.key(4))
    x = np.array([0.4, 0.0, 1.3, 0.0, 0.2, 0.0])
    W, c = np.asarray(parameters.embedding)[0], np.asarray(parameters.bias)
    y = x * np.arange(1.0, 7) ** -0.5
    nodes = np.linspace(-8, 8, 4001)
    weights = np.exp(-(nodes**2) / 2)
    h = W @ x + SIGMA * nodes
    squares = (np.maximum(h[:, None] * W + c, 0) - y) ** 2
    expected = weights @ squares / weights.sum()
    rows = jnp.asarray(np.broadcast_to(x, (40_000, 6)))
    parts = experiment.student, experiment.teacher, parameters, rows
    found = np.asarray(squares_of_samples(*parts, jax.random.key(1)))
    error = found.std(axis=0) / np.sqrt(len(rows))
    assert (np.abs(found.mean(axis=0) - expected) < 5 * error + 1e-6).all()
    assert found.std(axis=0).max() > 0.1
    silent = sampled_errors(*parts)
    assert np.abs(np.asarray(silent) - expected).max() > 0.05


def test_no_noise_is_the_student_without() -> None:
    changes = {"sampling": "dense", "steps": 4}
    student = jaxsup.Student(3, "learned", core_scale=0.5)
    plain = jaxsup.simulate(relu_experiment(student, **changes), jax.random.key(1))
    zero = jaxsup.simulate(relu_experiment(noisy(student, 0.0), **changes), jax.random.key(1))
    np.testing.assert_allclose(zero.loss, plain.loss, rtol=1e-5)
    some = jaxsup.simulate(relu_experiment(noisy(student, 0.5), **changes), jax.random.key(1))
    assert not np.isclose(some.loss, plain.loss, rtol=0.01).any()


@pytest.mark.slow
@pytest.mark.parametrize("embedding", ["random", "learned", "untied"])
def test_noise_is_an_axis_and_does_not_depend_on_the_padding(embedding: str) -> None:
    """Nor do rows of zeros, which pad W and V, learn from it."""
    record = jaxsup.Record(points=3, evaluation_samples=70)
    student = jaxsup.Student(3, embedding, core_scale=0.5)
    optimizer = jaxsup.Adam(0.1)
    experiment = relu_experiment(noisy(student, 0.0), record=record, optimizer=optimizer)
    axes = {"student.hidden_noise": [0.0, 0.6], "student.latent": [2, 4]}
    sweep = jaxsup.Sweep(experiment, axes)
    assert sweep.structural == (False, True)
    dataset = jaxsup.run(sweep, widths=1, devices=jax.local_devices()[:1])
    for index in ((1, 0), (1, 1)):
        alone = jaxsup.simulate(sweep.experiment_at(index), jax.random.key(0))
        np.testing.assert_allclose(dataset["loss"][index][0], alone.loss, rtol=1e-4)
    silent, loud = dataset["loss"].values
    assert not np.isclose(loud, silent, rtol=1e-3).any()  # at every record, not at the start alone


@pytest.mark.parametrize("embedding", ["random", "learned", "untied"])
def test_a_padded_student_has_the_noise_of_its_own_width(embedding: str) -> None:
    """Draw by draw, as at every record and update; no row of padding has a part in it."""
    student = noisy(jaxsup.Student(3, embedding, core_scale=0.5, activation="identity"))
    padded = student.padded(5)
    assert padded is not None
    start, x = jax.random.key(0), jnp.ones((4, 6))
    exact, wide = (each.init_parameters(start, 6) for each in (student, padded))
    for key in jax.random.split(jax.random.key(1), 3):
        outputs, pull = jax.vjp(lambda wide, key=key: padded.noisy_outputs(wide, x, key), wide)
        np.testing.assert_allclose(
            outputs, student.noisy_outputs(exact, x, key), rtol=1e-5, atol=1e-5
        )
        assert not np.isclose(outputs, student.outputs(exact, x), rtol=1e-3).any()
        (slopes,) = pull(jnp.ones_like(outputs))
        for array in (slopes.embedding, slopes.readout, slopes.core):
            assert array is None or not np.any(array[3:])


def test_samples_and_updates_have_noise_of_their_own() -> None:
    experiment = relu_experiment(noisy(jaxsup.Student(3, core_scale=0.5, activation="identity")))
    parameters = initial_parameters(experiment, jax.random.key(4))
    x = jnp.zeros((5, 6))
    outputs = [
        np.asarray(experiment.student.noisy_outputs(parameters, x, jax.random.key(seed)))
        for seed in (0, 0, 1)
    ]
    np.testing.assert_array_equal(outputs[0], outputs[1])
    assert len(np.unique(np.concatenate([outputs[0], outputs[2]]).round(5), axis=0)) == 10


def test_only_what_was_proven_takes_noise() -> None:
    features = jaxsup.PowerLawFeatures(256, 1.5)
    experiment = relu_experiment(noisy(jaxsup.Student(16)), features=features)
    assert isinstance(choose_update(experiment), Dense)
    reasons = explain_update(experiment)
    assert {reasons["gathered"], reasons["listed"]} == {"the hidden layer has noise"}
    autoencoder = jaxsup.Student(2, "learned", core=False)
    law = jaxsup.OneActiveFeatures(6)
    assert relu_experiment(autoencoder, features=law).closed_form == "one-active"
    assert relu_experiment(noisy(autoencoder), features=law).closed_form is None
    identity = jaxsup.Student(6, "identity", bias=False)
    assert linear_reference(to_table(linear_experiment(identity))) is not None
    assert linear_reference(to_table(linear_experiment(noisy(identity)))) is None
    with pytest.raises(ValueError, match=r"loss_curve: .*got noise in the hidden layer; leave"):
        jaxsup.theory.loss_curve(linear_experiment(noisy(identity)), [1])


class Doubled(jaxsup.Student):
    """Outputs of its own, and no word on noise."""

    def outputs(self, parameters: Any, x: Any) -> Any:
        return 2 * super().outputs(parameters, x)


BAD = {
    "negative": (
        lambda: jaxsup.Student(3, hidden_noise=-0.1),
        "student.hidden_noise: expected a finite number >= 0; got -0.1; give the standard dev",
    ),
    "outputs of its own": (
        lambda: Doubled(3, hidden_noise=0.1),
        "student.hidden_noise: expected noise of Student itself; got one of Doubled; override its",
    ),
    "no closed form": (
        lambda: relu_experiment(
            noisy(jaxsup.Student(2, "learned", core=False)),
            features=jaxsup.OneActiveFeatures(6),
            gradient="exact",
        ),
        "gradient: expected 'sampled', as the expected loss of this student has no closed form",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_a_one_line_error(case: str) -> None:
    assert_one_line_error(*BAD[case])
