"""One training run against closed forms and against steps made by hand."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from factories import linear_experiment, relu_experiment
from jax.flatten_util import ravel_pytree
from power_laws import power_law

import jaxsup
from jaxsup.experiment.experiment import DATA_STREAM, initial_parameters
from jaxsup.experiment.record import Record
from jaxsup.training.state import observe
from jaxsup.training.state import start as start_of
from jaxsup.training.updates import choose_update


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_identity_embedding_follows_the_closed_form(precision):
    """L(t) = 1/2 sum_i l_i A_ii^2 (1 - eta l_i)^(2t) at all recorded steps, 16 pairs (a, b)."""
    count, eta, steps = 64, 0.5, 3000
    pairs = [(a, b) for a in (1.1, 1.5, 2.0, 3.0) for b in (0.0, 0.25, 0.5, 1.0)]

    def train(a, b):
        student = jaxsup.Student(count, "identity", core_scale=0, activation="identity", bias=False)
        experiment = jaxsup.Experiment(
            jaxsup.GaussianFeatures(count, a),
            jaxsup.DiagonalTeacher(b),
            student,
            jaxsup.SGD(eta),
            steps=steps,
            gradient="exact",
        )
        return jaxsup.simulate(experiment, jax.random.key(0))

    with jax.enable_x64(precision == "float64"):
        columns = (jnp.asarray(c, jnp.result_type(float)) for c in zip(*pairs, strict=True))
        runs = jax.vmap(train)(*columns)
        losses = np.asarray(runs.loss, np.float64)
    assert losses.dtype == np.float64
    t = np.asarray(runs.steps[0])[:, None]
    assert t[-1] == steps
    assert len(t) > 40
    for row, (a, b) in enumerate(pairs):
        variances = power_law(count, a)
        weights = 0.5 * variances * np.arange(1, count + 1, dtype=np.float64) ** (-2 * b)
        expected = (weights * (1 - eta * variances) ** (2 * t)).sum(axis=1)
        assert losses[row] == pytest.approx(expected, rel=1e-5 if precision == "float64" else 1e-3)


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_bottleneck_follows_its_modes_to_the_floor(precision):
    """K = N/2, N/4, N/8: the eigenvectors of F = W W^T and G = W C W^T decouple the core."""
    count, eta, steps, widths = 32, 0.25, 8000, (16, 8, 4)

    def describe(latent):
        student = jaxsup.Student(latent, core_scale=0, activation="identity", bias=False)
        return jaxsup.Experiment(
            jaxsup.GaussianFeatures(count, 1.1),
            jaxsup.DiagonalTeacher(0.25),
            student,
            jaxsup.SGD(eta),
            steps=steps,
            gradient="exact",
        )

    key = jax.random.key(1)
    with jax.enable_x64(precision == "float64"):
        runs = [jaxsup.simulate(describe(k), key) for k in widths]
        losses = np.asarray([run.loss for run in runs], np.float64)
        starts = [initial_parameters(describe(k), key).embedding for k in widths]
    t = np.asarray(runs[0].steps)[:, None, None]
    C = np.diag(power_law(count, 1.1))
    A = np.diag(np.arange(1, count + 1, dtype=np.float64) ** -0.25)
    for row, (k, start) in enumerate(zip(widths, starts, strict=True)):
        W = np.asarray(start, np.float64)[:k]
        phi, left = np.linalg.eigh(W @ W.T)
        gamma, right = np.linalg.eigh(W @ C @ W.T)
        rates = np.outer(phi, gamma)
        assert eta * rates.max() < 2  # stable
        drive = left.T @ W @ A @ C @ W.T @ right
        won = 0.5 * drive**2 / rates
        total = 0.5 * np.trace(A @ C @ A.T)
        floor = total - won.sum()
        expected = floor + (won * (1 - eta * rates) ** (2 * t)).sum(axis=(1, 2))
        assert losses[row] == pytest.approx(expected, rel=1e-5 if precision == "float64" else 1e-3)
        # The floor is there and the run comes within reach of it.
        assert floor > 0.05 * total
        assert expected[-1] < 1.02 * floor


@pytest.mark.extended
def test_sampled_training_converges_to_the_population_run():
    """E |B_T - B_T^population|^2 ~ 1 / batch: slope -1 over batches 16 .. 1024.

    The mean over 64 seeds has a relative error of at most sqrt(2 / 64) = 0.18, which gives the
    slope of 3 points a factor of 8 apart a standard error of 0.061; the bound is 4 of these and
    0.02 for the next order in 1 / batch. For a linear student E B_T is the population's B_T.
    """
    student = jaxsup.Student(4, "identity", core_scale=0, bias=False)
    settings = {
        "features": jaxsup.GaussianFeatures(4, 1.0),
        "steps": 20,
        "record": Record(points=2),
    }
    optimizer = jaxsup.SGD(0.3)
    exact = np.asarray(
        jaxsup.simulate(
            linear_experiment(student, optimizer, **settings), jax.random.key(0)
        ).params.core
    )
    keys = jax.vmap(jax.random.key)(jnp.arange(64))
    batches, squares = np.array([16, 128, 1024]), []
    for batch in batches.tolist():
        sampled = linear_experiment(
            student, optimizer, gradient="sampled", batch_size=batch, **settings
        )
        cores = jax.vmap(lambda key, e=sampled: jaxsup.simulate(e, key).params.core)(keys)
        gap = np.asarray(cores, np.float64) - exact
        squares.append((gap**2).sum(axis=(1, 2)).mean())
        # No bias: the mean over seeds is within 5 standard errors, and each spread is seen.
        assert (np.abs(gap.mean(axis=0)) < 5 * gap.std(axis=0) / 8).all()
    slope = np.polyfit(np.log(batches), np.log(squares), 1)[0]
    assert abs(slope + 1) < 0.26


def numpy_step(experiment, p, x, target, eta):
    """theta - eta dL/dtheta for L = sum_i 0.7^(i-1) / 2 mean_batch (phi(z)_i - y_i)^2."""
    student = experiment.student
    p = {name: None if a is None else np.asarray(a) for name, a in vars(p).items()}
    W = np.eye(x.shape[1]) if p["embedding"] is None else p["embedding"]
    V = W if p["readout"] is None else p["readout"]
    B = np.eye(len(W)) if p["core"] is None else p["core"]
    c = np.zeros(x.shape[1]) if p["bias"] is None else p["bias"]
    gradient: dict[str, Any] = dict.fromkeys(p, 0.0)
    for row in x:
        hidden = W @ row
        z = V.T @ B @ hidden + c
        out = np.maximum(z, 0) if student.activation == jaxsup.ReLU() else z
        slope = (z > 0) if student.activation == jaxsup.ReLU() else np.ones_like(z)
        weights = 0.5 * 0.7 ** np.arange(len(z))
        delta = weights * 2 * (out - target @ row) * slope / len(x)
        readout = np.outer(B @ hidden, delta)
        embedding = np.outer(B.T @ V @ delta, row)
        gradient["bias"] += delta
        gradient["core"] += np.outer(V @ delta, hidden)
        gradient["readout"] += readout
        gradient["embedding"] += embedding + (readout if p["readout"] is None else 0)
    if student.embedding == "random":
        gradient["embedding"] = 0.0
    return {n: None if a is None else a - eta * gradient[n] for n, a in p.items()}


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(
    ("embedding", "core", "bias", "activation"),
    [
        ("identity", True, True, "relu"),
        ("random", True, False, "relu"),
        ("learned", True, True, "relu"),
        ("learned", False, True, "relu"),
        ("untied", True, False, "identity"),
    ],
)
def test_one_step_is_the_hand_made_gradient(embedding, core, bias, activation):
    A = np.random.default_rng(0).normal(size=(6, 6))
    student = jaxsup.Student(
        6 if embedding == "identity" else 3,
        embedding,
        core=core,
        bias=bias,
        activation=activation,
        core_scale=0.6,
        bias_scale=0.3,
    )
    experiment = relu_experiment(
        student, teacher=jaxsup.MatrixTeacher(A), steps=1, importance=0.7, record=Record(points=2)
    )
    key = jax.random.key(2)
    start = initial_parameters(experiment, key)
    first = jax.random.fold_in(jax.random.fold_in(key, DATA_STREAM), 0)
    x = np.asarray(experiment.features.sample_batch(first, experiment.batch_size))
    assert (x != 0).any()
    expected = numpy_step(experiment, start, x, A, 0.2)
    run = jaxsup.simulate(experiment, key)
    moved = False
    for name, value in expected.items():
        array = getattr(run.params, name)
        assert (array is None) == (value is None)
        if value is not None:
            np.testing.assert_allclose(array, value, rtol=1e-10, atol=1e-12)
            moved = moved or bool((value != np.asarray(getattr(start, name))).any())
    assert moved


@pytest.mark.usefixtures("x64")
def test_population_steps_of_the_one_active_autoencoder_descend_its_gradient():
    """Central differences of the recorded loss, 2 steps of size eta from one start."""
    student = jaxsup.Student(2, "learned", core=False, bias_scale=0.1)
    experiment = relu_experiment(
        student,
        features=jaxsup.OneActiveFeatures(5),
        teacher=jaxsup.DiagonalTeacher(0.0),
        gradient="exact",
        steps=1,
        record=Record(points=2),
        reduction="mean",
    )
    key = jax.random.key(3)
    start = initial_parameters(experiment, key)
    evaluate = jax.jit(
        lambda p: observe(
            experiment,
            choose_update(experiment),
            key,
            dataclasses.replace(start_of(experiment, key), parameters=p),
        )["loss"]
    )
    run = jaxsup.simulate(experiment, key)
    flat, unravel = ravel_pytree(start)
    h = 1e-5
    slopes = [
        (float(evaluate(unravel(flat + e))) - float(evaluate(unravel(flat - e)))) / (2 * h)
        for e in h * jnp.eye(flat.size)
    ]
    moved = np.asarray(ravel_pytree(run.params)[0]) - np.asarray(flat)
    np.testing.assert_allclose(moved, -0.2 * np.array(slopes), rtol=1e-6, atol=1e-10)


def test_a_schedule_trains_under_simulate():
    """SGD on one mode: B moves by the scheduled rate at each step."""
    schedule = jaxsup.WarmupCosine(2, 0.1)
    student = jaxsup.Student(6, "identity", core_scale=0, bias=False)
    run = jaxsup.simulate(
        linear_experiment(student, jaxsup.SGD(0.4, schedule=schedule)), jax.random.key(0)
    )
    ramp = [0.0, 0.5]
    cosine = [0.1 + 0.9 * 0.5 * (1 + np.cos(np.pi * k / 4)) for k in range(4)]
    variances = power_law(6, 1.2)
    gap = np.arange(1, 7, dtype=np.float64) ** -0.5
    expected = [0.5 * (variances * gap**2).sum()]
    for factor in ramp + cosine:
        gap = gap * (1 - 0.4 * factor * variances)
        expected.append(0.5 * (variances * gap**2).sum())
    np.testing.assert_allclose(run.loss, expected, rtol=1e-5)
