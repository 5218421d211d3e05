"""Axes over numbers of a class of one's own, of which it makes something else than they are."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import assert_one_line_error
from sweep_cases import assert_simulated, relu, run

import jaxsup
from jaxsup.experiment.activations import LeakyReLU

# equinox's advice on fields that follow from others.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


class Squared(jaxsup.AbstractTeacher):
    """y = gain^2 x: its field holds gain^2."""

    gain: float = eqx.field(converter=lambda gain: gain**2, default=1.0)

    def targets(self, x):
        return self.gain * x


class Derived(jaxsup.AbstractTeacher):
    """y = gain^2 x: another field follows from the first."""

    gain: float = 1.0
    square: float = eqx.field(init=False)

    def __post_init__(self):
        self.square = self.gain**2

    def targets(self, x):
        return self.square * x


class Chosen(jaxsup.AbstractTeacher):
    """y = gain^2 x above 1, else gain x: what is compiled follows from a number."""

    gain: float = 1.0
    large: bool = eqx.field(static=True, init=False)

    def __post_init__(self):
        self.large = self.gain > 1

    def targets(self, x):
        return self.gain**2 * x if self.large else self.gain * x


class Table(jaxsup.AbstractFeatures):
    """Features with probabilities i^-a that are computed once, when the law is made."""

    count: int = eqx.field(static=True)
    a: float
    p: np.ndarray = eqx.field(init=False)

    def __init__(self, count, a):
        self.count, self.a = count, a
        self.p = np.arange(1.0, count + 1) ** -a

    def sample_batch(self, key, batch):
        p = jnp.asarray(self.p, float)[None, :]
        return jax.random.bernoulli(key, p, (batch, self.count)).astype(float)


class Around(jaxsup.AbstractStudent):
    """An autoencoder whose scale follows from the number of a part of the package's."""

    latent: int = eqx.field(static=True, default=3)
    activation: LeakyReLU = LeakyReLU(0.5)
    scale: Any = eqx.field(init=False)

    def __post_init__(self):
        self.scale = 1 + self.activation.slope

    def init_parameters(self, key, count):
        return {"W": jax.random.normal(key, (self.latent, count)) * self.scale / 4}

    def outputs(self, parameters, x):
        return self.activation(x @ parameters["W"].T @ parameters["W"])


CASES: dict[str, tuple[Callable[[], Any], str]] = {
    "converter": (Squared, "teacher.gain"),
    "another field": (Derived, "teacher.gain"),
    "static field": (Chosen, "teacher.gain"),
    "array": (lambda: Table(8, 0.5), "features.a"),
    "of a part": (Around, "student.activation.slope"),
}


@pytest.mark.parametrize("case", CASES)
def test_each_setting_is_what_its_class_makes_of_the_numbers(case):
    make, field = CASES[case]
    own = relu(**{field.partition(".")[0]: make()})
    sweep = jaxsup.Sweep(own, {field: [0.5, 1.0, 2.0], "optimizer.learning_rate": [0.1]})
    assert sweep.structural == (True, False)
    dataset = run(sweep)
    assert_simulated(dataset, sweep)
    assert len(set(np.ravel(dataset["loss"].isel(step=-1)).tolist())) == 3
    programs = 2 if case == "static field" else 1
    assert sweep._count_programs() == programs


def test_a_field_that_is_held_as_it_is_given_stays_a_number_of_the_program():
    class Plain(jaxsup.AbstractTeacher):
        gain: float = eqx.field(converter=float, default=1.0)

        def targets(self, x):
            return self.gain * x

    assert jaxsup.Sweep(relu(teacher=Plain()), {"teacher.gain": [1, 2.0]}).structural == (False,)


def test_a_class_that_is_not_made_of_its_fields_is_a_one_line_error():
    class Renamed(jaxsup.DiagonalTeacher):
        def __init__(self, b):
            self.exponent = b

    match = r"^teacher: expected a Renamed that is made of its fields; got .*; let __init__"
    axes = {"teacher.exponent": [0.0, 1.0]}
    assert_one_line_error(lambda: jaxsup.Sweep(relu(teacher=Renamed(0.5)), axes), match)
