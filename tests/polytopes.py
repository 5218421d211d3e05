"""Corners of polytopes, by other constructions than those of `jaxsup.geometry.shapes`.

The catalogue compares with those there: what is wrong in one of them is right here.
"""

import itertools

import numpy as np

GOLDEN = (1 + 5**0.5) / 2


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
