"""A start from given arrays: which a student takes, by name, and which are drawn after all."""

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, PRNGKeyArray, PyTree

from jaxsup._internal.validation import as_numbers, check_number, fail
from jaxsup.experiment.abstract_student import named_leaves
from jaxsup.experiment.experiment import Experiment, initial_parameters


def named_arrays(parameters: PyTree) -> dict[str, Any]:
    """The arrays of a student's parameters by the name that they have in a dataset."""
    return dict(named_leaves(parameters))


def start_shapes(experiment: Experiment) -> dict[str, tuple[int, ...]]:
    """The shapes of a student's arrays by name."""
    key = jax.eval_shape(lambda: jax.random.key(0))
    start = jax.eval_shape(lambda k: initial_parameters(experiment, k), key)
    return {name: leaf.shape for name, leaf in named_arrays(start).items()}


def initial_arrays(experiment: Experiment, initial: PyTree) -> dict[str, Array]:
    """The arrays that a run starts from, by name, checked.

    Arguments:
        experiment: what starts.
        initial: a module as `Trajectory.params` is, or arrays by name. None: no array.

    Raises:
        ValueError: there is no array, or one that the student does not have, of another shape, or
            with numbers that are not finite.
    """
    if initial is None:
        return {}
    arrays, shapes = given_arrays(initial), start_shapes(experiment)
    check_names(arrays, shapes)
    for name, array in arrays.items():
        if array.shape != shapes[name]:
            text, advice = f"a shape {array.shape}", "start from a network of the same sizes"
            raise fail(f"initial.{name}", f"a shape {shapes[name]}", text, advice, described=True)
        check_number(f"initial.{name}", array, "start from a network that has not diverged")
    dtype = jnp.result_type(float)
    return {name: jnp.asarray(array, dtype) for name, array in arrays.items()}


def given_arrays(initial: PyTree) -> dict[str, Any]:
    """The arrays of parameters, or of a mapping, by name; what is None is left out.

    Raises:
        ValueError: it is neither.
    """
    if not isinstance(initial, Mapping | eqx.Module):
        advice = "pass those of another run, simulate(...).params"
        raise fail("initial", "parameters, or arrays by name", initial, advice)
    items = initial if isinstance(initial, Mapping) else named_arrays(initial)
    return {
        str(name): as_numbers(f"initial.{name}", array)
        for name, array in items.items()
        if array is not None
    }


def check_names(arrays: Mapping[str, Any], shapes: Mapping[str, Any]) -> None:
    """Check that there are arrays, and that a student has all of them.

    Raises:
        ValueError: there are none, or others.
    """
    strange = [name for name in arrays if name not in shapes]
    if strange or not arrays:
        known = ", ".join(shapes)
        text = f"{', '.join(strange)}" if strange else "none of them"
        advice = "give the parameters of such a student, or an array by its name"
        raise fail("initial", f"arrays of the student: {known}", text, advice, described=True)


def start_from(
    experiment: Experiment, key: PRNGKeyArray, initial: Mapping[str, Array] | None
) -> PyTree:
    """The parameters from which a run starts: given ones, and those drawn from the key."""
    drawn = initial_parameters(experiment, key)
    if not initial:
        return drawn
    leaves, structure = jax.tree.flatten(drawn)
    names = named_arrays(drawn)
    chosen = [
        jnp.asarray(initial.get(name, leaf), leaf.dtype)
        for name, leaf in zip(names, leaves, strict=True)
    ]
    return jax.tree.unflatten(structure, chosen)
