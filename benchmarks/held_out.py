"""Bottleneck students of all contenders: the same start, judged on the same held-out samples.

NumPy only: both libraries' processes use it.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy import ndarray

_SAMPLES = 1024


def save_start(folder: str, **arrays: Any) -> None:
    """Leave the starting weights of the compared networks for the other contenders."""
    with (Path(folder) / "start.npz").open("wb") as file:
        np.savez(file, **arrays)


def load_start(folder: str) -> dict[str, ndarray]:
    """What `save_start` left: embedding, core, bias and exponents, one a network."""
    with np.load(Path(folder) / "start.npz") as file:
        return {name: file[name] for name in file.files}


def frequencies(features: int, exponent: float) -> ndarray:
    """p_i = i^-a / sum_j j^-a in float64, [features]."""
    law = np.arange(1, features + 1, dtype=np.float64) ** -exponent
    return law / law.sum()


def losses(embedding: ndarray, core: ndarray, bias: ndarray, exponents: ndarray) -> ndarray:
    """1/2 E |relu(W^T B W x + c) - x|^2 over 1,024 samples of each network's law, [networks].

    The samples depend on the law alone, so that networks of two contenders see the same ones.
    """
    found = []
    for W, B, c, a in zip(embedding, core, bias, exponents, strict=True):
        rng = np.random.default_rng(0)
        shape = (_SAMPLES, W.shape[1])
        x = (rng.random(shape) < frequencies(W.shape[1], a)) * (2.0 * rng.random(shape))
        x = x.astype(np.float32)
        output = np.maximum(x @ W.T @ B.T @ W + c, 0.0)
        found.append(0.5 * np.mean(np.sum((output - x) ** 2, axis=1, dtype=np.float64)))
    return np.asarray(found)
