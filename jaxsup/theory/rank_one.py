"""Eigenvalues of a diagonal matrix plus one of rank one, and how a vector's entries weigh on them.

In O(N^2) time and O(N) memory, where a dense eigenproblem takes O(N^3) and O(N^2): seconds and
megabytes at N = 16,384. Host numpy in double precision.
"""

import functools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

_HELD = 1 << 16  # entries of the matrix root by pole that are held at once; they fit in a cache
_NEGLIGIBLE = 1e-30  # share of its own entry that a feature's coupling adds to it
_ACCURATE = 1e-13  # last relative step; the ones before were the square root of it, or longer
_MOST = 100  # steps; halving alone takes 60


class Modes(NamedTuple):
    """Eigenvalues, and what each has of the given entries; modes of one eigenvalue are one.

    Attributes:
        values: lambda_k, in no order.
        energies: sum_i e_i q_ik^2 with the eigenvectors q_k; their sum is that of e.
    """

    values: Float[np.ndarray, " modes"]
    energies: Float[np.ndarray, " modes"]


class _Roots(NamedTuple):
    """Roots of the secular equation, each as its distance from the nearest pole.

    The difference of root and pole, which eigenvectors are made of, keeps all its digits so.

    Attributes:
        origin: the pole that is near.
        sign: 1 where the root lies above it, -1 where below.
        distance: of the root from it, > 0.
    """

    origin: Float[np.ndarray, " roots"]
    sign: Float[np.ndarray, " roots"]
    distance: Float[np.ndarray, " roots"]


def rank_one_modes(
    diagonal: Float[np.ndarray, " entries"],
    factor: Float[np.ndarray, " entries"],
    entries: Float[np.ndarray, " entries"],
) -> Modes:
    """The modes of diag(d) + z z^T: q_ik ~ z_i / (d_i - lambda_k), f(lambda_k) = 0.

    f(lambda) = 1 + sum_i z_i^2 / (d_i - lambda) rises between each two poles d_i from -infinity to
    infinity. The problems solved last are remembered.

    Arguments:
        diagonal: d >= 0.
        factor: z.
        entries: e.

    Returns:
        The modes, with eigenvalues and energies to some 1e-12 of themselves.

    >>> modes = rank_one_modes(np.zeros(2), np.ones(2), np.asarray([3.0, 1.0]))
    >>> modes.values.tolist(), modes.energies.tolist()
    ([0.0, 2.0], [2.0, 2.0])
    """
    arrays = (np.asarray(array, np.float64) for array in (diagonal, factor, entries))
    return _modes(*(array.tobytes() for array in arrays))


@functools.lru_cache(maxsize=64)
def _modes(diagonal: bytes, factor: bytes, entries: bytes) -> Modes:
    """As `rank_one_modes`, of arrays as they lie in memory."""
    d, z, e = (np.frombuffer(array) for array in (diagonal, factor, entries))
    # Entries of one pole: one of their directions is coupled, the others have the pole's value.
    poles, place = np.unique(d, return_inverse=True)
    weights = np.bincount(place, z**2)
    share = z**2 / np.where(weights > 0, weights, 1)[place]
    inside, beside = np.bincount(place, e * share), np.bincount(place, e * (1 - share))
    coupled = weights > _NEGLIGIBLE * poles
    beside = np.where(coupled, beside, inside + beside)
    poles, weights, inside, alone = poles[coupled], weights[coupled], inside[coupled], poles
    roots = _solve(poles.tobytes(), weights.tobytes())
    columns = np.stack([weights, weights * inside], axis=1)
    energies = np.zeros(poles.size)
    for rows in _parts(poles.size, poles.size):
        inverse = 1 / _gaps(poles, roots.origin[rows], roots.sign[rows], roots.distance[rows])
        norms, sums = (inverse**2 @ columns).T
        energies[rows] = sums / norms
    kept = ~coupled | (beside != 0)
    values = np.concatenate([alone[kept], roots.origin + roots.sign * roots.distance])
    modes = Modes(values, np.concatenate([beside[kept], energies]))
    for array in modes:
        array.flags.writeable = False  # they are shared
    return modes


@functools.lru_cache(maxsize=64)
def _solve(poles: bytes, weights: bytes) -> _Roots:
    """The root above each pole; `poles` increase, `weights` z^2 are > 0.

    In each step the nearest pole keeps its weight, and the others are one pole at the other end of
    the interval, and a constant, of the same value and slope: a quadratic equation. Steps that
    leave what encloses the root halve it instead.
    """
    d, w = np.frombuffer(poles), np.frombuffer(weights)
    count = d.size
    total = float(w.sum())
    gap = np.append(np.diff(d), 2 * total)  # the last root is at most the sum above its pole
    origin, sign, x, own = d.copy(), np.ones(count), gap / 2, w.copy()
    low, high = np.zeros(count), gap / 2
    for rows in _parts(count - 1, count):  # above the last pole there is none
        above = rows[1 + (1 / _gaps(d, d[rows], sign[rows], x[rows])) @ w < 0]
        origin[above], sign[above], own[above] = d[above + 1], -1.0, w[above + 1]
    active = np.arange(count)
    for _ in range(_MOST):
        moved = np.zeros(active.size, bool)
        for part in _parts(active.size, count):
            k = active[part]
            inverse = 1 / _gaps(d, origin[k], sign[k], x[k])
            value = sign[k] + inverse @ w
            slope = inverse**2 @ w
            low[k], high[k] = np.where(value < 0, x[k], low[k]), np.where(value < 0, high[k], x[k])
            after = _quadratic_root(x[k], value, slope, own[k], gap[k])
            within = (after >= low[k]) & (after <= high[k])
            after = np.where(within, after, (low[k] + high[k]) / 2)
            moved[part] = np.abs(after - x[k]) > _ACCURATE * after
            x[k] = after
        active = active[moved]
        if not active.size:
            break
    return _Roots(origin, sign, x)


def _quadratic_root(
    x: Float[np.ndarray, " roots"],
    value: Float[np.ndarray, " roots"],
    slope: Float[np.ndarray, " roots"],
    own: Float[np.ndarray, " roots"],
    gap: Float[np.ndarray, " roots"],
) -> Float[np.ndarray, " roots"]:
    """The y in (0, gap) where c - own / y + other / (gap - y), like f at x, is 0."""
    other = np.maximum(slope - own / x**2, 0) * (gap - x) ** 2
    c = value + own / x - other / (gap - x)
    b = c * gap + own + other
    root = np.hypot(c * gap - own + other, 2 * np.sqrt(own) * np.sqrt(other))
    with np.errstate(divide="ignore", invalid="ignore"):  # in the branch that is not taken
        return np.where(b >= 0, 2 * own * gap / (b + root), (root - b) / (-2 * c))


def _gaps(
    poles: Float[np.ndarray, " poles"],
    origin: Float[np.ndarray, " roots"],
    sign: Float[np.ndarray, " roots"],
    distance: Float[np.ndarray, " roots"],
) -> Float[np.ndarray, "roots poles"]:
    """sign (pole - root), by the differences of poles, which are exact where it matters."""
    gaps = poles - origin[:, None]
    gaps *= sign[:, None]
    gaps -= distance[:, None]
    return gaps


def _parts(rows: int, poles: int) -> Iterator[Int[np.ndarray, " part"]]:
    """Places of rows, so many at once that the matrix row by pole stays small."""
    many = max(1, _HELD // max(poles, 1))
    for first in range(0, rows, many):
        yield np.arange(first, min(first + many, rows))
