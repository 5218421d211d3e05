"""What observables of frames share: their spectrum, and what is known where W = I."""

from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jaxsup._internal.serial import one_at_a_time
from jaxsup.experiment.observables import Network
from jaxsup.experiment.students import Student, StudentParameters
from jaxsup.spectral import FrameSpectrum, decompose
from jaxsup.spectral.spectrum import CLUSTER_TOLERANCE


def embedding_of(network: Network) -> Float[Array, "latent features"]:
    """W, where it is not the identity."""
    embedding = network.array("embedding")
    assert embedding is not None
    return embedding


def spectrum_of(network: Network) -> FrameSpectrum:
    """The spectrum of F = W W^T, decomposed once for all observables; W is not the identity."""
    return network.once("jaxsup.spectrum", lambda: decompose_frame(network, embedding_of(network)))


def decompose_frame(network: Network, R: Float[Array, "latent features"]) -> FrameSpectrum:
    """The spectrum of R R^T, with the cluster tolerance of the network's record."""
    tolerance = network.cluster_tolerance
    tolerance = CLUSTER_TOLERANCE if tolerance is None else tolerance
    return one_at_a_time(lambda R: decompose(R, relative_tolerance=tolerance))(R)


def is_student(network: Network) -> bool:
    """Whether it is a `Student` with its arrays: where one is None there, it is the identity."""
    own = isinstance(network.parameters, StudentParameters)
    return own and isinstance(network.student, Student)


def _is_identity(network: Network) -> bool:
    """Whether W = I by the student's configuration."""
    return is_student(network) and network.array("embedding") is None


def without_padding(network: Network, values: Float[Array, " latent"]) -> Float[Array, " latent"]:
    """`values`, falling, with NaN past the first K: there stand the zeros of the padding."""
    place = jnp.arange(values.shape[0], dtype=values.dtype)
    return jnp.where(place < network.latent.astype(values.dtype), values, jnp.nan)


def of_frame(
    identity: float | None, measure: Callable[[Network], Array]
) -> Callable[[Network], Array]:
    """`measure` of W as one number; where W = I, the number that is known (None: N).

    NaN for a student without an embedding.
    """

    def measure_scalar(network: Network) -> Array:
        dtype = network.errors.dtype
        if _is_identity(network):
            return jnp.asarray(network.errors.shape[0] if identity is None else identity, dtype)
        if network.array("embedding") is None:
            return jnp.asarray(jnp.nan, dtype)
        return measure(network).astype(dtype)

    return measure_scalar


def of_each(
    measure: Callable[[Network], Array], *, eigenvalues: bool = False
) -> Callable[[Network], Array]:
    """`measure` of every feature, or of every eigenvalue; where W = I, each is one.

    NaN for a student without an embedding.
    """

    def measure_each(network: Network) -> Array:
        if _is_identity(network):
            return jnp.ones_like(network.errors)
        if network.array("embedding") is None:
            size = network.student.latent if eigenvalues else network.errors.size
            return jnp.full(size, jnp.nan, network.errors.dtype)
        return measure(network)

    return measure_each


def over_represented(values: Float[Array, " features"], network: Network) -> Float[Array, ""]:
    """Mean over the features that W represents; NaN if there are none."""
    return mean_over(values, spectrum_of(network).represented)


def mean_over(
    values: Float[Array, " features"], represented: Bool[Array, " features"]
) -> Float[Array, ""]:
    """Mean over the features that are represented; NaN if there are none."""
    return jnp.sum(jnp.where(represented, values, 0.0)) / jnp.sum(represented).astype(values.dtype)
