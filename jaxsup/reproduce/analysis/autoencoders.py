"""Toy autoencoders over density: how figures train them, and the geometries that they learn."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from jaxsup.experiment.optimizers import AdamW
from jaxsup.experiment.record import Record
from jaxsup.geometry import Geometry, classify
from jaxsup.reproduce import toys

if TYPE_CHECKING:
    import xarray as xr

    from jaxsup.sweep.grid import Sweep

NOISE = 0.05
"""Relative noise on a feature that a name and an eigenspace forgive: that of the last batches."""
SHORTEST = 0.1
"""Features shorter than this share of the longest one are not represented."""


@dataclasses.dataclass(frozen=True)
class AutoencoderScale:
    """How large a sweep is: arguments of `jaxsup.reproduce.toys.elhage_geometry`."""

    features: int
    latent: int
    instances: int
    steps: int
    batch_size: int
    seeds: int
    optimizer: AdamW


def autoencoder_sweep(scale: AutoencoderScale, observables: Sequence[str]) -> Sweep:
    """The sweep over densities x starts, with observables along training and the last weights."""
    return toys.elhage_geometry(
        **vars(scale),
        record=Record(
            points=24,
            observables=tuple(observables),
            parameter_steps=(scale.steps,),
            evaluation_samples=4096,
            cluster_tolerance=NOISE,
        ),
    )


def last_weights(dataset: xr.Dataset) -> Float[np.ndarray, "densities seeds latent features"]:
    """W of every network at its last kept step; not finite where it diverged."""
    order = ("features.density", "seed", "latent", "feature")
    return dataset["embedding"].isel(kept_step=-1).transpose(*order).values


def classify_finite(networks: Iterable[Float[np.ndarray, "latent features"]]) -> list[Geometry]:
    """The geometry of every network that did not diverge, with `NOISE` forgiven."""
    return [
        classify(W, tolerance=NOISE, zero_tolerance=SHORTEST)
        for W in networks
        if np.isfinite(W).all()
    ]
