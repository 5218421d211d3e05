"""Methods of one's own that return something else, or cannot be traced, are told in one line."""

import dataclasses
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from factories import relu_experiment
from foreign_classes import COUNT, Law, Teacher
from helpers import assert_one_line_error

import jaxsup


class Network(jaxsup.AbstractStudent):
    """W^T W x, with whatever parameters a function starts."""

    latent: int = eqx.field(static=True, default=3)
    begin: Callable[[int, int], Any] = eqx.field(
        static=True, default=lambda latent, count: jnp.ones((latent, count))
    )
    readout: Any = eqx.field(static=True, default=None)

    def init_parameters(self, key, count):
        return Arrays(self.begin(self.latent, count), self.readout)

    def outputs(self, parameters, x):
        return x + jnp.sum(jnp.asarray(jax.tree.leaves(parameters)[0], x.dtype))


class Arrays(eqx.Module):
    """Parameters of any type."""

    embedding: Any
    readout: Any = None


class Rule(jaxsup.AbstractOptimizer):
    """An optimizer that a function builds."""

    build: Callable[[], Any] = eqx.field(static=True)

    def transformation(self, steps):
        return self.build()


class Stepless(jaxsup.AbstractOptimizer):
    """Its method lacks an argument."""

    def transformation(self):  # pyright: ignore[reportIncompatibleMethodOverride]
        return optax.sgd(0.1)


class Measure(jaxsup.Observable):
    """An observable that a function measures."""

    function: Callable[..., Any]
    name: str = "own"
    dims: tuple[str, ...] = ()
    long_name: str = "own"
    units: str = "1"

    def measure(self, network):
        return self.function(network)


def drawing(dtype):
    """A law whose samples are of this dtype."""
    return Law(draw=lambda key, batch, p: jax.random.normal(key, (batch, COUNT)).astype(dtype))


def choosing(key, batch, p):
    """A choice that no compiled program can make, as p is one of its arguments."""
    return jax.random.normal(key, (batch, COUNT)) if p > 0.5 else jnp.zeros((batch, COUNT))


def failing(key, batch, p):
    """A mistake within."""
    raise KeyError("first\nsecond")


def built(init, update):
    """An optimizer of two functions."""
    return Rule(lambda: optax.GradientTransformation(init, update))


def experiment_with(**parts: Any) -> jaxsup.Experiment:
    """A small experiment with parts of other classes."""
    return relu_experiment(**parts)


LAWS = {
    "bool": (
        drawing(bool),
        r"^features: expected sample_batch\(\) .* float.*; got numbers of bool",
    ),
    "int": (drawing(jnp.int32), r"^features: .*; got numbers of int32"),
    "float16": (drawing(jnp.float16), r"^features: .*; got numbers of float16"),
    "complex": (drawing(jnp.complex64), r"^features: .*; got numbers of complex64"),
    "choice": (
        Law(draw=choosing),
        r"^features: expected sample_batch\(\) that can be traced; got TracerBool.*jnp\.where",
    ),
    "mistake": (Law(draw=failing), r"^features: .* can be traced; got KeyError: "),
    "random of numpy": (
        Law(draw=lambda key, batch, p: jnp.asarray(np.random.rand(batch, COUNT), float)),  # noqa: NPY002
        r"^features: expected sample_batch\(\) to compute the same at every call; .*jax\.random",
    ),
    "inner function": (
        Law(draw=lambda key, batch, p: jax.jit(lambda key: jnp.full((batch, COUNT), p))(key)),
        r"^features: expected sample_batch\(\) to draw from its key",
    ),
    "no moments": (Law(known=lambda: 2.0), r"moments\(\) to be Moments; got a "),
}
STUDENTS = {
    "number": (Network(begin=lambda *_: 1.0), r"^student: .* arrays .*; got a float; return a mod"),
    "nothing": (Network(begin=lambda *_: None), r"^student: .* got none that is learned"),
    "integers": (
        Network(begin=lambda latent, count: jnp.ones((latent, count), int)),
        r"^student: .* got numbers of int",
    ),
    "complex": (
        Network(begin=lambda latent, count: jnp.ones((latent, count), complex)),
        r"^student: .* got numbers of complex",
    ),
    "turned": (
        Network(begin=lambda latent, count: jnp.ones((count, latent))),
        r"^student: expected embedding to have the shape \(3, 6\); got a shape \(6, 3\)",
    ),
}
OPTIMIZERS = {
    "none": (
        Rule(lambda: None),
        r"^optimizer: expected transformation\(steps\) that can be traced",
    ),
    "float": (Rule(lambda: 0.1), r"^optimizer: .*AttributeError"),
    "stepless": (Stepless(), r"^optimizer: .*got TypeError"),
    "row": (
        built(lambda p: (), lambda g, s, p=None: (jax.tree.map(lambda a: a[:1], g), s)),
        r"^optimizer: expected updates with the shapes of the parameters; got .*\[1, ?6\]",
    ),
    "count": (
        built(lambda p: 0, lambda g, s, p=None: (g, s + 1)),
        r"^optimizer: expected a state that is made of arrays; got a int",
    ),
    "state": (
        built(lambda p: jnp.zeros(()), lambda g, s, p=None: (g, jnp.zeros(2))),
        r"^optimizer: expected a state that keeps its shapes",
    ),
}
OBSERVABLES = {
    "none": (lambda n: None, r"^observable own: expected a real array from .*; got NoneType"),
    "complex": (
        lambda n: jax.lax.complex(n.loss, n.loss),
        r"^observable own: expected a real array .*; got complex",
    ),
    "missing": (lambda n: n.array("readout").sum(), r"^observable own: .*; got AttributeError"),
}


@pytest.mark.parametrize("case", LAWS)
def test_a_law_is_a_one_line_error(case):
    law, match = LAWS[case]
    assert_one_line_error(lambda: relu_experiment(features=law), match)


@pytest.mark.parametrize("case", STUDENTS)
def test_a_student_is_a_one_line_error(case):
    student, match = STUDENTS[case]
    assert_one_line_error(lambda: experiment_with(student=student), match)


@pytest.mark.parametrize("case", OPTIMIZERS)
def test_an_optimizer_is_a_one_line_error(case):
    rule, match = OPTIMIZERS[case]
    student = jaxsup.Student(3, embedding="learned")
    assert_one_line_error(lambda: relu_experiment(student, rule), match)


@pytest.mark.parametrize("case", OBSERVABLES)
def test_an_observable_is_a_one_line_error(case):
    function, match = OBSERVABLES[case]
    record = jaxsup.Record(observables=(Measure(function=function),))
    assert_one_line_error(lambda: relu_experiment(record=record), match)


def test_an_outputs_gradient_that_cannot_be_taken_is_a_one_line_error():
    class Looping(Network):
        def outputs(self, parameters, x):
            W = parameters.embedding
            stop = lambda total: jnp.sum(total) < 9  # noqa: E731
            return x + jax.lax.while_loop(stop, lambda total: total + W, W)[:1]

    with jax.numpy_rank_promotion("allow"):
        match = r"^student: expected gradient of outputs that can be traced"
        assert_one_line_error(lambda: experiment_with(student=Looping()), match)


@pytest.mark.parametrize("value", ["text", jnp.tanh, [jnp.tanh]])
def test_a_field_that_no_program_takes_is_a_one_line_error(value):
    class Named(Teacher):
        label: Any = None

    match = r"^teacher\.label: expected a static field, or numbers; .*write label: "
    assert_one_line_error(lambda: Named(label=value), match)
    assert Named(label=(1.0, True, np.ones(3))).label[0] == 1.0


@pytest.mark.parametrize("value", [np.nan, np.asarray([1.0, np.nan], np.float32)])
def test_a_field_that_is_nan_is_a_one_line_error(value):
    class Scaled(Teacher):
        gain: Any = 1.0

    assert_one_line_error(lambda: Scaled(gain=value), r"^teacher\.gain: expected .*without NaN")
    assert np.isinf(Scaled(gain=np.inf).gain)


def test_what_is_right_is_accepted():
    network = Network(begin=lambda latent, count: jnp.ones((latent, count)))
    own = Measure(function=lambda n: n.loss * 2)
    rule = optax.noisy_sgd(0.1, eta=0.1, gamma=0.5, key=jax.random.key(0))
    record = jaxsup.Record(points=2, observables=(own,), evaluation_samples=8)
    changes = {"student": network, "features": Law(), "teacher": Teacher(), "record": record}
    run = jaxsup.simulate(relu_experiment(optimizer=rule, **changes), jax.random.key(0))
    assert run.status == 0


def test_many_experiments_in_one_are_checked_when_each_is_trained():
    """Arrays for numbers, as `jax.vmap` takes them apart."""

    class Soft(jaxsup.AbstractTeacher):
        gain: float | jax.Array = 1.0

        def targets(self, x):
            return self.gain * x

    experiment = relu_experiment(teacher=Soft(), optimizer=jaxsup.SGD(0.1))
    many = dataclasses.replace(experiment, teacher=Soft(jnp.ones(4)))
    losses = jax.vmap(
        lambda teacher: (
            jaxsup.simulate(
                eqx.tree_at(lambda e: e.teacher, experiment, teacher), jax.random.key(0)
            ).loss
        )
    )(many.teacher)
    assert losses.shape[0] == 4


def test_checks_leave_the_devices_to_be_chosen():
    """On a CPU, `jaxsup.run` makes a device of each core, unless JAX was used before."""
    code = """
import equinox as eqx, jax, jax.numpy as jnp, jaxsup
from jaxsup.experiment.moments import Moments
class Law(jaxsup.AbstractFeatures):
    count: int = eqx.field(static=True)
    def sample_batch(self, key, batch):
        return jax.random.normal(key, (batch, self.count))
    def moments(self):
        return Moments(jnp.zeros(6), jnp.ones(6), jnp.zeros(6))
jaxsup.Experiment(Law(6), jaxsup.DiagonalTeacher(0.0), jaxsup.Student(3), jaxsup.SGD(0.1))
jax.config.update("jax_num_cpu_devices", 3)
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_rows_and_columns_are_told_apart_where_there_are_three_features():
    class Turned(jaxsup.AbstractFeatures):
        count: int = eqx.field(static=True, default=3)

        def sample_batch(self, key, batch):
            return jax.random.normal(key, (self.count, batch))

    match = r"^features: expected sample_batch\(\) of 4 samples to have the shape \(4, 3\)"
    assert_one_line_error(lambda: relu_experiment(features=Turned()), match)
