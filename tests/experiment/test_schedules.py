"""Scheduled rates and the bias's rate against formulas and updates by hand."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from optimizer_runs import DEFAULTS, START, STEPS, assert_equal_runs, by_hand, train

import jaxsup


def cosine_rate(peak, warmup, final, total):
    """Linear from 0 to the peak, then half a cosine to `final` times the peak at `total`."""

    def rate(t):
        if t < warmup:
            return peak * t / warmup
        progress = min(1.0, (t - warmup) / (total - warmup))
        return peak * (final + (1 - final) * 0.5 * (1 + np.cos(np.pi * progress)))

    return rate


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("final", [0.0, 0.05, 1.0, 2.0])
def test_warmup_cosine_equals_its_formula(final):
    schedule = jaxsup.WarmupCosine(10, final).learning_rate(0.4, 50)
    expected = cosine_rate(0.4, 10, final, 50)
    for t in (0, 1, 5, 9, 10, 11, 30, 49, 50, 80):
        assert float(jnp.asarray(schedule(t))) == pytest.approx(expected(t), abs=1e-12)
    assert float(jnp.asarray(schedule(30))) == pytest.approx(0.4 * (1 + final) / 2, abs=1e-12)
    assert float(jnp.asarray(schedule(50))) == pytest.approx(0.4 * final, abs=1e-12)


@pytest.mark.usefixtures("x64")
def test_scheduled_updates_equal_numpy():
    schedule = jaxsup.WarmupCosine(2, 0.1)
    rate = cosine_rate(0.2, 2, 0.1, STEPS)
    assert_equal_runs(
        train(jaxsup.SGD(0.2, 0.5, schedule)), by_hand("sgd", rate=rate, momentum=0.5)
    )
    decayed = jaxsup.AdamW(0.2, weight_decay=0.3, schedule=schedule)
    expected = by_hand("adam", rate=rate, weight_decay=0.3, **DEFAULTS)
    assert_equal_runs(train(decayed), expected)
    assert_equal_runs(
        train(jaxsup.Adam(0.2, schedule=schedule)), by_hand("adam", rate=rate, **DEFAULTS)
    )


BIAS_RATES = {
    "sgd": (lambda **more: jaxsup.SGD(0.1, **more), "sgd", {"momentum": 0.0}),
    "momentum": (lambda **more: jaxsup.SGD(0.1, 0.8, **more), "sgd", {"momentum": 0.8}),
    "adam": (lambda **more: jaxsup.Adam(0.1, **more), "adam", DEFAULTS),
    "adamw": (
        lambda **more: jaxsup.AdamW(0.1, weight_decay=0.3, **more),
        "adam",
        {**DEFAULTS, "weight_decay": 0.3},
    ),
    # The decay is for embeddings: neither of these two arrays is one.
    "norm-adamw": (lambda **more: jaxsup.NormAdamW(0.1, 0.3, **more), "adam", DEFAULTS),
}


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("case", BIAS_RATES)
@pytest.mark.parametrize("scheduled", [False, True])
def test_the_bias_learns_at_its_own_rate(case, scheduled):
    make, formula, hyper = BIAS_RATES[case]
    schedule = jaxsup.WarmupCosine(2, 0.1) if scheduled else None
    rates = [cosine_rate(r, 2, 0.1, STEPS) if scheduled else lambda t, r=r: r for r in (0.1, 0.03)]
    expected = by_hand(formula, *rates, **hyper)
    assert_equal_runs(train(make(bias_learning_rate=0.03, schedule=schedule)), expected)
    run = jax.jit(lambda rate: train(make(bias_learning_rate=rate, schedule=schedule)))
    assert_equal_runs(run(jnp.asarray(0.03)), expected)
    assert_equal_runs(run(jnp.asarray(0.1)), train(make(schedule=schedule)))


def test_a_bias_rate_is_an_axis_of_a_sweep():
    """Rate 0 leaves the bias at its start; the rates of W and of the bias vary apart."""
    experiment = jaxsup.Experiment(
        jaxsup.OneActiveFeatures(4, values="one"),
        jaxsup.DiagonalTeacher(0.0),
        jaxsup.Student(2, "learned", core=False),
        jaxsup.SGD(0.1, bias_learning_rate=0.1),
        steps=5,
        gradient="exact",
        record=jaxsup.Record(observables=("bias_norm",), parameter_steps=(5,)),
    )
    axes = {"optimizer.learning_rate": [0.0, 0.2], "optimizer.bias_learning_rate": [0.0, 0.1, 0.3]}
    sweep = jaxsup.Sweep(experiment, axes)
    assert sweep.structural == (False, False)
    dataset = jaxsup.run(sweep)
    norms = dataset["bias_norm"].isel(step=-1, seed=0).values
    np.testing.assert_array_equal(norms[:, 0], 0)
    assert (norms[:, 1:] > 0).all()
    W = dataset["embedding"].isel(kept_step=-1, seed=0).values
    np.testing.assert_array_equal(W[0, 0], W[0, 2])
    run = jaxsup.simulate(sweep.experiment_at((1, 2)), jax.random.key(0))
    np.testing.assert_allclose(W[1, 2], run.params.embedding, rtol=1e-5, atol=1e-7)


def test_a_traced_peak_and_final_factor_equal_eager():
    def run(peak, final):
        return train(jaxsup.SGD(peak, schedule=jaxsup.WarmupCosine(2, final)))

    peaks, finals = jnp.array([0.0, 0.1, 0.3]), jnp.array([0.5, 0.0, 0.2])
    together = jax.jit(jax.vmap(run))(peaks, finals)
    for row in range(3):
        alone = run(float(peaks[row]), float(finals[row]))
        assert_equal_runs(jax.tree.map(lambda leaf, i=row: leaf[i], together), alone, rtol=2e-6)
    still: Any = together
    np.testing.assert_allclose(still["core"][0, -1], START["core"], rtol=1e-7)
