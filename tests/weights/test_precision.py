"""Ranks and eigenspaces as float64 has them: of the numbers of a file, whatever their type."""

import json
from pathlib import Path

import commands
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsup import spectral
from jaxsup.plot import save_figure
from jaxsup.plot.diagnosis import diagnosis_figure
from jaxsup.weights.checkpoint import measure_matrix
from jaxsup.weights.diagnosis import Diagnosis, diagnose
from jaxsup.weights.features.ranking import rank_features


def check_text(found: Diagnosis) -> str:
    return dict(found.rows())["float64 check"]


def product_of_rank_two() -> np.ndarray:
    """Stored in float32: the rounding of its numbers is no third dimension."""
    rng = np.random.default_rng(0)
    return (rng.standard_normal((30, 2)) @ rng.standard_normal((2, 200))).astype(np.float32)


def falling_singular_values() -> np.ndarray:
    """8 x 40 with singular values from 1 to 1e-4."""
    rng = np.random.default_rng(1)
    left = np.linalg.qr(rng.standard_normal((8, 8)))[0]
    right = np.linalg.qr(rng.standard_normal((40, 8)))[0]
    return left @ np.diag(np.logspace(0, -4, 8)) @ right.T


def at_the_cluster_tolerance() -> np.ndarray:
    """Eigenvalues that are apart by a little more than 1e-4 of the largest, which float32 blurs."""
    values = np.asarray([1.0, 1.0 - 1.00002e-4, 0.5, 0.5 - 1.00002e-4])
    turn = np.linalg.qr(np.random.default_rng(2).standard_normal((4, 4)))[0]
    return turn @ np.diag(np.sqrt(values))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_rank_that_single_precision_loses_is_computed_in_float64(dtype: str, x32: None) -> None:
    W = np.diag([1.0, 5e-4]).astype(dtype)
    assert int(spectral.decompose(W).rank) == 1
    found = diagnose(W)
    assert (int(found.spectrum.rank), found.precision) == (2, "float64")
    assert found.rank_in_float32 == 1
    assert ("", "computed in float64, as float32 loses 1 of its rank") in found.rows()
    assert check_text(found).startswith("passed")
    assert found.certificate is not None
    assert found.certificate.rank == np.linalg.matrix_rank(W) == 2
    record = found.to_dict()
    assert (record["precision"], record["rank_in_float32"]) == ("float64", 1)
    assert jnp.result_type(float) == np.float32


def common_direction(features: int) -> np.ndarray:
    """64 directions beside a mean that is much larger: float32 sees the mean alone."""
    rng = np.random.default_rng(0)
    W = 0.02 * rng.standard_normal((64, features)) + rng.standard_normal((64, 1))
    return W.astype(np.float32)


@pytest.mark.parametrize(("features", "scale"), [(400, 1.0), (400, 1e-2), (90, 0.1)])
def test_the_report_and_the_table_agree_on_rank_and_saturation(
    features: int, scale: float, x32: None
) -> None:
    """The mean is longer or shorter than the rest; all that is asked for is of one precision."""
    W = common_direction(features)
    W = W + np.float32(scale - 1) * (W - W.mean(axis=1, keepdims=True))
    found, row = diagnose(W), measure_matrix(W)
    assert int(spectral.decompose(W).rank) < 64
    assert int(found.spectrum.rank) == row.rank == 64
    assert row.eigenspaces == int(found.spectrum.count)
    assert float(found.spectrum.saturation) == pytest.approx(row.saturation, rel=1e-9)
    assert found.measures.values["saturation"] == pytest.approx(row.saturation, rel=1e-9)
    assert found.measures.values["latent_saturation"] <= 1
    np.testing.assert_array_equal(found.spectrum.slack.shape, found.matrix.shape[1:])


def test_a_float64_report_is_drawn_and_ranked_in_float32(x32: None, tmp_path: Path) -> None:
    found = diagnose(common_direction(90))
    assert found.precision == "float64"
    assert len(rank_features(found.spectrum, 3).columns()) > 0
    assert found.to_dict([0])["measures"].keys() == {"0"}
    save_figure(diagnosis_figure(found), tmp_path / "found.png")
    assert "computed in float64, as float32 loses" in str(found)


def test_saturation_in_single_precision_stays_below_one(x32: None) -> None:
    """Where float32 loses rank, capacities of the lost dimensions are still in the sum."""
    sums = []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        W = 0.01 * rng.standard_normal((64, 400)) + rng.standard_normal((64, 1))
        spectrum = spectral.decompose(W.astype(np.float32))
        assert 0 <= float(spectrum.saturation) <= 1
        sums.append(float(spectrum.capacities.sum()) / int(spectrum.rank))
    assert max(sums) > 1 + 1e-4


@pytest.mark.parametrize("dtype", ["float32", "float16", "float64"])
def test_float64_is_computed_in_whatever_the_type_of_the_file(dtype: str, x64: None) -> None:
    W = np.diag([1.0, 5e-4]).astype(dtype)
    found = diagnose(W)
    assert (int(found.spectrum.rank), found.precision) == (2, "float64")
    assert check_text(found).startswith("passed")
    record = found.to_dict()
    assert (record["precision"], record["certificate"]["certified"]) == ("float64", True)
    second = float(W[1, 1].astype(np.float64)) ** 2
    np.testing.assert_allclose(found.spectrum.eigenvalues, [1, second], rtol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_falling_singular_values_have_the_rank_that_numpy_gives(dtype: str, x64: None) -> None:
    W = falling_singular_values().astype(dtype)
    found = diagnose(W)
    assert int(found.spectrum.rank) == np.linalg.matrix_rank(W) == 8
    assert check_text(found).startswith("passed")


def test_falling_singular_values_in_single_precision(x32: None) -> None:
    found = diagnose(falling_singular_values())
    assert found.rank_in_float32 is not None
    assert found.rank_in_float32 < int(found.spectrum.rank) == 8
    assert check_text(found).startswith("passed")


@pytest.mark.parametrize("scale", [1e30, 1e-30])
def test_a_float32_file_has_the_range_of_the_precision(scale: float, x64: None) -> None:
    W = np.random.default_rng(3).standard_normal((4, 12)).astype(np.float32)
    large = W * np.float32(scale)
    found, expected = diagnose(large), diagnose(W)
    assert found.precision == "float64"
    assert check_text(found).startswith("passed")
    values, reference = found.measures.values, expected.measures.values
    for name in ("saturation", "slack", "eigenvalue_spread", "entropy", "linear_law"):
        np.testing.assert_allclose(values[name], reference[name], rtol=1e-5, err_msg=name)
    assert found.coherence.value == pytest.approx(expected.coherence.value, rel=1e-5)
    assert values["mean_eigenvalue"] == pytest.approx(
        scale**2 * reference["mean_eigenvalue"], rel=1e-5
    )


def test_the_range_of_single_precision_ends_sooner(x32: None) -> None:
    with pytest.raises(ValueError, match=r"between 1e-15 and 1e\+15 in float32; got 1.26\d*e\+30"):
        diagnose(np.full((2, 3), 2.0**100, np.float32))


@pytest.mark.parametrize("setting", ["x32", "x64"])
def test_the_rounding_of_a_stored_product_is_no_rank(
    setting: str, request: pytest.FixtureRequest
) -> None:
    request.getfixturevalue(setting)
    W = product_of_rank_two()
    assert np.linalg.matrix_rank(W.astype(np.float64)) > 2  # there the rounding is in it
    found = diagnose(W)
    assert int(found.spectrum.rank) == np.linalg.matrix_rank(W) == 2
    assert check_text(found).startswith("passed")
    assert spectral.certify(W).rank == 2


def test_eigenspaces_at_the_cluster_tolerance_are_settled_by_float64(x32: None) -> None:
    found = diagnose(at_the_cluster_tolerance())
    words = "other eigenspaces than in this precision: compute in float64 (--x64)"
    assert check_text(found) == words
    assert found.certificate is not None
    assert found.certificate.multiplicities.tolist() == [1, 1, 1, 1]


def test_eigenspaces_at_the_cluster_tolerance_in_float64(x64: None) -> None:
    found = diagnose(at_the_cluster_tolerance())
    assert np.asarray(found.spectrum.multiplicities).tolist() == [1, 1, 1, 1]
    assert check_text(found).startswith("passed")


def test_short_features_that_single_precision_loses_are_told(x32: None) -> None:
    W = np.asarray([[1.0, 0.0, 1e-4], [0.0, 1.0, 1e-4]])
    assert check_text(diagnose(W)).startswith("3 features represented in float64: compute in fl")


def test_what_is_lost_in_float64_too_is_told_without_wrong_advice(x64: None) -> None:
    found = diagnose(np.diag([1.0, 1e-9]))
    assert int(found.spectrum.rank) == 1
    assert (
        check_text(found)
        == "rank 2 in float64 by the SVD: the rest is lost in W Wᵀ even in float64"
    )


def test_a_tolerance_of_the_rank_is_that_of_both_sides() -> None:
    W = np.diag([1.0, 0.1, 5e-4])
    certificate = spectral.certify(W, rank_tolerance=1e-4)
    assert certificate.agrees
    assert certificate.rank == 2
    assert spectral.certify(W.astype(np.float32)).rank == 3


def test_narrow_types_and_integers_have_the_cut_of_their_numbers(x32: None) -> None:
    for dtype, rank in ((np.float32, 2), (np.float16, 2), (np.float64, 3)):
        # 1e-6 is below float32's rounding of the other entries, and not below float64's.
        W = np.diag([1.0, 0.5, 2.0**-21])
        assert spectral.certify(W.astype(dtype)).rank == rank, dtype
    assert spectral.certify(np.diag([2**30, 1])).rank == 2


def test_the_command_computes_in_float64(tmp_path: Path) -> None:
    np.save(tmp_path / "w.npy", at_the_cluster_tolerance())
    plain = commands.jaxsup("spectrum", "w.npy", "--json", cwd=tmp_path)
    wide = commands.jaxsup("spectrum", "w.npy", "--json", "--x64", cwd=tmp_path)
    found = [json.loads(done.stdout) for done in (plain, wide)]
    assert [record["precision"] for record in found] == ["float32", "float64"]
    assert [len(record["eigenspaces"]["eigenvalues"]) for record in found][1] == 4
    assert [record["certificate"]["certified"] for record in found] == [False, True]
