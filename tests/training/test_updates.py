"""Sparse ways of computing gradients and errors against the plain one, and whole runs on them."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import jaxsup
from jaxsup.experiment.record import Record
from jaxsup.training.losses import loss_weights, sampled_errors
from jaxsup.training.simulate import initial_parameters
from jaxsup.training.updates.choice import (
    describe_way,
    estimated_errors,
    make_sampler,
    training_gradient,
    way,
)

STUDENTS = {
    "frozen": jaxsup.Student(12, core_scale=0.3, bias_scale=0.2),
    "frozen, linear": jaxsup.Student(12, core_scale=0.3, bias_scale=0.2, activation="identity"),
    "no bias": jaxsup.Student(12, core_scale=0.3, bias=False),
    "tied": jaxsup.Student(12, "learned", core_scale=0.3, bias_scale=0.2),
    "untied": jaxsup.Student(12, "untied", core_scale=0.3, bias_scale=0.2),
    "autoencoder": jaxsup.Student(12, "learned", core=False, bias_scale=0.2),
    "padded": jaxsup.Student(12, core_scale=0.3, bias_scale=0.2, active=7),
}
LARGE, SMALL = 160, 48


def experiment(student, count, **changes):
    settings = {
        "features": jaxsup.PowerLawFeatures(count, 1.2),
        "teacher": jaxsup.DiagonalTeacher(0.5),
        "student": student,
        "optimizer": jaxsup.SGD(0.1),
        "batch_size": 200,
        "record": Record(points=4, evaluation_samples=200),
        **changes,
    }
    return jaxsup.Experiment(**settings)


def identity(count):
    return jaxsup.Student(count, "identity", core_scale=0.1, bias_scale=0.2)


def cases():
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


def all_samples(batch):
    """The samples of a list as rows, the empty ones that it leaves out among them."""
    x = np.asarray(batch.columns(), np.float64).T
    return np.concatenate([x, np.zeros((batch.batch - batch.rows, batch.count))])


@pytest.fixture
def tiles(monkeypatch):
    """Networks go one by one, each in tiles of eight samples."""
    monkeypatch.setattr("jaxsup._internal.batching._LARGE", 1)
    monkeypatch.setattr("jaxsup.training.updates.gathered.TILE", 8 * LARGE)
    monkeypatch.setattr("jaxsup.training.updates.gathered.TILE_OF_LEARNED", 8 * LARGE)


def gathered_cases():
    for case in cases():
        (found,) = case.values
        assert isinstance(found, jaxsup.Experiment)
        if way(found) == "gathered":
            yield case


@pytest.mark.parametrize("case", list(gathered_cases()))
def test_tiles_give_the_same(case, tiles):
    test_the_sparse_gradient_is_that_of_the_plain_loss(case)
    test_sparse_errors_are_those_of_the_plain_loss(case)


@pytest.mark.slow
@pytest.mark.parametrize("embedding", ["random", "learned"])
@pytest.mark.parametrize("density", [1.0, 1e-3])
def test_batches_in_tiles_are_their_members(embedding, density, tiles):
    """Two seeds with samples of their own, which three settings share: each as if alone."""
    features = jaxsup.PowerLawFeatures(LARGE, 1.2, density)
    case = experiment(jaxsup.Student(12, embedding, core_scale=0.3, bias_scale=0.2), LARGE)
    case = dataclasses.replace(case, features=features, batch_size=40)
    sampler = make_sampler(case, case.batch_size)

    def gradient(scale, key):
        parameters = initial_parameters(case, key)
        trainable = case.student.trainable(parameters)
        learned, rest = eqx.partition(parameters, trainable)
        learned = jax.tree.map(lambda leaf: leaf * scale, learned)
        errors = estimated_errors(case, key, eqx.combine(learned, rest))
        return training_gradient(case, sampler, learned, rest, key), errors

    scales, keys = jnp.asarray([0.5, 1.0, 2.0]), jax.random.split(jax.random.key(3), 2)
    together = jax.jit(jax.vmap(jax.vmap(gradient, (0, None)), (None, 0)))(scales, keys)
    assert any(leaf.any() for leaf in jax.tree.leaves(together))
    alone = jax.jit(gradient)
    for i, key in enumerate(keys):
        for j, scale in enumerate(scales):
            for one, all_ in zip(
                jax.tree.leaves(alone(scale, key)), jax.tree.leaves(together), strict=True
            ):
                size = np.abs(one).max()
                np.testing.assert_allclose(all_[i, j], one, rtol=0, atol=1e-6 * size)


@pytest.mark.parametrize("case", list(cases()))
def test_the_sparse_gradient_is_that_of_the_plain_loss(case):
    """JAX differentiates `sampled_errors` of the same samples in float64; float32's rounding."""
    key = jax.random.key(5)
    parameters = initial_parameters(case, jax.random.key(1))
    learned, rest = eqx.partition(parameters, case.student.trainable(parameters))
    sampler = make_sampler(case, case.batch_size)
    assert sampler is not None
    batch = sampler.draw(key)
    assert batch.rows < batch.batch  # some empty samples are not listed
    found = training_gradient(case, sampler, learned, rest, key)
    with jax.enable_x64(True):
        wide = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), (learned, rest))
        x = jnp.asarray(all_samples(batch))
        weights = loss_weights(case.features.count, case.importance, case.reduction)

        def loss(learned):
            both = eqx.combine(learned, wide[1])
            return jnp.sum(weights * sampled_errors(case.student, case.teacher, both, x))

        expected = jax.tree.map(np.asarray, jax.grad(loss)(wide[0]))
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        assert np.abs(other).max() > 1e-5
        np.testing.assert_allclose(one, other, rtol=0, atol=2e-6 * np.abs(other).max())


@pytest.mark.parametrize("case", list(cases()))
def test_sparse_errors_are_those_of_the_plain_loss(case):
    parameters = initial_parameters(case, jax.random.key(1))
    key = jax.random.key(6)
    found = estimated_errors(case, key, parameters)
    sampler = make_sampler(case, 200)
    assert sampler is not None
    x = all_samples(sampler.draw(jax.random.fold_in(key, 0)))
    with jax.enable_x64(True):
        wide = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), parameters)
        expected = np.asarray(sampled_errors(case.student, case.teacher, wide, jnp.asarray(x)))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-9)


def test_the_gradient_by_hand():
    """One update of the frozen student in float64 numpy, written out from the formula."""
    case = experiment(STUDENTS["frozen"], LARGE)
    assert way(case) == "gathered"
    key = jax.random.key(2)
    parameters = initial_parameters(case, key)
    learned, rest = eqx.partition(parameters, case.student.trainable(parameters))
    sampler = make_sampler(case, case.batch_size)
    assert sampler is not None
    found = training_gradient(case, sampler, learned, rest, key)
    x = all_samples(sampler.draw(key))
    W, B, c = (np.asarray(a, np.float64) for a in (rest.embedding, learned.core, learned.bias))
    p = x @ W.T
    z = p @ B.T @ W + c
    y = x * np.arange(1, LARGE + 1.0) ** -0.5
    slope = (np.maximum(z, 0) - y) * (z > 0) / len(x)
    np.testing.assert_allclose(np.asarray(found.core), W @ slope.T @ p, rtol=0, atol=1e-6)
    np.testing.assert_allclose(np.asarray(found.bias), slope.sum(axis=0), rtol=0, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("count", [SMALL, LARGE])
def test_runs_on_sparse_and_dense_samples_have_one_law(count):
    """Mean losses over 96 seeds of two samplings, at every recorded step: two-sided z tests."""
    curves = {}
    for sampling in ("sparse", "dense"):
        case = experiment(
            jaxsup.Student(12),
            count,
            steps=40,
            batch_size=32,
            sampling=sampling,
            optimizer=jaxsup.SGD(0.3),
            record=Record(points=5, evaluation_samples=512),
        )
        keys = jax.vmap(jax.random.key)(jnp.arange(96))
        losses = jax.vmap(lambda key, case=case: jaxsup.simulate(case, key).loss)(keys)
        curves[sampling] = np.asarray(losses, np.float64)
    sparse, dense = curves["sparse"], curves["dense"]
    assert dense[:, -1].mean() < 0.8 * dense[:, 0].mean()
    error = np.sqrt((sparse.var(axis=0, ddof=1) + dense.var(axis=0, ddof=1)) / 96)
    scores = (sparse.mean(axis=0) - dense.mean(axis=0)) / error
    assert np.abs(scores).max() < stats.norm.isf(0.5e-6 / scores.size)


def test_the_ways_and_their_reasons():
    frozen = STUDENTS["frozen"]
    small, large = experiment(frozen, SMALL), experiment(frozen, LARGE)
    assert (way(small), way(large)) == ("listed", "gathered")
    assert "at most 1.19 arrivals" in describe_way(small)
    assert "fewer than 128 features" in describe_way(small)
    assert "gathered from columns" in describe_way(large)
    assert "no diagonal teacher" in describe_way(
        experiment(frozen, LARGE, teacher=jaxsup.MatrixTeacher(np.eye(LARGE)))
    )
    asked = experiment(frozen, LARGE, sampling="dense")
    assert (way(asked), describe_way(asked)) == ("dense", "dense samples: as asked for")
    gaussian = experiment(frozen, LARGE, features=jaxsup.GaussianFeatures(LARGE, 1.5))
    assert "gaussian features are not sparse" in describe_way(gaussian)
    linear = dataclasses.replace(large, student=STUDENTS["frozen, linear"], loss="population")
    assert "linear closed form" in describe_way(linear)


@pytest.mark.parametrize(
    "features", [jaxsup.GaussianFeatures(64, 1.5), jaxsup.PowerLawFeatures(64, 1.5, density=50)]
)
def test_sparse_samples_of_a_law_that_does_not_suit_are_refused(features):
    with pytest.raises(ValueError, match=r"sampling: expected 'auto' or 'dense'; got a law"):
        experiment(STUDENTS["frozen"], 64, features=features, sampling="sparse")
    with pytest.raises(ValueError, match=r"sampling: expected one of"):
        experiment(STUDENTS["frozen"], 64, features=features, sampling="none")


@pytest.mark.slow
def test_a_run_is_the_same_jitted_vmapped_and_alone():
    """What is known of the law when the experiment is made stays known in compiled programs."""
    case = experiment(jaxsup.Student(12), SMALL, steps=20, batch_size=16)
    keys = jax.vmap(jax.random.key)(jnp.arange(3))
    alone = [jaxsup.simulate(case, key).loss for key in keys]
    jitted = [jax.jit(jaxsup.simulate)(case, key).loss for key in keys]
    together = jax.vmap(jaxsup.simulate, in_axes=(None, 0))(case, keys).loss
    rates = jnp.asarray([0.1, 0.2])

    def at_rate(rate):
        faster = dataclasses.replace(case, optimizer=jaxsup.SGD(rate))
        return jaxsup.simulate(faster, keys[0]).loss

    np.testing.assert_array_equal(np.stack(alone), np.stack(jitted))
    np.testing.assert_allclose(together, np.stack(alone), rtol=2e-5)
    np.testing.assert_allclose(jax.vmap(at_rate)(rates)[0], alone[0], rtol=2e-5)


@pytest.mark.slow
def test_a_sweep_across_the_border_of_the_ways_is_its_runs():
    """Points with sparse and with dense samples on one axis: each is the run of its experiment."""
    base = experiment(jaxsup.Student(6), SMALL, steps=12, batch_size=16)
    axes = {"features.density": [0.3, 1.0, 20.0], "teacher.exponent": [0.0, 1.0]}
    sweep = jaxsup.Sweep(base, axes, seeds=2)
    dataset = jaxsup.run(sweep)
    updates = dataset.attrs["updates"]
    assert "sparse samples" in updates
    assert "dense samples: a feature is active with probability 1" in updates
    for i in range(3):
        for j in range(2):
            for seed in range(2):
                run = jaxsup.simulate(sweep.experiment_at((i, j)), jax.random.key(seed))
                np.testing.assert_allclose(dataset["loss"].values[i, j, seed], run.loss, rtol=5e-5)
