"""Targets: what a student is asked to learn, y = A x or a function of each feature."""

import abc
from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxsup._internal.validation import (
    Scalar,
    Values,
    as_numbers,
    check_number,
    check_positive_integer,
    fail,
)
from jaxsup.experiment.activations import AbstractActivation, as_activation
from jaxsup.experiment.configuration import Configuration, check_exponent, check_growth


class AbstractTeacher(Configuration):
    """A target y(x) with an output for each feature.

    A class of one's own gives `targets`, and `matrix_for` where the target is linear.

    Attributes:
        kind: name in a TOML file; needed by the package's own teachers only.
    """

    section: ClassVar[str] = "teacher"
    kind: ClassVar[str]

    @abc.abstractmethod
    def targets(self, x: Float[Array, "batch features"]) -> Float[Array, "batch features"]:
        """y for each row of x."""

    def matrix_for(self, count: int) -> Float[Array, "features features"] | None:
        """A as a full matrix for `count` features, where y = A x; None: y is not linear."""
        del count
        return None

    def check_features(self, count: int) -> None:
        """Check that the target is defined for `count` features.

        Raises:
            ValueError: it is not.
        """
        del count


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
        check_exponent("teacher.exponent", self.exponent, "give the importance exponent b")

    def check_features(self, count: int) -> None:
        """Check that the largest i^-b, N^-b for b < 0, is a number of the dtype.

        Raises:
            ValueError: it is not.
        """
        advice, power = "take a larger exponent", -self.exponent
        check_growth("teacher.exponent", self.exponent, advice, power=power, base=count)

    def gains(self, count: int) -> Float[Array, " features"]:
        """A_ii = i^-b.

        Raises:
            ValueError: `count` is no positive integer.
        """
        check_positive_integer("count", count, "give the number of features N")
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
        self.matrix = as_numbers("teacher.matrix", matrix)

    def __check_init__(self) -> None:
        if self.matrix.ndim != 2 or self.matrix.shape[0] != self.matrix.shape[1]:
            advice = "give A, features by features"
            shape = f"a shape {self.matrix.shape}"
            raise fail("teacher.matrix", "a square matrix", shape, advice, described=True)
        check_number("teacher.matrix", self.matrix, "remove the entries that are not finite")

    def targets(self, x: Float[Array, "batch features"]) -> Float[Array, "batch features"]:
        """y = A x for each row of x."""
        return x @ self.matrix_for(x.shape[-1]).T

    def matrix_for(self, count: int) -> Float[Array, "features features"]:
        """A; `count` must be its size, which `Experiment` checks."""
        del count
        return jnp.asarray(self.matrix, jnp.result_type(float))

    def check_features(self, count: int) -> None:
        """Check that A is `count` x `count`.

        Raises:
            ValueError: it has another size.
        """
        if self.matrix.shape[-1] != count:
            expected, shape = f"a {count} x {count} matrix", f"a shape {self.matrix.shape}"
            raise fail("teacher.matrix", expected, shape, "match the features", described=True)


class ElementwiseTeacher(AbstractTeacher):
    """A function of each feature: y_i = i^-b psi(x_i), i = 1..N.

    Arguments:
        function: psi, an `jaxsup.AbstractActivation` or its name, such as ``"abs"`` for |x_i|.
        exponent: importance exponent b, finite.

    Raises:
        ValueError: there is no such function, or the exponent is not finite.

    Reference: Elhage et al., arXiv 2209.10652, section "Computation in Superposition" (|x|, with
    values on [-1, 1]: ``PowerLawFeatures(..., values="symmetric")``).

    >>> ElementwiseTeacher("abs", 1.0).targets(jnp.asarray([[-1.0, -1.0]])).tolist()
    [[1.0, 0.5]]
    """

    kind: ClassVar[str] = "elementwise"
    function: AbstractActivation = eqx.field(converter=as_activation)
    exponent: Scalar = 0.0

    def __check_init__(self) -> None:
        check_exponent("teacher.exponent", self.exponent, "give the importance exponent b")

    def targets(self, x: Float[Array, "batch features"]) -> Float[Array, "batch features"]:
        """y_i = i^-b psi(x_i)."""
        return self.function(x) * DiagonalTeacher(self.exponent).gains(x.shape[-1])[None, :]

    def check_features(self, count: int) -> None:
        """As that of a `DiagonalTeacher`."""
        DiagonalTeacher(self.exponent).check_features(count)
