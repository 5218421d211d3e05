"""The gradient of the training loss, and errors from samples, by the way that suits the experiment.

Three ways, one result to rounding; the first is the oracle of the other two (`test_gradients`):

* *dense*: samples drawn feature by feature, the loss of `jaxsup.training.losses` differentiated by JAX; or
  the population loss, differentiated likewise or with its gradient by hand (`jaxsup.training.losses`);
* *sparse, listed*: samples as lists of active features (`jaxsup.training.sampling.arrivals`), written out as columns;
* *sparse, gathered*: from the same lists, W x as sums of columns of W (`jaxsup.training.updates.gathered`). Large
  networks are trained so.

With sparse samples the derivative of the loss in the preactivations is written down,
2 w_i (phi(z_i) - y_i) phi'(z_i) / batch. Samples without active features all have the
preactivations c: those that the list has no rows for count through the bias alone.
"""

from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from jaxsup.experiment.experiment import Experiment
from jaxsup.experiment.features import PowerLawFeatures
from jaxsup.experiment.students import StudentParameters
from jaxsup.experiment.teachers import DiagonalTeacher
from jaxsup.training.losses import loss_weights, population_loss, sampled_errors
from jaxsup.training.sampling.arrivals import (
    SparseBatch,
    SparseSampler,
    plan_sparse,
    prepare_sampler,
    sparse_level,
)
from jaxsup.training.updates.gathered import gathered_errors, gathered_gradient

# From so many features on, sums of columns are faster than a product with a mostly empty array.
_GATHERED_FROM = 128
# Where the loss is estimated, samples are drawn so many at a time; of dense ones, so many evaluated
# at a time: a replica holds few activations, and the draws can be shared.
EVALUATION_DRAWS = 256
EVALUATION_ROWS = 64


def way(experiment: Experiment) -> Literal["dense", "listed", "gathered"]:
    """How gradients and errors of this experiment are computed."""
    if experiment.sparse_level is None:
        return "dense"
    student = experiment.student
    gathered = (
        experiment.features.count >= _GATHERED_FROM
        and isinstance(experiment.teacher, DiagonalTeacher)
        and (student.core or student.embedding != "identity")
    )
    return "gathered" if gathered else "listed"


def describe_way(experiment: Experiment) -> str:
    """How gradients of this experiment are computed, and why, for people."""
    if experiment.loss == "population":
        return f"exact gradients of the population loss ({experiment.closed_form} closed form)"
    if experiment.sparse_level is None:
        asked = experiment.sampling == "dense"
        reason = (
            "as asked for"
            if asked
            else sparse_level(experiment.features, experiment.batch_size).reason
        )
        return f"dense samples: {reason}"
    plan = plan_sparse(experiment.sparse_level, experiment.batch_size)
    drawn = f"sparse samples, at most {plan.rate:.3g} arrivals each on average"
    if way(experiment) == "gathered":
        return f"{drawn}; W x is gathered from columns of W"
    few = experiment.features.count < _GATHERED_FROM
    reason = f"fewer than {_GATHERED_FROM} features" if few else "no diagonal teacher, or no core"
    return f"{drawn}, written out as columns: {reason}"


def make_sampler(experiment: Experiment, batch: int) -> SparseSampler | None:
    """What draws sparse batches of this size; None if samples are dense."""
    if experiment.sparse_level is None:
        return None
    assert isinstance(experiment.features, PowerLawFeatures)
    return prepare_sampler(experiment.features, plan_sparse(experiment.sparse_level, batch))


def training_gradient(
    experiment: Experiment,
    sampler: SparseSampler | None,
    learned: StudentParameters,
    rest: StudentParameters,
    key: Key[Array, ""],
) -> StudentParameters:
    """Derivative of the training loss in the `learned` arrays; `rest` are the frozen ones.

    `sampler` is `make_sampler` of the experiment and its batch size, made once for many updates.
    """
    if experiment.loss == "sampled" and sampler is not None:
        gradient = gathered_gradient if way(experiment) == "gathered" else _listed_gradient
        return gradient(experiment, sampler.draw(key), learned, rest)
    return jax.grad(_dense_loss)(learned, rest, experiment, key)


def estimated_errors(
    experiment: Experiment, key: Key[Array, ""], parameters: StudentParameters
) -> Float[Array, " features"]:
    """Squared error of each feature, averaged over the evaluation samples that `key` draws."""
    samples = experiment.record.evaluation_samples
    blocks = -(-samples // EVALUATION_DRAWS)
    drawn = -(-samples // blocks)
    sampler = make_sampler(experiment, drawn)

    def add_block(total: Float[Array, " features"], block: Array) -> tuple[Array, None]:
        block_key = jax.random.fold_in(key, block)
        if sampler is None:
            errors = _dense_errors(experiment, parameters, block_key, drawn)
        else:
            sparse = gathered_errors if way(experiment) == "gathered" else _listed_errors
            errors = sparse(experiment, parameters, sampler.draw(block_key))
        return total + errors, None

    zero = jnp.zeros(experiment.features.count, jnp.result_type(float))
    total, _ = jax.lax.scan(add_block, zero, jnp.arange(blocks))
    return total / (blocks * drawn)


def _dense_loss(
    learned: StudentParameters,
    rest: StudentParameters,
    experiment: Experiment,
    key: Key[Array, ""],
) -> Float[Array, ""]:
    parameters = eqx.combine(learned, rest)
    features, teacher, student = experiment.features, experiment.teacher, experiment.student
    weights = loss_weights(features.count, experiment.importance, experiment.reduction)
    if experiment.loss == "population":
        return population_loss(features, teacher, student, parameters, weights)
    x = features.sample_batch(key, experiment.batch_size)
    return jnp.sum(weights * sampled_errors(student, teacher, parameters, x))


def _listed_gradient(
    experiment: Experiment,
    batch: SparseBatch,
    learned: StudentParameters,
    rest: StudentParameters,
) -> StudentParameters:
    student = experiment.student
    weights = loss_weights(batch.count, experiment.importance, experiment.reduction)
    scale = weights * (2.0 / batch.batch)
    x = batch.columns()
    z, pull = jax.vjp(
        lambda learned: student.preactivations(eqx.combine(learned, rest), x), learned
    )
    slope = scale[:, None] * (student.activate(z) - experiment.teacher.targets(x.T).T)
    slope = jnp.where(z > 0, slope, 0.0) if student.activation == "relu" else slope
    (gradient,) = pull(slope)
    if gradient.bias is None:
        return gradient
    assert learned.bias is not None
    empty = scale * student.activate(learned.bias) * (batch.batch - batch.rows)
    return eqx.tree_at(lambda g: g.bias, gradient, gradient.bias + empty)


def _listed_errors(
    experiment: Experiment, parameters: StudentParameters, batch: SparseBatch
) -> Float[Array, " features"]:
    """Squared errors of each feature, summed over the batch."""
    student, x = experiment.student, batch.columns()
    outputs = student.activate(student.preactivations(parameters, x))
    squares = jnp.sum((outputs - experiment.teacher.targets(x.T).T) ** 2, axis=1)
    if parameters.bias is None:
        return squares
    return squares + student.activate(parameters.bias) ** 2 * (batch.batch - batch.rows)


def _dense_errors(
    experiment: Experiment, parameters: StudentParameters, key: Key[Array, ""], rows: int
) -> Float[Array, " features"]:
    """Squared errors of each feature, summed over `rows` new samples, few of them at a time."""
    pieces = -(-rows // EVALUATION_ROWS)
    even = rows // pieces * pieces
    x = experiment.features.sample_batch(key, rows)

    def add_rows(total: Float[Array, " features"], x: Array) -> tuple[Array, None]:
        squares = sampled_errors(experiment.student, experiment.teacher, parameters, x)
        return total + squares * x.shape[0], None

    zero = jnp.zeros(experiment.features.count, x.dtype)
    total, _ = jax.lax.scan(add_rows, zero, x[:even].reshape(pieces, -1, x.shape[1]))
    return add_rows(total, x[even:])[0] if even < rows else total
