"""Axes of a sweep: any field of an experiment, alone or several together."""

import contextlib
import dataclasses
import itertools
import operator
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import equinox as eqx
import jax
import numpy as np
import optax

from jaxsup._internal.aliases import find_name
from jaxsup._internal.validation import fail, is_traced
from jaxsup.experiment.configuration import check_types, is_foreign_class
from jaxsup.experiment.experiment import Experiment
from jaxsup.experiment.hidden_layer import HiddenLayerStudent
from jaxsup.experiment.observables import (
    DATASET_NAMES,
    DIMENSIONS,
    OBSERVABLE_NAMES,
    Observable,
)
from jaxsup.experiment.students import Student
from jaxsup.experiment.tables import is_outside
from jaxsup.experiment.transformations import OptaxOptimizer

MOST_SETTINGS = 10**7
"""Largest number of settings of a sweep, and of seeds."""

# Names of the result's own dimensions and variables: an axis cannot be called so.
_RESERVED = (
    *DATASET_NAMES,
    *DIMENSIONS,
    *OBSERVABLE_NAMES,
    *Student.parameter_dims,
    *HiddenLayerStudent.parameter_dims,
)


@dataclasses.dataclass(frozen=True)
class Axis:
    """One dimension of a sweep: fields that change together, each with a value a position."""

    name: str
    fields: dict[str, tuple[Any, ...]]

    @property
    def size(self) -> int:
        """Number of positions along the axis."""
        return len(next(iter(self.fields.values())))


def replace_fields(owner: Any, changes: Mapping[str, Any]) -> Any:
    """A configuration with some fields, named by dotted paths, changed and checked together.

    Arguments:
        owner: an experiment, or a part of one.
        changes: the new values; those of a part and of its fields may come together.

    Raises:
        ValueError: a value is refused, or a class of one's own cannot be made of its fields.
    """
    grouped: dict[str, dict[str, Any]] = {}
    for path, value in changes.items():
        name, _, rest = path.partition(".")
        grouped.setdefault(name, {})[rest] = value
    new = {}
    for name, inner in grouped.items():
        part = inner.pop("") if "" in inner else getattr(owner, name)
        new[name] = replace_fields(part, inner) if inner else part
    section = getattr(owner, "section", "")
    check_types(section, type(owner), new)
    try:
        return dataclasses.replace(owner, **new)
    except TypeError as error:
        if not is_foreign_class(type(owner)):
            raise
        expected = f"a {type(owner).__name__} that is made of its fields"
        advice = "let __init__ take each field, and write eqx.field(init=False) for what it makes"
        raise fail(section, expected, f"{error}", advice, described=True) from error


def field_names(experiment: Experiment) -> list[str]:
    """Every field that an axis can scan, by dotted path."""

    def names(owner: object, prefix: str) -> Iterator[str]:
        for field in dataclasses.fields(owner):  # pyright: ignore[reportArgumentType]
            if not field.init:
                continue
            yield prefix + field.name
            value = getattr(owner, field.name)
            if isinstance(value, eqx.Module):
                yield from names(value, f"{prefix}{field.name}.")

    return list(names(experiment, ""))


def make_axis(experiment: Experiment, name: str, values: Any) -> Axis:
    """An axis of a sweep; its values are checked by `check_values`.

    Arguments:
        experiment: what its fields belong to.
        name: of the axis.
        values: a list, or lists by the names of fields.

    Raises:
        ValueError: the name is taken, a field is unknown, or there are no values, or unequally many
            of them, or too many, or one of them twice.
    """
    _check_name(experiment, name)
    scannable = field_names(experiment)
    fields = dict(values) if isinstance(values, Mapping) else {name: values}
    fields = {field: as_list(column) for field, column in fields.items()}
    if isinstance(values, Mapping) and name in scannable:
        advice = "name a joint axis otherwise"
        raise fail(f"axes.{name}", "a list of values", "a table", advice, described=True)
    lengths = {}
    for field, column in fields.items():
        if field not in scannable:
            find_name("axes", "a field of the experiment", field, scannable)  # raises
        if isinstance(column, str | bytes) or not isinstance(column, Sequence | np.ndarray):
            raise fail(f"axes.{field}", "a list of values", column, "write [...] around them")
        lengths[field] = len(column) if np.ndim(column[:0]) else 0  # pyright: ignore[reportArgumentType]
    if not lengths or 0 in lengths.values():
        text = "a list of none"
        raise fail(f"axes.{name}", "at least one value", text, "give values", described=True)
    if len(set(lengths.values())) > 1:
        text = "a table of lists of lengths " + ", ".join(f"{k}: {v}" for k, v in lengths.items())
        raise fail(f"axes.{name}", "lists of one length", text, "pair the values", described=True)
    if max(lengths.values()) > MOST_SETTINGS:
        text, advice = f"{max(lengths.values())} of them", "make several sweeps of it"
        expected = f"at most {MOST_SETTINGS} values"
        raise fail(f"axes.{name}", expected, text, advice, described=True)
    axis = Axis(name, {field: _as_values(column) for field, column in fields.items()})
    if [*fields] == [name]:
        _check_distinct(axis)
    return axis


def as_list(values: Any) -> Any:
    """Numbers of JAX, pandas or xarray along one axis as a list; anything else as it is."""
    foreign = hasattr(values, "__array__") and not isinstance(values, np.ndarray | np.generic)
    if foreign and getattr(values, "ndim", 0) == 1 and not is_traced(values):
        return np.asarray(values).tolist()
    return values


def _check_distinct(axis: Axis) -> None:
    """Check that an axis of one field has no value twice: it would be trained twice, alike.

    Joint axes may: they are a list of cases, of which several designs have one in common.
    """
    (values,) = axis.fields.values()
    seen: dict[Any, int] = {}
    for position, value in enumerate(values):
        # What has no hash, an array or an object of one's own, is taken for another one.
        with contextlib.suppress(TypeError):
            first = seen.setdefault(value, position)
            if first != position:
                text = f"{value!r} at positions {first} and {position}"
                advice = "drop one of them; seeds repeat a setting with other draws"
                raise fail(f"axes.{axis.name}", "values that differ", text, advice, described=True)


def _as_values(column: Any) -> tuple[Any, ...]:
    if isinstance(column, np.ndarray) and column.ndim == 1:
        return tuple(column.tolist())
    return tuple(map(_as_value, column))


def _as_value(item: Any) -> Any:
    if isinstance(item, optax.GradientTransformation):
        return OptaxOptimizer(item)
    return item.item() if isinstance(item, np.generic) else item


def _check_name(experiment: Experiment, name: object) -> None:
    if not isinstance(name, str) or not name.isprintable() or not name.strip() or "/" in name:
        raise fail("axes", "a name without slashes", name, "call the axis by a word")
    record, student = experiment.record, type(experiment.student)
    dims = [item.dims for item in record.observables if isinstance(item, Observable)]
    own = [*record.names, *itertools.chain(*dims), *student.parameter_dims]
    if name in (*_RESERVED, *own, *itertools.chain(*student.parameter_dims.values())):
        raise fail("axes", "a field or a free name", name, f"{name!r} is a dimension of its own")


def check_overlap(axes: Sequence[Axis]) -> None:
    """Check that no field is on two axes, alone or as a part of another.

    Raises:
        ValueError: one is.
    """
    fields = [field for axis in axes for field in axis.fields]
    twice = sorted({field for field in fields if fields.count(field) > 1})
    if twice:
        raise fail("axes", "each field on one axis", ", ".join(twice), "drop it from one of them")
    for inner, outer in itertools.permutations(fields, 2):
        if inner.startswith(outer + "."):
            advice = f"scan {outer!r} or its parts, or pair them on one joint axis by hand"
            raise fail("axes", "fields that do not contain each other", f"{outer}, {inner}", advice)


def check_values(experiment: Experiment, axis: Axis) -> bool:
    """Check the values of an axis of numbers: all at once, and one by one where that fails.

    Returns:
        Whether all that they change is these fields: a class from outside of the package may
        convert what it is given, or make other fields of it.

    Raises:
        ValueError: the experiment refuses one of them.
    """
    owners = [
        getattr(experiment, f.partition(".")[0] if "." in f else "student") for f in axis.fields
    ]
    own = not any(is_outside(owner) for owner in owners)
    return _check_positions(experiment, axis, 0, axis.size, own=own)


def _check_positions(
    experiment: Experiment, axis: Axis, first: int, stop: int, *, own: bool
) -> bool:
    """Check the values from `first` to `stop` by halves, so that it takes few calls to find one."""
    if stop - first == 1:
        changes = {field: values[first] for field, values in axis.fields.items()}
        made = replace_fields(experiment, changes)
        return own or _is_filled_in(experiment, changes, made)
    if own:
        # A class of the package takes arrays, as `vmap` would give it; an array of importances
        # means another thing, but what holds for the ends of their range holds for all.
        columns = {f: np.asarray(values[first:stop]) for f, values in axis.fields.items()}
        with contextlib.suppress(Exception):
            for end in (np.min, np.max):
                ends = {f: end(columns[f]).item() for f in columns if f == "importance"}
                replace_fields(experiment, {**columns, **ends})
            return True
    middle = (first + stop) // 2
    left = _check_positions(experiment, axis, first, middle, own=own)
    return _check_positions(experiment, axis, middle, stop, own=own) and left


def _is_filled_in(experiment: Experiment, changes: Mapping[str, Any], made: Experiment) -> bool:
    """Whether an experiment is the one before with the numbers put into its fields."""
    before, after = (
        {field: operator.attrgetter(field)(e) for field in changes} for e in (experiment, made)
    )
    (old, structure), (new, other) = (jax.tree.flatten(e) for e in (experiment, made))
    if structure != other or not all(_same(after[f], value) for f, value in changes.items()):
        return False
    changed = sum(not _same(*pair) for pair in zip(old, new, strict=True))
    return changed == sum(not _same(before[field], after[field]) for field in changes)


def _same(one: Any, other: Any) -> bool:
    return one is other or bool(eqx.tree_equal(one, other))


def is_structural(experiment: Experiment, axis: Axis) -> bool:
    """Whether the axis changes more than numbers that a compiled program takes as arguments."""
    return any(
        _is_static(experiment, field)
        or np.ndim(operator.attrgetter(field)(experiment)) != 0
        or not all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)
        for field, values in axis.fields.items()
    )


def _is_static(experiment: Experiment, path: str) -> bool:
    """Whether the field is part of the structure, or absent (None) and so not a number yet."""
    parent, _, name = path.rpartition(".")
    owner = operator.attrgetter(parent)(experiment) if parent else experiment
    field = next(f for f in dataclasses.fields(owner) if f.name == name)
    return bool(field.metadata.get("static", False)) or getattr(owner, name) is None
