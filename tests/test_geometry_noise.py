"""How much noise a verdict survives, what gets no name, and equiangular frames of any signs."""

import itertools
import json
from fractions import Fraction

import numpy as np
import pytest

from jaxsup.geometry import classify, shapes

SHAPES = {
    "digon": shapes.simplex(2),
    "triangle": shapes.simplex(3),
    "7-simplex": shapes.simplex(8),
    "pentagon": shapes.polygon(5),
    "nonagon": shapes.polygon(9),
    "square antiprism": shapes.antiprism(4, 0.5**0.5),
    "triangular prism": shapes.product([("simplex", 2), ("simplex", 3)], [0.5**0.5, 1.0]),
    "cube": shapes.product(3 * [("simplex", 2)], 3 * [1.0]),
    "icosahedron": shapes.icosahedron(),
    "dodecahedron": shapes.dodecahedron(),
    "24-cell": shapes.cell_24(),
    "triangle x triangle": shapes.product(2 * [("simplex", 3)], 2 * [1.0]),
    "600-cell": shapes.cell_600(),
}


def orthogonal(rng, size):
    return np.linalg.qr(rng.normal(size=(size, size)))[0]


def with_noise(W, size, kind, rng):
    """W + E with ||e_i|| = size ||w_i||: in random directions, or chosen to do harm."""
    n = W.shape[1]
    units = W / np.linalg.norm(W, axis=0)
    noise = {
        "random": rng.normal(size=W.shape),
        "radial": W * rng.choice([-1.0, 1.0], size=n),  # tells the norms apart
        "common": np.tile(rng.normal(size=(W.shape[0], 1)), n),  # adds E_0
        "pulled": units[:, rng.permutation(n)] * rng.choice([-1.0, 1.0], size=n),  # turns cosines
    }[kind]
    noise = noise / np.maximum(np.linalg.norm(noise, axis=0), 1e-300)
    return W + size * np.linalg.norm(W, axis=0) * noise


def verdict(geometry):
    return [
        (
            *(
                c.features.tolist(),
                c.name,
                c.kind,
                c.dimension,
                c.exact_capacity,
                c.tight,
                c.signed,
            ),
            [item.index for item in c.idempotents],
            None if c.scheme is None else c.scheme.intersection_numbers.tolist(),
        )
        for c in geometry.components
    ]


@pytest.mark.parametrize("kind", ["random", "radial", "common", "pulled"])
@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("tolerance", [1e-4, 1e-2])
def test_verdict_survives_noise_up_to_the_margin(name, kind, tolerance):
    rng = np.random.default_rng(len(name))
    W = SHAPES[name]
    W = orthogonal(rng, W.shape[0] + 2)[:, : W.shape[0]] @ W[:, rng.permutation(W.shape[1])] * 3.0
    exact = classify(W, tolerance=tolerance)
    assert exact.names == {name: 1}
    assert exact.margin == pytest.approx(tolerance, rel=1e-6)
    noisy = with_noise(W, 0.999 * exact.margin, kind, rng)
    found = classify(noisy, tolerance=tolerance)
    assert verdict(found) == verdict(exact)
    # A margin that noise has partly used up holds for what noise comes on top.
    half = classify(with_noise(W, 0.4 * tolerance, "random", rng), tolerance=tolerance)
    assert verdict(half) == verdict(exact)
    assert 0.0 < half.margin < tolerance
    start = with_noise(W, 0.4 * tolerance, kind, rng)
    margin = classify(start, tolerance=tolerance).margin
    again = classify(with_noise(start, 0.999 * margin, kind, rng), tolerance=tolerance)
    assert verdict(again) == verdict(exact)


def test_several_components_survive_noise_between_them():
    rng = np.random.default_rng(5)
    parts = [SHAPES[name] for name in ("digon", "pentagon", "cube", "triangle")]
    sizes = [part.shape for part in parts]
    W = np.zeros((sum(k for k, _ in sizes), sum(n for _, n in sizes)))
    row = column = 0
    for scale, part in zip((1.0, 0.3, 2.0, 1.0), parts, strict=True):
        W[row : row + part.shape[0], column : column + part.shape[1]] = scale * part
        row, column = row + part.shape[0], column + part.shape[1]
    W = orthogonal(rng, row) @ W
    exact = classify(W)
    assert exact.names == {"digon": 1, "pentagon": 1, "cube": 1, "triangle": 1}
    for kind in ("random", "radial", "common", "pulled"):
        assert verdict(classify(with_noise(W, 0.999 * exact.margin, kind, rng))) == verdict(exact)


@pytest.mark.parametrize("size", [1.01, 3.0, 30.0])
def test_the_margin_is_not_vacuous(size):
    rng = np.random.default_rng(0)
    W = with_noise(shapes.polygon(9), 1e-3 * size, "radial", rng)
    found = classify(W).components[0]
    assert (found.kind, found.name, found.scheme) == ("irregular", None, None)
    assert "norms" in found.reason
    assert found.margin == pytest.approx(1e-3 * (size - 1), rel=0.01)


def test_margin_shrinks_when_two_colours_come_close():
    # The last two cosines of an n-gon, cos(pi) and cos(pi - 2 pi / n), differ by 1 - cos(2 pi / n).
    n = 60
    gap = 1 - np.cos(2 * np.pi / n)
    margin = classify(shapes.polygon(n)).margin
    assert margin == pytest.approx(np.sin((gap - 4 * np.arcsin(1e-3)) / 4), rel=1e-9)
    assert margin < 1e-3


def test_gaussian_matrices_get_no_name():
    rng = np.random.default_rng(2026)
    kinds, names, count = set(), [], 0
    for _ in range(1000):
        K, N = rng.integers(1, 41), rng.integers(3, 41)
        geometry = classify(rng.normal(size=(K, N)))
        names += list(geometry.names)
        kinds |= {component.kind for component in geometry.components}
        count += sum(len(component.features) for component in geometry.components)
        count += len(geometry.not_represented)
        count -= N
    assert names == []
    assert kinds == {"irregular"}
    assert count == 0


@pytest.mark.parametrize("n", [3, 7, 40, 400])
def test_random_unit_vectors_are_irregular_within_their_margin(n):
    rng = np.random.default_rng(n)
    W = rng.normal(size=(5, n))
    W /= np.linalg.norm(W, axis=0)
    found = classify(W)
    assert found.names == {}
    assert found.components[0].kind == "irregular"
    assert found.components[0].dimension == min(n, 5)
    assert "continuum" in found.components[0].reason or "homogeneous" in found.components[0].reason
    noisy = classify(with_noise(W, 0.999 * found.margin, "random", rng))
    assert [c.kind for c in noisy.components] == ["irregular"]


def test_two_vectors():
    assert classify(np.array([[1.0, -1.0]])).names == {"digon": 1}
    assert classify(np.array([[1.0, -1.1]])).components[0].kind == "irregular"
    copies = classify(np.array([[2.0, 2.0]])).components[0]
    assert (copies.name, copies.kind, copies.capacity) == (None, "scheme", Fraction(1, 2))
    assert [item.index for item in copies.idempotents] == [0]
    slanted = classify(np.array([[1.0, 0.6], [0.0, 0.8]])).components[0]  # M = 1.6 E_0 + 0.4 E_1
    assert (slanted.name, slanted.dimension, slanted.exact_capacity) == (None, 2, None)
    assert [item.coefficient for item in slanted.idempotents] == pytest.approx([1.6, 0.4])
    assert slanted.capacity == pytest.approx(1 / 1.36)


def test_large_components_are_not_looked_at():
    rng = np.random.default_rng(0)
    found = classify(rng.normal(size=(400, 3000))).components[0]
    assert (found.kind, found.margin, found.dimension) == ("irregular", None, 400)
    assert "more than 1024 features" in found.reason
    assert classify(shapes.polygon(9), max_features=8).components[0].kind == "irregular"
    assert classify(shapes.polygon(9), max_features=9).names == {"nonagon": 1}


def golay_blocks():
    """253 words of weight 7 of the binary Golay code, generated by 1 + x^2 + x^4 + x^5 + x^6 + ..."""
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
    points = list(itertools.combinations(range(5), 2))
    petersen = np.array([[not set(p) & set(q) for q in points] for p in points])
    values, vectors = np.linalg.eigh(1.0 - np.eye(10) - 2.0 * petersen)
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
    W = orthogonal(rng, W.shape[0]) @ W[:, rng.permutation(n)]
    found = classify(W).components[0]
    assert (found.name, found.kind) == (f"equiangular tight frame ({n}, {d})", "scheme")
    assert (found.dimension, found.exact_capacity) == (d, Fraction(d, n))
    assert found.margin == pytest.approx(1e-3, rel=1e-6)
    U = W / np.linalg.norm(W, axis=0)
    off = (U.T @ U)[~np.eye(n, dtype=bool)] ** 2
    np.testing.assert_allclose(off, (n - d) / (d * (n - 1)), rtol=1e-9)  # Welch bound
    if found.signed:
        assert found.scheme.points == 2 * n
        assert sorted(found.scheme.valencies) == [1, 1, n - 1, n - 1]
    for kind in ("random", "radial", "common", "pulled"):
        again = classify(with_noise(W, 0.999 * found.margin, kind, rng)).components[0]
        assert (again.name, again.exact_capacity) == (found.name, found.exact_capacity)


def test_a_geometry_with_some_signs_changed_is_a_scheme_of_lines_without_a_name():
    found = classify(shapes.polygon(5) * [1, 1, -1, 1, 1]).components[0]
    assert (found.name, found.kind, found.signed) == (None, "scheme", True)
    assert (found.dimension, found.capacity) == (2, Fraction(2, 5))
    assert found.scheme.intersection_array == ((2, 1, 1, 1, 1), (1, 1, 1, 1, 2))  # the 10-cycle
    assert found.eigenvalue == pytest.approx(2.5)
    assert [item.coefficient for item in found.idempotents] == pytest.approx([5.0])


def test_features_of_zero_norm_are_not_represented():
    W = np.zeros((3, 7))
    W[:2, [1, 2, 4, 5, 6]] = shapes.polygon(5)
    W[:, 3] = 1e-9
    geometry = classify(W)
    assert geometry.not_represented.tolist() == [0, 3]
    assert geometry.components[0].features.tolist() == [1, 2, 4, 5, 6]
    assert geometry.named_share == 1.0
    assert classify(W, zero_tolerance=1e-10).names == {"single feature": 1, "pentagon": 1}


def test_nothing_represented():
    geometry = classify(np.zeros((2, 3)))
    assert geometry.components == ()
    assert geometry.not_represented.tolist() == [0, 1, 2]
    assert geometry.margin is None
    assert geometry.to_dict()["named_share"] is None
    assert str(geometry).endswith("3 features not represented")


def test_dictionary_is_json_and_table_groups_equal_components():
    W = np.kron(np.eye(3), shapes.polygon(5))
    W = np.hstack([W, np.zeros((6, 1)), 1e-3 * np.random.default_rng(0).normal(size=(6, 0))])
    W = np.vstack([W, np.zeros((2, 16))])
    W = np.hstack([W, np.vstack([np.zeros((6, 2)), [[1.0, 0.5], [0.0, 2.0]]])])
    geometry = classify(W)
    data = json.loads(json.dumps(geometry.to_dict(), allow_nan=False))
    assert data["names"] == {"pentagon": 3}
    assert data["components"][0]["exact_capacity"] == "2/5"
    assert data["components"][0]["capacity"] == 0.4
    assert data["components"][0]["scheme"]["valencies"] == [1, 2, 2]
    assert data["components"][0]["idempotents"][0]["index"] == 1
    assert data["components"][3]["kind"] == "irregular"
    assert data["components"][3]["scheme"] is None
    assert data["named_share"] == pytest.approx(15 / 17)
    lines = str(geometry).splitlines()
    assert lines[0].split() == [
        *("count", "geometry", "features", "dimension", "capacity", "eigenvalue", "margin")
    ]
    assert lines[1].split()[:5] == ["3", "pentagon", "5", "2", "2/5"]
    assert lines[-1] == "1 features not represented"
    assert "different norms" in geometry.components[3].describe()
    assert geometry.components[0].describe().startswith("pentagon: 5 features in dimension 2")


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.int64])
def test_other_number_types(dtype):
    W = np.hstack([np.eye(3), -np.eye(3)]).astype(dtype)
    assert classify(W).names == {"digon": 3}


def test_rounded_float32_weights_keep_their_name():
    W = (0.37 * shapes.cell_600()).astype(np.float32)
    found = classify(W)
    assert found.names == {"600-cell": 1}
    assert found.margin > 0.99e-3


BAD = {
    "vector": (np.ones(3), {}, r"got shape \(3,\); give one matrix"),
    "batch": (np.ones((2, 3, 4)), {}, r"got shape \(2, 3, 4\); give one matrix"),
    "empty": (np.ones((0, 3)), {}, r"got the empty shape \(0, 3\); give at least"),
    "no features": (np.ones((3, 0)), {}, r"got the empty shape \(3, 0\); give at least"),
    "nan": (np.array([[1.0, np.nan]]), {}, "got 1 entries that are NaN or infinite; leave out"),
    "infinite": (np.array([[np.inf, np.nan]]), {}, "got 2 entries that are NaN or infinite"),
    "complex": (np.ones((2, 2), complex), {}, "got complex numbers; give a real matrix"),
    "words": (np.array([["a", "b"]]), {}, "no array of numbers; convert it"),
    "zero tolerance": (
        np.eye(2),
        {"tolerance": 0.0},
        r"tolerance: expected .*\(0, 0.25\); got 0.0",
    ),
    "large tolerance": (np.eye(2), {"tolerance": 0.3}, r"tolerance: expected .*; got 0.3; give"),
    "nan tolerance": (np.eye(2), {"zero_tolerance": float("nan")}, "zero_tolerance: expected"),
    "size": (np.eye(2), {"max_features": 0}, "max_features: expected at least 1; got 0; give"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_refused(case):
    W, options, message = BAD[case]
    with pytest.raises(ValueError, match=message):
        classify(W, **options)
