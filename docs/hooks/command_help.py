"""The page of the command line, written from what `jaxsup COMMAND --help` prints."""

import concurrent.futures
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

PAGE = "commands.md"
WIDE = "4000"
"""Columns of the terminal that the command is told of, so that no line is broken."""
LONG = 60
"""Longest list of choices that stands on one line."""
HEAD = """# The command

What `jaxsup COMMAND --help` prints, as of this version. An option that is called as an argument of
the Python function does what that does.
"""


class Help(NamedTuple):
    """What a command says of itself.

    Attributes:
        usage: the line of its form.
        text: paragraphs before the tables.
        tables: by title, terms with their descriptions.
    """

    usage: str
    text: str
    tables: dict[str, list[tuple[str, str]]]


def ask(*words: str) -> Help:
    """Run the command with --help and read the answer."""
    done = subprocess.run(
        [sys.executable, "-m", "jaxsup", *words, "--help"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "COLUMNS": WIDE, "NO_COLOR": "1", "TERM": "dumb"},
    )
    head, _, boxes = done.stdout.partition("╭")
    usage, _, text = head.partition("\n")
    return Help(usage.removeprefix("usage: ").strip(), text.strip("\n"), read_boxes("╭" + boxes))


def read_boxes(text: str) -> dict[str, list[tuple[str, str]]]:
    """Titles of the boxes, with the terms in each and what is said of them."""
    tables: dict[str, list[tuple[str, str]]] = {}
    entries: list[tuple[str, str]] = []
    for line in text.split("\n"):
        if line.startswith("╭"):
            entries = tables[line.strip("╭─╮ ")] = []
        elif line.startswith("│"):
            inner = line.strip("│")[1:].rstrip()
            term, _, said = inner.partition("  ") if not inner.startswith(" ") else ("", "", inner)
            if term:
                entries.append((term, said.strip()))
            elif entries:
                entries[-1] = (entries[-1][0], f"{entries[-1][1]}\n{said.strip()}".strip())
    return tables


def escaped(text: str) -> str:
    """Text that Markdown shows as it is; names in it as code."""
    parts = re.split(r"(`[^`]*`|(?<![\w-])--[a-z][\w-]*)", text)
    for place, part in enumerate(parts):
        if part.startswith("--"):
            parts[place] = f"`{part}`"
        elif not part.startswith("`"):
            parts[place] = re.sub(r"([*_<>|\[\]])", r"\\\1", part)
    return "".join(parts)


def paragraphs(text: str) -> list[str]:
    """The description in Markdown; the lines below "Try:" are a listing."""
    lines: list[str] = []
    for block in re.split(r"\n\s*\n", text):
        first, _, rest = block.partition("\n")
        if first.endswith(":") and rest.startswith("  "):
            lines += [first, "", "```bash", *(line.strip() for line in rest.split("\n")), "```", ""]
        else:
            lines += [escaped(" ".join(block.split())), ""]
    return lines


def entry(term: str, said: str) -> list[str]:
    """An argument or option as a definition; lines "name: what it is" in it are a list."""
    term = term.replace("{None}|", "")
    if len(term) > LONG:
        term = term.replace(",", ", ")
    said = said.replace(" (default: None)", "").replace("\n(default: None)", "")
    plain, items = [], []
    for line in said.split("\n"):
        (items if re.match(r"[a-z][\w-]+: ", line) and "; " not in line else plain).append(line)
    if len(items) < 2:
        plain, items = said.split("\n"), []
    lines = [f"`{term}`", f":   {escaped(' '.join(' '.join(plain).split()))}", ""]
    if items:
        pairs = (item.partition(": ") for item in items)
        lines += [f"    - `{name}`: {escaped(what)}" for name, _, what in pairs]
        lines.append("")
    return lines


def section(name: str, found: Help) -> list[str]:
    """One command: its form, what it does, its arguments and options."""
    usage = re.sub(rf"\{{[^{{}}]{{{LONG},}}\}}", "NAME", found.usage)
    lines = [f"## jaxsup {name}", "", "```text", usage, "```", "", *paragraphs(found.text)]
    for title, entries in found.tables.items():
        lines += [f"**{title.capitalize()}**", ""]
        for term, said in entries:
            if term.startswith("-h,"):
                continue
            lines += entry(term, said)
    return lines


def page() -> str:
    """The whole page."""
    whole = ask()
    names = whole.usage.partition("{")[2].rstrip("}").split(",")
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(ask, names))
    lines = [HEAD, *paragraphs(whole.text)]
    for name, found in zip(names, answers, strict=True):
        lines += section(name, found)
    return "\n".join(lines)


def on_files(files: "Files", config: "MkDocsConfig") -> "Files":
    """Write the page."""
    from mkdocs.structure.files import File

    files.append(File.generated(config, PAGE, content=page()))
    return files
