"""Dotted names of the package in prose, as `jaxsup.fit.regimes`, are there."""

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
NAME = re.compile(r"`(jaxsup(?:\.[A-Za-z_]\w*)+)[`(\[]")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
PAGES += sorted((ROOT / "docs").rglob("*.py"))


def docstrings(source: Path) -> Iterator[str]:
    """All of a file, also those of attributes."""
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            yield str(node.value.value)


def is_there(name: str) -> bool:
    """Whether a path leads to a module, or to what one of them has, through its attributes."""
    owner = importlib.import_module("jaxsup")
    for place, part in enumerate(name.split(".")[1:], 2):
        try:
            owner = getattr(owner, part)
        except AttributeError:
            # A field without a default is no attribute of its class.
            if part in getattr(owner, "__dataclass_fields__", {}):
                return True
            try:
                owner = importlib.import_module(".".join(name.split(".")[:place]))
            except ImportError:
                return False
    return True


def missing(texts: dict[str, str]) -> list[str]:
    """The names that lead nowhere, each with its place."""
    found = {(place, name) for place, text in texts.items() for name in NAME.findall(text)}
    assert found
    return [f"{place}: {name}" for place, name in sorted(found) if not is_there(name)]


def test_names_of_the_pages_are_there() -> None:
    assert not missing({str(page.relative_to(ROOT)): page.read_text() for page in PAGES})


def test_names_in_docstrings_are_there() -> None:
    sources = sorted((ROOT / "jaxsup").rglob("*.py"))
    assert not missing({str(s.relative_to(ROOT)): "\n".join(docstrings(s)) for s in sources})


def test_a_name_that_is_not_there_is_found() -> None:
    text = "`jaxsup.fit.regimes(...)` `jaxsup.fit.Refusal` `jaxsup.none` `jaxsup.SGD.learning_rate`"
    assert missing({"page": text}) == ["page: jaxsup.fit.Refusal", "page: jaxsup.none"]
