"""Outputs that never learn their feature, and whether that is for want of a gradient."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from jaxsup import Network, Observable
from jaxsup.experiment.students import StudentParameters
from jaxsup.spectral.arrays import exact_product

if TYPE_CHECKING:
    from jaxsup import AbstractFeatures

LEARNED = 0.01
"""Share of an error that the sequential learner has left where a feature was due."""
UNLEARNED = 0.9
"""Share of its first error above which a feature is not learned."""


class OwnOutput(Observable):
    """The largest z_i over samples in which feature i alone is active, x = v e_i with 0 < v <= V.

    z = R^T B W x + c, R the readout, is linear in v: max(c_i, V (R^T B W)_ii + c_i).
    Where it is not positive, a ReLU output is silent on every such sample and gets no gradient from
    it. NaN for a class of student that is not the package's.

    Attributes:
        largest: V, the largest value of a feature.
    """

    largest: float = eqx.field(static=True, default=2.0)
    name: str = eqx.field(static=True, default="own_output")
    dims: tuple[str, ...] = eqx.field(static=True, default=("feature",))
    long_name: str = eqx.field(
        static=True, default="largest preactivation of an output with its own feature alone"
    )
    units: str = eqx.field(static=True, default="target units")

    def measure(self, network: Network) -> Float[Array, " features"]:
        """One number a feature."""
        parameters = network.parameters
        if not isinstance(parameters, StudentParameters):
            return jnp.full_like(network.errors, jnp.nan)
        R, W, core = parameters.decoder, parameters.embedding, parameters.core
        inner = W if core is None or W is None else exact_product(core, W)
        if R is None or inner is None:
            response = jnp.ones_like(network.errors) if core is None else jnp.diagonal(core)
        else:
            response = jnp.sum(R * inner, axis=0)
        bias = 0.0 if parameters.bias is None else parameters.bias
        return jnp.maximum(0.0, self.largest * response) + bias


class Dead(NamedTuple):
    """Outputs of a student that did not learn, by seed.

    Attributes:
        due: features that had the time to be learned; the others are not counted.
        dead: how many of those are not learned, [seeds].
        silent: how many of the dead are silent on samples of their own feature alone, [seeds].
        share: of the last loss that is the error of dead outputs, [seeds].
    """

    due: int
    dead: Int[np.ndarray, " seeds"]
    silent: Int[np.ndarray, " seeds"]
    share: Float[np.ndarray, " seeds"]

    @property
    def fraction(self) -> Float[np.ndarray, " seeds"]:
        """Dead of due; NaN where nothing was due."""
        return self.dead / self.due if self.due else np.full(len(self.dead), np.nan)


def due_features(
    features: AbstractFeatures, learning_rate: float, steps: int
) -> Bool[np.ndarray, " features"]:
    """Where a learner that each feature drives by itself has 1% of its first error left.

    (1 - eta l_i)^(2 T) <= 0.01 with l_i = Var x_i, the smaller of the two moments: the law of the
    linear student without superposition.

    Arguments:
        features: with known moments.
        learning_rate: eta, below 1 / l_1.
        steps: T.
    """
    moments = features.moments()
    assert moments is not None
    variances = np.asarray(moments.diagonal, np.float64)
    return (1 - learning_rate * variances) ** (2 * steps) <= LEARNED


def count_dead(
    errors: Float[np.ndarray, "seeds steps features"],
    own: Float[np.ndarray, "seeds features"],
    due: Bool[np.ndarray, " features"],
) -> Dead:
    """Features that were due and whose last error is above 90% of their first.

    Arguments:
        errors: expected squared error of each feature, the first and the last of it at the ends.
        own: `OwnOutput` at the end.
        due: result of `due_features`.
    """
    first, last = errors[:, 0], errors[:, -1]
    dead = (last > UNLEARNED * first) & due
    whole = last.sum(axis=1)
    lost = np.where(dead, last, 0.0).sum(axis=1)
    share = np.divide(lost, whole, out=np.zeros_like(whole), where=whole > 0)
    return Dead(int(due.sum()), dead.sum(axis=1), (dead & (own <= 0)).sum(axis=1), share)
