"""Experiments with their updates, and the gradient that automatic differentiation gives them."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import jaxsup
from jaxsup.experiment.experiment import initial_parameters
from jaxsup.experiment.record import Record
from jaxsup.training.losses import loss_weights, sampled_errors

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


def split(case, parameters):
    """Learned and frozen arrays."""
    return eqx.partition(parameters, case.student.trainable(parameters))


def plain_gradient(case, x, learned, frozen):
    """The gradient of the loss on samples x [batch, features] by automatic differentiation.

    Of several batches [batches, batch, features] the gradient of each.
    """
    with jax.enable_x64(True):
        wide = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), (learned, frozen))
        weights = loss_weights(case.features.count, case.importance, case.reduction)

        def loss(learned, x):
            parameters = eqx.combine(learned, wide[1])
            errors = sampled_errors(case.student, case.teacher, parameters, x)
            return jnp.sum(weights * errors)

        differentiate = jax.grad(loss)
        if x.ndim == 3:
            differentiate = jax.vmap(differentiate, (None, 0))
        return jax.tree.map(np.asarray, jax.jit(differentiate)(wide[0], jnp.asarray(x)))


def all_samples(batch):
    """The samples of a list as rows, the empty ones that it leaves out among them."""
    x = np.asarray(batch.columns(), np.float64).T
    return np.concatenate([x, np.zeros((batch.batch - batch.rows, batch.count))])


def assert_gradient_is_plain(gradient, case, x, learned, frozen):
    """It is that of the loss on samples x in float64, to float32's rounding, and not 0 anywhere."""
    expected = plain_gradient(case, x, learned, frozen)
    assert jax.tree.structure(gradient) == jax.tree.structure(expected)
    for plain in jax.tree.leaves(expected):
        assert np.abs(plain).max() > 1e-5
    assert_same_gradient(gradient, expected)


def assert_same_gradient(ours, expected):
    """They differ by float32's rounding, beside the largest entry of each array."""
    for own, theirs in zip(*map(jax.tree.leaves, (ours, expected)), strict=True):
        np.testing.assert_allclose(own, theirs, rtol=0, atol=2e-6 * np.abs(theirs).max())


def assert_errors_are_plain(estimate, case, x, parameters):
    """Errors and standard error are those of the loss on samples x in float64."""
    errors, stderr = estimate
    with jax.enable_x64(True):
        wide = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), parameters)
        outputs = np.asarray(case.student.outputs(wide, jnp.asarray(x)))
        squares = (outputs - np.asarray(case.teacher.targets(jnp.asarray(x)))) ** 2
    np.testing.assert_allclose(errors, squares.mean(axis=0), rtol=1e-5, atol=1e-9)
    weights = loss_weights(case.features.count, case.importance, case.reduction)
    losses = squares @ np.asarray(weights, np.float64)
    np.testing.assert_allclose(stderr, losses.std(ddof=1) / len(x) ** 0.5, rtol=1e-5)


def assert_gradient_is_the_mean(case, update):
    """Of 2^18 samples in float64: within 5 standard errors, from 64 batches."""
    law, key = case.features, jax.random.key(8)
    learned, frozen = split(case, initial_parameters(case, key))
    exact = update.gradient(case, update.prepare(case, 1), learned, frozen, key)
    x = np.asarray(law.sample_batch(key, 2**18), np.float64)
    batches = plain_gradient(case, x.reshape(64, -1, law.count), learned, frozen)
    for ours, pieces in zip(*map(jax.tree.leaves, (exact, batches)), strict=True):
        error = np.std(pieces, axis=0, ddof=1) / 8
        assert (np.abs(ours - np.mean(pieces, axis=0)) < 5 * error + 1e-6).all()
        assert error.max() < 0.05 * np.abs(ours).max()
