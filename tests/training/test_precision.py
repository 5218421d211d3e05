"""Products have the precision that the experiment names, in programs for every kind of device."""

import collections
import dataclasses
import functools
import re

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cards import card
from foreign_classes import Teacher
from update_cases import LARGE, SMALL, STUDENTS, experiment

import jaxsup
from jaxsup._internal.precision import PRODUCTS
from jaxsup.experiment.features import GroupedFeatures, HierarchicalFeatures
from jaxsup.experiment.observables import OBSERVABLE_NAMES, Observable
from jaxsup.training.state import advance, observe, start
from jaxsup.training.updates import choose_update
from jaxsup.training.updates.base import training_products

PLATFORMS = ("cuda", "tpu")
PRODUCT = re.compile(r"stablehlo\.(?:dot_general|dot|convolution)\b.*")


def matrix_teacher(count: int) -> jaxsup.MatrixTeacher:
    return jaxsup.MatrixTeacher(np.random.default_rng(1).normal(size=(count, count)))


def cases():
    """One experiment for each update and each way through it."""
    for count in (SMALL, LARGE):
        for name, student in STUDENTS.items():
            yield f"{name}, {count}", experiment(student, count)
    frozen, linear = STUDENTS["frozen"], STUDENTS["frozen, linear"]
    yield "matrix", experiment(frozen, LARGE, teacher=matrix_teacher(LARGE))
    yield "dense", experiment(STUDENTS["gelu"], SMALL, sampling="dense")
    yield "hidden layer", experiment(jaxsup.HiddenLayerStudent(12), SMALL)
    yield "exact", experiment(linear, SMALL, gradient="exact")
    gaussian = jaxsup.GaussianFeatures(SMALL, 1.5)
    yield "gaussian", experiment(linear, SMALL, features=gaussian, gradient="exact")
    one = jaxsup.OneActiveFeatures(SMALL)
    yield "one active", experiment(STUDENTS["autoencoder"], SMALL, features=one, gradient="exact")
    pairs = GroupedFeatures(LARGE, 2, "correlated", 0.01)
    yield "pairs", experiment(frozen, LARGE, features=pairs)
    tree = HierarchicalFeatures(0.5, 0.5, branching=SMALL - 1, depth=1)
    yield "tree", experiment(frozen, SMALL, features=tree)
    yield "pairs, exact", experiment(linear, LARGE, features=pairs, gradient="exact")
    yield "tree, exact", experiment(linear, SMALL, features=tree, gradient="exact")
    yield "rotation", experiment(jaxsup.Student(SMALL, randomness=0.0), SMALL)


CASES = dict(cases())


class Gram(Observable):
    """An observable of one's own, which asks for no precision."""

    name: str = eqx.field(static=True, default="gram")
    dims: tuple[str, ...] = eqx.field(static=True, default=("latent", "latent_2"))
    long_name: str = eqx.field(static=True, default="frame operator")
    units: str = eqx.field(static=True, default="1")

    def measure(self, network):
        return network.parameters.embedding @ network.parameters.embedding.T


def program(case: jaxsup.Experiment, observables: tuple[str | Observable, ...] = ()) -> str:
    """The program of a batch of runs that are started, trained and observed, for accelerators."""
    record = dataclasses.replace(case.record, observables=observables)
    case = dataclasses.replace(case, record=record)
    update = choose_update(case)

    @jax.jit  # vmap of what was traced before applies rules that were not traced there
    def run(key):
        state = advance(case, update, key, start(case, key), 0, 2)
        return state, observe(case, update, key, state)

    traced = jax.jit(jax.vmap(run)).trace(jax.random.split(jax.random.key(0), 2))
    return traced.lower(lowering_platforms=PLATFORMS).as_text()


def precisions(text: str) -> collections.Counter[str]:
    """How often a program's float products have which precision."""
    products = [line for line in PRODUCT.findall(text) if re.search(r"x(?:f|bf)\d+>", line)]
    return collections.Counter(
        "HIGHEST" if "precision = [HIGHEST, HIGHEST]" in line else line for line in products
    )


@pytest.mark.parametrize("name", CASES)
def test_every_product_is_at_full_precision(name):
    assert set(precisions(program(CASES[name]))) == {"HIGHEST"}


def test_float32_in_three_passes_is_in_every_product_that_trains():
    """What cards with TensorFloat-32 are asked for, and nothing of the device's own."""
    case = CASES[f"frozen, {LARGE}"]
    update, key = choose_update(case), jax.random.key(0)
    state = jax.eval_shape(functools.partial(start, case), key)
    products = "TF32_TF32_F32_X3"
    train = functools.partial(advance, case, update, first=0, stop=2, products=products)
    traced = jax.jit(lambda key, state: train(key, state)).trace(key, state)
    lines = PRODUCT.findall(traced.lower(lowering_platforms=("cuda",)).as_text())
    assert lines
    passes = "lhs_precision_type = tf32", "num_primitive_operations = 3", "accumulation_type = f32"
    assert all(word in line for line in lines for word in passes)


def transformed(x):
    """The real part of a transform and back, times a filter: no products of float32 matrices."""
    count = x.shape[1]
    phases = np.exp(2j * np.pi * np.outer(np.arange(count), np.arange(count)) / count)
    there = jnp.asarray(phases / count**0.5, jnp.complex64)
    filtered = jax.vmap(lambda row: jnp.convolve(row, jnp.ones(3), mode="same"))(x)
    return jnp.real((filtered.astype(jnp.complex64) @ there) @ there.conj().T)


class Filtered(jaxsup.SGD):
    """Descends a gradient that it has filtered."""

    def direction(self):
        def update(gradient, state, parameters=None):
            del parameters
            return jax.tree.map(lambda g: transformed(g.reshape(1, -1)).reshape(g.shape), gradient)

        plain = super().direction()
        return plain._replace(update=lambda *args: plain.update(update(*args), *args[1:]))


@pytest.mark.parametrize(
    ("changes", "gradient"),
    [
        ({"teacher": Teacher(transformed, lambda count: None)}, "highest"),
        ({"optimizer": Filtered(0.1)}, "TF32_TF32_F32_X3"),  # pyright: ignore[reportCallIssue]
    ],
    ids=["teacher", "optimizer"],
)
def test_passes_are_asked_of_no_product_that_users_wrote(changes, gradient):
    """JAX gives convolutions none at all, and drops what is imaginary."""
    case = experiment(STUDENTS["frozen"], SMALL, **changes)
    update, key, products = choose_update(case), jax.random.key(0), training_products(case, card())
    assert products == gradient
    assert update.products(case, card("cpu")) == PRODUCTS["highest"]
    state = jax.eval_shape(functools.partial(start, case), key)
    train = functools.partial(advance, case, update, first=0, stop=2, products=products)
    traced = jax.jit(lambda key, state: train(key, state)).trace(key, state)
    lines = PRODUCT.findall(traced.lower(lowering_platforms=("cuda",)).as_text())
    others = [line for line in lines if "convolution" in line or "complex" in line]
    assert {"complex" in line for line in others} == {True, False}
    assert all(line.upper().count("HIGHEST") == 2 for line in others)


def test_observables_are_at_full_precision():
    names = tuple(name for name in OBSERVABLE_NAMES if name != "loss")
    text = program(experiment(STUDENTS["tied"], SMALL), (*names, Gram()))
    assert set(precisions(text)) == {"HIGHEST"}


def test_the_session_default_is_overruled():
    with jax.default_matmul_precision("bfloat16"):
        assert set(precisions(program(CASES["dense"]))) == {"HIGHEST"}


def test_the_cases_cover_every_update():
    kinds = {choose_update(case).kind for case in CASES.values()}
    assert kinds == {"tied", "population", "gathered", "listed", "dense"}


def test_fast_lowers_training_and_nothing_else():
    case = dataclasses.replace(experiment(STUDENTS["frozen"], LARGE), precision="fast")
    update = choose_update(case)
    key = jax.random.key(0)
    state = jax.eval_shape(functools.partial(start, case), key)

    def lowered(function):
        traced = jax.jit(function).trace(key, state)
        return precisions(traced.lower(lowering_platforms=PLATFORMS).as_text())

    trained = lowered(lambda key, state: advance(case, update, key, state, 0, 2))
    assert trained
    assert "HIGHEST" not in trained
    assert set(lowered(lambda key, state: observe(case, update, key, state))) == {"HIGHEST"}
