"""One matrix measured as a whole, against float64 numpy and known geometries."""

import itertools
import json
from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from helpers import assert_one_line_error
from tight_frames import polygon, stack

from jaxsup.geometry import classify
from jaxsup.weights import checked, coherence
from jaxsup.weights.diagnosis import diagnose, largest_features
from jaxsup.weights.files.read import read_weights


def planted_matrix() -> np.ndarray:
    """A pentagon, a triangle of radius 1.2, two digons and a zero column, turned at random."""
    digon = np.asarray([[1.0, -1.0]])
    W = stack(polygon(5), 1.2 * polygon(3), digon, digon, np.zeros((0, 1)))
    return np.linalg.qr(np.random.default_rng(0).standard_normal((6, 6)))[0] @ W


def cosines(W: np.ndarray) -> np.ndarray:
    """All |cos(w_i, w_j)|, zero for a vector with itself."""
    unit = W / np.linalg.norm(W, axis=0)
    table = np.abs(unit.T @ unit)
    np.fill_diagonal(table, 0)
    return table


def test_planted_geometries_are_counted_by_name() -> None:
    report = diagnose(planted_matrix())
    assert report.geometry.names == {"pentagon": 1, "triangle": 1, "digon": 2}
    assert report.geometry.not_represented.tolist() == [12]
    capacities = {c.name: c.exact_capacity for c in report.geometry.components}
    assert capacities == {
        "pentagon": Fraction(2, 5),
        "triangle": Fraction(2, 3),
        "digon": Fraction(1, 2),
    }
    np.testing.assert_allclose(report.spectrum.eigenvalues, [2.5, 1.5 * 1.44, 2.0], rtol=1e-5)
    assert np.asarray(report.spectrum.multiplicities).tolist() == [2, 2, 2]
    assert report.localized == 12
    assert report.certificate is not None
    assert report.certificate.certified


def test_single_numbers_are_those_of_numpy() -> None:
    W = planted_matrix()
    report = diagnose(W)
    table = cosines(W[:, :12])
    assert report.dimensions_per_feature == pytest.approx(6 / np.sum(W**2), rel=1e-6)
    assert report.coherence.exact
    assert report.coherence.value == pytest.approx(table.max(), abs=1e-6)
    assert report.coherence.welch_bound == pytest.approx(np.sqrt((12 - 6) / (6 * 11)))
    pairs = table[np.triu_indices(12, 1)]
    assert report.coherence.root_mean_square == pytest.approx(np.sqrt(np.mean(pairs**2)), abs=1e-6)
    assert report.coherence.mean_absolute == pytest.approx(pairs.mean(), abs=1e-7)


def test_the_root_mean_square_cosine_reaches_the_welch_bound_for_tight_frames() -> None:
    tight, loose = (diagnose(W).coherence for W in (polygon(7), polygon(20)[:, :7]))
    assert tight.root_mean_square == pytest.approx(np.sqrt(5 / 12), abs=1e-6)
    assert loose.root_mean_square > loose.welch_bound + 1e-3
    assert tight.welch_bound == loose.welch_bound == pytest.approx(np.sqrt(5 / 12))


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(20, 300), (300, 200)])  # more features, and more dimensions
def test_coherence_of_large_matrices_is_a_lower_bound_unless_all_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, shape: tuple[int, int]
) -> None:
    W = np.random.default_rng(2).standard_normal(shape).astype(np.float32)
    latent, features = shape
    monkeypatch.setattr(coherence, "_COHERENCE_WORK", 30 * max(latent, 32) * features)
    monkeypatch.setattr(checked, "_CERTIFICATE_WORK", 1)
    monkeypatch.setattr(coherence, "_ROWS", 7)
    monkeypatch.setattr(coherence, "_COLUMNS", 64)
    report, whole = diagnose(W), diagnose(W, full=True)
    table = cosines(W.astype(np.float64))
    rows = np.linspace(0, features - 1, 30).round().astype(int)
    assert (report.coherence.features, report.coherence.exact) == (30, False)
    assert report.coherence.value == pytest.approx(table[rows].max(), abs=1e-5)
    assert (whole.coherence.features, whole.coherence.exact) == (features, True)
    assert whole.coherence.value == pytest.approx(table.max(), abs=1e-5)
    mean = np.mean(table[np.triu_indices(features, 1)] ** 2)
    assert report.coherence.root_mean_square == pytest.approx(np.sqrt(mean), rel=1e-5)
    near, all_of_them = (r.coherence.mean_absolute for r in (report, whole))
    assert near == pytest.approx(table[rows].sum() / (30 * (features - 1)), rel=1e-5)
    assert all_of_them == pytest.approx(table.sum() / (features * (features - 1)), rel=1e-5)
    assert f"mean |cosine|  {near:.4f} (30 features against all); of random" in str(report)
    assert f"at least {report.coherence.value:.4f} (30 features against all; --full" in str(report)
    assert report.certificate is None
    assert "left out at this size (--full)" in str(report)
    assert whole.certificate is not None
    assert whole.certificate.certified
    assert "at least" not in str(whole)


@pytest.mark.parametrize("latent", [2, 5, 64])
def test_the_mean_cosine_of_random_directions_is_that_of_a_sample(latent: int) -> None:
    draws = np.random.default_rng(latent).standard_normal((latent, 200_000))
    sizes = np.abs(draws[0]) / np.linalg.norm(draws, axis=0)  # cosines with one fixed direction
    error = sizes.std() / np.sqrt(sizes.size)
    assert abs(sizes.mean() - coherence.random_mean_cosine(latent)) < 4 * error


def test_the_table_says_everything() -> None:
    lines = str(diagnose(planted_matrix())).splitlines()
    text = {line[:14].strip(): line[15:] for line in lines if line[14:15] == " "}
    assert text["features N"] == "13, 1 of them not represented"
    assert text["latent K"] == "6; superposition ratio N/K = 2.167"
    assert text["rank"] == "6, in 3 eigenspaces"
    null = 13 / (13 + 6 - 1)
    words = f"1.0000 = sum of capacities / rank; of a Gaussian matrix {null:.4f}"
    assert text["saturation"] == words
    assert text["capacity"] == "median 0.5, 5% to 95%: 0.4 to 0.667"
    assert text["float64 check"].startswith("passed")
    columns = "eigenvalue  dimension  spread  tightness residual  features  slope x eigenvalue  R²"
    at = lines.index(columns)
    rows = [line.split() for line in lines[at + 1 : at + 4]]
    assert [(row[0], row[1], row[-1]) for row in rows] == [
        ("2.5", "2", "5"),
        ("2.16", "2", "3"),
        ("2", "2", "4"),
    ]
    assert lines[-1] == "1 features not represented"


def test_chains_of_eigenvalues_and_irregular_components_are_pointed_out() -> None:
    W = np.diag(np.linspace(1.0, 1.3, 40)) @ np.random.default_rng(3).standard_normal((40, 90))
    text = str(diagnose(W, relative_tolerance=0.05))
    assert "a smaller --cluster-tolerance splits them" in text
    assert "irregular (1): the features have different norms" in text
    fine = str(diagnose(W))
    assert "cluster-tolerance" not in fine
    assert "and 28 more, of dimension up to 1" in fine


def test_the_dictionary_is_json_with_every_field() -> None:
    report = diagnose(planted_matrix())
    record = json.loads(json.dumps(report.to_dict([0, 11]), allow_nan=False))
    assert record["eigenspaces"]["multiplicities"] == [2, 2, 2]
    assert record["geometry"]["names"] == {"pentagon": 1, "triangle": 1, "digon": 2}
    assert len(record["per_feature"]["capacities"]) == 13
    assert sorted(record["measures"]) == ["0", "11"]
    np.testing.assert_allclose(record["measures"]["0"], [1, 0, 0], atol=1e-6)
    np.testing.assert_allclose(record["measures"]["11"], [0, 0, 1], atol=1e-6)
    assert record["certificate"]["certified"] is True
    assert record["per_feature"]["homes"] == [0] * 5 + [1] * 3 + [2] * 4 + [3]
    np.testing.assert_allclose(record["per_feature"]["slack"], 0, atol=1e-5)
    np.testing.assert_allclose(record["per_feature"]["leverages"][:5], 0.4, atol=1e-5)
    assert record["eigenspaces"]["features"] == [5, 3, 4]
    assert record["eigenspaces"]["slopes"] == [None] * 3
    assert record["summary"]["values"]["linear_law"] is None


def test_a_zero_matrix_has_no_geometry_and_is_no_mistake() -> None:
    report = diagnose(np.zeros((3, 5), np.float32))
    assert largest_features(report) == []
    record = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert (record["rank"], record["dimensions_per_feature"]) == (0, None)
    assert "no feature is represented" in str(report)


def test_integers_and_half_precision_are_taken_as_they_are() -> None:
    square = np.asarray([[1, -1, 0, 0], [0, 0, 1, -1]])
    for dtype in (np.int8, np.int64, np.float16):
        assert diagnose(square.astype(dtype)).geometry.names == {"digon": 2}


def test_a_diagnosis_is_short_where_it_is_not_printed() -> None:
    words = "<Diagnosis of 6 x 13: rank 6, saturation 1.0000 (Gaussian 0.7222), 4 components>"
    assert repr(diagnose(planted_matrix())) == words


def test_what_was_read_is_diagnosed_as_it_is(tmp_path: Path) -> None:
    np.save(tmp_path / "w.npy", planted_matrix().T.astype(np.float32))
    weights = read_weights(tmp_path / "w.npy")
    found = diagnose(weights)
    assert found.matrix is weights.matrix
    assert found.geometry.names == {"pentagon": 1, "triangle": 1, "digon": 2}


def test_the_largest_features_come_in_the_order_of_the_matrix() -> None:
    W = np.diag([1.0, 5.0, 2.0, 4.0, 0.0])
    assert largest_features(diagnose(W), 3) == [1, 2, 3]
    assert largest_features(diagnose(W)) == [0, 1, 2, 3]


def test_measures_of_features_that_are_not_there_are_refused() -> None:
    match = r"features: expected features 0\.\.4; got 5; count from 0"
    assert_one_line_error(lambda: diagnose(polygon(5)).to_dict([0, 5]), match)


@pytest.mark.parametrize("peak", [1e16, 1e-16])
def test_entries_whose_squares_leave_the_range_are_refused(peak: float) -> None:
    assert_one_line_error(
        lambda: diagnose(peak * polygon(3)), "W: expected a largest entry between 1e-15 and 1e"
    )


@pytest.mark.parametrize("shape", [(3,), (0, 3), (2, 3, 4)])
def test_what_is_no_matrix_is_refused(shape: tuple[int, ...]) -> None:
    assert_one_line_error(lambda: diagnose(np.zeros(shape)), "expected a non-empty")


def witting_polytope() -> np.ndarray:
    """240 vectors of C^4: as vectors of R^8, the roots of E8 (Coxeter)."""
    w = np.exp(2j * np.pi / 3)
    cubes = [1, w, w**2]
    points: list[np.ndarray] = [
        1j * np.sqrt(3) * s * c * e for s in (1, -1) for c in cubes for e in np.eye(4)
    ]
    for signs in np.asarray([(0, 1, -1, 1), (-1, 0, 1, 1), (1, -1, 0, 1), (-1, -1, -1, 0)]):
        for phases in itertools.product(cubes, repeat=3):
            point = signs.astype(complex)
            point[signs != 0] *= phases
            points += [point, -point]
    return np.stack(points, axis=1)


def test_complex_matrices_are_stacked_along_the_latent_axis_as_the_advice_says() -> None:
    W = witting_polytope()
    assert W.shape == (4, 240)
    advice = "stack real and imaginary parts along the latent axis"
    for measured in (diagnose, classify):
        assert_one_line_error(partial(measured, W), f"W: expected .*real.*; got .*; .*{advice}")
    found = diagnose(np.concatenate([np.real(W), np.imag(W)]))
    assert found.geometry.names == {"E8 roots": 1}
    assert int(found.spectrum.count) == 1
    assert found.measures.values["saturation"] == pytest.approx(1, abs=1e-5)


def test_masked_numbers_are_not_computed_with() -> None:
    masked = np.ma.masked_array(np.eye(3), np.eye(3, k=1, dtype=bool))
    for measured in (diagnose, classify):
        assert_one_line_error(partial(measured, masked), "W: expected numbers without a mask")
