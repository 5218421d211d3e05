"""Changes to a sweep's tables before they are read: ``features.exponent=1.5``, one by one."""

import copy
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from jaxsup._internal.aliases import full_name, resolve_axes
from jaxsup._internal.validation import fail
from jaxsup.experiment.tables import SECTIONS
from jaxsup.sweep.grid import Sweep
from jaxsup.sweep.number_files import with_numbers
from jaxsup.sweep.spacings import is_spacing
from jaxsup.sweep.tables import flatten_fields, sweep_from_tables

# A word that TOML would want in quotes: a name, a file, "module:Class".
_BARE_WORD = re.compile(r"[A-Za-z_./][A-Za-z0-9_./:+-]*")

# Longest change that a message repeats.
_LONGEST = 80


class Amendment(NamedTuple):
    """One change.

    Attributes:
        text: as it was written.
        path: the keys that lead to the value, from the outermost table.
        value: the new value, as TOML has it.
    """

    text: str
    path: tuple[str, ...]
    value: Any


def parse_amendment(text: str) -> Amendment:
    """The change that ``KEY=VALUE`` describes.

    Arguments:
        text: a dotted key as TOML writes it, and a value as TOML writes it. A word that is no value
            of TOML is a text. ``experiment.steps`` is ``steps``, at the top of the file. A file of
            numbers is named from the current folder.

    Raises:
        ValueError: it is none, or names a file that holds no numbers.

    >>> parse_amendment('axes."student.latent"=[8, 16]').path
    ('axes', 'student.latent')
    >>> parse_amendment("student.activation=relu").value
    'relu'
    """
    key, separator, value = _cut(text)
    if not separator or not value.strip():
        raise _failure(text, "KEY=VALUE", text, "write it like steps=100")
    path = _parse_key(text, key)
    path = path[1:] if path[0] == "experiment" and len(path) > 1 else path
    try:
        numbers = with_numbers(_parse_value(text, value.strip()), Path(), ".".join(path))
    except (ValueError, FileNotFoundError) as error:
        label = f"{_label(text)}: "
        message = str(error)
        raise ValueError(message if message.startswith(label) else label + message) from None
    return Amendment(text, _joined(path), numbers)


def amend_sweep(tables: Mapping[str, Any], amendments: Sequence[Amendment]) -> Sweep:
    """The sweep of a file's tables after some changes.

    Arguments:
        tables: as `jaxsup.sweep.tables.parse_toml` returns them.
        amendments: what changes, in this order; aliases stand for their fields, also on axes.

    Raises:
        ValueError: as `sweep_from_tables` does, with the changes at fault named; or a change is of
            a field that an axis scans, or goes through a value that is no table.
    """
    amendments = [each._replace(path=_resolved(each.path, each.value)) for each in amendments]
    amended = _amended(tables, amendments)
    try:
        sweep = sweep_from_tables(amended, imports=True)
    except ValueError as error:
        guilty = _guilty(tables, amendments)
        raise ValueError(f"{guilty}{error}") from None
    scanned = {field for axis in sweep.axes for field in axis.fields}
    for amendment in amendments:
        name = ".".join(amendment.path)
        if any(f"{name}.".startswith(f"{field}.") for field in scanned):
            advice = f'set axes."{name}"=[...], or drop the axis'
            raise _failure(amendment.text, "a key that no axis scans", name, advice)
    return sweep


def _guilty(tables: Mapping[str, Any], amendments: Sequence[Amendment]) -> str:
    """The changes without which the tables are right, to stand before a message."""

    def is_right(some: Sequence[Amendment]) -> bool:
        try:
            sweep_from_tables(_amended(tables, some), imports=True)
        except ValueError:
            return False
        return True

    if not amendments or not is_right(()):
        return ""
    others = [[b for b in amendments if b is not a] for a in amendments]
    alone = [a for a, rest in zip(amendments, others, strict=True) if is_right(rest)]
    return "".join(f"{_label(amendment.text)}: " for amendment in alone or amendments)


def _amended(tables: Mapping[str, Any], amendments: Sequence[Amendment]) -> dict[str, Any]:
    """The tables with the changes made in a copy."""
    amended = copy.deepcopy(dict(tables))
    if isinstance(axes := amended.get("axes"), Mapping):
        flat = {
            name: flatten_fields(axis) if isinstance(axis, Mapping) else axis
            for name, axis in flatten_fields(axes).items()
        }
        amended["axes"] = resolve_axes(flat, is_spacing)
    for text, path, value in amendments:
        table = amended
        for number, key in enumerate(path[:-1], 1):
            table = table.setdefault(key, {})
            if not isinstance(table, dict):
                name = ".".join(path[:number])
                expected, advice = f"a table {name}", f"set {name} itself"
                raise _failure(text, expected, table, advice)
        table[path[-1]] = copy.deepcopy(value)
    return amended


def _cut(text: str) -> tuple[str, str, str]:
    """Key, the first equals sign outside of quotes, value."""
    match = re.match(r"""((?:"[^"]*"|'[^']*'|[^"'=])*)(=?)(.*)""", text, re.S)
    assert match is not None
    return match[1], match[2], match[3]


def _parse_key(text: str, key: str) -> tuple[str, ...]:
    path: list[str] = []
    table: Any = _parse(f"{key} = 0")
    while isinstance(table, dict) and len(table) == 1:
        name, table = next(iter(table.items()))
        path.append(name)
    if table != 0 or "\n" in key:
        raise _failure(text, "a dotted key of TOML before =", key, 'write it like axes."steps"')
    return tuple(path)


def _parse_value(text: str, value: str) -> Any:
    table = _parse(f"value = {value}")
    if table is not None and set(table) == {"value"}:
        return table["value"]
    if _BARE_WORD.fullmatch(value):
        return value
    raise _failure(text, "a value of TOML after =", value, "quote a text twice, like '\"a b\"'")


def _parse(content: str) -> dict[str, Any] | None:
    """The tables of a piece of TOML; None where it is none."""
    try:
        return tomllib.loads(content)
    except (ValueError, RecursionError):
        return None


def _joined(path: tuple[str, ...]) -> tuple[str, ...]:
    """A path with the fields of axes as one key each: ``axes.student.latent`` is quoted or not."""
    if path[0] != "axes":
        return path
    for number, key in enumerate(path):
        if key in SECTIONS:
            return (*path[:number], ".".join(path[number:]))
    return path


def _resolved(path: tuple[str, ...], value: Any) -> tuple[str, ...]:
    """A path without aliases: ``K`` is ``student.latent``, also as an axis or on a joint one."""
    if len(path) == 1:
        return tuple(full_name(path[0]).split("."))
    joint = len(path) == 2 and isinstance(value, dict) and not is_spacing(value)
    return path if path[0] != "axes" or joint else (*path[:-1], full_name(path[-1]))


def _failure(text: str, expected: str, value: object, advice: str) -> ValueError:
    return fail(_label(text), expected, value, advice)


def _label(text: str) -> str:
    """A change as messages name it, on one line."""
    line = " ".join(text.split())
    return f"--set {line if len(line) <= _LONGEST else line[: _LONGEST - 3] + '...'}"
