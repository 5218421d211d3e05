"""One training run as one pure function of (experiment, key)."""

import warnings

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray, PyTree

from jaxsup._internal.display import named
from jaxsup._internal.keys import check_key
from jaxsup._internal.validation import fail, is_traced
from jaxsup.experiment.contracts_of_numbers import check_numbers
from jaxsup.experiment.experiment import Experiment, check_experiment
from jaxsup.experiment.initial import initial_arrays
from jaxsup.training.sampling.plan import TRACED
from jaxsup.training.state import DIVERGED, State, advance, observe, start
from jaxsup.training.updates import AbstractUpdate, choose_update, explain_update


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
        last_step: number of updates after which the parameters, the optimizer's moments, and the
            squares of the gradient there were still finite.
    """

    steps: Int[Array, " records"]
    loss: Float[Array, " records"]
    observables: dict[str, Array]
    params: PyTree
    snapshots: PyTree
    status: Int[Array, ""]
    last_step: Int[Array, ""]

    def __repr__(self) -> str:
        numbers = self.steps, self.loss, self.status, self.last_step
        if not all(isinstance(array, Array | np.ndarray) for array in numbers):
            return eqx.tree_pformat(self)  # a tree of something else, as `jax.tree.map` makes
        if is_traced(numbers):
            return named(self, f"{self.steps.shape[-1]} records, traced")
        if self.status.ndim:
            runs, diverged = self.status.size, int(np.sum(np.asarray(self.status) == DIVERGED))
            return named(self, f"a batch of {runs} runs, {diverged} of them diverged")
        end = "finished"
        if int(self.status) == DIVERGED:
            end = f"diverged after {int(self.last_step)}"
        first, last = float(self.loss[0]), float(self.loss[-1])
        records = f"{len(self.steps)} records to step {int(self.steps[-1])}"
        return named(self, f"{records}, loss {first:.4g} to {last:.4g}, {end}")


def simulate(
    experiment: Experiment,
    key: PRNGKeyArray,
    update: AbstractUpdate | None = None,
    *,
    initial: PyTree = None,
) -> Trajectory:
    """Train one network.

    Pure: it can be jitted, vmapped over keys and over every scalar of the experiment (data and
    importance exponents, density, learning rate, decays, importance, ...). Programs are compiled
    once for each static configuration (sizes, names, steps), not for each scalar.

    Derivatives with respect to these numbers (`jax.jacfwd`, forward mode) are those of the run that
    was drawn: which features are active does not move with their law, nor does the side of a ReLU
    that a sample falls on, so that a law of sparse features has 0 where losses are estimated.

    Arguments:
        experiment: what to train.
        key: typed key (`jax.random.key`) of the kind ``"threefry2x32"``: others, such as ``"rbg"``,
            give other numbers in a batch than alone. All randomness comes from it: initial
            parameters, training data and evaluation samples have streams of their own, so that
            experiments that share a key share their data.
        update: how updates are computed; default: as `jaxsup.training.updates.choose_update` says.
            Inside a ``jit`` or ``vmap`` by hand that traces the feature law's numbers it says:
            densely, for how much is active is not known there, and a warning says so. Choose
            outside to keep it.
        initial: parameters to start from, as ``params`` of another run, or arrays by name such as
            ``{"embedding": W}``, learned or frozen. Arrays that it does not have, or that are None,
            are drawn from the key. The optimizer's moments, its schedule and the stream of data
            begin anew: a run goes on exactly as if it had not stopped where they do not matter, as
            with SGD at a constant rate without momentum on exact gradients.

    Returns:
        The `Trajectory`.

    Raises:
        ValueError: what is no experiment, or no key of the kind that gives every replica its own
            numbers; sparse samples were asked for and do not suit; `update` is none, or that of
            another experiment; `initial` is of another student; a class from outside of the package
            returns NaN at the start.

    >>> import jax, jaxsup
    >>> experiment = jaxsup.Experiment(
    ...     jaxsup.GaussianFeatures(64, 1.5), jaxsup.DiagonalTeacher(0.0),
    ...     jaxsup.Student(64, "identity", core_scale=0, activation="identity", bias=False),
    ...     jaxsup.SGD(0.5), steps=100, gradient="exact")
    >>> run = jaxsup.simulate(experiment, jax.random.key(0))
    >>> round(float(run.loss[0]), 6), int(run.steps[-1]), int(run.status)
    (0.5, 100, 0)
    """
    check_experiment(experiment)
    check_key(key)
    check_numbers(experiment.features, experiment.teacher, experiment.student)
    if update is None:
        update = choose_update(experiment)
        _warn_if_traced(experiment)
    else:
        _check_update(experiment, update)
    return _simulate(experiment, update, key, initial_arrays(experiment, initial))


def _check_update(experiment: Experiment, update: object) -> None:
    """Check that `update` is one that is exact for the experiment, as far as it is known.

    Raises:
        ValueError: it is not.
    """
    name, advice = "update", "leave it out, or take that of choose_update(experiment)"
    if not isinstance(update, AbstractUpdate):
        raise fail(name, "an update", update, advice)
    reason = update.unsuitable(experiment)
    if reason == TRACED:
        return
    if reason is None and update.evaluation not in (None, experiment.closed_form):
        reason = f"the loss has not the {update.evaluation} closed form"
    if reason is not None:
        expected, text = "one of this experiment", f"{update.kind!r}, though {reason}"
        raise fail(name, expected, text, advice, described=True)


def _warn_if_traced(experiment: Experiment) -> None:
    """Samples that would be sparse are drawn densely, in other numbers, because of a trace."""
    if TRACED in explain_update(experiment).values():
        warnings.warn(
            "jaxsup.simulate: the feature law is traced, so samples are drawn densely; pass "
            "update=jaxsup.training.updates.choose_update(experiment) from outside of the trace, "
            "or set sampling='dense'",
            stacklevel=3,
        )


@jax.jit
def _simulate(
    experiment: Experiment, update: AbstractUpdate, key: PRNGKeyArray, initial: dict[str, Array]
) -> Trajectory:
    def record(state: State, segment: tuple[Array, Array]) -> tuple[State, dict[str, Array]]:
        state = advance(experiment, update, key, state, *segment)
        return state, observe(experiment, update, key, state)

    steps = jnp.asarray(experiment.recorded_steps, jnp.int32)
    segments = (jnp.concatenate([steps[:1], steps[:-1]]), steps)
    state, records = jax.lax.scan(record, start(experiment, key, initial), segments)
    return Trajectory(
        steps=steps,
        loss=records.pop("loss"),
        observables=records,
        params=state.parameters,
        snapshots=state.snapshots,
        status=state.status,
        last_step=state.last_step,
    )
