"""Spectra as a device computes them: against NumPy in float64, and where eigenvalues coincide."""

from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.accelerator.journal import Finding, at_most
from benchmarks.accelerator.stages import Surroundings
from jaxsup import spectral

# Beyond 32 x 32 libraries of accelerators take another way than below.
_SIZES = {True: (33,), False: (16, 32, 33, 64, 128)}
_EPSILON = float(np.finfo(np.float32).eps)


def _rounding(size: int) -> float:
    """What a stable algorithm may lose: a few roundings an entry of a row."""
    return (size + 32) * _EPSILON


def find(surroundings: Surroundings) -> Iterator[Finding]:
    """Of each size: plain matrices, planted eigenspaces, and batches of `eigh` itself."""
    count = 4 if surroundings.small else 32
    for size in _SIZES[surroundings.small]:
        yield from plain(size, count)
        yield from degenerate(size, count)
        yield from batched_eigh(size, count)


def plain(size: int, count: int) -> Iterator[Finding]:
    """Random W [size, 3 size]: eigenvalues and capacities, as NumPy has them in float64."""
    rng = np.random.default_rng(size)
    Ws = rng.standard_normal((count, size, 3 * size)).astype(np.float32)
    ours = spectral.decompose_batch(Ws)
    wide = Ws.astype(np.float64)
    exact = np.linalg.eigvalsh(wide @ wide.mT)[:, ::-1]
    error = np.abs(np.asarray(ours.raw_eigenvalues) - exact).max() / exact.max()
    name, note = f"{size} x {3 * size}", "bound: (K + 32) epsilon"
    yield at_most(f"{name}: eigenvalues", error, _rounding(size), "of the largest", note)
    squares = np.sum(wide**2, axis=1)
    capacities = squares**2 / np.sum((wide.mT @ wide) ** 2, axis=2)
    error = np.abs(np.asarray(ours.capacities) - capacities).max()
    yield at_most(f"{name}: capacities", error, 1e-5)
    saturation = capacities.sum(axis=1) / size
    error = np.abs(np.asarray(ours.saturation) - saturation).max()
    yield at_most(f"{name}: saturation", error, 1e-5)


def degenerate(size: int, count: int) -> Iterator[Finding]:
    """Three eigenspaces of planted tight frames, as they are and turned at random."""
    rng = np.random.default_rng(size)
    ranks = (size // 2, size // 4, size - size // 2 - size // 4)
    eigenvalues = np.asarray([4.0, 1.0, 0.25])
    for turned in (False, True):
        Ws, bases = zip(
            *(_planted(rng, ranks, eigenvalues, turned) for _ in range(count)), strict=True
        )
        ours = spectral.decompose_batch(np.stack(Ws).astype(np.float32))
        name = f"{size} x {size}, coinciding eigenvalues{', turned' if turned else ''}"
        found = np.asarray(ours.multiplicities)[:, :3]
        wrong = (np.asarray(ours.count) != 3) | (found != ranks).any(axis=1)
        yield at_most(f"{name}: matrices with other eigenspaces", wrong.sum(), 0)
        basis, labels = np.asarray(ours.basis, np.float64), np.asarray(ours.labels)
        errors = [0.0]
        for number in np.flatnonzero(~wrong):
            start = 0
            for k, rank in enumerate(ranks):
                own = basis[number][:, labels[number] == k]
                planted = bases[number][:, start : start + rank]
                errors.append(np.abs(own @ own.T - planted @ planted.T).max())
                start += rank
        # The gap of 0.75 of the smaller two is 3/16 of the largest eigenvalue.
        yield at_most(f"{name}: projectors", max(errors), 16 * _rounding(size))


def _planted(
    rng: np.random.Generator, ranks: tuple[int, ...], eigenvalues: np.ndarray, turned: bool
) -> tuple[np.ndarray, np.ndarray]:
    """W with these eigenspaces, and their bases side by side."""
    size = sum(ranks)
    basis = np.linalg.qr(rng.standard_normal((size, size)))[0] if turned else np.eye(size)
    return basis * np.sqrt(np.repeat(eigenvalues, ranks)), basis


def batched_eigh(size: int, count: int) -> Iterator[Finding]:
    """A = V L V^T with orthonormal V, for random matrices and for the identity."""
    rng = np.random.default_rng(size)
    A = rng.standard_normal((count, size, size)) / size**0.5
    A = ((A + A.mT) / 2).astype(np.float32)
    A[0] = np.eye(size)
    values, vectors = jax.jit(jax.vmap(jnp.linalg.eigh))(jnp.asarray(A))
    L, V = np.asarray(values, np.float64), np.asarray(vectors, np.float64)
    scale = np.abs(L).max()
    name, note = f"{count} of {size} x {size}: eigh", "bound: (K + 32) epsilon"
    error = np.abs((V * L[:, None, :]) @ V.mT - A).max() / scale
    yield at_most(f"{name}, V L V^T", error, _rounding(size), "of the largest", note)
    error = np.abs(V.mT @ V - np.eye(size)).max()
    yield at_most(f"{name}, orthonormal", error, _rounding(size), note=note)
