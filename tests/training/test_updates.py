"""Updates against automatic differentiation in float64, the choice among them, and whole runs."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import jaxsup
from jaxsup.experiment.experiment import initial_parameters
from jaxsup.experiment.record import Record
from jaxsup.training.evaluation import estimated_errors
from jaxsup.training.losses import loss_weights, sampled_errors
from jaxsup.training.updates import (
    Dense,
    Gathered,
    Listed,
    Population,
    TiedClosedForm,
    choose_update,
    explain_update,
)

STUDENTS = {
    "frozen": jaxsup.Student(12, core_scale=0.3, bias_scale=0.2),
    "frozen, linear": jaxsup.Student(12, core_scale=0.3, bias_scale=0.2, activation="identity"),
    "no bias": jaxsup.Student(12, core_scale=0.3, bias=False),
    "tied": jaxsup.Student(12, "learned", core_scale=0.3, bias_scale=0.2),
    "untied": jaxsup.Student(12, "untied", core_scale=0.3, bias_scale=0.2),
    "autoencoder": jaxsup.Student(12, "learned", core=False, bias_scale=0.2),
    "leaky": jaxsup.Student(12, core_scale=0.3, bias_scale=0.2, activation=jaxsup.LeakyReLU(0.3)),
    "gelu": jaxsup.Student(12, core_scale=0.3, bias_scale=0.2, activation="gelu"),
    "abs, no bias": jaxsup.Student(12, "untied", core_scale=0.3, bias=False, activation="abs"),
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
    """Experiments with sparse samples, each with its update."""
    for case in experiments():
        (trained,) = case.values
        assert isinstance(trained, jaxsup.Experiment)
        yield pytest.param(trained, choose_update(trained), id=case.id)
    for count in (SMALL, LARGE):
        trained = experiment(jaxsup.Student(7, core_scale=0.3, bias_scale=0.2), count)
        padded = eqx.tree_at(lambda e: e.student, trained, trained.student.padded(12))
        yield pytest.param(padded, choose_update(trained), id=f"padded, {count}")


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


def split(case, parameters):
    """Learned and frozen arrays."""
    return eqx.partition(parameters, case.student.trainable(parameters))


def all_samples(batch):
    """The samples of a list as rows, the empty ones that it leaves out among them."""
    x = np.asarray(batch.columns(), np.float64).T
    return np.concatenate([x, np.zeros((batch.batch - batch.rows, batch.count))])


@pytest.fixture
def one_by_one(monkeypatch):
    """Networks go one by one, however small."""
    monkeypatch.setattr("jaxsup._internal.batching._LARGE", 1)


def in_tiles(update):
    """The update with tiles of eight samples."""
    return dataclasses.replace(update, tile_bytes=8 * LARGE, learned_tile_bytes=8 * LARGE)


def gathered_cases():
    return [case for case in cases() if isinstance(case.values[1], Gathered)]


@pytest.mark.parametrize(("case", "update"), gathered_cases())
def test_tiles_give_the_same(case, update, one_by_one):
    test_the_sparse_gradient_is_that_of_the_plain_loss(case, in_tiles(update))
    test_sparse_errors_are_those_of_the_plain_loss(case, in_tiles(update))


@pytest.mark.slow
@pytest.mark.parametrize("embedding", ["random", "learned"])
@pytest.mark.parametrize("density", [1.0, 1e-3])
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
        errors = estimated_errors(case, update, eqx.combine(learned, frozen), key)
        return update.gradient(case, tables, learned, frozen, key), errors

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


@pytest.mark.parametrize(("case", "update"), list(cases()))
def test_the_sparse_gradient_is_that_of_the_plain_loss(case, update):
    """JAX differentiates `sampled_errors` of the same samples in float64; float32's rounding."""
    key = jax.random.key(5)
    learned, frozen = split(case, initial_parameters(case, jax.random.key(1)))
    tables = update.prepare(case, case.batch_size)
    batch = tables.draw(key)
    assert batch.rows < batch.batch  # some empty samples are not listed
    gradient = update.gradient(case, tables, learned, frozen, key)
    expected = plain_gradient(case, all_samples(batch), learned, frozen)
    assert jax.tree.structure(gradient) == jax.tree.structure(expected)
    for ours, plain in zip(jax.tree.leaves(gradient), jax.tree.leaves(expected), strict=True):
        assert np.abs(plain).max() > 1e-5
        np.testing.assert_allclose(ours, plain, rtol=0, atol=2e-6 * np.abs(plain).max())


def plain_gradient(case, x, learned, frozen):
    """The gradient of the loss on samples x [batch, features] by automatic differentiation."""
    with jax.enable_x64(True):
        wide = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), (learned, frozen))
        weights = loss_weights(case.features.count, case.importance, case.reduction)

        def loss(learned):
            parameters = eqx.combine(learned, wide[1])
            errors = sampled_errors(case.student, case.teacher, parameters, jnp.asarray(x))
            return jnp.sum(weights * errors)

        return jax.tree.map(np.asarray, jax.grad(loss)(wide[0]))


@pytest.mark.parametrize(("case", "update"), list(cases()))
def test_sparse_errors_are_those_of_the_plain_loss(case, update):
    parameters = initial_parameters(case, jax.random.key(1))
    key = jax.random.key(6)
    errors = estimated_errors(case, update, parameters, key)
    x = all_samples(update.prepare(case, 200).draw(jax.random.fold_in(key, 0)))
    with jax.enable_x64(True):
        wide = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), parameters)
        expected = np.asarray(sampled_errors(case.student, case.teacher, wide, jnp.asarray(x)))
    np.testing.assert_allclose(errors, expected, rtol=1e-5, atol=1e-9)


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
    """The mean gradient over 2^18 samples in float64: within 5 standard errors, from 64 batches."""
    student = {
        "linear": jaxsup.Student(3, "untied", core_scale=0.5, bias=bias, activation="identity"),
        "one-active": jaxsup.Student(3, "untied", core_scale=0.5, bias=bias, bias_scale=0.2),
        "tied": jaxsup.Student(3, "learned", core=False, bias=bias, bias_scale=0.2),
    }[kind]
    law = jaxsup.OneActiveFeatures(6, 0.5)
    case = experiment(student, 6, features=law, gradient="exact", importance=0.9)
    update = choose_update(case)
    assert isinstance(update, TiedClosedForm if kind == "tied" else Population)
    key = jax.random.key(8)
    learned, frozen = split(case, initial_parameters(case, key))
    exact = update.gradient(case, update.prepare(case, 1), learned, frozen, key)
    x = np.asarray(law.sample_batch(key, 2**18), np.float64)
    batches = [plain_gradient(case, piece, learned, frozen) for piece in np.split(x, 64)]
    for ours, *pieces in zip(*map(jax.tree.leaves, (exact, *batches)), strict=True):
        error = np.std(pieces, axis=0, ddof=1) / 8
        assert (np.abs(ours - np.mean(pieces, axis=0)) < 5 * error + 1e-6).all()
        assert error.max() < 0.05 * np.abs(ours).max()


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


def test_the_choice_and_its_reasons():
    frozen = STUDENTS["frozen"]
    small, large = experiment(frozen, SMALL), experiment(frozen, LARGE)
    assert isinstance(choose_update(small), Listed)
    assert isinstance(choose_update(large), Gathered)
    assert "at most 1.19 arrivals" in choose_update(small).describe()
    assert "gathered from columns" in choose_update(large).describe()
    exact = "gradients are sampled"
    assert explain_update(small) == {
        "tied": exact,
        "population": exact,
        "gathered": "fewer than 128 features",
        "listed": "",
        "dense": "",
    }

    def reason(kind, **changes):
        changed = experiment(**{"student": frozen, "count": LARGE, **changes})
        return explain_update(changed)[kind]

    matrix = jaxsup.MatrixTeacher(np.eye(LARGE))
    assert reason("gathered", teacher=matrix) == "the teacher is not diagonal"
    elementwise = jaxsup.ElementwiseTeacher("relu")
    assert (
        reason("listed", teacher=elementwise) == "ElementwiseTeacher is known by its targets alone"
    )
    assert reason("listed", sampling="dense") == "dense samples were asked for"
    gaussian = jaxsup.GaussianFeatures(LARGE, 1.5)
    assert "gaussian features are not sparse" in reason("listed", features=gaussian)
    assert reason("gathered", student=STUDENTS["gelu"]) == "phi phi' is not phi for gelu"
    assert reason("listed", student=jaxsup.HiddenLayerStudent(12)).startswith("HiddenLayerStudent")
    bias_alone = jaxsup.Student(LARGE, "identity", core=False)
    assert reason("gathered", student=bias_alone) == "neither W nor B"
    linear = {"student": STUDENTS["frozen, linear"], "gradient": "exact"}
    assert reason("tied", **linear) == "not a ReLU student on one active feature"
    assert reason("dense", **linear) == "gradients are exact"
    assert choose_update(experiment(count=LARGE, **linear)).evaluation == "linear"


class Doubled(jaxsup.Student):
    """A subclass that computes something else."""

    def outputs(self, parameters, x):
        return 2 * super().outputs(parameters, x)


class Quadratic(jaxsup.AbstractActivation):
    """An activation of one's own."""

    def __call__(self, z):
        return z**2


class Shifted(jaxsup.PowerLawFeatures):
    """A subclass whose inherited moments are wrong."""

    def sample_batch(self, key, batch):
        return super().sample_batch(key, batch) + 1.0


class Negative(jaxsup.DiagonalTeacher):
    """A subclass whose inherited matrix is wrong."""

    def targets(self, x):
        return -super().targets(x)


class Even(jaxsup.ReLU):
    """A subclass that has a gate by inheritance, wrongly."""

    def __call__(self, z):
        return jnp.abs(z)


OUTSIDE = {
    "student": {"student": Doubled(12, core_scale=0.3, bias_scale=0.2)},
    "linear student": {"student": Doubled(12, core_scale=0.3, activation="identity")},
    "activation": {"student": jaxsup.Student(12, core_scale=0.3, activation=Quadratic())},
    "inherited gate": {"student": jaxsup.Student(12, core_scale=0.3, activation=Even())},
    "law": {"features": Shifted(LARGE, 1.2)},
    "linear, law": {
        "features": Shifted(LARGE, 1.2),
        "student": jaxsup.Student(12, core_scale=0.3, activation="identity"),
    },
    "linear, teacher": {
        "teacher": Negative(0.5),
        "student": jaxsup.Student(12, core_scale=0.3, activation="identity"),
    },
    "teacher": {"teacher": Negative(0.5)},
}


@pytest.mark.parametrize("name", OUTSIDE)
def test_what_the_package_does_not_know_is_trained_densely_and_right(name):
    """A subclass may compute anything: gradient and errors are those of its own methods."""
    case = experiment(**{"student": STUDENTS["frozen"], "count": LARGE, **OUTSIDE[name]})
    update = choose_update(case)
    assert update == Dense(None)
    key = jax.random.key(4)
    parameters = initial_parameters(case, key)
    learned, frozen = split(case, parameters)
    gradient = update.gradient(case, case.batch_size, learned, frozen, key)
    x = np.asarray(case.features.sample_batch(key, case.batch_size), np.float64)
    expected = plain_gradient(case, x, learned, frozen)
    for ours, plain in zip(jax.tree.leaves(gradient), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(ours, plain, rtol=0, atol=4e-6 * np.abs(plain).max())
    errors = estimated_errors(case, update, parameters, key)
    block = case.features.sample_batch(jax.random.fold_in(key, 0), 200)
    outputs = np.asarray(case.student.outputs(parameters, block), np.float64)
    squares = (outputs - np.asarray(case.teacher.targets(block))) ** 2
    np.testing.assert_allclose(errors, squares.mean(axis=0), rtol=2e-5, atol=1e-9)


def test_exact_gradients_of_what_the_package_does_not_know_are_refused():
    for name in ("linear student", "linear, law", "linear, teacher"):
        with pytest.raises(ValueError, match=r"gradient: expected 'sampled'"):
            experiment(
                **{"student": STUDENTS["frozen"], "count": LARGE, **OUTSIDE[name]},
                gradient="exact",
            )


@pytest.mark.parametrize(
    "features", [jaxsup.GaussianFeatures(64, 1.5), jaxsup.PowerLawFeatures(64, 1.5, density=50)]
)
def test_sparse_samples_of_a_law_that_does_not_suit_are_refused(features):
    case = experiment(STUDENTS["frozen"], 64, features=features, sampling="sparse")
    refusal = r"sampling: expected 'auto' or 'dense'; got an experiment that does not suit it: "
    for start in (choose_update, jaxsup.Sweep, lambda e: jaxsup.simulate(e, jax.random.key(0))):
        with pytest.raises(ValueError, match=refusal):
            start(case)
    with pytest.raises(ValueError, match=r"sampling: expected one of"):
        experiment(STUDENTS["frozen"], 64, features=features, sampling="none")


@pytest.mark.slow
def test_a_run_is_the_same_jitted_vmapped_and_alone():
    """The law is looked at where its numbers are known, or by whoever hands on the update."""
    case = experiment(jaxsup.Student(12), SMALL, steps=20, batch_size=16)
    keys = jax.vmap(jax.random.key)(jnp.arange(3))
    alone = [jaxsup.simulate(case, key).loss for key in keys]
    closed = jax.jit(lambda key: jaxsup.simulate(case, key).loss)
    together = jax.vmap(jaxsup.simulate, in_axes=(None, 0))(case, keys).loss
    rates = jnp.asarray([0.1, 0.2])

    def at_rate(rate):
        faster = dataclasses.replace(case, optimizer=jaxsup.SGD(rate))
        return jaxsup.simulate(faster, keys[0]).loss

    np.testing.assert_array_equal(np.stack(alone), np.stack([closed(key) for key in keys]))
    np.testing.assert_allclose(together, np.stack(alone), rtol=2e-5)
    np.testing.assert_allclose(jax.vmap(at_rate)(rates)[0], alone[0], rtol=2e-5)
    handed = jax.jit(jaxsup.simulate)(case, keys[0], choose_update(case)).loss
    np.testing.assert_array_equal(handed, alone[0])
    with pytest.warns(UserWarning, match=r"simulate: the feature law is traced.*choose_update"):
        traced = jax.jit(jaxsup.simulate)(case, keys[0]).loss
    dense = dataclasses.replace(case, sampling="dense")
    np.testing.assert_allclose(traced, jaxsup.simulate(dense, keys[0]).loss, rtol=2e-5)


def test_changing_a_field_is_the_same_however_it_is_done():
    """equinox.tree_at, dataclasses.replace and a new experiment give the same run to the bit."""
    base = experiment(jaxsup.Student(12), LARGE, steps=10, batch_size=16)
    fresh = experiment(
        jaxsup.Student(12),
        LARGE,
        steps=10,
        batch_size=16,
        features=jaxsup.PowerLawFeatures(LARGE, 1.2, 3.0),
    )
    denser = dataclasses.replace(base.features, density=3.0)
    key = jax.random.key(0)
    expected = jaxsup.simulate(fresh, key).loss
    assert np.isfinite(expected).all()
    for changed in (
        eqx.tree_at(lambda e: e.features.density, base, 3.0),
        dataclasses.replace(base, features=denser),
    ):
        np.testing.assert_array_equal(jaxsup.simulate(changed, key).loss, expected)


def test_a_sweep_across_the_border_of_two_updates_is_its_runs():
    """Points with sparse and with dense samples on one axis: each is the run of its experiment."""
    base = experiment(jaxsup.Student(6), SMALL, steps=12, batch_size=16)
    axes = {"features.density": [0.3, 1.0, 20.0], "teacher.exponent": [0.0, 1.0]}
    sweep = jaxsup.Sweep(base, axes, seeds=2)
    dataset = jaxsup.run(sweep)
    updates = dataset.attrs["updates"]
    assert "sparse samples" in updates
    assert "a feature is active with probability 1" in updates
    for i in range(3):
        for j in range(2):
            for seed in range(2):
                run = jaxsup.simulate(sweep.experiment_at((i, j)), jax.random.key(seed))
                np.testing.assert_allclose(dataset["loss"].values[i, j, seed], run.loss, rtol=5e-5)
