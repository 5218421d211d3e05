"""Spectral measures along training, held against float64 numpy on the parameters kept."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxsup
from jaxsup.experiment.observables import Network
from jaxsup.experiment.record import Record
from jaxsup.experiment.students import StudentParameters
from jaxsup.training.observables.measures import MEASURE_OBSERVABLES

NAMES = tuple(observable.name for observable in MEASURE_OBSERVABLES)
BY_NAME = {observable.name: observable for observable in MEASURE_OBSERVABLES}
STEPS = (0, 3, 9)
STUDENTS = {
    "frozen": jaxsup.Student(2, core_scale=0.5),
    "untied": jaxsup.Student(2, "untied", core_scale=0.5),
    "autoencoder": jaxsup.Student(2, "learned", core=False),
}


def experiment(student: jaxsup.Student, count: int = 30) -> jaxsup.Experiment:
    """A short run that records every observable of the measures and keeps the parameters."""
    record = Record(
        steps=STEPS[1:], parameter_steps=STEPS, observables=NAMES, evaluation_samples=64
    )
    return jaxsup.Experiment(
        jaxsup.PowerLawFeatures(count, 1.0, density=2.0),
        jaxsup.DiagonalTeacher(0.5),
        student,
        jaxsup.SGD(0.05),
        batch_size=32,
        steps=STEPS[-1],
        record=record,
    )


def entropy(shares: np.ndarray) -> np.ndarray:
    """In nats, by columns."""
    return -np.sum(shares * np.log(np.where(shares > 0, shares, 1.0)), axis=0)


def expected(W: np.ndarray) -> dict[str, Any]:
    """All observables of a K x N matrix in general position: K eigenspaces of dimension 1."""
    singular, right = np.linalg.svd(W, full_matrices=False)[1:]
    eigenvalues, squares = singular**2, np.sum(W**2, axis=0)
    measures = (singular[:, None] * right) ** 2 / squares
    kappa = eigenvalues @ measures
    capacity = squares / kappa
    leverage = np.diag(np.linalg.pinv(W) @ W)
    binned = np.zeros((20, W.shape[1]))
    for value, row in zip(eigenvalues, measures, strict=True):
        binned[min(int(20 * value / eigenvalues[0] - 1e-3), 19)] += row
    homes = np.argmax(measures, axis=0)
    scaled = [
        np.polyfit(squares[homes == k], capacity[homes == k], 1)[0] * eigenvalues[k]
        for k in range(len(W))
        if np.sum(homes == k) >= 10 and np.ptp(squares[homes == k]) > 1e-10  # unit at the start
    ]
    return {
        "mean_eigenvalues": kappa,
        "leverages": leverage,
        "slack": np.mean(1 - capacity / leverage),
        "latent_saturation": capacity.sum() / len(W),
        "largest_projection": measures.max(axis=0).mean(),
        "entropy": entropy(measures).mean(),
        "binned_entropy": entropy(binned).mean(),
        "linear_law": np.median(scaled) if scaled else np.nan,
    }


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("kind", ["untied", "autoencoder"])
def test_observables_are_what_numpy_says_of_the_kept_parameters(kind: str) -> None:
    run = jaxsup.simulate(experiment(STUDENTS[kind]), jax.random.key(0))
    assert run.snapshots is not None
    assert run.snapshots.embedding is not None
    assert set(expected(np.asarray(run.snapshots.embedding[0]))) == set(NAMES)
    for row in range(len(STEPS)):
        for name, value in expected(np.asarray(run.snapshots.embedding[row])).items():
            recorded = run.observables[name][row]
            np.testing.assert_allclose(recorded, value, rtol=1e-8, atol=1e-12, err_msg=name)
    assert np.isfinite(run.observables["linear_law"]).any()


def test_without_superposition_every_feature_is_an_eigenvector() -> None:
    plain = experiment(jaxsup.Student(7, "identity", core_scale=0.5), 7)
    run = jaxsup.simulate(plain, jax.random.key(0))
    ones = ("mean_eigenvalues", "leverages", "latent_saturation", "largest_projection")
    for name in NAMES:
        known = np.nan if name == "linear_law" else float(name in ones)
        values = run.observables[name]
        assert values.shape == (len(STEPS), 7) if BY_NAME[name].dims else (len(STEPS),)
        np.testing.assert_array_equal(values, known, name)
    program = str(jax.make_jaxpr(lambda key: jaxsup.simulate(plain, key))(jax.random.key(0)))
    assert "eigh" not in program


def test_a_frozen_embedding_stands_still() -> None:
    run = jaxsup.simulate(experiment(STUDENTS["frozen"]), jax.random.key(0))
    for name in NAMES:
        values = np.asarray(run.observables[name])
        np.testing.assert_array_equal(values, np.broadcast_to(values[:1], values.shape), name)


def measure(name: str, W: np.ndarray) -> np.ndarray:
    latent, count = W.shape
    student = jaxsup.Student(latent, "learned", core=False)
    nothing = jnp.zeros(count, jnp.float32)
    parameters = StudentParameters(jnp.asarray(W, jnp.float32), None, None, nothing)
    network = Network(parameters, nothing, nothing[0], student)
    return np.asarray(BY_NAME[name].measure(network))


@pytest.mark.slow
def test_features_without_a_direction_count_in_no_mean() -> None:
    alive = np.random.default_rng(0).standard_normal((2, 24))
    dead = np.concatenate([alive, np.zeros((2, 3))], axis=1)
    for name, value in expected(alive).items():
        found = measure(name, dead)
        if BY_NAME[name].dims:
            np.testing.assert_array_equal(found[24:], 0, err_msg=name)
            found = found[:24]
        np.testing.assert_allclose(found, value, rtol=1e-4, atol=1e-5, err_msg=name)
    nothing = np.zeros((2, 3))
    for name in ("slack", "largest_projection", "entropy", "binned_entropy", "linear_law"):
        assert np.isnan(measure(name, nothing)), name
    assert measure("latent_saturation", nothing) == 0


@pytest.mark.slow
def test_a_sweep_records_them_with_padding_as_without() -> None:
    base = experiment(STUDENTS["autoencoder"])
    dataset = jaxsup.run(jaxsup.Sweep(base, {"student.latent": [2, 5]}), widths=1)
    alone = jaxsup.simulate(base, jax.random.key(0))
    for name, observable in BY_NAME.items():
        assert dataset[name].dims == ("student.latent", "seed", "step", *observable.dims)
        assert dataset[name].attrs["units"] == observable.units
        values = dataset[name].values[0, 0]
        np.testing.assert_allclose(
            values, alone.observables[name], rtol=1e-3, atol=1e-4, err_msg=name
        )
        if name != "linear_law":
            assert np.isfinite(dataset[name].values[1]).all(), name
