"""Every named geometry, planted, is found: name, dimension, capacity and scheme."""

import itertools
from fractions import Fraction

import numpy as np
import pytest

from jaxsup.geometry import classify

GOLDEN = (1 + 5**0.5) / 2

# Coordinates are written out here, by other constructions than those of `jaxsup.geometry.shapes`,
# which the catalogue compares with: a wrong one there is not component here.


def circle(n, k=1):
    """Corners of the star polygon {n/k}."""
    powers = np.exp(2j * np.pi * k * np.arange(n) / n)
    return np.stack([powers.real, powers.imag])


def from_gram(gram):
    values, vectors = np.linalg.eigh(gram)
    keep = values > 1e-9
    return (vectors[:, keep] * np.sqrt(values[keep])).T


def regular_simplex(n):
    return from_gram(np.eye(n) - 1 / n)


def antiprism(n, height):
    flat = circle(2 * n)
    return np.vstack([flat, height * np.cos(np.pi * np.arange(2 * n))])


def prism(n, height):
    return np.vstack([np.tile(circle(n), 2), height * np.repeat([1.0, -1.0], n)])


def cube(d):
    return np.array(list(itertools.product((-1.0, 1.0), repeat=d))).T


def product(*factors):
    choices = list(itertools.product(*(range(f.shape[1]) for f in factors)))
    return np.array(
        [np.concatenate([f[:, i] for f, i in zip(factors, c, strict=True)]) for c in choices]
    ).T


def icosahedron():
    base = [(0.0, s, t * GOLDEN) for s in (1, -1) for t in (1, -1)]
    return np.array([np.roll(v, i) for v in base for i in range(3)]).T


def dodecahedron():
    """Centers of the icosahedron's faces: three corners at mutual distance 2."""
    corners = icosahedron().T
    faces = [
        sum(face)
        for face in itertools.combinations(corners, 3)
        if all(abs(np.linalg.norm(a - b) - 2) < 1e-9 for a, b in itertools.combinations(face, 2))
    ]
    return np.array(faces).T


def cuboctahedron():
    """Midpoints of the cube's edges."""
    pairs = itertools.combinations(cube(3).T, 2)
    return np.array([(a + b) / 2 for a, b in pairs if np.sum(a != b) == 1]).T


def hurwitz_units():
    """The 24-cell as quaternions: +-1, +-i, +-j, +-k and (+-1 +-i +-j +-k) / 2."""
    return np.hstack([np.eye(4), -np.eye(4), cube(4) / 2])


def icosians():
    """The 600-cell as a group of quaternions, multiplied out from two generators."""

    def times(p, q):
        a, b, c, d = p
        return np.array([[a, -b, -c, -d], [b, a, -d, c], [c, d, a, -b], [d, -c, b, a]]) @ q

    generators = np.array([[0.5, 0.5, 0.5, 0.5], [GOLDEN / 2, 0.5 / GOLDEN, 0.5, 0.0]])
    group, fresh = {}, [np.array([1.0, 0.0, 0.0, 0.0])]
    while fresh:
        element = fresh.pop()
        key = tuple(np.round(element, 6) + 0.0)
        if key not in group:
            group[key] = element
            fresh += [times(element, generator) for generator in generators]
    return np.array(list(group.values())).T


def sums_of_corners(n, k):
    """Sums of k corners of the regular simplex with n."""
    corners = regular_simplex(n).T
    return np.array([sum(chosen) for chosen in itertools.combinations(corners, k)]).T


def even_words(length):
    """Binary words with an even number of ones, as signs."""
    words = np.array(list(itertools.product((0, 1), repeat=length)))
    return (1.0 - 2 * words[words.sum(axis=1) % 2 == 0]).T


def differences(points):
    """All differences of two columns."""
    return np.array([a - b for a, b in itertools.permutations(points.T, 2)]).T


def two_nonzero(d):
    """Vectors of 0, 1, -1 with exactly two that are not 0."""
    words = np.array(list(itertools.product((-1.0, 0.0, 1.0), repeat=d)))
    return words[np.abs(words).sum(axis=1) == 2].T


def roots_e8():
    """+-2 e_i, and +-1 on the words of weight 4 of the extended Hamming code (construction A)."""
    generators = ["11110000", "11001100", "10101010", "11111111"]
    rows = np.array([[int(bit) for bit in word] for word in generators])
    words = np.array(list(itertools.product((0, 1), repeat=4))) @ rows % 2
    parts = [2 * np.eye(8), -2 * np.eye(8)]
    for word in words[words.sum(axis=1) == 4]:
        block = np.zeros((8, 16))
        block[word == 1] = cube(4)
        parts.append(block)
    return np.hstack(parts)


def roots_e7():
    """The roots of E8 that are orthogonal to 2 e_1."""
    roots = roots_e8()
    return roots[1:, roots[0] == 0]


def roots_e6():
    """A2 x A2 x A2 with glue (1, 1, 1): 18 roots and 2 x 27 triples of weights."""
    weights = circle(3)
    roots = differences(weights)
    glued = product(weights, weights, weights)
    alone = np.kron(np.eye(3), roots)
    return np.hstack([alone, glued, -glued])


def polytope_2_21():
    """27 weights of E6 under A2 x A2 x A2: (3, 3*, 1) + (1, 3, 3*) + (3*, 1, 3)."""
    pairs = product(circle(3), -circle(3))
    first, second = pairs[:2], pairs[2:]
    none = np.zeros_like(first)
    blocks = [[first, second, none], [none, first, second], [second, none, first]]
    return np.hstack([np.vstack(block) for block in blocks])


def polytope_3_21():
    """Permutations of (3, 3, -1, -1, -1, -1, -1, -1) and their opposites."""
    points = -np.ones((8, 28))
    for column, pair in enumerate(itertools.combinations(range(8), 2)):
        points[list(pair), column] = 3.0
    return np.hstack([points, -points])


SIMPLEX4, TRIANGLE, TETRAHEDRON = regular_simplex(5), regular_simplex(3), regular_simplex(4)
TIGHT = 0.5**0.5

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
