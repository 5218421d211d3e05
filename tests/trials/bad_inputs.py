"""Wrong values for every field that a table can name, extreme numbers, and files that are no TOML.

Each is refused in one line of the form of all messages, or accepted because it is right: then a
network of it is trained, and has a loss at every step unless its status says that it diverged.
"""

import dataclasses
import datetime
import functools
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
from helpers import FORM
from trials.outcome import Outcome

import jaxsup
from jaxsup.experiment.tables import SECTIONS
from jaxsup.sweep.tables import read_sweep, sweep_from_tables

# Longest time in seconds that a refusal may take, on a machine that does other things too.
_QUICK = 20.0
_SMALL: dict[str, Any] = {
    "batch_size": 4,
    "steps": 3,
    "features": {"kind": "gaussian", "count": 4, "exponent": 1.0},
    "teacher": {"kind": "diagonal", "exponent": 0.0},
    "student": {"latent": 2},
    "optimizer": {"kind": "sgd", "learning_rate": 0.1},
    "record": {"points": 2, "evaluation_samples": 8},
}
# What each class needs beside the field that is tried.
_NEEDED: dict[str, dict[str, Any]] = {
    "power-law": {"count": 4, "exponent": 1.0},
    "gaussian": {"count": 4, "exponent": 1.0},
    "correlated": {"covariance": np.eye(4).tolist()},
    "sparse": {"probabilities": [0.5, 0.25, 0.5, 0.25]},
    "one-active": {"count": 4},
    "grouped": {"count": 4, "size": 2, "relation": "correlated", "probability": 0.2},
    "hierarchical": {
        "probability": 0.5,
        "conditional": 0.5,
        "branching": 1,
        "depth": 1,
        "trees": 2,
    },
    "diagonal": {"exponent": 0.0},
    "matrix": {"matrix": np.eye(4).tolist()},
    "elementwise": {"function": "abs"},
    "student": {"latent": 2},
    "hidden-layer": {"latent": 2},
    "sgd": {"learning_rate": 0.1},
    "adam": {"learning_rate": 0.1},
    "adamw": {"learning_rate": 0.1, "weight_decay": 0.1},
    "norm-adamw": {"learning_rate": 0.1, "weight_decay": 0.1},
    "record": {"points": 2, "evaluation_samples": 8},
}
# By the type that is right, values of other types.
_WRONG: dict[type, list[Any]] = {
    bool: ["false", "no", 0, 1, 0.5, [], [True], {}],
    int: ["8", 1.5, True, [4], [], {}, "many", 10**30, datetime.date(2026, 1, 1)],
    float: ["0.5", True, False, [0.5], [[0.5]], [], {}, "x", datetime.date(2026, 1, 1)],
    str: [True, 3, 0.5, ["relu"], [], "no such name"],
    tuple: [3, "loss", [True], [1.5], [[1]], {"a": 1}, [2, 1]],
    list: ["x", {}, ["a"], [1.0, 2.0], [[1.0], [1.0, 2.0]], 10**400, True],
}
# Of numbers: beyond float32, beyond a word, and those at the edge of both that are right.
_EXTREME = [10**400, 10**5000, 10**30, 2**31, -(2**31), 1e300, -1e300, 1e39, -1e39, -50, 50, 1e-300]
_EXTREME += [3e38, -3e38, -1e30, 0, -0.0, float("nan"), float("inf"), 2**31 - 1, -13.0, 1e-38]


def trials(folder: Path, count: int, seed: int) -> Iterator[Outcome]:
    """Try `count` values of a wrong type, extreme numbers, malformed files and bad sweeps."""
    random = np.random.default_rng([seed, 15])
    fields = list(fields_of_tables())
    for _ in range(count):
        section, kind, field, right = fields[random.integers(len(fields))]
        value = _drawn(random, _WRONG[right])
        yield _tried(
            "a value of a wrong type in a table",
            f"{section} {kind}: {field} = {_short(value)}",
            functools.partial(sweep_from_tables, table_with(section, kind, {field: value})),
            refused=True,
        )
    numbers = [entry for entry in fields if entry[3] in (int, float)]
    for _ in range(count):
        section, kind, field, _ = numbers[random.integers(len(numbers))]
        value = _drawn(random, _EXTREME)
        yield _tried(
            "an extreme number in a table",
            f"{section} {kind}: {field} = {_short(value)}",
            functools.partial(sweep_from_tables, table_with(section, kind, {field: value})),
        )
    for case in range(count):
        content, what = _malformed(random)
        file = folder / f"{case}.toml"
        file.write_bytes(content)
        yield _tried(
            "a malformed TOML file", what, functools.partial(read_sweep, file), refused=True
        )
    for _ in range(count):
        what, changes = _bad_sweep(random)
        yield _tried(
            "a sweep too large, or with axes that cannot be",
            what,
            functools.partial(sweep_from_tables, {**_SMALL, **changes}),
            refused=True,
        )


def fields_of_tables() -> Iterator[tuple[str, str, str, type]]:
    """Section, kind, name and type of every field that a table can hold."""
    names: dict[type, set[str]] = {
        bool: {"normalize", "core", "bias", "hidden_bias"},
        int: {"count", "latent", "points", "evaluation_samples", "batch_size", "steps"},
        str: {"values", "embedding", "activation", "hidden_activation", "function", "spacing"},
        tuple: {"observables", "parameter_steps"},
        list: {"covariance", "matrix", "probabilities", "parents"},
    }
    names[int] |= {"size", "branching", "depth", "trees"}
    names[str] |= {"relation"}
    experiment = ("gradient", "reduction", "sampling", "precision")
    names[str] |= set(experiment)
    types = {name: kind for kind, some in names.items() for name in some}
    for field in ("batch_size", "steps", *experiment, "importance"):
        yield "", "experiment", field, types.get(field, float)
    for section in ("features", "teacher", "student", "optimizer", "record"):
        for kind, owner in SECTIONS[section].items():
            for name in (f.name for f in dataclasses.fields(owner) if f.init):  # pyright: ignore[reportArgumentType]
                right = tuple if kind == "record" and name == "steps" else types.get(name, float)
                if name != "schedule":
                    yield section, kind, name, right


def table_with(section: str, kind: str, changes: dict[str, Any]) -> dict[str, Any]:
    """The tables of a small experiment, with a class in a section and other values of fields.

    Arguments:
        section: such as ``"optimizer"``; "" for the experiment itself.
        kind: of the section.
        changes: values by field.
    """
    if not section:
        return {**_SMALL, **changes}
    name = {} if section == "record" else {"kind": kind}
    return {**_SMALL, section: {**name, **_NEEDED[kind], **changes}}


def _drawn(random: np.random.Generator, values: list[Any]) -> Any:
    return values[random.integers(len(values))]


def _short(value: Any) -> str:
    large = isinstance(value, int) and abs(value) > 10**30
    return f"an integer of {value.bit_length()} bits" if large else repr(value)


def _malformed(random: np.random.Generator) -> tuple[bytes, str]:
    """A file that is no TOML of a sweep, and what is wrong with it."""
    good = _text()
    place = int(random.integers(1, len(good)))
    deep = int(10 ** random.uniform(3.5, 5))
    digits = int(10 ** random.uniform(3.7, 4.5))
    cases = {
        "UTF-16": good.encode("utf-16"),
        "no UTF-8": good.encode() + bytes([0xE4, 0x0A]),
        "a zero byte": good[:place].encode() + b"\0" + good[place:].encode(),
        f"lists {deep} deep": f"x = {'[' * deep}\n{good}".encode(),
        f"tables {deep} deep": f"x = {'{a=' * deep}\n{good}".encode(),
        f"an integer of {digits} digits": f"x = {'9' * digits}\n{good}".encode(),
        f"a bracket at {place}": f"{good[:place]}]{good[place:]}".encode(),
        "the steps twice": f"steps = 4\n{good}".encode(),
        "a date": good.replace("steps = 3", "steps = 2026-11-26").encode(),
        "a huge float": good.replace("steps = 3", "steps = 1e400").encode(),
        "a misspelt key": good.replace("steps", "stps").encode(),
        "nothing": b"",
    }
    what = list(cases)[random.integers(len(cases))]
    return cases[what], what


def _text() -> str:
    lines = [f"{key} = {value}" for key, value in _SMALL.items() if not isinstance(value, dict)]
    for section, entries in _SMALL.items():
        if isinstance(entries, dict):
            lines += [f"[{section}]"]
            lines += [
                f'{key} = "{value}"' if isinstance(value, str) else f"{key} = {value}"
                for key, value in entries.items()
            ]
    return "\n".join(lines) + "\n"


def _bad_sweep(random: np.random.Generator) -> tuple[str, dict[str, Any]]:
    """What is wrong with a sweep's axes or seeds, and its tables."""
    size = int(10 ** random.uniform(8.1, 30))
    name = _drawn(random, ["seed", "step", "loss", "status", "key_data", "a/b", ""])
    long = np.linspace(0.1, 1, 1000).tolist()
    fields = ("features.exponent", "teacher.exponent", "optimizer.learning_rate")
    cases: dict[str, dict[str, Any]] = {
        f"{size} seeds": {"seeds": size},
        "seeds of truth values": {"seeds": [True, False]},
        "seeds as text": {"seeds": ["1", "2"]},
        "three axes of 1,000": {"axes": dict.fromkeys(fields, long)},
        "10^6 settings of 10^3 seeds": {"axes": dict.fromkeys(fields[:2], long), "seeds": 1000},
        "20,000 sizes": {"axes": {"steps": list(range(1, 20001))}},
        f"an axis named {name!r}": {"axes": {name: {"features.exponent": [1.0, 2.0]}}},
        "one bad value of 10,000": {"axes": {fields[2]: [*long * 10, -1.0]}},
        "text among numbers": {"axes": {fields[0]: [1.0, "2.0"]}},
        "truth values for numbers": {"axes": {fields[0]: [True, False]}},
        "lists for numbers": {"axes": {fields[0]: [[1.0], [2.0]]}},
    }
    what = list(cases)[random.integers(len(cases))]
    return what, cases[what]


def _tried(
    kind: str, case: str, make: Callable[[], jaxsup.Sweep], *, refused: bool = False
) -> Outcome:
    """What came of one bad input.

    Arguments:
        kind, case: what was tried.
        make: builds the sweep.
        refused: whether it must be; else it may be accepted, and then has to train.
    """
    began = time.perf_counter()
    try:
        sweep = make()
    except ValueError as error:
        held = "\n" not in str(error) and FORM.search(str(error)) is not None
        quick = time.perf_counter() - began < _QUICK
        return Outcome(kind, case, held and quick, str(error))
    except Exception as error:
        return Outcome(kind, case, False, f"{type(error).__name__}: {error}")
    if refused:
        return Outcome(kind, case, False, "accepted")
    if sweep.experiment.steps > 1000 or sweep.experiment.batch_size > 10**6:
        return Outcome(kind, case, True, "accepted, too large to be trained here")
    return Outcome(kind, case, *_trained(sweep.experiment))


def _trained(experiment: jaxsup.Experiment) -> tuple[bool, str]:
    """Whether the run has losses, or its status tells that it diverged."""
    run = jaxsup.simulate(experiment, jax.random.key(0))
    told = int(run.status) != 0 or not bool(np.isnan(run.loss).any())
    return told, f"trained, loss {float(run.loss[-1]):g}, status {int(run.status)}"
