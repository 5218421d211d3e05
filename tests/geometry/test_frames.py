"""Equiangular tight frames of any signs: known constructions, the Welch bound."""

import itertools
from fractions import Fraction

import graphs
import numpy as np
import pytest

from jaxsup.geometry import classify, shapes


def golay_blocks():
    """253 words of weight 7 of the binary Golay code, a cyclic code of length 23."""
    rows = np.zeros((12, 23), int)
    for i in range(12):
        rows[i, i : i + 12] = [1, 0, 1, 0, 1, 1, 1, 0, 0, 0, 1, 1]
    words = np.array(list(itertools.product((0, 1), repeat=12))) @ rows % 2
    return words[words.sum(axis=1) == 7]


def lines_276():
    """276 lines in R^23 from S(4, 7, 23) (Goethals & Seidel 1975; Lemmens & Seidel 1973)."""
    B = golay_blocks()
    S = np.ones((276, 276))
    S[:23, 23:] = 1 - 2 * B.T
    S[23:, :23] = 1 - 2 * B
    S[23:, 23:] = np.where(B @ B.T == 1, -1, 1)
    np.fill_diagonal(S, 0)
    values, vectors = np.linalg.eigh(S)
    return vectors[:, values > 54].T


def lines_10():
    values, vectors = np.linalg.eigh(1.0 - np.eye(10) - 2.0 * graphs.petersen())
    return vectors[:, values > 0].T


def lines_16():
    """Characters of Z_2^4 on the difference set x1 x2 + x3 x4 = 1."""
    cells = np.array(list(itertools.product((0, 1), repeat=4)))
    chosen = cells[(cells[:, 0] * cells[:, 1] + cells[:, 2] * cells[:, 3]) % 2 == 1]
    return (-1.0) ** (chosen @ cells.T)


def half_icosahedron():
    points = shapes.icosahedron()
    return points[:, points[0] + 10 * points[1] + 100 * points[2] > 0]


FRAMES = {
    (3, 2): shapes.simplex(3) * [1, -1, 1],
    (6, 3): half_icosahedron(),
    (10, 5): lines_10(),
    (16, 6): lines_16(),
    (28, 7): shapes.hypersimplex(8, 2),
    (276, 23): lines_276(),
}


@pytest.mark.parametrize("size", FRAMES, ids=str)
def test_equiangular_tight_frames_of_any_signs(size):
    n, d = size
    rng = np.random.default_rng(n)
    W = FRAMES[size]
    if size != (3, 2):
        W = W * rng.choice([-1.0, 1.0], size=n)
    W = np.linalg.qr(rng.normal(size=(len(W), len(W))))[0] @ W[:, rng.permutation(n)]
    component = classify(W).components[0]
    assert (component.name, component.kind) == (f"equiangular tight frame ({n}, {d})", "scheme")
    assert (component.dimension, component.exact_capacity) == (d, Fraction(d, n))
    assert component.margin == pytest.approx(1e-3, rel=1e-6)
    U = W / np.linalg.norm(W, axis=0)
    off = (U.T @ U)[~np.eye(n, dtype=bool)] ** 2
    np.testing.assert_allclose(off, (n - d) / (d * (n - 1)), rtol=1e-9)  # Welch bound
    assert component.scheme is not None
    if component.signed:
        assert component.scheme.points == 2 * n
        assert sorted(component.scheme.valencies) == [1, 1, n - 1, n - 1]
    noise = rng.normal(size=W.shape)
    noise *= 0.999 * component.margin * np.linalg.norm(W, axis=0) / np.linalg.norm(noise, axis=0)
    again = classify(W + noise).components[0]
    assert (again.name, again.exact_capacity) == (component.name, component.exact_capacity)


def test_a_geometry_with_some_signs_changed_is_a_scheme_of_lines_without_a_name():
    component = classify(shapes.polygon(5) * [1, 1, -1, 1, 1]).components[0]
    assert (component.name, component.kind, component.signed) == (None, "scheme", True)
    assert (component.dimension, component.capacity) == (2, Fraction(2, 5))
    assert component.scheme is not None
    assert component.scheme.intersection_array == ((2, 1, 1, 1, 1), (1, 1, 1, 1, 2))  # the 10-cycle
    assert component.eigenvalue == pytest.approx(2.5)
    assert [item.coefficient for item in component.idempotents] == pytest.approx([5.0])
