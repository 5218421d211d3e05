"""What an observable is, and what it may look at: a network as it stands at a recorded step."""

import dataclasses
import functools
from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxsup._internal.serial import one_at_a_time
from jaxsup.experiment.students import Student, StudentParameters
from jaxsup.spectral import CLUSTER_TOLERANCE, FrameSpectrum, decompose


@dataclasses.dataclass
class View:
    """A network at a recorded step. What several observables need is computed once.

    Attributes:
        parameters: the arrays of the network.
        errors: expected squared error of each feature.
        loss: population loss.
        student: whose parameters these are.
        cluster_tolerance: eigenvalues closer than this share of the largest are one eigenspace.
    """

    parameters: StudentParameters
    errors: Float[Array, " features"]
    loss: Float[Array, ""]
    student: Student
    cluster_tolerance: float | None = None

    @functools.cached_property
    def spectrum(self) -> FrameSpectrum:
        """The spectrum of F = W W^T; not asked for where W = I."""
        embedding = self.parameters.embedding
        assert embedding is not None
        tolerance = self.cluster_tolerance
        tolerance = CLUSTER_TOLERANCE if tolerance is None else tolerance
        return one_at_a_time(lambda W: decompose(W, relative_tolerance=tolerance))(embedding)

    @property
    def latent(self) -> Float[Array, ""]:
        """K, the latent dimensions in use, without padding."""
        active = self.student.active
        used = self.student.latent if active is None else active
        return jnp.asarray(used).astype(self.errors.dtype)

    def without_padding(self, values: Float[Array, " latent"]) -> Float[Array, " latent"]:
        """`values`, falling, with NaN past the first K: there stand the zeros of the padding."""
        place = jnp.arange(values.shape[0], dtype=values.dtype)
        return jnp.where(place < self.latent.astype(values.dtype), values, jnp.nan)


class Observable(NamedTuple):
    """A recorded quantity: its dimensions beside the step, its label, units and formula."""

    dims: tuple[str, ...]
    long_name: str
    units: str
    measure: Callable[[View], Array]
