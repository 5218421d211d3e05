"""Centered columns and columns of unit norm, against NumPy in float64 and planted means."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxsup.spectral import represented
from jaxsup.weights.features import preparation
from jaxsup.weights.features.preparation import prepare, stored_epsilon


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_columns_are_centered_and_then_divided_by_their_norms(
    dtype: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preparation, "_BLOCK", 7)
    W = (np.random.default_rng(0).standard_normal((6, 50)) + 3).astype(dtype)
    exact = W.astype(np.float64)
    centered = exact - exact.mean(axis=1, keepdims=True)
    for options, expected in [
        ({"center": True}, centered),
        ({"unit_norm": True}, exact / np.linalg.norm(exact, axis=0)),
        ({"center": True, "unit_norm": True}, centered / np.linalg.norm(centered, axis=0)),
    ]:
        prepared = prepare(W, **options)
        assert prepared.matrix.dtype == dtype
        tolerance = 4 * np.finfo(dtype).eps
        np.testing.assert_allclose(prepared.matrix, expected, rtol=tolerance, atol=tolerance)
        assert not prepared.emptied.any()
    assert prepare(W).matrix is W
    assert prepare(W).describe() == ""


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e12])
def test_a_column_that_is_the_mean_leaves_no_feature(dtype: type, scale: float) -> None:
    rng = np.random.default_rng(1)
    mean, offsets = rng.standard_normal((9, 1)), rng.standard_normal((9, 40))
    exact = scale * (mean + np.concatenate([offsets, -offsets, np.zeros((9, 1))], axis=1))
    # Columns on both sides of the last one: it is their mean as far as numbers of a type go.
    W = exact.astype(dtype)
    prepared = prepare(W, center=True, unit_norm=True)
    assert np.flatnonzero(prepared.emptied).tolist() == [80]
    assert np.flatnonzero(~prepared.matrix.any(axis=0)).tolist() == [80]
    assert np.flatnonzero(~np.asarray(represented(prepared.matrix))).tolist() == [80]
    assert "(1 feature equal to it: now zero); columns divided" in prepared.describe()


def test_rounding_is_that_of_the_file_where_it_is_given() -> None:
    offsets = np.random.default_rng(2).standard_normal((9, 40))
    last = np.full((9, 1), 1 + 2.0**-12)  # one step of float16 beside the mean, 1
    W = (np.concatenate([1 + offsets, 1 - offsets, last], axis=1)).astype(np.float32)
    assert not prepare(W, center=True).emptied.any()
    assert np.flatnonzero(prepare(W, center=True, epsilon=2.0**-10).emptied).tolist() == [80]


def test_zero_columns_stay_zero_and_tiny_ones_get_unit_norm() -> None:
    W = np.asarray([[3e-200, 0.0, 1e200], [4e-200, 0.0, 1e200]])
    prepared = prepare(W, unit_norm=True)
    half = np.sqrt(0.5)
    np.testing.assert_allclose(prepared.matrix, [[0.6, 0, half], [0.8, 0, half]], rtol=1e-15)
    assert prepared.describe() == "columns divided by their norms"
    assert prepared.mean is None


def test_equal_columns_leave_nothing() -> None:
    prepared = prepare(np.full((4, 7), 0.1, np.float32), center=True, unit_norm=True)
    assert prepared.emptied.all()
    assert not prepared.matrix.any()


@pytest.mark.parametrize(("stored", "spread"), [("bfloat16", 0.01), ("bfloat16", 0.004)])
def test_features_near_the_mean_of_few_digits_are_no_rounding(stored: str, spread: float) -> None:
    """All 400 columns differ, by more than rounding can make of one."""
    rng = np.random.default_rng(3)
    common = rng.standard_normal((64, 1))
    exact = common + spread * np.abs(common) * rng.standard_normal((64, 400))
    W = np.asarray(exact.astype(jnp.dtype(stored)).astype(np.float32))
    assert len(np.unique(W, axis=1).T) == 400
    epsilon = stored_epsilon(stored, np.dtype(np.float32))
    assert not prepare(W, center=True, epsilon=epsilon).emptied.any()


def test_rounding_of_the_mean_counts_where_there_are_few_columns() -> None:
    rng = np.random.default_rng(4)
    emptied = []
    for _ in range(50):
        offset, mean = 30 * rng.standard_normal(16), rng.standard_normal(16)
        W = np.stack([mean + offset, mean - offset, mean], axis=1).astype(np.float32)
        emptied.append(prepare(W, center=True).emptied)
    shares = np.mean(emptied, axis=0)
    assert shares[:2].max() == 0
    assert shares[2] > 0.8
