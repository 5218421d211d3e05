"""Targets: the linear map y = A x that a student is asked to learn."""

import abc
from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxsup._internal.validation import Scalar, Values, as_matrix, check_number, fail


class AbstractTeacher(eqx.Module):
    """A linear target y = A x."""

    kind: ClassVar[str]

    @abc.abstractmethod
    def targets(self, x: Float[Array, "batch features"]) -> Float[Array, "batch features"]:
        """y = A x for each row of x."""

    @abc.abstractmethod
    def matrix_for(self, count: int) -> Float[Array, "features features"]:
        """A as a full matrix for `count` features."""


class DiagonalTeacher(AbstractTeacher):
    """Channel importance: A = diag(i^-b), i = 1..N. ``exponent=0`` is the identity (y = x).

    Arguments:
        exponent: importance exponent b, finite.

    Raises:
        ValueError: the exponent is not finite.
    """

    kind: ClassVar[str] = "diagonal"
    exponent: Scalar

    def __check_init__(self) -> None:
        check_number("teacher.exponent", self.exponent, "give the importance exponent b")

    def gains(self, count: int) -> Float[Array, " features"]:
        """A_ii = i^-b."""
        dtype = jnp.result_type(float)
        index = jnp.arange(1, count + 1, dtype=dtype)
        return jnp.exp(-jnp.asarray(self.exponent, dtype) * jnp.log(index))

    def targets(self, x: Float[Array, "batch features"]) -> Float[Array, "batch features"]:
        """y_i = i^-b x_i."""
        return x * self.gains(x.shape[-1])[None, :]

    def matrix_for(self, count: int) -> Float[Array, "features features"]:
        """diag(i^-b)."""
        return jnp.diag(self.gains(count))


class MatrixTeacher(AbstractTeacher):
    """Any linear target y = A x.

    Arguments:
        matrix: A, [features, features], finite.

    Raises:
        ValueError: the matrix is not square or has entries that are not finite.
    """

    kind: ClassVar[str] = "matrix"
    matrix: Array | np.ndarray

    def __init__(self, matrix: Values) -> None:
        self.matrix = as_matrix(matrix)

    def __check_init__(self) -> None:
        if self.matrix.ndim != 2 or self.matrix.shape[0] != self.matrix.shape[1]:
            shape = f"a shape {self.matrix.shape}"
            raise fail("teacher.matrix", "a square matrix", shape, "give A, features by features")
        check_number("teacher.matrix", self.matrix, "remove the entries that are not finite")

    def targets(self, x: Float[Array, "batch features"]) -> Float[Array, "batch features"]:
        """y = A x for each row of x."""
        return x @ self.matrix_for(x.shape[-1]).T

    def matrix_for(self, count: int) -> Float[Array, "features features"]:
        """A; `count` must be its size, which `Experiment` checks."""
        del count
        return jnp.asarray(self.matrix, jnp.result_type(float))
