"""Docstrings of the house as griffe and Markdown read them.

What is mended before they are rendered: doctests become listings, names of the package become
links, and configurations (`equinox.Module`) and tuples get the signature that their fields make.
"""

import importlib
import inspect
import logging
import re
import sys
from pathlib import Path
from typing import Any

import equinox as eqx
import griffe

sys.path.insert(0, str(Path(__file__).parent))  # griffe reads this file without its folder

import reference

MOST = 60
"""Longest default that a signature shows as it is."""
LOG = logging.getLogger("mkdocs.hooks.docstrings")


class House(griffe.Extension):
    """Prepares every docstring and signature of the package."""

    def on_package(self, *, pkg: griffe.Module, loader: griffe.GriffeLoader, **_: Any) -> None:
        """Walk the package once it is read."""
        prepare(pkg)


def prepare(parent: griffe.Object) -> None:
    """Mend the docstrings and signatures of an object and of what it holds."""
    if parent.docstring:
        parent.docstring.value = as_markdown(parent.docstring.value)
        check_arguments(parent)
    for child in list(parent.members.values()):
        if isinstance(child, griffe.Alias):
            continue
        if isinstance(child, griffe.Class) and "__init__" not in child.members:
            add_signature(child)
        prepare(child)


def as_markdown(text: str) -> str:
    """A docstring without what Markdown reads otherwise than it is meant."""
    text = re.sub(r"(?m)(^ *|: )>(?= )", r"\1\>", text)  # "> 0" would be a quotation
    text = text.replace("] [", "] \\[")  # of shapes; it would be a link
    return reference.link_names(list_doctests(text))


def check_arguments(found: griffe.Object) -> None:
    """Warn of arguments that are described and do not exist; several may share a description."""
    if not isinstance(found, griffe.Function | griffe.Class) or found.docstring is None:
        return
    known = {parameter.name.lstrip("*") for parameter in found.parameters}
    for section in griffe.parse_google(
        found.docstring, warnings=False, warn_unknown_params=False, warn_missing_types=False
    ):
        if section.kind is griffe.DocstringSectionKind.parameters:
            names = {name for entry in section.value for name in entry.name.split(", ")}
            for name in sorted({name.lstrip("*") for name in names} - known):
                LOG.warning("%s: its docstring describes %s, which it has not", found.path, name)


def list_doctests(text: str) -> str:
    """Doctests as fenced listings; Markdown would take them for quotations."""
    lines, inside = [], False
    for line in [*text.split("\n"), ""]:
        indent = line[: len(line) - len(line.lstrip())]
        if not inside and line.lstrip().startswith(">>>"):
            lines += [""] if lines and lines[-1].strip() else []
            lines.append(f"{indent}```pycon")
            inside, margin = True, indent
        elif inside and not line.strip():
            lines.append(f"{margin}```")
            inside = False
        lines.append(line)
    return "\n".join(lines[:-1])


def add_signature(found: griffe.Class) -> None:
    """Give a class the signature of its fields, where its bases make one of them."""
    cls = importlib.import_module(found.module.path)
    for part in found.path.removeprefix(f"{found.module.path}.").split("."):
        cls = getattr(cls, part, None)
    fields = isinstance(cls, type) and (
        issubclass(cls, eqx.Module) or (issubclass(cls, tuple) and hasattr(cls, "_fields"))
    )
    if not fields:
        return
    parameters = [griffe.Parameter("self", kind=griffe.ParameterKind.positional_or_keyword)]
    kinds = {
        inspect.Parameter.POSITIONAL_OR_KEYWORD: griffe.ParameterKind.positional_or_keyword,
        inspect.Parameter.KEYWORD_ONLY: griffe.ParameterKind.keyword_only,
    }
    for parameter in inspect.signature(cls).parameters.values():
        if parameter.kind not in kinds:
            return
        field = field_of(cls, parameter.name, found)
        parameters.append(
            griffe.Parameter(
                parameter.name,
                kind=kinds[parameter.kind],
                annotation=field.annotation if field else None,
                default=default_of(parameter, field),
            )
        )
    init = griffe.Function("__init__", parameters=griffe.Parameters(*parameters), parent=found)
    found.set_member("__init__", init)


def field_of(cls: type, name: str, found: griffe.Class) -> griffe.Attribute | None:
    """The annotated field of a class or of the nearest base that has it."""
    for base in cls.__mro__:
        path = f"{base.__module__}.{base.__qualname__}.{name}"
        if path.startswith("jaxsup."):
            try:
                member = found.modules_collection[path]
            except KeyError:
                continue
            if isinstance(member, griffe.Attribute):
                return member
    return None


def default_of(parameter: inspect.Parameter, field: griffe.Attribute | None) -> str | None:
    """The default as the source writes it, or as it prints where `eqx.field` hides it."""
    if parameter.default is parameter.empty:
        return None
    if field and field.value is not None and not re.match(r"(eqx\.)?field\(", str(field.value)):
        return str(field.value)
    text = repr(parameter.default)
    return text if len(text) <= MOST and not text.startswith("<") else "..."
