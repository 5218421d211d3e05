"""Coherent closures and schemes against published parameters and slow, independent computations."""

import itertools
from collections import Counter
from math import comb

import graphs
import numpy as np
import pytest
from graphs import on_eigenspace
from helpers import assert_one_line_error

from jaxsup.geometry import classify, shapes
from jaxsup.geometry.coherent import (
    Closure,
    _count_by_products,
    _count_by_sorting,
    coherent_closure,
)
from jaxsup.geometry.scheme import AssociationScheme


def scheme_of(vectors) -> AssociationScheme:
    scheme = classify(vectors, tolerance=1e-6).components[0].scheme
    assert scheme is not None
    return scheme


def eigenmatrices(scheme) -> tuple[np.ndarray, np.ndarray]:
    assert scheme.P is not None
    return scheme.P, scheme.Q


def numbers_from_array(ups, downs):
    """p[k, i, j] of a distance-regular graph, from {b_0, ...; c_1, ...} (BCN 1989, sec. 4.1)."""
    d = len(ups)
    b, c = [*ups, 0], [0, *downs]
    step = np.zeros((d + 1, d + 1), int)  # step[k, j] = p_1j^k
    for k in range(d + 1):
        step[k, k] = ups[0] - b[k] - c[k]
        if k > 0:
            step[k, k - 1] = c[k]
        if k < d:
            step[k, k + 1] = b[k]
    products = [np.eye(d + 1, dtype=int), step]
    for i in range(1, d):  # c_{i+1} A_{i+1} = A_1 A_i - a_i A_i - b_{i-1} A_{i-1}
        rest = step @ products[i] - step[i, i] * products[i] - b[i - 1] * products[i - 1]
        assert (rest % c[i + 1] == 0).all()
        products.append(rest // c[i + 1])
    return np.stack(products, axis=1)


# Intersection arrays from Brouwer, Cohen & Neumaier, "Distance-Regular Graphs" (1989).
ARRAYS = {
    "pentagon": (shapes.polygon(5), (2, 1), (1, 1)),
    "octagon": (shapes.polygon(8), (2, 1, 1, 1), (1, 1, 1, 2)),
    "square antiprism": (shapes.antiprism(4), (2, 1, 1, 1), (1, 1, 1, 2)),
    "simplex": (shapes.simplex(6), (5,), (1,)),
    "cube": (shapes.product(3 * [("simplex", 2)], 3 * [1.0]), (3, 2, 1), (1, 2, 3)),
    "icosahedron": (shapes.icosahedron(), (5, 2, 1), (1, 2, 5)),
    "dodecahedron": (shapes.dodecahedron(), (3, 2, 1, 1, 1), (1, 1, 1, 2, 3)),
    "H(3, 3)": (shapes.product(3 * [("simplex", 3)], 3 * [1.0]), (6, 4, 2), (1, 2, 3)),
    "J(6, 3)": (shapes.hypersimplex(6, 3), (9, 4, 1), (1, 4, 9)),
    "J(7, 2)": (shapes.hypersimplex(7, 2), (10, 4), (1, 4)),
    "half 6-cube": (shapes.demicube(6), (15, 6, 1), (1, 6, 15)),
    "Schlaefli": (shapes.polytope_2_21(), (16, 5), (1, 8)),
    "Gosset": (shapes.polytope_3_21(), (27, 10, 1), (1, 10, 27)),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_intersection_numbers_are_the_published_ones(name):
    vectors, ups, downs = ARRAYS[name]
    scheme = scheme_of(vectors)
    assert scheme.intersection_array == (ups, downs)
    assert (scheme.intersection_numbers == numbers_from_array(ups, downs)).all()


@pytest.mark.parametrize(("d", "q"), [(2, 3), (3, 2), (3, 3), (2, 5), (5, 2), (7, 2)])
def test_hamming_eigenmatrix_is_krawtchouk(d, q):
    # P[j, i] = K_i(j) = sum_h (-1)^h (q - 1)^(i - h) C(j, h) C(d - j, i - h); H(d, q) is self-dual.
    def krawtchouk(i, j):
        terms = (
            (-1) ** h * (q - 1) ** (i - h) * comb(j, h) * comb(d - j, i - h) for h in range(i + 1)
        )
        return sum(terms)

    expected = np.array([[krawtchouk(i, j) for i in range(d + 1)] for j in range(d + 1)])
    scheme = scheme_of(shapes.product(d * [("simplex", q)], d * [1.0]))
    assert scheme.points == q**d
    P, Q = eigenmatrices(scheme)
    np.testing.assert_array_equal(P, expected)
    np.testing.assert_allclose(Q, expected, atol=1e-12)


@pytest.mark.parametrize("n", [5, 6, 8, 11, 30])
def test_cycle_eigenmatrix_is_a_cosine_table(n):
    scheme = scheme_of(shapes.polygon(n))
    i, j = np.meshgrid(np.arange(1, n // 2 + 1), np.arange(n // 2 + 1))
    expected = 2 * np.cos(2 * np.pi * i * j / n)
    if n % 2 == 0:
        expected[:, -1] /= 2
    P, _ = eigenmatrices(scheme)
    np.testing.assert_allclose(P[:, 1:], expected, atol=1e-12)
    np.testing.assert_array_equal(P[:, 0], 1)


SHAPES = {
    **{name: case[0] for name, case in ARRAYS.items()},
    "triangular prism": shapes.product([("simplex", 2), ("simplex", 3)], [0.6, 1.0]),
    "cuboctahedron": shapes.cuboctahedron(),
    "24-cell": shapes.cell_24(),
    "600-cell": shapes.cell_600(),
    "D5 roots": shapes.roots_d(5),
}


@pytest.mark.parametrize("name", SHAPES)
def test_scheme_identities(name):
    vectors = SHAPES[name]
    component = classify(vectors, tolerance=1e-6).components[0]
    scheme = scheme_of(vectors)
    n, k, m = scheme.points, scheme.valencies, scheme.multiplicities
    P, Q = eigenmatrices(scheme)
    assert m is not None
    assert m.sum() == k.sum() == n
    np.testing.assert_allclose(P @ Q, n * np.eye(scheme.rank), atol=1e-9 * n)
    np.testing.assert_allclose(Q / m, (P / k).T, atol=1e-10)  # Q[i, j] / m_j = P[j, i] / k_i
    np.testing.assert_array_equal(P[0], k)
    np.testing.assert_allclose(Q[0], m, atol=1e-9)
    E = [scheme.idempotent(j) for j in range(scheme.rank)]
    np.testing.assert_allclose(E[0], 1 / n, atol=1e-12)
    for i, j in itertools.combinations_with_replacement(range(scheme.rank), 2):
        np.testing.assert_allclose(E[i] @ E[j], E[i] * (i == j), atol=1e-10)
    for i in range(scheme.rank):
        adjacency = (scheme.relations == i).astype(float)
        np.testing.assert_allclose(
            sum(P[j, i] * E[j] for j in range(scheme.rank)), adjacency, atol=1e-9
        )
        for j in range(scheme.rank):
            counted = adjacency @ (scheme.relations == j)
            assert (counted == scheme.intersection_numbers[scheme.relations, i, j]).all()
    gram = sum(item.coefficient * E[item.index] for item in component.idempotents)
    np.testing.assert_allclose(gram, vectors.T @ vectors, atol=1e-10 * np.abs(vectors).max() ** 2)


def slow_closure(colors):
    """2-dimensional Weisfeiler-Leman with explicit multisets."""
    n = len(colors)
    pairs = [(x, y) for x in range(n) for y in range(n)]
    current = {(x, y): (x == y, int(colors[x, y])) for x, y in pairs}
    while True:
        signature = {
            (x, y): (
                current[x, y],
                tuple(sorted(Counter((current[x, z], current[z, y]) for z in range(n)).items())),
            )
            for x, y in pairs
        }
        names = {value: k for k, value in enumerate(sorted(set(signature.values()), key=repr))}
        refined = {pair: names[signature[pair]] for pair in pairs}
        if len(names) == len(set(current.values())):
            return np.array([[refined[x, y] for y in range(n)] for x in range(n)])
        current = refined


def circulant(values):
    n = len(values)
    return np.array([[values[(y - x) % n] for y in range(n)] for x in range(n)])


def symmetric_circulants():
    for bits in itertools.product((1, 2), repeat=5):
        half = list(bits)
        yield circulant([0, *half, *half[-2::-1]])  # 10 points


def test_closure_equals_explicit_refinement():
    for colors in symmetric_circulants():
        closure = coherent_closure(colors)
        assert isinstance(closure, Closure)
        expected = slow_closure(colors)
        assert len(np.unique(expected)) == closure.matrix.max() + 1
        joint = np.unique(closure.matrix * 1000 + expected)
        assert joint.size == closure.matrix.max() + 1  # the same partition of pairs


@pytest.mark.parametrize("kind", ["path", "random", "cubic"])
def test_closure_of_what_is_not_homogeneous(kind):
    upper = np.triu(np.random.default_rng(0).integers(0, 9, (8, 8)))
    colors = {
        "path": np.eye(6, k=1, dtype=int) + np.eye(6, k=-1, dtype=int),
        "random": upper + upper.T,
        "cubic": _cubic_graph_without_symmetry(),  # regular: only refinement sees a difference
    }[kind]
    assert "not homogeneous" in coherent_closure(colors)


def _cubic_graph_without_symmetry():
    edges = [
        (0, 1),
        (0, 2),
        (0, 3),
        (1, 2),
        (1, 4),
        (2, 5),
        (3, 6),
        (3, 7),
        (4, 6),
        (4, 7),
        (5, 6),
        (5, 7),
    ]
    graph = np.zeros((8, 8), int)
    for x, y in edges:
        graph[x, y] = graph[y, x] = 1
    assert (graph.sum(axis=1) == 3).all()
    return graph


def test_both_certificates_count_the_same_and_refuse_what_is_not_coherent():
    scheme = scheme_of(shapes.hypersimplex(7, 3))
    for count in (_count_by_products, _count_by_sorting):
        assert (count(scheme.relations, scheme.rank) == scheme.intersection_numbers).all()
        assert count(circulant([0, 1, 2, 2, 2, 2, 1]), 3) is None  # C_7: distances 2, 3 differ


def test_large_polygons_are_certified_by_sorting():
    geometry = classify(shapes.polygon(90), tolerance=1e-5)
    assert geometry.names == {"90-gon": 1}
    assert scheme_of(shapes.polygon(90)).classes == 45


def test_too_many_classes_to_certify_is_irregular():
    component = classify(shapes.polygon(400), tolerance=1e-7).components[0]
    assert (component.kind, component.name) == ("irregular", None)
    assert "too many to certify" in component.reason


def icosidodecahedron():
    golden = (1 + 5**0.5) / 2
    axes = [(0.0, 0.0, 2 * s * golden) for s in (1, -1)]
    rest = [(s, t * golden, u * golden**2) for s, t, u in itertools.product((1, -1), repeat=3)]
    return np.array([np.roll(v, i) for v in [*axes, *rest] for i in range(3)]).T


def test_a_non_commutative_scheme_has_no_eigenmatrices():
    component = classify(icosidodecahedron()).components[0]
    assert (component.kind, component.name, component.dimension, component.tight) == (
        "scheme",
        None,
        3,
        True,
    )
    assert component.idempotents == ()
    assert str(component.capacity) == "1/10"
    scheme = scheme_of(icosidodecahedron())
    assert (scheme.commutative, scheme.symmetric) == (False, False)
    assert scheme.P is None
    assert scheme.Q is None
    assert scheme.multiplicities is None
    assert scheme.to_dict()["P"] is None
    assert "non-commutative scheme on 30 points" in component.describe()
    assert_one_line_error(lambda: scheme.idempotent(0), "expected a commutative scheme; got")


def test_schemes_with_equal_parameters_are_told_apart():
    # Shrikhande and 4 x 4 rook's graph: both strongly regular (16, 6, 2, 2), not isomorphic.
    both = graphs.shrikhande(), graphs.rook(4)
    first, second = (classify(on_eigenspace(graph, 2)).components[0] for graph in both)
    assert first.scheme is not None
    assert second.scheme is not None
    assert (first.scheme.intersection_numbers == second.scheme.intersection_numbers).all()
    assert first.name == "equiangular tight frame (16, 6)"
    assert second.name == "tetrahedron x tetrahedron"


def test_an_unnamed_scheme_reports_its_parameters():
    first, second = (on_eigenspace(graphs.petersen(), value) for value in (1, -2))
    component = classify(np.vstack([first, 0.5 * second])).components[0]
    assert (component.name, component.kind, component.dimension) == (None, "scheme", 9)
    assert component.exact_capacity is None
    assert "strongly regular graph (10, 3, 0, 1)" in component.describe()
    assert sorted(item.coefficient for item in component.idempotents) == pytest.approx([0.25, 1.0])
