"""Schemes are told apart by a bijection of points, or left undecided: never by a guess."""

import json

import graphs
import numpy as np
import pytest
from graphs import on_eigenspace

from jaxsup.geometry import classify, isomorphism, shapes
from jaxsup.geometry.census import composition, feature_shares
from jaxsup.geometry.isomorphism import is_isomorphic

SHRIKHANDE, ROOK = graphs.shrikhande(), graphs.rook(4)


def scheme_of(adjacency):
    """The scheme of a strongly regular graph, by classification; and a number for each class."""
    scheme = classify(on_eigenspace(adjacency, 2)).components[0].scheme
    assert scheme is not None
    assert scheme.Q is not None
    return scheme, scheme.Q[:, 1]


def shuffled(adjacency, seed):
    order = np.random.default_rng(seed).permutation(len(adjacency))
    return adjacency[np.ix_(order, order)]


@pytest.mark.parametrize("seed", range(3))
def test_a_graph_is_isomorphic_to_itself_in_another_order(seed):
    assert is_isomorphic(*scheme_of(shuffled(ROOK, seed)), *scheme_of(ROOK)) is True


def test_graphs_with_equal_parameters_are_told_apart():
    """Shrikhande and 4 x 4 rook's graph: both strongly regular (16, 6, 2, 2)."""
    assert is_isomorphic(*scheme_of(SHRIKHANDE), *scheme_of(ROOK)) is False


def test_other_values_or_another_size_are_no_isomorphism():
    scheme, values = scheme_of(ROOK)
    assert is_isomorphic(scheme, values, scheme, values + np.eye(3)[2]) is False
    smaller, support = classify(np.eye(3) - 1 / 3).components[0].scheme, np.ones(2)
    assert smaller is not None
    assert is_isomorphic(scheme, values, smaller, support) is False
    assert is_isomorphic(smaller, support, smaller, np.array([1.0, 2.0])) is False


@pytest.mark.parametrize("graph", [ROOK, SHRIKHANDE])
def test_a_search_that_is_too_long_is_undecided(graph, monkeypatch):
    schemes = (*scheme_of(shuffled(graph, 0)), *scheme_of(ROOK))
    monkeypatch.setattr(isomorphism, "_MAX_NODES", 1)
    assert is_isomorphic(*schemes) is None


def test_an_undecided_geometry_gets_no_name_and_says_so(monkeypatch):
    W = np.zeros((6, 12))
    W[:4, :9] = on_eigenspace(graphs.rook(3), 1)
    W[4:, 9:] = np.array([[2.0, -1, -1], [0, 3**0.5, -(3**0.5)]])  # a triangle: needs no search
    assert classify(W).names == {"triangle x triangle": 1, "triangle": 1}
    monkeypatch.setattr(isomorphism, "_MAX_NODES", 1)
    geometry = classify(W)
    assert geometry.names == {"triangle": 1}
    component = geometry.components[0]
    assert (component.name, component.kind, component.label) == (None, "scheme", "undecided scheme")
    assert component.undecided == ("triangle x triangle",)
    assert str(component.capacity) == "4/9"
    text = component.describe()
    assert text.startswith("undecided scheme (triangle x triangle, or none of the catalogue)")
    assert "strongly regular graph (9, 4, 1, 2)" in text
    assert "undecided scheme" in str(geometry)
    assert composition(geometry) == "undecided scheme of 9 features + triangle"
    assert feature_shares([geometry]) == {"unnamed scheme": 9 / 12, "triangle": 3 / 12}
    record = json.loads(json.dumps(geometry.to_dict()))
    assert record["components"][0]["undecided"] == ["triangle x triangle"]
    assert record["components"][1]["undecided"] == []


def test_a_frame_is_named_where_its_shape_is_undecided(monkeypatch):
    """Shrikhande's 16 lines are an equiangular tight frame, whatever else they may be."""
    W = on_eigenspace(SHRIKHANDE, 2)
    monkeypatch.setattr(isomorphism, "_MAX_NODES", 1)
    component = classify(W).components[0]
    assert (component.name, component.undecided) == ("equiangular tight frame (16, 6)", ())


PLURALS = {
    "3 tetrahedra": shapes.simplex(4),
    "3 icosahedra": shapes.icosahedron(),
    "3 4-simplices": shapes.simplex(5),
    "3 hypersimplices (5, 2)": shapes.hypersimplex(5, 2),
    "3 sets of A4 roots": shapes.roots_a(4),
    "3 equiangular tight frames (6, 3)": np.array(
        [corner for corner in shapes.icosahedron().T if tuple(corner) > (0.0, 0.0, 0.0)]
    ).T,
    "3 square prisms": shapes.product(3 * [("simplex", 2)], [1.0, 1.0, 2.0]),
}


@pytest.mark.parametrize("text", PLURALS)
def test_several_of_a_kind_are_in_the_plural(text):
    assert composition(classify(np.kron(np.eye(3), PLURALS[text]))) == text
