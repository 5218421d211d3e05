"""Spectra along training, held against float64 numpy on the parameters kept at the same steps."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxsup
from jaxsup.experiment.observables import OBSERVABLE_NAMES, Network
from jaxsup.experiment.record import Record
from jaxsup.experiment.students import StudentParameters
from jaxsup.training.observables import OBSERVABLES
from jaxsup.training.observables.geometry import GEOMETRY_OBSERVABLES
from jaxsup.training.observables.response import RESPONSE_OBSERVABLES

FRAME_OBSERVABLES = {
    observable.name: observable for observable in (*GEOMETRY_OBSERVABLES, *RESPONSE_OBSERVABLES)
}

STEPS = (0, 3, 9)
OF_W = (
    "eigenvalues",
    "rank",
    "capacities",
    "saturation",
    "dimensions_per_feature",
    "frame_potential",
    "mean_squared_overlap",
    "eigenvalue_spread",
    "feature_localization",
    "localization",
    "eigenspaces",
)


def experiment(student: jaxsup.Student, **options: Any) -> jaxsup.Experiment:
    record = Record(
        steps=STEPS[1:],
        parameter_steps=STEPS,
        observables=tuple(FRAME_OBSERVABLES),
        evaluation_samples=64,
        **options,
    )
    return jaxsup.Experiment(
        jaxsup.PowerLawFeatures(7, 1.0, density=2.0),
        jaxsup.DiagonalTeacher(0.5),
        student,
        jaxsup.SGD(0.3),
        batch_size=32,
        steps=STEPS[-1],
        record=record,
    )


def expected(W: np.ndarray, V: np.ndarray, B: np.ndarray) -> dict[str, Any]:
    """All observables of K x N matrices in general position: every eigenspace has dimension 1."""
    K, N = W.shape
    gram = W.T @ W
    singular, right = np.linalg.svd(W)[1:]
    capacity = np.diag(gram) ** 2 / (gram**2).sum(axis=1)
    measures = (singular[:, None] * right[:K]) ** 2 / np.diag(gram)
    mean = (measures * singular[:, None] ** 2).sum(axis=0)
    spread = np.sqrt((measures * (singular[:, None] ** 2 - mean) ** 2).sum(axis=0)) / mean
    cosines = gram / np.sqrt(np.outer(np.diag(gram), np.diag(gram)))
    response = V.T @ B @ W
    localization = (measures**2).sum(axis=0)
    return {
        "eigenvalues": singular**2,
        "rank": K,
        "eigenspaces": K,
        "capacities": capacity,
        "saturation": capacity.sum() / K,
        "dimensions_per_feature": K / (W**2).sum(),
        "frame_potential": (gram**2).sum(),
        "mean_squared_overlap": (cosines[~np.eye(N, dtype=bool)] ** 2).mean(),
        "eigenvalue_spread": spread.mean(),
        "feature_localization": localization,
        "localization": localization.mean(),
        "core_spectrum": np.linalg.svd(B, compute_uv=False),
        "response_spectrum": np.linalg.svd(response, compute_uv=False)[:K],
        "response_capacities": np.diag(response) ** 2 / (response**2).sum(axis=1),
    }


STUDENTS = {
    "frozen": jaxsup.Student(3, core_scale=0.5),
    "untied": jaxsup.Student(3, "untied", core_scale=0.5),
    "autoencoder": jaxsup.Student(3, "learned", core=False),
}


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("kind", ["untied", "autoencoder"])
def test_observables_are_what_numpy_says_of_the_kept_parameters(kind: str) -> None:
    run = jaxsup.simulate(experiment(STUDENTS[kind]), jax.random.key(0))
    kept = run.snapshots
    assert kept is not None
    assert kept.embedding is not None
    np.testing.assert_array_equal(run.steps, STEPS)
    for row in range(len(STEPS)):
        W = np.asarray(kept.embedding[row])
        V = W if kept.readout is None else np.asarray(kept.readout[row])
        B = np.eye(len(W)) if kept.core is None else np.asarray(kept.core[row])
        for name, value in expected(W, V, B).items():
            recorded = run.observables[name][row]
            if name == "core_spectrum" and kept.core is None:
                assert np.isnan(recorded).all()
            else:
                np.testing.assert_allclose(recorded, value, rtol=1e-9, atol=1e-12, err_msg=name)
    if kind == "autoencoder":  # the response is the Gram matrix
        seen = run.observables
        np.testing.assert_allclose(seen["response_spectrum"], seen["eigenvalues"], rtol=1e-10)
        np.testing.assert_allclose(seen["response_capacities"], seen["capacities"], rtol=1e-10)


def test_a_frozen_embedding_stands_still_while_the_core_moves() -> None:
    run = jaxsup.simulate(experiment(STUDENTS["frozen"]), jax.random.key(0))
    for name in OF_W:
        values = np.asarray(run.observables[name])
        np.testing.assert_array_equal(values, np.broadcast_to(values[:1], values.shape), name)
    for name in ("core_spectrum", "response_spectrum", "response_capacities"):
        assert (np.abs(np.diff(run.observables[name], axis=0)).max(axis=1) > 1e-3).all(), name


def test_without_superposition_the_embedding_is_known_and_not_decomposed() -> None:
    plain = experiment(jaxsup.Student(7, "identity", core_scale=0.5))
    run = jaxsup.simulate(plain, jax.random.key(0))
    for name, value in {"rank": 7, "frame_potential": 7, "mean_squared_overlap": 0}.items():
        np.testing.assert_array_equal(run.observables[name], value)
    for name in ("eigenvalues", "capacities", "saturation", "localization", "eigenspaces"):
        np.testing.assert_array_equal(run.observables[name], 1)
    assert run.params.core is not None
    singular = np.linalg.svd(np.asarray(run.params.core, np.float64), compute_uv=False)
    np.testing.assert_allclose(
        run.observables["response_spectrum"][-1], singular, rtol=1e-5, atol=1e-6
    )
    of_W = tuple(observable.name for observable in GEOMETRY_OBSERVABLES)
    record = dataclasses.replace(plain.record, observables=(*of_W, "response_spectrum"))
    plain = dataclasses.replace(plain, record=record)
    program = str(jax.make_jaxpr(lambda key: jaxsup.simulate(plain, key))(jax.random.key(0)))
    assert "svd" in program
    assert "eigh" not in program


def network_of(W: np.ndarray, tolerance: float | None = None) -> Network:
    latent, count = W.shape
    student = jaxsup.Student(latent, "learned", core=False)
    parameters = StudentParameters(jnp.asarray(W, jnp.float32), None, None, jnp.zeros(count))
    return Network(parameters, jnp.zeros(count), jnp.zeros(()), student, tolerance)


def measure(name: str, W: np.ndarray, tolerance: float | None = None) -> np.ndarray:
    return np.asarray(OBSERVABLES[name].measure(network_of(W, tolerance)))


def pentagon() -> np.ndarray:
    angles = 2 * np.pi * np.arange(5) / 5
    return np.stack([np.cos(angles), np.sin(angles)])


def test_an_exactly_degenerate_frame_is_localized() -> None:
    assert measure("localization", pentagon()) == pytest.approx(1, abs=1e-5)
    assert measure("saturation", pentagon()) == pytest.approx(1, abs=1e-5)
    assert measure("eigenvalue_spread", pentagon()) == pytest.approx(0, abs=1e-5)
    assert measure("eigenspaces", pentagon()) == 1
    # Five lines at multiples of 36 degrees: (2 cos^2 36 + 2 cos^2 72) / 4 = 3/8.
    assert measure("mean_squared_overlap", pentagon()) == pytest.approx(3 / 8, abs=1e-6)


def test_noise_splits_an_eigenspace_unless_the_tolerance_forgives_it() -> None:
    noisy = pentagon() * (1 + 0.01 * np.sin(np.arange(10.0))).reshape(2, 5)
    assert measure("eigenspaces", noisy) == 2
    assert measure("localization", noisy) < 0.9
    assert measure("eigenspaces", noisy, 0.05) == 1
    assert measure("localization", noisy, 0.05) == pytest.approx(1, abs=1e-5)
    # What needs no clusters moves little.
    assert 0 < measure("eigenvalue_spread", noisy) < 0.02
    assert measure("saturation", noisy) == pytest.approx(1, abs=1e-3)


def test_a_feature_without_a_direction_counts_in_no_mean() -> None:
    dead = np.concatenate([pentagon(), np.zeros((2, 2))], axis=1)
    assert measure("localization", dead) == pytest.approx(1, abs=1e-5)
    assert measure("mean_squared_overlap", dead) == pytest.approx(3 / 8, abs=1e-6)
    np.testing.assert_array_equal(measure("feature_localization", dead)[5:], 0)
    nothing = np.zeros((2, 3))
    for name in ("localization", "eigenvalue_spread", "mean_squared_overlap"):
        assert np.isnan(measure(name, nothing)), name
    assert measure("rank", nothing) == measure("saturation", nothing) == 0


@pytest.mark.extended
def test_padded_widths_record_what_exact_widths_do() -> None:
    base = experiment(jaxsup.Student(2, "learned", core_scale=0.5))
    padded = jaxsup.run(jaxsup.Sweep(base, {"student.latent": [2, 5]}), widths=1)
    exact = jaxsup.simulate(base, jax.random.key(0))
    assert padded.sizes["eigenvalue"] == 5
    for name, observable in FRAME_OBSERVABLES.items():
        assert padded[name].dims == ("student.latent", "seed", "step", *observable.dims)
        values, value_alone = padded[name].values[0, 0], np.asarray(exact.observables[name])
        if observable.dims == ("eigenvalue",):
            assert np.isnan(values[:, 2:]).all()
            assert np.isfinite(padded[name].values[1]).all()
            values = values[:, :2]
        np.testing.assert_allclose(values, value_alone, rtol=2e-4, atol=1e-5, err_msg=name)


@pytest.mark.extended
def test_batches_are_decomposed_one_at_a_time_on_a_cpu() -> None:
    """Two batched LAPACK calls at a time, from two devices, wait for each other for ever.

    Read off the program, since the wait comes only now and then.
    """

    def measure_all(W: jax.Array) -> list[jax.Array]:
        student = jaxsup.Student(4, "learned")
        parameters = StudentParameters(W, None, W[:, :4], None)
        seen = Network(parameters, jnp.zeros(6), jnp.zeros(()), student)
        return [FRAME_OBSERVABLES[name].measure(seen) for name in FRAME_OBSERVABLES]

    Ws = jax.random.normal(jax.random.key(0), (3, 4, 6))
    program = jax.jit(jax.vmap(measure_all)).lower(Ws).as_text()
    calls = [line for line in program.splitlines() if "@lapack" in line]
    assert calls
    assert not any("tensor<3x" in line for line in calls)
    together, alone = jax.vmap(measure_all)(Ws), measure_all(Ws[1])
    for batched, single in zip(together, alone, strict=True):
        np.testing.assert_allclose(batched[1], single, rtol=1e-4, atol=1e-5)


def test_diverged_runs_are_nan_and_disturb_nobody() -> None:
    names = ("eigenvalues", "saturation", "response_capacities")
    record = Record(points=3, observables=names, evaluation_samples=64)
    base = dataclasses.replace(experiment(STUDENTS["autoencoder"]), record=record)
    sweep = jaxsup.Sweep(base, {"optimizer.learning_rate": [0.3, 1e20]})
    dataset = jaxsup.run(sweep)
    alone = jaxsup.simulate(base, jax.random.key(0))
    np.testing.assert_array_equal(dataset["status"].values[:, 0], [0, 1])
    for name in names:
        values = dataset[name].values[:, 0]
        np.testing.assert_allclose(values[0], alone.observables[name], rtol=1e-4, atol=1e-6)
        assert np.isnan(values[1, -1]).all()


def test_axes_cannot_take_the_name_of_the_new_dimension() -> None:
    fields = {"optimizer.learning_rate": [0.1, 0.2]}
    for name in ("eigenvalue", "saturation"):
        with pytest.raises(ValueError, match=f"'{name}' is a dimension of its own"):
            jaxsup.Sweep(experiment(STUDENTS["frozen"]), {name: fields})


def test_a_table_of_defaults_does_not_mention_the_tolerance() -> None:
    """Stores made before it was there go on."""
    from jaxsup.experiment.tables import to_table

    assert "cluster_tolerance" not in to_table(Record())
    record = dataclasses.replace(Record(), cluster_tolerance=0.02)
    assert to_table(record)["cluster_tolerance"] == 0.02


def test_every_name_stands_for_an_observable() -> None:
    assert tuple(OBSERVABLES) == OBSERVABLE_NAMES
