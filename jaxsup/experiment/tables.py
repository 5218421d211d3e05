"""Experiments as plain tables, as TOML and JSON hold them, and back.

The keys are the arguments of the classes: ``[features]``, ``[teacher]``, ``[student]``,
``[optimizer]`` and ``[record]`` with a ``kind`` where there are several classes, the remaining
arguments of `Experiment` at the top.
"""

import dataclasses
import inspect
from collections.abc import Mapping
from typing import Any

import equinox as eqx
import numpy as np

from jaxsup._internal.validation import fail, suggest
from jaxsup.experiment.experiment import Experiment
from jaxsup.experiment.features import (
    CorrelatedFeatures,
    GaussianFeatures,
    OneActiveFeatures,
    PowerLawFeatures,
)
from jaxsup.experiment.optimizers import SGD, Adam, AdamW, NormAdamW, WarmupCosine
from jaxsup.experiment.record import Record
from jaxsup.experiment.students import Student
from jaxsup.experiment.teachers import DiagonalTeacher, MatrixTeacher

SECTIONS: dict[str, dict[str, type[eqx.Module]]] = {
    "features": {
        kind.kind: kind
        for kind in (PowerLawFeatures, GaussianFeatures, CorrelatedFeatures, OneActiveFeatures)
    },
    "teacher": {kind.kind: kind for kind in (DiagonalTeacher, MatrixTeacher)},
    "student": {"student": Student},
    "optimizer": {kind.kind: kind for kind in (SGD, Adam, AdamW, NormAdamW)},
    "schedule": {"warmup-cosine": WarmupCosine},
    "record": {"record": Record},
}


def experiment_from_table(table: Mapping[str, Any], beside: tuple[str, ...] = ()) -> Experiment:
    """The experiment that a table describes; `beside` names keys that belong next to its own.

    Raises:
        ValueError: a key is unknown or missing, or a value is refused.
    """
    return _build("experiment", Experiment, table, beside)


def object_from_table(section: str, value: Any) -> Any:
    """The object of a section (``"optimizer"``, ...) that a table describes; others as they are."""
    if section in SECTIONS and isinstance(value, Mapping):
        return _section(section, value)
    return value


def to_table(value: Any) -> Any:
    """A configuration object as a table; numbers, names and lists as they are."""
    if isinstance(value, eqx.Module):
        table = {"kind": value.kind} if hasattr(value, "kind") else {}  # pyright: ignore[reportAttributeAccessIssue]
        for field in dataclasses.fields(value):  # pyright: ignore[reportArgumentType]
            entry = getattr(value, field.name) if field.init else None
            if entry is not None:
                table[field.name] = to_table(entry)
        return table
    if isinstance(value, Mapping):
        return {key: to_table(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_table(item) for item in value]
    return np.asarray(value).tolist() if hasattr(value, "dtype") else value


def _section(name: str, table: Any) -> eqx.Module:
    kinds = SECTIONS[name]
    table = dict(check_table(name, table))
    kind = table.pop("kind", next(iter(kinds)) if len(kinds) == 1 else None)
    if kind is None:
        listed = ", ".join(repr(k) for k in kinds)
        raise fail(f"{name}.kind", f"one of {listed}", "a table without it", "name the kind")
    if kind not in kinds:
        listed = ", ".join(repr(k) for k in kinds)
        raise fail(f"{name}.kind", f"one of {listed}", kind, suggest(str(kind), kinds))
    return _build(name, kinds[kind], table)


def _build(
    name: str, kind: type[Any], table: Mapping[str, Any], beside: tuple[str, ...] = ()
) -> Any:
    """Call a class with a table's entries, after a check of the keys."""
    known = inspect.signature(kind).parameters
    arguments = {}
    for key, value in table.items():
        if key not in known:
            raise fail(name, "a known key", key, suggest(key, [*known, *beside]))
        if key in SECTIONS:
            arguments[key] = _section(key, value)
        elif key == "importance" and isinstance(value, list):
            arguments[key] = np.asarray(value)
        else:
            arguments[key] = value
    missing = [
        key
        for key, parameter in known.items()
        if parameter.default is parameter.empty and key not in arguments
    ]
    if missing:
        raise fail(name, f"the key {missing[0]!r}", "a table without it", f"add {missing[0]} = ...")
    try:
        return kind(**arguments)
    except TypeError as error:
        raise fail(name, "values of the right types", f"a table with {error}", "mend it") from None


def check_table(name: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise fail(name, "a table", value, f"write a section [{name}]")
    return value
