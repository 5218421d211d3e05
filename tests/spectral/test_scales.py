"""What has no unit is the same at every scale; medians of lines have finite derivatives."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsup import spectral
from jaxsup.spectral.frame import frame_potential, squared_overlaps
from jaxsup.spectral.measures import (
    binned_entropies,
    linear_law,
    present_median,
    summarize_measures,
)

W = np.random.default_rng(0).standard_normal((3, 30)).astype(np.float32)
FIELDS = (
    "eigenvalue_spreads",
    "capacities",
    "leverages",
    "slack",
    "localization",
    "entropies",
    "saturation",
    "rank",
    "tightness",
    "overall_tightness",
    "multiplicities",
    "scaled_eigenvalues",
)


def without_units(matrix):
    matrix = jnp.asarray(matrix)
    spectrum = spectral.decompose(matrix)
    law, summary = linear_law(spectrum), summarize_measures(matrix, spectrum)._asdict()
    del summary["mean_eigenvalue"]
    return {
        **{name: getattr(spectrum, name) for name in FIELDS},
        **summary,
        "binned": binned_entropies(matrix, spectrum),
        "scaled": law.scaled_slopes,
        "fit": law.r_squared,
    }


@pytest.mark.parametrize("exponent", [-102, -60, 60, 100, 116])
def test_what_has_no_unit_is_the_same_at_every_scale_of_single_precision(exponent, x32):
    """From 1e-31 to 1e35, by a power of two: but for entries that get lost, to the last digit."""
    expected, found = without_units(W), without_units(np.ldexp(W, exponent))
    assert np.min(expected["eigenvalue_spreads"]) > 0.01
    assert np.isfinite(expected["scaled"]).any()
    for name in expected:
        np.testing.assert_allclose(found[name], expected[name], rtol=2e-6, err_msg=name)


def test_units_of_squares_end_in_zero_or_infinity_and_not_in_nan(x32):
    small, large = (spectral.decompose(np.float32(scale) * W) for scale in (1e-30, 1e30))
    for name in ("eigenvalues", "mean_eigenvalues", "eigenvalue_deviations", "raw_eigenvalues"):
        np.testing.assert_array_equal(getattr(small, name), 0.0, err_msg=name)
        np.testing.assert_array_equal(getattr(large, name), np.inf, err_msg=name)
    padded = jax.jit(spectral.decompose)(np.float32(1e30) * W[[0, 0, 0]])
    np.testing.assert_array_equal(padded.eigenvalues, [np.inf, 0, 0])


def test_fourth_powers_end_in_infinity_and_leave_zero_columns_zero(x32):
    matrix = np.array([[1e12, 0.0]], np.float32)
    np.testing.assert_array_equal(squared_overlaps(matrix), [np.inf, 0.0])
    assert frame_potential(matrix) == np.inf


@pytest.mark.parametrize("largest", [2.0**127, 3e38])
def test_the_largest_numbers_of_single_precision_have_a_spectrum(largest, x32):
    matrix = (np.eye(3) * largest).astype(np.float32)
    for spectrum in (spectral.decompose(matrix), spectral.decompose_batch(matrix[None])[0].trim()):
        assert int(spectrum.rank) == 3
        assert float(spectrum.scale) == 2.0**126
        np.testing.assert_array_equal(spectrum.norms, np.diag(matrix))
        np.testing.assert_allclose(spectrum.capacities, 1.0, rtol=1e-6)
        assert spectral.certify(matrix, spectrum).certified


def test_a_float64_check_at_every_scale(x64):
    wide = W.astype(np.float64)
    expected = spectral.certify(wide)
    for exponent in (-330, 330):  # about 1e-99 and 1e99
        found = spectral.certify(np.ldexp(wide, exponent))
        assert found.certified
        assert found.rank == 3
        np.testing.assert_array_equal(found.capacities, expected.capacities)
        scaled = np.ldexp(found.eigenvalues, -2 * exponent)
        np.testing.assert_allclose(scaled, expected.eigenvalues, rtol=1e-14)
        assert found.errors == expected.errors
        assert found.bounds == expected.bounds


def test_a_check_sees_a_spectrum_of_another_scale(x64):
    wide = W.astype(np.float64)
    assert not spectral.certify(wide, spectral.decompose(2 * wide)).certified
    assert not spectral.certify(wide, spectral.decompose(0 * wide)).certified
    assert spectral.certify(0 * wide).certified


def test_integers_are_computed_in_the_precision_that_is_asked_for(x64):
    found = spectral.decompose(np.diag([2**40 + 1, 1]))
    assert found.norms.dtype == np.float64
    assert float(found.norms[0]) == 2**40 + 1


@pytest.mark.parametrize(
    "values", [[3.0, np.nan, 1.0, 2.5], [np.nan, 4.0, 1.0], [np.nan, 7.0], [2.0], [np.nan], []]
)
def test_the_median_of_what_is_there(values, x64):
    values = jnp.asarray(values, jnp.float64)
    there = values[~jnp.isnan(values)]
    expected = np.median(there) if there.size else np.nan
    np.testing.assert_equal(float(present_median(values)), expected)
    if there.size:
        slope = jax.grad(present_median)(values)
        assert float(slope.sum()) == 1.0
        assert not np.any(slope[jnp.isnan(values)])


@pytest.mark.extended
def test_the_median_line_has_the_derivative_of_its_differences(x64):
    """Some eigenspaces have too few features for a line."""
    rng = np.random.default_rng(4)
    matrix, step = jnp.asarray(rng.standard_normal((2, 5, 30)))

    def measured(matrix):
        summary = summarize_measures(matrix, spectral.decompose(matrix))
        return summary.linear_law + summary.r_squared

    assert np.isnan(linear_law(spectral.decompose(matrix)).slopes).any()
    slope = jax.jit(jax.grad(measured))(matrix)
    assert np.isfinite(slope).all()
    ahead, behind = (measured(matrix + side * step) for side in (1e-6, -1e-6))
    np.testing.assert_allclose(np.sum(slope * step), (ahead - behind) / 2e-6, rtol=1e-5)
