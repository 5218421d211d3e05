"""Checks of arguments, each a one-line ValueError: what was expected, what came, what to do.

Traced values pass unchecked: inside a compiled program a bad number can only become a run's
``status``.
"""

import difflib
from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

import jax
import jax.core
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

Scalar = float | int | np.ndarray | jax.Array
"""A number that may be traced, or carry a batch axis outside of `vmap`."""


Values: TypeAlias = ArrayLike | Sequence[Any]
"""Anything that an array can be made of, nested lists too."""

# Longest value that an error message repeats.
_LONGEST = 80

MOST = 2**31 - 1
"""Largest size, and largest number of updates, of a compiled program."""


def is_traced(value: object) -> bool:
    """Whether any array inside `value` is a tracer, so that its numbers cannot be looked at."""
    return any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(value))


def fail(
    name: str, expected: str, value: object, do: str, *, described: bool = False
) -> ValueError:
    """The error for argument `name`, to be raised by the caller.

    Arguments:
        name: argument, by its dotted path.
        expected: what it may be.
        value: what came, quoted as Python writes it.
        do: advice, an imperative.
        described: `value` is text that describes what came, and is repeated as it is.

    Returns:
        A ValueError of one line: "name: expected ...; got ...; do ...".

    >>> str(fail("weights", "a matrix", "a shape (3,)", "give two axes", described=True))
    'weights: expected a matrix; got a shape (3,); give two axes'
    >>> str(fail("file", "a name", "a nice one", "leave out the blanks"))
    "file: expected a name; got 'a nice one'; leave out the blanks"
    """
    text = " ".join((str(value) if described else _quoted(value)).split())
    text = text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."
    return ValueError(f"{name}: expected {expected}; got {text}; {do}")


def _quoted(value: object) -> str:
    try:
        return repr(value)
    except ValueError:  # Python writes no integer of more than 4,300 digits
        return f"a {type(value).__name__} too long to be written"


def is_integer(value: object) -> bool:
    """Whether `value` is a whole number by its type: True and 2.0 are none."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def is_numeric(value: object) -> bool:
    """Whether `value` is a real number or an array of them: text, True and lists are none."""
    if isinstance(value, int | float):
        return not isinstance(value, bool)
    dtype = getattr(value, "dtype", None)
    return dtype is not None and bool(
        jnp.issubdtype(dtype, np.integer) or jnp.issubdtype(dtype, np.floating)
    )


def as_numbers(name: str, value: Values) -> jax.Array | np.ndarray:
    """An array that keeps the digits it came with: its precision is settled where it is used.

    Raises:
        ValueError: it holds anything but numbers, or its rows differ in length.
    """
    if isinstance(value, jax.Array):
        return value
    try:
        array = np.asarray(value)
    except ValueError:  # ragged rows
        array = np.asarray(None)
    if not is_numeric(array):
        raise fail(name, "an array of numbers", value, "write rows of numbers, all of one length")
    return array.astype(np.float64)


def check_positive_integer(name: str, value: object, do: str, *, most: int = MOST) -> None:
    """Check that `value` is an integer of at least 1.

    Arguments:
        name: argument, by its dotted path.
        value: what came.
        do: advice, an imperative.
        most: largest integer; sizes and steps of compiled programs have 32 bits.

    Raises:
        ValueError: it is none, or larger.
    """
    if not isinstance(value, int | np.integer) or not is_integer(value) or value < 1:
        raise fail(name, "a positive integer", value, do)
    if value > most:
        raise fail(name, f"a positive integer of at most {most}", value, do)


def check_integer(name: str, value: object, do: str, *, low: int, high: int | None = None) -> None:
    """Check that `value` is an integer from `low` on, by its type too.

    Arguments:
        name: argument, by its dotted path.
        value: what came.
        do: advice, an imperative.
        low: smallest number.
        high: largest number; None: any.

    Raises:
        ValueError: it is none, or outside.
    """
    if not isinstance(value, int | np.integer) or not is_integer(value) or value < low:
        raise fail(name, f"an integer >= {low}", value, do)
    if high is not None and value > high:
        raise fail(name, f"an integer of at most {high}", value, do)


def feature_indices(name: str, values: Values, count: int) -> np.ndarray:
    """Indices of some of `count` features, as an array of integers of one axis.

    Arguments:
        name: argument, by its dotted path.
        values: integers from 0 to `count` - 1; there may be none.
        count: how many features there are.

    Raises:
        ValueError: an index is no integer by its type (a mask holds none), or is not there.
    """
    array = np.asarray(values).reshape(-1)
    expected = f"features 0..{count - 1}"
    if array.size and array.dtype.kind not in "iu":
        do = "count from 0; numpy.flatnonzero has those of a mask"
        raise fail(name, expected, f"dtype {array.dtype}", do, described=True)
    outside = array[(array < 0) | (array >= count)]
    if outside.size:
        raise fail(name, expected, int(outside[0]), "count from 0")
    return array.astype(int)


def check_boolean(name: str, value: object) -> None:
    """Check that `value` is True or False: text and numbers are neither.

    Raises:
        ValueError: it is neither.
    """
    if not isinstance(value, bool | np.bool_):
        raise fail(name, "true or false", value, "write it without quotes")


def check_number(
    name: str,
    value: object,
    do: str,
    *,
    low: float | int = -np.inf,
    high: float | int = np.inf,
    low_open: bool = False,
    high_open: bool = False,
) -> None:
    """Check that every entry of `value` is a finite number within the range.

    Arguments:
        name: argument, by its dotted path.
        value: a number, or an array of them; what is traced passes.
        do: advice, an imperative.
        low: smallest number.
        high: largest number.
        low_open: whether `low` itself is outside.
        high_open: whether `high` itself is outside.

    Raises:
        ValueError: an entry is not.
    """
    if is_traced(value):
        return
    # An array may carry a batch axis; a list is a scan that was written in the wrong place.
    try:
        numbers = np.asarray(value if is_numeric(value) else np.nan, dtype=np.float64)
    except OverflowError:  # an integer of hundreds of digits
        numbers = np.asarray(np.nan)
    inside = np.isfinite(numbers)
    inside &= numbers > low if low_open else numbers >= low
    inside &= numbers < high if high_open else numbers <= high
    if not inside.all():
        expected = _range_text(low, high, low_open, high_open)
        if numbers.ndim:
            place = tuple(int(index) for index in np.argwhere(~inside)[0])
            where = place[0] if len(place) == 1 else list(place)
            text = f"{numbers[place]:g} at {where}, one of {int((~inside).sum()):,} such"
            raise fail(name, expected, text, do, described=True)
        raise fail(name, expected, value, do)


def _range_text(low: float | int, high: float | int, low_open: bool, high_open: bool) -> str:
    if low == -np.inf and high == np.inf:
        return "a finite number"
    parts = []
    if low > -np.inf:
        parts.append(f"{'>' if low_open else '>='} {low:g}")
    if high < np.inf:
        parts.append(f"{'<' if high_open else '<='} {high:g}")
    return "a finite number " + " and ".join(parts)


def check_choice(name: str, value: object, choices: Iterable[str]) -> None:
    """Check that `value` is one of `choices`.

    Raises:
        ValueError: it is none of them; the message names the nearest.
    """
    options = list(choices)
    if value not in options:
        listed = ", ".join(repr(option) for option in options)
        raise fail(name, f"one of {listed}", value, suggest(value, options))


def suggest(word: object, options: Iterable[str]) -> str:
    """Advice that names the option nearest to a misspelled `word`."""
    names, text = list(options), word if isinstance(word, str) else _quoted(word)
    near = difflib.get_close_matches(text, names, n=1, cutoff=0.5)
    return f"did you mean {near[0]!r}?" if near else "choose one of " + ", ".join(names)
