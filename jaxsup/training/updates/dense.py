"""The plain update: samples drawn feature by feature, the loss differentiated by JAX."""

from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, PyTree

from jaxsup.experiment.closed_forms import ClosedForm
from jaxsup.experiment.experiment import Experiment
from jaxsup.training.losses import noise_key, sampled_errors, squares_of_samples, weights_of
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
        return loss_gradient(experiment, learned, frozen, x, noise_key(key))

    def squared_errors(
        self, experiment: Experiment, tables: int, parameters: PyTree, key: Key[Array, ""]
    ) -> SampleErrors:
        """Squared errors of `tables` new samples, few at a time."""
        pieces = -(-tables // _EVALUATED_AT_ONCE)
        even = tables // pieces * pieces
        count = experiment.features.count
        weights = weights_of(experiment)
        x = experiment.features.sample_batch(key, tables)

        noise = noise_key(key)

        def add_rows(
            total: Float[Array, " features"], rows: tuple[Float[Array, "rows features"], Any]
        ) -> tuple[Float[Array, " features"], Float[Array, " rows"]]:
            x, piece = rows
            own = jax.random.fold_in(noise, piece)
            squares = squares_of_samples(experiment.student, experiment.teacher, parameters, x, own)
            mean = jnp.mean(squares, axis=0)
            return total + mean * x.shape[0], jnp.sum(squares * weights[None, :], axis=1)

        zero, blocks = jnp.zeros(count, x.dtype), x[:even].reshape(pieces, -1, x.shape[1])
        total, rows = jax.lax.scan(add_rows, zero, (blocks, jnp.arange(pieces)))
        if even == tables:
            return SampleErrors(total, rows.ravel())
        total, others = add_rows(total, (x[even:], pieces))
        return SampleErrors(total, jnp.concatenate([rows.ravel(), others]))


def loss_gradient(
    experiment: Experiment,
    learned: PyTree,
    frozen: PyTree,
    x: Float[Array, "batch features"],
    noise: Key[Array, ""],
) -> PyTree:
    """Derivative of the `sampled_loss` in the `learned` arrays."""

    def loss(learned: PyTree, frozen: PyTree) -> Float[Array, ""]:
        return sampled_loss(experiment, eqx.combine(learned, frozen), x, noise)

    return jax.grad(loss)(learned, frozen)


def sampled_loss(
    experiment: Experiment,
    parameters: PyTree,
    x: Float[Array, "batch features"],
    noise: Key[Array, ""],
) -> Float[Array, ""]:
    """sum_i w_i e_i, e the `sampled_errors` of x with noise of this key, if there is any."""
    weights = weights_of(experiment)
    errors = sampled_errors(experiment.student, experiment.teacher, parameters, x, noise)
    return jnp.sum(weights * errors)
