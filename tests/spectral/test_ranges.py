"""Numbers of every type and size: computed with as they are, or refused in one line."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import assert_one_line_error

from jaxsup import spectral


def of_float64(W):
    with jax.enable_x64(True):
        return jnp.asarray(W)


BEYOND = {
    "large": (
        lambda: spectral.decompose(np.array([[1.0, -1e300]])),
        r"W: expected numbers up to 3.4e\+38, float32's largest; got 1e\+300; rescale the",
    ),
    "small": (
        lambda: spectral.decompose(np.eye(3) * -1e-60),
        r"W: expected a largest number of at least 9.86e-32, as float32 ends at 1.18e-38; got",
    ),
    "small single": (
        lambda: spectral.decompose(np.full((2, 2), 1e-40, np.float32)),
        r"W: expected a largest number of at least 9.86e-32, .*; got 1e-40; rescale the matrix$",
    ),
    "large in a stack": (
        lambda: spectral.decompose_batch(
            np.ones((3, 2, 2)) * np.array([1, 1e50, 1])[:, None, None]
        ),
        r"Ws\[1\]: expected numbers up to 3.4e\+38, float32's largest; got 1e\+50; rescale",
    ),
    "small in a stack": (
        lambda: spectral.decompose_batch(np.ones((3, 2, 2)) * 1e-50),
        r"Ws\[0\]: expected a largest number of at least 9.86e-32, .*; got 1e-50; rescale",
    ),
    "small single in a stack": (
        lambda: spectral.decompose_batch(np.full((2, 2, 2), 1e-40, np.float32)),
        r"Ws\[0\]: expected a largest number of at least 9.86e-32, .*; got 1e-40; rescale",
    ),
    "certified": (lambda: spectral.certify(np.eye(3) * 1e-60), r"W: .*; got 1e-60; rescale"),
    "JAX's": (lambda: spectral.decompose(of_float64(np.eye(3) * 1e-60)), r"W: .*; got 1e-60; resc"),
    "long": (
        lambda: spectral.decompose(np.array([[np.longdouble("1e300")]])),
        r"W: expected numbers up to 3.4e\+38, .*; got 1e\+300; rescale",
    ),
}


@pytest.mark.parametrize("name", BEYOND)
def test_numbers_beyond_the_precision_are_refused_and_not_called_infinite_or_zero(name, x32):
    assert_one_line_error(*BEYOND[name])


@pytest.mark.parametrize("library", [np, jnp])
def test_what_is_small_is_right_as_long_as_it_is_taken(library, x32):
    """Its smaller entries are subnormal, and so zero, below."""
    W = np.random.default_rng(0).standard_normal((3, 5))
    expected, W = spectral.decompose(W), W / np.abs(W).max()
    found = spectral.decompose(library.asarray(W * 1e-31, np.float32))
    np.testing.assert_allclose(found.capacities, expected.capacities, rtol=1e-5)
    np.testing.assert_allclose(found.leverages, expected.leverages, rtol=1e-5)
    small = library.asarray(W * 9e-32, np.float32)
    assert_one_line_error(
        lambda: spectral.decompose(small), r"W: .*; got 9e-32; rescale the matrix$"
    )
    assert_one_line_error(
        lambda: spectral.decompose_batch(library.stack([small, small])), r"Ws\[0\]: .*; got 9e-32;"
    )


def test_numbers_beyond_double_precision_are_refused(x64):
    assert_one_line_error(
        lambda: spectral.decompose(np.eye(3) * 1e-310),
        "W: expected a largest number of at least 1e-292, as float64 ends at 2.23e-308; got 1e-310",
    )
    if np.finfo(np.longdouble).max > np.finfo(np.float64).max:
        assert_one_line_error(
            lambda: spectral.decompose(np.array([[np.longdouble("1e400")]])),
            r"W: expected numbers up to 1.8e\+308, float64's largest; got 1e\+400; rescale the mat",
        )


def test_what_is_small_beside_the_largest_number_is_taken_and_so_are_diverged_replicas(x32):
    assert int(spectral.decompose(np.diag([1.0, 1e-60])).rank) == 1
    assert int(spectral.decompose(np.zeros((2, 3))).rank) == 0
    Ws = np.ones((3, 1, 2))
    Ws[0, 0], Ws[1, 0] = [1e50, np.nan], [1e50, -np.inf]
    np.testing.assert_array_equal(spectral.decompose_batch(Ws).rank, [0, 0, 1])


@pytest.mark.parametrize("dtype", [">f8", ">f4", ">f2", ">i4", np.longdouble, np.float16])
def test_every_type_and_byte_order_of_real_numbers_is_taken(dtype):
    W = np.array([[3.0, 1.0, 0.0], [4.0, 0.0, 2.0]])
    expected, given = spectral.decompose(W), W.astype(dtype)
    batch = spectral.decompose_batch(np.stack([given, given]))
    for spectrum in (spectral.decompose(given), batch[1].trim()):
        np.testing.assert_allclose(spectrum.eigenvalues, expected.eigenvalues, rtol=1e-6)
    assert spectral.certify(given).certified
    assert spectral.represented(given, shortest=0.1).tolist() == [True, True, True]


def test_double_precision_survives_another_byte_order(x64):
    W = np.random.default_rng(0).standard_normal((3, 5))
    for given in (W.astype(">f8"), W.astype(np.longdouble)):
        np.testing.assert_array_equal(spectral.decompose(given).norms, spectral.decompose(W).norms)


@pytest.mark.parametrize("library", [np, jnp])
def test_norms_are_compared_whatever_their_size(library, x32):
    half, single, double = np.float16, np.float32, np.float64
    cases = [
        (np.array([[300.0, 200.0, 1.0]], half), [True, True, False]),
        (np.array([[1e200, 1e200, 1.0]], double), [True, True, False]),
        (np.array([[1e-30, 1e-30], [1e-30, 0.0]], single), [True, True]),
        (np.array([[3e38, 3e38], [3e38, 1e30]], single), [True, True]),
        (np.array([[2**40, 1, 2**39]], np.int64), [True, False, True]),
        (np.zeros((2, 3), single), [False] * 3),
    ]
    for W, expected in cases:
        given = of_float64(W) if library is jnp else W
        found = spectral.represented(given, shortest=0.1)
        assert isinstance(found, jax.Array if library is jnp else np.ndarray)
        assert found.tolist() == expected
    wide = np.stack([np.eye(2), 1e200 * np.array([[1.0, 0.0], [0.0, 0.01]])])
    assert spectral.represented(wide, shortest=0.1).tolist() == [[True, True], [True, False]]
    tiny = np.array([[1.0, 1e-25, 0.0]], single)
    assert spectral.represented(library.asarray(tiny), shortest=0.0).tolist() == [True, True, False]


def test_norms_are_compared_inside_of_compiled_programs():
    Ws = jnp.asarray(np.array([[[3.0, 0.1], [4.0, 0.0]], [[0.0, 1.0], [0.0, 0.0]]], np.float32))

    def chosen(W):
        return spectral.represented(W, shortest=0.1)

    expected = [[True, False], [False, True]]
    assert jax.jit(chosen)(Ws).tolist() == jax.jit(jax.vmap(chosen))(Ws).tolist() == expected
    assert jax.jit(lambda: chosen(Ws))().tolist() == expected
