"""Updates on a training set: samples that a run draws once."""

from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, PyTree

from jaxsup.experiment.closed_forms import ClosedForm
from jaxsup.experiment.experiment import Experiment
from jaxsup.experiment.features import AbstractFeatures
from jaxsup.training.losses import noise_key
from jaxsup.training.updates.base import AbstractUpdate, SampleErrors
from jaxsup.training.updates.dense import Dense, loss_gradient, sampled_loss


class FiniteSet(AbstractUpdate):
    """Automatic differentiation of the loss on samples of a training set, or on all of it.

    The set follows from the run's key, is written out once for many updates, and is not padded: a
    scan over its size compiles a program for each. Padding would train every network on as many
    samples as the largest set has, and such scans span orders of magnitude.
    """

    kind: ClassVar[str] = "finite-set"
    evaluation: ClosedForm | None = eqx.field(static=True, default=None)

    @classmethod
    def unsuitable(cls, experiment: Experiment) -> str | None:
        """Only without a training set."""
        return "samples are fresh" if experiment.training_set is None else None

    def describe(self) -> str:
        """What it does, in a few words."""
        return "dense samples of a training set, the loss differentiated by JAX"

    def training_tables(
        self, experiment: Experiment, tables: Any, frozen: PyTree, key: Key[Array, ""]
    ) -> Float[Array, "samples features"]:
        """The training set that `key` draws."""
        del tables, frozen
        assert experiment.training_set is not None
        return draw_set(experiment.features, key, experiment.training_set)

    def gradient(
        self,
        experiment: Experiment,
        tables: Float[Array, "samples features"],
        learned: PyTree,
        frozen: PyTree,
        key: Key[Array, ""],
    ) -> PyTree:
        """Derivative of the loss on a batch of the set, or on all of it."""
        x, samples = tables, len(tables)
        if experiment.update_samples < samples:
            chosen = jax.random.randint(key, (experiment.update_samples,), 0, samples)
            x = tables.at[chosen].get(mode="promise_in_bounds")
        return loss_gradient(experiment, learned, frozen, x, noise_key(key))

    def training_loss(
        self,
        experiment: Experiment,
        tables: Float[Array, "samples features"],
        parameters: PyTree,
        key: Key[Array, ""],
    ) -> Float[Array, ""]:
        """The loss on the whole set."""
        return sampled_loss(experiment, parameters, tables, noise_key(key))

    def squared_errors(
        self, experiment: Experiment, tables: int, parameters: PyTree, key: Key[Array, ""]
    ) -> SampleErrors:
        """Squared errors of new samples of the law."""
        return Dense(self.evaluation).squared_errors(experiment, tables, parameters, key)


def draw_set(
    features: AbstractFeatures, key: Key[Array, ""], samples: int
) -> Float[Array, "samples features"]:
    """So many samples of a law; sample s depends on the key and s alone.

    Arguments:
        features: the law.
        key: of the set.
        samples: how many.
    """
    keys = jax.vmap(lambda sample: jax.random.fold_in(key, sample))(jnp.arange(samples))
    return jax.vmap(lambda own: features.sample_batch(own, 1)[0])(keys)
