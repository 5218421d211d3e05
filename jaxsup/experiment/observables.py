"""What may be recorded of a network: the contract, and the names that come with the package."""

import abc
import dataclasses
import math
from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from jaxsup.experiment.abstract_student import AbstractStudent
from jaxsup.experiment.configuration import Configuration

_Value = TypeVar("_Value")

OBSERVABLE_NAMES = (
    "loss",
    "loss_stderr",
    "training_loss",
    "feature_error",
    "embedding_norm",
    "readout_norm",
    "core_norm",
    "bias_norm",
    "eigenvalues",
    "rank",
    "eigenspaces",
    "localization",
    "feature_localization",
    "eigenvalue_spread",
    "saturation",
    "tightness",
    "capacities",
    "dimensions_per_feature",
    "frame_potential",
    "mean_squared_overlap",
    "mean_eigenvalues",
    "leverages",
    "slack",
    "latent_saturation",
    "largest_projection",
    "entropy",
    "binned_entropy",
    "linear_law",
    "core_spectrum",
    "response_spectrum",
    "response_capacities",
    "response_saturation",
    "response_spread",
    "response_localization",
)
"""The observables that a name stands for; `jaxsup.training.observables` measures them."""
DIMENSIONS = ("feature", "latent", "latent_in", "eigenvalue")
"""The package's dimensions of observables and of parameters."""
DATASET_NAMES = (
    "seed",
    "step",
    "kept_step",
    "key_word",
    "key_data",
    "status",
    "last_step",
    "complete",
    "superposition_ratio",
)
"""What a dataset has of its own beside observables and parameters."""


@dataclasses.dataclass
class Network:
    """A network at a recorded step: what an observable may read.

    Attributes:
        parameters: the arrays of the network.
        errors: expected squared error of each feature.
        loss: population loss.
        student: whose parameters these are.
        cluster_tolerance: eigenvalues closer than this share of the largest are one eigenspace;
            None: the tolerance of `jaxsup.spectral`.
        loss_stderr: standard error of `loss`, NaN where it is exact: that of this loss alone.
            The samples are the same at every recorded step, so that two losses of one run err
            together: it is no error of their difference or ratio, nor of a slope.
        training_loss: loss on the training set, NaN where there is none.
    """

    parameters: PyTree
    errors: Float[Array, " features"]
    loss: Float[Array, ""]
    student: AbstractStudent
    cluster_tolerance: float | None = None
    loss_stderr: Float[Array, ""] | float = math.nan
    training_loss: Float[Array, ""] | float = math.nan
    _computed: dict[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def latent(self) -> Float[Array, ""]:
        """K, the latent dimensions in use, without padding."""
        return jnp.asarray(self.student.latent_in_use).astype(self.errors.dtype)

    def once(self, name: str, compute: Callable[[], _Value]) -> _Value:
        """What `compute` returns: computed once for all observables that ask for it by `name`."""
        if name not in self._computed:
            self._computed[name] = compute()
        return self._computed[name]

    def array(self, name: str) -> Array | None:
        """The parameters' field of this name; None where the network has none."""
        return getattr(self.parameters, name, None)


class Observable(Configuration):
    """A recorded quantity. A class of one's own gives `measure` and the four fields below.

    Fields are numbers, names and tuples, not arrays: they are part of the compiled program.

    Attributes:
        name: of the variable in the dataset.
        dims: its dimensions beside the step. ``"feature"``, ``"latent"`` and ``"eigenvalue"`` are
            those of the package; others are free.
        long_name, units: what axes of plots and attributes of the dataset say.
    """

    section: ClassVar[str] = "observables"
    name: eqx.AbstractVar[str]
    dims: eqx.AbstractVar[tuple[str, ...]]
    long_name: eqx.AbstractVar[str]
    units: eqx.AbstractVar[str]

    @abc.abstractmethod
    def measure(self, network: Network) -> Array:
        """The value, of the shape that `dims` stand for."""
