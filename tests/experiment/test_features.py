"""Feature distributions against float64 formulas, enumeration and bounded Monte Carlo."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from helpers import assert_one_line_error

import jaxsup
from jaxsup._internal.validation import check_number
from jaxsup.experiment.features import AbstractFeatures, Moments

# E[v], E[v^2] of the value laws, from their definitions.
VALUE_MOMENTS = {"uniform": (1.0, 4 / 3), "unit": (1 / 2, 1 / 3), "sign": (0.0, 1.0)}


def power_law(count: int, exponent: float, *, normalize: bool) -> np.ndarray:
    weights = np.arange(1, count + 1, dtype=np.float64) ** -exponent
    return weights / weights.sum() if normalize else weights


def random_covariance(count: int, rank: int, seed: int = 0) -> np.ndarray:
    factor = np.random.default_rng(seed).normal(size=(count, rank))
    return factor @ factor.T


def families(count: int) -> dict[str, AbstractFeatures]:
    laws = {
        f"power-law-{values}": jaxsup.PowerLawFeatures(count, 1.3, density=1.4, values=values)
        for values in VALUE_MOMENTS
    }
    return {
        **laws,
        "clipped": jaxsup.PowerLawFeatures(count, 1.0, density=2.5, normalize=False),
        "gaussian": jaxsup.GaussianFeatures(count, 1.2, variance=0.7),
        "correlated": jaxsup.CorrelatedFeatures(random_covariance(count, count)),
        "singular": jaxsup.CorrelatedFeatures(random_covariance(count, 2)),
        "one-active": jaxsup.OneActiveFeatures(count, 0.8),
    }


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
    one = jaxsup.OneActiveFeatures(30, exponent)
    expected = power_law(30, exponent, normalize=True)
    np.testing.assert_allclose(one.frequencies, expected, rtol=5e-6)


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


def moments_of(features: jaxsup.AbstractFeatures) -> Moments:
    moments = features.moments()
    assert moments is not None
    return moments


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
    one = jnp.ones(3)
    moments = Moments(mean=one, diagonal=2 * one, factor=one, dense=3 * jnp.ones((3, 3)))
    np.testing.assert_array_equal(moments.second_moment(), 2 * np.eye(3) + 1 + 3)
    D = np.diag([1.0, 2.0, 3.0])
    np.testing.assert_allclose(moments.row_quadratics(jnp.asarray(D)), 6 * np.diagonal(D) ** 2)


@pytest.mark.parametrize("name", families(2))
def test_samples_have_the_exact_moments(name):
    """Every entry within 5 standard errors; the errors come from the sample's fourth moments."""
    features, batch = families(5)[name], 2**17
    x = np.asarray(features.sample_batch(jax.random.key(3), batch), np.float64)
    assert x.shape == (batch, 5)
    moments = moments_of(features)
    error = x.std(axis=0) / np.sqrt(batch)
    assert (np.abs(x.mean(axis=0) - moments.mean) <= 5 * error + 1e-7).all()
    products = x[:, :, None] * x[:, None, :]
    error = products.std(axis=0) / np.sqrt(batch)
    gap = np.abs(products.mean(axis=0) - np.asarray(moments.second_moment()))
    assert (gap <= 5 * error + 1e-7).all()
    # The bound is tight enough to tell a second moment from a covariance.
    if name == "power-law-uniform":
        assert (5 * error < np.outer(moments.mean, moments.mean)).all()


@pytest.mark.parametrize("values", ["uniform", "unit"])
def test_active_values_follow_their_uniform_law(values):
    features = jaxsup.PowerLawFeatures(3, 0.5, values=values)
    x = np.asarray(features.sample_batch(jax.random.key(4), 2**15))
    width = 2.0 if values == "uniform" else 1.0
    for column in x.T:
        active = column[column != 0]
        # The 0.1 % point of Kolmogorov's distribution.
        statistic = scipy.stats.kstest(active, "uniform", args=(0, width)).statistic
        assert statistic * np.sqrt(active.size) < 1.95
        assert 0.99 * width < active.max() <= width


def test_sign_values_are_fair():
    features = jaxsup.PowerLawFeatures(3, 0.5, values="sign")
    x = np.asarray(features.sample_batch(jax.random.key(5), 2**15))
    assert set(np.unique(x)) == {-1.0, 0.0, 1.0}
    for column in x.T:
        active = column[column != 0]
        assert abs(active.mean()) * np.sqrt(active.size) < 4


def test_activations_are_independent_between_features_and_of_values():
    count, batch = 8, 2**16
    features = jaxsup.PowerLawFeatures(count, 0.7, density=3.0)
    x = np.asarray(features.sample_batch(jax.random.key(6), batch), np.float64)
    p = np.asarray(features.probabilities, np.float64)
    active = x != 0
    spread = np.sqrt(p * (1 - p))
    z = (active - p) / spread
    assert (np.abs(z.mean(axis=0)) * np.sqrt(batch) < 4.5).all()
    correlation = z.T @ z / batch
    off = correlation[~np.eye(count, dtype=bool)]
    assert np.abs(off).max() * np.sqrt(batch) < 4.5
    # The number of active features has the variance of independent ones: relative error sqrt(2/B).
    variance = active.sum(axis=1).var() / (p * (1 - p)).sum()
    assert abs(variance - 1) < 5 * np.sqrt(2 / batch)
    # E[v | another feature is active] stays 1; v has variance 1/3.
    values = x[active[:, 0] & active[:, 1], 0]
    assert abs(values.mean() - 1) < 4.5 * np.sqrt(1 / 3 / values.size)


def test_rare_features_are_as_rare_as_stated():
    """p = 1e-9 in 2^26 draws: 0.07 expected, where a 23-bit uniform number would give 8."""
    features = jaxsup.PowerLawFeatures(1024, 0.0, density=1e-9, normalize=False)

    @jax.jit
    def active(key):
        return jnp.sum(features.sample_batch(key, 2**12) != 0)

    drawn = sum(int(active(jax.random.key(seed))) for seed in range(16))
    assert drawn <= 2


def test_one_active_feature_a_row_by_frequency():
    count, batch = 6, 2**16
    features = jaxsup.OneActiveFeatures(count, 1.0)
    x = np.asarray(features.sample_batch(jax.random.key(7), batch))
    assert ((x != 0).sum(axis=1) <= 1).all()
    assert x.min() >= 0
    assert x.max() <= 1
    counts = (x != 0).sum(axis=0)
    f = power_law(count, 1.0, normalize=True)
    spread = np.sqrt(batch * f * (1 - f))
    assert (np.abs(counts - batch * f) < 4.5 * spread).all()
    active = x[x != 0]
    statistic = scipy.stats.kstest(active, "uniform").statistic
    assert statistic * np.sqrt(active.size) < 1.95
    ones = jaxsup.OneActiveFeatures(count, 1.0, values="one")
    # The same key draws the same features.
    np.testing.assert_array_equal(ones.sample_batch(jax.random.key(7), batch), x != 0)


def test_singular_covariance_keeps_samples_in_its_range():
    direction = np.array([1.0, -2.0, 0.5])
    features = jaxsup.CorrelatedFeatures(np.outer(direction, direction))
    x = np.asarray(features.sample_batch(jax.random.key(8), 4096), np.float64)
    unit = direction / np.linalg.norm(direction)
    # The root of an eigenvalue of float32 rounding size is what may leak out of the range.
    leak = np.linalg.norm(x - np.outer(x @ unit, unit), axis=1).max()
    assert leak < 1e-2
    projected = x @ unit / np.linalg.norm(direction)
    assert abs(projected.var() - 1) < 5 * np.sqrt(2 / 4096)


def test_gaussian_samples_are_normal():
    features = jaxsup.GaussianFeatures(3, 1.0)
    x = np.asarray(features.sample_batch(jax.random.key(9), 2**14))
    for column, variance in zip(x.T, np.asarray(features.variances), strict=True):
        scale = float(np.sqrt(variance))
        statistic = scipy.stats.kstest(column / scale, "norm").statistic
        assert statistic * np.sqrt(column.size) < 1.95


@pytest.mark.parametrize(
    "make",
    [
        lambda a, d: jaxsup.PowerLawFeatures(6, a, d),
        lambda a, d: jaxsup.PowerLawFeatures(6, a, d, "sign", normalize=False),
        lambda a, d: jaxsup.GaussianFeatures(6, a, d),
        lambda a, d: jaxsup.OneActiveFeatures(6, a),
    ],
)
def test_traced_scalars_equal_eager(make):
    key, exponents, densities = jax.random.key(10), jnp.array([0.4, 1.7]), jnp.array([0.2, 0.9])

    @jax.jit
    @jax.vmap
    def together(a, d):
        features = make(a, d)
        moments = moments_of(features)
        return features.sample_batch(key, 64), moments.mean, moments.second_moment()

    batches = together(exponents, densities)
    for row, (a, d) in enumerate(zip(exponents.tolist(), densities.tolist(), strict=True)):
        features = make(a, d)
        moments = moments_of(features)
        alone = features.sample_batch(key, 64), moments.mean, moments.second_moment()
        for got, expected in zip(batches, alone, strict=True):
            np.testing.assert_allclose(got[row], expected, rtol=2e-6, atol=1e-7)


def test_samples_depend_on_the_key_alone():
    features = jaxsup.PowerLawFeatures(6, 1.0)
    again = [features.sample_batch(jax.random.key(seed), 32) for seed in (0, 0, 1)]
    np.testing.assert_array_equal(again[0], again[1])
    assert (np.asarray(again[0]) != np.asarray(again[2])).any()


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
