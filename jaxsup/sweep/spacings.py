"""Values of an axis by a rule, as TOML writes it: ``{logspace = [-3, 0, 7]}`` and its like."""

import difflib
import operator
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from jaxsup._internal.validation import (
    check_number,
    check_positive_integer,
    fail,
    is_integer,
    suggest,
)
from jaxsup.sweep.axes import MOST_SETTINGS

SPACINGS: dict[str, Callable[..., np.ndarray]] = {
    "linspace": np.linspace,
    "logspace": np.logspace,
    "geomspace": np.geomspace,
    "range": np.arange,
}
"""The rules by name; the last is of integers, as Python's `range`."""

# A key at least so near to a rule's name is a rule that was misspelled.
_NEAR = 0.6


def is_spacing(table: Mapping[str, Any]) -> bool:
    """Whether a table is meant as a rule, right or wrong, and not as fields of a joint axis.

    >>> is_spacing({"linspace": [0, 1, 3]}), is_spacing({"linspcae": [0, 1, 3]})
    (True, True)
    >>> is_spacing({"features.exponent": [1.0, 2.0]})
    False
    """
    return any(key in SPACINGS for key in table) or (
        len(table) == 1 and bool(difflib.get_close_matches(next(iter(table)), SPACINGS, 1, _NEAR))
    )


def spaced_values(name: str, table: Mapping[str, Any]) -> list[float] | list[int]:
    """The values that a rule stands for.

    Arguments:
        name: of what has them, for messages.
        table: one rule: ``linspace`` or ``geomspace`` with [start, stop, count], ``logspace`` with
            [start exponent, stop exponent, count] to base 10, these as numpy has them, ends
            included; ``range`` with [start, stop] or [start, stop, step], integers, `stop` left
            out.

    Raises:
        ValueError: it is no rule, or gives no values, or too many.

    >>> spaced_values("axes.steps", {"range": [8, 32, 8]})
    [8, 16, 24]
    """
    for key in table:
        if key not in SPACINGS:
            listed = "one of " + ", ".join(SPACINGS)
            raise fail(name, f"a list of values, or {listed}", key, suggest(key, SPACINGS))
    if len(table) != 1:
        text = "a table with " + (" and ".join(table) or "no key")
        raise fail(name, "one rule for the values", text, "keep one key", described=True)
    rule, numbers = next(iter(table.items()))
    if rule == "range":
        return _integers(name, numbers)
    start, stop, count = _bounds(name, rule, numbers)
    with np.errstate(all="ignore"):
        values = SPACINGS[rule](start, stop, count)
    if not np.isfinite(values).all():
        raise fail(f"{name}.{rule}", "finite values", numbers, "choose nearer ends")
    return values.tolist()


def _bounds(name: str, rule: str, numbers: Any) -> tuple[float, float, int]:
    """Start, stop and count."""
    path = f"{name}.{rule}"
    if not isinstance(numbers, list) or len(numbers) != 3:
        example = "[-3, 0, 7]" if rule == "logspace" else "[1, 2, 11]"
        raise fail(path, "[start, stop, count]", numbers, f"write {rule} = {example}")
    start, stop, count = numbers
    for number in (start, stop):
        if rule == "geomspace":
            advice = "take linspace for ends of 0 or below"
            check_number(path, number, advice, low=0, low_open=True)
        else:
            check_number(path, number, "give numbers as start and stop")
    check_positive_integer(path, count, "give the number of values last", most=MOST_SETTINGS)
    return float(start), float(stop), count


def _integers(name: str, numbers: Any) -> list[int]:
    """The integers of a `range`."""
    path = f"{name}.range"
    whole = isinstance(numbers, list) and all(is_integer(number) for number in numbers)
    if not whole or len(numbers) not in (2, 3):
        expected = "[start, stop] or [start, stop, step], whole numbers"
        raise fail(path, expected, numbers, "write range = [1, 11], or linspace for others")
    start, stop, step = (*numbers, 1)[:3]
    if step == 0:
        raise fail(path, "a step other than 0", numbers, "leave the step out for 1")
    # len(range(...)) has at most 63 bits.
    count = max(0, -operator.floordiv(start - stop, step))
    if not 1 <= count <= MOST_SETTINGS:
        expected = f"1 to {MOST_SETTINGS} values"
        text = f"{numbers}, which holds {count if count < 10**12 else 'over 10^12'}"
        advice = "mind that stop is left out, and that a step below 0 counts down"
        raise fail(path, expected, text, advice, described=True)
    return list(range(start, stop, step))
