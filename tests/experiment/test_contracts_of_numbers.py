"""Numbers of one's own that cannot be, or are not those of the law and the targets, are told."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from factories import linear_experiment, relu_experiment
from foreign_classes import COUNT, Law, Teacher
from helpers import assert_one_line_error, untyped

import jaxsup
from jaxsup.experiment.contracts_of_numbers import check_sampled_moments
from jaxsup.experiment.features import GroupedFeatures, OneActiveFeatures
from jaxsup.experiment.moments import Moments


def moments(**changes):
    """Moments of independent features with variances 1."""
    zero = jnp.zeros(COUNT)
    return Moments(**{"mean": zero, "diagonal": zero + 1, "factor": zero, **changes})


class Heavy(Law):
    """Student's t with three degrees of freedom: x^2 has the mean 3 and no variance."""

    def sample_batch(self, key, batch):
        return jax.random.t(key, 3.0, (batch, COUNT))

    def moments(self):
        return moments(diagonal=jnp.full(COUNT, 3.0))


LAWS = (
    jaxsup.PowerLawFeatures(2000, 1.1, 1e-3),
    jaxsup.SparseFeatures(np.full(3, 1e-6)),
    jaxsup.GaussianFeatures(1, 0.0),
    jaxsup.CorrelatedFeatures(np.full((2, 2), 1.0)),
    GroupedFeatures(24, 3, "correlated", 0.2),
    GroupedFeatures(24, 3, "anticorrelated", 0.2),
    OneActiveFeatures(8, 1.0),
    Heavy(),
)
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
    parts = moments(diagonal=-jnp.ones(COUNT), dense=2 * jnp.eye(COUNT))
    assert linear_experiment(features=Law(known=lambda: parts, p=1.0)).closed_form == "linear"


def correlated(key, batch, p):
    """p (n_0 + n_i): C = p^2 (1 + I)."""
    n = jax.random.normal(key, (batch, COUNT + 1))
    return p * (n[:, :1] + n[:, 1:])


SHIFTED = {"draw": lambda key, batch, p: 1 + p * jax.random.normal(key, (batch, COUNT))}
DRAWN: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "independent": ({}, {"diagonal": jnp.full(COUNT, 0.25)}),
    "shifted": (SHIFTED, {"mean": jnp.ones(COUNT), "factor": jnp.ones(COUNT)}),
    "correlated": ({"draw": correlated}, {"dense": jnp.full((COUNT, COUNT), 0.25)}),
}


@pytest.mark.parametrize("case", DRAWN)
def test_moments_are_those_of_samples(case):
    """p = 1/2: variances are 1/4."""
    fields, changes = DRAWN[case]
    known = moments(**{"diagonal": jnp.full(COUNT, 0.25), **changes})
    assert linear_experiment(features=Law(known=lambda: known, **fields)).closed_form == "linear"


@pytest.mark.parametrize(
    ("case", "changes"),
    [
        ("independent", {"diagonal": jnp.full(COUNT, 0.3)}),
        ("independent", {"mean": jnp.full(COUNT, 0.1)}),
        ("shifted", {"factor": jnp.zeros(COUNT), "diagonal": jnp.ones(COUNT)}),
        ("shifted", {"mean": jnp.zeros(COUNT)}),
        ("correlated", {"dense": jnp.eye(COUNT) / 4}),
    ],
)
def test_moments_that_are_not_those_of_samples_are_a_one_line_error(case, changes):
    """A variance or a mean of its own, a covariance for E[x x^T], no correlation."""
    fields, right = DRAWN[case]
    known = moments(**{"diagonal": jnp.full(COUNT, 0.25), **right, **changes})
    match = r"^features: expected moments\(\) to be means of sample_batch\(\); got .* in samples.*"
    law = Law(known=lambda: known, **fields)
    assert_one_line_error(lambda: linear_experiment(features=law), match)


@pytest.mark.parametrize("law", LAWS, ids=lambda law: type(law).__name__)
def test_laws_of_the_package_are_held_to_be_right(law):
    """Rare features, and a heavy tail, of which a few thousand samples tell little."""
    check_sampled_moments(law, law.moments())


class Skewed(jaxsup.PowerLawFeatures):
    """A law of the package with probabilities of one's own."""

    factor: Any = eqx.field(static=True, default=1.0)

    @property
    def probabilities(self):
        return super().probabilities * self.factor


class Scaled(jaxsup.AbstractStudent):
    """V^T V x, V started by one function, its outputs changed by another."""

    latent: Any = eqx.field(static=True, default=3)
    begin: Any = eqx.field(static=True, default=lambda W: W)
    end: Any = eqx.field(static=True, default=lambda z: z)

    def init_parameters(self, key, count):
        return {"V": self.begin(jax.random.normal(key, (3, count)))}

    def outputs(self, parameters, x):
        return self.end(x @ parameters["V"].T @ parameters["V"])


class Root(jaxsup.AbstractActivation):
    """NaN for what is negative."""

    def __call__(self, z):
        return jnp.sqrt(z)


def drawing(function):
    """A law that a function of normal numbers makes."""
    return Law(draw=lambda key, batch, p: function(jax.random.normal(key, (batch, COUNT))))


SIZES = {
    "negative count": (
        {"features": Law(count=-3)},
        r"^features\.count: .*positive integer; got -3",
    ),
    "no count": ({"features": Law(count=0)}, r"^features\.count: .*positive integer; got 0"),
    "negative latent": ({"student": Scaled(latent=-3)}, r"^student\.latent: .*integer; got -3"),
    "text latent": ({"student": Scaled(latent="3")}, r"^student\.latent: .*; got '3'"),
}
NUMBERS = {
    "nan samples": (
        {"features": drawing(jnp.sqrt)},
        r"^features: .*sample_batch\(\) of finite .*nan",
    ),
    "infinite samples": ({"features": drawing(lambda x: x / 0)}, r"^features: .* got -?inf among"),
    "negative": (
        {"features": Skewed(6, 1.1, factor=-1)},
        r"^features\.probabilities: .*got -0\.4362 ",
    ),
    "above 1": (
        {"features": Skewed(6, 1.1, factor=9)},
        r"^features\.probabilities: .*got 3\.926 of",
    ),
    "nan targets": ({"teacher": Teacher(jnp.log)}, r"^teacher: .*targets\(\) of finite numbers"),
    "start": ({"student": Scaled(begin=jnp.log)}, r"^student: .*init_parameters\(\) .*without NaN"),
    "outputs": ({"student": Scaled(end=jnp.sqrt)}, r"^student: .*outputs\(\) of numbers, without"),
    "activation": (
        {"student": jaxsup.Student(3, core_scale=1.0, activation=Root())},
        r"^student: .*outputs\(\) of numbers, without NaN; got nan among",
    ),
}


@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=untyped if n > 2 else ()) for n, case in enumerate(SIZES)]
)
def test_sizes_that_cannot_be_are_a_one_line_error(case):
    """Not what follows from them: shapes, bounds of K."""
    parts, match = SIZES[case]
    assert_one_line_error(lambda: relu_experiment(**parts), match)


@pytest.mark.parametrize("case", NUMBERS)
def test_numbers_that_cannot_be_are_told_before_training(case):
    """Else all networks end as diverged, or nothing is ever active."""
    parts, match = NUMBERS[case]
    experiment = relu_experiment(**parts)
    assert_one_line_error(lambda: jaxsup.simulate(experiment, jax.random.key(0)), match)
    assert_one_line_error(lambda: jaxsup.run(jaxsup.Sweep(experiment)), match)


def test_an_overflow_of_outputs_is_a_network_that_diverges():
    student: Any = Scaled(end=lambda z: jnp.exp(1e3 * z))
    experiment = relu_experiment(student)
    assert jaxsup.simulate(experiment, jax.random.key(0)).status == 1
