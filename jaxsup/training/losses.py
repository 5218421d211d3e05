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
from jaxtyping import Array, Float, Key, PyTree

from jaxsup._internal.batching import in_cache
from jaxsup._internal.validation import Scalar
from jaxsup.experiment.abstract_student import AbstractStudent
from jaxsup.experiment.closed_forms import ClosedForm
from jaxsup.experiment.experiment import Experiment
from jaxsup.experiment.features import OneActiveFeatures
from jaxsup.experiment.students import Student, StudentParameters
from jaxsup.experiment.teachers import AbstractTeacher, DiagonalTeacher
from jaxsup.theory.one_sparse import one_sparse_errors_from_gram

# More than any law splits its key into: small numbers would be the keys of the samples themselves.
_NOISE = 2**31


def loss_weights(count: int, importance: Scalar, reduction: str) -> Float[Array, " features"]:
    """The weights by which the loss sums the features' squared errors."""
    dtype = jnp.result_type(float)
    weights = jnp.asarray(importance, dtype)
    if weights.ndim == 0:
        weights = weights ** jnp.arange(count, dtype=dtype)
    return weights * {"half_sum": 0.5, "sum": 1.0, "mean": 1.0 / count}[reduction]


def weights_of(experiment: Experiment) -> Float[Array, " features"]:
    """`loss_weights` of an experiment."""
    return loss_weights(experiment.features.count, experiment.importance, experiment.reduction)


def squares_of_samples(
    student: AbstractStudent,
    teacher: AbstractTeacher,
    parameters: PyTree,
    x: Float[Array, "batch features"],
    key: Key[Array, ""] | None = None,
) -> Float[Array, "batch features"]:
    """(phi(z)_i - y_i)^2 of each sample and feature.

    Arguments:
        student, teacher, parameters: what is evaluated.
        x: samples.
        key: of the student's noise, if it has any; None: it is left out.
    """
    if key is None:
        outputs = student.outputs(parameters, x)
    else:
        outputs = student.noisy_outputs(parameters, x, key)
    return (outputs - teacher.targets(x)) ** 2


def sampled_errors(
    student: AbstractStudent,
    teacher: AbstractTeacher,
    parameters: PyTree,
    x: Float[Array, "batch features"],
    key: Key[Array, ""] | None = None,
) -> Float[Array, " features"]:
    """Squared error of each feature, averaged over the batch, as `squares_of_samples` has it."""
    return jnp.mean(squares_of_samples(student, teacher, parameters, x, key), axis=0)


def noise_key(key: Key[Array, ""]) -> Key[Array, ""]:
    """The key of the noise beside the samples that a key draws: none of those that it splits to."""
    return jax.random.fold_in(key, _NOISE)


def population_errors(
    form: ClosedForm, experiment: Experiment, parameters: StudentParameters
) -> Float[Array, " features"]:
    """Expected squared error of each feature by the closed form that the experiment has."""
    errors = {"linear": linear_errors, "one-active": one_active_errors}[form]
    return errors(experiment, parameters)


def linear_errors(
    experiment: Experiment, parameters: StudentParameters
) -> Float[Array, " features"]:
    """e_i = (D C D^T)_ii + 2 c_i (D m)_i + c_i^2 with D = V^T B W - A, C = E[x x^T], m = E[x].

    Noise sigma n in the hidden layer adds sigma^2 |v_i|^2: it is independent of x, with mean 0.
    """
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
    if student.hidden_noise is not None:
        V, sigma = parameters.decoder, jnp.asarray(student.hidden_noise, errors.dtype)
        errors += sigma**2 * (1.0 if V is None else jnp.sum(V**2, axis=0))
    return errors


def one_active_errors(
    experiment: Experiment, parameters: StudentParameters
) -> Float[Array, " features"]:
    """`jaxsup.theory.one_sparse.one_sparse_errors_from_gram` of M = V^T B W and c."""
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
