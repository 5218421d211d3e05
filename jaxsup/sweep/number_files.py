"""Numbers from a file, as TOML names it: ``{file = "frequencies.npy"}`` in place of a list.

They take the list's place when the configuration is read: a store holds the numbers, and needs the
file no more.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from jaxsup._internal.validation import fail, is_numeric

ENDINGS = (".npy", ".csv", ".tsv", ".txt")
"""Files of numbers: numpy's own, or a text with a row a line."""
_MOST_NUMBERS = 2**24
_WHOLE = re.compile(r"[+-]?\d{1,15}")
_SEPARATORS = re.compile(r"[\s,;]+")


def with_numbers(value: Any, folder: Path, name: str = "") -> Any:
    """A configuration's tables with the numbers of every file that they name.

    Arguments:
        value: tables, lists and numbers, as TOML has them.
        folder: where the names of files start from.
        name: of the value, for messages.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it holds no numbers.
    """
    if isinstance(value, Mapping):
        if set(value) == {"file"}:
            return _read_numbers(value["file"], folder, f"{name}.file".lstrip("."))
        return {
            key: with_numbers(item, folder, f"{name}.{key}".lstrip("."))
            for key, item in value.items()
        }
    if isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
        return [with_numbers(item, folder, name) for item in value]
    return value


def _read_numbers(file: Any, folder: Path, name: str) -> list[Any]:
    """A list of numbers, or of rows of them."""
    if not isinstance(file, str):
        raise fail(name, "the name of a file", file, "write it in quotes")
    path = folder / Path(file).expanduser()
    if path.suffix.lower() not in ENDINGS:
        expected = "a file that ends in " + ", ".join(ENDINGS)
        raise fail(name, expected, file, "save the numbers as such a one")
    if not path.is_file():
        advice = "name it as seen from the file of the sweep"
        raise FileNotFoundError(
            f"{name}: expected a file of numbers; got none at {str(path)!r}; {advice}"
        )
    binary = path.suffix.lower() == ".npy"
    array = _from_numpy(path, name) if binary else _from_text(path, name)
    if not 1 <= array.size <= _MOST_NUMBERS or not array.ndim:
        expected, text = f"a list of 1 to {_MOST_NUMBERS} numbers", f"a shape {array.shape}"
        raise fail(name, expected, text, "check the file", described=True)
    return array.tolist()


def _from_numpy(path: Path, name: str) -> np.ndarray:
    try:
        array = np.load(path, allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        text = f"one that numpy does not read ({error})"
        raise fail(name, "a .npy file", text, "save it by numpy.save", described=True) from None
    if not isinstance(array, np.ndarray) or not is_numeric(array):
        text = f"{getattr(array, 'dtype', type(array).__name__)}"
        raise fail(name, "an array of real numbers", text, "convert it", described=True)
    return array


def _from_text(path: Path, name: str) -> np.ndarray:
    """Rows of numbers between commas, semicolons or blanks; # begins a comment."""
    rows: list[list[int | float]] = []
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise fail(name, "text in UTF-8", str(error), "save it so", described=True) from None
    for number, line in enumerate(lines, 1):
        words = [word for word in _SEPARATORS.split(line.partition("#")[0]) if word]
        try:
            row = [int(word) if _WHOLE.fullmatch(word) else float(word) for word in words]
        except ValueError:
            text = f"{line.strip()[:40]!r} in line {number}"
            advice = "leave out headers and names, or put # before them"
            raise fail(name, "numbers alone", text, advice, described=True) from None
        if row and rows and len(row) != len(rows[0]):
            text = f"{len(row)} of them in line {number} after {len(rows[0])} a line"
            raise fail(name, "rows of one length", text, "complete the rows", described=True)
        rows += [row] if row else []
    array = np.asarray(rows)
    return array.ravel() if array.ndim == 2 and 1 in array.shape else array
