"""What can be an axis of a sweep, and the configuration that keeps it."""

import json
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd
import pytest
import xarray as xr
from helpers import assert_one_line_error
from sweep_cases import FIRST, LATER, assert_simulated, linear, relu, run

import jaxsup
from jaxsup.experiment.record import Record
from jaxsup.sweep.store.coordinates import coordinates_of
from jaxsup.sweep.tables import sweep_from_tables, sweep_to_tables


@pytest.mark.slow
def test_a_sweep_without_axes_is_one_point():
    sweep = jaxsup.Sweep(linear(), seeds=2)
    assert (sweep.shape, sweep.points, sweep.replicas) == ((), 1, 2)
    dataset = run(sweep)
    assert dataset["loss"].dims == ("seed", "step")
    assert_simulated(dataset, sweep)
    assert float(dataset["superposition_ratio"]) == pytest.approx(8 / 3)


def test_joint_axes_change_fields_together():
    setting = {"features.exponent": [1.1, 1.5, 2.0], "teacher.exponent": [0.0, 0.5, 1.0]}
    axes = {"setting": setting, "optimizer.learning_rate": [0.1, 0.3]}
    sweep = jaxsup.Sweep(linear(), axes, seeds=[3, 11])
    dataset = run(sweep)
    assert dataset["loss"].dims == ("setting", "optimizer.learning_rate", "seed", "step")
    for field, values in setting.items():
        assert dataset[field].dims == ("setting",)
        np.testing.assert_array_equal(dataset[field], values)
    np.testing.assert_array_equal(dataset["seed"], [3, 11])
    assert_simulated(dataset, sweep)


@pytest.mark.slow
def test_embeddings_and_widths_on_one_joint_axis():
    joint = {"student.embedding": ["random", "identity"], "student.latent": [2, 8]}
    sweep = jaxsup.Sweep(linear(), {"crowding": joint}, seeds=2)
    dataset = run(sweep)
    np.testing.assert_array_equal(dataset["superposition_ratio"], [4, 1])
    assert dataset["student.embedding"].values.tolist() == joint["student.embedding"]
    assert_simulated(dataset, sweep)


@pytest.mark.slow
def test_objects_are_axes():
    optimizers = [jaxsup.SGD(0.2), jaxsup.Adam(0.01, eps=1e-3)]
    sweep = jaxsup.Sweep(linear(), {"optimizer": optimizers, "teacher.exponent": [0, 0.5]})
    dataset = run(sweep)
    assert_simulated(dataset, sweep)
    kinds = [json.loads(str(label))["kind"] for label in dataset["optimizer"].values]
    assert kinds == ["sgd", "adam"]


def test_students_as_an_axis_have_their_own_ratio():
    students = [linear(jaxsup.Student(k)).student for k in (2, 4)]
    dataset = run(jaxsup.Sweep(linear(), {"student": students}))
    ratio = dataset.coords.get("superposition_ratio")
    if ratio is not None:  # to leave it out would be right too
        np.testing.assert_array_equal(np.broadcast_to(ratio.values, 2), [4, 2])


def test_whole_numbers_are_numbers():
    axes = {
        "features.variance": [1, 2],
        "teacher.exponent": [0, 1],
        "optimizer.learning_rate": [0, 1],
    }
    sweep = jaxsup.Sweep(linear(), axes)
    dataset = run(sweep)
    assert_simulated(dataset, sweep)


def test_steps_are_an_axis_and_progress_counts_every_update():
    reports: list[Any] = []
    sweep = jaxsup.Sweep(linear(record=Record(points=3)), {"steps": [4, 9]}, seeds=2)
    dataset = run(sweep, chunk=1, progress=reports.append)
    steps = [sweep.experiment_at((row,)).recorded_steps for row in (0, 1)]
    np.testing.assert_array_equal(dataset["step"], np.union1d(*steps))
    for row, count in enumerate((4, 9)):
        simulation = jaxsup.simulate(sweep.experiment_at((row,)), jax.random.key(1))
        line = dataset["loss"].sel(steps=count, seed=1)
        np.testing.assert_allclose(line.sel(step=steps[row]), simulation.loss, rtol=LATER)
        gaps = np.setdiff1d(dataset["step"], steps[row])
        assert np.isnan(line.sel(step=gaps)).all()
    assert dataset["last_step"].values.tolist() == [[4, 4], [9, 9]]
    for field in ("replicas_done", "network_steps_done", "diverged", "seconds"):
        column = [getattr(report, field) for report in reports]
        assert column == sorted(column)
    assert {(report.replicas, report.network_steps) for report in reports} == {(4, 2 * 4 + 2 * 9)}
    assert (reports[0].replicas_done, reports[0].network_steps_done) == (0, 0)
    assert (reports[-1].replicas_done, reports[-1].network_steps_done) == (4, 26)
    assert [report.replicas_done for report in reports if report.network_steps_done == 8][-1] == 2
    assert reports[-1].diverged == 0


@pytest.mark.slow
def test_feature_counts_are_an_axis():
    record = Record(points=3, observables=("feature_error",), parameter_steps=(8,))
    sweep = jaxsup.Sweep(linear(record=record), {"features.count": [6, 8]})
    dataset = run(sweep)
    assert_simulated(dataset, sweep)
    np.testing.assert_allclose(dataset["superposition_ratio"], [2, 8 / 3])
    errors = dataset["feature_error"].isel(seed=0, step=-1)
    assert errors.sizes["feature"] == 8
    assert np.isnan(errors[0, 6:]).all()
    simulation = jaxsup.simulate(sweep.experiment_at((0,)), jax.random.key(0))
    np.testing.assert_allclose(
        errors[0, :6], simulation.observables["feature_error"][-1], rtol=LATER
    )
    embedding = dataset["embedding"].isel({"features.count": 0, "seed": 0, "kept_step": 0})
    np.testing.assert_allclose(embedding[:, :6], simulation.params.embedding, rtol=FIRST)
    assert np.isnan(embedding[:, 6:]).all()


@pytest.mark.parametrize(
    ("name", "values"),
    [
        pytest.param("gradient", ["exact", "sampled"], marks=pytest.mark.slow),
        ("importance", [0.5, 1.0]),
    ],
)
def test_any_field_of_the_experiment_is_an_axis(name, values):
    sweep = jaxsup.Sweep(linear(), {name: values})
    dataset = run(sweep)
    assert dataset["loss"].shape[:2] == (2, 1)
    for row in (0, 1):
        simulation = jaxsup.simulate(sweep.experiment_at((row,)), jax.random.key(0))
        line = dataset["loss"][row, 0].values
        np.testing.assert_allclose(line[~np.isnan(line)], simulation.loss, rtol=LATER)


SWEEPS = {
    "scan": lambda: jaxsup.Sweep(
        relu(),
        {
            "features.exponent": [1.1, 2.0],
            "student.latent": [2, 3, 5],
            "optimizer.learning_rate": [0.1, 0.5],
        },
        seeds=3,
    ),
    "joint": lambda: jaxsup.Sweep(
        linear(),
        {"setting": {"features.exponent": [1.0, 2.0], "teacher.exponent": [0, 1]}},
        seeds=[5, 2],
    ),
    "objects": lambda: jaxsup.Sweep(
        linear(),
        {
            "optimizer": [
                jaxsup.SGD(0.1, 0.5),
                jaxsup.AdamW(0.1, weight_decay=0.2, schedule=jaxsup.WarmupCosine(3, 0.1)),
            ],
            "record": [Record(steps=(1, 2)), Record(points=3, observables=("core_norm",))],
        },
    ),
    "matrices": lambda: jaxsup.Sweep(
        linear(
            features=jaxsup.CorrelatedFeatures(np.eye(8)),
            teacher=jaxsup.MatrixTeacher(np.arange(64.0).reshape(8, 8)),
            importance=np.linspace(0, 1, 8),
        )
    ),
}


@pytest.mark.parametrize("case", SWEEPS)
def test_configuration_makes_the_same_sweep_again(case):
    sweep = SWEEPS[case]()
    text = json.dumps(sweep_to_tables(sweep))
    again = sweep_from_tables(json.loads(text))
    assert json.dumps(sweep_to_tables(again)) == text
    assert again.seeds == sweep.seeds
    assert again.shape == sweep.shape
    assert [axis.name for axis in again.axes] == [axis.name for axis in sweep.axes]
    for index in np.ndindex(sweep.shape):
        leaves, structure = jax.tree.flatten(again.experiment_at(index))
        expected_leaves, expected_structure = jax.tree.flatten(sweep.experiment_at(index))
        assert structure == expected_structure
        for leaf, expected in zip(leaves, expected_leaves, strict=True):
            np.testing.assert_allclose(leaf, expected, rtol=1e-7)


def test_arrays_of_numbers_can_be_scanned():
    """The number of features is known where the array itself is taken out of the program."""
    covariances = [np.eye(8), np.diag(np.arange(1.0, 9.0))]
    probabilities = [np.full(8, 0.5), np.linspace(0.1, 0.8, 8)]
    labels = {
        "covariance": ["#0: 8 x 8 numbers, 0 to 1", "#1: 8 x 8 numbers, 0 to 8"],
        "probabilities": [json.dumps(values.tolist()) for values in probabilities],
    }
    for features, field, values in (
        (jaxsup.CorrelatedFeatures(covariances[0]), "covariance", covariances),
        (jaxsup.SparseFeatures(probabilities[0]), "probabilities", probabilities),
    ):
        base = linear(features=features)
        together = jaxsup.run(jaxsup.Sweep(base, {f"features.{field}": values}, seeds=1))
        assert together[f"features.{field}"].values.tolist() == labels[field]
        for place, value in enumerate(values):
            alone = linear(features=type(features)(value))
            single = jaxsup.run(jaxsup.Sweep(alone, {}, seeds=1))
            losses = together.loss.isel({f"features.{field}": place, "seed": 0})
            np.testing.assert_allclose(losses, single.loss.isel(seed=0), rtol=1e-5)


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        (
            {"student.latent": np.geomspace(1, 8, 9).astype(int)},
            "axes.student.latent: expected values that differ; got 1 at positions 0 and 1",
        ),
        ({"features.exponent": [1, 1.5, 1.0]}, "got 1.0 at positions 0 and 2"),
        ({"student": [jaxsup.Student(2), jaxsup.Student(2)]}, "positions 0 and 1"),
    ],
)
def test_a_setting_that_comes_twice_is_refused(axes: dict[str, Any], message: str) -> None:
    assert_one_line_error(lambda: jaxsup.Sweep(relu(), axes), message)


def test_a_joint_axis_lists_cases_which_may_come_twice():
    pair = {"a": [1.1, 1.1, 1.1], "b": [0.0, 1.0, 0.0]}
    assert jaxsup.Sweep(relu(), {"pair": pair}).shape == (3,)


class Through(jaxsup.AbstractTeacher):
    """y = function(x); a dataset tells functions by their names."""

    function: Any = eqx.field(static=True, default=jnp.tanh)

    def targets(self, x):
        return self.function(x)


@pytest.mark.slow
def test_objects_that_read_alike_are_told_apart():
    """Their exponents, and theory beside them, too: transformations of optax have no entries."""
    functions = [lambda x: x, lambda x: 2 * x, jnp.tanh]
    axes = {"teacher.function": functions, "optimizer": [optax.sgd(0.1), optax.sgd(0)]}
    dataset = run(jaxsup.Sweep(relu(teacher=Through()), axes))
    labels = [json.loads(text) for text in dataset["teacher.function"].values]
    lambdas = f"{__name__}:{functions[0].__qualname__}"
    assert labels == [f"#0: {lambdas}", f"#1: {lambdas}", "jax.numpy:tanh"]
    rules = [json.loads(text) for text in dataset["optimizer"].values]
    assert rules == [{"kind": "optax", "#": 0}, {"kind": "optax", "#": 1}]
    assert np.isnan(jaxsup.measure_exponents(dataset)["theory_limit"]).all()


def test_objects_that_are_alike_are_told_alike():
    cases = {"teacher": [Through(), Through()], "optimizer.learning_rate": [0.1, 0.2]}
    dataset = run(jaxsup.Sweep(relu(teacher=Through()), {"case": cases}))
    assert len(set(dataset["teacher"].values)) == 1


def test_objects_with_large_arrays_are_told_by_their_sizes():
    """In two rows as in one; those that read alike by their places."""
    matrices = [np.eye(8), np.eye(8)[::-1], 2 * np.eye(8)]
    laws = [jaxsup.SparseFeatures(np.full(8, 0.25)), jaxsup.SparseFeatures(np.full(9, 0.25))]
    teachers = jaxsup.Sweep(relu(), {"teacher": [jaxsup.MatrixTeacher(A) for A in matrices]})
    coordinates = coordinates_of(teachers, np.arange(2), np.arange(0))
    told = [json.loads(text) for text in coordinates["teacher"][1]]
    assert [table["matrix"] for table in told] == [f"8 x 8 numbers, 0 to {n}" for n in (1, 1, 2)]
    assert [table.get("#") for table in told] == [0, 1, None]
    coordinates = coordinates_of(
        jaxsup.Sweep(relu(), {"features": laws}), np.arange(2), np.arange(0)
    )
    told = [json.loads(text)["probabilities"] for text in coordinates["features"][1]]
    assert told == [[0.25] * 8, "9 numbers, 0.25 to 0.25"]


@pytest.mark.parametrize(
    "column",
    [jnp.array([1, 3]), pd.Series([1, 3]), pd.Index([1, 3]), xr.DataArray([1, 3])],
    ids=type,
)
def test_arrays_of_other_libraries_are_lists(column: Any) -> None:
    sweep = jaxsup.Sweep(linear(), {"student.latent": column, "j": {"batch_size": column}}, column)
    assert sweep_to_tables(sweep)["axes"] == {"student.latent": [1, 3], "j": {"batch_size": [1, 3]}}
    assert sweep.seeds == (1, 3)


def test_a_list_that_is_traced_is_told() -> None:
    def traced(column: jax.Array) -> jaxsup.Sweep:
        return jaxsup.Sweep(linear(), {"optimizer.learning_rate": column})

    assert_one_line_error(
        lambda: jax.eval_shape(traced, jnp.ones(2)), "learning_rate: expected a list of values"
    )
