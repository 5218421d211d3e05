"""Exact gradients of the expected loss, which has a closed form."""

from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, PyTree

from jaxsup.experiment.closed_forms import ClosedForm
from jaxsup.experiment.experiment import Experiment
from jaxsup.experiment.features import OneActiveFeatures
from jaxsup.experiment.students import Student
from jaxsup.experiment.teachers import DiagonalTeacher
from jaxsup.theory.one_sparse import one_sparse_loss
from jaxsup.training.losses import population_errors, weights_of
from jaxsup.training.updates.base import AbstractUpdate, SampleErrors


class AbstractPopulationUpdate(AbstractUpdate):
    """Updates by the gradient of sum_i w_i e_i, e the `population_errors`: no samples are drawn."""

    def squared_errors(
        self, experiment: Experiment, tables: Any, parameters: PyTree, key: Key[Array, ""]
    ) -> SampleErrors:
        """There are no samples: the evaluation is exact.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError(f"{self.kind}: errors are evaluated in closed form")


class Population(AbstractPopulationUpdate):
    """Automatic differentiation of the closed form of the expected loss."""

    kind: ClassVar[str] = "population"
    evaluation: ClosedForm | None = eqx.field(static=True)

    @classmethod
    def unsuitable(cls, experiment: Experiment) -> str | None:
        """Gradients are sampled, or the expected loss has no closed form."""
        if experiment.gradient != "exact":
            return "gradients are sampled"
        return "the expected loss has no closed form" if experiment.closed_form is None else None

    def describe(self) -> str:
        """What it does, in a few words."""
        return f"exact gradients of the population loss ({self.evaluation} closed form)"

    def gradient(
        self,
        experiment: Experiment,
        tables: Any,
        learned: PyTree,
        frozen: PyTree,
        key: Key[Array, ""],
    ) -> PyTree:
        """Derivative of the expected loss."""
        del tables, key

        def loss(learned: PyTree, frozen: PyTree) -> Float[Array, ""]:
            parameters, weights = eqx.combine(learned, frozen), weights_of(experiment)
            assert self.evaluation is not None
            errors = population_errors(self.evaluation, experiment, parameters)
            return jnp.sum(weights * errors)

        return jax.grad(loss)(learned, frozen)


class TiedClosedForm(AbstractPopulationUpdate):
    """The tied autoencoder on one active feature, its gradient written out.

    `jaxsup.theory.one_sparse_loss` has a derivative of its own, which forms no N x N array for
    every replica.
    """

    kind: ClassVar[str] = "tied"
    evaluation: ClosedForm | None = eqx.field(static=True)

    @classmethod
    def unsuitable(cls, experiment: Experiment) -> str | None:
        """Gradients are sampled, or the student is not the tied autoencoder."""
        if experiment.gradient != "exact":
            return "gradients are sampled"
        student = experiment.student
        if experiment.closed_form != "one-active" or not isinstance(student, Student):
            return "not a ReLU student on one active feature"
        if student.core or student.embedding in ("identity", "untied"):
            return "not the autoencoder with one W and no core"
        return None

    def describe(self) -> str:
        """What it does, in a few words."""
        return (
            f"exact gradients of the population loss ({self.evaluation} closed form), written out"
        )

    def gradient(
        self,
        experiment: Experiment,
        tables: Any,
        learned: PyTree,
        frozen: PyTree,
        key: Key[Array, ""],
    ) -> PyTree:
        """Derivative of the expected loss."""
        del tables, key
        weights = weights_of(experiment)
        return jax.grad(
            lambda learned: self.loss(experiment, eqx.combine(learned, frozen), weights)
        )(learned)

    @staticmethod
    def loss(
        experiment: Experiment, parameters: PyTree, weights: Float[Array, " features"]
    ) -> Float[Array, ""]:
        """sum_i weights_i e_i, with the derivative of `jaxsup.theory.one_sparse_loss`."""
        features, teacher = experiment.features, experiment.teacher
        assert isinstance(features, OneActiveFeatures)
        assert isinstance(teacher, DiagonalTeacher)
        W, bias = parameters.embedding, parameters.bias
        return one_sparse_loss(
            W,
            jnp.zeros(features.count, W.dtype) if bias is None else bias,
            importance=weights,
            gains=teacher.gains(features.count),
            frequencies=features.frequencies,
            values=features.values,
        )
