"""One training run as one pure function of (experiment, key).

`simulate` is a scan over the recorded steps; between two of them `advance` makes the updates.
A sweep drives the same `start`, `advance` and `observe` from the host.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, PRNGKeyArray

from jaxsup.experiment.experiment import Experiment
from jaxsup.experiment.record import OBSERVABLES
from jaxsup.experiment.students import StudentParameters
from jaxsup.training.losses import evaluated_errors, loss_weights
from jaxsup.training.observables.base import View
from jaxsup.training.updates.choice import estimated_errors, make_sampler, training_gradient

FINISHED, DIVERGED = 0, 1
"""Values of a run's ``status``."""


class Trajectory(eqx.Module):
    """What a run leaves.

    Attributes:
        steps: recorded steps, [records]; ``steps[0] = 0``.
        loss: population loss of the parameters after ``steps[k]`` updates, [records]: exact where
            a closed form exists, else estimated from the evaluation samples. NaN after divergence.
        observables: the other recorded quantities by name, [records, ...].
        params: parameters after the last update (after the last good one if diverged).
        snapshots: parameters after each of ``record.parameter_steps``, stacked, or None.
        status: 0 finished, 1 diverged.
        last_step: number of updates after which the parameters, the optimiser's moments, and the
            squares of the gradient there were still finite.
    """

    steps: Int[Array, " records"]
    loss: Float[Array, " records"]
    observables: dict[str, Array]
    params: StudentParameters
    snapshots: StudentParameters | None
    status: Int[Array, ""]
    last_step: Int[Array, ""]


class State(eqx.Module):
    """A run between two updates. The step count is the driver's: all replicas share it."""

    parameters: StudentParameters
    moments: optax.OptState
    snapshots: StudentParameters | None
    status: Int[Array, ""]
    last_step: Int[Array, ""]


def initial_parameters(experiment: Experiment, key: PRNGKeyArray) -> StudentParameters:
    """The parameters from which a run with this key starts."""
    return experiment.student.init_parameters(_init_key(key), experiment.features.count)


def start(experiment: Experiment, key: PRNGKeyArray) -> State:
    """The run before its first update."""
    parameters = initial_parameters(experiment, key)
    learned, _ = eqx.partition(parameters, experiment.student.trainable(parameters))
    kept = len(experiment.record.parameter_steps)
    snapshots = None
    if kept:
        snapshots = jax.tree.map(lambda p: jnp.full((kept, *p.shape), jnp.nan, p.dtype), parameters)
    zero = jnp.zeros((), jnp.int32)
    return State(
        parameters=parameters,
        moments=experiment.optimizer.transformation(experiment.steps).init(learned),
        snapshots=snapshots,
        status=jnp.full((), FINISHED, jnp.int32),
        last_step=zero,
    )


def drop_frozen(experiment: Experiment, state: State) -> State:
    """The run without the arrays that are not learned."""
    learned = eqx.filter(state.parameters, experiment.student.trainable(state.parameters))
    return eqx.tree_at(lambda s: s.parameters, state, learned, is_leaf=lambda x: x is None)


def frozen_parameters(experiment: Experiment, key: PRNGKeyArray) -> StudentParameters:
    """The arrays that are not learned: they follow from the student and the key."""
    parameters = initial_parameters(experiment, key)
    return eqx.partition(parameters, experiment.student.trainable(parameters))[1]


def restore_frozen(frozen: StudentParameters, state: State) -> State:
    """The run that `drop_frozen` was given."""
    parameters = eqx.combine(state.parameters, frozen)
    return eqx.tree_at(lambda s: s.parameters, state, parameters, is_leaf=lambda x: x is None)


def advance(
    experiment: Experiment,
    key: PRNGKeyArray,
    state: State,
    first: Int[Array, ""] | int,
    stop: Int[Array, ""] | int,
) -> State:
    """Take a run that stands after `first` updates to `stop` updates.

    A run that has left the finite numbers stays where it was. Under `vmap` the two bounds must
    not carry a batch axis, or every update would be computed for every replica until the last ends.
    """
    transformation = experiment.optimizer.transformation(experiment.steps)
    data_key = _data_key(key)
    frozen = experiment.student.trainable(state.parameters)
    sampler = make_sampler(experiment, experiment.batch_size)

    def update(step: Int[Array, ""], state: State) -> State:
        learned, rest = eqx.partition(state.parameters, frozen)
        batch_key = jax.random.fold_in(data_key, step)
        gradient = training_gradient(experiment, sampler, learned, rest, batch_key)
        updates, moments = transformation.update(gradient, state.moments, learned)  # pyright: ignore[reportArgumentType]
        new = eqx.apply_updates(learned, updates)
        squares = jax.tree.map(jnp.square, gradient)
        finite = _all_finite((new, moments, squares)) & (state.status == FINISHED)

        def keep_finite(after: Array, before: Array) -> Array:
            return jnp.where(finite, after, before)

        return State(
            parameters=eqx.combine(jax.tree.map(keep_finite, new, learned), rest),
            moments=jax.tree.map(keep_finite, moments, state.moments),
            snapshots=state.snapshots,
            status=jnp.where(finite, state.status, DIVERGED),
            last_step=jnp.where(finite, step + 1, state.last_step),
        )

    first, stop = jnp.asarray(first, jnp.int32), jnp.asarray(stop, jnp.int32)
    state = jax.lax.fori_loop(first, stop, update, state)
    if state.snapshots is None:
        return state
    # An index past the end is dropped: no snapshot is due at this step.
    due = jnp.asarray(experiment.record.parameter_steps, jnp.int32) == stop
    index = jnp.where(due.any() & (state.last_step == stop), jnp.argmax(due), due.size)
    snapshots = jax.tree.map(
        lambda kept, now: kept.at[index].set(now, mode="drop"), state.snapshots, state.parameters
    )
    return eqx.tree_at(lambda s: s.snapshots, state, snapshots)


def observe(experiment: Experiment, key: PRNGKeyArray, state: State) -> dict[str, Array]:
    """What is recorded of the run as it stands, by name; NaN if it has diverged."""
    if experiment.closed_form is not None:
        errors = evaluated_errors(
            experiment.features, experiment.teacher, experiment.student, state.parameters
        )
    else:
        errors = estimated_errors(experiment, _evaluation_key(key), state.parameters)
    count = experiment.features.count
    weights = loss_weights(count, experiment.importance, experiment.reduction)
    loss = jnp.sum(weights * errors)
    tolerance = experiment.record.cluster_tolerance
    view = View(state.parameters, errors, loss, experiment.student, tolerance)
    good = state.status == FINISHED

    def measure(name: str) -> Array:
        value = OBSERVABLES[name].measure(view)
        return jnp.where(good, value, jnp.nan)

    return {name: measure(name) for name in experiment.record.names}


@jax.jit
def simulate(experiment: Experiment, key: PRNGKeyArray) -> Trajectory:
    """Train one network.

    Pure: it can be jitted, vmapped over keys and over every scalar of the experiment (data and
    importance exponents, density, learning rate, decays, importance, ...). Programs are compiled
    once for each static configuration (sizes, names, steps), not for each scalar.

    Arguments:
        experiment: what to train.
        key: typed key (`jax.random.key`). All randomness comes from it: initial parameters,
            training data and evaluation samples have streams of their own, so that experiments
            that share a key share their data.

    Returns:
        The `Trajectory`.

    >>> import jax, jaxsup
    >>> experiment = jaxsup.Experiment(
    ...     jaxsup.GaussianFeatures(64, 1.5), jaxsup.DiagonalTeacher(0.0),
    ...     jaxsup.Student(64, "identity", core_scale=0, activation="identity", bias=False),
    ...     jaxsup.SGD(0.5), steps=100, loss="population")
    >>> run = jaxsup.simulate(experiment, jax.random.key(0))
    >>> round(float(run.loss[0]), 6), int(run.steps[-1]), int(run.status)
    (0.5, 100, 0)
    """

    def visit(state: State, stretch: tuple[Array, Array]) -> tuple[State, dict[str, Array]]:
        state = advance(experiment, key, state, *stretch)
        return state, observe(experiment, key, state)

    steps = jnp.asarray(experiment.recorded_steps, jnp.int32)
    stretches = (jnp.concatenate([steps[:1], steps[:-1]]), steps)
    state, records = jax.lax.scan(visit, start(experiment, key), stretches)
    return Trajectory(
        steps=steps,
        loss=records.pop("loss"),
        observables=records,
        params=state.parameters,
        snapshots=state.snapshots,
        status=state.status,
        last_step=state.last_step,
    )


def _init_key(key: PRNGKeyArray) -> PRNGKeyArray:
    return jax.random.fold_in(key, 0)


def _data_key(key: PRNGKeyArray) -> PRNGKeyArray:
    return jax.random.fold_in(key, 1)


def _evaluation_key(key: PRNGKeyArray) -> PRNGKeyArray:
    return jax.random.fold_in(key, 2)


def _all_finite(tree: object) -> Array:
    leaves = jax.tree.leaves(eqx.filter(tree, eqx.is_inexact_array))
    return jnp.stack([jnp.all(jnp.isfinite(leaf)) for leaf in leaves]).all()
