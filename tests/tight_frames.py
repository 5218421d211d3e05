"""Matrices of every kind, planted tight frames among them, for tests of spectra."""

from functools import partial

import jax
import numpy as np

close = partial(np.testing.assert_allclose, rtol=1e-10, atol=1e-10)


def rotation(rng, size):
    return np.linalg.qr(rng.standard_normal((size, size)))[0]


def polygon(sides):
    angles = 2 * np.pi * np.arange(sides) / sides
    return np.stack([np.cos(angles), np.sin(angles)])


def simplex(dimension):
    centered = np.eye(dimension + 1) - 1 / (dimension + 1)
    return np.linalg.svd(centered)[2][:dimension] * np.sqrt((dimension + 1) / dimension)


def tetrahedron():
    """Four unit corners with cosine -1/3, as columns."""
    return np.asarray([[1, 1, -1, -1], [1, -1, 1, -1], [1, -1, -1, 1]]) / np.sqrt(3)


def pentagon_and_digon():
    """Seven features in three dimensions, and a zero column."""
    return stack(polygon(5), np.array([[1.0, -1.0]]), np.zeros((0, 1)))


def uneven_tight_frame(dimension, count, eigenvalue, seed):
    """Columns of different norms with W W^T = eigenvalue I: random ones, whitened."""
    W = np.random.default_rng(seed).standard_normal((dimension, count))
    values, vectors = np.linalg.eigh(W @ W.T)
    return np.sqrt(eigenvalue) * vectors @ np.diag(values**-0.5) @ vectors.T @ W


def harmonic(rng, dimension, count):
    """Real harmonic frame: random distinct frequencies of the cyclic group, unit columns."""
    frequencies = rng.choice(np.arange(1, (count + 1) // 2), dimension // 2, replace=False)
    angles = 2 * np.pi * frequencies[:, None] * np.arange(count)[None, :] / count
    return np.concatenate([np.cos(angles), np.sin(angles)]) * np.sqrt(2 / dimension)


def stack(*blocks):
    """Blocks in mutually orthogonal subspaces."""
    W = np.zeros([sum(b.shape[axis] for b in blocks) for axis in (0, 1)])
    row = column = 0
    for b in blocks:
        W[row : row + b.shape[0], column : column + b.shape[1]] = b
        row, column = row + b.shape[0], column + b.shape[1]
    return W


def tight_frames():
    """name -> (W, number of eigenspaces); every one saturates its rank."""
    rng = np.random.default_rng(1)
    union = stack(polygon(5), 2.0 * simplex(3), 0.5 * polygon(3), np.zeros((1, 2)), np.eye(1))
    frames = {f"{n}-gon": (polygon(n), 1) for n in (3, 4, 5, 8, 17)}
    frames |= {f"{n}-simplex": (simplex(n), 1) for n in (1, 2, 3, 7)}
    frames |= {f"harmonic {k}x{n}": (harmonic(rng, k, n), 1) for k, n in ((4, 11), (6, 16))}
    frames |= {
        "identity": (np.eye(4), 1),
        "orthogonal": (np.diag([3.0, 2.0, 2.0, 1.0]), 3),
        "digons": (stack(*[np.array([[1.0, -1.0]])] * 3), 1),
        "union": (union, 4),
        "turned union": (rotation(rng, 10) @ np.pad(union, ((0, 1), (0, 0))), 4),
        "fewer features": (np.pad(np.diag([2.0, 1.0, 1.0]), ((0, 5), (0, 0))), 2),
    }
    return frames


def pad(W, latent=10, features=17):
    """The same frame among unused dimensions and dead features: one shape, one compilation."""
    return np.pad(W, ((0, latent - W.shape[0]), (0, features - W.shape[1])))


def matrices():
    rng = np.random.default_rng(0)
    wide, tall = (4, 9), (9, 4)
    return {
        "wide": rng.standard_normal(wide),
        "tall": rng.standard_normal(tall),
        "square": rng.standard_normal((6, 6)),
        "one row": rng.standard_normal((1, 5)),
        "one column": rng.standard_normal((5, 1)),
        "deficient wide": rng.standard_normal((4, 2)) @ rng.standard_normal((2, 9)),
        "deficient tall": rng.standard_normal((9, 2)) @ rng.standard_normal((2, 4)),
        "zero wide": np.zeros(wide),
        "zero tall": np.zeros(tall),
        "dead columns": rng.standard_normal(wide) * (np.arange(9) % 3 > 0),
        "repeated": np.repeat(rng.standard_normal((4, 3)), 3, axis=1),
        "tiny": 1e-6 * rng.standard_normal(wide),
        "huge": 1e6 * rng.standard_normal(tall),
        "uneven columns": rng.standard_normal(wide) * np.logspace(-6, 6, 9),
        "pentagon": pad(polygon(5), *wide),
        "union": pad(tight_frames()["union"][0]),
    }


MATRICES, TIGHT = matrices(), tight_frames()


def host(tree):
    return jax.tree.map(np.asarray, tree)
