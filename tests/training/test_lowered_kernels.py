"""Kernels for cards, lowered for one where there is none: to Triton, with the precision asked for.

That a kernel can be interpreted does not say that it can be lowered. What Triton's compiler makes
of it, only a machine with CUDA's tells.
"""

import functools
import re

import jax
import pytest
from cards import card, lowering_for_a_card
from jax.experimental import pallas

import jaxsup
from jaxsup._internal.precision import products_on
from jaxsup.training.state import advance, start
from jaxsup.training.updates import choose_update, gathered, sparse

NAMES = re.compile(r"^The Triton module for pallas_call (\w+)", re.MULTILINE)
PRODUCTS = re.compile(r"tt\.dot\b.*")
SINGLE = re.compile(r": tensor<\w+xf32> \* tensor<\w+xf32> -> tensor<\w+xf32>")
HALVES = re.compile(r": tensor<\w+xf16> \* tensor<\w+xf16> -> tensor<\w+xf32>")
NETWORKS = 3


@pytest.fixture(autouse=True)
def shown(monkeypatch):
    """Kernels print what they are lowered to; devices that are none pass the trial."""
    monkeypatch.setattr(pallas, "pallas_call", functools.partial(pallas.pallas_call, debug=True))
    for module in (sparse, gathered):
        monkeypatch.setattr(module, "fault_of_kernels", lambda *arguments: None)


def experiment(count: int, latent: int, batch: int = 40, **changes) -> jaxsup.Experiment:
    settings = {
        "features": jaxsup.PowerLawFeatures(count, 1.2),
        "teacher": jaxsup.DiagonalTeacher(0.3),
        "student": jaxsup.Student(latent, core_scale=0.3, bias_scale=0.2),
        "optimizer": jaxsup.SGD(0.1),
        "batch_size": batch,
    }
    return jaxsup.Experiment(**(settings | changes))


def lower(case: jaxsup.Experiment, products: str, capsys) -> str:
    """What the kernels of two updates of several networks are lowered to."""
    update = choose_update(case).on(case, card())
    key = jax.random.key(0)
    state = jax.eval_shape(functools.partial(start, case), key)
    states = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct((NETWORKS, *leaf.shape), leaf.dtype), state
    )
    train = functools.partial(advance, case, update, first=0, stop=2, products=products)
    training = jax.jit(jax.vmap(lambda key, state: train(key, state)))
    with lowering_for_a_card():
        traced = training.trace(jax.random.split(key, NETWORKS), states)
        traced.lower(lowering_platforms=("cuda",))
    return capsys.readouterr().out


@pytest.mark.parametrize(
    "case",
    [
        experiment(48, 12),
        experiment(128, 16, 200, student=jaxsup.Student(16, "random", bias=False)),
        experiment(32, 32, 1, student=jaxsup.Student(32, activation="identity")),
        experiment(33, 5, 7, features=jaxsup.PowerLawFeatures(33, 1.2, 2.0, "sign")),
    ],
    ids=["relu", "two warps", "linear, one sample", "odd sides"],
)
def test_small_networks_are_two_kernels_with_float32_s_accuracy(case, capsys):
    text = lower(case, products_on(card(), "float32"), capsys)
    assert NAMES.findall(text) == ["sparse_draws", "sparse_gradient"]
    products = PRODUCTS.findall(text)
    assert len(products) == 5
    assert all("inputPrecision = tf32x3 " in line and SINGLE.search(line) for line in products)


@pytest.mark.parametrize(
    ("products", "precision"), [("default", "inputPrecision = tf32 "), ("highest", " : ")]
)
def test_their_products_are_those_that_are_asked_for(products, precision, capsys):
    found = PRODUCTS.findall(lower(experiment(48, 12), products, capsys))
    assert len(found) == 5
    assert all(precision in line and "tf32x3" not in line for line in found)
    assert all("tf32" in line for line in found) == (products == "default")


def test_large_networks_have_three_products_of_halves_for_one(capsys):
    text = lower(experiment(1024, 128), products_on(card(), "float32"), capsys)
    assert set(NAMES.findall(text)) > {"halved_columns", "halved_product"}
    products = PRODUCTS.findall(text)
    assert len(products) == 3 * 4
    assert all(HALVES.search(line) for line in products)
