"""Recorded steps and noisy curves for tests of fits."""

import numpy as np

LOG_STEPS = np.unique(np.round(np.logspace(0, 4, 65)))


def noisy(curve, noise, seed):
    """A curve with relative noise, one row or [seeds, steps]."""
    return curve * np.exp(noise * np.random.default_rng(seed).standard_normal(np.shape(curve)))


def seeds(count, seed=8):
    """Power laws t^-0.5 of different size with noise, [seeds, steps]."""
    rng = np.random.default_rng(seed)
    scale = np.exp(0.2 * rng.standard_normal((count, 1)))
    return noisy(scale * LOG_STEPS**-0.5, 0.05, seed + 1)
