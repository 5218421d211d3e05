"""Updates on lists of active features, written out as columns of an array."""

from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from jaxsup.experiment.closed_forms import ClosedForm
from jaxsup.experiment.experiment import Experiment
from jaxsup.experiment.students import StudentParameters
from jaxsup.experiment.teachers import DiagonalTeacher, MatrixTeacher
from jaxsup.training.losses import weights_of
from jaxsup.training.sampling.arrivals import SparseSampler
from jaxsup.training.updates.base import SampleErrors
from jaxsup.training.updates.fused import fused_gradient
from jaxsup.training.updates.sparse import AbstractSparseUpdate, student_of, with_empty_samples


class Listed(AbstractSparseUpdate):
    """Sparse samples written out as columns: products are dense, the draws are not.

    It relies on phi(0) = 0, which holds for all activations of the package, and on linear targets:
    an empty sample without a bias has no error.
    """

    kind: ClassVar[str] = "listed"
    shares_frozen: ClassVar[bool] = False
    level: int = eqx.field(static=True)
    evaluation: ClosedForm | None = eqx.field(static=True, default=None)
    fused: bool = eqx.field(static=True, default=False)

    @classmethod
    def unsuitable(cls, experiment: Experiment) -> str | None:
        """Why sparse samples do not suit, or the target is not linear."""
        reason = super().unsuitable(experiment)
        if reason is None and type(experiment.teacher) not in (DiagonalTeacher, MatrixTeacher):
            return f"{type(experiment.teacher).__name__} is known by its targets alone"
        return reason

    def describe(self) -> str:
        """What it draws and how it computes."""
        return f"{super().describe()}, written out as columns"

    def gradient(
        self,
        experiment: Experiment,
        tables: SparseSampler,
        learned: StudentParameters,
        frozen: StudentParameters,
        key: Key[Array, ""],
    ) -> StudentParameters:
        """Derivative of the training loss on the batch that `key` draws."""
        if self.fused:
            return fused_gradient(experiment, tables, learned, frozen, key)
        batch, activation = tables.draw(key), student_of(experiment).activation
        scale = weights_of(experiment) * (2.0 / batch.batch)
        x = batch.columns()
        z, pull = jax.vjp(lambda learned: _preactivations(eqx.combine(learned, frozen), x), learned)
        slope = scale[:, None] * (activation(z) - experiment.teacher.targets(x.T).T)
        (gradient,) = pull(activation.pull_back(z, slope))
        if gradient.bias is None:
            return gradient
        bias = learned.bias
        assert bias is not None
        empty = activation.pull_back(bias, scale * activation(bias)) * (batch.batch - batch.rows)
        return eqx.tree_at(lambda g: g.bias, gradient, gradient.bias + empty)

    def squared_errors(
        self,
        experiment: Experiment,
        tables: SparseSampler,
        parameters: StudentParameters,
        key: Key[Array, ""],
    ) -> SampleErrors:
        """Squared errors of the batch that `key` draws."""
        batch, activation = tables.draw(key), student_of(experiment).activation
        weights = weights_of(experiment)
        x = batch.columns()
        outputs = activation(_preactivations(parameters, x))
        squares = (outputs - experiment.teacher.targets(x.T).T) ** 2
        features, rows = jnp.sum(squares, axis=1), jnp.sum(squares * weights[:, None], axis=0)
        if parameters.bias is None:
            return SampleErrors(features, with_empty_samples(rows, 0.0, batch.batch))
        empty = activation(parameters.bias) ** 2
        samples = with_empty_samples(rows, jnp.sum(empty * weights), batch.batch)
        return SampleErrors(features + empty * (batch.batch - batch.rows), samples)


def _preactivations(
    parameters: StudentParameters, x: Float[Array, "features batch"]
) -> Float[Array, "features batch"]:
    """V^T B W x + c for each column of x."""
    z: Any = x
    if parameters.embedding is not None:
        z = parameters.embedding @ z
    if parameters.core is not None:
        z = parameters.core @ z
    if parameters.decoder is not None:
        z = parameters.decoder.T @ z
    return z if parameters.bias is None else z + parameters.bias[:, None]
