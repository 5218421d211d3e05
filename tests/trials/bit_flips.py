"""Damage of every kind of file of a small store, as disks, copies and editors make it.

A fault is survived if it is named or changes no number that is read, and if going on with the
sweep gives the bits of the whole store again.
"""

import contextlib
import json
import logging
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import xarray as xr
from trials.outcome import Outcome

import jaxsup
from jaxsup.sweep.callbacks import Stopped
from jaxsup.sweep.store.read import open_store, take_inventory
from jaxsup.sweep.store.root import PLANNING

CHUNK = "loss/c/0/1/0"
RECORD = "journal/0.1/zarr.json"
FILES = {
    "a coordinate's chunk": ("step/c/0", "seed/c/0", "optimizer.learning_rate/c/0"),
    "a coordinate's metadata": ("step/zarr.json", "optimizer.learning_rate/zarr.json"),
    "a variable's chunk": (CHUNK, "status/c/0/1", "complete/c/0/1", "embedding/c/0/1/0/0/0"),
    "a variable's metadata": ("loss/zarr.json", "complete/zarr.json"),
    "the root": ("zarr.json",),
    "the manifest": ("journal/zarr.json",),
    "a record": (RECORD,),
    "a checkpoint": ("journal/unfinished.0.1.safetensors",),
}
EDITED = {"the root": "zarr.json", "the manifest": "journal/zarr.json", "a record": RECORD}

Damaging = Callable[[Path, random.Random], str]


def trials(folder: Path, count: int, seed: int) -> Iterator[Outcome]:
    """Try `count` cases of each kind, drawn by `seed`, with `folder` to write in."""
    whole, stopped = _stores(folder)
    expected = xr.open_zarr(whole).load()
    draws = random.Random(seed)
    for kind, damaging in kinds().items():
        source = stopped if "checkpoint" in kind else whole
        for _ in range(count):
            store = folder / "damaged"
            shutil.rmtree(store, ignore_errors=True)
            shutil.copytree(source, store)
            case = damaging(store, draws)
            held, got = _come_through(store, expected, finished=source is whole)
            yield Outcome(kind, case, held, got)


def kinds() -> dict[str, Damaging]:
    """What is done, by the kind of fault."""
    flips = {f"one bit of {kind} flipped": _changing(names, _flip) for kind, names in FILES.items()}
    others = {
        f"{kind} truncated, deleted or zeroed": _changing(names, _spoil)
        for kind, names in FILES.items()
    }
    edits = {f"one value of {kind} edited": _editing(name) for kind, name in EDITED.items()}
    swaps = {"two chunks swapped": _swap, "a record copied over another": _copy_record}
    return {**flips, **others, **edits, **swaps}


def _sweep() -> jaxsup.Sweep:
    """Nine linear networks of two features directions: cheap to compile."""
    experiment = jaxsup.Experiment(
        jaxsup.GaussianFeatures(6, 1.1),
        jaxsup.DiagonalTeacher(0.5),
        jaxsup.Student(2, core_scale=0.3, activation="identity"),
        jaxsup.SGD(0.2),
        steps=8,
        gradient="exact",
        record=jaxsup.Record(points=4, parameter_steps=(8,)),
    )
    return jaxsup.Sweep(experiment, {"optimizer.learning_rate": [0.1, 0.2, 0.3]}, 3)


def _run(store: Path, **options: Any) -> None:
    jaxsup.run(_sweep(), store, devices=jax.local_devices()[:1], chunk=3, **options)


def _stores(folder: Path) -> tuple[Path, Path]:
    """A finished store, and one with a part on its way."""
    whole, stopped = folder / "whole", folder / "stopped"
    _run(whole)
    asked = iter([False] * 6)  # the first part has four segments
    with contextlib.suppress(Stopped):
        _run(stopped, stop=lambda: next(asked, True))
    assert (stopped / FILES["a checkpoint"][0]).exists()
    return whole, stopped


def _come_through(store: Path, expected: xr.Dataset, *, finished: bool) -> tuple[bool, str]:
    """Whether a damaged store tells so, or tells the right numbers, and is whole after resuming."""
    with _warnings() as warnings:
        said = _read(store, expected, warnings) if finished else "not read"
        named = bool(_inventory(store)) if finished else False
        right = said in ("right", "not read") or said.startswith("named")
        try:
            _run(store, resume=True)
            after = _compare(open_store(store), expected)
            left = _inventory(store)
        except Exception as error:
            return False, f"{said}; resume: {type(error).__name__}: {error}"
    if not right and not named:
        return False, f"silent: {said}"
    return after is None and not left, f"{said}; resumed: {after or left or 'the same bits'}"


def _read(store: Path, expected: xr.Dataset, warnings: list[str]) -> str:
    try:
        dataset = open_store(store).load()
    except (ValueError, OSError) as error:
        one_line = "\n" not in str(error) and "; got " in str(error)
        return f"named: {error}" if one_line else f"unclear: {error}"
    different = _compare(dataset, expected)
    if different is None:
        return "right"
    return f"named: {warnings}" if warnings else f"{different} differs"


def _inventory(store: Path) -> list[str]:
    """What `info` names; a refusal in a line counts, any other error is raised."""
    try:
        inventory = take_inventory(store)
    except ValueError as error:
        return [str(error)]
    return [str(damage) for damage in [*inventory.damages, *inventory.unread]]


def _compare(dataset: xr.Dataset, expected: xr.Dataset) -> str | None:
    """The name of what differs: an array by any bit, or an attribute but for the time it took."""
    for name in expected.variables:
        if name not in dataset.variables:
            return str(name)
        if dataset[name].values.tobytes() != expected[name].values.tobytes():
            return str(name)
    names = expected.attrs.keys() - {"seconds"} - PLANNING
    return next((n for n in names if dataset.attrs.get(n) != expected.attrs[n]), None)


@contextlib.contextmanager
def _warnings() -> Iterator[list[str]]:
    """What is logged meanwhile."""
    lines: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: lines.append(record.getMessage())
    log = logging.getLogger("jaxsup")
    propagates, log.propagate = log.propagate, False
    log.addHandler(handler)
    try:
        yield lines
    finally:
        log.removeHandler(handler)
        log.propagate = propagates


def _changing(
    names: tuple[str, ...], change: Callable[[bytes, random.Random], tuple[str, bytes | None]]
) -> Damaging:
    def damage(store: Path, draws: random.Random) -> str:
        name = draws.choice(names)
        case, data = change((store / name).read_bytes(), draws)
        (store / name).unlink() if data is None else (store / name).write_bytes(data)
        return f"{name}: {case}"

    return damage


def _flip(data: bytes, draws: random.Random) -> tuple[str, bytes]:
    bit = draws.randrange(8 * len(data))
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return f"bit {bit}", bytes(changed)


def _spoil(data: bytes, draws: random.Random) -> tuple[str, bytes | None]:
    length = draws.randrange(len(data))
    cases = [("deleted", None), ("zeroed", bytes(len(data)))]
    cases += [(f"cut to {length} bytes", data[:length])] * 2
    return draws.choice(cases)


def _editing(name: str) -> Damaging:
    """One value of a JSON file replaced; values that are JSON themselves are gone into."""

    def damage(store: Path, draws: random.Random) -> str:
        document = json.loads((store / name).read_text())
        owner, key, path = document, None, name
        while True:
            keys = list(owner) if isinstance(owner, dict) else range(len(owner))
            key = draws.choice(keys)
            path += f" > {key}"
            if not isinstance(owner[key], dict | list) or not owner[key]:
                break
            owner = owner[key]
        owner[key], before = _other(owner[key], draws), owner[key]
        (store / name).write_text(json.dumps(document, indent=1))
        return f"{path}: {str(before)[:40]} becomes {str(owner[key])[:40]}"

    return damage


def _other(value: Any, draws: random.Random) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return draws.choice([value + 1, -value - 1, str(value), None])
    if isinstance(value, str) and any(letter.isdigit() for letter in value):
        place = draws.choice([i for i, letter in enumerate(value) if letter.isdigit()])
        return value[:place] + str((int(value[place]) + 1) % 10) + value[place + 1 :]
    return draws.choice(["other", 7, ["other"], {"other": 1}])


def _swap(store: Path, draws: random.Random) -> str:
    name = draws.choice(["loss/c/0/{}/0", "status/c/0/{}", "embedding/c/0/{}/0/0/0"])
    first, second = draws.sample(range(3), 2)
    one, other = store / name.format(first), store / name.format(second)
    data = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(data)
    return f"{name}: {first} and {second}"


def _copy_record(store: Path, draws: random.Random) -> str:
    first, second = draws.sample(range(3), 2)
    shutil.copy(store / f"journal/0.{first}/zarr.json", store / f"journal/0.{second}/zarr.json")
    lost = store / f"loss/c/0/{second}/0"
    if draws.random() < 0.5:
        lost.unlink()
    return f"the record of 0.{first} over that of 0.{second}, {lost.name} there: {lost.exists()}"
