"""The form of every error message, for all test files."""

import re
from collections.abc import Callable

import pytest

FORM = re.compile(r"expected .+; got .+; (?P<advice>.+)")


def assert_error_form(message: str) -> None:
    """The message reads "what: expected ...; got ...; advice", on one line."""
    assert "\n" not in message, f"expected one line; got {message!r}"
    form = FORM.search(message)
    assert form, f"expected 'expected ...; got ...; advice'; got {message!r}"
    # "do ..." stands for an imperative in the pattern and is none itself.
    assert not form["advice"].startswith("do "), f"expected an imperative; got {message!r}"


def assert_one_line_error(
    make: Callable[[], object], match: str, kind: type[Exception] = ValueError
) -> None:
    """The call raises an error whose message has the form and is the right one.

    Arguments:
        make: called without arguments.
        match: regular expression, searched for in the message.
        kind: type of the error, or one that it derives from.
    """
    with pytest.raises(kind, match=match) as caught:
        make()
    assert_error_form(str(caught.value))


untyped = pytest.mark.untyped
"""Marks tests of arguments whose types are wrong: users have no type checker."""
