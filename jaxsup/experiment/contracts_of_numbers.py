"""Whether numbers that methods of foreign classes return can be.

A matrix is held to its targets, moments to samples, probabilities to their range, and a few
samples, targets and outputs at the start are to be numbers at all: else every network would end as
diverged.
"""

import itertools
from typing import Any

import jax
import numpy as np
from jaxtyping import PyTree

from jaxsup._internal.validation import fail, is_traced
from jaxsup.experiment.abstract_student import AbstractStudent
from jaxsup.experiment.configuration import array_fields, has_foreign_part, is_foreign_class
from jaxsup.experiment.features import AbstractFeatures
from jaxsup.experiment.moments import Moments, mean_squares
from jaxsup.experiment.teachers import AbstractTeacher

_PROBES, _SAMPLES = 4, 16
# Of sum_j |A_ij x_j|: far above the rounding of any order of sums in float32.
_TOLERANCE = 1e-3
# Samples, and numbers in them, at most: some 50 ms.
_DRAWN, _NUMBERS = 2**14, 2**20
# Standard errors that a mean may be off, and samples at least that count in it. Of values nearly
# without a mean a few are most of the sum, and what none shows is many times the largest.
_ERRORS, _FEWEST, _LARGEST = 8.0, 100.0, 50.0


def check_linear_teacher(teacher: AbstractTeacher, count: int) -> None:
    """Check that `targets` is y = A x with the finite A of `matrix_for`: exact losses rely on A.

    Both are computed for x = 0 and a few random x, whose entries are all at work.

    Raises:
        ValueError: they differ.
    """
    x = np.random.default_rng(0).normal(size=(_PROBES, count))
    x = np.concatenate([np.zeros((1, count)), x]).astype(jax.numpy.result_type(float))
    with jax.default_matmul_precision("highest"):
        matrix, targets = teacher.matrix_for(count), teacher.targets(jax.numpy.asarray(x))
    if is_traced((matrix, targets)):
        return
    A, y = np.asarray(matrix, np.float64), np.asarray(targets, np.float64)
    if not np.isfinite(A).all():
        text, advice = f"{int((~np.isfinite(A)).sum()):,} that are not", "remove them"
        raise fail("teacher", "matrix_for() of finite numbers", text, advice, described=True)
    difference, scale = np.abs(y - x @ A.T), np.abs(x) @ np.abs(A).T
    # NaN is no agreement.
    if not np.all(difference <= _TOLERANCE * scale + np.finfo(np.float32).tiny):
        sample, feature = np.argwhere(~(difference <= _TOLERANCE * scale))[0]
        got = f"{y[sample, feature]:.4g} instead of {(x @ A.T)[sample, feature]:.4g}"
        text = f"{got} for feature {feature}{'' if sample else ' at x = 0'}"
        advice = "return A of y = A x, or None where it is not linear"
        raise fail("teacher", "targets() to be matrix_for() times x", text, advice, described=True)


def check_sampled_moments(features: AbstractFeatures, moments: Moments) -> None:
    """Check that `moments` are those of the law's samples, as far as a few thousand tell.

    With v a direction at random, and that of m = E[x], the means of v . x, (v . x)^2 and |x|^2 are
    held to v . m, v^T C v and tr C: what is doubled or left out shows, a percent does not.

    Raises:
        ValueError: one is off by more than eight standard errors.
    """
    samples = max(1, min(_DRAWN, _NUMBERS // features.count))
    x = features.sample_batch(jax.random.key(0), samples)
    if is_traced((x, moments)):
        return
    x, mean = np.asarray(x, np.float64), np.asarray(moments.mean, np.float64)
    directions = np.stack([np.random.default_rng(0).normal(size=features.count), mean])
    quadratics = moments.row_quadratics(jax.numpy.asarray(directions, moments.mean.dtype))
    told = [float(np.sum(mean_squares(moments))), *directions @ mean, *np.asarray(quadratics)]
    along = directions @ x.T
    drawn = [np.sum(x**2, axis=1), *along, *along**2]
    of = [
        ("|x|^2", ""),
        *itertools.product(("v . x", "(v . x)^2"), (", v at random", ", v = E[x]")),
    ]
    for (name, v), values, expected in zip(of, drawn, told, strict=True):
        squares, off = np.sum(values**2), abs(values.mean() - expected) * samples
        few = squares**2 <= _FEWEST * np.sum(values**4)
        chance = max(_ERRORS * values.std() * samples**0.5, _LARGEST * np.abs(values).max())
        if off > chance and not few:
            text = f"{expected:.4g} for that of {name}, {values.mean():.4g} in samples{v}"
            advice = "return E[x] and E[x x^T], no covariance, or None where they are not known"
            says = "moments() to be means of sample_batch()"
            raise fail("features", says, text, advice, described=True)


def check_probabilities(features: AbstractFeatures) -> None:
    """Check the ``probabilities`` of a foreign law, where it has any: numbers from 0 to 1.

    Raises:
        ValueError: one is outside of this range, NaN or complex.
    """
    p: Any = getattr(features, "probabilities", None)
    if not is_foreign_class(type(features)) or callable(p) or is_traced(p):
        return
    found: Any = np.asarray(p).ravel()
    if found.dtype.kind not in "iufc":  # none, or another thing of this name
        return
    right = np.isreal(found) & (found.real >= 0) & (found.real <= 1)
    if found.dtype.kind == "c" or not right.all():
        feature = int(np.argmin(right))
        text = f"{found[feature]:.4g} of feature {feature}"
        advice = "return the probability with which each is active"
        name = "features.probabilities"
        raise fail(name, "real numbers from 0 to 1", text, advice, described=True)


def check_numbers(
    features: AbstractFeatures, teacher: AbstractTeacher, student: AbstractStudent
) -> None:
    """Check what foreign classes compute before the first update: none of it may be NaN.

    Samples and targets are to be finite. Outputs of a student may overflow: that is a network that
    diverges, beside others that need not.

    Raises:
        ValueError: a law, a teacher or a student returns NaN, a law or teacher what is infinite, or
            a law has probabilities that cannot be.
    """
    parts = features, teacher, student
    many = any(True for part in parts for _ in array_fields(part))
    if not any(map(has_foreign_part, parts)) or is_traced(parts) or many:
        return
    # The numbers of one experiment, also where it is trained inside of a trace.
    with jax.ensure_compile_time_eval():
        check_probabilities(features)
        key = jax.random.key(0)
        x = features.sample_batch(key, _SAMPLES)
        _check_all("features", "sample_batch()", x, finite=True)
        _check_all("teacher", "targets()", teacher.targets(x), finite=True)
        parameters = student.init_parameters(key, features.count)
        _check_all("student", "init_parameters()", parameters)
        outputs = student.noisy_outputs(parameters, x, key)
        _check_all("student", "outputs()", outputs)


def _check_all(name: str, method: str, values: PyTree, *, finite: bool = False) -> None:
    """Check that numbers are none of them NaN, and finite if asked.

    Raises:
        ValueError: they are.
    """
    for array in map(np.asarray, jax.tree.leaves(values)):
        right = np.isfinite(array) if finite else ~np.isnan(array)
        if not right.all():
            text = f"{array[~right][0]} among {array.size:,}"
            expected = f"{method} of {'finite numbers' if finite else 'numbers, without NaN'}"
            advice = "look for roots and logarithms of what is negative, or divisions by 0"
            raise fail(name, expected, text, advice, described=True)
