"""What a network sees, is asked to learn, is, and how it is trained and watched."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from jaxsup._internal.validation import (
    Scalar,
    check_choice,
    check_number,
    check_positive_integer,
    fail,
)
from jaxsup.experiment.features import AbstractFeatures
from jaxsup.experiment.optimizers import AbstractOptimizer
from jaxsup.experiment.record import Record
from jaxsup.experiment.students import Student
from jaxsup.experiment.teachers import AbstractTeacher, MatrixTeacher
from jaxsup.training.losses import REDUCTIONS, closed_form
from jaxsup.training.sampling.arrivals import Eligibility, sparse_level

SAMPLINGS = ("auto", "sparse", "dense")


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
        reduction: ``"half_sum"``, ``"sum"`` or ``"mean"``, see `jaxsup.training.losses`.
        importance: weight of each feature in the loss: r for r^(i-1), or an array [features].
        sampling: how samples are drawn: ``"sparse"``: as lists of active features
            (`jaxsup.training.sampling.arrivals`), for `PowerLawFeatures` with few of them active; ``"dense"``: feature
            by feature, for any law; ``"auto"``: the first where it pays. The two draw different
            samples of one law. If the law itself is traced (``vmap`` over an exponent by hand),
            "auto" is "dense", since compiled programs need to know how much is active; axes of a
            `Sweep` are not traced so.

    Attributes:
        sparse_level: sparse samples have room for 2^(level / 4) arrivals each; None: they are
            dense.

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
    sampling: str = eqx.field(static=True, default="auto")
    sparse_level: int | None = eqx.field(static=True, init=False)

    def __post_init__(self) -> None:
        # Arguments are checked later: a wrong one has to reach its own message.
        usable = isinstance(self.features, AbstractFeatures)
        usable &= isinstance(self.batch_size, int | np.integer)
        self.sparse_level = self._sparseness.level if usable and self.sampling != "dense" else None

    def __check_init__(self) -> None:
        check_positive_integer("batch_size", self.batch_size, "give the samples of an update")
        check_positive_integer("steps", self.steps, "give the number of updates")
        check_choice("loss", self.loss, ("sampled", "population"))
        check_choice("reduction", self.reduction, REDUCTIONS)
        check_number("importance", self.importance, "give weights >= 0", low=0)
        check_choice("sampling", self.sampling, SAMPLINGS)
        if self.sampling == "sparse" and self.sparse_level is None:
            unsuited = f"a law that does not suit it: {self._sparseness.reason}"
            raise fail("sampling", "'auto' or 'dense'", unsuited, "leave it out")
        self._check_shapes()
        self._check_steps()
        if self.loss == "population" and self.closed_form is None:
            raise fail(
                "loss",
                "'sampled' for a ReLU student on these features",
                self.loss,
                "use activation='identity', or OneActiveFeatures with a DiagonalTeacher",
            )

    @property
    def _sparseness(self) -> Eligibility:
        return sparse_level(self.features, int(self.batch_size))

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
