"""Products of numbers cut in halves, interpreted: as accurate as float32's, and its gradients."""

import dataclasses
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cards import card

import jaxsup
from jaxsup._internal.powers import power_of_two
from jaxsup._internal.precision import full_precision
from jaxsup.experiment.features import GroupedFeatures
from jaxsup.training.state import advance, start
from jaxsup.training.updates import choose_update, gathered, halved, halves
from jaxsup.training.updates.tiles import Tile


@pytest.fixture(autouse=True)
def tiles(monkeypatch):
    """Smaller ones, so that small matrices have several; devices that are none pass the trial."""
    monkeypatch.setattr(gathered, "fault_of_kernels", lambda *arguments: None)
    monkeypatch.setattr(halves, "_PRODUCT", Tile(16, 32, 16, 4, 1))
    monkeypatch.setattr(halved, "_SLOPES", Tile(32, 64, 16, 4, 1))
    monkeypatch.setattr(halved, "_COLUMNS", Tile(8, 16, 1, 4, 1))


def experiment(count: int = 160, latent: int = 24, **changes) -> jaxsup.Experiment:
    settings = {
        "features": jaxsup.PowerLawFeatures(count, 1.2),
        "teacher": jaxsup.DiagonalTeacher(0.3),
        "student": jaxsup.Student(latent, core_scale=0.3, bias_scale=0.2),
        "optimizer": jaxsup.SGD(0.1),
        "batch_size": 40,
    }
    return jaxsup.Experiment(**(settings | changes))


def cut(a: np.ndarray) -> halves.Halves:
    return halves.halve(jnp.asarray(a), jnp.max(jnp.abs(a)))


def whole(a: halves.Halves) -> np.ndarray:
    high, low, unit = (np.asarray(part, np.float64) for part in a)
    return (high + low) * unit


@pytest.mark.parametrize("size", [1e-20, 1e-3, 1.0, 1e6, 1e30])
def test_halves_hold_22_bits_of_a_number_and_39_of_the_largest(size):
    rng = np.random.default_rng(0)
    a = (size * rng.standard_normal(2000) * 10.0 ** rng.uniform(-9, 0, 2000)).astype(np.float32)
    error = np.abs(whole(cut(a[None])) - a.astype(np.float64))[0]
    assert (error <= 2.0**-22 * np.abs(a) + 2.0**-39 * np.abs(a).max()).all()
    assert error.max() > 0


def test_powers_of_two_are_exact():
    a = jnp.asarray([0.0, 1.0, 1.5, 2.0, 3e-30, 7e30, jnp.inf, jnp.nan], jnp.float32)
    expected = [0.0, 1.0, 1.0, 2.0, 2.0**-99, 2.0**102, np.inf, np.inf]
    np.testing.assert_array_equal(power_of_two(a), np.asarray(expected, np.float32))


@pytest.mark.parametrize("turned", [(False, False), (False, True), (True, False)])
@pytest.mark.parametrize("in_halves", [False, True])
def test_products_are_those_of_float32(turned, in_halves):
    """Rows that are said to hold nothing count as 0, whatever they hold."""
    rng, rows = np.random.default_rng(1), 21
    a, b = (rng.standard_normal(shape).astype(np.float32) for shape in ((37, 50), (50, 45)))
    held = a.copy()
    if turned[0]:
        held[:, rows:] = 0
    else:
        held[rows:] = 0
    exact = held.astype(np.float64) @ b
    left, right = (cut(m.T if turn else m) for m, turn in zip((a, b), turned, strict=True))
    options: dict[str, Any] = {"rows": jnp.asarray([rows]), "turned": turned, "interpret": True}
    if in_halves:
        most = jnp.float32(np.abs(exact).max() * 30)
        ours = whole(halves.product_in_halves(left, right, most, **options))
    else:
        ours = np.asarray(halves.product(left, right, **options))
    single = np.abs(held @ b - exact).max()
    assert np.abs(ours - exact).max() < 2 * single + 2.0**-22 * np.abs(exact).max()


CASES = {
    "relu": {},
    "no bias": {"student": jaxsup.Student(20, core_scale=0.3, bias=False), "batch_size": 33},
    "pairs": {"features": GroupedFeatures(160, 2, "correlated", 0.02)},
    "linear, dense": {
        "features": jaxsup.PowerLawFeatures(130, 1.1, density=3.0, values="sign"),
        "student": jaxsup.Student(17, activation="identity", core_scale=0.3),
        "importance": 0.9,
        "batch_size": 16,
    },
}


@full_precision
def gradients(case: jaxsup.Experiment, parameters, key):
    """By the plain update, and by halves."""
    update = choose_update(case)
    tables = update.prepare(case, case.batch_size)
    learned, frozen = eqx.partition(parameters, case.student.trainable(parameters))
    ours = dataclasses.replace(update, halved=True).training_tables(case, tables, frozen, key)
    return (
        update.gradient(case, tables, learned, frozen, key),
        halved.halved_gradient(case, ours, learned, frozen, key, interpret=True),
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_gradients_are_those_of_the_plain_update(name):
    case = experiment(**CASES[name])

    def both(key):
        return gradients(case, start(case, key).parameters, jax.random.fold_in(key, 1))

    expected, ours = jax.jit(jax.vmap(both))(jax.random.split(jax.random.key(0), 2))
    assert jax.tree.structure(expected) == jax.tree.structure(ours)
    for theirs, own in zip(jax.tree.leaves(expected), jax.tree.leaves(ours), strict=True):
        np.testing.assert_allclose(own, theirs, rtol=0, atol=1e-6 * np.abs(theirs).max())


@pytest.mark.extended
def test_gradients_of_a_trained_network_are_those_of_the_plain_update():
    """Where z and y nearly cancel, the error of z counts: four times what a start is allowed."""
    case = experiment(optimizer=jaxsup.SGD(0.7))
    update, key = choose_update(case), jax.random.key(2)
    state = jax.jit(lambda s: advance(case, update, key, s, 0, 2000))(start(case, key))
    expected, ours = gradients(case, state.parameters, key)
    for theirs, own in zip(jax.tree.leaves(expected), jax.tree.leaves(ours), strict=True):
        np.testing.assert_allclose(own, theirs, rtol=0, atol=4e-6 * np.abs(theirs).max())


@pytest.mark.slow
@pytest.mark.parametrize("value", [np.inf, np.nan])
def test_what_is_not_finite_makes_a_gradient_that_is_not(value):
    case, key = experiment(), jax.random.key(3)
    parameters = start(case, key).parameters
    broken = eqx.tree_at(lambda p: p.core, parameters, parameters.core.at[0, 0].set(value))
    _, ours = gradients(case, broken, key)
    assert not np.isfinite(np.asarray(ours.core)).any()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"student": jaxsup.Student(256, "learned")}, "W learns"),
        ({"student": jaxsup.Student(512, "identity")}, "W is the identity"),
        ({"student": jaxsup.Student(24)}, "fewer than 131072 entries"),
        (
            {"features": jaxsup.PowerLawFeatures(4096, 1.2), "student": jaxsup.Student(32)},
            "fewer than 64 rows",
        ),
        ({"precision": "fast"}, "products are the device's own"),
    ],
)
def test_what_it_is_not_for_is_refused(changes, reason):
    case = experiment(512, 256, **changes)
    assert reason in (halved.unfit(case, card()) or "")
    assert not getattr(choose_update(case).on(case, card()), "halved", False)


def test_only_cards_that_run_it_multiply_halves():
    case = experiment(512, 256)
    update = choose_update(case)
    assert update.on(case, card()) == dataclasses.replace(update, halved=True)
    assert update.on(case, card()).identity(40) == update.identity(40)
    assert update.products(case, card()) == "three passes of float16 halves"
    assert update.products(case, card("cpu")) == "of the dtype's own precision"
    others = [card(capability=capability) for capability in ("7.5", "8.6", "10.0")]
    for other in (card("cpu"), card(version="rocm 7"), *others):
        assert update.on(case, other) is update
    assert update.on(case, jax.local_devices()[0]) is update
    with jax.enable_x64(True):
        assert update.on(case, card()) is update
