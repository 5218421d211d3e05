"""Expected squared errors of a network: in closed form where there is one, else from samples."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key, PyTree

from jaxsup.experiment.experiment import Experiment
from jaxsup.training.losses import evaluated_errors
from jaxsup.training.updates.base import AbstractUpdate

# Where the loss is estimated, samples are drawn so many at a time.
_DRAWN_AT_ONCE = 256


class Evaluation(NamedTuple):
    """What is known of the errors of a network.

    Attributes:
        errors: e_i = E (phi(z)_i - y_i)^2 of each feature, [features].
        loss_stderr: standard error of the loss that follows from them; NaN where they are exact.
    """

    errors: Float[Array, " features"]
    loss_stderr: Float[Array, ""]


def evaluate(
    experiment: Experiment,
    update: AbstractUpdate,
    parameters: PyTree,
    key: Key[Array, ""],
    tables: Any = None,
) -> Evaluation:
    """The errors of each feature: exact, or from the samples that `key` draws.

    Arguments:
        experiment: what is trained.
        update: how samples are drawn, and their errors computed.
        parameters: of the network.
        key: of the samples.
        tables: what `evaluation_tables` gave; default: they are made here.
    """
    if update.evaluation is None:
        return estimated_errors(experiment, update, parameters, key, tables)
    errors = evaluated_errors(update.evaluation, experiment, parameters)
    return Evaluation(errors, jnp.full((), jnp.nan, errors.dtype))


def evaluation_tables(experiment: Experiment, update: AbstractUpdate) -> Any:
    """What all estimates of an experiment have in common; None: nothing is drawn."""
    if update.evaluation is not None:
        return None
    return update.prepare(experiment, evaluation_blocks(experiment)[1])


def estimated_errors(
    experiment: Experiment,
    update: AbstractUpdate,
    parameters: PyTree,
    key: Key[Array, ""],
    tables: Any = None,
) -> Evaluation:
    """Errors averaged over the n evaluation samples that `key` draws, which are independent.

    With l_s = sum_i w_i (phi(z)_i - y_i)^2 of sample s, the loss is their mean, and its standard
    error (sum_s (l_s - mean)^2 / (n (n - 1)))^(1/2): NaN for a single sample.
    """
    blocks, drawn = evaluation_blocks(experiment)
    if tables is None:
        tables = update.prepare(experiment, drawn)

    def add_block(
        total: Float[Array, " features"], block: Int[Array, ""]
    ) -> tuple[Float[Array, " features"], tuple[Float[Array, ""], Float[Array, ""]]]:
        block_key = jax.random.fold_in(key, block)
        features, samples = update.squared_errors(experiment, tables, parameters, block_key)
        mean = jnp.mean(samples)
        return total + features, (mean, jnp.sum((samples - mean) ** 2))

    zero = jnp.zeros(experiment.features.count, jnp.result_type(float))
    total, (means, scatters) = jax.lax.scan(add_block, zero, jnp.arange(blocks))
    count = blocks * drawn
    # Within the blocks and between them: no difference of two large sums is taken.
    scatter = jnp.sum(scatters) + drawn * jnp.sum((means - jnp.mean(means)) ** 2)
    variance = scatter / count / (count - 1) if count > 1 else jnp.full_like(scatter, jnp.nan)
    return Evaluation(total / count, jnp.sqrt(variance))


def evaluation_blocks(experiment: Experiment) -> tuple[int, int]:
    """How many blocks of samples an estimate draws, and the samples of each."""
    samples = experiment.evaluation_samples
    blocks = -(-samples // _DRAWN_AT_ONCE)
    return blocks, -(-samples // blocks)
