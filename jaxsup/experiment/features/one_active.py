"""Exactly one active feature a sample."""

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from jaxsup._internal.validation import Scalar, check_choice
from jaxsup.experiment.configuration import check_exponent
from jaxsup.experiment.features.base import AbstractFeatures, check_count, power_law
from jaxsup.experiment.moments import Moments

_MOMENTS = {"unit": (0.5, 1.0 / 3.0), "one": (1.0, 1.0)}


class OneActiveFeatures(AbstractFeatures):
    """Exactly one active feature: x = v e_j, j ~ f_j with f_j = j^-a / sum_k k^-a.

    ``exponent=0`` makes j uniform. It is the limit of sparse data in which the loss of a ReLU
    autoencoder has a closed form (`jaxsup.theory.one_sparse_loss`).

    Arguments:
        count: number of features N, from 1 to 2^24.
        exponent: frequency exponent a, finite.
        values: law of v: ``"unit"`` = uniform on [0, 1], or ``"one"``, v = 1 always.

    Raises:
        ValueError: an argument is outside of its range.
    """

    kind: ClassVar[str] = "one-active"
    count: int = eqx.field(static=True)
    exponent: Scalar = 0.0
    values: str = eqx.field(static=True, default="unit")

    def __check_init__(self) -> None:
        check_count(self.count)
        check_exponent("features.exponent", self.exponent, "give the frequency exponent a")
        check_choice("features.values", self.values, _MOMENTS)

    @property
    def frequencies(self) -> Float[Array, " features"]:
        """f_j, the probability that feature j is the active one."""
        return power_law(self.count, self.exponent, normalize=True)

    def moments(self) -> Moments:
        """m_j = f_j E[v]; C = diag(f_j E[v^2]), since no two features are active together."""
        first, second = _MOMENTS[self.values]
        f = self.frequencies
        return Moments(mean=f * first, diagonal=f * second, factor=jnp.zeros_like(f))

    def sample_batch(self, key: Key[Array, ""], batch: int) -> Float[Array, "batch features"]:
        """Independent draws of x."""
        index_key, value_key = jax.random.split(key)
        index = jax.random.categorical(index_key, jnp.log(self.frequencies), shape=(batch,))
        if self.values == "one":
            return jax.nn.one_hot(index, self.count, dtype=jnp.result_type(float))
        v = jax.random.uniform(value_key, (batch,))
        return jax.nn.one_hot(index, self.count, dtype=v.dtype) * v[:, None]
