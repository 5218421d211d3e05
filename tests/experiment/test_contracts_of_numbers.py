"""Moments and matrices of one's own that are not those of the law and the targets are told."""

import jax.numpy as jnp
import numpy as np
import pytest
from factories import linear_experiment
from foreign_classes import COUNT, Law, Teacher
from helpers import assert_one_line_error, untyped

from jaxsup.experiment.moments import Moments


def moments(**changes):
    """Moments of independent features with variances 1."""
    zero = jnp.zeros(COUNT)
    return Moments(**{"mean": zero, "diagonal": zero + 1, "factor": zero, **changes})


MOMENTS = {
    "negative": ({"diagonal": -jnp.ones(COUNT)}, r"variances >= 0; got -1 of feature 0"),
    "mean": ({"mean": 2 * jnp.ones(COUNT)}, r"variances >= 0; got -3 of feature 0"),
    "nan": ({"factor": jnp.full(COUNT, jnp.nan)}, r"moments\(\) of finite numbers"),
    "infinite": ({"dense": jnp.full((COUNT, COUNT), jnp.inf)}, r"moments\(\) of finite numbers"),
    "short": ({"factor": jnp.ones(COUNT - 1)}, r"factor of moments\(\) .*\(6,\); got .*\(5,\)"),
    "vector": ({"dense": jnp.ones(COUNT)}, r"dense of moments\(\) .*\(6, 6\); got .*\(6,\)"),
    "groups": ({"blocks": jnp.ones(4)}, r"blocks of moments\(\)"),
    "number": ({"mean": 0.0}, r"mean of moments\(\) .*; got "),
}


@pytest.mark.parametrize(
    "case",
    [pytest.param(case, marks=untyped if n > 3 else ()) for n, case in enumerate(MOMENTS)],
)
def test_moments_of_no_law_are_a_one_line_error(case):
    changes, match = MOMENTS[case]
    law = Law(known=lambda: moments(**changes))
    assert_one_line_error(lambda: linear_experiment(features=law), rf"^features: .*{match}")


@pytest.mark.parametrize(
    ("matrix", "match"),
    [
        (2.0, r"matrix_for\(6\) to have the shape \(6, 6\); got a shape \(\)"),
        (2 * np.ones(COUNT, np.float32), r"matrix_for\(6\) .*got a shape \(6,\)"),
        (3 * np.eye(COUNT, dtype=np.float32), r"targets\(\) to be matrix_for\(\) times x; got "),
        (np.full((COUNT, COUNT), np.nan, np.float32), r"matrix_for\(\) of finite numbers"),
    ],
)
def test_a_matrix_that_is_not_that_of_the_targets_is_a_one_line_error(matrix, match):
    teacher = Teacher(matrix=lambda count: jnp.asarray(matrix, float))
    assert_one_line_error(lambda: linear_experiment(teacher=teacher), rf"^teacher: .*{match}")


def test_targets_with_a_constant_are_not_linear():
    teacher = Teacher(function=lambda x: x + 1, matrix=lambda count: jnp.eye(count))
    assert_one_line_error(lambda: linear_experiment(teacher=teacher), r"times x; got 1 .* at x = 0")


def test_what_is_right_is_accepted():
    law = Law(known=lambda: moments(diagonal=0.25 * jnp.ones(COUNT)), p=0.5)
    teacher = Teacher(matrix=lambda count: 2 * jnp.eye(count))
    assert linear_experiment(features=law, teacher=teacher).closed_form == "linear"
    signs = moments(diagonal=-jnp.ones(COUNT), factor=jnp.full(COUNT, 2.0))
    assert linear_experiment(features=Law(known=lambda: signs)).closed_form == "linear"
