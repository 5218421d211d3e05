"""What is known so far: a line of JSON for everything that is found, and the tables made of them.

A line is on the disk before the next thing is begun, so a run that is cut off leaves all that it
found. A later run into the same folder goes on: stages that have ended are not repeated.
"""

import dataclasses
import json
import math
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

LINES, TABLES = "results.jsonl", "report.md"
ENDED, SKIPPED, CUT_OFF, FAILED = "ended", "skipped", "cut off", "failed"
"""How a stage may end: with all that it is to find, not begun, by the clock, by an error."""

# May differ between two runs on one machine: whoever shares it has some of it.
_PASSING = ("device memory", "threads", "cores")


@dataclasses.dataclass(frozen=True)
class Finding:
    """One thing that was found.

    Attributes:
        name: what was looked at.
        holds: whether a check holds; None for a measurement, which promises nothing.
        value: the number found, None where there is none.
        bound: the number that it is held against.
        unit: of both.
        note: what a reader must know.
    """

    name: str
    holds: bool | None = None
    value: float | None = None
    bound: float | None = None
    unit: str = ""
    note: str = ""


def at_most(name: str, value: float, bound: float, unit: str = "", note: str = "") -> Finding:
    """A check that `value` is no more than `bound`; NaN is more than anything."""
    return Finding(name, bool(value <= bound), float(value), float(bound), unit, note)


def at_least(name: str, value: float, bound: float, unit: str = "", note: str = "") -> Finding:
    """A check that `value` is no less than `bound`; NaN is less than anything."""
    return Finding(name, bool(value >= bound), float(value), float(bound), unit, note)


@dataclasses.dataclass
class Account:
    """What is known of a stage.

    Attributes:
        title: what it is about.
        findings: of its last run.
        ending: `ENDED`, `SKIPPED`, `CUT_OFF` or `FAILED`; None while it runs.
        seconds: that its last run took.
        note: why it was skipped, or what failed.
    """

    title: str = ""
    findings: list[Finding] = dataclasses.field(default_factory=list)
    ending: str | None = None
    seconds: float = 0.0
    note: str = ""


class Journal:
    """The lines in a folder, and what they say.

    Arguments:
        folder: made if it is not there.
        environment: versions and devices; those of an earlier run into the folder must be the same.

    Attributes:
        accounts: what is known, by the name of the stage.

    Raises:
        SystemExit: the folder holds results of other versions or devices.
    """

    def __init__(self, folder: Path, environment: dict[str, Any]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.environment = folder, environment
        self.accounts: dict[str, Account] = {}
        path = folder / LINES
        earlier = path.read_bytes().splitlines() if path.exists() else []
        for line in earlier:
            try:
                entry = json.loads(line)
            except ValueError:  # a run was cut off in the middle of it
                continue
            self._check_same(entry)
            self._take(entry)
        if earlier and not path.read_bytes().endswith(b"\n"):
            with path.open("a", encoding="utf-8") as file:
                file.write("\n")
        self.write({"event": "environment", **environment})

    def _check_same(self, entry: dict[str, Any]) -> None:
        if entry["event"] != "environment":
            return
        for name, value in json.loads(json.dumps(self.environment)).items():
            if name not in _PASSING and entry.get(name) != value:
                raise SystemExit(
                    f"--out: expected results of {name} {value}, or a new folder; got "
                    f"{self.folder}, with those of {entry.get(name)}; choose another folder"
                )

    def write(self, entry: dict[str, Any]) -> None:
        """Keep a line, before anything else happens."""
        self._take(entry)
        with (self.folder / LINES).open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry, allow_nan=False) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def find(self, stage: str, finding: Finding) -> None:
        """Keep a finding of a stage. A number that is none is not written as one."""
        if finding.value is not None and not math.isfinite(finding.value):
            note = f"{finding.value}; {finding.note}".removesuffix("; ")
            finding = dataclasses.replace(finding, value=None, note=note)
        self.write({"event": "finding", "stage": stage, **dataclasses.asdict(finding)})

    def begin(self, stage: str, title: str) -> None:
        """A stage begins, from nothing."""
        self.write({"event": "begun", "stage": stage, "title": title})

    def end(self, stage: str, ending: str, seconds: float = 0.0, note: str = "") -> None:
        """How it ended."""
        self.write({"event": ending, "stage": stage, "seconds": seconds, "note": note})

    def _take(self, entry: dict[str, Any]) -> None:
        entry = dict(entry)
        event, stage = entry.pop("event"), entry.pop("stage", None)
        if event == "begun":
            self.accounts[stage] = Account(entry["title"])
        elif event == "finding":
            self.accounts[stage].findings.append(Finding(**entry))
        elif event != "environment":
            account = self.accounts[stage]
            account.ending, account.seconds, account.note = event, entry["seconds"], entry["note"]

    @property
    def fails(self) -> bool:
        """Whether a check does not hold, or a stage ended by an error."""
        return any(
            account.ending == FAILED or any(finding.holds is False for finding in account.findings)
            for account in self.accounts.values()
        )

    def tables(self) -> str:
        """What holds, what does not, what was measured, and how much time each took: Markdown."""
        rows = [
            (stage, finding, account)
            for stage, account in self.accounts.items()
            for finding in account.findings
        ]
        checks = [
            (stage, f.name, _VERDICTS[f.holds], _number(f.value, f.unit), _number(f.bound), f.note)
            for stage, f, _ in rows
            if f.holds is not None
        ]
        measured = [
            (stage, f.name, _number(f.value, f.unit), f.note)
            for stage, f, _ in rows
            if f.holds is None
        ]
        times = [
            (
                stage,
                account.title,
                account.ending or CUT_OFF,
                f"{account.seconds:.1f}",
                account.note,
            )
            for stage, account in self.accounts.items()
        ]
        about = [(name, str(value)) for name, value in self.environment.items()]
        sections = (
            ("Machine and versions", ("", ""), about),
            ("Checks", ("stage", "what", "holds", "found", "bound", "note"), checks),
            ("Measurements", ("stage", "what", "found", "note"), measured),
            ("Time", ("stage", "what", "ending", "seconds", "note"), times),
        )
        parts = [f"## {title}\n\n{_table(head, body)}" for title, head, body in sections if body]
        return "# What this accelerator computes, and how fast\n\n" + "\n\n".join(parts) + "\n"

    def save_tables(self) -> None:
        """Write them beside the lines."""
        (self.folder / TABLES).write_text(self.tables(), encoding="utf-8")


_VERDICTS = {True: "yes", False: "**NO**"}


def _number(value: float | None, unit: str = "") -> str:
    if value is None:
        return ""
    text = f"{value:,.0f}" if 1000 <= abs(value) < 1e7 or value == int(value) else f"{value:.3g}"
    return f"{text} {unit}".strip()


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    cells = [[cell.replace("|", "/").replace("\n", " ") for cell in line] for line in lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)
