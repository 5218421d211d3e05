"""Targets against numpy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import assert_one_line_error

import jaxsup


@pytest.mark.parametrize("exponent", [-0.5, 0.0, 0.25, 3.0])
def test_diagonal_teacher_scales_feature_i_by_a_power(exponent):
    teacher = jaxsup.DiagonalTeacher(exponent)
    gains = np.arange(1, 41, dtype=np.float64) ** -exponent
    x = np.random.default_rng(0).normal(size=(3, 40))
    np.testing.assert_allclose(teacher.gains(40), gains, rtol=5e-6)
    np.testing.assert_allclose(teacher.targets(jnp.asarray(x)), x * gains, rtol=5e-6)
    matrix = np.asarray(teacher.matrix_for(40))
    np.testing.assert_allclose(np.diagonal(matrix), gains, rtol=5e-6)
    assert np.count_nonzero(matrix) == 40


def test_exponent_zero_is_the_identity_exactly():
    x = jnp.asarray(np.random.default_rng(1).normal(size=(2, 5)))
    np.testing.assert_array_equal(jaxsup.DiagonalTeacher(0.0).targets(x), x)


@pytest.mark.usefixtures("x64")
def test_matrix_teacher_applies_a_and_not_its_transpose():
    rng = np.random.default_rng(2)
    A, x = rng.normal(size=(4, 4)), rng.normal(size=(6, 4))
    teacher = jaxsup.MatrixTeacher(A)
    expected = np.stack([A @ row for row in x])
    np.testing.assert_allclose(teacher.targets(jnp.asarray(x)), expected, rtol=1e-13)
    np.testing.assert_array_equal(teacher.matrix_for(4), A)


def test_a_matrix_may_be_a_list_of_integers():
    teacher = jaxsup.MatrixTeacher([[0, 1], [0, 0]])
    np.testing.assert_array_equal(teacher.targets(jnp.array([[5.0, 7.0]])), [[7.0, 0.0]])


def test_traced_exponents_equal_eager():
    x = jnp.asarray(np.random.default_rng(3).normal(size=(2, 9)))
    exponents = jnp.array([0.0, 0.7, 2.0])
    targets = jax.jit(jax.vmap(lambda b: jaxsup.DiagonalTeacher(b).targets(x)))(exponents)
    for row, b in enumerate(exponents.tolist()):
        np.testing.assert_allclose(targets[row], jaxsup.DiagonalTeacher(b).targets(x), rtol=2e-6)


def test_a_traced_matrix_passes_unchecked():
    trace = jax.jit(lambda A: jaxsup.MatrixTeacher(A).matrix_for(2).sum())
    assert float(trace(jnp.full((2, 2), 0.5))) == 2


BAD = {
    "exponent nan": (
        lambda: jaxsup.DiagonalTeacher(float("nan")),
        "teacher.exponent: expected a finite number; got nan; give the importance exponent",
    ),
    "exponent inf": (lambda: jaxsup.DiagonalTeacher(float("inf")), "teacher.exponent: .*got inf"),
    "matrix not square": (
        lambda: jaxsup.MatrixTeacher(np.ones((3, 2))),
        r"teacher.matrix: expected a square matrix; got a shape \(3, 2\)",
    ),
    "matrix of three axes": (
        lambda: jaxsup.MatrixTeacher(np.ones((2, 2, 2))),
        r"teacher.matrix: expected a square matrix; got a shape \(2, 2, 2\)",
    ),
    "matrix nan": (
        lambda: jaxsup.MatrixTeacher(np.array([[1.0, np.nan], [0.0, 1.0]])),
        "teacher.matrix: .*finite.*; remove the entries that are not finite",
    ),
    "matrix inf": (
        lambda: jaxsup.MatrixTeacher(np.array([[1.0, np.inf], [0.0, 1.0]])),
        "teacher.matrix: .*finite",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_a_one_line_error(case):
    assert_one_line_error(*BAD[case])
