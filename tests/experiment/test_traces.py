"""Methods of one's own compute the same at every call: several programs are made of them."""

import itertools
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

CALLS = itertools.count(1)
DRAWS = np.random.default_rng(0)


class Start(jaxsup.AbstractStudent):
    """Starts from numbers of NumPy, which every seed of a program would share."""

    latent: int = eqx.field(static=True, default=3)

    def init_parameters(self, key, count):
        return {"W": jnp.asarray(DRAWS.normal(size=(self.latent, count)), float)}

    def outputs(self, parameters, x):
        return x @ parameters["W"].T @ parameters["W"]


class Rate(jaxsup.AbstractOptimizer):
    """A rate that nobody could say afterwards."""

    def transformation(self, steps):
        return optax.sgd(DRAWS.random())


class Share(jaxsup.Observable):
    """A share that changes with the calls."""

    name: str = "share"
    dims: tuple[str, ...] = ()
    long_name: str = "share"
    units: str = "1"

    def measure(self, network):
        return network.loss * next(CALLS)


def masked(key, batch, p):
    """Samples with a mask of their own in training, and another one where they are evaluated."""
    return jax.random.normal(key, (batch, COUNT)) * jnp.asarray(DRAWS.random((1, COUNT)), float)


CHANGING: dict[str, tuple[str, dict[str, Any]]] = {
    "law": ("features: expected sample_batch()", {"features": Law(draw=masked)}),
    "count": (
        "features: expected sample_batch()",
        {"features": Law(draw=lambda k, batch, p: next(CALLS) * jax.random.normal(k, (batch, 6)))},
    ),
    "teacher": (
        "teacher: expected targets()",
        {"teacher": Teacher(function=lambda x: x * jnp.asarray(DRAWS.normal(size=(1, 6)), float))},
    ),
    "matrix": (
        "teacher: expected matrix_for()",
        {"teacher": Teacher(matrix=lambda n: jnp.asarray(DRAWS.normal(size=(n, n)), float))},
    ),
    "student": ("student: expected init_parameters()", {"student": Start()}),
    "optimizer": ("optimizer: expected transformation(steps)", {"optimizer": Rate()}),
    "observable": (
        "observable share: expected measure()",
        {"record": jaxsup.Record(observables=(Share(),))},
    ),
}


@pytest.mark.parametrize("case", CHANGING)
def test_what_computes_something_else_at_every_call_is_a_one_line_error(case):
    start, parts = CHANGING[case]
    parts = {"optimizer": jaxsup.SGD(0.1), **parts}
    with pytest.raises(ValueError, match="to compute the same at every call") as caught:
        relu_experiment(**parts)
    assert str(caught.value).startswith(start)
    assert_one_line_error(lambda: relu_experiment(**parts), r"jax\.random from a key")


def test_what_only_looks_new_at_every_call_is_accepted():
    """Functions that a call makes anew, callbacks, and tables of NumPy compute the same."""
    table = DRAWS.normal(size=(COUNT, COUNT))

    def targets(x):
        @jax.custom_jvp
        def twice(x):
            return 2 * x

        twice.defjvp(lambda primals, tangents: (twice(*primals), 2 * tangents[0]))
        shape = jax.ShapeDtypeStruct(x.shape, x.dtype)
        called = jax.pure_callback(lambda x: np.asarray(x), shape, x)
        return twice(x) + jax.lax.stop_gradient(called) + x @ jnp.asarray(table, x.dtype)

    experiment = relu_experiment(teacher=Teacher(function=targets))
    assert experiment.closed_form is None
