"""The closed-form loss curve of an experiment, where it has one."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from jaxsup._internal.keys import check_key
from jaxsup._internal.validation import Values, fail, is_traced
from jaxsup.experiment.activations import Identity
from jaxsup.experiment.experiment import Experiment, check_experiment, initial_parameters
from jaxsup.experiment.features import (
    AbstractFeatures,
    CorrelatedFeatures,
    GaussianFeatures,
)
from jaxsup.experiment.features.registry import FEATURES
from jaxsup.experiment.optimizers import SGD
from jaxsup.experiment.students import Student
from jaxsup.experiment.teachers import DiagonalTeacher, MatrixTeacher
from jaxsup.theory.bottleneck import bottleneck_loss_curve
from jaxsup.theory.linear import augment_with_bias, diagonal_loss_curve, full_loss_curve
from jaxsup.theory.references import descends_plainly

# What the forms below were derived for, all laws of the package among it. A type from elsewhere, or
# a subclass that may behave in another manner, has none.
_TEACHERS = (DiagonalTeacher, MatrixTeacher)


def loss_curve(
    experiment: Experiment,
    steps: Values,
    *,
    key: PRNGKeyArray | None = None,
    dynamics: str = "discrete",
) -> Float[Array, "*steps"]:
    """L after each of ``steps`` updates with the exact gradient, for a linear student.

    The student is phi = identity with a learned core and a frozen embedding, trained by plain
    gradient descent at a constant rate. Without superposition (``embedding="identity"``):
    `linear.full_loss_curve`, or `linear.diagonal_loss_curve` where C and A are diagonal; a bias is
    the column of a constant feature (`linear.augment_with_bias`). With a random embedding:
    `bottleneck.bottleneck_loss_curve`.
    Sampled training follows the same curve as the batch grows.

    Arguments:
        experiment: made of the package's own features, teacher, student and SGD; its ``gradient``
            may be either. A reduction other than 1/2 sum scales the loss and with it the
            effective learning rate.
        steps: update counts >= 0, of any shape.
        key: the key of `jaxsup.simulate`, which settles W and the start. Without it the core and
            the bias start at zero, and the embedding must be the identity.
        dynamics: ``"discrete"`` steps, or gradient ``"flow"``.

    Returns:
        The loss, shaped like `steps`.

    Raises:
        ValueError: there is no closed form for this experiment; the message says which part of it
            stands in the way.

    >>> import jaxsup
    >>> experiment = jaxsup.Experiment(
    ...     jaxsup.GaussianFeatures(100, 2.0), jaxsup.DiagonalTeacher(0.5),
    ...     jaxsup.Student(100, "identity", activation="identity", bias=False), jaxsup.SGD(0.5))
    >>> curve = loss_curve(experiment, [0, 100, 10_000])
    >>> [f"{float(loss):.5f}" for loss in curve]
    ['0.36759', '0.00247', '0.00001']
    """
    check_experiment(experiment)
    if key is not None:
        check_key(key)
    optimizer = _check(experiment)
    features, student = experiment.features, experiment.student
    count = features.count
    scale = {"half_sum": 1.0, "sum": 2.0, "mean": 2.0 / count}[experiment.reduction]
    rate = optimizer.learning_rate * scale
    moments, teacher = features.moments(), experiment.teacher.matrix_for(count)
    # Of the package's own classes, which `_check` has let through, all have both.
    assert isinstance(student, Student)
    assert moments is not None
    assert teacher is not None
    start = None if key is None else initial_parameters(experiment, key)
    W, core, bias = (None,) * 3 if start is None else (start.embedding, start.core, start.bias)
    if student.embedding == "random":
        if W is None:
            raise fail("key", "a key, since W is random", None, "pass the key that simulate gets")
        C = moments.second_moment()
        return scale * bottleneck_loss_curve(
            W, C, teacher, rate, steps, start=core, dynamics=dynamics
        )
    diagonal = moments.dense is None and moments.blocks is None and _has_zero_mean(features)
    if diagonal and core is None and isinstance(experiment.teacher, DiagonalTeacher):
        gains = experiment.teacher.gains(count)
        return scale * diagonal_loss_curve(moments.diagonal, gains, rate, steps, dynamics=dynamics)
    C = moments.second_moment()
    if student.bias:
        C, teacher = augment_with_bias(C, moments.mean, teacher)
        if core is not None and bias is not None:
            core = jnp.concatenate([core, bias[:, None]], axis=1)
    return scale * full_loss_curve(C, teacher, rate, steps, start=core, dynamics=dynamics)


def _check(experiment: Experiment) -> SGD:
    """The optimizer of an experiment that has a closed form; ValueError for any other."""
    student, optimizer = experiment.student, experiment.optimizer
    if type(experiment.features) not in FEATURES:
        raise _no_form(f"features of type {_name(experiment.features)}", f"use {_names(FEATURES)}")
    if type(experiment.teacher) not in _TEACHERS:
        raise _no_form(f"a teacher of type {_name(experiment.teacher)}", f"use {_names(_TEACHERS)}")
    if type(student) is not Student:
        raise _no_form(f"a student of type {_name(student)}", "use Student itself")
    if type(student.activation) is not Identity:
        text = f"a student with the activation {_name(student.activation)}"
        raise _no_form(text, "set activation='identity'")
    if student.hidden_noise is not None:
        raise _no_form("noise in the hidden layer", "leave hidden_noise out")
    if student.learns_embedding or not student.core:
        text = "a student without a core" if not student.core else "a learned embedding"
        raise _no_form(text, "learn the core alone: embedding='random' or 'identity'")
    if not isinstance(optimizer, SGD) or not descends_plainly(optimizer):
        do = "use SGD with one rate, without momentum and schedule"
        raise _no_form(f"the optimizer {optimizer}", do)
    if experiment.training_set is not None:
        raise _no_form("a training set", "train on fresh samples, or on the expected loss")
    weights = experiment.importance
    if jnp.ndim(weights) or (not is_traced(weights) and weights != 1):
        raise _no_form("importance weights", "leave the importance at 1")
    start = (student.bias_scale, student.bias_mean)
    starts_at_zero = not is_traced(start) and start == (0, 0)
    still = not student.bias or (_has_zero_mean(experiment.features) and starts_at_zero)
    if student.embedding == "random" and not still:
        do = "set bias=False, or use zero-mean features"
        raise _no_form("a bottleneck with a bias that moves", do)
    return optimizer


def _no_form(text: str, do: str) -> ValueError:
    return fail("loss_curve", "an experiment with a closed form", text, do, described=True)


def _name(part: object) -> str:
    return type(part).__name__


def _names(types: tuple[type, ...]) -> str:
    return " or ".join(kind.__name__ for kind in types)


def _has_zero_mean(features: AbstractFeatures) -> bool:
    """Whether E[x] = 0 by construction, so that a bias stays where it is."""
    if isinstance(features, GaussianFeatures | CorrelatedFeatures):
        return True
    return getattr(features, "values", None) in ("sign", "symmetric")
