"""Every named geometry, planted, is found: name, dimension, capacity and scheme."""

from fractions import Fraction

import numpy as np
import pytest
from polytopes import (
    SIMPLEX4,
    TETRAHEDRON,
    TIGHT,
    TRIANGLE,
    antiprism,
    circle,
    cube,
    cuboctahedron,
    differences,
    dodecahedron,
    even_words,
    hurwitz_units,
    icosahedron,
    icosians,
    polytope_2_21,
    polytope_3_21,
    prism,
    product,
    regular_simplex,
    roots_e6,
    roots_e7,
    roots_e8,
    sums_of_corners,
    two_nonzero,
)

from jaxsup.geometry import classify

# name, vectors, dimension, valencies, multiplicities of the scheme, idempotents in use.
CASES = [
    ("single feature", np.array([[1.0]]), 1, [1], [1], [0]),
    ("digon", np.array([[1.0, -1.0]]), 1, [1, 1], [1, 1], [1]),
    ("triangle", TRIANGLE, 2, [1, 2], [1, 2], [1]),
    ("tetrahedron", TETRAHEDRON, 3, [1, 3], [1, 3], [1]),
    ("4-simplex", SIMPLEX4, 4, [1, 4], [1, 4], [1]),
    ("11-simplex", regular_simplex(12), 11, [1, 11], [1, 11], [1]),
    ("pentagon", circle(5), 2, [1, 2, 2], [1, 2, 2], [1]),
    ("pentagon", circle(5, 2), 2, [1, 2, 2], [1, 2, 2], [1]),
    ("hexagon", circle(6), 2, [1, 2, 2, 1], [1, 2, 2, 1], [1]),
    ("heptagon", circle(7, 3), 2, [1, 2, 2, 2], [1, 2, 2, 2], [1]),
    ("octagon", circle(8), 2, [1, 2, 2, 2, 1], [1, 2, 2, 2, 1], [1]),
    ("17-gon", circle(17), 2, [1] + 8 * [2], [1] + 8 * [2], [1]),
    ("square antiprism", antiprism(4, TIGHT), 3, [1, 2, 2, 2, 1], [1, 2, 2, 2, 1], [1, 4]),
    (
        "pentagonal antiprism",
        antiprism(5, TIGHT),
        3,
        [1, 2, 2, 2, 2, 1],
        [1, 2, 2, 2, 2, 1],
        [1, 5],
    ),
    ("triangular prism", prism(3, TIGHT), 3, [1, 2, 2, 1], [1, 2, 2, 1], [2, 3]),
    ("pentagonal prism", prism(5, TIGHT), 3, [1, 2, 2, 2, 2, 1], [1, 2, 2, 2, 2, 1], [2, 5]),
    ("hexagonal prism", prism(6, TIGHT), 3, None, None, None),
    ("cube", cube(3), 3, [1, 3, 3, 1], [1, 3, 3, 1], [1]),
    ("cube", prism(4, TIGHT), 3, [1, 3, 3, 1], [1, 3, 3, 1], [1]),
    ("tesseract", cube(4), 4, [1, 4, 6, 4, 1], [1, 4, 6, 4, 1], [1]),
    ("6-cube", cube(6), 6, [1, 6, 15, 20, 15, 6, 1], [1, 6, 15, 20, 15, 6, 1], [1]),
    ("icosahedron", icosahedron(), 3, [1, 5, 5, 1], [1, 3, 5, 3], [1]),
    ("dodecahedron", dodecahedron(), 3, [1, 3, 6, 6, 3, 1], [1, 3, 5, 4, 4, 3], [1]),
    ("cuboctahedron", cuboctahedron(), 3, [1, 4, 2, 4, 1], [1, 3, 3, 2, 3], [1]),
    ("24-cell", hurwitz_units(), 4, [1, 8, 6, 8, 1], [1, 4, 9, 8, 2], [1]),
    (
        # Conjugacy classes of the binary icosahedral group; the multiplicities are the squares
        # of its characters' degrees 1, 2, 3, 4, 5, 6, 3, 4, 2.
        *("600-cell", icosians(), 4, [1, 12, 20, 12, 30, 12, 20, 12, 1]),
        *([1, 4, 9, 16, 25, 36, 9, 16, 4], [1]),
    ),
    ("triangle x triangle", product(TRIANGLE, TRIANGLE), 4, [1, 4, 4], [1, 4, 4], [1]),
    (
        "triangle x triangle x triangle",
        product(*3 * [TRIANGLE]),
        6,
        [1, 6, 12, 8],
        [1, 6, 12, 8],
        [1],
    ),
    ("tetrahedron x tetrahedron", product(TETRAHEDRON, TETRAHEDRON), 6, [1, 6, 9], [1, 6, 9], [1]),
    (
        "triangle x tetrahedron",
        product(TRIANGLE, (4 / 3) ** 0.5 * TETRAHEDRON),
        5,
        None,
        None,
        None,
    ),
    ("pentagon x pentagon", product(circle(5), circle(5)), 4, None, None, None),
    ("hypersimplex (5, 2)", sums_of_corners(5, 2), 4, [1, 6, 3], [1, 4, 5], [1]),
    ("hypersimplex (6, 3)", sums_of_corners(6, 3), 5, [1, 9, 9, 1], [1, 5, 9, 5], [1]),
    ("5-demicube", even_words(5), 5, [1, 10, 5], [1, 5, 10], [1]),
    ("2_21 polytope", polytope_2_21(), 6, [1, 16, 10], [1, 6, 20], [1]),
    ("3_21 polytope", polytope_3_21(), 7, [1, 27, 27, 1], [1, 7, 27, 21], [1]),
    ("A4 roots", differences(SIMPLEX4), 4, [1, 6, 6, 6, 1], None, None),
    ("D5 roots", two_nonzero(5), 5, [1, 12, 2, 12, 12, 1], None, None),
    ("E6 roots", roots_e6(), 6, [1, 20, 30, 20, 1], [1, 6, 20, 30, 15], [1]),
    ("E7 roots", roots_e7(), 7, [1, 32, 60, 32, 1], [1, 7, 27, 56, 35], [1]),
    ("E8 roots", roots_e8(), 8, [1, 56, 126, 56, 1], [1, 8, 35, 112, 84], [1]),
]
CASE_IDS = [f"{case[0]}-{k}" for k, case in enumerate(CASES)]
# Published capacities: 1/2, 2/3, 3/4, 2/5, 3/8 in Elhage et al. (arXiv 2209.10652).
CAPACITIES = {
    **{"digon": "1/2", "triangle": "2/3", "tetrahedron": "3/4", "pentagon": "2/5"},
    **{"square antiprism": "3/8", "cube": "3/8", "icosahedron": "1/4", "24-cell": "1/6"},
    **{"octagon": "1/4", "600-cell": "1/30", "triangle x triangle": "4/9", "E8 roots": "1/30"},
}


def orthogonal(rng, size):
    return np.linalg.qr(rng.normal(size=(size, size)))[0]


def in_general_position(vectors, rng, extra=2):
    """Scaled, rotated into a larger space and with its features in random order."""
    frame = orthogonal(rng, vectors.shape[0] + extra)[:, : vectors.shape[0]]
    return frame @ vectors[:, rng.permutation(vectors.shape[1])] * 10.0 ** rng.uniform(-6, 6)


@pytest.mark.parametrize("case", CASES, ids=CASE_IDS)
def test_planted_geometry_is_named(case):
    name, vectors, dimension, valencies, multiplicities, used = case
    rng = np.random.default_rng(len(name) + vectors.shape[1])
    W = in_general_position(vectors, rng)
    geometry = classify(W)
    assert len(geometry.components) == 1
    component = geometry.components[0]
    n = vectors.shape[1]
    assert (component.name, component.kind, component.dimension) == (name, "scheme", dimension)
    assert component.exact_capacity == component.capacity == Fraction(dimension, n)
    assert component.exact_capacity == Fraction(CAPACITIES.get(name, f"{dimension}/{n}"))
    assert component.measured_capacity == pytest.approx(dimension / n, rel=1e-10)
    assert component.tight
    assert component.margin == pytest.approx(1e-3, rel=1e-6)
    assert geometry.not_represented.size == 0
    scheme = component.scheme
    assert scheme is not None
    assert scheme.multiplicities is not None
    assert scheme.symmetric
    assert scheme.commutative
    if valencies is not None:
        assert scheme.valencies.tolist() == valencies
    if multiplicities is not None:
        assert scheme.multiplicities.tolist() == multiplicities
        assert [item.index for item in component.idempotents] == used
    assert sum(item.multiplicity for item in component.idempotents) == dimension
    noise = rng.normal(size=W.shape)
    noise *= 0.999 * component.margin * np.linalg.norm(W, axis=0) / np.linalg.norm(noise, axis=0)
    again = classify(W + noise).components[0]
    assert (again.name, again.dimension) == (name, dimension)
    assert again.exact_capacity == component.exact_capacity
    assert again.scheme is not None
    assert (again.scheme.intersection_numbers == scheme.intersection_numbers).all()


@pytest.mark.parametrize("equal", [True, False], ids=["equal", "different"])
def test_components_in_orthogonal_subspaces(equal):
    rng = np.random.default_rng(3)
    for chosen in np.array_split(rng.permutation(len(CASES) - 3), 8):
        parts = []
        for index in chosen:
            name, vectors, dimension = CASES[index][:3]
            tight = np.linalg.norm(vectors) / dimension**0.5  # sqrt(lambda)
            scale = 1.0 if equal else rng.uniform(0.2, 5.0)
            parts.append((name, vectors * scale / tight, dimension, scale**2))
        check_mixture(parts, rng, equal)


def check_mixture(parts, rng, equal):
    total = sum(vectors.shape[1] for _, vectors, _, _ in parts)
    rows = sum(vectors.shape[0] for _, vectors, _, _ in parts)
    blocks, owner, row, column = np.zeros((rows, total)), np.zeros(total, int), 0, 0
    for k, (_, vectors, _, _) in enumerate(parts):
        height, width = vectors.shape
        blocks[row : row + height, column : column + width] = vectors
        owner[column : column + width] = k
        row, column = row + height, column + width
    order = rng.permutation(total)
    geometry = classify(orthogonal(rng, rows) @ blocks[:, order])
    owner = owner[order]
    assert len(geometry.components) == len(parts)
    for component in geometry.components:
        name, vectors, dimension, eigenvalue = parts[owner[component.features[0]]]
        assert (owner[component.features] == owner[component.features[0]]).all()
        assert (component.name, component.dimension) == (name, dimension)
        assert component.capacity == Fraction(dimension, vectors.shape[1])
        assert component.eigenvalue == pytest.approx(eigenvalue, rel=1e-10)
    if equal:
        assert len(geometry.eigenspaces) == 1
        assert geometry.eigenspaces[0].dimension == sum(part[2] for part in parts)
        assert geometry.eigenspaces[0].components == tuple(range(len(parts)))


@pytest.mark.parametrize(
    ("k", "name"),
    [(2, "square"), (3, "octahedron"), (4, "16-cell"), (7, "7-dimensional cross-polytope")],
)
def test_cross_polytope_is_digons_in_one_eigenspace(k, name):
    rng = np.random.default_rng(k)
    geometry = classify(in_general_position(np.hstack([np.eye(k), -np.eye(k)]), rng))
    assert geometry.names == {"digon": k}
    assert [(space.dimension, space.name) for space in geometry.eigenspaces] == [(k, name)]


def test_orthonormal_features_are_single_features_in_one_eigenspace():
    geometry = classify(3.0 * np.eye(5))
    assert geometry.names == {"single feature": 5}
    assert geometry.eigenspaces[0].name == "orthonormal basis"
    assert geometry.eigenspaces[0].eigenvalue == pytest.approx(9.0)


@pytest.mark.parametrize("part", [np.ones((1, 1)), np.array([[1.0, -1.0]])], ids=["one", "digon"])
def test_a_chain_of_close_eigenvalues_is_no_orthonormal_basis_and_no_cross_polytope(part):
    """Norms in steps of 0.1%: log eigenvalues differ by 0.002, of which 0.004 is one value."""
    count = part.shape[1]
    for length, name in ((3, True), (4, False), (200, False)):
        norms = 1.001 ** np.arange(length)
        (space,) = classify(np.kron(np.diag(norms), part)).eigenspaces
        assert (space.name is not None) == name
        assert space.spread == pytest.approx(count * (norms[-1] ** 2 - norms[0] ** 2))
        assert space.eigenvalue == pytest.approx(count * np.mean(norms**2))


@pytest.mark.parametrize("height", [0.4, (2**0.5 / 4) ** 0.5, 0.9])
@pytest.mark.parametrize(
    ("solid", "name"),
    [(antiprism, "square antiprism"), (prism, "square prism")],
    ids=["anti", "prism"],
)
def test_prisms_keep_their_name_when_they_are_no_tight_frame(solid, name, height):
    # height^2 = sqrt(2)/4 makes all edges of the antiprism equal: two of its cosines coincide.
    component = classify(solid(4, height)).components[0]
    assert (component.name, component.dimension, component.tight) == (name, 3, False)
    assert component.exact_capacity is None
    lifted = height**2
    expected = (1 + lifted) ** 2 / (4 + 8 * lifted**2)  # ||w||^4 / (tr M^2 / 8)
    assert component.capacity == pytest.approx(expected, rel=1e-10)
    assert component.capacity < 3 / 8
    assert sorted(item.coefficient for item in component.idempotents) == pytest.approx(
        sorted([4, 8 * lifted])
    )


def test_names_of_boxes_and_products_at_unequal_scales():
    digon = np.array([[1.0, -1.0]])
    assert classify(product(digon, 2 * digon)).names == {"rectangle": 1}
    assert classify(product(digon, 2 * digon, 3 * digon)).names == {"cuboid": 1}
    assert classify(product(digon, digon, 2 * digon)).names == {"square prism": 1}
    assert classify(product(TRIANGLE, 2 * TRIANGLE)).names == {"triangle x triangle": 1}
    assert classify(product(digon, digon, 2 * TRIANGLE)).names == {"square x triangle": 1}
    assert classify(product(digon, SIMPLEX4)).names == {"digon x 4-simplex": 1}
