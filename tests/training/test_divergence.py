"""Runs that leave the numbers, and runs that only grow."""

import jax
import jax.numpy as jnp
import numpy as np
from factories import linear_experiment
from power_laws import power_law

import jaxsup
from jaxsup.experiment.record import Record


def test_a_diverged_run_is_a_status_and_disturbs_no_neighbor():
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
        for leaf, calm_leaf in zip(jax.tree.leaves(runs), jax.tree.leaves(quiet), strict=True):
            np.testing.assert_array_equal(leaf[row], calm_leaf[row])
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
