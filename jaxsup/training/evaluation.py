"""Expected squared errors of a network: in closed form where there is one, else from samples."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key, PyTree

from jaxsup.experiment.experiment import Experiment
from jaxsup.training.losses import evaluated_errors
from jaxsup.training.updates.base import AbstractUpdate

# Where the loss is estimated, samples are drawn so many at a time.
_DRAWN_AT_ONCE = 256


def expected_errors(
    experiment: Experiment, update: AbstractUpdate, parameters: PyTree, key: Key[Array, ""]
) -> Float[Array, " features"]:
    """e_i = E (phi(z)_i - y_i)^2 of each feature: exact, or from the samples that `key` draws."""
    if update.evaluation is not None:
        return evaluated_errors(update.evaluation, experiment, parameters)
    return estimated_errors(experiment, update, parameters, key)


def estimated_errors(
    experiment: Experiment, update: AbstractUpdate, parameters: PyTree, key: Key[Array, ""]
) -> Float[Array, " features"]:
    """Squared error of each feature, averaged over the evaluation samples that `key` draws."""
    blocks, drawn = evaluation_blocks(experiment)
    tables = update.prepare(experiment, drawn)

    def add_block(total: Float[Array, " features"], block: Int[Array, ""]) -> tuple[Array, None]:
        block_key = jax.random.fold_in(key, block)
        return total + update.squared_errors(experiment, tables, parameters, block_key), None

    zero = jnp.zeros(experiment.features.count, jnp.result_type(float))
    total, _ = jax.lax.scan(add_block, zero, jnp.arange(blocks))
    return total / (blocks * drawn)


def evaluation_blocks(experiment: Experiment) -> tuple[int, int]:
    """How many blocks of samples an estimate draws, and the samples of each."""
    samples = experiment.record.evaluation_samples
    blocks = -(-samples // _DRAWN_AT_ONCE)
    return blocks, -(-samples // blocks)
