"""Each optimizer against updates written by hand in float64 numpy."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import assert_one_line_error
from optimizer_runs import DEFAULTS, START, STEPS, assert_equal_runs, by_hand, train

import jaxsup

CASES = {
    "sgd": (lambda: jaxsup.SGD(0.1), "sgd", {"momentum": 0.0}),
    "momentum": (lambda: jaxsup.SGD(0.1, 0.8), "sgd", {"momentum": 0.8}),
    "adam": (lambda: jaxsup.Adam(0.1), "adam", DEFAULTS),
    "adam-other": (
        lambda: jaxsup.Adam(0.1, b1=0.5, b2=0.9, eps=1e-2),
        "adam",
        {"b1": 0.5, "b2": 0.9, "eps": 1e-2},
    ),
    "adamw": (
        lambda: jaxsup.AdamW(0.1, weight_decay=0.3),
        "adam",
        {**DEFAULTS, "weight_decay": 0.3},
    ),
    "adamw-0": (lambda: jaxsup.AdamW(0.1, weight_decay=0.0), "adam", DEFAULTS),
}


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("case", CASES)
def test_updates_equal_numpy(case):
    make, kind, hyper = CASES[case]
    assert_equal_runs(train(make()), by_hand(kind, **hyper))


TRACED = {
    "sgd": (jaxsup.SGD, "sgd", {"learning_rate": 0.1, "momentum": 0.8}),
    "adam": (jaxsup.Adam, "adam", {"learning_rate": 0.1, "b1": 0.8, "b2": 0.95, "eps": 1e-3}),
    "adamw": (
        jaxsup.AdamW,
        "adam",
        {"learning_rate": 0.1, "weight_decay": 0.4, "b1": 0.8, "b2": 0.95, "eps": 1e-3},
    ),
}


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("case", TRACED)
def test_traced_hyper_parameters_equal_numpy(case):
    kind, formula, hyper = TRACED[case]
    run = jax.jit(lambda h: train(kind(**h)))
    for factor in (1.0, 0.9):
        values = {name: value * factor for name, value in hyper.items()}
        rest = {name: value for name, value in values.items() if name != "learning_rate"}
        eta = values["learning_rate"]
        expected = by_hand(formula, rate=lambda t, eta=eta: eta, **rest)
        arrays = {name: jnp.asarray(value) for name, value in values.items()}
        assert_equal_runs(run(arrays), expected)


@pytest.mark.parametrize("case", TRACED)
def test_vmapped_hyper_parameters_equal_looped(case):
    kind, _, hyper = TRACED[case]
    scales = np.array([0.5, 1.0, 1.05])
    batched = {name: jnp.asarray(value * scales, jnp.float32) for name, value in hyper.items()}
    together = jax.jit(jax.vmap(lambda h: train(kind(**h))))(batched)
    for row in range(3):
        alone = train(kind(**{name: float(column[row]) for name, column in batched.items()}))
        assert_equal_runs(jax.tree.map(lambda leaf, i=row: leaf[i], together), alone, rtol=5e-6)


@pytest.mark.usefixtures("x64")
def test_momentum_zero_is_plain_descent():
    assert jaxsup.SGD(0.1).momentum is None
    assert jaxsup.SGD(0.1, 0).momentum is None
    assert jaxsup.SGD(0.1, momentum=None).momentum is None
    plain = train(jaxsup.SGD(0.1))
    traced = jax.jit(lambda m: train(jaxsup.SGD(0.1, m)))(jnp.asarray(0.0))
    assert_equal_runs(traced, plain, rtol=1e-15)


@pytest.mark.usefixtures("x64")
def test_adamw_decays_the_bias_too():
    """Where the gradient vanishes Adam stands still, and what moves is the decay alone."""
    transformation = jaxsup.AdamW(0.1, weight_decay=0.5).transformation(3)
    parameters = {name: jnp.asarray(value) for name, value in START.items()}
    still = jax.tree.map(jnp.zeros_like, parameters)
    updates: Any
    updates, _ = transformation.update(still, transformation.init(parameters), parameters)
    for name, value in START.items():
        np.testing.assert_allclose(updates[name], -0.1 * 0.5 * value, rtol=1e-14)


EMBEDDING = np.array([[0.5, -1.2, 0.0, 1e-3], [0.4, 0.3, 0.0, 2e-3]])


def norm_decay_by_hand(decay, name, b1=0.9, b2=0.999, eps=1e-8):
    """[STEPS, ...] of one array, each feature a column, in numpy; the rate is 0.1."""
    array = EMBEDDING.copy()
    first, second, history = np.zeros_like(array), np.zeros_like(array), []
    for t in range(1, STEPS + 1):
        g = 0.7 * array - 0.2 * array**2
        first, second = b1 * first + (1 - b1) * g, b2 * second + (1 - b2) * g**2
        step = first / (1 - b1**t) / (np.sqrt(second / (1 - b2**t)) + eps)
        old = array.copy()
        array = old - 0.1 * step
        for i in range(old.shape[1] if name in ("embedding", "readout") else 0):
            size = np.sqrt((old[:, i] ** 2).sum())
            if decay >= 0:
                array[:, i] -= 0.1 * decay * old[:, i]
            elif size > 0:
                array[:, i] += 0.1 * abs(decay) * (1 / size - 1) * old[:, i]
        history.append(array)
    return np.stack(history)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("name", ["embedding", "readout", "core", "bias"])
def test_norm_decay_equals_numpy_for_either_sign(name):
    """Of a field of the parameters, whose gradient is zero where the array is."""

    def run(decay):
        transformation = jaxsup.NormAdamW(0.1, weight_decay=decay).transformation(STEPS)

        def update(carry, _):
            W, state = carry
            gradient = {name: 0.7 * W[name] - 0.2 * W[name] ** 2}
            updates, state = transformation.update(gradient, state, W)
            W = jax.tree.map(jnp.add, W, updates)
            return (W, state), W[name]

        start = {name: jnp.asarray(EMBEDDING)}
        return jax.lax.scan(update, (start, transformation.init(start)), None, length=STEPS)[1]

    decays = np.array([-1.0, -0.25, 0.0, 0.5, 1.0])
    together = jax.jit(jax.vmap(run))(jnp.asarray(decays))
    for row, decay in enumerate(decays):
        expected = norm_decay_by_hand(decay, name)
        np.testing.assert_allclose(together[row], expected, rtol=1e-12, atol=1e-15)
    np.testing.assert_array_equal(together[:, :, :, 2], 0)


@pytest.mark.usefixtures("x64")
def test_norm_decay_alone_takes_norms_to_one_or_to_zero():
    """Without a gradient |w| - 1 shrinks by 1 - eta |d| an update, or |w| by 1 - eta d."""
    W = {"embedding": jnp.asarray(EMBEDDING[:, :2])}
    still = jax.tree.map(jnp.zeros_like, W)
    start = np.linalg.norm(W["embedding"], axis=0)
    for decay, goal in ((-0.5, 1.0), (0.5, 0.0)):
        transformation = jaxsup.NormAdamW(0.2, weight_decay=decay).transformation(9)
        now, state = W, transformation.init(W)
        for _ in range(9):
            updates: Any
            updates, state = transformation.update(still, state, now)
            now = {"embedding": now["embedding"] + updates["embedding"]}
        norms = np.linalg.norm(now["embedding"], axis=0)
        np.testing.assert_allclose(norms - goal, (start - goal) * 0.9**9, rtol=1e-12)


BAD = {
    "rate negative": (
        lambda: jaxsup.SGD(-0.1),
        "optimizer.learning_rate: expected a finite number >= 0; got -0.1",
    ),
    "rate nan": (lambda: jaxsup.Adam(float("nan")), "optimizer.learning_rate: .*got nan"),
    "rate inf": (
        lambda: jaxsup.AdamW(float("inf"), weight_decay=0.0),
        "optimizer.learning_rate: .*got inf",
    ),
    "bias rate": (
        lambda: jaxsup.Adam(0.1, bias_learning_rate=-0.1),
        "optimizer.bias_learning_rate: expected a finite number >= 0; got -0.1",
    ),
    "norm decay": (
        lambda: jaxsup.NormAdamW(0.1, weight_decay=-1.5),
        "optimizer.weight_decay: expected a finite number >= -1 and <= 1; got -1.5",
    ),
    "momentum one": (
        lambda: jaxsup.SGD(0.1, 1.0),
        "optimizer.momentum: expected a finite number >= 0 and < 1; got 1.0",
    ),
    "momentum negative": (lambda: jaxsup.SGD(0.1, -0.5), "optimizer.momentum: .*got -0.5"),
    "b1": (lambda: jaxsup.Adam(0.1, b1=1.0), "optimizer.b1: expected .* < 1; got 1.0"),
    "b2": (lambda: jaxsup.AdamW(0.1, weight_decay=0.0, b2=-0.1), "optimizer.b2: .*got -0.1"),
    "eps": (lambda: jaxsup.Adam(0.1, eps=-1e-8), "optimizer.eps: expected a finite number >= 0"),
    "decay": (
        lambda: jaxsup.AdamW(0.1, weight_decay=-0.01),
        "optimizer.weight_decay: expected a finite number >= 0; got -0.01",
    ),
    "decay nan": (
        lambda: jaxsup.AdamW(0.1, weight_decay=float("nan")),
        "optimizer.weight_decay: .*got nan",
    ),
    "warm-up zero": (
        lambda: jaxsup.WarmupCosine(-1),
        "optimizer.schedule.warmup: expected a finite number >= 0; got -1",
    ),
    "final": (
        lambda: jaxsup.WarmupCosine(5, -0.5),
        "optimizer.schedule.final: expected a finite number >= 0; got -0.5",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_a_one_line_error(case):
    assert_one_line_error(*BAD[case])
