"""What changes nothing in a run, and what does."""

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from factories import linear_experiment, relu_experiment
from power_laws import power_law

import jaxsup
from jaxsup.experiment.experiment import initial_parameters
from jaxsup.experiment.record import Record


def assert_same_run(run, expected, rtol: float, atol: float = 0.0):
    for leaf, other in zip(jax.tree.leaves(run), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(leaf, other, rtol=rtol, atol=atol)


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


@pytest.mark.slow
def test_vmap_over_scalars_and_keys_equals_a_loop_that_compiles_once():
    keys = jax.vmap(jax.random.key)(jnp.arange(2))
    columns = [jnp.asarray(c, jnp.float32) for c in zip(*SETTINGS, strict=True)]

    @jax.jit
    def grid(*columns):
        def seeds_of(*values):
            return jax.vmap(lambda key: jaxsup.simulate(scalars(*values), key))(keys)

        return jax.vmap(seeds_of)(*columns)

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
    for leaf, twin in zip(jax.tree.leaves(first), jax.tree.leaves(second), strict=True):
        np.testing.assert_array_equal(leaf, twin)
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
