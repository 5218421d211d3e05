"""Each optimiser against updates written by hand in float64 numpy."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import assert_one_line_error

import jaxsup

STEPS = 6
START = {"core": np.array([0.5, -1.0, 2.0]), "bias": np.array([0.3])}


def gradients(parameters):
    """Of a fixed quadratic: any smooth function of the parameters does."""
    return {"core": 0.7 * parameters["core"] - 0.2, "bias": 1.5 * parameters["bias"] + 0.1}


def train(optimizer):
    """The parameters after each update, [STEPS, ...]."""
    transformation = optimizer.transformation(STEPS)
    start = {name: jnp.asarray(value, jnp.result_type(float)) for name, value in START.items()}

    def update(carry, _):
        parameters, state = carry
        updates, state = transformation.update(gradients(parameters), state, parameters)
        parameters = jax.tree.map(jnp.add, parameters, updates)
        return (parameters, state), parameters

    return jax.lax.scan(update, (start, transformation.init(start)), None, length=STEPS)[1]


def by_hand(kind: str, rate=lambda t: 0.1, bias_rate=None, **hyper):
    """The same in numpy; the update number t counts from 0."""
    rates: dict[str, Any] = dict.fromkeys(START, rate)
    rates["bias"] = rate if bias_rate is None else bias_rate
    parameters = {name: value.copy() for name, value in START.items()}
    first = {name: np.zeros_like(value) for name, value in START.items()}
    second = {name: np.zeros_like(value) for name, value in START.items()}
    history = []
    for t in range(STEPS):
        gradient = gradients(parameters)
        for name, g in gradient.items():
            if kind == "sgd":
                first[name] = hyper["momentum"] * first[name] + g
                step = first[name]
            else:
                b1, b2 = hyper["b1"], hyper["b2"]
                first[name] = b1 * first[name] + (1 - b1) * g
                second[name] = b2 * second[name] + (1 - b2) * g**2
                mean = first[name] / (1 - b1 ** (t + 1))
                square = second[name] / (1 - b2 ** (t + 1))
                step = mean / (np.sqrt(square) + hyper["eps"])
                step = step + hyper.get("weight_decay", 0.0) * parameters[name]
            parameters[name] = parameters[name] - rates[name](t) * step
        history.append({name: value.copy() for name, value in parameters.items()})
    return {name: np.stack([entry[name] for entry in history]) for name in START}


def assert_equal_runs(got: Any, expected: Any, rtol=1e-12):
    for name in START:
        np.testing.assert_allclose(got[name], expected[name], rtol=rtol, atol=rtol)


DEFAULTS = {"b1": 0.9, "b2": 0.999, "eps": 1e-8}
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
    one = jaxsup.simulate(sweep.experiment_at((1, 2)), jax.random.key(0))
    np.testing.assert_allclose(W[1, 2], one.params.embedding, rtol=1e-5, atol=1e-7)


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
        lambda: jaxsup.WarmupCosine(0),
        "optimizer.schedule.warmup: expected a positive integer; got 0",
    ),
    "final": (
        lambda: jaxsup.WarmupCosine(5, -0.5),
        "optimizer.schedule.final: expected a finite number >= 0; got -0.5",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_a_one_line_error(case):
    assert_one_line_error(*BAD[case])
