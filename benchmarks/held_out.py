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


def sparse_samples(probabilities: ndarray, top: float) -> ndarray:
    """1,024 samples x_i = u_i v_i, u_i ~ Bernoulli(p_i), v_i ~ U[0, top], [samples, features].

    They depend on the law alone, so that networks of two contenders see the same ones.
    """
    rng = np.random.default_rng(0)
    shape = (_SAMPLES, len(probabilities))
    return ((rng.random(shape) < probabilities) * (top * rng.random(shape))).astype(np.float32)


def losses(embedding: ndarray, core: ndarray, bias: ndarray, exponents: ndarray) -> ndarray:
    """1/2 E |relu(W^T B W x + c) - x|^2 over samples of each network's law, [networks]."""
    means = []
    for W, B, c, a in zip(embedding, core, bias, exponents, strict=True):
        x = sparse_samples(frequencies(W.shape[1], a), 2.0)
        output = np.maximum(x @ W.T @ B.T @ W + c, 0.0)
        means.append(0.5 * np.mean(np.sum((output - x) ** 2, axis=1, dtype=np.float64)))
    return np.asarray(means)


def autoencoder_loss(W: ndarray, c: ndarray, x: ndarray, importance: ndarray | float) -> float:
    """Mean over samples and features of importance (relu(W^T W x + c) - x)^2; W is [K, N]."""
    squares = (np.maximum(x @ W.T @ W + c, 0.0) - x) ** 2
    return float(np.mean(importance * squares, dtype=np.float64))
