"""What the figures compute from their datasets, against numbers worked out by hand or in numpy."""

import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from helpers import assert_one_line_error

from jaxsup.cli.reproduce import ReproduceCommand
from jaxsup.reproduce import reproduce
from jaxsup.reproduce.analysis import crossings, exact_curves
from jaxsup.reproduce.figures import (
    anatomy,
    localization,
    no_superposition,
    real_weights,
    toy_geometry,
    toy_intro,
)
from jaxsup.weights import read_weights


def test_steps_to_a_level_of_a_power_law() -> None:
    # L = t^-2 after L(0) = 1: the level l is reached at t = l^(-1/2), log-log interpolation exact.
    steps = np.array([0.0, 1, 10, 100])
    loss = np.array([1.0, 1, 1e-2, 1e-4])
    levels = np.array([0.25, 1e-2, 1e-3, 1e-5])
    crossing = crossings.steps_to(levels, steps, loss)
    np.testing.assert_allclose(crossing, [2, 10, math.sqrt(1000), np.inf], rtol=1e-12)


def test_steps_to_a_level_of_a_diverged_or_rising_curve() -> None:
    steps = np.array([0.0, 1, 10, 100])
    curves = np.array([[1.0, 0.5, np.nan, np.nan], [1.0, 0.5, 0.9, 0.25]])
    crossing = crossings.steps_to(np.array([0.25]), steps, curves)
    np.testing.assert_allclose(crossing, [[np.inf], [100.0]], rtol=1e-12)


def test_steps_to_half_come_after_the_last_return_above_it() -> None:
    steps = np.array([0.0, 1, 10, 100])
    errors = np.array(
        [
            [4.0, 4, 0.4, 0.1],  # falls as t^-1 from 4: half at t = 2
            [1.0, 0.4, 1.0, 0.25],  # below, above, below for good: halfway in log from 10 to 100
            [1.0, 1.0, 1.0, 0.6],  # never
            [1.0, 0.4, 0.3, 0.2],  # from the first record on
        ]
    )
    crossing = crossings.steps_to_half(steps, errors)
    np.testing.assert_allclose(crossing, [2, 10**1.5, np.inf, 1], rtol=1e-12)


def test_the_slope_of_learning_times_needs_enough_features() -> None:
    features = np.arange(1.0, 21)
    assert anatomy.slope(features, 5 * features**1.5) == pytest.approx(1.5, rel=1e-10)
    few = np.where(features <= 3, 5 * features, np.inf)
    assert math.isnan(anatomy.slope(features, few))


def record(a: float, b: float, kind: str, exponent: float | None) -> dict:
    return {
        "features.exponent": a,
        "teacher.exponent": b,
        "student.activation": kind,
        "exponent": exponent,
        "theory_limit": (a + 2 * b - 1) / a,
        "exact": None,
        "found": exponent is not None,
    }


def test_deviations_are_of_one_student_from_one_prediction() -> None:
    records = [
        record(2.0, 0.0, "identity", 0.6),
        record(2.0, 1.0, "identity", None),
        record(2.0, 1.0, "relu", 1.0),
    ]
    differences = no_superposition.deviations(records, "identity", "theory_limit")
    np.testing.assert_allclose(differences, [0.1], rtol=1e-12)
    assert not no_superposition.deviations(records, "relu", "exact").size


def test_an_exact_curve_that_bends_is_read_over_the_window_of_the_fit() -> None:
    steps = np.arange(10, 1001)
    bent = np.where(steps < 100, 100.0 / steps, (100.0 / steps) ** 2)
    dims = "kind", "teacher.exponent", "features.exponent"
    windows = {"window_first": [10.0, 100.0, 100.0], "window_last": [99.0, 1000.0, 1000.0]}
    table = xr.Dataset(
        {name: (dims, np.reshape(ends, (3, 1, 1))) for name, ends in windows.items()}
        | {"found": (dims, np.reshape([True, True, False], (3, 1, 1)))}
    )
    slopes = exact_curves.exact_slopes(table, steps, bent[None, None])
    np.testing.assert_allclose(slopes.ravel(), [1.0, 2.0, np.nan], rtol=0.02)


def test_represented_features_are_longer_than_half_of_the_longest() -> None:
    W = np.array([[1.0, 0.4, 0.0], [0.0, 0.0, 0.6]])
    assert toy_intro.longer_than_half(W).tolist() == [True, False, True]


def test_the_flattest_fifth_is_the_plateau_and_not_the_dense_end() -> None:
    inverse = np.geomspace(1, 20, 15)
    stars = np.array([1, 1, 1, 1, 0.9, 0.8, 0.7, 0.6, 0.52, 0.5, 0.49, 0.4, 0.3, 0.2, 0.1])
    assert toy_geometry.flattest(inverse, stars).tolist() == [8, 9, 10]
    assert not toy_geometry.flattest(inverse, np.ones(15)).size


def test_the_slope_of_the_deficit_is_that_of_a_planted_law() -> None:
    spread = np.geomspace(5e-3, 0.2, 20).reshape(2, 10)
    points = np.stack([1 - 0.7 * spread**2, spread], axis=1)
    assert localization.deficit_slope(points) == pytest.approx(2.0, abs=1e-6)
    assert math.isnan(localization.deficit_slope(points[:1, :, :4]))
    assert localization.rank_correlation(points[0].T) == pytest.approx(-1.0)


def test_equal_values_share_their_rank() -> None:
    # Ranks 1, 2.5, 2.5, 4 against 1, 2.5, 4, 2.5: about their mean, sum d d' = 3.375 - 1.125
    # + ... by hand: d = (-1.5, 0, 0, 1.5), d' = (-1.5, 0, 1.5, 0), so 2.25 / 4.5 = 1 / 2.
    points = np.array([[1.0, 1.0], [2.0, 2.0], [2.0, 3.0], [3.0, 2.0]])
    for order in ([0, 1, 2, 3], [3, 1, 0, 2], [2, 3, 1, 0]):
        assert localization.rank_correlation(points[order]) == pytest.approx(0.5, rel=1e-12)
    assert math.isnan(localization.rank_correlation(np.array([[1.0, 2.0], [1.0, 3.0]])))


def test_a_correlation_of_ties_alone_gives_no_verdict() -> None:
    points = np.ones((3, 2, 4))
    claims = localization.Localization().claims(points, np.array([0.5, 0.6]))
    assert claims[1].verdict == "not claimed"
    assert claims[1].explanation == "no variance over networks"


def test_overlaps_are_mean_squared_cosines() -> None:
    W = np.random.default_rng(0).normal(size=(4, 9))
    W[:, 3] = 0
    U = W / np.where(np.linalg.norm(W, axis=0) > 0, np.linalg.norm(W, axis=0), 1)
    nonzero = np.arange(9) != 3
    cosines = (U[:, nonzero].T @ U[:, nonzero]) ** 2
    expected = (cosines.sum(axis=1) - 1) / 7
    overlaps = real_weights.overlaps(W)
    np.testing.assert_allclose(overlaps[nonzero], expected, rtol=1e-12)
    assert np.isnan(overlaps[3])


@pytest.fixture(scope="module")
def matrix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """64 random directions in 8 dimensions, as float32."""
    path = tmp_path_factory.mktemp("weights") / "W.npy"
    np.save(path, np.random.default_rng(0).normal(size=(8, 64)).astype(np.float32))
    return path


def test_random_directions_overlap_as_published(matrix: Path, tmp_path: Path) -> None:
    weights = read_weights(matrix)
    report = reproduce("real-weights", "smoke", tmp_path / "out", weights=weights)
    # E[cos^2] = 1/8; the mean over 64 * 63 / 2 pairs scatters by 1/8 sqrt(2 * 7 / 10 / 2016) = 3%.
    overlap = report.findings.claims[1].measured
    assert overlap is not None
    assert overlap.value == pytest.approx(1.0, abs=0.12)
    assert report.findings.claims[1].verdict == "agrees"
    assert (tmp_path / "out" / "dataset.zarr").is_dir()
    json.loads((tmp_path / "out" / "real-weights.json").read_text())


def test_a_figure_about_weights_needs_them(tmp_path: Path) -> None:
    words = "weights: expected a matrix for real-weights; got None; give a file by --weights FILE"
    assert_one_line_error(
        lambda: reproduce("real-weights", "smoke", tmp_path / "out"), re.escape(words)
    )
    command = ReproduceCommand("real-weights", "smoke", tmp_path / "out", tensor="W")
    assert_one_line_error(command.run, "--tensor: expected a file that it is in")


def test_zero_columns_are_left_out_of_the_overlaps(tmp_path: Path) -> None:
    W = np.random.default_rng(0).normal(size=(8, 40))
    W[:, 3] = 0
    np.save(tmp_path / "W.npy", W)
    out = tmp_path / "out"
    reproduce("real-weights", "smoke", out, weights=read_weights(tmp_path / "W.npy"))
    record = json.loads((out / "real-weights.json").read_text())["records"][0]
    U = np.delete(W / np.where(W.any(axis=0), np.linalg.norm(W, axis=0), 1), 3, axis=1)
    squares = (U.T @ U)[np.triu_indices(39, 1)] ** 2
    assert record["scaled_overlap"] == pytest.approx(8 * squares.mean(), rel=1e-6)
    kept = np.delete(W, 3, axis=1)
    less = kept - kept.mean(axis=1, keepdims=True)
    unit = less / np.linalg.norm(less, axis=0)
    pairs = (unit.T @ unit)[np.triu_indices(39, 1)] ** 2
    assert record["scaled_overlap_centered"] == pytest.approx(8 * pairs.mean(), rel=1e-6)
    share = 39 * np.sum(kept.mean(axis=1) ** 2) / np.sum(kept**2)
    assert record["mean_share"] == pytest.approx(share, rel=1e-6)
    assert record["saturation_gaussian"] == pytest.approx(40 / 47)
    assert 0 < record["saturation_directions"] < 1


@pytest.mark.parametrize(
    ("W", "overlaps"),
    [
        (np.zeros((2, 3)), [None, None]),
        (np.ones((1, 1)), [None, None]),
        (np.full((2, 3), 0.1), [2.0, None]),  # equal columns: cos^2 = 1; none after centering
        (np.asarray([[0.1, 0.1, 0.0], [0.1, 0.1, 0.0]]), [2.0, None]),  # the same beside a zero one
    ],
)
def test_matrices_without_directions_give_no_verdict(tmp_path: Path, W, overlaps) -> None:
    np.save(tmp_path / "W.npy", W)
    weights = read_weights(tmp_path / "W.npy", orientation="latent-features")
    findings = real_weights.RealWeights().inspect(weights, False)
    record = findings.records[0]
    got = [record["scaled_overlap"], record["scaled_overlap_centered"]]
    assert got == [None if value is None else pytest.approx(value) for value in overlaps]
    json.dumps(findings.records, allow_nan=False)
    for claim, value in zip(findings.claims[1:3], overlaps, strict=True):
        assert (claim.measured is None) == (value is None)
        assert value is not None or claim.explanation == "fewer than two features have a direction"


def test_a_picture_of_somebody_else_is_not_replaced(matrix: Path, tmp_path: Path) -> None:
    (tmp_path / "real-weights.png").write_text("mine")
    assert_one_line_error(
        lambda: reproduce(
            "real-weights", "smoke", tmp_path, weights=read_weights(matrix), resume=True
        ),
        "real-weights.png: expected a folder of this figure .* would be replaced; choose another",
        FileExistsError,
    )
    assert (tmp_path / "real-weights.png").read_text() == "mine"
