"""Subclasses that compute something else: they train densely, by their own methods."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from update_cases import LARGE, STUDENTS, experiment, plain_gradient, split

import jaxsup
from jaxsup.experiment.experiment import initial_parameters
from jaxsup.training.evaluation import estimated_errors
from jaxsup.training.updates import Dense, choose_update

pytestmark = pytest.mark.usefixtures("full_precision")


class Doubled(jaxsup.Student):
    """A subclass that computes something else."""

    def outputs(self, parameters, x):
        return 2 * super().outputs(parameters, x)


class Quadratic(jaxsup.AbstractActivation):
    """An activation of one's own."""

    def __call__(self, z):
        return z**2


class Shifted(jaxsup.PowerLawFeatures):
    """A subclass whose inherited moments are wrong."""

    def sample_batch(self, key, batch):
        return super().sample_batch(key, batch) + 1.0


class Negative(jaxsup.DiagonalTeacher):
    """A subclass whose inherited matrix is wrong."""

    def targets(self, x):
        return -super().targets(x)


class Even(jaxsup.ReLU):
    """A subclass that has a gate by inheritance, wrongly."""

    def __call__(self, z):
        return jnp.abs(z)


OUTSIDE = {
    "student": {"student": Doubled(12, core_scale=0.3, bias_scale=0.2)},
    "linear student": {"student": Doubled(12, core_scale=0.3, activation="identity")},
    "activation": {"student": jaxsup.Student(12, core_scale=0.3, activation=Quadratic())},
    "inherited gate": {"student": jaxsup.Student(12, core_scale=0.3, activation=Even())},
    "law": {"features": Shifted(LARGE, 1.2)},
    "linear, law": {
        "features": Shifted(LARGE, 1.2),
        "student": jaxsup.Student(12, core_scale=0.3, activation="identity"),
    },
    "linear, teacher": {
        "teacher": Negative(0.5),
        "student": jaxsup.Student(12, core_scale=0.3, activation="identity"),
    },
    "teacher": {"teacher": Negative(0.5)},
}


@pytest.mark.parametrize("name", OUTSIDE)
def test_what_the_package_does_not_know_is_trained_densely_and_right(name):
    """A subclass may compute anything: gradient and errors are those of its own methods."""
    case = experiment(**{"student": STUDENTS["frozen"], "count": LARGE, **OUTSIDE[name]})
    update = choose_update(case)
    assert update == Dense(None)
    key = jax.random.key(4)
    parameters = initial_parameters(case, key)
    learned, frozen = split(case, parameters)
    gradient = update.gradient(case, case.batch_size, learned, frozen, key)
    x = np.asarray(case.features.sample_batch(key, case.batch_size), np.float64)
    expected = plain_gradient(case, x, learned, frozen)
    for ours, plain in zip(jax.tree.leaves(gradient), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(ours, plain, rtol=0, atol=4e-6 * np.abs(plain).max())
    errors, stderr = estimated_errors(case, update, parameters, key)
    block = case.features.sample_batch(jax.random.fold_in(key, 0), 200)
    outputs = np.asarray(case.student.outputs(parameters, block), np.float64)
    squares = (outputs - np.asarray(case.teacher.targets(block))) ** 2
    np.testing.assert_allclose(errors, squares.mean(axis=0), rtol=2e-5, atol=1e-9)
    losses = squares.sum(axis=1) / 2
    np.testing.assert_allclose(stderr, losses.std(ddof=1) / 200**0.5, rtol=2e-5)


def test_exact_gradients_of_what_the_package_does_not_know_are_refused():
    for name in ("linear student", "linear, law", "linear, teacher"):
        with pytest.raises(ValueError, match=r"gradient: expected 'sampled'"):
            experiment(
                **{"student": STUDENTS["frozen"], "count": LARGE, **OUTSIDE[name]},
                gradient="exact",
            )
