"""Modes of diagonal plus rank one, against dense eigenproblems and closed forms."""

import time

import numpy as np
import pytest

from jaxsup.theory import rank_one
from jaxsup.theory.rank_one import rank_one_modes

STEPS = np.geomspace(1e-2, 1e5, 30)


def problem(
    count: int, a: float, density: float, bias: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Second moments of features on [0, 2], some of them always active, and i^-1."""
    p = np.arange(1, count + 1.0) ** -a
    p = np.minimum(1, density * p / p.sum())
    d, z, e = p * 4 / 3 - p**2, p, np.arange(1, count + 1.0) ** -1
    return (np.append(d, 0), np.append(z, 1), np.append(e, 0)) if bias else (d, z, e)


def dense(d: np.ndarray, z: np.ndarray, e: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    values, vectors = np.linalg.eigh(np.diag(d) + np.outer(z, z))
    return np.maximum(values, 0), e @ vectors**2


def curve(values: np.ndarray, energies: np.ndarray) -> np.ndarray:
    """What is measured of them: the modes of one eigenvalue may be told apart or not."""
    return np.exp(-STEPS[:, None] * values) @ (values * energies)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("density", [0.1, 5, 1000])
@pytest.mark.parametrize("a", [0.3, 1.0, 3.0])
@pytest.mark.parametrize("count", [1, 2, 12, 300])
def test_they_are_those_of_the_dense_matrix(
    count: int, a: float, density: float, bias: bool
) -> None:
    d, z, e = problem(count, a, density, bias)
    modes, exact = rank_one_modes(d, z, e), curve(*dense(d, z, e))
    np.testing.assert_allclose(curve(*modes), exact, rtol=1e-10, atol=1e-13 * exact.max())
    assert modes.energies.sum() == pytest.approx(e.sum(), rel=1e-12)
    assert modes.values @ modes.energies == pytest.approx(e @ (d + z**2), rel=1e-12)


HARD = {
    "in no order": ([3.0, 1.0, 2.0, 0.5], [0.1, 2.0, 0.3, 1.0]),
    "ties": ([1.0, 1.0, 2.0, 2.0, 2.0], [0.1, 2.0, 0.3, 0.0, -1.0]),
    "almost ties": ([1.0, 1 + 1e-15, 1 + 3e-15, 1 + 1e-9], [0.5, 0.5, 0.5, 0.5]),
    "strong": ([1.0, 2.0, 3.0], [1e2, 2e2, 1e2]),
    "weak": ([1.0, 2.0, 3.0], [1e-12, 1e-8, 1e-15]),
    "uncoupled": ([1.0, 2.0, 3.0], [0.0, 1.0, 0.0]),
    "nothing": ([0.0, 0.0], [0.0, 0.0]),
    "no coupling": ([1.0, 2.0], [0.0, 0.0]),
}


@pytest.mark.parametrize("case", HARD)
def test_hard_cases(case: str) -> None:
    d, z = map(np.asarray, HARD[case])
    e = np.arange(1.0, d.size + 1)
    modes, exact = rank_one_modes(d, z, e), curve(*dense(d, z, e))
    np.testing.assert_allclose(curve(*modes), exact, rtol=1e-10, atol=1e-10 * exact.max())
    assert modes.energies.sum() == pytest.approx(e.sum(), rel=1e-12)
    assert modes.values @ modes.energies == pytest.approx(e @ (d + z**2), rel=1e-12)


def test_small_eigenvalues_keep_their_digits() -> None:
    """The smaller one is det / larger, which dense methods miss by 1e-16 of the larger."""
    d, z = np.asarray([1.0, 1e-40]), np.asarray([1.0, 1e-20])
    modes = rank_one_modes(d, z, np.ones(2))
    determinant = d[0] * d[1] + d[0] * z[1] ** 2 + d[1] * z[0] ** 2
    np.testing.assert_allclose(np.sort(modes.values), [determinant / 2, 2.0], rtol=1e-14)


def test_a_strong_coupling_takes_one_direction_out() -> None:
    """The others are what is left of diag(1, 2, 3) beside (1, 1, 1): 2 +- 3^-1/2."""
    modes = rank_one_modes(np.arange(1.0, 4), np.full(3, 1e8), np.ones(3))
    np.testing.assert_allclose(modes.values, [2 - 3**-0.5, 2 + 3**-0.5, 3e16], rtol=1e-14)


def test_four_thousand_entries_take_no_dense_matrix() -> None:
    """The trace of the matrix and the sum of the entries are kept; seconds, where eigh took 20."""
    d, z, e = problem(4096, 1.5, 2.0, True)
    rank_one._modes.cache_clear()
    rank_one._solve.cache_clear()
    began = time.process_time()
    modes = rank_one_modes(d, z, e)
    assert time.process_time() - began < 5
    assert modes.energies.sum() == pytest.approx(e.sum(), rel=1e-12)
    assert modes.values @ modes.energies == pytest.approx(e @ (d + z**2), rel=1e-12)
    assert modes.values.sum() == pytest.approx((d + z**2).sum(), rel=1e-12)


def test_what_was_solved_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """For the same matrix and other entries nothing is solved again."""
    d, z, e = problem(64, 1.25, 2.0, False)
    first = rank_one_modes(d, z, e)
    assert rank_one_modes(d.copy(), z, e) is first
    monkeypatch.setattr(rank_one, "_quadratic_root", None)
    other = rank_one_modes(d, z, 2 * e)
    np.testing.assert_allclose(other.energies, 2 * first.energies, rtol=1e-15)
