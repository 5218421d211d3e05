"""Updates on lists of active features, W x as a sum of columns of W. Large students are trained so.

With preactivations z = V^T h + c, h = B W x, the residuals of a batch are a dense array less few
entries (`jaxsup.training.updates.residuals`). With W = V = I no product is left: B x is a sum of
columns of B.
"""

import dataclasses
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from jaxsup.experiment.closed_forms import ClosedForm
from jaxsup.experiment.experiment import Experiment
from jaxsup.experiment.students import Student, StudentParameters
from jaxsup.experiment.teachers import DiagonalTeacher
from jaxsup.training.losses import weights_of
from jaxsup.training.sampling.arrivals import SparseBatch, SparseSampler
from jaxsup.training.updates.base import AbstractUpdate, SampleErrors
from jaxsup.training.updates.columns import sums_of_columns
from jaxsup.training.updates.fused import fused_gradient
from jaxsup.training.updates.halved import HalvedTables, halved_gradient, halved_tables, unfit
from jaxsup.training.updates.halved_trial import error_of_halved
from jaxsup.training.updates.residuals import Slopes, SlopesPass, SquaresPass, Terms
from jaxsup.training.updates.sparse import AbstractSparseUpdate, student_of, with_empty_samples
from jaxsup.training.updates.trial import fault_of_kernels

# From so many features on, sums of columns are faster than a product with a mostly empty array.
_FEWEST_FEATURES = 128


class Gathered(AbstractSparseUpdate):
    """Sparse samples whose columns of W are gathered and summed.

    It relies on a diagonal teacher and on an activation with a gate: phi phi' = phi.

    Attributes:
        level: samples have room for 2^(level / 4) arrivals each, on average.
        evaluation: closed form of the recorded loss, if any.
        halved: whether products are of float16 (`jaxsup.training.updates.halves`).
        tile_bytes: bytes of z in a tile, about.
        learned_tile_bytes: the same where V learns: each tile adds to all of its gradient, so that
            fewer of them pay.
    """

    kind: ClassVar[str] = "gathered"
    level: int = eqx.field(static=True)
    evaluation: ClosedForm | None = eqx.field(static=True, default=None)
    fused: bool = eqx.field(static=True, default=False)
    halved: bool = eqx.field(static=True, default=False)
    tile_bytes: int = eqx.field(static=True, default=2**18)
    learned_tile_bytes: int = eqx.field(static=True, default=3 * 2**18)

    @classmethod
    def unsuitable(cls, experiment: Experiment) -> str | None:
        """Why sparse samples do not suit, or their columns are not worth gathering."""
        reason = super().unsuitable(experiment)
        if reason is not None:
            return reason
        student = experiment.student
        assert isinstance(student, Student)
        if student.activation.gate is None:
            return f"phi phi' is not phi for {student.activation.kind}"
        if type(experiment.teacher) is not DiagonalTeacher:
            return "the teacher is not diagonal"
        if experiment.features.count < _FEWEST_FEATURES:
            return f"fewer than {_FEWEST_FEATURES} features"
        if not student.core and student.embedding == "identity":
            return "neither W nor B"
        return None

    def describe(self) -> str:
        """What it draws and how it computes."""
        return f"{super().describe()}; W x is gathered from columns of W"

    def on(self, experiment: Experiment, device: Any) -> AbstractUpdate:
        """On a card of NVIDIA's, small networks have two kernels, large ones float16 products."""
        update = super().on(experiment, device)
        if update is not self or unfit(experiment, device):
            return update
        fault = fault_of_kernels("large", error_of_halved, device)
        return update if fault else dataclasses.replace(self, halved=True)

    def products(self, experiment: Experiment, device: Any) -> str:
        """How a device multiplies."""
        there = self.on(experiment, device)
        if isinstance(there, Gathered) and there.halved:
            return "three passes of float16 halves"
        return super().products(experiment, device)

    def training_tables(
        self,
        experiment: Experiment,
        tables: SparseSampler,
        frozen: StudentParameters,
        key: Key[Array, ""],
    ) -> SparseSampler | HalvedTables:
        """The sampler, and where products are of float16 the frozen V in halves."""
        tables = super().training_tables(experiment, tables, frozen, key)
        if not self.halved:
            return tables
        assert frozen.decoder is not None
        return halved_tables(tables, frozen.decoder)

    def gradient(
        self,
        experiment: Experiment,
        tables: SparseSampler | HalvedTables,
        learned: StudentParameters,
        frozen: StudentParameters,
        key: Key[Array, ""],
    ) -> StudentParameters:
        """Derivative of the training loss on the batch that `key` draws."""
        if isinstance(tables, HalvedTables):
            return halved_gradient(experiment, tables, learned, frozen, key)
        if self.fused:
            return fused_gradient(experiment, tables, learned, frozen, key)
        student, batch = student_of(experiment), tables.draw(key)
        parameters = eqx.combine(learned, frozen)
        scale = weights_of(experiment) * (2.0 / batch.batch)
        hidden, pull = jax.vjp(
            lambda learned: gathered_hidden(eqx.combine(learned, frozen), batch), learned
        )
        terms = _terms(experiment, batch, parameters, scale)
        learns = student.learns_embedding
        total = SlopesPass(
            activation=student.activation,
            gated=student.activation.gate == "positive",
            tile=_tile_rows(batch, self.learned_tile_bytes if learns else self.tile_bytes),
            size=response_bytes(batch.rows, batch.count),
            learns_readout=learns,
        )
        if parameters.decoder is None:
            slope = total.residuals(hidden, terms)
            rows = jnp.asarray(batch.rows, hidden.dtype)
            slopes = Slopes(slope, None, jnp.sum(slope, axis=0), rows)
        else:
            slopes = total(hidden, parameters.decoder, terms)
        (gradient,) = pull(slopes.hidden)
        if slopes.readout is not None:
            # The reading side; where W reads out too, pull has given the writing side.
            side = (lambda g: g.embedding) if parameters.readout is None else (lambda g: g.readout)
            gradient = eqx.tree_at(side, gradient, side(gradient) + slopes.readout)
        if learned.bias is None:
            return gradient
        empty = scale * student.activation(learned.bias) * (batch.batch - slopes.rows)
        return eqx.tree_at(lambda g: g.bias, gradient, slopes.bias + empty)

    def squared_errors(
        self,
        experiment: Experiment,
        tables: SparseSampler,
        parameters: StudentParameters,
        key: Key[Array, ""],
    ) -> SampleErrors:
        """Squared errors of the batch that `key` draws."""
        student, batch = student_of(experiment), tables.draw(key)
        weights = weights_of(experiment)
        hidden = gathered_hidden(parameters, batch)
        terms = _terms(experiment, batch, parameters, jnp.ones(batch.count, hidden.dtype))
        total = SquaresPass(
            activation=student.activation,
            gated=False,
            tile=_tile_rows(batch, self.tile_bytes),
            size=response_bytes(batch.rows, batch.count),
        )
        if parameters.decoder is None:
            squares = total.squares(total.residuals(hidden, terms), weights)
        else:
            squares = total(hidden, parameters.decoder, terms, weights)
        empty = student.activation(terms.bias) ** 2
        samples = with_empty_samples(squares.samples, jnp.sum(empty * weights), batch.batch)
        if parameters.bias is None:
            return SampleErrors(squares.features, samples)
        return SampleErrors(squares.features + empty * (batch.batch - squares.rows), samples)


def gathered_hidden(
    parameters: StudentParameters, batch: SparseBatch
) -> Float[Array, "rows latent"]:
    """B W x for each row of a sparse batch: W x is a sum of few columns of W.

    With W = I the columns are those of B, and no product is left.
    """
    inner = parameters.core if parameters.embedding is None else parameters.embedding
    assert inner is not None
    h = sums_of_columns(inner, batch)
    if parameters.embedding is None or parameters.core is None:
        return h
    return h @ parameters.core.T


def response_bytes(rows: int, count: int) -> int:
    """Bytes of z for so many samples. If they are large, a CPU holds a tile of one network's."""
    return rows * count * jnp.dtype(jnp.result_type(float)).itemsize


def _terms(
    experiment: Experiment,
    batch: SparseBatch,
    parameters: StudentParameters,
    scale: Float[Array, " features"],
) -> Terms:
    assert isinstance(experiment.teacher, DiagonalTeacher)
    gains = scale * experiment.teacher.gains(batch.count)
    pulls = gains.at[batch.feature].get(mode="promise_in_bounds") * batch.value
    bias = jnp.zeros(batch.count, pulls.dtype) if parameters.bias is None else parameters.bias
    return Terms(bias, scale, batch.row, batch.feature, pulls)


def _tile_rows(batch: SparseBatch, room: int) -> int:
    """Rows a tile, in eights: as many whole tiles as fill the usual batch, none beyond `room`."""
    tiles = -(-response_bytes(batch.usual, batch.count) // room)
    return -(-batch.usual // (8 * tiles)) * 8
