"""What a network sees, is asked to learn, is, and how it is trained and recorded."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Int, PRNGKeyArray, PyTree

from jaxsup._internal.display import html_table
from jaxsup._internal.precision import PRECISIONS
from jaxsup._internal.validation import (
    MOST,
    Scalar,
    check_choice,
    check_number,
    check_positive_integer,
    fail,
)
from jaxsup.experiment.abstract_student import AbstractStudent
from jaxsup.experiment.closed_forms import ClosedForm, closed_form
from jaxsup.experiment.configuration import Configuration, array_fields, check_growth
from jaxsup.experiment.contracts import check_contracts
from jaxsup.experiment.features import AbstractFeatures
from jaxsup.experiment.features.base import check_count
from jaxsup.experiment.record import Record
from jaxsup.experiment.teachers import AbstractTeacher
from jaxsup.experiment.transformations import AbstractOptimizer, as_optimizer

REDUCTIONS = ("half_sum", "sum", "mean")
SAMPLINGS = ("auto", "sparse", "dense")


class Experiment(Configuration):
    """What one network sees, is asked to learn, is, and how it is trained and recorded.

    Arguments:
        features: distribution of x.
        teacher: target y of x.
        student: network.
        optimizer: `SGD`, `Adam`, ..., or any ``optax.GradientTransformation``.
        batch_size: samples an update, fresh ones; not used with ``gradient="exact"``.
        steps: number of updates >= 1.
        gradient: ``"sampled"``: of the loss on a fresh batch each update; ``"exact"``: of the
            expected loss, for linear students on laws with known moments and for ReLU students on
            `OneActiveFeatures` with a diagonal teacher.
        record: what to record and when.
        reduction: ``"half_sum"``, ``"sum"`` or ``"mean"``, see `jaxsup.training.losses`.
        importance: weight >= 0 of each feature in the loss: r for r^(i-1), or an array [features].
        sampling: how samples are drawn: ``"sparse"``: as lists of active features, for
            `PowerLawFeatures`, `SparseFeatures`, groups and trees with few features active;
            ``"dense"``: feature by feature, for any law; ``"auto"``: the first where it pays. The
            two draw different samples of one law.
        precision: of the matrix products that train: ``"float32"``: that of their dtype, on every
            device; ``"fast"``: the device's own, which is TensorFloat-32 (10 bits of mantissa) or
            bfloat16 (7 bits) on accelerators. What is recorded is computed at the precision of
            the dtype in any case.
        training_set: T, samples that a run trains on, drawn once a seed from the law of the
            features; None: every update draws fresh ones. The set of a smaller T is the beginning
            of that of a larger one. Each sample of an update is drawn from the set, all alike and
            with replacement; at a batch_size of T or more, an update takes all of them once. The
            recorded ``loss`` stays that of the law (the test loss), and ``training_loss``, that of
            the whole set, is recorded beside it.

    How an update is computed is not part of the experiment: it follows from it
    (`jaxsup.training.updates.choose_update`).

    Raises:
        ValueError: an argument is outside of its range, or two of them do not fit together.
    """

    features: AbstractFeatures
    teacher: AbstractTeacher
    student: AbstractStudent
    optimizer: AbstractOptimizer = eqx.field(converter=as_optimizer)
    batch_size: int = eqx.field(static=True, default=128)
    steps: int = eqx.field(static=True, default=1000)
    gradient: str = eqx.field(static=True, default="sampled")
    record: Record = Record()
    reduction: str = eqx.field(static=True, default="half_sum")
    importance: Scalar = 1.0
    sampling: str = eqx.field(static=True, default="auto")
    precision: str = eqx.field(static=True, default="float32")
    training_set: int | None = eqx.field(static=True, default=None)

    def _repr_html_(self) -> str:
        """Every field, those with their defaults too."""
        names = [field.name for field in dataclasses.fields(self)]  # pyright: ignore
        values = [getattr(self, name) for name in names]
        texts = [repr(v) if isinstance(v, Configuration) else eqx.tree_pformat(v) for v in values]
        return html_table(zip(names, texts, strict=True))

    def __check_init__(self) -> None:
        self._check_parts()
        check_positive_integer("batch_size", self.batch_size, "give the samples of an update")
        check_positive_integer("steps", self.steps, "give the number of updates")
        check_choice("gradient", self.gradient, ("sampled", "exact"))
        check_choice("reduction", self.reduction, REDUCTIONS)
        check_number("importance", self.importance, "give weights >= 0", low=0)
        check_choice("sampling", self.sampling, SAMPLINGS)
        check_choice("precision", self.precision, tuple(PRECISIONS))
        self._check_training_set()
        self._check_shapes()
        self._check_names()
        self._check_steps()
        if self.gradient == "exact" and self.closed_form is None:
            raise fail(
                "gradient",
                "'sampled', as the expected loss of this student has no closed form",
                self.gradient,
                "use a Student with activation='identity', or a ReLU one on OneActiveFeatures "
                "with a DiagonalTeacher",
            )

    def _check_training_set(self) -> None:
        if self.training_set is None:
            return
        check_positive_integer("training_set", self.training_set, "give the number of samples")
        if self.gradient == "exact":
            text, advice = "a training set beside it", "set batch_size to it for all its samples"
            expected = "'sampled', as the expected loss is not that of a set"
            raise fail("gradient", expected, text, advice, described=True)

    def _check_parts(self) -> None:
        for name, kind, example in (
            ("features", AbstractFeatures, "jaxsup.PowerLawFeatures(64, 1.5)"),
            ("teacher", AbstractTeacher, "jaxsup.DiagonalTeacher(0.0)"),
            ("student", AbstractStudent, "jaxsup.Student(16)"),
            ("record", Record, "jaxsup.Record()"),
        ):
            if not isinstance(getattr(self, name), kind):
                article = "an" if kind is not Record else "a"
                expected = f"{article} {kind.__name__}"
                raise fail(name, expected, getattr(self, name), f"write {example}")

    def _check_shapes(self) -> None:
        count = self.features.count
        check_count(count)
        advice = "give the number of latent dimensions K"
        check_positive_integer("student.latent", self.student.latent, advice)
        self.student.check_features(count)
        self.teacher.check_features(count)
        self._check_sizes()
        parts = self.features, self.teacher, self.student, self.optimizer
        check_contracts(parts, self.record.observables, self.steps)
        shape = jnp.shape(self.importance)
        if shape not in ((), (count,)):
            expected = f"a number or {count} weights"
            raise fail("importance", expected, f"a shape {shape}", "match N", described=True)
        if not shape:
            advice, r = "take one nearer to 1, or an array of weights", self.importance
            check_growth("importance", r, advice, power=count - 1, base=r)

    def _check_sizes(self) -> None:
        count, latent = self.features.count, self.student.latent
        names = {"student.latent": max(count, latent) * latent, "batch_size": 0}
        if self.gradient == "sampled":
            names["batch_size"] = self.update_samples * count
            names["training_set"] = (self.training_set or 0) * count
        for name, size in names.items():
            if size > MOST:
                text, advice = f"one of {size}", "take fewer features, or make it smaller"
                raise fail(name, f"arrays of at most {MOST} numbers", text, advice, described=True)

    def _check_names(self) -> None:
        taken = set(self.record.names) & set(type(self.student).parameter_dims)
        if taken:
            advice = "it is an array of the student: call the observable otherwise"
            raise fail("record.observables", "a name that is free", min(taken), advice)

    def _check_steps(self) -> None:
        for name in ("steps", "parameter_steps"):
            last = max(getattr(self.record, name) or (0,))
            if last > self.steps:
                raise fail(f"record.{name}", f"steps <= {self.steps}", last, "train for longer")
        self.optimizer.check_steps(self.steps)

    @property
    def closed_form(self) -> ClosedForm | None:
        """Which closed form the population loss has: "linear", "one-active" or None."""
        return closed_form(self.features, self.teacher, self.student)

    @property
    def update_samples(self) -> int:
        """Samples of an update: the batch, or all of a training set that is no larger."""
        return min(self.batch_size, self.training_set or self.batch_size)

    @property
    def recorded_steps(self) -> Int[np.ndarray, " records"]:
        """The steps at which a run of this experiment is recorded, from 0."""
        return self.record.schedule(self.steps)

    @property
    def evaluation_samples(self) -> int:
        """Samples from which each recorded loss is estimated, where it has no closed form."""
        return self.record.samples(self.steps, self.update_samples, self.features.count)


def check_experiment(experiment: object) -> None:
    """Check that it is one, and of one network.

    Raises:
        ValueError: it is something else, or a number of it is an array.
    """
    if not isinstance(experiment, Experiment):
        advice = "write jaxsup.Experiment(features, teacher, student, optimizer)"
        raise fail("experiment", "an Experiment", experiment, advice)
    for path, shape in array_fields(experiment):
        advice = "scan it by a Sweep, or by jax.vmap"
        raise fail(path, "one number", f"a shape {shape}", advice, described=True)


def initial_parameters(experiment: Experiment, key: PRNGKeyArray) -> PyTree:
    """The parameters from which a run with this key starts."""
    init_key = jax.random.fold_in(key, INIT_STREAM)
    return experiment.student.init_parameters(init_key, experiment.features.count)


INIT_STREAM, DATA_STREAM, EVALUATION_STREAM, TRAINING_SET_STREAM = 0, 1, 2, 3
"""What a run's key is folded with for its start, batches, evaluation samples and training set."""
