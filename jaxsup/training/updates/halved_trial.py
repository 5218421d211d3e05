"""A trial of the kernels of `jaxsup.training.updates.halved`: a few tiles, some partly full.

`jaxsup.training.updates.trial` runs it on the device.
"""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from jaxsup.experiment.experiment import Experiment
from jaxsup.experiment.features import PowerLawFeatures
from jaxsup.experiment.optimizers import SGD
from jaxsup.experiment.students import Student, StudentParameters
from jaxsup.experiment.teachers import DiagonalTeacher
from jaxsup.training.sampling.arrivals import SparseBatch
from jaxsup.training.updates.halved import halved_gradient, halved_tables
from jaxsup.training.updates.trial import exact_gradient, largest_error

# Tiles are full, partly full, and empty.
_FEATURES, _LATENT, _BATCH, _ROWS, _USED = 200, 150, 400, 300, 140
_ARRIVALS = 300
_CHANNEL_EXPONENT = 0.3


class Trial(NamedTuple):
    """One network and one batch.

    Attributes:
        experiment: what is trained.
        parameters: of the network, in float32.
        x: samples that hold anything, [rows, features].
        batch: the same as arrivals.
    """

    experiment: Experiment
    parameters: StudentParameters
    x: Float[np.ndarray, "rows features"]
    batch: SparseBatch

    def draw(self, key: Key[Array, ""]) -> SparseBatch:
        """The batch, whatever the key: it stands for a sampler."""
        del key
        return self.batch

    def exact(self) -> dict[str, Float[np.ndarray, "*shape"]]:
        """The gradient in float64."""
        gains = np.arange(1.0, _FEATURES + 1) ** -_CHANNEL_EXPONENT
        return exact_gradient(self.parameters, gains, self.x, _BATCH)


def make_trial() -> Trial:
    """The same network and batch always."""
    rng = np.random.default_rng(0)
    experiment = Experiment(
        PowerLawFeatures(_FEATURES, 1.5),
        DiagonalTeacher(_CHANNEL_EXPONENT),
        Student(_LATENT),
        SGD(0.1),
        batch_size=_BATCH,
    )
    W = rng.standard_normal((_LATENT, _FEATURES))
    parameters = StudentParameters(
        embedding=_single(W / np.linalg.norm(W, axis=0)),
        readout=None,
        core=_single(rng.standard_normal((_LATENT, _LATENT)) / _LATENT**0.5),
        bias=_single(0.1 * rng.standard_normal(_FEATURES)),
    )
    # Every row that is used has an arrival; a feature comes once in a row.
    row = np.sort(np.append(np.arange(_USED), rng.integers(0, _USED, _ARRIVALS - _USED)))
    feature = rng.integers(0, _FEATURES, _ARRIVALS)
    _, firsts = np.unique(row * _FEATURES + feature, return_index=True)
    active = np.isin(np.arange(_ARRIVALS), firsts)
    value = np.where(active, rng.uniform(0.1, 2, _ARRIVALS), 0.0)
    x = np.zeros((_USED, _FEATURES))
    np.add.at(x, (row, feature), value.astype(np.float32))
    room = _ARRIVALS // 10
    batch = SparseBatch(
        row=jnp.asarray(np.append(row, np.full(room, row[-1])), jnp.int32),
        feature=jnp.asarray(np.append(feature, feature[:room]), jnp.int32),
        value=jnp.asarray(np.append(value, np.zeros(room)), jnp.float32),
        active=jnp.asarray(np.append(active, np.zeros(room, bool))),
        rows=_ROWS,
        usual=_USED,
        batch=_BATCH,
        count=_FEATURES,
    )
    return Trial(experiment, parameters, x, batch)


def error_of_halved(*, interpret: bool = False) -> float:
    """The largest error of the trial's gradient, over the largest entry of its array.

    Arguments:
        interpret: whether JAX interprets the kernels.
    """
    trial, key = make_trial(), jax.random.key(0)
    mask = trial.experiment.student.trainable(trial.parameters)
    learned, frozen = eqx.partition(trial.parameters, mask)

    @jax.jit
    def gradient(learned: StudentParameters, frozen: StudentParameters) -> StudentParameters:
        assert frozen.embedding is not None
        tables = halved_tables(trial, frozen.embedding)
        return halved_gradient(trial.experiment, tables, learned, frozen, key, interpret=interpret)

    return largest_error(gradient(learned, frozen), trial.exact())


def _single(a: Float[np.ndarray, "*shape"]) -> Float[Array, "*shape"]:
    return jnp.asarray(a, jnp.float32)
