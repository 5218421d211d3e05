"""How results show themselves: a line or a few in the interpreter, a table in a notebook."""

import html
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

_LONGEST = 60  # characters of a text
_FEW = 4  # numbers of a tuple that are written out


class Shown:
    """A result whose text, of a line or a few, is what the interpreter shows.

    In a notebook the numbers of its ``to_dict`` are a table below that text.
    """

    def __repr__(self) -> str:
        return named(self, str(self))

    def _repr_html_(self) -> str:
        numbers = self.to_dict()  # pyright: ignore[reportAttributeAccessIssue]
        return html_text(repr(self)) + html_table(((k, short(v)) for k, v in numbers.items()))


def named(result: object, text: str) -> str:
    """A text with the name of the class before it, on a line of its own where there are several.

    >>> named(1.5, "more than one")
    '<float: more than one>'
    """
    return f"<{type(result).__name__}:{chr(10) if chr(10) in text else ' '}{text}>"


def fields_in_short(self: Any) -> str:
    """One line with every field of a dataclass or named tuple: arrays by their type and shape.

    To be the ``__repr__`` of one.

    >>> import dataclasses, numpy as np
    >>> @dataclasses.dataclass
    ... class Found:
    ...     rank: int
    ...     values: np.ndarray
    ...     __repr__ = fields_in_short
    >>> Found(2, np.zeros((3, 2)))
    Found(rank=2, values=float64[3, 2])
    """
    names = getattr(self, "_fields", None) or getattr(self, "__dataclass_fields__", {})
    fields = ", ".join(f"{name}={short(getattr(self, name))}" for name in names)
    return f"{type(self).__name__}({fields})"


def short(value: Any) -> str:
    """A value in a few characters.

    >>> short(0.1 + 0.2), short((1.0, 2)), short(range(9)), short({"a": 1}), short(None)
    ('0.3', '(1, 2)', '9 entries', '1 entry', 'None')
    """
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, float):
        return f"{value:.6g}"
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return f"{value.dtype}{list(value.shape)}" if value.shape else f"{value!s:.{_LONGEST}}"
    if isinstance(value, str):
        return value if len(value) <= _LONGEST else f"{value[: _LONGEST - 3]}..."
    if isinstance(value, tuple | list) and len(value) <= _FEW and not hasattr(value, "_fields"):
        inside = ", ".join(map(short, value))
        return f"[{inside}]" if isinstance(value, list) else f"({inside})"
    if isinstance(value, Mapping | list | range) or type(value) is tuple:
        return f"{len(value)} entr{'y' if len(value) == 1 else 'ies'}"
    if hasattr(value, "_fields") or hasattr(value, "__dataclass_fields__"):
        return f"{type(value).__name__}(...)"
    return short(" ".join(repr(value).split()))


def html_text(text: str) -> str:
    """Text as it is, in one width."""
    return f"<pre>{html.escape(text)}</pre>"


def html_table(rows: Iterable[Sequence[str]], header: Sequence[str] = ()) -> str:
    """A table of text.

    Arguments:
        rows: cells of each row.
        header: titles of the columns; none for a table of names and values.
    """

    def row(cells: Sequence[str], kind: str) -> str:
        inside = (f'<{kind} style="text-align:left">{html.escape(c)}</{kind}>' for c in cells)
        return f"<tr>{''.join(inside)}</tr>"

    lines = [*([row(header, "th")] if header else []), *(row(cells, "td") for cells in rows)]
    return f"<table>{''.join(lines)}</table>"
