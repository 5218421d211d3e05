"""Records that trainers write, as columns: JSON, JSON lines, printed dictionaries, key=value lines.

Nothing is evaluated: JSON is parsed by Python's parser, whose depth is bounded, and all other lines
are searched for names with a number behind them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from jaxtyping import Shaped

from jaxsup._internal.validation import fail
from jaxsup.fit.tables.columns import STEP_NAMES, Table, is_empty, last_word

_EPOCH = "epoch"
_MOST_CELLS = 5 * 10**7
_DEEPEST = 4  # objects within objects of a record that are looked into
_LONGEST = 10_000  # characters of a line that are searched
_LEVELS = re.compile(r"^(?:debug|info|warn|warning|error)\s+", re.IGNORECASE)
# A name of up to four words, ":", "=" or blanks, and a number that ends there: no unit, no percent,
# no time of day, no date. Counts may be bounded, "step 250/1000", and grouped, "step 1,000".
_WORD = r"(?!(?:nan|inf|infinity)\b)[^\W\d][\w./\-]*+"
_PAIR = re.compile(
    rf"""(?<![\w.\-/])
    (?P<name>{_WORD}(?:[ ]{_WORD}){{0,3}})
    (?:['"]?[ \t]{{0,16}}[:=][ \t]{{0,16}}['"]?|[ \t]{{1,16}})
    (?P<value>[-+]?
        (?:\d{{1,3}}(?:,\d{{3}})+(?:\.\d*)?|(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?|nan|inf(?:inity)?))
    (?![\w%]|[.,:\-]\d)
    """,
    re.VERBOSE | re.IGNORECASE,
)
Record = dict[str, Any]


def read_json(source: str, text: str, step: str | None, by: str | None) -> Table:
    """Columns of a JSON file: a dictionary of lists, a list of dictionaries, or a trainer's state.

    Arguments:
        source: what errors call the file.
        text: its content: one value, or one a line.
        step: column of the steps, None for that of the usual name.
        by: column that tells runs apart.

    Raises:
        ValueError: it is no JSON or holds something else.
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        if isinstance(parse_json(text.strip().partition("\n")[0]), dict):  # a value a line
            return read_log(source, text, step, by)
        do = "save it again, or name it .log where it is a log"
        raise fail(source, "JSON", f"none ({error})", do, described=True) from None
    return table_of_json(source, value, step)


def table_of_json(source: str, value: Any, step: str | None) -> Table:
    """Columns of a JSON value, as in `read_json`.

    Raises:
        ValueError: it is none of these.
    """
    if isinstance(value, dict) and isinstance(value.get("log_history"), list):
        value = value["log_history"]  # trainer_state.json of Hugging Face's transformers
    if isinstance(value, dict):
        lists = {name: entry for name, entry in value.items() if isinstance(entry, list)}
        lengths = {name: len(entry) for name, entry in lists.items()}
        if lists and len(set(lengths.values())) == 1:
            columns = {name: _objects(entry) for name, entry in lists.items()}
            rest = [(name, "no list") for name in value if name not in lists]
            return Table(source, columns, skipped=rest)
        found = ", ".join(f"{name} {length}" for name, length in lengths.items())
        text = f"lists of lengths {found}" if lists else "a dictionary without lists"
    elif isinstance(value, list) and value and all(isinstance(entry, dict) for entry in value):
        return _table(source, value, step)
    elif isinstance(value, list) and value and not any(isinstance(e, dict | list) for e in value):
        steps = np.arange(len(value))
        columns = {"step": steps, "loss": _objects(value)}
        return Table(
            source, columns, "step", notes=("took a list for losses at steps 0, 1, 2, ...",)
        )
    else:
        kinds = sorted({type(entry).__name__ for entry in value}) if isinstance(value, list) else []
        text = f"a list of {' and '.join(kinds) or 'nothing'}"
        text = text if isinstance(value, list) else f"a {type(value).__name__}"
    expected = "a dictionary of lists of one length, or a list of dictionaries"
    do = 'write {"step": [...], "loss": [...]}'
    raise fail(source, expected, text, do, described=True)


def read_log(source: str, text: str, step: str | None, by: str | None) -> Table:
    """Columns of a log: a record for each line that has a step, or an epoch, and another number.

    Recognized are JSON objects, and names with numbers: "step 250: train loss 2.04, val loss 2.1",
    "epoch=1 step=300 loss=2.5", "{'loss': 2.31, 'epoch': 0.1}". Other lines are passed over.

    Arguments:
        source: what errors call the file.
        text: its content.
        step: name that the steps have; None: one of `STEP_NAMES`, or "epoch" where there is none.
        by: name of what tells runs apart; text too, as in "run=a".

    Raises:
        ValueError: no line has such numbers.
    """
    apart = (
        None
        if by is None
        else re.compile(rf"(?<![\w.])['\"]?{re.escape(by)}['\"]?\s?[:=]\s?['\"]?([\w.\-/]+)")
    )
    records, count = [], 0
    for line in re.split(r"[\r\n]+", text):
        if not line.strip():
            continue
        count += 1
        record = _read_line(line)
        if apart is not None and (found := apart.search(line[:_LONGEST])):
            record.setdefault(str(by), found[1])
        if record:
            records.append(record)
    table = _table(source, records, step) if records else None
    if table is None or not (table.step or step) or len(table.columns) < 2:
        expected = (
            "lines with a step or epoch and losses, as 'step 250: loss 2.1', 'step=250 loss=2.1'"
        )
        expected += ", {'loss': 2.1, 'step': 250} or JSON"
        do = "name the step with --step NAME, or write a CSV file with a header"
        raise fail(source, expected, f"none in {count} lines", do, described=True)
    return table


def parse_json(text: str) -> Any:
    """The value that a text holds as JSON; None where it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):  # also of integers with thousands of digits
        return None


def _read_line(line: str) -> Record:
    """Names and numbers of one line; the first where a name comes twice."""
    start = line.find("{")
    if start >= 0:
        value = parse_json(line[start:].strip())
        if isinstance(value, dict):
            return value
    record: Record = {}
    for found in _PAIR.finditer(line[:_LONGEST]):
        name = _LEVELS.sub("", found["name"])
        record.setdefault(name, float(found["value"].replace(",", "")))
    return record


def _table(source: str, records: list[Record], step: str | None) -> Table:
    """Records as columns, those without a step left out where others have one.

    Raises:
        ValueError: they have too many columns.
    """
    flat = [dict(_flatten(record)) for record in records]
    name, kept = _with_steps(flat, step)
    names = dict.fromkeys(key for record in kept for key in record)
    if len(names) * len(kept) > _MOST_CELLS:
        text = f"{len(names):,} in {len(kept):,} records"
        do = "write fewer names or fewer records"
        raise fail(source, f"at most {_MOST_CELLS:,} cells of columns", text, do, described=True)
    columns = {key: _objects([record.get(key) for record in kept]) for key in names}
    lost = sum(any("loss" in key.lower() for key in record) for record in flat) - sum(
        any("loss" in key.lower() for key in record) for record in kept
    )
    notes = (f"passed over {lost} records with a loss and no {name}",) if lost else ()
    return Table(source, columns, name, notes=notes)


def _with_steps(records: list[Record], step: str | None) -> tuple[str, list[Record]]:
    """What the column of the steps is called, and the records that have something in it."""
    if step is not None:
        kept = [record for record in records if not is_empty(record.get(step))]
        return (step, kept) if kept else ("", records)
    keys = [_step_key(record) for record in records]
    if any(keys):
        name = next(key for key in keys if key)
        name = name if len({key for key in keys if key}) == 1 else "step"
        pairs = zip(records, keys, strict=True)
        return name, [_renamed(record, key, name) for record, key in pairs if key]
    epochs = [key for record in records for key in record if last_word(key) == _EPOCH]
    if epochs:
        return epochs[0], [record for record in records if not is_empty(record.get(epochs[0]))]
    return "", records


def _renamed(record: Record, old: str, new: str) -> Record:
    """The record with the steps under the name that they have in all of them."""
    return {
        new: record[old],
        **{key: entry for key, entry in record.items() if key not in (old, new)},
    }


def _step_key(record: Record) -> str:
    """The key of a record's step, "" where it has none."""
    words = {last_word(key): key for key in reversed(record) if not is_empty(record[key])}
    return next((words[name] for name in STEP_NAMES if name in words), "")


def _flatten(record: Record, prefix: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    """Names and scalars, those of inner objects by a dotted name."""
    for key, value in record.items():
        if isinstance(value, dict) and depth < _DEEPEST:
            yield from _flatten(value, f"{prefix}{key}.", depth + 1)
        elif not isinstance(value, dict | list):
            yield f"{prefix}{key}", value


def _objects(values: Iterable[Any]) -> Shaped[np.ndarray, " rows"]:
    """Values of any type as a column."""
    return np.fromiter(values, object)
