"""What the updates on lists of active features share: the law, its arrivals and their room."""

import dataclasses
from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxsup.experiment.activations import is_built_in
from jaxsup.experiment.closed_forms import ClosedForm
from jaxsup.experiment.experiment import Experiment
from jaxsup.experiment.students import Student
from jaxsup.training.sampling.arrivals import SparseSampler, prepare_sampler
from jaxsup.training.sampling.laws import SparseLaw
from jaxsup.training.sampling.plan import plan_sparse, sparse_level, unsuitable_law
from jaxsup.training.updates.base import AbstractUpdate
from jaxsup.training.updates.fused import unfit_device, unfit_network
from jaxsup.training.updates.fused_trial import error_of_fused
from jaxsup.training.updates.trial import fault_of_kernels


class AbstractSparseUpdate(AbstractUpdate):
    """Updates on sparse samples (`jaxsup.training.sampling`).

    The derivative of the loss in the preactivations z is written down: 2 w_i (phi(z_i) - y_i)
    phi'(z_i) / batch. Samples without active features all have the preactivations c: those that
    the list has no rows for count through the bias alone.

    Attributes:
        level: samples have room for 2^(level / 4) arrivals each, on average.
        fused: whether gradients are computed in two kernels (`jaxsup.training.updates.fused`).
    """

    level: eqx.AbstractVar[int]
    evaluation: eqx.AbstractVar[ClosedForm | None]
    fused: eqx.AbstractVar[bool]

    @classmethod
    def unsuitable(cls, experiment: Experiment) -> str | None:
        """Why sparse samples do not suit the experiment; None: they do."""
        if experiment.gradient == "exact":
            return "gradients are exact"
        if experiment.training_set is not None:
            return "samples are of a training set"
        if experiment.sampling == "dense":
            return "dense samples were asked for"
        reason = unsuitable_law(experiment.features, int(experiment.batch_size))
        if reason is not None:
            return reason
        student = experiment.student
        if type(student) is not Student:
            return f"{type(student).__name__} is known by its outputs alone"
        if student.hidden_noise is not None:
            return "the hidden layer has noise"
        if not is_built_in(student.activation):
            return (
                f"the activation {type(student.activation).__name__} is known by its values alone"
            )
        return None

    @classmethod
    def plan(cls, experiment: Experiment) -> AbstractUpdate:
        """The update with room for the arrivals of the experiment's law."""
        assert isinstance(experiment.features, SparseLaw)
        level = sparse_level(experiment.features)
        return cls(level=level, evaluation=experiment.closed_form, fused=False)

    def prepare(self, experiment: Experiment, samples: int) -> SparseSampler:
        """The law made ready for batches of so many samples."""
        assert isinstance(experiment.features, SparseLaw)
        return prepare_sampler(experiment.features, plan_sparse(self.level, samples))

    def on(self, experiment: Experiment, device: Any) -> AbstractUpdate:
        """On a card of NVIDIA's, small networks have their gradient computed in two kernels."""
        plan = plan_sparse(self.level, int(experiment.batch_size))
        if unfit_device(device) or unfit_network(experiment, plan):
            return self
        fault = fault_of_kernels("small", error_of_fused, device)
        return self if fault else dataclasses.replace(self, fused=True)

    def products(self, experiment: Experiment, device: Any) -> str:
        """How a device multiplies, and whether gradients are computed in two kernels."""
        products = super().products(experiment, device)
        there = self.on(experiment, device)
        fused = isinstance(there, AbstractSparseUpdate) and there.fused
        return f"{products}, in two kernels" if fused else products

    def covering(self, other: AbstractUpdate) -> AbstractUpdate:
        """The one with room for more arrivals."""
        assert isinstance(other, AbstractSparseUpdate)
        return self if self.level >= other.level else other

    def identity(self, samples: int) -> dict[str, Any]:
        """Kind, version, and the sizes of a batch."""
        return super().identity(samples) | dataclasses.asdict(plan_sparse(self.level, samples))

    def describe(self) -> str:
        """What it draws, in a few words."""
        rate = plan_sparse(self.level, 1).rate
        return f"sparse samples, at most {rate:.3g} arrivals each on average"


def student_of(experiment: Experiment) -> Student:
    """The student, which is the package's own."""
    assert isinstance(experiment.student, Student)
    return experiment.student


def with_empty_samples(
    rows: Float[Array, " rows"], empty: Float[Array, ""] | float, batch: int
) -> Float[Array, " batch"]:
    """A number of each row, followed by that of the samples that have no row."""
    return jnp.concatenate([rows, jnp.full(batch - rows.size, empty, rows.dtype)])
