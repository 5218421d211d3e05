"""Observables of the spectral measures: leverage, slack, entropies, the linear law.

They are those of the embedding W through F = W W^T, see `jaxsup.training.observables.geometry`.
Means are over the represented features, and NaN where there are none.
"""

from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxsup.experiment.observables import Network, Observable
from jaxsup.spectral import FrameSpectrum
from jaxsup.spectral.measures import binned_entropies, linear_law, present_median
from jaxsup.training.observables.frames import (
    embedding_of,
    of_each,
    of_frame,
    over_represented,
    spectrum_of,
)
from jaxsup.training.observables.network import Measured


def _mean(each: Callable[[FrameSpectrum], Array]) -> Callable[[Network], Array]:
    """The mean of a quantity of each feature over those that W represents."""
    return lambda network: over_represented(each(spectrum_of(network)), network)


def _latent_saturation(network: Network) -> Float[Array, ""]:
    """sum_i D_i / K; padding is no dimension."""
    return jnp.sum(spectrum_of(network).capacities) / network.latent


def _binned_entropy(network: Network) -> Float[Array, ""]:
    spectrum = spectrum_of(network)
    return over_represented(binned_entropies(embedding_of(network), spectrum), network)


def _linear_law(network: Network) -> Float[Array, ""]:
    """Median over eigenspaces of slope x lambda; NaN where none has a line."""
    return present_median(linear_law(spectrum_of(network)).scaled_slopes)


MEASURE_OBSERVABLES: tuple[Observable, ...] = (
    Measured(
        "mean_eigenvalues",
        ("feature",),
        "mean eigenvalue of F under each feature's spectral measure, 0 if not represented",
        "squared units of W",
        of_each(lambda network: spectrum_of(network).mean_eigenvalues),
    ),
    Measured(
        "leverages",
        ("feature",),
        "leverage w_i^T F^+ w_i of each feature",
        "dimensions",
        of_each(lambda network: spectrum_of(network).leverages),
    ),
    Measured(
        "slack",
        (),
        "slack 1 - D_i / leverage, mean over represented features",
        "1",
        of_frame(0.0, _mean(lambda spectrum: spectrum.slack)),
    ),
    Measured(
        "latent_saturation",
        (),
        "capacity saturation sum_i D_i / K",
        "1",
        of_frame(1.0, _latent_saturation),
    ),
    Measured(
        "largest_projection",
        (),
        "largest share of a feature on one eigenspace, mean over represented features",
        "1",
        of_frame(1.0, _mean(lambda spectrum: spectrum.largest_projections)),
    ),
    Measured(
        "entropy",
        (),
        "entropy of spectral measures over eigenspaces, mean over represented features",
        "nats",
        of_frame(0.0, _mean(lambda spectrum: spectrum.entropies)),
    ),
    Measured(
        "binned_entropy",
        (),
        "entropy of spectral measures over 20 bins of eigenvalues, mean over represented features",
        "nats",
        of_frame(0.0, _binned_entropy),
    ),
    Measured(
        "linear_law",
        (),
        "slope of D_i against |w_i|^2 times the eigenvalue, median over eigenspaces",
        "1",
        of_frame(float("nan"), _linear_law),
    ),
)
