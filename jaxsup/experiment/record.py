"""What to record along a run, and when: an object that is checked when it is made."""

import itertools
from typing import Any, ClassVar

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Int

from jaxsup._internal.validation import (
    check_choice,
    check_number,
    check_positive_integer,
    fail,
    is_integer,
    is_traced,
)
from jaxsup.experiment.configuration import Configuration
from jaxsup.experiment.observables import (
    DATASET_NAMES,
    DIMENSIONS,
    OBSERVABLE_NAMES,
    Observable,
)

MOST_RECORDS = 10**6
"""Largest number of steps that a run records."""

JOURNAL = "journal"
"""A folder of every store, which no variable may be called."""

# What evaluating a loss by default takes of a run's time, and in how many samples.
_LOOKING = 0.15
_FEWEST_SAMPLES, _MOST_SAMPLES, _STRIDE = 128, 4096, 64
# Cost of a sample that trains in units of one that is evaluated, at least: with few features it is
# that of the loop over samples, which evaluation takes in smaller steps.
_COST, _SMALL_COST, _SMALL = 0.8, 0.4, 64


def _as_tuple(value: Any) -> Any:
    if isinstance(value, np.ndarray | jax.Array) and not is_traced(value):
        value = value.tolist()
    return tuple(value) if isinstance(value, list | range) else value


class Record(Configuration):
    """When to record and what.

    Arguments:
        points: number of recorded steps >= 2 asked for, 0 and the last among them; rounding to
            whole steps may leave fewer.
        spacing: ``"log"`` (0 and log-spaced steps) or ``"linear"``.
        steps: explicit steps instead, increasing; 0 and the run's last step are added.
        observables: what to record beside the loss: names, see `OBSERVABLE_NAMES`, or objects of
            one's own classes (`jaxsup.Observable`). Those of the geometry and of the response
            (`jaxsup.training.observables.geometry`, `response`) decompose a K x K matrix for every
            network, at the recorded steps only.
        parameter_steps: steps after which the parameters are kept; they are recorded as well.
        evaluation_samples: number of samples >= 1 of the loss estimate where the population loss
            has no closed form, rounded up to whole blocks of one size, of at most 256. They are
            drawn once a seed, apart from the training data, and the same at every recorded step, so
            that a curve is smooth. The standard error of each estimate is recorded as
            ``loss_stderr``. None: as many as `samples` says.
        cluster_tolerance: eigenvalues of F closer than this share of the largest, in [0, 1), are
            one eigenspace (for ``localization``, ``eigenspaces``, ``tightness``). None: that of
            `jaxsup.spectral`, 1e-4, which suits weights that have converged; gradient noise splits
            an eigenspace by more, and wants 1e-2 to 1e-1. Neighbors are chained: where the
            eigenvalues of a large K lie denser than the tolerance, they become one eigenspace and
            every feature appears localized (``eigenspaces`` is then 1). ``saturation`` and
            ``eigenvalue_spread`` (0 exactly when all features are localized) need no clusters.

    Raises:
        ValueError: an argument is outside of its range, or an observable is unknown.
    """

    section: ClassVar[str] = "record"
    points: int = eqx.field(static=True, default=64)
    spacing: str = eqx.field(static=True, default="log")
    steps: tuple[int, ...] | None = eqx.field(static=True, default=None, converter=_as_tuple)
    observables: tuple[str | Observable, ...] = eqx.field(
        static=True, default=(), converter=_as_tuple
    )
    parameter_steps: tuple[int, ...] = eqx.field(static=True, default=(), converter=_as_tuple)
    evaluation_samples: int | None = eqx.field(static=True, default=None)
    cluster_tolerance: float | None = eqx.field(static=True, default=None)

    def __check_init__(self) -> None:
        advice = "give a number of points"
        check_positive_integer("record.points", self.points, advice, most=MOST_RECORDS)
        if self.points < 2:
            raise fail("record.points", "at least 2", self.points, "record the start and the end")
        check_choice("record.spacing", self.spacing, ("log", "linear"))
        if not isinstance(self.observables, tuple):
            advice = "write [...] around them"
            raise fail("record.observables", "a list of names", self.observables, advice)
        for observable in self.observables:
            _check_observable(observable)
        if len(set(self.names)) < len(self.names):
            advice = "give each observable a name of its own"
            raise fail("record.observables", "different names", self.names, advice)
        advice = "give a number of samples"
        if self.evaluation_samples is not None:
            check_positive_integer("record.evaluation_samples", self.evaluation_samples, advice)
        if self.cluster_tolerance is not None:
            advice = "give a share of the largest eigenvalue"
            check_number(
                "record.cluster_tolerance",
                self.cluster_tolerance,
                advice,
                low=0,
                high=1,
                high_open=True,
            )
        for name, steps in (("steps", self.steps), ("parameter_steps", self.parameter_steps)):
            _check_steps(f"record.{name}", () if steps is None else steps)

    @property
    def names(self) -> tuple[str, ...]:
        """Everything recorded, the loss first."""
        names = [item if isinstance(item, str) else item.name for item in self.observables]
        return ("loss", *(name for name in names if name != "loss"))

    def schedule(self, total: int) -> Int[np.ndarray, " records"]:
        """The recorded steps of a run of `total` updates: increasing, from 0 to `total`.

        Raises:
            ValueError: `total` is no positive integer.

        >>> Record(points=5).schedule(1000).tolist()
        [0, 1, 10, 100, 1000]
        """
        check_positive_integer("total", total, "give the number of updates")
        if self.steps is not None:
            chosen = np.asarray([0, *self.steps])
        elif self.spacing == "linear":
            chosen = np.linspace(0, total, self.points)
        else:
            first = 1 if self.points > 2 else total
            chosen = np.concatenate([[0], np.geomspace(first, total, self.points - 1)])
        chosen = np.concatenate([np.rint(chosen), self.parameter_steps, [total]])
        return np.unique(chosen.astype(np.int64))

    def samples(self, total: int, batch_size: int, features: int) -> int:
        """Evaluation samples of a run of `total` updates on batches of `batch_size`.

        `evaluation_samples`, or as many as take at most 15% of a run's time: R n <= 0.15 / 0.85 r T
        B for n samples at each of R records and T updates on B samples, where a sample that trains
        costs r times one that is evaluated: more than 0.8 by measurement, more than 0.4 with fewer
        than 64 features (`benchmarks/looking.py`). In whole 64s, at most 4,096 and at least 128,
        which is more than 15% of runs with less than 900 training samples a record (1,800 with
        fewer than 64 features). Runs of other lengths or batches may have other samples.

        >>> [Record().samples(steps, 64, 256) for steps in (100, 1000, 20_000)]
        [128, 128, 3072]
        """
        if self.evaluation_samples is not None:
            return self.evaluation_samples
        ratio = _SMALL_COST if features < _SMALL else _COST
        fitting = _LOOKING / (1 - _LOOKING) * ratio * total * batch_size / len(self.schedule(total))
        return max(_FEWEST_SAMPLES, min(_MOST_SAMPLES, int(fitting) // _STRIDE * _STRIDE))


def _check_observable(observable: object) -> None:
    """Check that it is the name of one, or one whose fields a program can hold."""
    if not isinstance(observable, Observable):
        check_choice("record.observables", observable, OBSERVABLE_NAMES)
        return
    name, dims = observable.name, observable.dims
    if not isinstance(name, str) or not name.isidentifier() or name == JOURNAL:
        advice = "call it by a word of letters, digits and _"
        raise fail("record.observables", "an observable with a name", name, advice)
    if name in (*OBSERVABLE_NAMES, *DATASET_NAMES, *DIMENSIONS):
        advice = "call it otherwise, or record the package's own by its name"
        raise fail("record.observables", "a name that is free", name, advice)
    words = isinstance(dims, tuple) and all(isinstance(d, str) and d.isidentifier() for d in dims)
    if not words or len(set(dims)) < len(dims):
        advice = f"dims of {name!r}: write a tuple of different words, () for one number"
        raise fail("record.observables", "names of dimensions", dims, advice)
    taken = [dim for dim in dims if dim in (name, *OBSERVABLE_NAMES, *DATASET_NAMES)]
    if taken:
        advice = f"dims of {name!r}: call it otherwise"
        raise fail("record.observables", "dimensions that are free", taken[0], advice)
    try:
        hash(observable)
    except TypeError:
        expected = "an observable whose fields are numbers, names or tuples"
        advice = "replace arrays among its fields by tuples"
        raise fail("record.observables", expected, observable.name, advice) from None


def _check_steps(name: str, steps: Any) -> None:
    if not isinstance(steps, tuple):
        raise fail(name, "a list of whole numbers", steps, "write [...] around them")
    whole = all(is_integer(step) and step >= 0 for step in steps)
    if not whole or any(late <= early for early, late in itertools.pairwise(steps)):
        raise fail(name, "increasing whole numbers >= 0", steps, "sort them and drop repeats")
