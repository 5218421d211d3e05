"""The catalogue against itself: every entry is recognized as itself, and as nothing else."""

import itertools

import numpy as np
import pytest

from jaxsup.geometry import classify
from jaxsup.geometry.catalogue import candidates


def partitions(d, parts):
    for used in itertools.combinations_with_replacement(range(1, d + 1), parts):
        if sum(used) == d:
            yield list(used)


def entries(n):
    """Every entry of n points in at most 11 dimensions, with the multiplicities it claims."""
    for d in range(1, 12):
        for used in itertools.chain.from_iterable(partitions(d, parts) for parts in (1, 2, 3)):
            for entry in candidates(n, used):
                yield entry, used


@pytest.mark.parametrize("n", [1, *range(2, 13), 16, 18, 20, 24, 27, 30, 35, 36, 40])
def test_every_entry_is_recognized_in_any_order(n):
    rng = np.random.default_rng(n)
    for entry, used in entries(n):
        points = entry.coordinates()
        assert points.shape[1] == n
        geometry = classify(points[:, rng.permutation(n)])
        if entry.name == "square":  # its diagonals are orthogonal
            assert geometry.names == {"digon": 2}
            continue
        assert geometry.names == {entry.name: 1}
        component = geometry.components[0]
        assert sorted(item.multiplicity for item in component.idempotents) == used
        assert component.dimension == sum(used)


def test_the_families_are_there():
    names = {entry.name for n in (6, 8, 12, 16, 24) for entry, _ in entries(n)}
    assert names >= {"5-simplex", "hexagon", "triangular prism", "triangular antiprism"}
    assert names >= {"cube", "square prism", "square antiprism", "octagon", "cuboid", "7-simplex"}
    assert names >= {"icosahedron", "cuboctahedron", "hexagonal prism", "triangle x tetrahedron"}
    assert names >= {"tesseract", "5-demicube", "24-cell", "tetrahedron x tetrahedron"}
