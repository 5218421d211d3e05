"""What a diagnosis says of spectral measures, beside random matrices of the same shape."""

import json

import jax
import numpy as np
import pytest

from jaxsup.spectral.nulls import gaussian_null, sample_null
from jaxsup.weights import measures
from jaxsup.weights.diagnosis import Diagnosis, diagnose


def cells(found: Diagnosis) -> dict[str, list[str]]:
    """The printed table: label -> this matrix, Gaussian, directions redrawn."""
    lines = str(found.measures).splitlines()
    head = lines[0]
    starts = [head.index(word) for word in ("measure", "this", "Gaussian", "norms")]
    spans = list(zip(starts, [*starts[1:], None], strict=True))
    return {
        line[: starts[1]].strip(): [line[a:b].strip() for a, b in spans[1:]] for line in lines[1:-1]
    }


def uneven(shape: tuple[int, int]) -> np.ndarray:
    """Random directions with norms over a decade."""
    W = np.random.default_rng(0).standard_normal(shape)
    return W * np.logspace(0, 1, shape[1])


@pytest.fixture(scope="module")
def found() -> Diagnosis:
    return diagnose(uneven((8, 60)))


def test_values_are_those_of_numpy(found: Diagnosis) -> None:
    W = uneven((8, 60))
    F = W @ W.T
    values, vectors = np.linalg.eigh(F)
    shares = (vectors.T @ W) ** 2 / np.sum(W**2, axis=0)
    kappa = values @ shares
    capacity = np.sum(W**2, axis=0) / kappa
    leverage = np.diag(np.linalg.pinv(W) @ W)
    spread = np.sqrt(np.sum(shares * (values[:, None] - kappa) ** 2, axis=0)) / kappa
    expected = {
        "rank": 8,
        "saturation": capacity.sum() / 8,
        "latent_saturation": capacity.sum() / 8,
        "leverage": 8 / 60,
        "slack": np.mean(1 - capacity / leverage),
        "mean_eigenvalue": kappa.mean(),
        "eigenvalue_spread": spread.mean(),
        "localization": np.mean(np.sum(shares**2, axis=0)),
        "largest_projection": shares.max(axis=0).mean(),
        "entropy": np.mean(-np.sum(shares * np.log(shares), axis=0)),
    }
    for name, value in expected.items():
        assert found.measures.values[name] == pytest.approx(value, rel=1e-4), name
    each = found.measures.per_feature
    np.testing.assert_allclose(each["slack"], 1 - capacity / leverage, atol=1e-4)
    np.testing.assert_allclose(each["eigenvalue_spreads"], spread, atol=1e-4)
    np.testing.assert_array_equal(each["homes"], np.argmax(shares[::-1], axis=0))


def test_nulls_are_those_of_the_spectral_functions(found: Diagnosis) -> None:
    null = gaussian_null(8, 60)
    closed = found.measures.closed_forms
    assert closed["saturation"] == null.saturation
    variance = np.mean(uneven((8, 60)) ** 2)
    assert closed["mean_eigenvalue"] == pytest.approx(67 * variance, rel=1e-5)
    assert (found.measures.count, found.measures.seed) == (16, 0)
    keys = jax.random.split(jax.random.key(0))
    for kind, key in zip(("gaussian", "directions"), keys, strict=True):
        samples = sample_null(key, uneven((8, 60)), null=kind, samples=16)
        for name, values in samples._asdict().items():
            np.testing.assert_allclose(
                found.measures.samples[kind][name], values, rtol=1e-4, err_msg=name
            )
        mean = float(np.mean(samples.entropy))
        assert found.measures.null(kind, "entropy") == pytest.approx(mean, rel=1e-4)
    assert found.measures.null("gaussian", "saturation") == null.saturation


def test_random_directions_are_seen_to_be_random(found: Diagnosis) -> None:
    """The norms are not: a Gaussian matrix has another saturation, redrawn directions the same."""
    value, drawn = (
        found.measures.values["saturation"],
        found.measures.samples["directions"]["saturation"],
    )
    assert abs(value - drawn.mean()) < 4 * drawn.std(ddof=1) * np.sqrt(1 + 1 / 16)
    assert abs(value - gaussian_null(8, 60).saturation) > 5 * drawn.std(ddof=1)


def test_the_table_has_the_matrix_and_both_nulls(found: Diagnosis) -> None:
    table = cells(found)
    assert len(table) == 13
    for label, name in (("saturation, of rank", "saturation"), ("spread", "eigenvalue_spread")):
        drawn = found.measures.samples["directions"][name]
        assert table[label] == [
            f"{found.measures.values[name]:.4g}",
            f"{found.measures.closed_forms[name]:.4g}",
            f"{drawn.mean(dtype=np.float64):.4g} ({drawn.min():.4g} to {drawn.max():.4g})",
        ]
    assert table["leverage"] == ["0.1333"] * 3
    assert str(found.measures).endswith("closed forms, else mean and range of 16 samples, seed 0")


def test_a_large_random_matrix_has_the_saturation_of_its_null() -> None:
    """24 x 1,571, the ratio of 768 x 50,257: 0.985 is what Gaussian entries give."""
    report = diagnose(np.random.default_rng(1).standard_normal((24, 1571))).measures
    for value in (
        report.values["saturation"],
        report.null("gaussian", "saturation"),
        report.null("directions", "saturation"),
    ):
        assert value == pytest.approx(0.985, abs=1.5e-3)


@pytest.mark.parametrize(
    ("shape", "full", "count"),
    [
        ((64, 1024), False, 16),
        ((64, 1024), True, 64),
        ((768, 8192), False, 6),
        ((768, 50_257), False, 1),
        ((768, 50_257), True, 17),
        ((4096, 128_256), False, 0),
        ((4096, 128_256), True, 4),
    ],
)
def test_samples_are_as_many_as_the_work_pays_for(
    shape: tuple[int, int], full: bool, count: int
) -> None:
    assert measures._count_samples(*shape, full=full) == count
    work = 2 * 6 * count * shape[0] ** 2 * shape[1]
    assert work <= (16 if full else 1) * 4e11 or count == 4


def test_closed_forms_stay_where_samples_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measures, "_WORK", 1.0)
    report = diagnose(uneven((3, 12)))
    assert report.measures.count == 0
    assert np.isnan(report.measures.null("directions", "saturation"))
    table = cells(report)
    assert table["saturation, of rank"][1:] == [f"{12 / 14:.4g}", "-"]
    assert table["entropy"][1:] == ["-", "-"]
    assert str(report.measures).endswith("random matrices left out at this size (--full)")
    record = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert (record["summary"]["samples"], record["summary"]["count"]) == ({}, 0)
    assert diagnose(uneven((3, 12)), full=True).measures.count == 4


def test_the_dictionary_is_json(found: Diagnosis) -> None:
    record = json.loads(json.dumps(found.to_dict(), allow_nan=False))["summary"]
    assert record["count"] == len(record["samples"]["directions"]["slack"]) == 16
    assert record["gaussian_closed_form"]["saturation"] == 60 / 67
    assert record["values"]["saturation"] == pytest.approx(found.measures.values["saturation"])


def test_a_zero_matrix_has_nothing_to_measure() -> None:
    report = diagnose(np.zeros((3, 5)))
    json.dumps(report.to_dict(), allow_nan=False)
    table = cells(report)
    assert table["slack"][0] == "-"
    assert table["entropy"] == ["-", "-", "-"]
