"""Observables of the loss and of the sizes of arrays, and what makes one from a function.

Norms are of what stands in phi(V^T B W x + c): where W = I, ||W||_F = sqrt(N), and where V = W,
||V||_F = ||W||_F. They are NaN for an array that the student does not have: of no core, of no bias,
and for students of other classes, of any array that goes by another name.
"""

from collections.abc import Callable

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array

from jaxsup.experiment.hidden_layer import HiddenLayerParameters
from jaxsup.experiment.observables import Network, Observable
from jaxsup.experiment.students import StudentParameters


class Measured(Observable):
    """An observable that a function measures."""

    name: str = eqx.field(static=True)
    dims: tuple[str, ...] = eqx.field(static=True)
    long_name: str = eqx.field(static=True)
    units: str = eqx.field(static=True)
    function: Callable[[Network], Array] = eqx.field(static=True)

    def measure(self, network: Network) -> Array:
        """What the function gives."""
        return self.function(network)


def _norm_of(name: str) -> Callable[[Network], Array]:
    def measure(network: Network) -> Array:
        array, parameters = network.array(name), network.parameters
        if array is None and isinstance(parameters, StudentParameters | HiddenLayerParameters):
            if name == "readout":  # V = W
                return _norm_of("embedding")(network)
            if name == "embedding":  # W = I
                return jnp.sqrt(jnp.asarray(network.errors.size, network.errors.dtype))
        return jnp.asarray(jnp.nan) if array is None else jnp.sqrt(jnp.sum(array**2))

    return measure


NETWORK_OBSERVABLES: tuple[Observable, ...] = (
    Measured("loss", (), "population loss L", "squared target units", lambda n: n.loss),
    Measured(
        "loss_stderr",
        (),
        "standard error of the loss, of each recorded step alone",
        "squared target units",
        lambda n: jnp.asarray(n.loss_stderr, n.loss.dtype),
    ),
    Measured(
        "training_loss",
        (),
        "loss on the training set",
        "squared target units",
        lambda n: jnp.asarray(n.training_loss, n.loss.dtype),
    ),
    Measured(
        "feature_error",
        ("feature",),
        "expected squared error of each feature",
        "squared target units",
        lambda n: n.errors,
    ),
    Measured("embedding_norm", (), "Frobenius norm of W", "1", _norm_of("embedding")),
    Measured("readout_norm", (), "Frobenius norm of V", "1", _norm_of("readout")),
    Measured("core_norm", (), "Frobenius norm of B", "1", _norm_of("core")),
    Measured("bias_norm", (), "Euclidean norm of c", "1", _norm_of("bias")),
)
