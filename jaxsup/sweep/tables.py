"""Sweeps as plain tables, as TOML and JSON hold them, and back: an experiment, seeds and axes."""

import codecs
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jaxsup._internal.validation import as_numbers
from jaxsup.experiment.tables import (
    SECTIONS,
    check_table,
    experiment_from_table,
    object_from_table,
    to_table,
)
from jaxsup.sweep.grid import Sweep
from jaxsup.sweep.number_files import with_numbers
from jaxsup.sweep.spacings import is_spacing, spaced_values


def read_sweep(path: str | Path) -> Sweep:
    """The sweep that a TOML file describes.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is not TOML, or a key or value is wrong.
    """
    return sweep_from_tables(read_tables(path), imports=True)


def read_tables(path: str | Path) -> dict[str, Any]:
    """The tables of a TOML file, with the numbers of the files that it names from its folder.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is not TOML, or one that it names holds no numbers.
    """
    file = Path(path)
    if not file.is_file():
        raise FileNotFoundError(f"{file}: expected a TOML file; got none there; check the path")
    return with_numbers(parse_toml(file.read_bytes(), str(file)), file.parent)


def parse_toml(content: bytes, name: str) -> dict[str, Any]:
    """The tables of a TOML file, a byte order mark of UTF-8 left out.

    Raises:
        ValueError: it is not TOML, or not in UTF-8, or no program could hold what it says.
    """
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise ValueError(f"{name}: expected TOML in UTF-8; got UTF-16; save it as UTF-8")
    try:
        return tomllib.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise ValueError(f"{name}: expected TOML in UTF-8; got {error}; save it so") from None
    except RecursionError:
        text = "tables or lists that are nested too deep"
        raise ValueError(f"{name}: expected TOML; got {text}; write fewer [ and {{") from None
    except ValueError as error:  # an integer of thousands of digits is no error of TOML
        raise ValueError(f"{name}: expected TOML; got {error}; mend that line") from None


def sweep_from_tables(tables: Mapping[str, Any], *, imports: bool = False) -> Sweep:
    """The sweep that plain tables describe.

    Arguments:
        tables: an experiment's tables, ``seeds`` and ``axes``.
        imports: whether a kind ``"module:Class"`` may import that module: for files that their
            user wrote, not for what a dataset says of itself.

    Raises:
        ValueError: a key is unknown or missing, or a value is refused.
    """
    tables = dict(tables)
    axes = _axes_from_tables(check_table("axes", tables.pop("axes", {})), imports=imports)
    seeds = tables.pop("seeds", 1)
    experiment = experiment_from_table(tables, ("axes", "seeds"), imports=imports)
    return Sweep(experiment, axes, seeds)


def sweep_to_tables(sweep: Sweep) -> dict[str, Any]:
    """The tables from which `sweep_from_tables` makes this sweep again."""
    axes = {name: to_table(values) for name, values in sweep.axis_table().items()}
    return {**to_table(sweep.experiment), "seeds": list(sweep.seeds), "axes": axes}


def _axes_from_tables(axes: Mapping[str, Any], *, imports: bool) -> dict[str, Any]:
    """Axes with tables turned into objects, and ``features.exponent = [...]`` taken as written.

    TOML reads a dotted key without quotes as a table ``features`` with a key ``exponent``.
    """
    return {
        name: {
            field: _values(name, field, column, imports=imports)
            for field, column in flatten_fields(values).items()
        }
        if isinstance(values, Mapping) and not is_spacing(values)
        else _values("", name, values, imports=imports)
        for name, values in flatten_fields(axes).items()
    }


def flatten_fields(table: Mapping[str, Any]) -> dict[str, Any]:
    """Tables named after sections as dotted keys; other tables as they are."""
    flat: dict[str, Any] = {}
    for name, values in table.items():
        if isinstance(values, Mapping) and name in SECTIONS:
            flat.update(
                {f"{name}.{field}": column for field, column in flatten_fields(values).items()}
            )
        else:
            flat[name] = values
    return flat


def _values(axis: str, field: str, column: Any, *, imports: bool) -> Any:
    """The values of a field on an axis; `axis` is empty where the field names it."""
    if isinstance(column, Mapping):
        return spaced_values(".".join(filter(None, ("axes", axis, field))), column)
    if not isinstance(column, list):
        return column
    last = field.rpartition(".")[2]
    if last == "importance":  # an array of weights is a list in a table
        return [as_numbers(f"axes.{field}", v) if isinstance(v, list) else v for v in column]
    return [object_from_table(last, item, imports=imports) for item in column]
