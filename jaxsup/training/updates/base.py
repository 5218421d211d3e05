"""What an update has to offer: its gradient, its errors, and for whom it is exact."""

import abc
from typing import Any, ClassVar, NamedTuple

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, PyTree

from jaxsup._internal.precision import PRECISIONS, PRODUCTS, products_on
from jaxsup.experiment.closed_forms import ClosedForm
from jaxsup.experiment.experiment import Experiment
from jaxsup.experiment.tables import is_outside


class SampleErrors(NamedTuple):
    """Squared errors of a batch of samples, summed in two ways.

    Attributes:
        features: (phi(z)_i - y_i)^2 of each feature, summed over the samples, [features].
        samples: sum_i w_i (phi(z)_i - y_i)^2 of each sample, [samples], w the weights of the
            loss: its mean over the samples is the loss. In no particular order.
    """

    features: Float[Array, " features"]
    samples: Float[Array, " samples"]


class AbstractUpdate(eqx.Module):
    """How the gradient of a training step, and the errors of samples, are computed.

    `jaxsup.training.updates.choose_update` makes one for an experiment. It is a static value: a
    program is compiled for it, and the store's fingerprint holds its `identity`. Each class is
    exact: it gives what automatic differentiation of the loss on the same samples gives, to
    rounding. `Dense` relies on nothing but the methods of the abstract classes; the others accept
    exactly what they were proven for.

    Attributes:
        kind: its name.
        version: raised when its numbers change.
        shares_frozen: whether the replicas of a seed may hold one copy of the arrays that are not
            learned. One W makes one wide product of many narrow ones; where samples are written
            out as columns, these are laid out anew for it, which costs more than it gives.
        evaluation: the closed form by which the recorded loss is computed; None: from samples.
    """

    kind: ClassVar[str]
    version: ClassVar[int] = 1
    shares_frozen: ClassVar[bool] = True
    evaluation: eqx.AbstractVar[ClosedForm | None]

    @classmethod
    @abc.abstractmethod
    def unsuitable(cls, experiment: Experiment) -> str | None:
        """Why it cannot be used, for people; None: it can, exactly."""

    @classmethod
    def plan(cls, experiment: Experiment) -> "AbstractUpdate":
        """The update with the sizes that the experiment needs, by default none."""
        return cls(experiment.closed_form)

    @abc.abstractmethod
    def describe(self) -> str:
        """What it does, in a few words."""

    @abc.abstractmethod
    def gradient(
        self,
        experiment: Experiment,
        tables: Any,
        learned: PyTree,
        frozen: PyTree,
        key: Key[Array, ""],
    ) -> PyTree:
        """Derivative of the training loss in the `learned` arrays, by the samples of `key`.

        Arguments:
            experiment: what is trained.
            tables: what `training_tables` returned.
            learned: arrays that are trained.
            frozen: the others.
            key: of this update.
        """

    @abc.abstractmethod
    def squared_errors(
        self, experiment: Experiment, tables: Any, parameters: PyTree, key: Key[Array, ""]
    ) -> SampleErrors:
        """Squared errors of as many fresh samples of `key` as `tables` were made for."""

    def prepare(self, experiment: Experiment, samples: int) -> Any:
        """What follows from the experiment and the number of samples, made once for many draws."""
        del experiment
        return samples

    def training_tables(
        self, experiment: Experiment, tables: Any, frozen: PyTree, key: Key[Array, ""]
    ) -> Any:
        """What a run's updates share, made once for many of them: the tables, and what it adds.

        Arguments:
            experiment: what is trained.
            tables: what `prepare` returned for its batches.
            frozen: arrays that are not trained.
            key: of what a run draws once, its training set.
        """
        del experiment, frozen, key
        return tables

    def training_loss(
        self, experiment: Experiment, tables: Any, parameters: PyTree, key: Key[Array, ""]
    ) -> Float[Array, ""]:
        """The loss on all that a run trains on; NaN where each update draws fresh samples.

        Arguments:
            experiment: what is trained.
            tables: what `training_tables` returned.
            parameters: of the network.
            key: of the network's noise, if it has any.
        """
        del experiment, tables, parameters, key
        return jnp.full((), jnp.nan, jnp.result_type(float))

    def on(self, experiment: Experiment, device: Any) -> "AbstractUpdate":
        """The update as a kind of device computes it fastest: the same numbers, to rounding.

        Arguments:
            experiment: what is trained; its numbers may be traced.
            device: what will compute.
        """
        del experiment, device
        return self

    def products(self, experiment: Experiment, device: Any) -> str:
        """How a device multiplies while it trains, in a few words.

        Arguments:
            experiment: what is trained.
            device: what computes.
        """
        return PRODUCTS[training_products(experiment, device)]

    def covering(self, other: "AbstractUpdate") -> "AbstractUpdate":
        """The update of the same class that has room for both: their settings share a program."""
        del other
        return self

    def identity(self, samples: int) -> dict[str, Any]:
        """What its numbers depend on beside the experiment, for batches of so many samples."""
        del samples
        return {"update": self.kind, "version": self.version}


def training_products(experiment: Experiment, device: Any) -> str:
    """How a device multiplies while it differentiates a loss, as JAX names it.

    Passes of fewer bits are products of float32 matrices alone: JAX gives convolutions the device's
    own, and takes whole and complex numbers for float32. What a user wrote is not asked for them.

    Arguments:
        experiment: what is trained.
        device: what computes.
    """
    parts = experiment.features, experiment.teacher, experiment.student
    if experiment.precision == "float32" and any(map(is_outside, parts)):
        return PRECISIONS["float32"]
    return products_on(device, experiment.precision)
