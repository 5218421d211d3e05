"""The catalogue of names, by construction: a name is a set of coordinates.

A component gets a name if a bijection of points carries its scheme, and the entries of the sum of
its idempotents in use, onto those of the named coordinates: the two sets of vectors are then
congruent once all theta_j are set to 1. Both sides come from the same computation, and both are
integers or functions of integers, so noise in the weights plays no part, and no name can drift
from its geometry.

Because only the *set* of idempotents counts, a prism or antiprism keeps its name at any height (its
eigenvalues theta_j tell the height), and Galois-conjugate idempotents give one name: the pentagram
is the pentagon's set of vectors in another order.

What is not here, as it falls into orthogonal components: the square and all cross-polytopes, the
octahedron among them (digons; see `Eigenspace.name`). Where two names are true the shape wins over
"equiangular tight frame": the simplices are such frames, and so is "tetrahedron x tetrahedron".
"""

import functools
import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from jaxsup.geometry import shapes
from jaxsup.geometry.embedding import Embedding, embed
from jaxsup.geometry.isomorphism import is_isomorphic
from jaxsup.geometry.tolerance import Tolerance

_EXACT = Tolerance(1e-8)  # coordinates in float64

_SIMPLICES = {2: "digon", 3: "triangle", 4: "tetrahedron"}
_POLYGONS = {
    **{5: "pentagon", 6: "hexagon", 7: "heptagon", 8: "octagon", 9: "nonagon", 10: "decagon"},
    **{11: "hendecagon", 12: "dodecagon"},
}
_CUBES = {1: "digon", 2: "square", 3: "cube", 4: "tesseract"}
_SIDES = {
    **{3: "triangular", 4: "square", 5: "pentagonal", 6: "hexagonal", 7: "heptagonal"},
    **{8: "octagonal", 9: "nonagonal", 10: "decagonal", 11: "hendecagonal", 12: "dodecagonal"},
}
# Sizes of factors that differ in size.
_SCALES = (1.0, 1.31, 1.73, 2.17, 2.71, 3.13, 3.67, 4.19, 4.73, 5.27)


class Entry(NamedTuple):
    """A named geometry: its coordinates are build(*arguments).

    Attributes:
        name: singular, as in "pentagon".
        build: makes the coordinates, [latent, points].
        arguments: what it is called with.
    """

    name: str
    build: Callable[..., Float[np.ndarray, "latent points"]]
    arguments: tuple = ()

    def coordinates(self) -> Float[np.ndarray, "latent points"]:
        """Columns are the corners; the latent dimension may exceed that of their span."""
        return self.build(*self.arguments)


_SPORADIC = {
    (12, 3): (
        Entry("icosahedron", shapes.icosahedron),
        Entry("cuboctahedron", shapes.cuboctahedron),
    ),
    (20, 3): (Entry("dodecahedron", shapes.dodecahedron),),
    (24, 4): (Entry("24-cell", shapes.cell_24),),
    (120, 4): (Entry("600-cell", shapes.cell_600),),
    (27, 6): (Entry("2_21 polytope", shapes.polytope_2_21),),
    (56, 7): (Entry("3_21 polytope", shapes.polytope_3_21),),
    (72, 6): (Entry("E6 roots", shapes.roots_e6),),
    (126, 7): (Entry("E7 roots", shapes.roots_e7),),
    (240, 8): (Entry("E8 roots", shapes.roots_e8),),
}


class Match(NamedTuple):
    """What the catalogue says of a geometry.

    Attributes:
        name: of the entry that it is; None where it is none, or none that could be proven.
        undecided: names that could be neither proven nor ruled out; empty where there is a name.
    """

    name: str | None
    undecided: tuple[str, ...] = ()


def find_name(embedding: Embedding) -> Match:
    """The name of the geometry with this scheme and these idempotents, where it has one."""
    scheme, support = embedding.scheme, embedding.support
    if scheme is None or support is None:
        return Match(None)
    used, undecided = [item.multiplicity for item in embedding.idempotents], []
    for entry in candidates(scheme.points, used):
        planted = _embedded(entry)
        if planted.scheme is None or planted.support is None:
            continue
        same = is_isomorphic(scheme, support, planted.scheme, planted.support)
        if same:
            return Match(entry.name)
        if same is None:
            undecided.append(entry.name)
    return Match(None, tuple(undecided))


def candidates(n: int, multiplicities: Sequence[int]) -> Iterator[Entry]:
    """The named geometries of n points whose used idempotents have these multiplicities.

    Arguments:
        n: number of points, at least 1.
        multiplicities: m_j of the idempotents in use, in any order; the dimension is their sum.
    """
    used, d = sorted(multiplicities), sum(multiplicities)
    if n == 1 and used == [1]:
        yield Entry("single feature", np.ones, ((1, 1),))
    elif len(used) == 1:
        yield from _SPORADIC.get((n, d), ())
        yield from _single(n, d)
    if d == 3 and used == [1, 2] and n % 2 == 0 and n >= 6:
        yield Entry(f"{_sides(n // 2)} antiprism", shapes.antiprism, (n // 2,))
    yield from _products(n, used)


def is_equiangular(lines: Embedding) -> bool:
    """Whether vectors with embedding `lines` of +-w_i form an equiangular tight frame.

    All |cos| between different lines equal, neither 0 nor 1, and one idempotent: then +-w_i are the
    points of a two-graph's double cover (four classes with the diagonal) and the Welch bound
    cos^2 = (n - d) / (d (n - 1)) holds with equality. References: Lemmens & Seidel (1973); Godsil &
    Royle, "Algebraic Graph Theory" (2001), ch. 11.
    """
    if lines.scheme is None or not lines.tight or len(lines.idempotents) != 1:
        return False
    n = lines.scheme.points // 2
    return n > 2 and sorted(lines.scheme.valencies.tolist()) == [1, 1, n - 1, n - 1]


def _single(n: int, d: int) -> Iterator[Entry]:
    """Families that use one idempotent."""
    if d == n - 1:
        yield Entry(_simplex_name(n), shapes.simplex, (n,))
    if d == 2 and n >= 5:
        yield Entry(_POLYGONS.get(n, f"{n}-gon"), shapes.polygon, (n,))
    for k in range(2, (d + 1) // 2 + 1):
        if d > 3 and math.comb(d + 1, k) == n and (d, k) != (7, 2):  # that is the frame (28, 7)
            yield Entry(f"hypersimplex ({d + 1}, {k})", shapes.hypersimplex, (d + 1, k))
    if d >= 5 and n == 2 ** (d - 1):
        yield Entry(f"{d}-demicube", shapes.demicube, (d,))
    if d >= 4 and n == d * (d + 1):
        yield Entry(f"A{d} roots", shapes.roots_a, (d,))
    if d >= 5 and n == 2 * d * (d - 1):
        yield Entry(f"D{d} roots", shapes.roots_d, (d,))


def _products(n: int, used: list[int]) -> Iterator[Entry]:
    """Cartesian products of simplices and polygons; equal factors of equal size share an E_j."""
    for factors in _factorizations(n, sum(used)):
        if len(factors) > len(_SCALES) or len(factors) < 2:
            continue
        counts = sorted(Counter(factors).items())
        splits = [[(f, part) for part in _partitions(m)] for f, m in counts]
        for choice in itertools.product(*splits):
            groups = [(f, size) for f, part in choice for size in part]
            if sorted(size * _dimension(f) for f, size in groups) == used:
                flat = tuple(f for f, size in groups for _ in range(size))
                scales = tuple(
                    _SCALES[g] for g, (_, size) in enumerate(groups) for _ in range(size)
                )
                yield Entry(_product_name(groups), shapes.product, (flat, scales))


def _factorizations(
    n: int, d: int, least: tuple[int, str] = (2, "")
) -> Iterator[list[tuple[str, int]]]:
    """Multisets of factors with n points and dimension d together."""
    if n == 1 and d == 0:
        yield []
    for q in range(least[0], n + 1):
        kinds = ["simplex"] if q < 5 else ["polygon", "simplex"]
        for kind in kinds:
            remaining = d - _dimension((kind, q))
            if n % q == 0 and remaining >= 0 and (q, kind) >= least:
                for rest in _factorizations(n // q, remaining, (q, kind)):
                    yield [(kind, q), *rest]


def _dimension(factor: tuple[str, int]) -> int:
    return factor[1] - 1 if factor[0] == "simplex" else 2


def _partitions(m: int, most: int | None = None) -> Iterator[tuple[int, ...]]:
    if m == 0:
        yield ()
    for first in range(min(m, most or m), 0, -1):
        for rest in _partitions(m - first, first):
            yield (first, *rest)


def _simplex_name(n: int) -> str:
    return _SIMPLICES.get(n, f"{n - 1}-simplex")


def _sides(n: int) -> str:
    return _SIDES.get(n, f"{n}-gonal")


def _product_name(groups: list[tuple[tuple[str, int], int]]) -> str:
    digons = [size for (_, q), size in groups if q == 2]
    others = [f for f, size in groups if f[1] > 2 for _ in range(size)]
    if not others and len(digons) > 1 and max(digons) == 1:
        return {2: "rectangle", 3: "cuboid"}.get(len(digons), f"{len(digons)}-orthotope")
    if digons == [1] and len(others) == 1 and _dimension(others[0]) == 2:
        return f"{_sides(others[0][1])} prism"
    if not others and sorted(digons) == [1, 2]:
        return "square prism"
    names = [_CUBES.get(size, f"{size}-cube") for size in digons]
    names += [
        _simplex_name(q) if kind == "simplex" else _POLYGONS.get(q, f"{q}-gon")
        for kind, q in others
    ]
    return " x ".join(names)


@functools.lru_cache(maxsize=128)
def _embedded(entry: Entry) -> Embedding:
    return embed(entry.coordinates(), _EXACT)
