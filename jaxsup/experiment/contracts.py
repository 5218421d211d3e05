"""Whether classes from outside of the package keep what their methods are asked for."""

import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from jaxsup._internal.validation import is_traced
from jaxsup.experiment.abstract_student import AbstractStudent
from jaxsup.experiment.closed_forms import closed_form
from jaxsup.experiment.configuration import array_fields, has_foreign_part
from jaxsup.experiment.contracts_of_numbers import (
    check_linear_teacher,
    check_probabilities,
    check_sampled_moments,
)
from jaxsup.experiment.contracts_of_shapes import (
    check_law,
    check_observable,
    check_optimizer,
    check_student,
    check_teacher,
)
from jaxsup.experiment.features import AbstractFeatures
from jaxsup.experiment.moments import Moments, check_moments
from jaxsup.experiment.observables import Observable
from jaxsup.experiment.teachers import AbstractTeacher
from jaxsup.experiment.transformations import AbstractOptimizer, OptaxOptimizer

Parts = tuple[AbstractFeatures, AbstractTeacher, AbstractStudent, AbstractOptimizer]


def check_contracts(parts: Parts, observables: Sequence[object], steps: int) -> None:
    """Raise unless the methods of foreign classes return what they are asked for.

    They are traced, as a compiled program traces them: nothing is trained. What says how a loss is
    computed exactly, moments and matrices, is computed where it is used, and held to samples.

    Arguments:
        parts: law, teacher, student and optimizer.
        observables: what is recorded; names stand for the package's own, which keep theirs.
        steps: updates of the run.

    Raises:
        ValueError: a method returns something else, or cannot be traced.
    """
    features, teacher, student, optimizer = parts
    own = tuple(item for item in observables if isinstance(item, Observable))
    foreign = any(map(has_foreign_part, parts)) or isinstance(optimizer, OptaxOptimizer)
    # Arrays for numbers stand for many experiments: what trains one of them is not their methods.
    if not (foreign or own) or any(True for part in parts for _ in array_fields(part)):
        return
    leaves, structure = jax.tree.flatten(parts)
    shapes = jax.eval_shape(lambda *leaves: leaves, *leaves)
    known = structure, shapes, own, steps, str(jnp.result_type(float))
    try:
        hash(known)
    except TypeError:  # a static field that holds a list
        _check_shapes(*known)
    else:
        _check_shapes_once(*known)
    # Elsewhere nobody reads these numbers, and JAX stays unused: its devices are not chosen yet.
    exact = has_foreign_part(features) or has_foreign_part(teacher)
    if exact and closed_form(features, teacher, student) == "linear":
        check_probabilities(features)  # told before what follows from them
        if has_foreign_part(features) and (moments := features.moments()) is not None:
            check_moments(moments)
            _check_sampled_once(features, moments)
        if has_foreign_part(teacher):
            check_linear_teacher(teacher, features.count)


def _check_sampled_once(features: AbstractFeatures, moments: Moments) -> None:
    """Hold the moments of a law's first numbers to its samples: a sweep has many others."""
    law = jax.tree.structure(features), str(moments.mean.dtype)
    if law not in _SAMPLED and not is_traced((features, moments)):
        check_sampled_moments(features, moments)
        _SAMPLED.append(law)
        del _SAMPLED[:-_MOST_REMEMBERED]


def _check_shapes(
    structure: Any, shapes: tuple[Any, ...], own: tuple[Observable, ...], steps: int, dtype: str
) -> None:
    """Check all that depends on the structure of the parts, and on shapes of numbers, alone."""
    del dtype  # that of the results
    features, teacher, student, optimizer = jax.tree.unflatten(structure, shapes)
    check_law(features)
    check_teacher(teacher, features.count)
    check_student(student, features.count)
    check_optimizer(optimizer, teacher, student, features.count, steps)
    for observable in own:
        check_observable(observable, student, features.count)


# The experiments of a sweep have few structures, and may be many.
_MOST_REMEMBERED = 64
_check_shapes_once = functools.lru_cache(maxsize=_MOST_REMEMBERED)(_check_shapes)
_SAMPLED: list[Any] = []  # laws whose moments were held to samples, whatever their fields hold
