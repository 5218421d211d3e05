"""The notebooks: how they begin, and that the names they use are there. CI's site runs them."""

import ast
import importlib
from pathlib import Path

import pytest

NOTEBOOKS = sorted((Path(__file__).parents[2] / "docs" / "notebooks").glob("*.py"))


def cells(notebook: Path) -> list[tuple[str, str]]:
    """Kind and text of every cell, in the percent format: "markdown", "bash" or "python"."""
    found = []
    for part in notebook.read_text().split("\n# %%")[1:]:
        head, _, body = part.partition("\n")
        kind = "markdown" if "[markdown]" in head else "bash" if "bash" in head else "python"
        found.append((kind, body))
    return found


def prose(body: str) -> list[str]:
    """The lines of a markdown cell."""
    return [line.removeprefix("#").removeprefix(" ") for line in body.strip().splitlines()]


def dotted(node: ast.expr) -> str:
    """`jaxsup.fit.regimes` of an expression that is such a chain of names, or nothing."""
    if isinstance(node, ast.Name):
        return node.id
    inner = dotted(node.value) if isinstance(node, ast.Attribute) else ""
    return f"{inner}.{node.attr}" if inner and isinstance(node, ast.Attribute) else ""


def names_of_the_package(notebook: Path) -> set[str]:
    """All names of jaxsup that the code of a notebook imports or reaches by attributes."""
    found = set()
    for kind, body in cells(notebook):
        if kind != "python":
            continue
        for node in ast.walk(ast.parse(body)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("jaxsup"):
                found |= {f"{node.module}.{alias.name}" for alias in node.names}
            elif isinstance(node, ast.Import):
                found |= {a.name for a in node.names if a.name.startswith("jaxsup")}
            elif isinstance(node, ast.Attribute) and dotted(node).startswith("jaxsup."):
                found.add(dotted(node))
    return found


def test_there_are_four() -> None:
    assert {path.stem for path in NOTEBOOKS} == {"transition", "geometry", "checkpoint", "scan"}


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_begins_with_a_title_what_it_takes_and_an_import(notebook: Path) -> None:
    (first, text), (second, code), *_ = cells(notebook)
    lines = prose(text)
    assert (first, second) == ("markdown", "python")
    written = [line for kind, body in cells(notebook) if kind == "markdown" for line in prose(body)]
    assert [line for line in written if line.startswith("# ")] == [lines[0]]
    assert lines[-1].startswith("*Takes ")
    assert "memory" in lines[-1]
    assert "import jaxsup" in code.splitlines()


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_uses_names_that_are_there_and_public(notebook: Path) -> None:
    names = names_of_the_package(notebook)
    assert names
    assert not [name for name in names if any(part[0] == "_" for part in name.split("."))]
    for name in names:
        value = importlib.import_module("jaxsup")
        for place, part in enumerate(name.split(".")[1:], 2):
            if not hasattr(value, part):
                importlib.import_module(".".join(name.split(".")[:place]))
            value = getattr(value, part)
