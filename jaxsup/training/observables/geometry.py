"""Observables of the geometry: spectra of the embedding.

W is measured as it stands at the recorded step, through F = W W^T. Where W is frozen, these are the
numbers of its start at every step; where W = I they are known and nothing is decomposed; where it
is untied, W is the encoder. What a student with a frozen W learns is in
`jaxsup.training.observables.response`.

Latent dimensions that only pad the arrays do not count: spectra have NaN there.

On a CPU, matrices are decomposed one after the other (`jaxsup._internal.serial`), in `jaxsup.run`
without BLAS threads, which cost more there than they bring (`jaxsup._internal.blas`).
"""

from jaxtyping import Array, Float

from jaxsup.experiment.observables import Network, Observable
from jaxsup.spectral.frame import capacities, dimensions_per_feature, frame_potential
from jaxsup.spectral.overlap import mean_squared_cosine
from jaxsup.training.observables.frames import (
    embedding_of,
    of_each,
    of_frame,
    over_represented,
    spectrum_of,
    without_padding,
)
from jaxsup.training.observables.network import Measured


def _mean_squared_overlap(network: Network) -> Float[Array, ""]:
    """Mean of cos^2 over pairs of represented features."""
    return mean_squared_cosine(embedding_of(network), spectrum_of(network).represented)


def _dimensions(network: Network) -> Float[Array, ""]:
    W = embedding_of(network)
    return dimensions_per_feature(W) * (network.latent / W.shape[0])


GEOMETRY_OBSERVABLES: tuple[Observable, ...] = (
    Measured(
        "eigenvalues",
        ("eigenvalue",),
        "eigenvalues of F = W W^T, falling, with multiplicity",
        "squared units of W",
        of_each(
            lambda network: without_padding(network, spectrum_of(network).raw_eigenvalues),
            eigenvalues=True,
        ),
    ),
    Measured(
        "rank", (), "rank of W", "1", of_frame(None, lambda network: spectrum_of(network).rank)
    ),
    Measured(
        "eigenspaces",
        (),
        "number of eigenspaces of F",
        "1",
        of_frame(1.0, lambda network: spectrum_of(network).count),
    ),
    Measured(
        "localization",
        (),
        "localization of features on eigenspaces, mean over represented features",
        "1",
        of_frame(1.0, lambda network: over_represented(spectrum_of(network).localization, network)),
    ),
    Measured(
        "feature_localization",
        ("feature",),
        "localization of each feature, 0 if not represented",
        "1",
        of_each(lambda network: spectrum_of(network).localization),
    ),
    Measured(
        "eigenvalue_spread",
        (),
        "relative spread of F's eigenvalue over a feature, mean over represented features",
        "1",
        of_frame(
            0.0, lambda network: over_represented(spectrum_of(network).eigenvalue_spreads, network)
        ),
    ),
    Measured(
        "saturation",
        (),
        "capacity saturation sum_i D_i / rank",
        "1",
        of_frame(1.0, lambda network: spectrum_of(network).saturation),
    ),
    Measured(
        "tightness",
        (),
        "residual of tight frames on the eigenspaces, 0 = tight",
        "1",
        of_frame(0.0, lambda network: spectrum_of(network).overall_tightness),
    ),
    Measured(
        "capacities",
        ("feature",),
        "capacity D_i = |w_i|^4 / sum_j (w_i . w_j)^2",
        "dimensions",
        of_each(lambda network: capacities(embedding_of(network))),
    ),
    Measured(
        "dimensions_per_feature",
        (),
        "dimensions per feature D* = K / |W|_F^2",
        "1",
        of_frame(1.0, _dimensions),
    ),
    Measured(
        "frame_potential",
        (),
        "frame potential sum_ij (w_i . w_j)^2",
        "W to the fourth",
        of_frame(None, lambda network: frame_potential(embedding_of(network))),
    ),
    Measured(
        "mean_squared_overlap",
        (),
        "mean squared cosine of two represented features",
        "1",
        of_frame(0.0, _mean_squared_overlap),
    ),
)
