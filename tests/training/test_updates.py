"""Updates against automatic differentiation in float64."""

import dataclasses
import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from update_cases import (
    LARGE,
    SMALL,
    STUDENTS,
    all_samples,
    assert_errors_are_plain,
    assert_gradient_is_plain,
    assert_gradient_is_the_mean,
    experiment,
    plain_gradient,
    split,
)

import jaxsup
from jaxsup.experiment.experiment import initial_parameters
from jaxsup.training.evaluation import estimated_errors
from jaxsup.training.updates import Dense, Gathered, Population, TiedClosedForm, choose_update

pytestmark = pytest.mark.usefixtures("full_precision")


def identity(count):
    return jaxsup.Student(count, "identity", core_scale=0.1, bias_scale=0.2)


# One of each kind for the default run and for programs compiled as users do; all kinds and both
# sizes are in the whole one.
QUICK = {
    *(f"{name}, {SMALL}" for name in ("frozen", "leaky", "gelu", "matrix", "padded")),
    *(f"{name}, {LARGE}" for name in ("frozen", "tied", "identity", "abs, no bias")),
    "bias alone",
}


def cases():
    """Experiments with sparse samples, each with its update."""
    for case in experiments():
        (trained,) = case.values
        assert isinstance(trained, jaxsup.Experiment)
        marks = pytest.mark.compiler if case.id in QUICK else pytest.mark.extended
        yield pytest.param(trained, choose_update(trained), id=case.id, marks=marks)
    for count in (SMALL, LARGE):
        trained = experiment(jaxsup.Student(7, core_scale=0.3, bias_scale=0.2), count)
        padded = eqx.tree_at(lambda e: e.student, trained, trained.student.padded(12))
        name = f"padded, {count}"
        marks = pytest.mark.compiler if name in QUICK else pytest.mark.extended
        yield pytest.param(padded, choose_update(trained), id=name, marks=marks)


def experiments():
    for count in (SMALL, LARGE):
        for name, student in STUDENTS.items():
            yield pytest.param(experiment(student, count), id=f"{name}, {count}")
        yield pytest.param(experiment(identity(count), count), id=f"identity, {count}")
        matrix = np.random.default_rng(1).normal(size=(count, count)) / count**0.5
        teacher = jaxsup.MatrixTeacher(matrix)
        yield pytest.param(
            experiment(STUDENTS["frozen"], count, teacher=teacher), id=f"matrix, {count}"
        )
        for reduction in ("sum", "mean"):
            weighted = experiment(STUDENTS["tied"], count, reduction=reduction, importance=0.9)
            yield pytest.param(weighted, id=f"{reduction}, importance, {count}")
    only_bias = jaxsup.Student(SMALL, "identity", core=False, bias_scale=0.2)
    yield pytest.param(experiment(only_bias, SMALL), id="bias alone")


@pytest.fixture
def one_by_one(monkeypatch):
    """Networks go one by one, however small."""
    monkeypatch.setattr("jaxsup._internal.batching._LARGE", 1)


def in_tiles(update):
    """The update with tiles of eight samples."""
    return dataclasses.replace(update, tile_bytes=8 * LARGE, learned_tile_bytes=8 * LARGE)


def gathered_cases():
    return [case for case in cases() if isinstance(case.values[1], Gathered)]


@pytest.mark.slow
@pytest.mark.parametrize(("case", "update"), gathered_cases())
def test_tiles_give_the_same(case, update, one_by_one):
    test_the_sparse_gradient_is_that_of_the_plain_loss(case, in_tiles(update))
    test_sparse_errors_are_those_of_the_plain_loss(case, in_tiles(update))


@pytest.mark.parametrize(
    ("embedding", "density"),
    [
        pytest.param("random", 1.0, marks=[pytest.mark.slow, pytest.mark.compiler]),
        pytest.param("learned", 1.0, marks=[pytest.mark.extended, pytest.mark.compiler]),
        pytest.param("random", 1e-3, marks=pytest.mark.extended),
        pytest.param("learned", 1e-3, marks=pytest.mark.slow),
    ],
)
def test_batches_in_tiles_are_their_members(embedding, density, one_by_one):
    """Two seeds with samples of their own, which three settings share: each as if alone."""
    features = jaxsup.PowerLawFeatures(LARGE, 1.2, density)
    case = experiment(jaxsup.Student(12, embedding, core_scale=0.3, bias_scale=0.2), LARGE)
    case = dataclasses.replace(case, features=features, batch_size=40)
    update = in_tiles(choose_update(case))
    tables = update.prepare(case, case.batch_size)

    def gradient(scale, key):
        learned, frozen = split(case, initial_parameters(case, key))
        learned = jax.tree.map(lambda leaf: leaf * scale, learned)
        # The standard error of samples that are nearly all empty is rounding.
        errors = estimated_errors(case, update, eqx.combine(learned, frozen), key).errors
        return update.gradient(case, tables, learned, frozen, key), errors

    scales, keys = jnp.asarray([0.5, 1.0, 2.0]), jax.random.split(jax.random.key(3), 2)
    together = jax.jit(jax.vmap(jax.vmap(gradient, (0, None)), (None, 0)))(scales, keys)
    assert any(leaf.any() for leaf in jax.tree.leaves(together))
    alone = jax.jit(gradient)
    for i, key in enumerate(keys):
        for j, scale in enumerate(scales):
            for leaf, batched in zip(
                jax.tree.leaves(alone(scale, key)), jax.tree.leaves(together), strict=True
            ):
                size = np.abs(leaf).max()
                np.testing.assert_allclose(batched[i, j], leaf, rtol=0, atol=1e-6 * size)


@pytest.mark.parametrize(("case", "update"), list(cases()))
def test_the_sparse_gradient_is_that_of_the_plain_loss(case, update):
    """JAX differentiates `sampled_errors` of the same samples in float64; float32's rounding."""
    key = jax.random.key(5)
    learned, frozen = split(case, initial_parameters(case, jax.random.key(1)))
    tables = update.prepare(case, case.batch_size)
    batch = tables.draw(key)
    assert batch.rows < batch.batch  # some empty samples are not listed
    gradient = jax.jit(lambda *arrays: update.gradient(*arrays))(case, tables, learned, frozen, key)
    assert_gradient_is_plain(gradient, case, all_samples(batch), learned, frozen)


@pytest.mark.parametrize(("case", "update"), list(cases()))
def test_sparse_errors_are_those_of_the_plain_loss(case, update):
    parameters = initial_parameters(case, jax.random.key(1))
    key = jax.random.key(6)
    tables = update.prepare(case, 200)
    estimate = jax.jit(functools.partial(estimated_errors, case, update))
    x = all_samples(tables.draw(jax.random.fold_in(key, 0)))
    assert_errors_are_plain(estimate(parameters, key, tables), case, x, parameters)


def test_the_gradient_by_hand():
    """One update of the frozen student in float64 numpy, written out from the formula."""
    case = experiment(STUDENTS["frozen"], LARGE)
    update = choose_update(case)
    assert isinstance(update, Gathered)
    key = jax.random.key(2)
    learned, frozen = split(case, initial_parameters(case, key))
    tables = update.prepare(case, case.batch_size)
    gradient = update.gradient(case, tables, learned, frozen, key)
    x = all_samples(tables.draw(key))
    W, B, c = (np.asarray(a, np.float64) for a in (frozen.embedding, learned.core, learned.bias))
    p = x @ W.T
    z = p @ B.T @ W + c
    y = x * np.arange(1, LARGE + 1.0) ** -0.5
    slope = (np.maximum(z, 0) - y) * (z > 0) / len(x)
    np.testing.assert_allclose(np.asarray(gradient.core), W @ slope.T @ p, rtol=0, atol=1e-6)
    np.testing.assert_allclose(np.asarray(gradient.bias), slope.sum(axis=0), rtol=0, atol=1e-6)


DENSE = {
    "gelu": {"student": jaxsup.Student(5, "learned", bias_scale=0.2, activation="gelu")},
    "hidden layer": {
        "student": jaxsup.HiddenLayerStudent(9, hidden_bias=True, bias_scale=0.3),
        "teacher": jaxsup.ElementwiseTeacher("abs", 0.5),
        "features": jaxsup.PowerLawFeatures(12, 0.5, 3.0, "symmetric"),
    },
    "tied hidden layer": {
        "student": jaxsup.HiddenLayerStudent(5, "learned", "leaky-relu", "identity", bias=False)
    },
    "weighted": {"student": jaxsup.Student(5), "importance": 0.8, "reduction": "mean"},
}


@pytest.mark.parametrize("name", DENSE)
def test_the_dense_gradient_is_that_of_the_plain_loss(name):
    case = experiment(**{"count": 12, "features": jaxsup.GaussianFeatures(12, 1.0), **DENSE[name]})
    update = choose_update(case)
    assert isinstance(update, Dense)
    key = jax.random.key(4)
    learned, frozen = split(case, initial_parameters(case, key))
    gradient = update.gradient(case, case.batch_size, learned, frozen, key)
    x = np.asarray(case.features.sample_batch(key, case.batch_size), np.float64)
    expected = plain_gradient(case, x, learned, frozen)
    for ours, plain in zip(jax.tree.leaves(gradient), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(ours, plain, rtol=0, atol=2e-6 * np.abs(plain).max() + 1e-9)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("kind", ["linear", "one-active", "tied"])
def test_exact_gradients_are_those_of_the_errors_of_many_samples(kind, bias):
    student = {
        "linear": jaxsup.Student(3, "untied", core_scale=0.5, bias=bias, activation="identity"),
        "one-active": jaxsup.Student(3, "untied", core_scale=0.5, bias=bias, bias_scale=0.2),
        "tied": jaxsup.Student(3, "learned", core=False, bias=bias, bias_scale=0.2),
    }[kind]
    law = jaxsup.OneActiveFeatures(6, 0.5)
    case = experiment(student, 6, features=law, gradient="exact", importance=0.9)
    update = choose_update(case)
    assert isinstance(update, TiedClosedForm if kind == "tied" else Population)
    assert_gradient_is_the_mean(case, update)
