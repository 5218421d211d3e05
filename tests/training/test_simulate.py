"""One training run: closed forms, one hand-made step, invariances, divergence."""

import dataclasses
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import optax.contrib
import pytest
from factories import linear_experiment, relu_experiment
from helpers import assert_one_line_error, untyped
from jax.flatten_util import ravel_pytree

import jaxsup
from jaxsup.experiment.experiment import DATA_STREAM, initial_parameters
from jaxsup.experiment.record import Record
from jaxsup.training.state import observe
from jaxsup.training.state import start as start_of


def assert_same_run(got, expected, rtol: float, atol: float = 0.0):
    for one, other in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(one, other, rtol=rtol, atol=atol)


# Closed forms


def power_law(count: int, exponent: float) -> np.ndarray:
    weights = np.arange(1, count + 1, dtype=np.float64) ** -exponent
    return weights / weights.sum()


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


@pytest.mark.slow
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


# One step by hand


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
        got = getattr(run.params, name)
        assert (got is None) == (value is None)
        if value is not None:
            np.testing.assert_allclose(got, value, rtol=1e-10, atol=1e-12)
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
            jaxsup.choose_update(experiment),
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


# Invariances


@pytest.mark.parametrize("optimizer", [jaxsup.SGD(0.0), jaxsup.AdamW(0.0, weight_decay=0.5)])
def test_zero_learning_rate_is_the_identity(optimizer):
    experiment = relu_experiment(
        jaxsup.Student(3, "untied", core_scale=0.5, bias_scale=0.1), optimizer
    )
    run = jaxsup.simulate(experiment, jax.random.key(4))
    start = initial_parameters(experiment, jax.random.key(4))
    assert_same_run(run.params, start, rtol=1e-6)
    # The evaluation samples are the same at every step.
    assert len(set(np.asarray(run.loss).tolist())) == 1
    assert int(run.last_step) == experiment.steps
    assert int(run.status) == 0


class Traced(jaxsup.Observable):
    """Counts how often a program that records it is traced."""

    count: ClassVar[int] = 0
    name: str = eqx.field(static=True, default="traced")
    dims: tuple[str, ...] = eqx.field(static=True, default=())
    long_name: str = eqx.field(static=True, default="zero")
    units: str = eqx.field(static=True, default="1")

    def measure(self, network: jaxsup.Network) -> jax.Array:
        type(self).count += 1
        return jnp.zeros_like(network.loss)


def scalars(a, b, density, rate, decay, importance) -> jaxsup.Experiment:
    return relu_experiment(
        optimizer=jaxsup.AdamW(rate, weight_decay=decay),
        features=jaxsup.PowerLawFeatures(6, a, density),
        teacher=jaxsup.DiagonalTeacher(b),
        importance=importance,
        record=Record(points=4, evaluation_samples=32, observables=(Traced(),)),
    )


SETTINGS = [
    (1.1, 0.0, 2.0, 0.01, 0.1, 1.0),
    (2.0, 0.5, 1.0, 0.03, 0.0, 0.9),
    (0.5, 1.0, 0.5, 0.1, 1.0, 0.5),
]


def test_vmap_over_scalars_and_keys_equals_a_loop_that_compiles_once():
    keys = jax.vmap(jax.random.key)(jnp.arange(2))
    columns = [jnp.asarray(c, jnp.float32) for c in zip(*SETTINGS, strict=True)]

    @jax.jit
    def grid(*columns):
        def one(*values):
            return jax.vmap(lambda key: jaxsup.simulate(scalars(*values), key))(keys)

        return jax.vmap(one)(*columns)

    together = grid(*columns)
    traces = []
    for row, setting in enumerate(SETTINGS):
        for seed in range(2):
            alone = jaxsup.simulate(scalars(*setting), jax.random.key(seed))
            mine = jax.tree.map(lambda leaf, i=row, j=seed: leaf[i, j], together)
            assert_same_run(mine, alone, rtol=2e-5, atol=2e-6)
            traces.append(Traced.count)
    assert len(set(traces)) == 1  # all but the first run the same program
    losses = np.asarray(together.loss)[:, :, -1]
    assert np.unique(losses).size == losses.size


def test_loss_k_belongs_to_the_parameters_after_steps_k_updates():
    student = jaxsup.Student(6, "identity", core_scale=0, bias=False)
    record = Record(steps=(1, 3, 4), parameter_steps=(0, 1, 3, 4, 6))
    for gradient in ("exact", "sampled"):
        run = jaxsup.simulate(
            linear_experiment(student, record=record, gradient=gradient), jax.random.key(5)
        )
        assert run.steps.tolist() == [0, 1, 3, 4, 6]
        kept = run.snapshots
        assert kept is not None
        target = np.diag(np.arange(1, 7, dtype=np.float64) ** -0.5)
        for row in range(5):
            D = np.asarray(kept.core[row], np.float64) - target
            expected = 0.5 * (D**2 * power_law(6, 1.2)).sum()
            assert float(run.loss[row]) == pytest.approx(expected, rel=1e-5)
        assert not np.asarray(kept.core[0]).any()
        assert len(set(np.asarray(run.loss).tolist())) == 5


def test_runs_repeat_bit_for_bit_and_keys_matter():
    experiment = scalars(*SETTINGS[0])
    first, second, other = (jaxsup.simulate(experiment, jax.random.key(seed)) for seed in (6, 6, 7))
    for one, two in zip(jax.tree.leaves(first), jax.tree.leaves(second), strict=True):
        np.testing.assert_array_equal(one, two)
    assert (np.asarray(first.loss) != np.asarray(other.loss)).all()


def test_experiments_that_share_a_key_share_their_data():
    """One step of a zero core is eta times the mean of y x^T: the data alone, whatever eta."""
    student = jaxsup.Student(6, "identity", core_scale=0, bias=False)
    record = Record(points=2)

    def data(rate, seed):
        experiment = linear_experiment(
            student, jaxsup.SGD(rate), gradient="sampled", steps=1, record=record
        )
        return np.asarray(jaxsup.simulate(experiment, jax.random.key(seed)).params.core) / rate

    np.testing.assert_allclose(data(0.1, 0), data(0.25, 0), rtol=1e-5, atol=1e-7)
    assert np.abs(data(0.1, 0) - data(0.1, 1)).max() > 0.01


def test_a_mute_student_reads_the_evaluation_samples():
    """Output 0: the loss is 1/2 E |y|^2 over the samples, the same for every student of a seed."""
    losses = []
    samples = 4096
    for latent in (2, 3):
        student = jaxsup.Student(latent, core_scale=0)
        experiment = relu_experiment(
            student, jaxsup.SGD(0.0), steps=1, record=Record(evaluation_samples=samples)
        )
        losses.append(
            [float(jaxsup.simulate(experiment, jax.random.key(s)).loss[0]) for s in (0, 1)]
        )
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-6)
    assert losses[0][0] != losses[0][1]
    p = np.minimum(1, 2 * power_law(6, 1.1))
    gains = np.arange(1, 7, dtype=np.float64) ** -1.0
    exact = 0.5 * (gains * p * 4 / 3).sum()
    # Var(x^2) = p 16/5 - (4p/3)^2 for independent features.
    error = 0.5 * np.sqrt((gains**2 * (p * 16 / 5 - (p * 4 / 3) ** 2)).sum() / samples)
    assert all(abs(loss - exact) < 4.5 * error for loss in losses[0])


# Divergence


def test_a_diverged_run_is_a_status_and_disturbs_no_neighbour():
    student = jaxsup.Student(6, "identity", core_scale=0, bias=False)
    rates, calm = jnp.array([0.1, 1e3, 0.3]), jnp.array([0.1, 0.2, 0.3])
    steps = 60
    record = Record(points=1000, spacing="linear", parameter_steps=(2, steps))

    @jax.jit
    @jax.vmap
    def train(rate):
        experiment = linear_experiment(student, jaxsup.SGD(rate), steps=steps, record=record)
        return jaxsup.simulate(experiment, jax.random.key(8))

    runs, quiet = train(rates), train(calm)
    assert runs.status.tolist() == [0, 1, 0]
    for row in (0, 2):
        for one, two in zip(jax.tree.leaves(runs), jax.tree.leaves(quiet), strict=True):
            np.testing.assert_array_equal(one[row], two[row])
    # The gap of mode i grows as (1 - eta l_i)^t; in float32 its square leaves the range first.
    variances, gap = power_law(6, 1.2), np.arange(1, 7, dtype=np.float64) ** -0.5
    limit = float(np.finfo(np.float32).max)
    growth = np.abs(1 - 1e3 * variances).max()
    sizes = [min(growth**t, 1e100) ** 2 / limit for t in range(steps)]
    first = next(t for t, size in enumerate(sizes) if size > 1)
    assert sizes[first] > 2  # rounding cannot move it
    assert sizes[first - 1] < 0.1
    last = int(runs.last_step[1])
    assert last == first
    loss = np.asarray(runs.loss[1])
    assert np.isfinite(loss[:last]).all()
    assert np.isnan(loss[last + 1 :]).all()
    assert np.isfinite(np.asarray(runs.params.core)).all()
    assert runs.snapshots is not None
    kept = np.asarray(runs.snapshots.core)
    assert np.isfinite(kept[1, 0]).all()
    assert np.isnan(kept[1, 1]).all()
    # The last good parameters are those after `last_step` updates.
    core = np.diagonal(np.asarray(runs.params.core[1], np.float64))
    np.testing.assert_allclose(core - gap, -gap * (1 - 1e3 * variances) ** last, rtol=1e-3)


def test_a_run_that_stays_finite_has_not_diverged():
    """With eta l > 2 a run grows without leaving the numbers in a few steps."""
    student = jaxsup.Student(6, "identity", core_scale=0, bias=False)
    run = jaxsup.simulate(linear_experiment(student, jaxsup.SGD(50.0)), jax.random.key(0))
    assert int(run.status) == 0
    assert int(run.last_step) == 6
    assert float(run.loss[-1]) > 1e6 * float(run.loss[0])


# Bad input

LINEAR = jaxsup.Student(3, activation="identity")

BAD = {
    "batch": (
        lambda: relu_experiment(batch_size=0),
        "^batch_size: expected a positive integer; got 0",
    ),
    "steps": (lambda: relu_experiment(steps=0), "^steps: expected a positive integer; got 0"),
    "steps negative": (lambda: relu_experiment(steps=-5), "^steps: .*got -5"),
    "gradient": (
        lambda: relu_experiment(gradient="exakt"),
        "gradient: .*'exakt'; did you mean 'exact'",
    ),
    "reduction": (
        lambda: relu_experiment(reduction="half-sum"),
        "reduction: .*got 'half-sum'; did you mean 'half_sum'",
    ),
    "importance negative": (
        lambda: relu_experiment(importance=-0.1),
        "importance: expected a finite number >= 0; got -0.1; give weights >= 0",
    ),
    "importance nan": (lambda: relu_experiment(importance=float("nan")), "importance: .*got nan"),
    "importance of another shape": (
        lambda: relu_experiment(importance=np.ones(5)),
        r"importance: expected a number or 6 weights; got a shape \(5,\)",
    ),
    "an optax transformation of losses": (
        lambda: relu_experiment(optimizer=optax.contrib.reduce_on_plateau()),
        "optimizer: expected an optax transformation of gradients and parameters; got one with",
    ),
    "K above N": (
        lambda: relu_experiment(jaxsup.Student(7)),
        "student.latent: expected 1 <= K <= N = 6; got 7; shrink K or add features",
    ),
    "identity with K below N": (
        lambda: relu_experiment(jaxsup.Student(3, "identity")),
        "student.latent: expected K = N = 6 with the identity embedding; got 3; set latent=6",
    ),
    "matrix of another size": (
        lambda: relu_experiment(teacher=jaxsup.MatrixTeacher(np.eye(5))),
        r"teacher.matrix: expected a 6 x 6 matrix; got a shape \(5, 5\); match the features",
    ),
    "no closed form": (
        lambda: relu_experiment(gradient="exact"),
        "gradient: expected 'sampled', as the expected loss .* no closed form; got 'exact'; use a",
    ),
    "no closed form with a matrix": (
        lambda: relu_experiment(
            features=jaxsup.OneActiveFeatures(6),
            teacher=jaxsup.MatrixTeacher(np.eye(6)),
            gradient="exact",
        ),
        "gradient: .*OneActiveFeatures with a DiagonalTeacher",
    ),
    "warm-up as long as the run": (
        lambda: relu_experiment(optimizer=jaxsup.SGD(0.1, schedule=jaxsup.WarmupCosine(6))),
        "optimizer.schedule.warmup: expected less than steps = 6; got 6; shorten the warm-up",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_a_one_line_error(case):
    assert_one_line_error(*BAD[case])


UNTYPED: dict[str, tuple[dict[str, Any], str]] = {
    "no features": (
        {"features": 6},
        "features: expected an AbstractFeatures; got 6; write jaxsup.PowerLawFeatures",
    ),
    "a name for an optimizer": (
        {"optimizer": "adam"},
        r"optimizer: expected an optimizer; got 'adam'; write jaxsup.SGD",
    ),
    "a name for a student": (
        {"student": "relu"},
        "student: expected an AbstractStudent; got 'relu'",
    ),
    "a name for a teacher": ({"teacher": 0.5}, "teacher: expected an AbstractTeacher; got 0.5"),
    "a name for a record": ({"record": 5}, "record: expected a Record; got 5; write jaxsup.Record"),
}


@untyped
@pytest.mark.parametrize("case", UNTYPED)
def test_bad_types_are_a_one_line_error(case):
    arguments, match = UNTYPED[case]
    assert_one_line_error(lambda: relu_experiment(**arguments), match)


def test_closed_forms_are_named():
    assert relu_experiment().closed_form is None
    assert relu_experiment(LINEAR).closed_form == "linear"
    one = relu_experiment(features=jaxsup.OneActiveFeatures(6))
    assert one.closed_form == "one-active"


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
