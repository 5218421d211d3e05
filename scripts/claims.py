"""Write the page of claims from what `jaxsup reproduce` measured: no number is typed by hand.

python scripts/claims.py runs/all --out docs/claims.md
"""

import argparse
import json
import math
import re
from pathlib import Path
from typing import Any

HEAD = """# Claims

Every figure of `jaxsup reproduce` holds published statements to measured numbers with 95%
intervals. The verdict follows by one rule (`jaxsup.reproduce.claims`): *agrees* where the whole
interval lies in the published range, its tolerance included; *differs* where the two have no point
in common; *not claimed* where the interval reaches across an end of the range or is wider than what
it is to decide; and, each with its reason, where the source gives no number or does not say of
what, where nothing could be measured, or where the experiment is too small to decide. A verdict is
of the experiment at the scale that is named: "differs" on a laptop is no refutation of a larger
one. Where a source says a thing without a number, the reading that stands for it here is in the
column of what was published.

This page is made by `python scripts/claims.py FOLDER --out docs/claims.md` from the files that
the commands wrote.
"""


def find_reports(folder: Path) -> list[dict[str, Any]]:
    """The reports NAME.json below a folder, by figure."""
    reports = []
    for path in sorted(folder.glob("**/*.json")):
        if "dataset.zarr" in path.parts:
            continue
        table = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(table, dict) and {"figure", "scale", "claims"} <= set(table):
            reports.append(table)
    return sorted(reports, key=lambda report: report["figure"])


def number(value: float | None) -> str:
    """Four digits; nothing for an open end."""
    return "" if value is None or not math.isfinite(value) else f"{value:.4g}"


def published(claim: dict[str, Any]) -> str:
    """The published range of a claim, and how the source says it."""
    interval = claim["published"]
    if interval is None:
        return "no number"
    low, high = number(interval["low"]), number(interval["high"])
    span = f"≤ {high}" if not low else f"≥ {low}" if not high else f"{low} to {high}"
    return f"{span} ({interval['words']})"


def measured(claim: dict[str, Any]) -> str:
    """Value, interval, and what it rests on; or why there is none."""
    estimate = claim["measured"]
    if estimate is None:
        return "nothing"
    value, low, high = (number(estimate[name]) for name in ("value", "low", "high"))
    return f"{value} ({low} to {high}), {estimate['basis']}"


def verdict(claim: dict[str, Any]) -> str:
    """The verdict, with the reason where there is one."""
    why = claim["explanation"]
    return f"**{claim['verdict']}**" + (f": {why}" if why else "")


def row(*cells: str) -> str:
    """A line of a table."""
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def section(report: dict[str, Any]) -> list[str]:
    """Title, command and table of a figure."""
    name, scale = report["figure"], report["scale"]
    option = matrix = ""
    if report["records"] and "file" in report["records"][0]:  # measured on a matrix from outside
        record = report["records"][0]
        option = " --weights FILE"
        size = f"{record['features']:,} features in {record['latent']} dimensions"
        matrix = f", here {record['file']}, {size}"
    lines = [
        f"## {name}",
        "",
        report["title"],
        "",
        f"`jaxsup reproduce {name} --scale {scale}{option}`{matrix}",
        "",
        row("claim", "source", "published", "measured (95% interval)", "verdict"),
        row(*["---"] * 5),
    ]
    for claim in report["claims"]:
        statement = f"{claim['statement']} *{claim['quantity']}*"
        lines.append(
            row(statement, claim["source"], published(claim), measured(claim), verdict(claim))
        )
    return [*lines, ""]


def page(sections: list[str]) -> str:
    """The whole page: counts, then the sections in the order of their figures."""
    verdicts = re.findall(r"\\*\\*(agrees|differs|not claimed)\\*\\*", "\n".join(sections))
    counts = ", ".join(
        f"{verdicts.count(word)} {word}" for word in ("agrees", "differs", "not claimed")
    )
    head = [
        HEAD,
        f"{len(verdicts)} claims of {len({*map(_name_of, sections)})} figures: {counts}.",
        "",
    ]
    # Those of one figure at several scales stay in their order.
    names = [*map(_name_of, sections)]
    named = [_headed(part, names.count(_name_of(part)) > 1) for part in sections]
    return "\n".join([*head, *sorted(named, key=_name_of)]).rstrip() + "\n"


def kept_sections(text: str, commands: set[str]) -> list[str]:
    """Sections of a page that is there, but those that are made by these commands."""
    parts = re.split(r"(?m)^(?=## )", text)[1:]
    return [f"{part.rstrip()}\n" for part in parts if _command_of(part) not in commands]


def _command_of(section: str) -> str:
    """The command that a section names, up to its scale."""
    found = re.search(r"`(jaxsup reproduce \S+ --scale \w+)", section)
    return found.group(1) if found else ""


def _name_of(section: str) -> str:
    return section.partition("\n")[0].removeprefix("## ").partition(",")[0]


def _headed(section: str, several: bool) -> str:
    """The section, its scale in its heading where its figure has several: links name one."""
    scale = f", {_command_of(section).rpartition(' ')[2]}" if several else ""
    return "\n".join([f"## {_name_of(section)}{scale}", *section.split("\n")[1:]])


def main() -> None:
    """Read the reports below a folder and write the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path, help="where `jaxsup reproduce` wrote its results")
    parser.add_argument("--out", type=Path, default=Path("docs/claims.md"), help="page to write")
    parser.add_argument(
        "--keep", action="store_true", help="keep the page's sections of other figures and scales"
    )
    arguments = parser.parse_args()
    reports = find_reports(arguments.folder)
    if not reports:
        parser.error(f"{arguments.folder}: expected reports of jaxsup reproduce; got none; run it")
    sections = ["\n".join(section(report)) for report in reports]
    if arguments.keep and arguments.out.exists():
        text = arguments.out.read_text(encoding="utf-8")
        sections += kept_sections(text, {*map(_command_of, sections)})
    arguments.out.write_text(page(sections), encoding="utf-8")


if __name__ == "__main__":
    main()
