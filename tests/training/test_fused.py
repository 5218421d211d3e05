"""Gradients in two kernels, interpreted: draws and numbers are those of the other updates."""

import dataclasses
import sys

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cards import card
from jax.extend.random import threefry_2x32
from update_cases import assert_same_gradient

import jaxsup
from jaxsup._internal.precision import products_on
from jaxsup.sweep.programs import plan_programs
from jaxsup.sweep.store.schema import Layout
from jaxsup.training.sampling.arrivals import prepare_sampler
from jaxsup.training.sampling.plan import plan_sparse, sparse_level
from jaxsup.training.state import start
from jaxsup.training.updates import choose_update, fused, fused_draws, sparse


@pytest.fixture(autouse=True)
def passing(monkeypatch):
    """Devices that are none pass the trial."""
    monkeypatch.setattr(sparse, "fault_of_kernels", lambda *arguments: None)


def experiment(count: int = 48, latent: int = 12, **changes) -> jaxsup.Experiment:
    settings = {
        "features": jaxsup.PowerLawFeatures(count, 1.2),
        "teacher": jaxsup.DiagonalTeacher(0.3),
        "student": jaxsup.Student(latent, core_scale=0.3, bias_scale=0.2),
        "optimizer": jaxsup.SGD(0.1),
        "batch_size": 40,
    }
    return jaxsup.Experiment(**(settings | changes))


def test_random_words_are_those_of_threefry():
    counters = jnp.arange(5, dtype=jnp.uint32) * jnp.uint32(2**29 + 7)
    first, second = jnp.uint32(0xDEADBEEF), jnp.uint32(12345)
    ours = fused_draws._words(first, second, counters, jnp.uint32(1))
    blocks = jnp.concatenate([counters, jnp.ones(5, jnp.uint32)])
    theirs = threefry_2x32(jnp.stack([first, second]), blocks)
    assert np.array_equal(jnp.concatenate(ours), theirs)


@pytest.mark.slow
@pytest.mark.parametrize(("density", "batch"), [(1.0, 7), (3.0, 150)])
def test_lists_hold_the_sampler_s_batch(density, batch):
    features = jaxsup.PowerLawFeatures(50, 1.2, density=density)
    tables = prepare_sampler(features, plan_sparse(sparse_level(features), batch))
    drawn = fused_draws.fused_draws(tables, jax.random.key(5), interpret=True)
    occupied, starts = int(drawn.occupied[0]), np.asarray(drawn.starts)
    x = np.zeros((features.count, tables.plan.rows), np.float32)
    for row in range(occupied):
        assert starts[row] < starts[row + 1]
        arrivals = slice(starts[row], starts[row + 1])
        # Written from the last on, so that the first of several stays.
        x[drawn.feature[arrivals][::-1], row] = drawn.value[arrivals][::-1]
    assert np.array_equal(x, tables.draw(jax.random.key(5)).columns())


@pytest.mark.slow
def test_what_there_is_no_room_for_is_dropped_by_both():
    """Sizes that hardly any batch exceeds, made so small that this one does."""
    case = experiment()
    tables = choose_update(case).prepare(case, 40)
    parameters = start(case, jax.random.key(0)).parameters
    learned, frozen = eqx.partition(parameters, case.student.trainable(parameters))
    plan = dataclasses.replace(tables.plan, rows=11)
    tables = dataclasses.replace(tables, plan=plan)
    arguments = case, tables, learned, frozen, jax.random.key(3)
    expected = choose_update(case).gradient(*arguments)
    ours = fused.fused_gradient(*arguments, interpret=True)
    assert_same_gradient(ours, expected)


PADDED = jaxsup.Student(5, core_scale=0.3, bias_scale=0.2)


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"student": jaxsup.Student(5, "random", core_scale=0.3, bias=False), "batch_size": 33},
        {
            "features": jaxsup.PowerLawFeatures(64, 1.1, density=3.0, values="sign"),
            "student": jaxsup.Student(7, activation="identity", core_scale=0.3),
            "importance": 0.9,
            "batch_size": 16,
        },
        {"student": PADDED, "batch_size": 8},
    ],
    ids=["relu", "no bias", "linear, dense", "padded"],
)
def test_the_kernel_gives_the_gradient_of_the_other_updates(changes):
    case = experiment(**changes)
    update = choose_update(case)
    if case.student is PADDED:
        case = eqx.tree_at(lambda e: e.student, case, case.student.padded(7))
    assert fused.unfit_network(case, update.prepare(case, case.batch_size).plan) is None
    tables = update.prepare(case, case.batch_size)

    def gradients(key):
        parameters = start(case, key).parameters
        learned, frozen = eqx.partition(parameters, case.student.trainable(parameters))
        arguments = case, tables, learned, frozen, jax.random.fold_in(key, 1)
        return update.gradient(*arguments), fused.fused_gradient(*arguments, interpret=True)

    expected, ours = jax.jit(jax.vmap(gradients))(jax.random.split(jax.random.key(0), 3))
    assert jax.tree.structure(expected) == jax.tree.structure(ours)
    assert_same_gradient(ours, expected)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"student": jaxsup.Student(12, "learned")}, "W learns"),
        ({"student": jaxsup.Student(48, "identity")}, "W is the identity"),
        ({"student": jaxsup.Student(12, activation="gelu")}, "phi phi' is not phi for gelu"),
        ({"teacher": jaxsup.MatrixTeacher(np.eye(48))}, "the teacher is not diagonal"),
        ({"features": jaxsup.PowerLawFeatures(48, 1.2, values="symmetric")}, "may be 0"),
        ({"student": jaxsup.Student(40)}, "more than 2048 entries"),
        ({"batch_size": 1025}, "more than 1024 samples"),
    ],
)
def test_what_the_kernel_was_not_proven_for_is_refused(changes, reason):
    case = experiment(**changes)
    plan = choose_update(experiment()).prepare(experiment(), case.batch_size).plan
    assert reason in (fused.unfit_network(case, plan) or "")
    assert not getattr(choose_update(case).on(case, card()), "fused", False)


def test_only_cards_that_run_it_are_given_the_kernel():
    case = experiment()
    update = choose_update(case)
    assert update.on(case, card()) == dataclasses.replace(update, fused=True)
    assert update.on(case, card()).identity(40) == update.identity(40)
    assert update.products(case, card()) == "three passes of TensorFloat-32, in two kernels"
    others = {
        "cpu": card("cpu"),
        "rocm": card(version="rocm 7"),
        "old": card(capability="7.5"),
    }
    for capability in ("9.0a", "12.1"):
        there = update.on(case, card(capability=capability))
        assert there == dataclasses.replace(update, fused=True)
    others |= {text: card(capability=text) for text in ("", "gfx942", "unknown")}
    for other in others.values():
        assert update.on(case, other) is update
        assert products_on(other, "float32") == "highest"
    assert update.on(case, jax.local_devices()[0]) is update
    assert products_on(card(), "float32") == "TF32_TF32_F32_X3"
    assert products_on(card(), "fast") == "default"
    with jax.enable_x64(True):
        assert update.on(case, card()) is update
        assert products_on(card(), "float32") == "highest"


def test_padded_networks_are_trained_by_the_kernel_and_the_dataset_says_what_trains_them():
    """Two widths as one: both are padded to the larger, which may be too large for the kernel."""
    for latents, fits in (([5, 12], True), ([5, 40], False)):
        sweep = jaxsup.Sweep(experiment(), {"student.latent": latents}, 1)
        (program,) = plan_programs(sweep, 1)
        update = program.update
        expected = dataclasses.replace(update, fused=fits)
        assert update.on(program.example, card()) == expected
        assert ("kernels" in Layout(sweep, [program]).products(card())) == fits


@pytest.mark.parametrize("name", ["jax.experimental.pallas", "jax.experimental.pallas.triton"])
def test_a_jax_without_the_backend_trains_by_the_other_updates(name, monkeypatch):
    """As a later version has it: the backend is gone, or all of Pallas is elsewhere."""
    for module in [module for module in sys.modules if module.startswith(name)]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, name, None)
    assert "no Triton" in (fused.unfit_device(card()) or "")
