"""How much noise a verdict survives, and what gets no name."""

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
}


def orthogonal(rng, size):
    return np.linalg.qr(rng.normal(size=(size, size)))[0]


def with_noise(W, size, kind, rng):
    """W + E with ||e_i|| = size ||w_i||: in random directions, or chosen to do harm."""
    n = W.shape[1]
    units = W / np.linalg.norm(W, axis=0)
    noise = {
        "random": rng.normal(size=W.shape),
        "radial": W * (-1.0) ** np.arange(n),  # tells the norms apart
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
    again = classify(noisy, tolerance=tolerance)
    assert verdict(again) == verdict(exact)
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
    component = classify(W).components[0]
    assert (component.kind, component.name, component.scheme) == ("irregular", None, None)
    assert "norms" in component.reason
    assert component.margin == pytest.approx(1e-3 * (size - 1), rel=0.01)


def test_margin_shrinks_when_two_colors_come_close():
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
    (component,) = classify(W).components
    assert (component.name, component.kind) == (None, "irregular")
    assert component.dimension == min(n, 5)
    assert "continuum" in component.reason or "homogeneous" in component.reason
    noisy = classify(with_noise(W, 0.999 * component.margin, "random", rng))
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


def test_large_components_are_not_classified():
    rng = np.random.default_rng(0)
    component = classify(rng.normal(size=(400, 3000))).components[0]
    assert (component.kind, component.margin, component.dimension) == ("irregular", 0.0, 400)
    assert "more than 1024 features" in component.reason
    assert classify(shapes.polygon(9), max_features=8).components[0].kind == "irregular"
    assert classify(shapes.polygon(9), max_features=9).names == {"nonagon": 1}


@pytest.mark.parametrize("tolerance", [0.045, 0.06])
def test_a_dimension_that_no_singular_value_shows_alone_is_what_noise_cannot_remove(tolerance):
    """400 equal singular values, each 1/20 of |W|: noise removes none, or one."""
    rng = np.random.default_rng(3)
    W = np.hstack([orthogonal(rng, 400), orthogonal(rng, 400)])
    limit = tolerance / (1 - tolerance)
    component = max(classify(W, tolerance=tolerance).components, key=lambda c: len(c.features))
    part = W[:, component.features]
    energies = np.cumsum(np.linalg.svd(part, compute_uv=False)[::-1] ** 2) / np.sum(part**2)
    assert component.dimension == int(np.sum(energies > limit**2))
    assert component.dimension > 300
    assert component.eigenvalue == pytest.approx(np.sum(part**2) / component.dimension)
