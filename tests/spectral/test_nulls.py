"""Nulls: closed forms against samples, with bounds from the number of samples."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import assert_one_line_error

from jaxsup import spectral
from jaxsup.spectral.nulls import gaussian_null, sample_null

SAMPLES = 400


def standard_errors_off(values, expected):
    """How many standard errors lie between the mean of the samples and a number."""
    values = np.asarray(values, np.float64)
    return abs(values.mean() - expected) / (values.std(ddof=1) / np.sqrt(len(values)))


@pytest.mark.parametrize("shape", [(3, 8), (12, 30), (30, 12), (6, 6), (1, 5), (5, 1)])
def test_what_is_exact_at_any_size(shape, x64):
    """Within 4 standard errors of 400 samples: by chance once in 16,000 numbers."""
    W = 7.0 * np.ones(shape)
    found = sample_null(jax.random.key(0), W, samples=SAMPLES)
    null = gaussian_null(*shape)
    if min(shape) > 1 or shape == (1, 5):
        assert standard_errors_off(found.saturation, null.saturation) < 4
        assert standard_errors_off(found.latent_saturation, null.latent_saturation) < 4
    else:
        np.testing.assert_allclose(found.saturation, null.saturation, rtol=1e-5)
    assert standard_errors_off(found.mean_eigenvalue, 49 * null.mean_eigenvalue) < 4
    np.testing.assert_allclose(found.leverage, null.leverage, rtol=1e-6)
    if shape[0] >= shape[1] > 1:
        assert standard_errors_off(found.slack, null.slack) < 4


SIZES = [(2, 2), (2, 5), (2, 12), (5, 20), (20, 80), (3, 3), (12, 2), (7, 6)]


@pytest.mark.parametrize("shape", SIZES)
def test_spread_and_slack_are_exact_from_two_dimensions_on(shape):
    """Against definitions in NumPy on draws of its own, both ways: 4 standard errors, and 1%.

    400,000 entries in all; the features of one matrix are no independent draws, so that the error
    is that of the matrices' means.
    """
    rng = np.random.default_rng(12)
    Ws = rng.standard_normal((400_000 // np.prod(shape), *shape))
    F = Ws @ Ws.transpose(0, 2, 1)
    squares, images = np.sum(Ws**2, axis=1), F @ Ws
    kappa = np.sum(Ws * images, axis=1) / squares
    spread = np.linalg.norm(images - kappa[:, None] * Ws, axis=1) / np.sqrt(squares) / kappa
    leverage = np.sum(Ws * (np.linalg.pinv(F, hermitian=True, rcond=1e-13) @ Ws), axis=1)
    slack = 1 - squares / kappa / leverage
    null = gaussian_null(*shape)
    for values, expected in ((spread, null.eigenvalue_spread), (slack, null.slack)):
        of_matrices = values.mean(axis=1)
        assert standard_errors_off(of_matrices, expected) < 4
        assert of_matrices.mean() == pytest.approx(expected, rel=0.01)


def test_closed_forms():
    null = gaussian_null(768, 50_257)
    assert null.saturation == 50_257 / (768 + 50_256)
    assert null.latent_saturation == null.saturation
    assert gaussian_null(9, 3).latent_saturation == pytest.approx(3 / 11)
    c = 768 / 50_257
    assert null.eigenvalue_spread == pytest.approx(np.sqrt(c) / (1 + c), rel=1e-3)
    assert gaussian_null(2, 2).eigenvalue_spread == pytest.approx(1 / np.pi)
    assert gaussian_null(1, 9).eigenvalue_spread == gaussian_null(1, 9).slack == 0
    # arXiv 2602.02224, repository: coefficient of variation at n = 1,024.
    for m, spread in ((16, 0.12), (112, 0.30), (256, 0.40), (512, 0.47)):
        assert gaussian_null(m, 1024).eigenvalue_spread == pytest.approx(spread, abs=0.005)


def test_samples_are_those_of_matrices_drawn_one_by_one(x64):
    """Directions: norms are kept, their mean square too; Gaussian entries have W's."""
    rng = np.random.default_rng(0)
    W = rng.standard_normal((4, 15)) * np.logspace(-1, 1, 15)
    W[:, 3] = 0.0
    key, norms = jax.random.key(5), np.linalg.norm(W, axis=0)
    for null in ("gaussian", "directions"):
        found = sample_null(key, W, null=null, samples=3)
        for i, one in enumerate(jax.random.split(key, 3)):
            R = np.asarray(jax.random.normal(one, W.shape, jnp.float64))
            R = norms * R / np.linalg.norm(R, axis=0) if null == "directions" else R
            R = R if null == "directions" else R * np.sqrt(np.mean(W**2))
            spectrum = spectral.decompose(R)
            assert int(spectrum.represented.sum()) == (14 if null == "directions" else 15)
            np.testing.assert_allclose(found.saturation[i], spectrum.saturation, rtol=1e-10)
            kappa = spectrum.mean_eigenvalues[spectrum.represented]
            np.testing.assert_allclose(found.mean_eigenvalue[i], kappa.mean(), rtol=1e-10)
    scaled = sample_null(key, 1e6 * W, null="directions", samples=3)
    kept = sample_null(key, W, null="directions", samples=3)
    np.testing.assert_allclose(scaled.mean_eigenvalue, 1e12 * kept.mean_eigenvalue, rtol=1e-10)
    np.testing.assert_allclose(scaled.slack, kept.slack, rtol=1e-9, atol=1e-12)


def test_tolerances_reach_the_samples():
    loose = sample_null(jax.random.key(0), np.ones((4, 9)), samples=2, relative_tolerance=0.99)
    np.testing.assert_allclose(loose.largest_projection, 1, rtol=1e-5)
    cut = sample_null(jax.random.key(0), np.ones((4, 9)), samples=2, rank_tolerance=0.95)
    np.testing.assert_array_equal(cut.rank, 1)


@pytest.mark.parametrize("null", ["gaussian", "directions"])
def test_a_zero_matrix_has_a_null_without_numbers(null):
    found = sample_null(jax.random.key(0), np.zeros((3, 4)), null=null, samples=2)
    np.testing.assert_array_equal(found.rank, 0)
    assert np.isnan(found.slack).all()


def test_what_is_refused():
    key, W = jax.random.key(0), np.eye(2)
    masked = np.ma.masked_array(W, W > 0)
    for call, words in (
        (lambda: sample_null(key, W, null="none"), "null: expected one of 'gaussian', 'directio"),
        (lambda: sample_null(key, W, samples=0), "samples: expected a positive integer; got 0"),
        (lambda: sample_null(key, W, relative_tolerance=1.0), r"relative_tolerance: .* in \[0, 1"),
        (lambda: sample_null(key, W, rank_tolerance=-1.0), r"rank_tolerance: .* in \[0, 1"),
        (lambda: sample_null(key, masked), "W: expected numbers without a mask"),
        (lambda: sample_null(key, W * 1j), "W: expected real numbers; got dtype complex128; .* la"),
        (lambda: sample_null(key, W * np.nan), "W: expected finite numbers"),
        (lambda: gaussian_null(0, 3), "latent: expected a positive integer; got 0; give W"),
        (lambda: gaussian_null(3, 0), "features: expected a positive integer; got 0; give W"),
    ):
        assert_one_line_error(call, words)
