"""One training run as one pure function of (experiment, key).

`simulate` is a scan over the recorded steps; between two of them `advance` makes the updates.
A sweep drives the same `start`, `advance` and `observe` from the host.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int, PRNGKeyArray

from jaxsup.features import AbstractFeatures
from jaxsup.losses import REDUCTIONS, closed_form, loss_weights, population_errors, sampled_errors
from jaxsup.observe import OBSERVABLES, Record
from jaxsup.optimizers import AbstractOptimizer
from jaxsup.students import Student, StudentParameters
from jaxsup.teachers import AbstractTeacher, MatrixTeacher
from jaxsup.validation import Scalar, check_choice, check_number, check_positive_integer, fail
from jaxsup.view import View

FINISHED, DIVERGED = 0, 1
"""Values of a run's ``status``."""

# Where the loss is estimated from samples, they are drawn so many at a time, and evaluated so many
# at a time: a replica holds few activations, and the draws can be shared.
EVALUATION_DRAWS = 256
EVALUATION_ROWS = 64


class Experiment(eqx.Module):
    """What one network sees, is asked to learn, is, and how it is trained and watched.

    Arguments:
        features: distribution of x.
        teacher: target y = A x.
        student: network.
        optimizer: `SGD`, `Adam` or `AdamW`.
        batch_size: fresh samples an update; not used with ``loss="population"``.
        steps: number of updates >= 1.
        loss: ``"sampled"``: a fresh batch each update; ``"population"``: the exact gradient of
            the expected loss, for linear students on any features and for ReLU students on
            `OneActiveFeatures` with a diagonal teacher.
        record: what to record and when.
        reduction: ``"half_sum"``, ``"sum"`` or ``"mean"``, see `jaxsup.losses`.
        importance: weight of each feature in the loss: r for r^(i-1), or an array [features].

    Raises:
        ValueError: an argument is outside of its range, or two of them do not fit together.
    """

    features: AbstractFeatures
    teacher: AbstractTeacher
    student: Student
    optimizer: AbstractOptimizer
    batch_size: int = eqx.field(static=True, default=128)
    steps: int = eqx.field(static=True, default=1000)
    loss: str = eqx.field(static=True, default="sampled")
    record: Record = Record()
    reduction: str = eqx.field(static=True, default="half_sum")
    importance: Scalar = 1.0

    def __check_init__(self) -> None:
        check_positive_integer("batch_size", self.batch_size, "give the samples of an update")
        check_positive_integer("steps", self.steps, "give the number of updates")
        check_choice("loss", self.loss, ("sampled", "population"))
        check_choice("reduction", self.reduction, REDUCTIONS)
        check_number("importance", self.importance, "give weights >= 0", low=0)
        self._check_shapes()
        self._check_steps()
        if self.loss == "population" and self.closed_form is None:
            raise fail(
                "loss",
                "'sampled' for a ReLU student on these features",
                self.loss,
                "use activation='identity', or OneActiveFeatures with a DiagonalTeacher",
            )

    def _check_shapes(self) -> None:
        count, latent = self.features.count, self.student.latent
        if latent > count:
            raise fail(
                "student.latent", f"1 <= K <= N = {count}", latent, "shrink K or add features"
            )
        if self.student.embedding == "identity" and latent != count:
            raise fail(
                "student.latent",
                f"K = N = {count} with the identity embedding",
                latent,
                f"set latent={count}, or embedding='random' for K < N",
            )
        if isinstance(self.teacher, MatrixTeacher) and self.teacher.matrix.shape[-1] != count:
            shape = f"a shape {self.teacher.matrix.shape}"
            raise fail("teacher.matrix", f"a {count} x {count} matrix", shape, "match the features")
        shape = jnp.shape(self.importance)
        if shape not in ((), (count,)):
            raise fail("importance", f"a number or {count} weights", f"a shape {shape}", "match N")

    def _check_steps(self) -> None:
        for name in ("steps", "parameter_steps"):
            last = max(getattr(self.record, name) or (0,))
            if last > self.steps:
                raise fail(f"record.{name}", f"steps <= {self.steps}", last, "train for longer")
        warmup, advice = self.optimizer.warmup, "shorten the warm-up or train for longer"
        if warmup >= self.steps:
            raise fail(
                "optimizer.schedule.warmup", f"less than steps = {self.steps}", warmup, advice
            )

    @property
    def closed_form(self) -> str | None:
        """Which closed form the population loss has: "linear", "one-active" or None."""
        return closed_form(self.features, self.teacher, self.student)

    @property
    def recorded_steps(self) -> np.ndarray:
        """The steps at which a run of this experiment is recorded, from 0."""
        return self.record.schedule(self.steps)


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
        last_step: number of updates after which the training loss and all parameters were still
            finite.
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


def restore_frozen(experiment: Experiment, key: PRNGKeyArray, state: State) -> State:
    """The run that `drop_frozen` was given: frozen arrays follow from the key.

    Made anew where they are used, they carry no axis over the settings that share a key: one W for
    all of them, and one wide product in place of many narrow ones.
    """
    first = initial_parameters(experiment, key)
    _, frozen = eqx.partition(first, experiment.student.trainable(first))
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

    def update(step: Int[Array, ""], state: State) -> State:
        learned, rest = eqx.partition(state.parameters, frozen)
        loss, gradient = jax.value_and_grad(_training_loss)(
            learned, rest, experiment, jax.random.fold_in(data_key, step)
        )
        updates, moments = transformation.update(gradient, state.moments, learned)
        new = eqx.apply_updates(learned, updates)
        finite = jnp.isfinite(loss) & _all_finite(new) & (state.status == FINISHED)

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
    features = experiment.features
    if experiment.closed_form is not None:
        errors = population_errors(
            features, experiment.teacher, experiment.student, state.parameters
        )
    else:
        errors = _estimated_errors(experiment, _evaluation_key(key), state.parameters)
    weights = loss_weights(features.count, experiment.importance, experiment.reduction)
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


def _training_loss(
    learned: StudentParameters, rest: StudentParameters, experiment: Experiment, key: PRNGKeyArray
) -> Float[Array, ""]:
    parameters = eqx.combine(learned, rest)
    features, teacher, student = experiment.features, experiment.teacher, experiment.student
    if experiment.loss == "population":
        errors = population_errors(features, teacher, student, parameters)
    else:
        x = features.sample_batch(key, experiment.batch_size)
        errors = sampled_errors(student, teacher, parameters, x)
    weights = loss_weights(features.count, experiment.importance, experiment.reduction)
    return jnp.sum(weights * errors)


def _estimated_errors(
    experiment: Experiment, key: PRNGKeyArray, parameters: StudentParameters
) -> Float[Array, " features"]:
    """Squared errors averaged over the evaluation samples."""
    samples = experiment.record.evaluation_samples
    blocks = -(-samples // EVALUATION_DRAWS)
    rows = -(-samples // blocks)
    pieces = -(-rows // EVALUATION_ROWS)

    def add_rows(total: Float[Array, " features"], x: Array) -> tuple[Array, None]:
        squares = sampled_errors(experiment.student, experiment.teacher, parameters, x)
        return total + squares * x.shape[0], None

    def add_block(total: Float[Array, " features"], block: Int[Array, ""]) -> tuple[Array, None]:
        x = experiment.features.sample_batch(jax.random.fold_in(key, block), rows)
        even = rows // pieces * pieces
        total, _ = jax.lax.scan(add_rows, total, x[:even].reshape(pieces, -1, x.shape[1]))
        return (add_rows(total, x[even:])[0] if even < rows else total), None

    zero = jnp.zeros(experiment.features.count, jnp.result_type(float))
    total, _ = jax.lax.scan(add_block, zero, jnp.arange(blocks))
    return total / (blocks * rows)


def _all_finite(parameters: StudentParameters) -> Array:
    leaves = jax.tree.leaves(parameters)
    return jnp.stack([jnp.all(jnp.isfinite(leaf)) for leaf in leaves]).all()
