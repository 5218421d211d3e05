"""What is recorded, and when."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from factories import relu_experiment
from helpers import assert_one_line_error, untyped

import jaxsup
from jaxsup import Observable, Sweep, run
from jaxsup.experiment.record import Record
from jaxsup.training.observables import OBSERVABLES


@pytest.mark.parametrize("total", [1, 2, 7, 1000, 123_457])
@pytest.mark.parametrize("spacing", ["log", "linear"])
@pytest.mark.parametrize("points", [2, 3, 64])
def test_schedules_start_at_0_and_end_at_the_last_step(total, spacing, points):
    steps = Record(points=points, spacing=spacing).schedule(total)
    assert steps[0] == 0
    assert steps[-1] == total
    assert (np.diff(steps) > 0).all()
    assert len(steps) <= max(points, 2)
    assert steps.dtype == np.int64


def test_log_spacing_is_even_in_the_logarithm():
    steps = Record(points=41).schedule(10**8)
    late = steps[steps >= 100]
    # 39 gaps over 8 decades; rounding moves the logarithm of a step by at most 0.005 / ln 10.
    np.testing.assert_allclose(np.diff(np.log10(late)), 8 / 39, atol=0.01 / np.log(10))
    assert len(late) == 30


def test_linear_spacing_is_even():
    np.testing.assert_array_equal(
        Record(points=6, spacing="linear").schedule(50), [0, 10, 20, 30, 40, 50]
    )


def test_explicit_steps_are_taken_with_both_ends():
    np.testing.assert_array_equal(Record(steps=(3, 10)).schedule(20), [0, 3, 10, 20])
    np.testing.assert_array_equal(Record(steps=(0, 20)).schedule(20), [0, 20])
    np.testing.assert_array_equal(Record(steps=()).schedule(20), [0, 20])
    assert Record(steps=[1, 2]) == Record(steps=(1, 2)) == Record(steps=range(1, 3))


def test_parameter_steps_are_recorded_too():
    steps = Record(steps=(10,), parameter_steps=(3, 10, 15)).schedule(20)
    np.testing.assert_array_equal(steps, [0, 3, 10, 15, 20])


def test_the_loss_is_always_recorded_and_once():
    assert Record().names == ("loss",)
    assert Record(observables=("core_norm", "loss")).names == ("loss", "core_norm")


def linear(steps: int, record: Record) -> jaxsup.Experiment:
    return jaxsup.Experiment(
        jaxsup.GaussianFeatures(6, 1.2),
        jaxsup.DiagonalTeacher(0.5),
        jaxsup.Student(3, "untied", activation="identity", core_scale=0.5, bias_scale=0.2),
        jaxsup.SGD(0.3),
        steps=steps,
        gradient="exact",
        record=record,
        importance=0.8,
        reduction="sum",
    )


@pytest.mark.usefixtures("x64")
def test_observables_and_snapshots_describe_the_parameters():
    record = Record(steps=(5,), observables=tuple(OBSERVABLES), parameter_steps=(0, 5, 12))
    experiment = linear(12, record)
    key = jax.random.key(0)
    run = jaxsup.simulate(experiment, key)
    np.testing.assert_array_equal(run.steps, [0, 5, 12])
    assert set(run.observables) == set(OBSERVABLES) - {"loss"}
    variances = np.arange(1, 7, dtype=np.float64) ** -1.2
    variances /= variances.sum()
    target = np.diag(np.arange(1, 7, dtype=np.float64) ** -0.5)
    kept = run.snapshots
    assert kept is not None
    for row in range(3):
        W, V, B, c = (
            np.asarray(getattr(kept, name)[row])
            for name in ("embedding", "readout", "core", "bias")
        )
        D = V.T @ B @ W - target
        errors = (D**2 * variances).sum(axis=1) + c**2
        np.testing.assert_allclose(run.observables["feature_error"][row], errors, rtol=1e-12)
        np.testing.assert_allclose(run.loss[row], (errors * 0.8 ** np.arange(6)).sum(), rtol=1e-12)
        for name, array in (("embedding", W), ("readout", V), ("core", B), ("bias", c)):
            norm = np.sqrt((array**2).sum())
            np.testing.assert_allclose(run.observables[f"{name}_norm"][row], norm, rtol=1e-12)
    short = jaxsup.simulate(linear(5, Record(steps=())), key)
    for name in ("embedding", "readout", "core", "bias"):
        stack = np.asarray(getattr(kept, name))
        np.testing.assert_array_equal(stack[2], getattr(run.params, name))
        np.testing.assert_allclose(stack[1], getattr(short.params, name), rtol=1e-12, atol=1e-14)
        assert (stack[0] != stack[1]).any()


BAD = {
    "points zero": (lambda: Record(points=0), "record.points: expected a positive integer; got 0"),
    "points one": (lambda: Record(points=1), "record.points: expected at least 2; got 1"),
    "spacing": (
        lambda: Record(spacing="logarithmic"),
        "record.spacing: expected one of 'log', 'linear'; got 'logarithmic'",
    ),
    "observable": (
        lambda: Record(observables=("core_nrom",)),
        "record.observables: .*got 'core_nrom'; did you mean 'core_norm'",
    ),
    "far-off observable": (
        lambda: Record(observables=("zzz",)),
        "record.observables: .*got 'zzz'; choose one of loss, ",
    ),
    "samples": (
        lambda: Record(evaluation_samples=0),
        "record.evaluation_samples: expected a positive integer; got 0",
    ),
    "cluster tolerance": (
        lambda: Record(cluster_tolerance=1.0),
        "record.cluster_tolerance: expected a finite number >= 0 and < 1; got 1.0; give a share",
    ),
    "steps falling": (
        lambda: Record(steps=(5, 3)),
        "record.steps: expected increasing whole numbers >= 0; got",
    ),
    "steps repeated": (lambda: Record(steps=(3, 3)), "record.steps: .*drop repeats"),
    "steps negative": (lambda: Record(steps=(-1, 3)), "record.steps: expected increasing whole"),
    "parameter steps": (
        lambda: Record(parameter_steps=(7, 2)),
        "record.parameter_steps: expected increasing whole numbers",
    ),
    "steps beyond the run": (
        lambda: linear(10, Record(steps=(5, 11))),
        "record.steps: expected steps <= 10; got 11; train for longer",
    ),
    "parameter steps beyond the run": (
        lambda: linear(10, Record(parameter_steps=(12,))),
        "record.parameter_steps: expected steps <= 10; got 12; train for longer",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_a_one_line_error(case):
    assert_one_line_error(*BAD[case])


class Spread(Observable):
    """An observable of one's own."""

    name: str = eqx.field(static=True, default="spread")
    dims: tuple[str, ...] = eqx.field(static=True, default=())
    long_name: str = eqx.field(static=True, default="spread of the errors")
    units: str = eqx.field(static=True, default="1")

    def measure(self, network):
        return network.errors if self.dims else jnp.std(network.errors)


@pytest.mark.parametrize(
    "name",
    [
        *("loss", "complete", "status", "step", "seed", "key_data", "feature", "latent"),
        *("superposition_ratio", "journal", "zarr.json", "a/b", "..", "", "two words"),
    ],
)
def test_bad_names_of_observables_are_one_line_errors(name):
    assert_one_line_error(
        lambda: Record(observables=(Spread(name),)), "record.observables: expected a"
    )


@untyped
@pytest.mark.parametrize("dims", [("seed",), ("loss",), ("spread",), ("a", "a"), ("a/b",), 3, "ab"])
def test_bad_dimensions_of_observables_are_one_line_errors(dims):
    match = "record.observables: expected .*dimensions"
    assert_one_line_error(lambda: Record(observables=(Spread(dims=dims),)), match)


def test_an_observable_is_not_called_as_an_array_of_the_student():
    record = Record(observables=(Spread("core"),))
    match = "record.observables: expected a name that is free; got 'core'"
    assert_one_line_error(lambda: relu_experiment(record=record), match)


def test_a_dimension_of_the_package_has_its_size():
    """Errors are one a feature: called "latent", they would be taken for latent dimensions."""
    record = Record(observables=(Spread(dims=("latent",)),))
    match = "observable spread: expected .* along 'latent'; got values of shape"
    sweep = Sweep(relu_experiment(record=record))
    assert_one_line_error(lambda: run(sweep), match)
    record = Record(observables=(Spread(dims=("feature",)),))
    assert "spread" in run(Sweep(relu_experiment(record=record)))


def test_steps_may_be_an_array_of_jax() -> None:
    assert Record(steps=jnp.array([2, 5]), parameter_steps=jnp.array([5])) == Record(
        steps=(2, 5), parameter_steps=(5,)
    )
