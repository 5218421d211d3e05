"""Coordinates of the known geometries: functions that return [latent, points], all norms equal.

The latent dimension may exceed the dimension of the span; only the Gram matrix matters. Sources:
Coxeter, "Regular Polytopes" (1973); Conway & Sloane, "Sphere Packings, Lattices and Groups", ch. 4.
"""

import itertools
import math
from collections.abc import Iterable, Sequence
from typing import TypeAlias

import numpy as np
from jaxtyping import Float

from jaxsup._internal.validation import check_positive_integer

Points: TypeAlias = Float[np.ndarray, "latent points"]

_GOLDEN = (1.0 + math.sqrt(5.0)) / 2.0


def simplex(n: int) -> Points:
    """n corners of the regular simplex, centered: G = I - J / n."""
    return np.eye(n) - 1.0 / n


def polygon(n: int) -> Points:
    """n corners of the regular n-gon on the unit circle.

    Raises:
        ValueError: n is no positive integer.
    """
    check_positive_integer("n", n, "give the number of corners")
    angles = 2.0 * np.pi * np.arange(n) / n
    return np.stack([np.cos(angles), np.sin(angles)])


def antiprism(n: int, height: float = 0.6) -> Points:
    """2 n corners: those of a regular 2n-gon, alternately raised and lowered by `height`.

    The cycle scheme of 2 n points with idempotents E_1 + E_n; tight for height = sqrt(1/2).

    Raises:
        ValueError: n is no positive integer.
    """
    check_positive_integer("n", n, "give half the number of corners")
    return np.vstack([polygon(2 * n), height * (-1.0) ** np.arange(2 * n)])


def product(factors: Sequence[tuple[str, int]], scales: Sequence[float]) -> Points:
    """Cartesian product: all (s_1 x_1, s_2 x_2, ...), x_f a corner of factor f on the unit sphere.

    A factor is ("simplex", corners) or ("polygon", corners).
    """
    blocks = []
    for (kind, n), scale in zip(factors, scales, strict=True):
        corners = simplex(n) if kind == "simplex" else polygon(n)
        blocks.append(scale * corners / np.linalg.norm(corners[:, 0]))
    choices = np.array(list(itertools.product(*(range(block.shape[1]) for block in blocks))))
    return np.vstack([block[:, choices[:, f]] for f, block in enumerate(blocks)])


def hypersimplex(m: int, k: int) -> Points:
    """Centered indicators of the k-subsets of m things: the Johnson scheme J(m, k) with E_1."""
    points = np.zeros((math.comb(m, k), m))
    for row, subset in zip(points, itertools.combinations(range(m), k), strict=True):
        row[list(subset)] = 1.0
    return points.T - k / m


def demicube(d: int) -> Points:
    """The 2^(d-1) corners of the d-cube with an even number of minus signs."""
    return _columns(sign for sign in itertools.product((1.0, -1.0), repeat=d) if np.prod(sign) > 0)


def icosahedron() -> Points:
    """12 corners (0, +-1, +-g) and its cyclic shifts, g the golden ratio."""
    return _columns(_shifts(_signed((0.0, 1.0, _GOLDEN))))


def dodecahedron() -> Points:
    """20 corners: those of the cube, and (0, +-1/g, +-g) with its cyclic shifts."""
    cube = itertools.product((1.0, -1.0), repeat=3)
    return _columns([*cube, *_shifts(_signed((0.0, 1.0 / _GOLDEN, _GOLDEN)))])


def cuboctahedron() -> Points:
    """12 corners (+-1, +-1, 0) and permutations: the roots of A_3."""
    return _columns(_permutations(_signed((1.0, 1.0, 0.0))))


def cell_24() -> Points:
    """24 corners (+-1, +-1, 0, 0) and permutations: the roots of D_4."""
    return _columns(_permutations(_signed((1.0, 1.0, 0.0, 0.0))))


def cell_600() -> Points:
    """120 corners: a 24-cell and the even permutations of (+-g, +-1, +-1/g, 0) / 2."""
    half = list(itertools.product((0.5, -0.5), repeat=4))
    axes = list(_permutations(_signed((1.0, 0.0, 0.0, 0.0))))
    even = [p for p in itertools.permutations(range(4)) if _is_even(p)]
    signed = _signed((_GOLDEN / 2.0, 0.5, 0.5 / _GOLDEN, 0.0))
    return _columns([*half, *axes, *{tuple(v[i] for i in p) for v in signed for p in even}])


def roots_a(n: int) -> Points:
    """n (n + 1) roots e_i - e_j of A_n."""
    corners = np.eye(n + 1)
    return _columns(a - b for a, b in itertools.permutations(corners, 2))


def roots_d(n: int) -> Points:
    """2 n (n - 1) roots +-e_i +-e_j of D_n."""
    pairs = list(itertools.combinations(np.eye(n), 2))
    return _columns(s * a + t * b for a, b in pairs for s, t in _signed((1.0, 1.0)))


def roots_e8() -> Points:
    """240 roots of E_8: those of D_8, and (+-1/2)^8 with an even number of minus signs."""
    return np.hstack([roots_d(8), demicube(8) / 2.0])


def roots_e7() -> Points:
    """126 roots of E_7: the roots of E_8 that are orthogonal to one of them."""
    return _roots_with(0.0)


def roots_e6() -> Points:
    """72 roots of E_6: the roots of E_8 that are orthogonal to two of them at 120 degrees."""
    return _roots_with(0.0, 0.0)


def polytope_3_21() -> Points:
    """56 corners: the roots of E_8 at 60 degrees from one of them, seen from their center."""
    return _roots_with(1.0)


def polytope_2_21() -> Points:
    """27 corners: the roots of E_8 at 60 and 90 degrees from two roots at 120 degrees, centered."""
    return _roots_with(1.0, 0.0)


def _roots_with(*products: float) -> Points:
    """The roots of E_8 with these inner products with e_1 + e_2 and e_3 - e_2, centered."""
    probes = np.zeros((2, 8))
    probes[0, :2] = 1.0
    probes[1, 1:3] = -1.0, 1.0
    roots = roots_e8()
    keep = np.all(
        [probe @ roots == value for probe, value in zip(probes, products, strict=False)], axis=0
    )
    chosen = roots[:, keep]
    return chosen - chosen.mean(axis=1, keepdims=True)


def _columns(points: Iterable[Sequence[float] | Float[np.ndarray, " latent"]]) -> Points:
    return np.array(list(points), dtype=np.float64).T


def _signed(point: Sequence[float]) -> list[tuple[float, ...]]:
    """All distinct changes of signs."""
    choices = [(x, -x) if x else (x,) for x in point]
    return list(itertools.product(*choices))


def _shifts(points: Iterable[tuple[float, ...]]) -> list[tuple[float, ...]]:
    return [point[i:] + point[:i] for point in points for i in range(len(point))]


def _permutations(points: Iterable[tuple[float, ...]]) -> list[tuple[float, ...]]:
    """All distinct permutations, in a fixed order."""
    return sorted({p for point in points for p in itertools.permutations(point)})


def _is_even(permutation: Sequence[int]) -> bool:
    pairs = itertools.combinations(permutation, 2)
    return sum(first > second for first, second in pairs) % 2 == 0
