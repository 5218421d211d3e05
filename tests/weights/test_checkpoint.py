"""One matrix in single numbers, against float64 numpy, the diagnosis of it, and known shapes."""

import json
import math

import jax
import numpy as np
import pytest
from helpers import assert_one_line_error
from tight_frames import pentagon_and_digon

from jaxsup import spectral
from jaxsup.spectral.nulls import gaussian_null
from jaxsup.weights import checkpoint, diagnose
from jaxsup.weights.checkpoint import effective_rank, measure_matrix
from jaxsup.weights.tails import NoTail, Tail


def gaussian(seed: int, latent: int, features: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((latent, features))


def frame_of_two(turned: int = 5) -> np.ndarray:
    """A pentagon and a digon in three dimensions, turned, and a column of zeros."""
    return np.linalg.qr(gaussian(turned, 3, 3))[0] @ pentagon_and_digon()


MATRICES = {
    "wide": gaussian(0, 12, 70),
    "tall": gaussian(1, 70, 12),
    "square": gaussian(2, 20, 20),
    "of low rank": gaussian(3, 20, 4) @ gaussian(4, 4, 50),
    "degenerate": frame_of_two(),
    "with zero columns": gaussian(5, 9, 40) * (np.arange(40) % 3 > 0),
    "one row": gaussian(6, 1, 30),
    "one column": gaussian(7, 30, 1),
}


def expected_numbers(W: np.ndarray) -> dict[str, float]:
    """By the singular value decomposition and the Gram matrix; no zero column counts."""
    W = W[:, np.linalg.norm(W, axis=0) > 0]
    left, sigma, _ = np.linalg.svd(W, full_matrices=False)
    rank = int(np.sum(sigma > 1e-6 * sigma[0]))
    sigma, left = sigma[:rank], left[:, :rank]
    spaces: list[list[int]] = []
    for k in range(rank):
        near = k and sigma[k - 1] ** 2 - sigma[k] ** 2 <= 1e-4 * sigma[0] ** 2
        spaces[-1].append(k) if near else spaces.append([k])
    masses = (left.T @ W) ** 2
    squares = np.sum(W**2, axis=0)
    measures = np.stack([masses[space].sum(axis=0) for space in spaces]) / squares
    gram = W.T @ W
    shares = sigma / sigma.sum()
    return {
        "rank": rank,
        "eigenspaces": len(spaces),
        "represented": W.shape[1],
        "saturation": float(np.sum(squares**2 / np.sum(gram**2, axis=1))) / rank,
        "localization": float(np.mean(np.sum(measures**2, axis=0))),
        "effective_rank": math.exp(-float(shares @ np.log(shares))),
    }


@pytest.mark.parametrize("block", [7, 2048])
@pytest.mark.parametrize("name", MATRICES)
def test_single_numbers_are_those_of_numpy(
    name: str, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "BLOCK", block)
    W = MATRICES[name]
    found = measure_matrix(W)
    for field, value in expected_numbers(W).items():
        assert getattr(found, field) == pytest.approx(value, rel=1e-9), field
    assert (found.latent, found.features) == W.shape


@pytest.mark.parametrize("name", MATRICES)
def test_spectra_are_those_of_a_decomposition_in_float64(name: str) -> None:
    with jax.enable_x64(True):
        spectrum = spectral.decompose(MATRICES[name])
    found = measure_matrix(MATRICES[name])
    assert found.rank == int(spectrum.rank)
    assert found.eigenspaces == int(spectrum.count)
    assert found.represented == int(np.sum(spectrum.represented))
    assert found.saturation == pytest.approx(float(spectrum.saturation), rel=1e-9)
    localization = np.asarray(spectrum.localization)[np.asarray(spectrum.represented)]
    assert found.localization == pytest.approx(float(localization.mean()), rel=1e-9)


@pytest.mark.parametrize("power", [-100, 0, 100])
def test_units_do_not_matter(power: int) -> None:
    W = MATRICES["wide"].astype(np.float32)
    found = measure_matrix(np.ldexp(W, power).astype(np.float32))
    plain = measure_matrix(W)
    assert isinstance(found.tail, NoTail)
    assert found == plain
    large = measure_matrix(np.ldexp(gaussian(0, 60, 90), power))
    assert isinstance(large.tail, Tail)
    reference = measure_matrix(gaussian(0, 60, 90)).tail
    assert isinstance(reference, Tail)
    assert large.tail.exponent == pytest.approx(reference.exponent, rel=1e-9)
    assert large.tail.start == pytest.approx(np.ldexp(reference.start, 2 * power), rel=1e-9)


def test_a_small_singular_value_of_float32_numbers_counts() -> None:
    assert measure_matrix(np.diag([1.0, 5e-4]).astype(np.float32)).rank == 2


def test_a_wider_tolerance_joins_eigenspaces() -> None:
    W = np.diag([1.0, 1.01, 2.0])
    assert measure_matrix(W).eigenspaces == 3
    assert measure_matrix(W, relative_tolerance=0.01).eigenspaces == 2


def test_cosines_are_in_float64_where_that_is_asked_for(x64: None) -> None:
    W = np.asarray([[1.0, 1.0], [0.0, 1e-5]])
    exact = 1 / math.sqrt(1 + 1e-10)
    assert measure_matrix(W, x64=True).coherence.value == pytest.approx(exact, rel=1e-14)


def test_a_zero_matrix_holds_nothing() -> None:
    found = measure_matrix(np.zeros((3, 5), np.float32))
    assert (found.rank, found.represented, found.eigenspaces) == (0, 0, 0)
    assert (found.saturation, found.localization, found.effective_rank) == (0.0, 0.0, 0.0)
    record = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert record["no_tail"] == "fewer than 50 eigenvalues that are not zero"
    assert record["tail"] is None
    assert record["coherence"]["value"] == 0.0


@pytest.mark.parametrize("shape", [(3, 7), (7, 3), (6, 6), (1, 4), (4, 1), (2, 2)])
def test_the_null_is_the_mean_of_gaussian_matrices(shape: tuple[int, int]) -> None:
    """4,000 draws: within 4 standard errors of their mean."""
    rng = np.random.default_rng(11)
    draws = rng.standard_normal((4000, *shape))
    gram = np.swapaxes(draws, 1, 2) @ draws
    squares = np.diagonal(gram, axis1=1, axis2=2)
    saturations = np.sum(squares**2 / np.sum(gram**2, axis=2), axis=1) / min(shape)
    error = max(saturations.std() / math.sqrt(len(draws)), 1e-12)
    assert abs(saturations.mean() - gaussian_null(*shape).saturation) < 4 * error


def test_the_effective_rank_of_known_spectra() -> None:
    assert effective_rank(np.asarray([2.0])) == pytest.approx(1.0)
    assert effective_rank(np.ones(5)) == pytest.approx(5.0)
    # Shares 1/2, 1/4, 1/4: entropy 3/2 log 2.
    assert effective_rank(np.asarray([2.0, 1.0, 1.0])) == pytest.approx(2**1.5)
    assert effective_rank(np.zeros(0)) == 0.0


@pytest.mark.parametrize(
    ("W", "options", "message"),
    [
        (np.eye(2) * 1e130, {}, r"W: expected a largest entry between 1e-120 and 1e.120; got 1e"),
        (np.eye(2) * 1e-130, {}, "W: expected a largest entry between"),
        (np.eye(2), {"relative_tolerance": 1.5}, "relative_tolerance: expected a number in"),
    ],
)
def test_what_cannot_be_measured_is_refused(W: np.ndarray, options: dict, message: str) -> None:
    assert_one_line_error(lambda: measure_matrix(W, **options), message)


def test_the_rank_is_that_of_the_numbers_and_of_the_diagnosis(x64) -> None:
    """A product of rank 2 that float32 has rounded is of rank 2; two orthogonal columns are too."""
    rng = np.random.default_rng(8)
    product = (rng.standard_normal((9, 2)) @ rng.standard_normal((2, 30))).astype(np.float32)
    uneven = np.diag([1.0, 5e-4]).astype(np.float32)
    for W, rank in ((product, 2), (uneven, 2), (uneven.astype(np.float64), 2)):
        found = measure_matrix(W)
        assert found.rank == rank == np.linalg.matrix_rank(W)
        spectrum = diagnose(W).spectrum
        assert int(spectrum.rank) == rank
        assert found.saturation == pytest.approx(float(spectrum.saturation), rel=1e-6)
        assert found.represented == int(np.sum(spectrum.represented))
