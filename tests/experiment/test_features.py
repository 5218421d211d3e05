"""Probabilities and moments of feature laws against float64 formulas and enumeration."""

import itertools

import jax.numpy as jnp
import numpy as np
import pytest
from feature_laws import VALUE_MOMENTS, families, moments_of
from helpers import assert_one_line_error
from power_laws import power_law

import jaxsup
from jaxsup._internal.validation import check_number
from jaxsup.experiment.moments import Moments


@pytest.mark.parametrize("exponent", [-0.5, 0.0, 1.1, 3.0])
@pytest.mark.parametrize(
    ("density", "normalize"), [(1.0, True), (0.3, True), (3.0, True), (1.0, False), (4.0, False)]
)
def test_probabilities_are_the_clipped_power_law(exponent, density, normalize):
    features = jaxsup.PowerLawFeatures(50, exponent, density, normalize=normalize)
    expected = np.minimum(1, density * power_law(50, exponent, normalize=normalize))
    np.testing.assert_allclose(features.probabilities, expected, rtol=5e-6)


def test_density_is_the_expected_number_of_active_features():
    p = jaxsup.PowerLawFeatures(1000, 1.1, density=0.25).probabilities
    assert float(p.sum()) == pytest.approx(0.25, rel=1e-5)


def test_clipping_leaves_exactly_one():
    p = np.asarray(jaxsup.PowerLawFeatures(4, 2.0, density=8.0).probabilities)
    assert p[0] == 1
    assert p[1] == 1
    assert 0 < p[3] < 1
    assert (
        jaxsup.PowerLawFeatures(4, 0.0, density=0.1, normalize=False).probabilities.tolist()
        == [np.float32(0.1)] * 4
    )


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("exponent", [0.0, 1.5])
def test_gaussian_variances_and_one_active_frequencies(exponent, normalize):
    gaussian = jaxsup.GaussianFeatures(30, exponent, 2.5, normalize=normalize)
    law = power_law(30, exponent, normalize=normalize)
    np.testing.assert_allclose(gaussian.variances, 2.5 * law, rtol=5e-6)
    one_active = jaxsup.OneActiveFeatures(30, exponent)
    expected = power_law(30, exponent, normalize=True)
    np.testing.assert_allclose(one_active.frequencies, expected, rtol=5e-6)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("values", VALUE_MOMENTS)
def test_sparse_moments_equal_an_enumeration_of_active_sets(values):
    features = jaxsup.PowerLawFeatures(4, 0.9, density=1.7, values=values)
    p = np.minimum(1, 1.7 * power_law(4, 0.9, normalize=True))
    first, second = VALUE_MOMENTS[values]
    mean, C = np.zeros(4), np.zeros((4, 4))
    for active in itertools.product([0, 1], repeat=4):
        u = np.array(active)
        chance = np.prod(np.where(u == 1, p, 1 - p))
        mean += chance * u * first
        products = np.outer(u, u) * first**2
        np.fill_diagonal(products, u * second)
        C += chance * products
    moments = moments_of(features)
    np.testing.assert_allclose(moments.mean, mean, rtol=1e-12)
    np.testing.assert_allclose(moments.second_moment(), C, rtol=1e-12, atol=1e-15)
    diagonal = p * second - (p * first) ** 2
    np.testing.assert_allclose(C, np.diag(diagonal) + np.outer(mean, mean), rtol=1e-12, atol=1e-15)


def test_second_moment_is_diagonal_only_without_a_mean():
    for values, (first, _) in VALUE_MOMENTS.items():
        C = np.asarray(jaxsup.PowerLawFeatures(5, 1.0, values=values).moments().second_moment())
        off = C - np.diag(np.diagonal(C))
        assert (np.abs(off).max() == 0) == (first == 0)


@pytest.mark.usefixtures("x64")
def test_one_active_second_moment_is_exactly_diagonal_with_a_mean():
    moments = jaxsup.OneActiveFeatures(6, 1.2).moments()
    f = power_law(6, 1.2, normalize=True)
    np.testing.assert_allclose(moments.mean, f / 2, rtol=1e-12)
    np.testing.assert_array_equal(
        np.asarray(moments.second_moment()), np.diag(np.asarray(moments.diagonal))
    )
    np.testing.assert_allclose(moments.diagonal, f / 3, rtol=1e-12)
    ones = jaxsup.OneActiveFeatures(6, 1.2, values="one").moments()
    np.testing.assert_allclose(ones.mean, f, rtol=1e-12)
    np.testing.assert_allclose(np.asarray(ones.second_moment()), np.diag(f), rtol=1e-12)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("name", families(2))
def test_row_quadratics_are_the_diagonal_of_d_c_dt(name):
    moments = moments_of(families(7)[name])
    D = np.random.default_rng(1).normal(size=(5, 7))
    C = np.asarray(moments.second_moment())
    np.testing.assert_allclose(
        moments.row_quadratics(jnp.asarray(D)), np.diagonal(D @ C @ D.T), rtol=1e-12, atol=1e-14
    )


def test_dense_and_structured_parts_add_up():
    ones = jnp.ones(3)
    moments = Moments(mean=ones, diagonal=2 * ones, factor=ones, dense=3 * jnp.ones((3, 3)))
    np.testing.assert_array_equal(moments.second_moment(), 2 * np.eye(3) + 1 + 3)
    D = np.diag([1.0, 2.0, 3.0])
    np.testing.assert_allclose(moments.row_quadratics(jnp.asarray(D)), 6 * np.diagonal(D) ** 2)


def test_a_covariance_may_be_a_list_and_is_the_second_moment():
    features = jaxsup.CorrelatedFeatures([[2.0, 0.5], [0.5, 1.0]])
    assert features.count == 2
    np.testing.assert_array_equal(moments_of(features).second_moment(), [[2, 0.5], [0.5, 1]])


BAD = {
    "count zero": (lambda: jaxsup.PowerLawFeatures(0, 1.0), "features.count: .*positive integer"),
    "count negative": (lambda: jaxsup.GaussianFeatures(-3, 1.0), "features.count: .*got -3"),
    "values of one-active": (
        lambda: jaxsup.OneActiveFeatures(4, values="ones"),
        "features.values: expected one of 'unit', 'one'; got 'ones'; did you mean 'one'?",
    ),
    "count of one-active": (lambda: jaxsup.OneActiveFeatures(0), "features.count: .*got 0"),
    "count boolean": (lambda: jaxsup.OneActiveFeatures(True), "features.count: .*got True"),
    "exponent nan": (
        lambda: jaxsup.PowerLawFeatures(4, float("nan")),
        "features.exponent: expected a finite number; got nan",
    ),
    "exponent inf": (
        lambda: jaxsup.GaussianFeatures(4, float("inf")),
        "features.exponent: .*got inf",
    ),
    "one-active exponent": (
        lambda: jaxsup.OneActiveFeatures(4, float("-inf")),
        "features.exponent: .*got -inf",
    ),
    "density zero": (
        lambda: jaxsup.PowerLawFeatures(4, 1.0, 0.0),
        "features.density: expected a finite number > 0; got 0.0; give the expected number",
    ),
    "density negative": (
        lambda: jaxsup.PowerLawFeatures(4, 1.0, -1),
        "features.density: .*got -1",
    ),
    "density nan": (
        lambda: jaxsup.PowerLawFeatures(4, 1.0, float("nan")),
        "features.density: .*got nan",
    ),
    "values": (
        lambda: jaxsup.PowerLawFeatures(4, 1.0, values="unifrom"),
        "features.values: expected one of .*; got 'unifrom'; did you mean 'uniform'",
    ),
    "variance": (
        lambda: jaxsup.GaussianFeatures(4, 1.0, 0.0),
        "features.variance: expected a finite number > 0; got 0.0",
    ),
    "covariance not square": (
        lambda: jaxsup.CorrelatedFeatures(np.ones((2, 3))),
        r"features.covariance: expected a square matrix; got a shape \(2, 3\)",
    ),
    "covariance not a matrix": (
        lambda: jaxsup.CorrelatedFeatures(np.ones(3)),
        r"features.covariance: expected a square matrix; got a shape \(3,\)",
    ),
    "covariance nan": (
        lambda: jaxsup.CorrelatedFeatures(np.array([[1.0, np.nan], [np.nan, 1.0]])),
        "features.covariance: .*finite",
    ),
    "covariance asymmetric": (
        lambda: jaxsup.CorrelatedFeatures(np.array([[1.0, 0.5], [0.0, 1.0]])),
        "features.covariance: expected a symmetric matrix",
    ),
    "covariance indefinite": (
        lambda: jaxsup.CorrelatedFeatures(np.array([[1.0, 2.0], [2.0, 1.0]])),
        "features.covariance: expected no negative eigenvalue",
    ),
    "probabilities not a list": (
        lambda: jaxsup.SparseFeatures(np.full((2, 2), 0.5)),
        r"features.probabilities: expected a list; got a shape \(2, 2\)",
    ),
    "no probabilities": (
        lambda: jaxsup.SparseFeatures([]),
        r"features.probabilities: expected a list; got a shape \(0,\)",
    ),
    "probability above one": (
        lambda: jaxsup.SparseFeatures([0.5, 1.5]),
        "features.probabilities: expected a finite number > 0 and <= 1; got 1.5 at 1, one of 1",
    ),
    "values of sparse features": (
        lambda: jaxsup.SparseFeatures([0.5], "unifrom"),
        "features.values: expected one of .*; got 'unifrom'; did you mean 'uniform'",
    ),
    "no number": (
        lambda: check_number("features.exponent", "high", "give a number", high=1, high_open=True),
        "features.exponent: expected a finite number < 1; got 'high'; give a number",
    ),
    "boolean number": (
        lambda: check_number("features.exponent", True, "give a number", low=0, high=1),
        "features.exponent: expected a finite number >= 0 and <= 1; got True",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_a_one_line_error(case):
    assert_one_line_error(*BAD[case])
