"""Whether figures from outside of the package are figures, and give what is written."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from jaxsup._internal.validation import fail
from jaxsup.reproduce.figure import AbstractFigure, AbstractWeightsFigure, Findings

_NAME = re.compile(r"\w[\w.-]*")


def check_figure(figure: Any) -> None:
    """Check that it is a figure, by whose name files can be called.

    Raises:
        ValueError: it is something else, or has no such name, or no scales.
    """
    if not isinstance(figure, AbstractFigure | AbstractWeightsFigure):
        advice = "pass a name of `jaxsup list figures`, or an instance of a class of your own"
        raise fail("figure", "a figure", figure, advice)
    name, scales = getattr(figure, "name", None), getattr(figure, "scales", None)
    kind = type(figure).__name__
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        advice = "write name = 'my-figure' in the class"
        raise fail(f"{kind}.name", "a word that files are called by", name, advice)
    if not isinstance(getattr(figure, "title", None), str):
        raise fail(f"{kind}.title", "a text", None, "write title = '...' in the class")
    if not isinstance(scales, Mapping):
        advice = "write scales = {'smoke': ...} in the class"
        raise fail(f"{kind}.scales", "values by name", scales, advice)


def check_findings(name: str, findings: Any) -> None:
    """Check that it is findings, with lines of text.

    Raises:
        ValueError: it is something else.
    """
    advice = "return jaxsup.reproduce.Findings(records, text, figure, claims)"
    if not isinstance(findings, Findings):
        text = f"a {type(findings).__name__}"
        raise fail(f"figure {name}", "Findings of what was measured", text, advice, described=True)
    if isinstance(findings.text, str) or not all(isinstance(line, str) for line in findings.text):
        raise fail(f"figure {name}", "a list of lines in text", findings.text, "write [...]")


def to_json(name: str, value: Any) -> Any:
    """Records as JSON holds them: arrays as lists, and None for what is not finite.

    Raises:
        ValueError: there is something else among them.
    """
    if isinstance(value, Mapping):
        return {str(key): to_json(name, item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(name, item) for item in value]
    if isinstance(value, jax.Array | np.ndarray | np.generic):
        return to_json(name, np.asarray(value).tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise fail(f"figure {name}", "records of numbers and texts", value, "write what JSON holds")
