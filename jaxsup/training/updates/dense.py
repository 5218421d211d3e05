"""The plain update: samples drawn feature by feature, the loss differentiated by JAX."""

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, PyTree

from jaxsup.experiment.closed_forms import ClosedForm
from jaxsup.experiment.experiment import Experiment
from jaxsup.training.losses import loss_weights, sampled_errors, squares_of_samples
from jaxsup.training.updates.base import AbstractUpdate, SampleErrors

# Samples evaluated at a time: a replica holds few activations, and the draws can be shared.
_EVALUATED_AT_ONCE = 64


class Dense(AbstractUpdate):
    """Automatic differentiation of the loss on a batch of samples: for every experiment.

    It calls `AbstractFeatures.sample_batch`, `AbstractTeacher.targets` and
    `AbstractStudent.outputs`, so that whatever a user writes is trained right. It is the oracle of
    all other updates.
    """

    kind: ClassVar[str] = "dense"
    evaluation: ClosedForm | None = eqx.field(static=True, default=None)

    @classmethod
    def unsuitable(cls, experiment: Experiment) -> str | None:
        """Exact gradients and training sets are none of its own."""
        if experiment.training_set is not None:
            return "samples are of a training set"
        return "gradients are exact" if experiment.gradient == "exact" else None

    @classmethod
    def plan(cls, experiment: Experiment) -> AbstractUpdate:
        """The update; it has no sizes."""
        return cls(experiment.closed_form)

    def describe(self) -> str:
        """What it does, in a few words."""
        return "dense samples, the loss differentiated by JAX"

    def gradient(
        self,
        experiment: Experiment,
        tables: int,
        learned: PyTree,
        frozen: PyTree,
        key: Key[Array, ""],
    ) -> PyTree:
        """Derivative of sum_i w_i e_i, e the `sampled_errors` of a fresh batch."""
        x = experiment.features.sample_batch(key, tables)
        return loss_gradient(experiment, learned, frozen, x)

    def squared_errors(
        self, experiment: Experiment, tables: int, parameters: PyTree, key: Key[Array, ""]
    ) -> SampleErrors:
        """Squared errors of `tables` new samples, few at a time."""
        pieces = -(-tables // _EVALUATED_AT_ONCE)
        even = tables // pieces * pieces
        count = experiment.features.count
        weights = loss_weights(count, experiment.importance, experiment.reduction)
        x = experiment.features.sample_batch(key, tables)

        def add_rows(
            total: Float[Array, " features"], x: Float[Array, "rows features"]
        ) -> tuple[Float[Array, " features"], Float[Array, " rows"]]:
            squares = squares_of_samples(experiment.student, experiment.teacher, parameters, x)
            mean = jnp.mean(squares, axis=0)
            return total + mean * x.shape[0], jnp.sum(squares * weights[None, :], axis=1)

        zero = jnp.zeros(count, x.dtype)
        total, rows = jax.lax.scan(add_rows, zero, x[:even].reshape(pieces, -1, x.shape[1]))
        if even == tables:
            return SampleErrors(total, rows.ravel())
        total, others = add_rows(total, x[even:])
        return SampleErrors(total, jnp.concatenate([rows.ravel(), others]))


def loss_gradient(
    experiment: Experiment, learned: PyTree, frozen: PyTree, x: Float[Array, "batch features"]
) -> PyTree:
    """Derivative of sum_i w_i e_i in the `learned` arrays, e the `sampled_errors` of x."""

    def loss(learned: PyTree, frozen: PyTree) -> Float[Array, ""]:
        return sampled_loss(experiment, eqx.combine(learned, frozen), x)

    return jax.grad(loss)(learned, frozen)


def sampled_loss(
    experiment: Experiment, parameters: PyTree, x: Float[Array, "batch features"]
) -> Float[Array, ""]:
    """sum_i w_i e_i, e the `sampled_errors` of x."""
    count = experiment.features.count
    weights = loss_weights(count, experiment.importance, experiment.reduction)
    errors = sampled_errors(experiment.student, experiment.teacher, parameters, x)
    return jnp.sum(weights * errors)
