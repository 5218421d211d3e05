"""Classes of one's own that return other shapes are told, instead of broadcast in silence."""

import equinox as eqx
import jax
import jax.numpy as jnp
import pytest
from factories import relu_experiment
from helpers import assert_one_line_error, untyped

import jaxsup
from jaxsup.experiment.students import StudentParameters


class Sum(jaxsup.AbstractActivation):
    """Not entry by entry."""

    def __call__(self, z):
        return z.sum()


class Narrow(jaxsup.AbstractStudent):
    """An output too few: one column, which would be broadcast."""

    latent: int = eqx.field(static=True)

    def init_parameters(self, key, count):
        return StudentParameters(jnp.zeros((self.latent, count)), None, None, None)

    def outputs(self, parameters, x):
        return x[:, :1]


class Turned(jaxsup.AbstractFeatures):
    """A column a sample."""

    count: int = eqx.field(static=True)

    def sample_batch(self, key, batch):
        return jax.random.normal(key, (self.count, batch))


class Total(jaxsup.AbstractTeacher):
    """One target for all features."""

    def targets(self, x):
        return x.sum(axis=1, keepdims=True)


WRONG = {
    "activation": ({"student": jaxsup.Student(3, activation=Sum())}, r"student: .*a shape \(\)"),
    "student": (
        {"student": Narrow(3)},
        r"student: expected outputs\(\) .*\(3, 6\); got .*\(3, 1\)",
    ),
    "law": ({"features": Turned(6)}, r"features: expected sample_batch\(\) .*got .*\(6, 3\)"),
    "teacher": ({"teacher": Total()}, r"teacher: expected targets\(\) .*got .*\(3, 1\)"),
}


@pytest.mark.parametrize(
    "case", [pytest.param("activation", marks=untyped), "student", "law", "teacher"]
)
def test_another_shape_is_a_one_line_error(case):
    changes, match = WRONG[case]
    assert_one_line_error(lambda: relu_experiment(**changes), match)


def test_what_keeps_its_shape_is_accepted():
    class Square(jaxsup.AbstractActivation):
        def __call__(self, z):
            return z**2

    assert relu_experiment(jaxsup.Student(3, activation=Square())).closed_form is None


class TracedCount(jaxsup.AbstractFeatures):
    """A law whose size is a number like any other, which compiled programs do not know."""

    count: int = 8

    def sample_batch(self, key, batch):
        return jax.numpy.zeros((batch, self.count))


def test_a_size_that_is_no_static_field_is_a_one_line_error():
    match = r"^features\.count: expected a static field, .* TracedCount that is none; write count: "
    assert_one_line_error(TracedCount, match)
