"""Observables of the geometry: spectra of the embedding.

W is measured as it stands at the recorded step, through F = W W^T. Where W is frozen, these are the
numbers of its start at every step; where W = I they are known and nothing is decomposed; where it
is untied, W is the encoder. What a student with a frozen W learns is in
`jaxsup.training.observables.response`.

Latent dimensions that only pad the arrays do not count: spectra have NaN there.

On a CPU, matrices are decomposed one after the other (`jaxsup._internal.serial`). Set
OPENBLAS_NUM_THREADS=1 before Python starts, as the `jaxsup` command does: threads inside of small
decompositions cost more than they bring.
"""

from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jaxsup._internal.serial import one_at_a_time
from jaxsup.experiment.observables import Network, Observable
from jaxsup.experiment.students import StudentParameters
from jaxsup.spectral import FrameSpectrum, decompose
from jaxsup.spectral.arrays import exact_product, normalize, or_one, safe_sqrt
from jaxsup.spectral.frame import capacities, dimensions_per_feature, frame_potential
from jaxsup.spectral.overlap import mean_squared_cosine
from jaxsup.spectral.spectrum import CLUSTER_TOLERANCE
from jaxsup.training.observables.network import Measured


def _embedding(network: Network) -> Float[Array, "latent features"]:
    """W, where it is not the identity."""
    embedding = network.array("embedding")
    assert embedding is not None
    return embedding


def embedding_spectrum(network: Network) -> FrameSpectrum:
    """The spectrum of F = W W^T, decomposed once for all observables; W is not the identity."""
    return network.once("spectrum", lambda: frame_spectrum(network, _embedding(network)))


def frame_spectrum(network: Network, R: Float[Array, "latent features"]) -> FrameSpectrum:
    """The spectrum of R R^T, with the tolerance of the network's record."""
    tolerance = network.cluster_tolerance
    tolerance = CLUSTER_TOLERANCE if tolerance is None else tolerance
    return one_at_a_time(lambda R: decompose(R, relative_tolerance=tolerance))(R)


def _is_identity(network: Network) -> bool:
    """Whether W = I by the student's configuration."""
    return isinstance(network.parameters, StudentParameters) and network.array("embedding") is None


def without_padding(network: Network, values: Float[Array, " latent"]) -> Float[Array, " latent"]:
    """`values`, falling, with NaN past the first K: there stand the zeros of the padding."""
    place = jnp.arange(values.shape[0], dtype=values.dtype)
    return jnp.where(place < network.latent.astype(values.dtype), values, jnp.nan)


def _of_frame(
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


def _of_each(
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


def mean_over_represented(
    values: Float[Array, " features"], represented: Bool[Array, " features"]
) -> Float[Array, ""]:
    """Mean over the features that are represented; NaN if there are none."""
    return jnp.sum(jnp.where(represented, values, 0.0)) / jnp.sum(represented).astype(values.dtype)


def eigenvalue_spread(
    W: Float[Array, "latent features"], represented: Bool[Array, " features"]
) -> Float[Array, ""]:
    """Mean over features of |F w - lambda w| / (lambda |w|) with lambda = w^T F w / |w|^2.

    The standard deviation of the eigenvalue under the feature's spectral measure, over its mean.

    Arguments:
        W: [latent, features].
        represented: features to take the mean over; NaN if there are none.
    """
    V, _ = normalize(W)
    F = exact_product(V, V.T)
    images, squares = exact_product(F, V), or_one(jnp.sum(V * V, axis=0))
    means = or_one(jnp.sum(V * images, axis=0) / squares)
    offsets = images - means[None, :] * V
    spreads = safe_sqrt(jnp.sum(offsets**2, axis=0) / squares) / means
    return mean_over_represented(spreads, represented)


def _mean_localization(network: Network) -> Float[Array, ""]:
    spectrum = embedding_spectrum(network)
    return mean_over_represented(spectrum.localization, spectrum.represented)


def _mean_spread(network: Network) -> Float[Array, ""]:
    return eigenvalue_spread(_embedding(network), embedding_spectrum(network).represented)


def _mean_squared_overlap(network: Network) -> Float[Array, ""]:
    """Mean of cos^2 over pairs of represented features."""
    return mean_squared_cosine(_embedding(network), embedding_spectrum(network).represented)


def _dimensions(network: Network) -> Float[Array, ""]:
    W = _embedding(network)
    return dimensions_per_feature(W) * (network.latent / W.shape[0])


GEOMETRY_OBSERVABLES: tuple[Observable, ...] = (
    Measured(
        "eigenvalues",
        ("eigenvalue",),
        "eigenvalues of F = W W^T, falling, with multiplicity",
        "squared units of W",
        _of_each(
            lambda network: without_padding(network, embedding_spectrum(network).raw_eigenvalues),
            eigenvalues=True,
        ),
    ),
    Measured(
        "rank",
        (),
        "rank of W",
        "1",
        _of_frame(None, lambda network: embedding_spectrum(network).rank),
    ),
    Measured(
        "eigenspaces",
        (),
        "number of eigenspaces of F",
        "1",
        _of_frame(1.0, lambda network: embedding_spectrum(network).count),
    ),
    Measured(
        "localization",
        (),
        "localization of features on eigenspaces, mean over represented features",
        "1",
        _of_frame(1.0, _mean_localization),
    ),
    Measured(
        "feature_localization",
        ("feature",),
        "localization of each feature, 0 if not represented",
        "1",
        _of_each(lambda network: embedding_spectrum(network).localization),
    ),
    Measured(
        "eigenvalue_spread",
        (),
        "relative spread of F's eigenvalue over a feature, mean over represented features",
        "1",
        _of_frame(0.0, _mean_spread),
    ),
    Measured(
        "saturation",
        (),
        "capacity saturation sum_i D_i / rank",
        "1",
        _of_frame(1.0, lambda network: embedding_spectrum(network).saturation),
    ),
    Measured(
        "tightness",
        (),
        "residual of tight frames on the eigenspaces, 0 = tight",
        "1",
        _of_frame(0.0, lambda network: embedding_spectrum(network).overall_tightness),
    ),
    Measured(
        "capacities",
        ("feature",),
        "capacity D_i = |w_i|^4 / sum_j (w_i . w_j)^2",
        "dimensions",
        _of_each(lambda network: capacities(_embedding(network))),
    ),
    Measured(
        "dimensions_per_feature",
        (),
        "dimensions per feature D* = K / |W|_F^2",
        "1",
        _of_frame(1.0, _dimensions),
    ),
    Measured(
        "frame_potential",
        (),
        "frame potential sum_ij (w_i . w_j)^2",
        "W to the fourth",
        _of_frame(None, lambda network: frame_potential(_embedding(network))),
    ),
    Measured(
        "mean_squared_overlap",
        (),
        "mean squared cosine of two represented features",
        "1",
        _of_frame(0.0, _mean_squared_overlap),
    ),
)
