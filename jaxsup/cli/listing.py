"""What a configuration can name, and what can be set: read from the classes themselves."""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
import typing
from collections.abc import Callable, Mapping
from typing import Any

from jaxsup.reproduce.registry import figure_titles


@dataclasses.dataclass(frozen=True)
class Setting:
    """An argument of a class, a key in TOML.

    Attributes:
        name: its key.
        type: what it may be, in words.
        required: whether it has no default.
        default: as TOML or JSON would have it; None where it has none, and where the default is to
            leave it out.
        description: what it is.
    """

    name: str
    type: str
    required: bool
    default: Any
    description: str


@dataclasses.dataclass(frozen=True)
class Item:
    """Something that a configuration can name.

    Attributes:
        name: of it.
        description: what it is, in one line.
        settings: what can be set of it.
        dims: dimensions of an observable beside the step; None for others.
        units: of an observable; None for others.
    """

    name: str
    description: str
    settings: tuple[Setting, ...] = ()
    dims: tuple[str, ...] | None = None
    units: str | None = None


def _classes(section: str) -> Callable[[], list[Item]]:
    def items() -> list[Item]:
        from jaxsup.experiment.tables import SECTIONS

        return [
            Item(name, _docstring(kind)[0], tuple(settings_of(kind)))
            for name, kind in SECTIONS[section].items()
        ]

    return items


def _observables() -> list[Item]:
    from jaxsup.training.observables import OBSERVABLES

    return [
        Item(name, observable.long_name, dims=observable.dims, units=observable.units)
        for name, observable in OBSERVABLES.items()
    ]


def _figures() -> list[Item]:
    return [Item(name, title) for name, title in figure_titles().items()]


def _aliases() -> list[Item]:
    from jaxsup._internal.aliases import ALIASES

    return [Item(alias, f"stands for {name}") for alias, name in ALIASES.items()]


def _experiment() -> list[Item]:
    from jaxsup.experiment.experiment import Experiment

    return [Item("experiment", _docstring(Experiment)[0], tuple(settings_of(Experiment)))]


SECTIONS: dict[str, Callable[[], list[Item]]] = {
    "experiment": _experiment,
    "features": _classes("features"),
    "teachers": _classes("teacher"),
    "students": _classes("student"),
    "activations": _classes("activation"),
    "optimizers": _classes("optimizer"),
    "schedules": _classes("schedule"),
    "record": _classes("record"),
    "observables": _observables,
    "figures": _figures,
    "aliases": _aliases,
}
"""What can be listed, by name."""


def settings_of(kind: type[Any]) -> list[Setting]:
    """The arguments of a configuration class, in their order."""
    from jaxsup.experiment.tables import to_table

    descriptions, hints = _docstring(kind)[1], typing.get_type_hints(kind.__init__)
    settings = []
    for parameter in inspect.signature(kind).parameters.values():
        required = parameter.default is parameter.empty
        default = None if required else to_table(parameter.default)
        words, described = type_words(hints[parameter.name]), descriptions.get(parameter.name, "")
        settings.append(Setting(parameter.name, words, required, default, described))
    return settings


def type_words(hint: Any) -> str:
    """What a value of this type is in TOML.

    >>> type_words(int), type_words(float | int | None), type_words(str)
    ('integer', 'number', 'text')
    """
    from jaxsup.experiment.configuration import members_of

    members = [member for member in members_of(hint) if member is not type(None)]
    if complex in members:  # anything that an array is made of
        return "list of numbers"
    if float in members:
        return "number"
    simple = {int: "integer", bool: "true or false", str: "text"}
    words = [simple[member] for member in members if member in simple]
    modules = [m for m in members if isinstance(m, type) and hasattr(m, "section")]
    return " or ".join([*words, *(["table"] if modules else [])]) or "list"


def _docstring(kind: type[Any]) -> tuple[str, dict[str, str]]:
    """First line of a class's docstring, and what it says of each argument."""
    text = inspect.cleandoc(kind.__doc__ or "")
    section = re.search(r"^Arguments:\n((?:[ ]+.*\n?|\n)*)", text, re.M)
    entries = re.findall(
        r"^ {4}(\w[\w, ]*): (.*(?:\n {5,}.*)*)", section[1] if section else "", re.M
    )
    described = {
        name: " ".join(words.split()).replace("``", "")
        for names, words in entries
        for name in names.split(", ")
    }
    return text.partition("\n")[0].replace("``", ""), described


def as_table(item: Item) -> dict[str, Any]:
    """An item for programs: what does not apply to it is left out."""
    table = {k: v for k, v in dataclasses.asdict(item).items() if v not in (None, ())}
    for setting in table.get("settings", ()):
        if setting["required"]:
            del setting["default"]
    return table


def format_items(items: Mapping[str, list[Item]]) -> str:
    """Items by section for people, each with what can be set."""
    return "\n\n".join(
        "\n".join([section, *(line for item in some for line in _lines(item))])
        for section, some in items.items()
    )


def _lines(item: Item) -> list[str]:
    """An item, and a line a setting."""
    if item.dims is not None:
        dims = ", ".join(item.dims)
        return [f"  {item.name}{f' [{dims}]' if dims else ''}: {item.description} ({item.units})"]
    return [f"  {item.name}: {item.description}", *map(_setting_line, item.settings)]


def _setting_line(setting: Setting) -> str:
    default = "left out" if setting.default is None else json.dumps(setting.default)
    value = "required" if setting.required else f"default: {default}"
    return f"    {setting.name}: {setting.type}, {value}. {setting.description}".rstrip()
