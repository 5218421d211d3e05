"""Power laws of a feature's rank in float64 numpy, an oracle for several files of tests."""

import numpy as np


def power_law(count: int, exponent: float, *, normalize: bool = True) -> np.ndarray:
    """i^-exponent, i = 1..count, with sum 1 if normalized."""
    weights = np.arange(1, count + 1, dtype=np.float64) ** -exponent
    return weights / weights.sum() if normalize else weights
