"""A trial of the kernels of `jaxsup.training.updates.fused`: some networks, a few tiles of samples.

`jaxsup.training.updates.trial` runs it on the device.
"""

import functools

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Float, Key

from jaxsup.experiment.experiment import Experiment, initial_parameters
from jaxsup.experiment.features import PowerLawFeatures
from jaxsup.experiment.optimizers import SGD
from jaxsup.experiment.students import Student, StudentParameters
from jaxsup.experiment.teachers import DiagonalTeacher
from jaxsup.training.sampling.arrivals import prepare_sampler
from jaxsup.training.sampling.plan import plan_sparse, sparse_level
from jaxsup.training.updates.fused import fused_gradient
from jaxsup.training.updates.trial import exact_gradient, largest_error

_NETWORKS = 3
# Features, latent dimensions and samples. The number of features is no power of two, and the last
# tile of samples is partly full. The first is a warp's, its samples are drawn by half of one; the
# second, as large as any, is for two warps, its samples and arrivals are drawn in two turns.
_CASES = (50, 12, 20), (100, 16, 70)
_CHANNEL_EXPONENT = 0.3


def error_of_fused(*, interpret: bool = False) -> float:
    """The largest error of the trial's gradients, over the largest entry of their array.

    Samples are drawn by the kernel, and once more by the sampler, for NumPy.

    Arguments:
        interpret: whether JAX interprets the kernel.
    """
    return max(_error_of(*case, interpret=interpret) for case in _CASES)


def _error_of(count: int, latent: int, batch: int, *, interpret: bool) -> float:
    """The largest error of networks of one size."""
    features = PowerLawFeatures(count, 1.2)
    experiment = Experiment(
        features,
        DiagonalTeacher(_CHANNEL_EXPONENT),
        Student(latent, core_scale=0.3, bias_scale=0.2),
        SGD(0.1),
        batch_size=batch,
    )
    keys = jax.random.split(jax.random.key(0), _NETWORKS)
    parameters = jax.vmap(functools.partial(initial_parameters, experiment))(keys)
    tables = prepare_sampler(features, plan_sparse(sparse_level(features), batch))
    learned, frozen = eqx.partition(parameters, experiment.student.trainable(parameters))

    def train(
        learned: StudentParameters, frozen: StudentParameters, key: Key[Array, ""]
    ) -> tuple[StudentParameters, Float[Array, "features rows"]]:
        gradient = fused_gradient(experiment, tables, learned, frozen, key, interpret=interpret)
        return gradient, tables.draw(key).columns()

    gradients, columns = jax.jit(jax.vmap(train))(learned, frozen, keys)
    gains, errors = np.arange(1.0, count + 1) ** -_CHANNEL_EXPONENT, []
    for network in range(_NETWORKS):
        own, found = jax.tree.map(lambda a: a[network], (parameters, gradients))  # noqa: B023
        x = np.asarray(columns[network], np.float64).T
        errors.append(largest_error(found, exact_gradient(own, gains, x, batch)))
    return max(errors)
