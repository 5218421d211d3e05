"""Experiments with their updates, and the gradient that automatic differentiation gives them."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import jaxsup
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
