"""Feature laws of every family and their moments, for several files of tests."""

import numpy as np

import jaxsup
from jaxsup.experiment.features import AbstractFeatures
from jaxsup.experiment.moments import Moments

# E[v], E[v^2] of the value laws, from their definitions.
VALUE_MOMENTS = {"uniform": (1.0, 4 / 3), "unit": (1 / 2, 1 / 3), "sign": (0.0, 1.0)}


def random_covariance(count: int, rank: int, seed: int = 0) -> np.ndarray:
    factor = np.random.default_rng(seed).normal(size=(count, rank))
    return factor @ factor.T


def families(count: int) -> dict[str, AbstractFeatures]:
    laws = {
        f"power-law-{values}": jaxsup.PowerLawFeatures(count, 1.3, density=1.4, values=values)
        for values in VALUE_MOMENTS
    }
    return {
        **laws,
        "clipped": jaxsup.PowerLawFeatures(count, 1.0, density=2.5, normalize=False),
        "sparse": jaxsup.SparseFeatures(np.linspace(0.05, 1.0, count), "uniform"),
        "gaussian": jaxsup.GaussianFeatures(count, 1.2, variance=0.7),
        "correlated": jaxsup.CorrelatedFeatures(random_covariance(count, count)),
        "singular": jaxsup.CorrelatedFeatures(random_covariance(count, 2)),
        "one-active": jaxsup.OneActiveFeatures(count, 0.8),
    }


def moments_of(features: jaxsup.AbstractFeatures) -> Moments:
    moments = features.moments()
    assert moments is not None
    return moments
