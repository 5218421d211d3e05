"""Whole runs with different updates: one law, and the same numbers however they are started."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats
from update_cases import LARGE, SMALL, experiment

import jaxsup
from jaxsup.experiment.record import Record
from jaxsup.training.updates import choose_update


@pytest.mark.extended
@pytest.mark.parametrize("count", [SMALL, LARGE])
def test_runs_on_sparse_and_dense_samples_have_one_law(count):
    """Mean losses over 96 seeds of two samplings, at every recorded step: two-sided z tests."""
    curves = {}
    for sampling in ("sparse", "dense"):
        case = experiment(
            jaxsup.Student(12),
            count,
            steps=40,
            batch_size=32,
            sampling=sampling,
            optimizer=jaxsup.SGD(0.3),
            record=Record(points=5, evaluation_samples=512),
        )
        keys = jax.vmap(jax.random.key)(jnp.arange(96))
        losses = jax.vmap(lambda key, case=case: jaxsup.simulate(case, key).loss)(keys)
        curves[sampling] = np.asarray(losses, np.float64)
    sparse, dense = curves["sparse"], curves["dense"]
    assert dense[:, -1].mean() < 0.8 * dense[:, 0].mean()
    error = np.sqrt((sparse.var(axis=0, ddof=1) + dense.var(axis=0, ddof=1)) / 96)
    scores = (sparse.mean(axis=0) - dense.mean(axis=0)) / error
    assert np.abs(scores).max() < stats.norm.isf(0.5e-6 / scores.size)


@pytest.mark.compiler
@pytest.mark.extended
def test_a_run_is_the_same_jitted_vmapped_and_alone():
    """The law is looked at where its numbers are known, or by whoever hands on the update."""
    case = experiment(jaxsup.Student(12), SMALL, steps=20, batch_size=16)
    keys = jax.vmap(jax.random.key)(jnp.arange(3))
    alone = [jaxsup.simulate(case, key).loss for key in keys]
    closed = jax.jit(lambda key: jaxsup.simulate(case, key).loss)
    together = jax.vmap(jaxsup.simulate, in_axes=(None, 0))(case, keys).loss
    rates = jnp.asarray([0.1, 0.2])

    def at_rate(rate):
        faster = dataclasses.replace(case, optimizer=jaxsup.SGD(rate))
        return jaxsup.simulate(faster, keys[0]).loss

    rounding = 4 * np.finfo(alone[0].dtype).eps
    jitted = np.stack([closed(key) for key in keys])
    np.testing.assert_allclose(jitted, np.stack(alone), rtol=rounding)
    np.testing.assert_allclose(together, np.stack(alone), rtol=2e-5)
    np.testing.assert_allclose(jax.vmap(at_rate)(rates)[0], alone[0], rtol=2e-5)
    handed = jax.jit(jaxsup.simulate)(case, keys[0], choose_update(case)).loss
    np.testing.assert_allclose(handed, alone[0], rtol=rounding)
    with pytest.warns(UserWarning, match=r"simulate: the feature law is traced.*choose_update"):
        traced = jax.jit(jaxsup.simulate)(case, keys[0]).loss
    dense = dataclasses.replace(case, sampling="dense")
    np.testing.assert_allclose(traced, jaxsup.simulate(dense, keys[0]).loss, rtol=2e-5)


def test_changing_a_field_is_the_same_however_it_is_done():
    """equinox.tree_at, dataclasses.replace and a new experiment give the same run to the bit."""
    base = experiment(jaxsup.Student(12), LARGE, steps=10, batch_size=16)
    fresh = experiment(
        jaxsup.Student(12),
        LARGE,
        steps=10,
        batch_size=16,
        features=jaxsup.PowerLawFeatures(LARGE, 1.2, 3.0),
    )
    denser = dataclasses.replace(base.features, density=3.0)
    key = jax.random.key(0)
    expected = jaxsup.simulate(fresh, key).loss
    assert np.isfinite(expected).all()
    for changed in (
        eqx.tree_at(lambda e: e.features.density, base, 3.0),
        dataclasses.replace(base, features=denser),
    ):
        np.testing.assert_array_equal(jaxsup.simulate(changed, key).loss, expected)


@pytest.mark.slow
def test_a_sweep_across_the_border_of_two_updates_is_its_runs():
    """Points with sparse and with dense samples on one axis: each is the run of its experiment."""
    base = experiment(jaxsup.Student(6), SMALL, steps=12, batch_size=16)
    axes = {"features.density": [0.3, 1.0, 20.0], "teacher.exponent": [0.0, 1.0]}
    sweep = jaxsup.Sweep(base, axes, seeds=2)
    dataset = jaxsup.run(sweep)
    updates = dataset.attrs["updates"]
    assert "sparse samples" in updates
    assert "a feature is active with probability 1" in updates
    for i in range(3):
        for j in range(2):
            for seed in range(2):
                run = jaxsup.simulate(sweep.experiment_at((i, j)), jax.random.key(seed))
                np.testing.assert_allclose(dataset["loss"].values[i, j, seed], run.loss, rtol=5e-5)
