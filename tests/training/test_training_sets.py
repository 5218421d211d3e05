"""Training sets: the same samples again and again, beside the loss on their law."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from factories import linear_experiment, relu_experiment
from helpers import assert_one_line_error

import jaxsup
from jaxsup.experiment.experiment import TRAINING_SET_STREAM, initial_parameters
from jaxsup.experiment.tables import to_table
from jaxsup.sweep.axes import replace_fields
from jaxsup.theory.references import linear_reference
from jaxsup.training.updates import FiniteSet, choose_update
from jaxsup.training.updates.finite import draw_set

RECORD = jaxsup.Record(points=1000, spacing="linear", evaluation_samples=64)


def autoencoder(samples: int, **changes: Any) -> jaxsup.Experiment:
    student = jaxsup.Student(2, "learned", core=False, bias_mean=-0.1)
    settings = {"steps": 12, "training_set": samples, "record": RECORD, **changes}
    return relu_experiment(student, **settings)


def samples_of(experiment: jaxsup.Experiment, seed: int) -> np.ndarray:
    key = jax.random.fold_in(jax.random.key(seed), TRAINING_SET_STREAM)
    assert experiment.training_set is not None
    return np.asarray(draw_set(experiment.features, key, experiment.training_set))


def by_hand(experiment: jaxsup.Experiment, seed: int, rate: float) -> tuple[np.ndarray, ...]:
    """W, c and the loss on the set along gradient descent on all of it, in numpy."""
    x = samples_of(experiment, seed)
    start = initial_parameters(experiment, jax.random.key(seed))
    W, c = np.asarray(start.embedding), np.asarray(start.bias)
    y, losses, last = x * np.arange(1.0, x.shape[1] + 1) ** -0.5, [], (W, c)
    for _ in range(experiment.steps + 1):
        z = x @ W.T @ W + c
        residual = np.maximum(z, 0) - y
        losses.append(0.5 * (residual**2).sum(axis=1).mean())
        slope = residual * (z > 0) / len(x)
        matrix = slope.T @ x
        last = W, c
        W, c = W - rate * W @ (matrix + matrix.T), c - rate * slope.sum(axis=0)
    return *last, np.array(losses)


@pytest.mark.usefixtures("x64")
def test_a_full_batch_is_gradient_descent_on_the_set() -> None:
    experiment = autoencoder(5, batch_size=5)
    W, c, losses = by_hand(experiment, 3, 0.2)
    run = jaxsup.simulate(experiment, jax.random.key(3))
    np.testing.assert_allclose(run.params.embedding, W, rtol=1e-11)
    np.testing.assert_allclose(run.params.bias, c, rtol=1e-11)
    np.testing.assert_allclose(run.observables["training_loss"], losses, rtol=1e-11)
    assert (np.asarray(run.loss) > losses).sum() > 6  # the law's own is another
    assert autoencoder(5, batch_size=64).update_samples == 5


@pytest.mark.usefixtures("x64")
def test_the_test_loss_is_that_of_the_law() -> None:
    """In closed form for a linear student, whatever it was trained on."""
    experiment = linear_experiment(gradient="sampled", training_set=7, record=RECORD)
    run = jaxsup.simulate(experiment, jax.random.key(1))
    assert "loss_stderr" not in run.observables
    W, B, c = (np.asarray(a) for a in jax.tree.leaves(run.params))
    variances = np.arange(1.0, 7) ** -1.2
    D = W.T @ B @ W - np.diag(np.arange(1.0, 7) ** -0.5)
    expected = 0.5 * ((D**2 @ (variances / variances.sum())).sum() + (c**2).sum())
    np.testing.assert_allclose(run.loss[-1], expected, rtol=1e-12)
    x = samples_of(experiment, 1)
    expected = 0.5 * ((x @ D.T + c) ** 2).sum(axis=1).mean()
    np.testing.assert_allclose(run.observables["training_loss"][-1], expected, rtol=1e-12)


@pytest.mark.parametrize(
    "features",
    [
        jaxsup.PowerLawFeatures(6, 1.1, 2.0),
        jaxsup.OneActiveFeatures(6),
        jaxsup.CorrelatedFeatures(np.eye(6) + 0.5),
    ],
)
def test_smaller_sets_are_the_beginnings_of_larger_ones(features: Any) -> None:
    key = jax.random.key(5)
    large, small = (np.asarray(draw_set(features, key, samples)) for samples in (40, 9))
    np.testing.assert_allclose(small, large[:9], rtol=1e-6)
    assert len(np.unique(large.round(5), axis=0)) > 20
    assert not np.array_equal(small, draw_set(features, jax.random.key(6), 9))


def test_a_set_is_a_sample_of_its_law() -> None:
    """Means within 5 standard errors of 4,000 samples of known moments."""
    features = jaxsup.PowerLawFeatures(6, 0.5, 2.0)
    x = np.asarray(draw_set(features, jax.random.key(0), 4000), float)
    moments = features.moments()
    mean, second = np.asarray(moments.mean), np.asarray(moments.second_moment())
    error = np.sqrt((np.diag(second) - mean**2) / len(x))
    assert (np.abs(x.mean(axis=0) - mean) < 5 * error).all()


@pytest.mark.slow
def test_batches_are_drawn_from_the_set_all_alike() -> None:
    """Batches of one: each gradient is one sample's, and samples come equally often.

    Of 600 draws from 4, each count is within 5 standard deviations, 53, of 150.
    """
    experiment = autoencoder(4, batch_size=1)
    update = choose_update(experiment)
    assert isinstance(update, FiniteSet)
    parameters = initial_parameters(experiment, jax.random.key(0))
    none = jax.tree.map(lambda _: None, parameters)
    tables = update.training_tables(experiment, None, none, jax.random.key(9))

    def gradient(key: jax.Array, tables: jax.Array = tables) -> Any:
        return update.gradient(experiment, tables, parameters, none, key).embedding

    keys = jax.random.split(jax.random.key(1), 600)
    found = np.asarray(jax.jit(jax.vmap(gradient))(keys))
    alone = np.stack([gradient(keys[0], tables[k : k + 1]) for k in range(4)])
    distances = np.abs(found[:, None] - alone[None]).max(axis=(2, 3))
    assert (distances.min(axis=1) < 1e-6).all()
    counts = np.bincount(distances.argmin(axis=1), minlength=4)
    assert (np.abs(counts - 150) < 53).all()


@pytest.mark.slow
def test_sizes_of_sets_are_an_axis() -> None:
    sweep = jaxsup.Sweep(autoencoder(3), {"training_set": [3, 20]}, seeds=2)
    assert sweep.structural == (True,)
    dataset = jaxsup.run(sweep, devices=jax.local_devices()[:1])
    alone = jaxsup.simulate(sweep.experiment_at((1,)), jax.random.key(1))
    np.testing.assert_allclose(dataset["loss"][1, 1], alone.loss, rtol=1e-4)
    expected = alone.observables["training_loss"]
    np.testing.assert_allclose(dataset["training_loss"][1, 1], expected, rtol=1e-4)
    assert not np.isclose(dataset["training_loss"][0], dataset["training_loss"][1]).any()
    assert dataset["training_loss"].dims == dataset["loss"].dims
    assert "finite-set: dense samples of a training set" in dataset.attrs["updates"]
    limits = jaxsup.measure_exponents(dataset, after=0)["theory_limit"]
    assert np.isnan(limits.values).all()


def test_nothing_that_holds_for_fresh_samples_is_said_of_a_set() -> None:
    student = jaxsup.Student(6, "identity", bias=False)
    fresh = linear_experiment(student, gradient="sampled")
    finite = replace_fields(fresh, {"training_set": 9})
    assert linear_reference(to_table(fresh)) is not None
    assert linear_reference(to_table(finite)) is None
    with pytest.raises(
        ValueError, match=r"loss_curve: .*got a training set; train on fresh samples"
    ):
        jaxsup.theory.loss_curve(finite, [1])


def test_without_a_set_its_loss_is_not_recorded() -> None:
    experiment = relu_experiment(steps=2)
    assert "training_loss" not in jaxsup.simulate(experiment, jax.random.key(0)).observables
    record = jaxsup.Record(points=2, observables=("training_loss",), evaluation_samples=8)
    asked = jaxsup.simulate(relu_experiment(steps=2, record=record), jax.random.key(0))
    assert jnp.isnan(asked.observables["training_loss"]).all()


BAD = {
    "none": (lambda: autoencoder(0), "training_set: expected a positive integer; got 0"),
    "exact": (
        lambda: linear_experiment(training_set=5),
        "gradient: expected 'sampled', as the expected loss is not that of a set; got a training",
    ),
    "sparse": (
        lambda: choose_update(
            relu_experiment(
                features=jaxsup.PowerLawFeatures(64, 1.5), training_set=5, sampling="sparse"
            )
        ),
        "sampling: expected 'auto' or 'dense'; got .*samples are of a training set; leave it out",
    ),
    "large": (
        lambda: autoencoder(2**31 - 1),
        "training_set: expected arrays of at most 2147483647 numbers; got one of",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_a_one_line_error(case: str) -> None:
    assert_one_line_error(*BAD[case])
