"""The embedding between orthogonal and random columns."""

import re

import jax
import numpy as np
import pytest
from helpers import assert_one_line_error

import jaxsup
from jaxsup.experiment.students import Student


def columns(latent: int, count: int, randomness: float | None, seed: int = 0) -> np.ndarray:
    parameters = Student(latent, randomness=randomness).init_parameters(jax.random.key(seed), count)
    assert parameters.embedding is not None
    return np.asarray(parameters.embedding, np.float64)


def mean_squared_overlap(W: np.ndarray) -> float:
    squares = (W.T @ W) ** 2
    count = len(squares)
    return float((squares.sum() - np.trace(squares)) / (count * (count - 1)))


@pytest.mark.parametrize("latent", [3, 12, 24])
@pytest.mark.parametrize("randomness", [0.0, 0.3, 0.7, 1.0])
def test_columns_have_unit_norm(latent, randomness):
    W = columns(latent, 24, randomness)
    np.testing.assert_allclose(np.linalg.norm(W, axis=0), 1.0, rtol=1e-5)


def test_one_is_the_random_embedding_to_the_bit():
    np.testing.assert_array_equal(columns(8, 24, 1.0), columns(8, 24, None))


def test_zero_is_a_rotation_that_depends_on_the_seed_where_nothing_is_in_superposition():
    W = columns(24, 24, 0.0)
    np.testing.assert_allclose(W.T @ W, np.eye(24), atol=1e-5)
    assert np.abs(W - columns(24, 24, 0.0, seed=1)).max() > 0.1
    # A rotation in general position: not the identity up to signs and order.
    assert np.abs(W).max() < 0.9


def test_zero_comes_close_to_the_least_overlap_that_fewer_dimensions_allow():
    latent, count = 64, 128
    welch = (count - latent) / (latent * (count - 1))
    overlap = mean_squared_overlap(columns(latent, count, 0.0))
    assert welch * 0.999 < overlap < 1.1 * welch
    # Independent columns: 1/K, twice as much here.
    assert mean_squared_overlap(columns(latent, count, 1.0)) == pytest.approx(1 / latent, rel=0.1)


@pytest.mark.parametrize("latent", [64, 128])
def test_overlap_rises_with_randomness(latent):
    grid = [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    overlaps = [mean_squared_overlap(columns(latent, 128, r)) for r in grid]
    assert np.all(np.diff(overlaps) > 0)


@pytest.mark.parametrize("randomness", [0.0, 0.4])
def test_padding_changes_nothing(randomness):
    student = Student(5, randomness=randomness)
    padded = student.padded(9)
    assert padded is not None
    key = jax.random.key(3)
    narrow = student.init_parameters(key, 12).embedding
    wide = padded.init_parameters(key, 12).embedding
    assert narrow is not None
    assert wide is not None
    np.testing.assert_allclose(wide[:5], narrow, atol=2e-6)
    np.testing.assert_array_equal(wide[5:], 0.0)


def test_a_sweep_over_randomness_is_one_program_and_equals_single_runs():
    experiment = jaxsup.Experiment(
        jaxsup.PowerLawFeatures(16, 1.5),
        jaxsup.DiagonalTeacher(0.0),
        Student(16, randomness=0.5),
        jaxsup.SGD(0.5),
        batch_size=8,
        steps=20,
        record=jaxsup.Record(points=4, evaluation_samples=64),
    )
    sweep = jaxsup.Sweep(experiment, {"student.randomness": [0.0, 0.5, 1.0]}, seeds=2)
    assert sweep.structural == (False,)
    dataset = jaxsup.run(sweep)
    single = jaxsup.simulate(experiment, jax.random.key(1))
    loss = dataset["loss"].sel({"student.randomness": 0.5, "seed": 1})
    np.testing.assert_allclose(loss, single.loss, rtol=1e-4)


def test_where_columns_are_orthogonal_a_rotation_learns_as_the_identity_does():
    def losses(embedding: str, randomness: float | None) -> np.ndarray:
        student = Student(
            16, embedding, core_scale=0.0, activation="identity", bias=False, randomness=randomness
        )
        experiment = jaxsup.Experiment(
            jaxsup.PowerLawFeatures(16, 1.5),
            jaxsup.DiagonalTeacher(0.0),
            student,
            jaxsup.SGD(0.2),
            batch_size=8,
            steps=60,
        )
        return np.asarray(jaxsup.simulate(experiment, jax.random.key(0)).loss)

    np.testing.assert_allclose(losses("random", 0.0), losses("identity", None), rtol=1e-4)
    assert np.abs(losses("random", 1.0) / losses("identity", None) - 1).max() > 0.05


@pytest.mark.parametrize(
    ("arguments", "start"),
    [
        (
            {"randomness": 1.5},
            "student.randomness: expected a finite number >= 0",
        ),
        (
            {"randomness": float("nan")},
            "student.randomness: expected a finite number >= 0",
        ),
        ({"randomness": 0.5, "embedding_scale": 1.0}, "student.randomness: expected a start with"),
        ({"randomness": 0.5, "embedding": "identity"}, "student.randomness: expected a start with"),
    ],
)
def test_bad_randomness_gets_one_clear_line(arguments, start):
    assert_one_line_error(lambda: Student(4, **arguments), re.escape(start))
