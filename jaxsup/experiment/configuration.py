"""Fields of a configuration hold what their annotations say, with or without a type checker."""

import dataclasses
import functools
import types
import typing
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from jaxsup._internal.validation import (
    MOST,
    check_boolean,
    check_number,
    fail,
    is_integer,
    is_numeric,
    is_traced,
)

_LARGEST_EXPONENT = 1e30
_MOST_SHOWN = 8  # entries of a list that the interpreter shows
_NUMBERS = {float, int, np.ndarray, jax.Array}


# Fields that shapes of arrays depend on, by section.
_SIZES = {"features": "count", "student": "latent"}


class Configuration(eqx.Module):
    """A part of an experiment, or all of it, whose fields hold what their annotations say.

    A field is held to its annotation where that is ``bool``, ``int``, ``float``, ``str`` or a union
    of those with arrays and None. Any number may be an array, which is how scans are compiled.

    Attributes:
        section: where its fields stand in a TOML file, for messages.

    Raises:
        ValueError: a field holds something else.
    """

    section: ClassVar[str] = ""

    def __repr__(self) -> str:
        return eqx.tree_pformat(self, truncate_leaf=_is_long)

    def __check_init__(self) -> None:
        # equinox runs this after the checks of the classes below, which say more.
        fields = dataclasses.fields(self)  # pyright: ignore[reportArgumentType]
        check_types(self.section, type(self), {f.name: getattr(self, f.name) for f in fields})
        for field in fields:
            if field.name == _SIZES.get(self.section) and not field.metadata.get("static", False):
                path = f"{self.section}.{field.name}"
                do = f"write {field.name}: int = eqx.field(static=True)"
                got = f"a field of {type(self).__name__} that is none"
                raise fail(path, "a static field, as shapes depend on it", got, do, described=True)
            # Observables are part of the program, with all that they hold.
            if is_foreign_class(type(self)) and self.section not in ("", "observables"):
                value, static = getattr(self, field.name), field.metadata.get("static", False)
                _check_foreign(f"{self.section}.{field.name}".lstrip("."), value, static=static)


def is_foreign_class(kind: type) -> bool:
    """Whether a class is from outside of the package."""
    return not kind.__module__.startswith("jaxsup.")


def has_foreign_part(part: eqx.Module) -> bool:
    """Whether its class, or that of a part of it, is from outside of the package."""
    fields = dataclasses.fields(part)  # pyright: ignore[reportArgumentType]
    values = [getattr(part, field.name) for field in fields]
    return is_foreign_class(type(part)) or any(
        has_foreign_part(value) for value in values if isinstance(value, eqx.Module)
    )


def _check_foreign(path: str, value: Any, *, static: bool) -> None:
    """Check a field that no class of the package checks: what a program takes, and no NaN."""
    if isinstance(value, Configuration):
        return
    for leaf in jax.tree.leaves(value):
        name = path.rpartition(".")[2]
        if static and isinstance(leaf, jax.Array | np.ndarray):
            do = f"write {name}: Array without static=True, or make a tuple of it"
            text = f"an array of a shape {np.shape(leaf)}"
            raise fail(path, "a static field without arrays", text, do, described=True)
        if not static and not _is_leaf(leaf):
            do = f"write {name}: ... = eqx.field(static=True)"
            raise fail(path, "a static field, or numbers", leaf, do)
        told = _is_leaf(leaf) and is_numeric(leaf) and not is_traced(leaf)
        if told and not is_integer(leaf) and np.isnan(np.asarray(leaf, np.float64)).any():
            raise fail(path, "numbers, without NaN", leaf, "give a number")


def _is_leaf(value: object) -> bool:
    """Whether a compiled program takes it: a number, or an array of numbers or of keys."""
    dtype = None if isinstance(value, type) else getattr(value, "dtype", None)
    array = isinstance(value, jax.Array) or (dtype is not None and dtype.kind in "biufcV")
    return array or isinstance(value, bool | int | float | complex)


def _is_long(value: object) -> bool:
    """Whether a value has too many entries to be written out."""
    return isinstance(value, tuple | list) and len(value) > _MOST_SHOWN


def check_types(section: str, kind: type, values: Mapping[str, Any]) -> None:
    """Check fields of a class against its annotations; see `Configuration`.

    Arguments:
        section: what their names begin with, "" for nothing.
        kind: the class.
        values: of its fields, or some of them, by name.

    Raises:
        ValueError: a value is of another type.
    """
    for name, kinds in _builtin_annotations(kind).items():
        value = values.get(name)
        if name not in values or (value is None and None in kinds) or is_traced(value):
            continue
        path = f"{section}.{name}" if section else name
        if kinds <= {bool, None}:
            check_boolean(path, value)
        elif kinds <= {str, None}:
            if not isinstance(value, str):
                raise fail(path, "a text", value, "write it in quotes")
        elif kinds <= {int, None}:
            _check_integer(path, value)
        else:
            _check_numeric(path, value)


def array_fields(part: Configuration) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Path and shape of the fields of a part, and of its parts, that hold arrays for numbers.

    ``importance`` may be an array of one network; inside of `vmap`, what is scanned is none.
    """
    for name, kinds in _builtin_annotations(type(part)).items():
        value: Any = getattr(part, name, None)
        if float in kinds and name != "importance" and np.ndim(value):
            yield f"{part.section}.{name}".lstrip("."), np.shape(value)
    for field in dataclasses.fields(part):  # pyright: ignore[reportArgumentType]
        inner = getattr(part, field.name)
        if isinstance(inner, Configuration) and not field.metadata.get("static", False):
            yield from array_fields(inner)


@functools.cache
def _builtin_annotations(kind: type) -> dict[str, frozenset[Any]]:
    """The types that each field may have, None for that of None; others are left out."""
    try:
        hints = typing.get_type_hints(kind)
    except Exception:  # annotations of foreign classes, which may name anything
        return {}
    found = {}
    for name, hint in hints.items():
        kinds = frozenset(None if m is type(None) else m for m in members_of(hint))
        told = kinds - {None}
        # An array alone is made of lists by its class.
        numbers = told <= _NUMBERS and bool(told & {int, float})
        if told and (told <= {bool} or told <= {str} or numbers):
            found[name] = kinds
    return found


def members_of(hint: Any) -> tuple[Any, ...]:
    """The types that a union names; anything else by itself."""
    union = typing.get_origin(hint) in (typing.Union, types.UnionType)
    return typing.get_args(hint) if union else (hint,)


def _check_integer(path: str, value: Any) -> None:
    if not is_integer(value) and not _holds(value, np.integer):
        raise fail(path, "a whole number", value, "write it without quotes, brackets and point")
    if is_integer(value) and abs(int(value)) > MOST:
        raise fail(path, f"a whole number of at most {MOST}", value, "make it smaller")


def _check_numeric(path: str, value: Any) -> None:
    if not is_numeric(value):
        raise fail(path, "a number", value, "write it without quotes and brackets")
    whole = is_integer(value) or _holds(value, np.integer)
    expected = f"a whole number of at most {MOST}" if whole else f"at most {largest_number():.2g}"
    most, advice = (MOST, "write it with a point") if whole else (largest_number(), "make it less")
    size = abs(int(value)) if is_integer(value) else np.abs(np.asarray(value, np.float64))
    if np.any((size > most) & (size < np.inf)):
        raise fail(path, expected, value, advice)


def _holds(value: Any, kind: type) -> bool:
    dtype = getattr(value, "dtype", None)
    return dtype is not None and bool(jnp.issubdtype(dtype, kind))


def largest_number() -> float:
    """The largest number of the dtype that is computed with."""
    return float(jnp.finfo(jnp.result_type(float)).max)


def check_exponent(path: str, value: Any, do: str) -> None:
    """Check the exponent a of a law i^-a: finite, and a log(i) finite in float32 as well.

    Raises:
        ValueError: it is not.
    """
    check_number(path, value, do)
    check_number(path, value, do, low=-_LARGEST_EXPONENT, high=_LARGEST_EXPONENT)


def check_positive(path: str, value: Any, do: str) -> None:
    """Check a number > 0 that float32 does not round to 0.

    Raises:
        ValueError: it is none.
    """
    check_number(path, value, do, low=0, low_open=True)
    check_number(path, value, do, low=float(np.finfo(np.float32).tiny))


def check_growth(
    path: str, value: Any, do: str, *, power: Any, base: Any, scale: Any = 1.0
) -> None:
    """Check that scale base^power is a number of the dtype that is computed with.

    Arguments:
        path: name of the field that makes it so large.
        value: what the field holds, a number or an array.
        do: advice, an imperative.
        power: a number or an array.
        base: the same, taken as 1 where it is less.
        scale: factor > 0.

    Raises:
        ValueError: it is beyond the largest.
    """
    if is_traced((power, base, scale)):
        return
    base, scale, power = (np.asarray(number, np.float64) for number in (base, scale, power))
    digits = np.log10(np.maximum(base, 1.0)) * power + np.log10(scale)
    largest = largest_number()
    if np.max(digits) > np.log10(largest):
        worst = np.broadcast_to(np.asarray(value), digits.shape).flat[np.argmax(digits)]
        text = f"{worst:g}, which makes 10^{np.max(digits):.4g}"
        raise fail(path, f"weights of at most {largest:.2g}", text, do, described=True)
