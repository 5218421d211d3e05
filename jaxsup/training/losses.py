"""Squared errors of a student: of samples, and in closed form over the whole population.

Both give the same thing, the expected squared error of each feature, e_i = E (phi(z)_i - y_i)^2;
a reduction turns it into the loss:

* ``"half_sum"``: 1/2 sum_i w_i e_i, the teacher-student convention (arXiv 2602.01045);
* ``"sum"``: sum_i w_i e_i;
* ``"mean"``: (1/N) sum_i w_i e_i, as the toy-model literature has it (arXiv 2209.10652,
  2505.10465).

w_i is the importance of feature i: a number r stands for w_i = r^(i-1), an array for itself.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from jaxsup._internal.batching import in_cache
from jaxsup._internal.validation import Scalar
from jaxsup.experiment.closed_forms import ClosedForm
from jaxsup.experiment.experiment import Experiment
from jaxsup.experiment.features import OneActiveFeatures
from jaxsup.experiment.students import AbstractStudent, Student, StudentParameters
from jaxsup.experiment.teachers import AbstractTeacher, DiagonalTeacher
from jaxsup.theory.one_sparse import one_sparse_errors_from_gram


def loss_weights(count: int, importance: Scalar, reduction: str) -> Float[Array, " features"]:
    """The weights by which the loss sums the features' squared errors."""
    dtype = jnp.result_type(float)
    weights = jnp.asarray(importance, dtype)
    if weights.ndim == 0:
        weights = weights ** jnp.arange(count, dtype=dtype)
    return weights * {"half_sum": 0.5, "sum": 1.0, "mean": 1.0 / count}[reduction]


def squares_of_samples(
    student: AbstractStudent,
    teacher: AbstractTeacher,
    parameters: PyTree,
    x: Float[Array, "batch features"],
) -> Float[Array, "batch features"]:
    """(phi(z)_i - y_i)^2 of each sample and feature."""
    return (student.outputs(parameters, x) - teacher.targets(x)) ** 2


def sampled_errors(
    student: AbstractStudent,
    teacher: AbstractTeacher,
    parameters: PyTree,
    x: Float[Array, "batch features"],
) -> Float[Array, " features"]:
    """Squared error of each feature, averaged over the batch."""
    return jnp.mean(squares_of_samples(student, teacher, parameters, x), axis=0)


def population_errors(
    form: ClosedForm, experiment: Experiment, parameters: StudentParameters
) -> Float[Array, " features"]:
    """Expected squared error of each feature by the closed form that the experiment has."""
    errors = {"linear": linear_errors, "one-active": one_active_errors}[form]
    return errors(experiment, parameters)


def linear_errors(
    experiment: Experiment, parameters: StudentParameters
) -> Float[Array, " features"]:
    """e_i = (D C D^T)_ii + 2 c_i (D m)_i + c_i^2 with D = V^T B W - A, C = E[x x^T], m = E[x]."""
    student, count = experiment.student, experiment.features.count
    moments, matrix = experiment.features.moments(), experiment.teacher.matrix_for(count)
    assert isinstance(student, Student)
    assert moments is not None
    assert matrix is not None
    D = student.linear_map(parameters, count) - matrix
    errors = moments.row_quadratics(D)
    bias = parameters.bias
    if bias is not None:
        errors += (
            2.0 * bias * jnp.matmul(D, moments.mean, precision=jax.lax.Precision.HIGHEST) + bias**2
        )
    return errors


def one_active_errors(
    experiment: Experiment, parameters: StudentParameters
) -> Float[Array, " features"]:
    """`jaxsup.theory.one_sparse_errors_from_gram` of M = V^T B W and c."""
    student, features, teacher = experiment.student, experiment.features, experiment.teacher
    assert isinstance(student, Student)
    assert isinstance(features, OneActiveFeatures)
    assert isinstance(teacher, DiagonalTeacher)
    count = features.count
    response = student.linear_map(parameters, count)
    bias = jnp.zeros(count, response.dtype) if parameters.bias is None else parameters.bias
    return one_sparse_errors_from_gram(
        response,
        bias,
        gains=teacher.gains(count),
        frequencies=features.frequencies,
        values=features.values,
    )


def evaluated_errors(
    form: ClosedForm, experiment: Experiment, parameters: StudentParameters
) -> Float[Array, " features"]:
    """`population_errors` for recording, not for differentiating: large ones one by one."""
    arrays, rest = eqx.partition((experiment, parameters), eqx.is_array)
    leaves, structure = jax.tree.flatten(arrays)

    def errors(*leaves: Array) -> Array:
        return population_errors(form, *eqx.combine(jax.tree.unflatten(structure, leaves), rest))

    return in_cache(errors, _closed_form_bytes(experiment.features.count))(*leaves)


def _closed_form_bytes(count: int) -> int:
    """Bytes of the largest arrays that `population_errors` of a network hold at once."""
    return 2 * jnp.dtype(jnp.result_type(float)).itemsize * count**2
