"""What `classify` takes and refuses, and what its result can be turned into."""

import json

import jax.numpy as jnp
import numpy as np
import pytest
from helpers import assert_one_line_error

from jaxsup.geometry import classify, shapes


def test_features_of_zero_norm_are_not_represented():
    W = np.zeros((3, 7))
    W[:2, [1, 2, 4, 5, 6]] = shapes.polygon(5)
    W[2, 3] = 1e-9
    geometry = classify(W)
    assert geometry.not_represented.tolist() == [0, 3]
    assert geometry.components[0].features.tolist() == [1, 2, 4, 5, 6]
    assert geometry.named_share == 1.0
    assert classify(W, zero_tolerance=1e-10).names == {"single feature": 1, "pentagon": 1}


def test_nothing_represented():
    geometry = classify(np.zeros((2, 3)))
    assert geometry.components == ()
    assert geometry.not_represented.tolist() == [0, 1, 2]
    assert geometry.margin == 0.0
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


def test_lists_and_device_arrays():
    assert classify([[1.0, -1.0]]).names == {"digon": 1}
    assert classify(jnp.asarray(shapes.polygon(5))).names == {"pentagon": 1}


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.int64])
def test_other_number_types(dtype):
    W = np.hstack([np.eye(3), -np.eye(3)]).astype(dtype)
    assert classify(W).names == {"digon": 3}


def test_rounded_float32_weights_keep_their_name():
    W = (0.37 * shapes.cell_600()).astype(np.float32)
    geometry = classify(W)
    assert geometry.names == {"600-cell": 1}
    assert geometry.margin > 0.99e-3


@pytest.mark.parametrize("scale", [1e-250, 1e-160, 1e160, 1e250])
def test_eigenspaces_are_told_apart_where_squares_leave_the_range(scale):
    W = np.kron(np.diag([1.0, 1.0, 3.0]), shapes.simplex(2))
    with np.errstate(over="ignore", under="ignore"):
        spaces = classify(scale * W).eigenspaces
    assert [(space.name, space.components) for space in spaces] == [
        ("digon", (2,)),
        ("square", (0, 1)),
    ]


BAD = {
    "vector": (np.ones(3), {}, r"got shape \(3,\); give one matrix"),
    "batch": (np.ones((2, 3, 4)), {}, r"got shape \(2, 3, 4\); give one matrix"),
    "empty": (np.ones((0, 3)), {}, r"got the empty shape \(0, 3\); give at least"),
    "no features": (np.ones((3, 0)), {}, r"got the empty shape \(3, 0\); give at least"),
    "nan": (np.array([[1.0, np.nan]]), {}, "got 1 entries that are NaN or infinite; leave out"),
    "infinite": (np.array([[np.inf, np.nan]]), {}, "got 2 entries that are NaN or infinite"),
    "complex": (np.ones((2, 2), complex), {}, "got complex numbers; stack real and"),
    "mask": (
        np.ma.masked_array([[1.0, 9.0], [0.0, 9.0]], [[False, True], [False, True]]),
        {},
        "W: expected numbers without a mask; got 2 masked ones; leave out their features",
    ),
    "words": (
        np.array([["a", "b"]]),
        {},
        "W: expected .*no array of numbers; convert it to numbers",
    ),
    "zero tolerance": (
        np.eye(2),
        {"tolerance": 0.0},
        "tolerance: expected a finite number > 0 and < 0.25; got 0.0; give a relative size",
    ),
    "large tolerance": (np.eye(2), {"tolerance": 0.3}, r"tolerance: expected .*; got 0.3; give"),
    "nan tolerance": (np.eye(2), {"zero_tolerance": float("nan")}, "zero_tolerance: expected"),
    "size": (
        np.eye(2),
        {"max_features": 0},
        "max_features: expected a positive integer; got 0; give the largest size to classify",
    ),
    "pairs": (np.eye(2), {"max_pairs": 0}, "max_pairs: expected a positive integer; got 0"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_refused(case):
    W, options, message = BAD[case]
    assert_one_line_error(lambda: classify(W, **options), message)
