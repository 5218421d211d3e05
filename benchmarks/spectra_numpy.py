"""All that `jaxsup.spectral.decompose` gives, as a researcher writes it in NumPy.

Float32, K <= N. The tolerances are those of `jaxsup.spectral`: `cluster` for neighboring
eigenvalues, `rank` for zero ones, both relative to the largest.
"""

from math import sqrt
from typing import Any

import numpy as np
from numpy import ndarray

CLUSTER = 1e-4


def rank_tolerance(latent: int, features: int) -> float:
    """4 sqrt(max(K, N)) machine epsilons."""
    return 4.0 * sqrt(max(latent, features)) * float(np.finfo(np.float32).eps)


def measure_one(W: ndarray) -> dict[str, Any]:
    """F = W W^T, its eigenspaces, and every feature's place on them; W is [latent, features]."""
    F = W @ W.T
    values, vectors = np.linalg.eigh(F)
    return measure_decomposed(W, F, values[::-1], vectors[:, ::-1])


def measure_batch(Ws: ndarray) -> list[dict[str, Any]]:
    """The same with one batched product and one batched `eigh`."""
    F = Ws @ Ws.transpose(0, 2, 1)
    values, vectors = np.linalg.eigh(F)
    values, vectors = values[:, ::-1], vectors[:, :, ::-1]
    return [measure_decomposed(*parts) for parts in zip(Ws, F, values, vectors, strict=True)]


def measure_decomposed(W: ndarray, F: ndarray, values: ndarray, vectors: ndarray) -> dict[str, Any]:
    """What follows from the decomposition of one matrix, eigenvalues falling."""
    cut = rank_tolerance(*W.shape)
    rank = int(np.sum(values > cut * values[0]))
    values, vectors = values[:rank], vectors[:, :rank]
    opens = np.concatenate([[True], values[:-1] - values[1:] > CLUSTER * values[0]])
    first, label = np.flatnonzero(opens), np.cumsum(opens) - 1
    sizes = np.diff(np.append(first, rank))
    means = np.add.reduceat(values, first) / sizes
    coordinates = vectors.T @ W
    mass = np.add.reduceat(coordinates**2, first, axis=0)
    squares = np.sum(W * W, axis=0)
    retained = mass.sum(axis=0)
    represented = (squares > cut * squares.max()) & (retained > 0.5 * squares)
    measures = np.where(represented, mass / np.where(represented, retained, 1.0), 0.0)
    overlaps = np.where(represented, np.maximum(np.sum(W * (F @ W), axis=0), squares**2), 1.0)
    capacities = np.where(represented, squares**2 / overlaps, 0.0)
    entropy = -np.sum(measures * np.log(np.where(measures > 0, measures, 1.0)), axis=0)
    most = np.log(max(len(sizes), 2))
    home = (label[:, None] == np.argmax(measures, axis=0)[None, :]) & represented
    foreign = np.where(home, 0.0, coordinates)
    difference = np.diag(values - means[label]) - foreign @ coordinates.T
    residuals = np.add.reduceat(np.sum(difference**2, axis=1), first)
    return {
        "eigenvalues": means,
        "multiplicities": sizes,
        "spreads": values[first] - values[first + sizes - 1],
        "tightness": np.sqrt(residuals / (sizes * means**2)),
        "overall_tightness": np.sqrt(residuals.sum() / np.sum(sizes * means**2)),
        "measures": measures,
        "localization": np.sum(measures**2, axis=0),
        "entropy_localization": np.where(represented, 1.0 - entropy / most, 0.0),
        "capacities": capacities,
        "norms": np.sqrt(squares),
        "represented": represented,
        "saturation": capacities.sum() / max(rank, 1),
        "rank": rank,
        "basis": vectors,
    }
