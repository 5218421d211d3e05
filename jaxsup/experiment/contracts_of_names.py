"""Names of a foreign student's arrays, and of their dimensions: each has a place in a dataset."""

from typing import Any

import jax
from jaxtyping import PyTree

from jaxsup._internal.validation import fail
from jaxsup.experiment.abstract_student import AbstractStudent, named_leaves
from jaxsup.experiment.observables import DATASET_NAMES, DIMENSIONS, OBSERVABLE_NAMES
from jaxsup.experiment.record import JOURNAL


def check_parameter_names(student: AbstractStudent, parameters: PyTree, count: int) -> None:
    """Check that each array can be kept under a name of its own, along the dimensions it names.

    Arguments:
        student: whose parameters they are.
        parameters: shapes of its arrays.
        count: number of features N.

    Raises:
        ValueError: an array has no name, one that is taken, or other dimensions; or no entries.
    """
    leaves = named_leaves(parameters)
    names = [name for name, _ in leaves]
    expected, advice = "arrays with names of their own", "call the field otherwise"
    for name, leaf in leaves:
        if not name:
            text, advice = "one without", "return a module with arrays in its fields"
            raise fail("student", expected, text, advice, described=True)
        if not is_word(name) or names.count(name) > 1:
            text = f"{name!r}{' twice' if names.count(name) > 1 else ''}"
            advice = f"{advice}, in letters, digits and _"
            raise fail("student", expected, text, advice, described=True)
        if name in (*DATASET_NAMES, *DIMENSIONS, JOURNAL):
            text = f"{name!r}, which every dataset has"
            raise fail("student", expected, text, advice, described=True)
        if not leaf.size:
            text = f"{name!r} of the shape {leaf.shape}"
            do = "leave it out, or set it to None"
            raise fail("student", "arrays with entries", text, do, described=True)
    sizes = {"feature": count, "latent": student.latent, "latent_in": student.latent}
    for name, leaf in leaves:
        # Read as it was written: it may be anything.
        declared: Any = student.parameter_dims.get(name)
        dims = student.dims_of(name, leaf.ndim) if declared is None else declared
        _check_dims(name, dims, leaf, sizes, names)


def is_word(name: str) -> bool:
    """Whether a name is of letters, digits and _ alone."""
    return f"_{name}".isidentifier() and bool(name)


def _check_dims(
    name: str, dims: Any, leaf: jax.ShapeDtypeStruct, sizes: dict[str, int], names: list[str]
) -> None:
    """Check the dimensions of one array."""
    owner, advice = f"student.parameter_dims[{name!r}]", "name a dimension for each axis"
    words = isinstance(dims, tuple) and all(isinstance(dim, str) and is_word(dim) for dim in dims)
    if not words or len(dims) != leaf.ndim or len(set(dims)) < len(dims):
        expected = f"{leaf.ndim} different words in a tuple"
        raise fail(owner, expected, dims, f"{advice} of a shape {leaf.shape}")
    taken = [dim for dim in dims if dim in (*names, *OBSERVABLE_NAMES, *DATASET_NAMES)]
    if taken:
        raise fail(owner, "dimensions that are free", taken[0], "call it, or the array, otherwise")
    for dim, size in zip(dims, leaf.shape, strict=True):
        if size != sizes.get(dim, size):
            expected, text = f"{sizes[dim]} of them along {dim!r}", f"a shape {leaf.shape}"
            do = f"a dimension of other sizes wants a name other than {dim!r}"
            raise fail(owner, expected, text, do, described=True)
