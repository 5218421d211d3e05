"""Squared errors of a student: sampled, and in closed form over the whole population.

Both give the same thing, the expected squared error of each feature, e_i = E (phi(z)_i - y_i)^2;
a reduction turns it into the loss:

* ``"half_sum"``: 1/2 sum_i w_i e_i, the teacher-student convention (arXiv 2602.01045);
* ``"sum"``: sum_i w_i e_i;
* ``"mean"``: (1/N) sum_i w_i e_i, as the toy-model literature has it (arXiv 2209.10652,
  2505.10465).

w_i is the importance of feature i: a number r stands for w_i = r^(i-1), an array for itself.
"""

from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxsup._internal.batching import in_cache
from jaxsup._internal.validation import Scalar
from jaxsup.experiment.features import AbstractFeatures, OneActiveFeatures
from jaxsup.experiment.students import Student, StudentParameters
from jaxsup.experiment.teachers import AbstractTeacher, DiagonalTeacher
from jaxsup.theory.one_sparse import one_sparse_errors_from_gram, one_sparse_loss

REDUCTIONS = ("half_sum", "sum", "mean")


def loss_weights(count: int, importance: Scalar, reduction: str) -> Float[Array, " features"]:
    """The weights by which the loss sums the features' squared errors."""
    dtype = jnp.result_type(float)
    weights = jnp.asarray(importance, dtype)
    if weights.ndim == 0:
        weights = weights ** jnp.arange(count, dtype=dtype)
    return weights * {"half_sum": 0.5, "sum": 1.0, "mean": 1.0 / count}[reduction]


def sampled_errors(
    student: Student,
    teacher: AbstractTeacher,
    parameters: StudentParameters,
    x: Float[Array, "batch features"],
) -> Float[Array, " features"]:
    """Squared error of each feature, averaged over the batch."""
    return jnp.mean((student.outputs(parameters, x) - teacher.targets(x)) ** 2, axis=0)


def closed_form(
    features: AbstractFeatures, teacher: AbstractTeacher, student: Student
) -> Literal["linear", "one-active"] | None:
    """Which closed form of the population loss applies, None if none does."""
    if student.activation == "identity":
        return "linear"
    if isinstance(features, OneActiveFeatures) and isinstance(teacher, DiagonalTeacher):
        return "one-active"
    return None


def population_errors(
    features: AbstractFeatures,
    teacher: AbstractTeacher,
    student: Student,
    parameters: StudentParameters,
) -> Float[Array, " features"]:
    """Expected squared error of each feature in closed form, where `closed_form` names one.

    Linear student, D = V^T B W - A, C = E[x x^T], m = E[x]:
    e_i = (D C D^T)_ii + 2 c_i (D m)_i + c_i^2.
    ReLU student on one active feature: `jaxsup.theory.one_sparse_errors_from_gram`.
    """
    count = features.count
    response = student.linear_map(parameters, count)
    bias = parameters.bias
    if (
        student.activation == "relu"
        and isinstance(features, OneActiveFeatures)
        and isinstance(teacher, DiagonalTeacher)
    ):
        c = jnp.zeros(count, response.dtype) if bias is None else bias
        return one_sparse_errors_from_gram(
            response,
            c,
            gains=teacher.gains(count),
            frequencies=features.frequencies,
            values=features.values,
        )
    moments = features.moments()
    D = response - teacher.matrix_for(count)
    errors = moments.row_quadratics(D)
    if bias is not None:
        errors += (
            2.0 * bias * jnp.matmul(D, moments.mean, precision=jax.lax.Precision.HIGHEST) + bias**2
        )
    return errors


def evaluated_errors(
    features: AbstractFeatures,
    teacher: AbstractTeacher,
    student: Student,
    parameters: StudentParameters,
) -> Float[Array, " features"]:
    """`population_errors` for looking at, not for differentiating: large ones one by one."""
    arrays, rest = eqx.partition((features, teacher, student, parameters), eqx.is_array)
    leaves, structure = jax.tree.flatten(arrays)

    def errors(*leaves: Array) -> Array:
        return population_errors(*eqx.combine(jax.tree.unflatten(structure, leaves), rest))

    return in_cache(errors, closed_form_bytes(features.count))(*leaves)


def closed_form_bytes(count: int) -> int:
    """Bytes of the largest arrays that `population_errors` of a network hold at once."""
    return 2 * jnp.dtype(jnp.result_type(float)).itemsize * count**2


def has_own_gradient(
    features: AbstractFeatures, teacher: AbstractTeacher, student: Student
) -> bool:
    """Whether the gradient of the population loss is written out: `jaxsup.theory.tied_loss`."""
    tied = student.embedding not in ("identity", "untied") and not student.core
    return tied and closed_form(features, teacher, student) == "one-active"


def population_loss(
    features: AbstractFeatures,
    teacher: AbstractTeacher,
    student: Student,
    parameters: StudentParameters,
    weights: Float[Array, " features"],
) -> Float[Array, ""]:
    """sum_i weights_i e_i with e the `population_errors`, the loss of which gradients are taken.

    The tied autoencoder on one active feature has a gradient of its own
    (`jaxsup.theory.one_sparse_loss`), the same to rounding.
    """
    if has_own_gradient(features, teacher, student):
        assert isinstance(features, OneActiveFeatures)
        assert isinstance(teacher, DiagonalTeacher)
        W, count = parameters.embedding, features.count
        assert W is not None
        bias = jnp.zeros(count, W.dtype) if parameters.bias is None else parameters.bias
        return one_sparse_loss(
            W,
            bias,
            importance=weights,
            gains=teacher.gains(count),
            frequencies=features.frequencies,
            values=features.values,
        )
    return jnp.sum(weights * population_errors(features, teacher, student, parameters))
