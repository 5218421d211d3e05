"""Experiments as plain tables, as TOML and JSON hold them, and back.

The keys are the arguments of the classes: ``[features]``, ``[teacher]``, ``[student]``,
``[optimizer]`` and ``[record]`` with a ``kind`` where there are several classes, the remaining
arguments of `Experiment` at the top. A class from outside of the package has the kind
``"module:Class"``. Such a class is imported from a file that its user wrote, and never from what a
dataset says of itself.
"""

import dataclasses
import importlib
import inspect
import typing
from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import numpy as np
import optax

from jaxsup._internal.text import without_addresses
from jaxsup._internal.validation import as_numbers, fail, suggest
from jaxsup.experiment.activations import ACTIVATIONS
from jaxsup.experiment.configuration import check_types, is_foreign_class, members_of
from jaxsup.experiment.experiment import Experiment
from jaxsup.experiment.features.registry import FEATURES
from jaxsup.experiment.hidden_layer import HiddenLayerStudent
from jaxsup.experiment.observables import Observable
from jaxsup.experiment.optimizers import SGD, Adam, AdamW, NormAdamW
from jaxsup.experiment.record import Record
from jaxsup.experiment.schedules import SCHEDULES
from jaxsup.experiment.students import Student
from jaxsup.experiment.teachers import DiagonalTeacher, ElementwiseTeacher, MatrixTeacher

SECTIONS: dict[str, dict[str, type[eqx.Module]]] = {
    "features": {kind.kind: kind for kind in FEATURES},
    "teacher": {kind.kind: kind for kind in (DiagonalTeacher, MatrixTeacher, ElementwiseTeacher)},
    "student": {kind.kind: kind for kind in (Student, HiddenLayerStudent)},
    "optimizer": {kind.kind: kind for kind in (SGD, Adam, AdamW, NormAdamW)},
    "schedule": {kind.kind: kind for kind in SCHEDULES},
    "record": {"record": Record},
    "activation": {**ACTIVATIONS},
    "observables": {},
}
"""The classes that a table can name, by section and kind: what TOML is to know stands here."""
_SECTION_OF = {
    **{name: name for name in SECTIONS},
    "hidden_activation": "activation",
    "function": "activation",
}
_DEFAULT_KINDS = {"student": "student", "schedule": "warmup-cosine", "record": "record"}


def experiment_from_table(
    table: Mapping[str, Any], beside: tuple[str, ...] = (), *, imports: bool = False
) -> Experiment:
    """The experiment that a table describes.

    Arguments:
        table: keys and values, sections as tables.
        beside: names of keys that belong next to the experiment's own, for advice.
        imports: whether a kind ``"module:Class"`` may import that module.

    Raises:
        ValueError: a key is unknown or missing, or a value is refused.
    """
    return _build("experiment", Experiment, table, beside, imports=imports)


def object_from_table(field: str, value: Any, *, imports: bool = False) -> Any:
    """The object of a field (``"optimizer"``, ...) that a table describes; others as they are.

    Raises:
        ValueError: the table describes none.
    """
    if field in _SECTION_OF and isinstance(value, Mapping):
        return _section(field, value, imports=imports)
    return value


def to_table(value: Any) -> Any:
    """A configuration object as a table; numbers, names and lists as they are.

    What no table holds, such as a function, is told by its name or as Python writes it: only
    classes from outside of the package have such fields, and no table makes one of these again
    that its user did not write.
    """
    if isinstance(value, eqx.Module):
        return _module_to_table(value)
    if isinstance(value, Mapping):
        return {str(key): to_table(item) for key, item in value.items()}
    if isinstance(value, optax.GradientTransformation):  # functions without a name
        return None
    if isinstance(value, list | tuple | range):
        return [to_table(item) for item in value]
    if isinstance(value, set | frozenset):
        return sorted((to_table(item) for item in value), key=repr)
    if value is None or isinstance(value, bool | int | float | str):
        return value.item() if isinstance(value, np.generic) else value
    if isinstance(value, jax.Array | np.ndarray | np.generic):
        return _array_to_table(value)
    if callable(value) and hasattr(value, "__qualname__"):
        return f"{value.__module__}:{value.__qualname__}"
    return without_addresses(repr(value))


def _array_to_table(value: jax.Array | np.ndarray | np.generic) -> Any:
    """An array as lists of numbers; of complex ones, as text."""
    if jax.numpy.issubdtype(value.dtype, jax.dtypes.prng_key):
        value = jax.random.key_data(value)  # pyright: ignore[reportArgumentType]
    numbers = np.asarray(value).tolist()
    return str(numbers) if np.iscomplexobj(value) else numbers


def is_outside(value: eqx.Module) -> bool:
    """Whether any part of a configuration is of a class that the package does not know.

    An optax transformation counts: functions cannot be told apart by what they hold.
    """
    parts = [getattr(value, field.name) for field in dataclasses.fields(value)]  # pyright: ignore[reportArgumentType]
    flat = [item for part in parts for item in (part if isinstance(part, tuple) else (part,))]
    return (
        is_foreign_class(type(value))
        or any(is_outside(item) for item in flat if isinstance(item, eqx.Module))
        or any(callable(item) and not isinstance(item, eqx.Module) for item in flat)
    )


def _module_to_table(value: eqx.Module) -> Any:
    entries = {}
    for field in dataclasses.fields(value):  # pyright: ignore[reportArgumentType]
        entry = to_table(getattr(value, field.name)) if field.init else None
        if entry is not None:
            entries[field.name] = entry
    kind = _kind(value)
    if not entries and ACTIVATIONS.get(kind or "") is type(value):
        return kind  # an activation without numbers is written by its name
    return {"kind": kind, **entries} if kind is not None else entries


def _kind(value: eqx.Module) -> str | None:
    """The name under which a section knows the class, or where to import it from."""
    for section, kinds in SECTIONS.items():
        for name, kind in kinds.items():
            if kind is type(value):
                return None if section == "record" else name
    if not is_foreign_class(type(value)):
        return getattr(value, "kind", None)
    return f"{type(value).__module__}:{type(value).__qualname__}"


def _section(field: str, table: Any, *, imports: bool) -> eqx.Module:
    section = _SECTION_OF[field]
    kinds = SECTIONS[section]
    table = dict(check_table(field, table))
    kind = table.pop("kind", _DEFAULT_KINDS.get(section))
    listed = ", ".join(map(repr, kinds)) or "'module:Class'"
    if kind is None:
        text = "a table without it"
        raise fail(f"{field}.kind", f"one of {listed}", text, "name the kind", described=True)
    if isinstance(kind, str) and kind in kinds:
        return _build(field, kinds[kind], table, imports=imports)
    if isinstance(kind, str) and ":" in kind:
        return _build(field, _import_class(field, kind, imports=imports), table, imports=imports)
    raise fail(f"{field}.kind", f"one of {listed}", kind, suggest(kind, kinds))


def _import_class(field: str, name: str, *, imports: bool) -> type[Any]:
    """The class that ``"module:Class"`` names."""
    if not imports:
        advice = "make the sweep in Python, or from the file that describes it"
        raise fail(f"{field}.kind", "a class of the package", name, advice)
    module, _, path = name.partition(":")
    try:
        owner: Any = importlib.import_module(module)
        for attribute in path.split("."):
            owner = getattr(owner, attribute)
    except Exception as error:  # whatever a module of a user raises
        found = isinstance(error, ImportError | AttributeError)
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        advice = f"{'put the module on PYTHONPATH' if found else 'mend it'} ({reason})"
        raise fail(f"{field}.kind", "a class that can be imported", name, advice) from error
    if not (isinstance(owner, type) and issubclass(owner, eqx.Module)):
        raise fail(f"{field}.kind", "a configuration class", name, "subclass one of jaxsup's")
    return owner


def _build(
    name: str,
    kind: type[Any],
    table: Mapping[str, Any],
    beside: tuple[str, ...] = (),
    *,
    imports: bool,
) -> Any:
    """Call a class with a table's entries, after a check of the keys."""
    parameters = inspect.signature(kind).parameters
    arguments = {}
    for key, value in table.items():
        if key not in parameters:
            raise fail(name, "a known key", key, suggest(key, [*parameters, *beside]))
        if key == "observables" and isinstance(value, list):
            arguments[key] = [object_from_table(key, item, imports=imports) for item in value]
        elif key == "observables" or (
            _SECTION_OF.get(key) == "activation" and isinstance(value, str)
        ):
            arguments[key] = value  # of which the class says what it may be
        elif key in _SECTION_OF:
            arguments[key] = _section(key, value, imports=imports)
        elif isinstance(value, list) and (key == "importance" or _holds_array(kind, key)):
            arguments[key] = as_numbers(key if kind is Experiment else f"{name}.{key}", value)
        elif isinstance(value, list) and issubclass(kind, Observable):
            arguments[key] = tuple(value)  # an observable is hashable
        else:
            arguments[key] = value
    for key, parameter in parameters.items():
        if parameter.default is parameter.empty and key not in arguments:
            text, advice = "a table without it", f"add {key} = ..."
            raise fail(name, f"the key {key!r}", text, advice, described=True)
    check_types("" if kind is Experiment else name, kind, arguments)
    try:
        return kind(**arguments)
    except TypeError as error:
        text = f"a table with {error}"
        raise fail(
            name, "values of the right types", text, "give each key its type", described=True
        ) from None


def _holds_array(kind: type[Any], key: str) -> bool:
    """Whether a field is declared as an array of real numbers, and as nothing that is one number.

    A class from outside may say it by ``Array``, ``np.ndarray`` or ``Float[Array, "..."]``.
    """
    try:
        hint = typing.get_type_hints(kind).get(key)
    except Exception:  # annotations of foreign classes, which may name anything
        return False
    members = set(members_of(hint)) - {type(None)}
    real = [m for m in members if "float32" in getattr(m, "dtypes", ("float32",))]
    arrays = [getattr(member, "array_type", member) in (jax.Array, np.ndarray) for member in real]
    return bool(arrays) and all(arrays)


def check_table(name: str, value: Any) -> Mapping[str, Any]:
    """The value, if it is a table.

    Raises:
        ValueError: it is not.
    """
    if not isinstance(value, Mapping):
        raise fail(name, "a table", value, f"write a section [{name}]")
    return value
