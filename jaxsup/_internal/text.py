"""Text that is shown to people: names from outside, and tables."""

import re
from collections.abc import Sequence

# All that moves the cursor, rings, changes colors or the direction of writing; but tabs and ends of
# lines; and halves of characters, which no encoding has. Names of files and of tensors in them may
# hold any of it.
_CONTROL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


def plain_text(text: str) -> str:
    r"""The text with control characters as Python writes them.

    >>> print(plain_text("a\x1b[2Jb\u202e"))
    a\x1b[2Jb\u202e
    """
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def plain_name(text: str) -> str:
    r"""A name on one line: control characters, tabs and ends of lines as Python writes them.

    What is empty, or begins or ends with a blank, is quoted.

    >>> print(plain_name("a\nb"), plain_name(" the"), plain_name(""))
    a\nb ' the' ''
    """
    line = plain_text(text.replace("\t", r"\t").replace("\n", r"\n"))
    return line if line and line == line.strip() else f"'{line}'"


def align_left(rows: Sequence[Sequence[str]]) -> list[str]:
    """A line a row, columns aligned to the left.

    >>> align_left([("A", "cosine"), ("the", "0.9")])
    ['A    cosine', 'the  0.9']
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(map(str.ljust, row, widths)) for row in rows)
    return [line.rstrip() for line in lines]


def without_addresses(text: str) -> str:
    """What Python writes of an object, the same in every process.

    >>> without_addresses("<function f at 0x7f4501852200>")
    '<function f>'
    """
    return re.sub(r" at 0x[0-9a-f]+", "", text)
