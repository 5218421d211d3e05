"""Feature laws with their moments in numpy, and students for tests of losses."""

import jax
import numpy as np

import jaxsup
from jaxsup.experiment.students import Student, StudentParameters
from jaxsup.training import losses

COUNT = 5


def population_errors(features, teacher, student, parameters):
    """Expected squared errors by the closed form that the three have."""
    experiment = jaxsup.Experiment(features, teacher, student, jaxsup.SGD(0.1))
    assert experiment.closed_form is not None
    return losses.population_errors(experiment.closed_form, experiment, parameters)


def one_active_law() -> np.ndarray:
    f = np.arange(1, COUNT + 1, dtype=np.float64) ** -0.8
    return f / f.sum()


def random_student(embedding: str, *, bias: bool = True, activation: str = "identity"):
    latent = COUNT if embedding == "identity" else 3
    student = Student(
        latent, embedding, activation=activation, bias=bias, core_scale=0.6, bias_scale=0.3
    )
    return student, student.init_parameters(jax.random.key(1), COUNT)


def response(parameters: StudentParameters) -> np.ndarray:
    assert parameters.core is not None
    if parameters.embedding is None:
        return np.asarray(parameters.core)
    readout = parameters.embedding if parameters.readout is None else parameters.readout
    return np.asarray(readout).T @ np.asarray(parameters.core) @ np.asarray(parameters.embedding)
