"""What every law of features offers, and the power law that several share."""

import abc
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from jaxsup._internal.validation import Scalar, check_positive_integer
from jaxsup.experiment.configuration import Configuration
from jaxsup.experiment.moments import Moments

MOST_FEATURES = 2**24
"""Largest number of features: float32 numbers no more of them one by one."""


class AbstractFeatures(Configuration):
    """A distribution of feature vectors x of length `count`.

    A law of one's own gives `count` and `sample_batch`, and `moments` where they are known: with
    them, linear students are evaluated exactly.

    Attributes:
        count: number of features N.
        kind: name in a TOML file; needed by the package's own laws only.
    """

    section: ClassVar[str] = "features"
    count: eqx.AbstractVar[int]
    kind: ClassVar[str]

    @abc.abstractmethod
    def sample_batch(self, key: Key[Array, ""], batch: int) -> Float[Array, "batch features"]:
        """Independent draws of x."""

    def moments(self) -> Moments | None:
        """Exact first and second moments; None where they are not known."""
        return None


def check_count(count: object) -> None:
    """Check the number of features.

    Raises:
        ValueError: it is none from 1 to 2^24.
    """
    advice = "give the number N of features"
    check_positive_integer("features.count", count, advice, most=MOST_FEATURES)


def power_law(count: int, exponent: Scalar, *, normalize: bool) -> Float[Array, " features"]:
    """i^-a for i = 1..N, divided by its sum if asked.

    Raises:
        ValueError: `count` is no integer from 1 to 2^24.
    """
    check_count(count)
    dtype = jnp.result_type(float)
    logs = -jnp.asarray(exponent, dtype) * jnp.log(jnp.arange(1, count + 1, dtype=dtype))
    if not normalize:
        return jnp.exp(logs)
    # Relative to the largest, which is the first for a >= 0: i^-a itself may be beyond the dtype.
    weights = jnp.exp(logs - jax.lax.stop_gradient(jnp.max(logs)))
    return weights / jnp.sum(weights)
