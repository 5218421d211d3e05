"""A run between two updates, and the three steps that drive it: `start`, `advance`, `observe`.

They are pure functions of one network. `jaxsup.simulate` scans over them; a sweep drives them from
the host. The precision of all products is set here, and nowhere else: that of the experiment where
it trains, the full one where it starts and is observed.
"""

import functools
from collections.abc import Mapping
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Int, PRNGKeyArray, PyTree, Shaped

from jaxsup._internal.precision import PRECISIONS, full_precision
from jaxsup.experiment.experiment import (
    DATA_STREAM,
    EVALUATION_STREAM,
    TRAINING_SET_STREAM,
    Experiment,
)
from jaxsup.experiment.initial import start_from
from jaxsup.experiment.observables import Network
from jaxsup.training.evaluation import evaluate, evaluation_tables
from jaxsup.training.losses import weights_of
from jaxsup.training.observables import observables_of
from jaxsup.training.updates.base import AbstractUpdate

FINISHED, DIVERGED = 0, 1
"""Values of a run's ``status``."""


class State(eqx.Module):
    """A run between two updates. The step count is the driver's: all replicas share it."""

    parameters: PyTree
    moments: optax.OptState
    snapshots: PyTree
    status: Int[Array, ""]
    last_step: Int[Array, ""]


class Tables(NamedTuple):
    """What follows from an experiment's numbers alone, made once for all of its networks.

    Attributes:
        training: for the batches of the updates, as `AbstractUpdate.prepare` makes it.
        evaluation: for the samples of a record; None where none are drawn.
    """

    training: Any
    evaluation: Any


@full_precision
def prepare(experiment: Experiment, update: AbstractUpdate) -> Tables:
    """The tables of an experiment: `advance` and `observe` make them where they are given none."""
    training = update.prepare(experiment, experiment.batch_size)
    return Tables(training, evaluation_tables(experiment, update))


@full_precision
def start(
    experiment: Experiment, key: PRNGKeyArray, initial: Mapping[str, Array] | None = None
) -> State:
    """The run before its first update, from given arrays where there are any."""
    parameters = start_from(experiment, key, initial)
    learned, _ = eqx.partition(parameters, experiment.student.trainable(parameters))
    count = len(experiment.record.parameter_steps)
    snapshots = None
    if count:
        snapshots = jax.tree.map(
            lambda p: jnp.full((count, *p.shape), jnp.nan, p.dtype), parameters
        )
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


@full_precision
def frozen_parameters(
    experiment: Experiment, key: PRNGKeyArray, initial: Mapping[str, Array] | None = None
) -> PyTree:
    """The arrays that are not learned: they follow from the student and the key, or are given."""
    parameters = start_from(experiment, key, initial)
    return eqx.partition(parameters, experiment.student.trainable(parameters))[1]


def restore_frozen(frozen: PyTree, state: State) -> State:
    """The run that `drop_frozen` was given."""
    parameters = eqx.combine(state.parameters, frozen)
    return eqx.tree_at(lambda s: s.parameters, state, parameters, is_leaf=lambda x: x is None)


def advance(
    experiment: Experiment,
    update: AbstractUpdate,
    key: PRNGKeyArray,
    state: State,
    first: Int[Array, ""] | int,
    stop: Int[Array, ""] | int,
    *,
    tables: Any = None,
    products: str | None = None,
) -> State:
    """Take a run that stands after `first` updates to `stop` updates.

    A run that has left the finite numbers stays where it was. Under `vmap` the two bounds must
    not carry a batch axis, or every update would be computed for every replica until the last ends.

    Arguments:
        experiment: what is trained.
        update: how its updates are computed.
        key: of the run.
        state: where it stands.
        first: updates that it has made.
        stop: updates that it will have made.
        tables: `Tables.training`; default: they are made here.
        products: how numbers are multiplied, as `jax.default_matmul_precision` names it; default:
            as the experiment's precision is called on every device.
    """
    transformation = experiment.optimizer.transformation(experiment.steps)
    data_key = jax.random.fold_in(key, DATA_STREAM)
    trainable = experiment.student.trainable(state.parameters)

    def step_once(tables: Any, step: Int[Array, ""], state: State) -> State:
        learned, frozen = eqx.partition(state.parameters, trainable)
        batch_key = jax.random.fold_in(data_key, step)
        gradient = update.gradient(experiment, tables, learned, frozen, batch_key)
        # What an optimizer of a user's multiplies need be no matrices, see `training_products`.
        with jax.default_matmul_precision(PRECISIONS[experiment.precision]):  # pyright: ignore[reportArgumentType]
            updates, moments = transformation.update(gradient, state.moments, learned)  # pyright: ignore[reportArgumentType]
        new = eqx.apply_updates(learned, updates)
        # Entry by entry first: on a card each array to look through costs a launch.
        sound = jax.tree.map(
            lambda entry, slope: jnp.isfinite(entry) & jnp.isfinite(jnp.square(slope)),
            new,
            gradient,
        )
        finite = _all((sound, _finite(moments))) & (state.status == FINISHED)

        def keep_finite(
            after: Shaped[Array, "*shape"], before: Shaped[Array, "*shape"]
        ) -> Shaped[Array, "*shape"]:
            return jnp.where(finite, after, before)

        return State(
            parameters=eqx.combine(jax.tree.map(keep_finite, new, learned), frozen),
            moments=jax.tree.map(keep_finite, moments, state.moments),
            snapshots=state.snapshots,
            status=jnp.where(finite, state.status, DIVERGED),
            last_step=jnp.where(finite, step + 1, state.last_step),
        )

    first, stop = jnp.asarray(first, jnp.int32), jnp.asarray(stop, jnp.int32)
    if products is None:
        products = PRECISIONS[experiment.precision]
    with jax.default_matmul_precision(products):  # pyright: ignore[reportArgumentType]
        if tables is None:
            tables = update.prepare(experiment, experiment.batch_size)
        set_key = jax.random.fold_in(key, TRAINING_SET_STREAM)
        frozen = eqx.partition(state.parameters, trainable)[1]
        tables = update.training_tables(experiment, tables, frozen, set_key)
        state = jax.lax.fori_loop(first, stop, functools.partial(step_once, tables), state)
    if state.snapshots is None:
        return state
    # An index past the end is dropped: no snapshot is due at this step.
    due = jnp.asarray(experiment.record.parameter_steps, jnp.int32) == stop
    index = jnp.where(due.any() & (state.last_step == stop), jnp.argmax(due), due.size)
    snapshots = jax.tree.map(
        lambda rows, row: rows.at[index].set(row, mode="drop"), state.snapshots, state.parameters
    )
    return eqx.tree_at(lambda s: s.snapshots, state, snapshots)


@full_precision
def observe(
    experiment: Experiment,
    update: AbstractUpdate,
    key: PRNGKeyArray,
    state: State,
    tables: Any = None,
) -> dict[str, Array]:
    """What is recorded of the run as it stands, by name; NaN if it has diverged.

    Arguments:
        experiment: what is trained.
        update: how samples are drawn, and their errors computed.
        key: of the run.
        state: where it stands.
        tables: `Tables.evaluation`; default: they are made here.
    """
    evaluation_key = jax.random.fold_in(key, EVALUATION_STREAM)
    errors, stderr = evaluate(experiment, update, state.parameters, evaluation_key, tables)
    loss = jnp.sum(weights_of(experiment) * errors)
    tolerance = experiment.record.cluster_tolerance
    network = Network(state.parameters, errors, loss, experiment.student, tolerance, stderr)
    finite = experiment.training_set is not None
    if finite:
        set_key = jax.random.fold_in(key, TRAINING_SET_STREAM)
        frozen = eqx.partition(state.parameters, experiment.student.trainable(state.parameters))[1]
        samples = update.training_tables(experiment, None, frozen, set_key)
        network.training_loss = update.training_loss(
            experiment, samples, state.parameters, evaluation_key
        )
    good = state.status == FINISHED
    estimated = update.evaluation is None
    observables = observables_of(experiment.record, estimated=estimated, finite=finite)

    return {
        name: jnp.where(good, observable.measure(network), jnp.nan)
        for name, observable in observables.items()
    }


def _finite(tree: PyTree) -> PyTree:
    return jax.tree.map(jnp.isfinite, eqx.filter(tree, eqx.is_inexact_array))


def _all(tree: PyTree) -> Bool[Array, ""]:
    return jnp.stack([jnp.all(leaf) for leaf in jax.tree.leaves(tree)]).all()
