"""Pages of the API reference, one a package, written when the site is built.

Each holds the names that the package re-exports, and then its modules with theirs. mkdocstrings
fills in the docstrings. When the site is built every public name must have its anchor.
"""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from public_names import Package, homes, packages

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

FOLDER = "reference"
PLACE = "reference.md"
"""What stands for the pages in the navigation of mkdocs.yml."""


def page_of(path: str) -> str:
    """The file of a package's page."""
    return f"{FOLDER}/{path}.md"


def directive(path: str, level: int, **options: Any) -> list[str]:
    """What mkdocstrings reads for one object."""
    options = {"heading_level": level, **options}
    lines = [f"      {name}: {str(value).lower()}" for name, value in options.items()]
    return [f"::: {path}", "    options:", *lines, ""]


def pages(found: list[Package]) -> dict[str, list[str]]:
    """The documented paths of each page, by its file, in their order."""
    home = homes(found)
    held: dict[str, list[str]] = {}
    for package in found:
        exported = [f"{package.path}.{name}" for name in package.exports]
        defined = [f"{module.path}.{name}" for module in package.modules for name in module.names]
        here = [path for path in exported + defined if home[path] == path]
        held[page_of(package.path)] = [path for path in here if package_at(found, path) is None]
    return held


def package_at(found: list[Package], path: str) -> Package | None:
    """The package of this path, None where something else is there."""
    return next((package for package in found if package.path == path), None)


def page_text(package: Package, found: list[Package], home: dict[str, str]) -> str:
    """The page of one package in Markdown."""
    lines = directive(package.path, 1, members=False, show_root_full_path=True)
    inside = [each for each in found if each.path.rpartition(".")[0] == package.path]
    if inside:
        links = ", ".join(f"[`{each.path}`]({each.path}.md)" for each in inside)
        lines += [f"Packages in it: {links}.", ""]
    elsewhere = []
    names = [f"{package.path}.{name}" for name in sorted(package.exports, key=str.lower)]
    for path in names:
        if package_at(found, path) is None:
            if home[path] == path:
                lines += directive(path, 2, show_root_full_path=True)
            else:
                elsewhere.append(path)
    lines += also_here(elsewhere, home)
    for module in package.modules:
        lines += directive(module.path, 2, members=False, show_root_full_path=True)
        paths = [f"{module.path}.{name}" for name in module.names]
        lines += also_here([path for path in paths if home[path] != path], home)
        for path in paths:
            if home[path] == path:
                lines += directive(path, 3)
    return "\n".join(lines)


def also_here(paths: list[str], home: dict[str, str]) -> list[str]:
    """A line on names that are documented elsewhere."""
    if not paths:
        return []
    return ["Documented elsewhere: " + ", ".join(f"[`{home[p]}`][{home[p]}]" for p in paths), ""]


def navigation(found: list[Package]) -> list[Any]:
    """Entries of the navigation: one a package, those inside of another below it."""
    entries: list[Any] = []
    for package in found:
        parts = package.path.split(".")
        entry = {package.path: page_of(package.path)}
        if len(parts) == 1:
            entries.append(entry)
        elif len(parts) == 2:
            inner = any(each.path.startswith(f"{package.path}.") for each in found)
            entries.append({package.path: [entry]} if inner else entry)
        else:
            room = next(e for e in entries if list(e) == [".".join(parts[:2])])
            next(iter(room.values())).append(entry)
    return entries


def on_config(config: "MkDocsConfig") -> "MkDocsConfig":
    """Put the pages into the navigation."""
    found = packages()

    def fill(entries: list[Any]) -> list[Any]:
        filled = []
        for entry in entries:
            if isinstance(entry, dict):
                ((title, value),) = entry.items()
                filled.append({title: fill(value) if isinstance(value, list) else value})
            else:
                filled += navigation(found) if entry == PLACE else [entry]
        return filled

    config.nav = fill(config.nav or [])
    return config


def on_files(files: "Files", config: "MkDocsConfig") -> "Files":
    """Write the pages."""
    from mkdocs.structure.files import File

    found = packages()
    home = homes(found)
    for package in found:
        text = page_text(package, found, home)
        files.append(File.generated(config, page_of(package.path), content=text))
    return files


KNOWN: dict[str, str] = {}
OPTION = re.compile(r"<code>(--[a-z][^<]{0,30})</code>")
CODE = re.compile(r"(?<![`\[\w])`(jaxsup(?:\.\w+)+)`(?![`\]])")


def on_page_markdown(markdown: str, page: "Page", config: "MkDocsConfig", files: "Files") -> str:
    """Names of the package in a page's text lead to the reference."""
    if page.file.src_uri.startswith(f"{FOLDER}/"):
        return markdown
    return link_names(markdown)


def on_post_page(output: str, page: "Page", config: "MkDocsConfig") -> str:
    """Options in the text are not broken at their hyphens."""
    return OPTION.sub(r'<code class="option">\1</code>', output)


def link_names(text: str) -> str:
    """Text in which public names in backticks are links; titles and listings stay as they are."""
    if not KNOWN:
        found = packages()
        KNOWN.update(homes(found))
        KNOWN.update({package.path: package.path for package in found})
        KNOWN.update({m.path: m.path for package in found for m in package.modules})

    def link(match: re.Match[str]) -> str:
        path = KNOWN.get(match[1])
        return match[0] if path is None else f"[`{match[1]}`][{path}]"

    lines, fence = [], ""
    for line in text.split("\n"):
        mark = re.match(r"\s*(`{3,}|~{3,})", line)
        if mark and not fence:
            fence = mark[1]
        elif mark and mark[1].startswith(fence):
            fence = ""
        prose = not fence and not mark and not re.match(r"#| {4}", line)
        lines.append(CODE.sub(link, line) if prose else line)
    return "\n".join(lines)


def on_post_build(config: "MkDocsConfig") -> None:
    """Fail where a public name has no anchor."""
    from mkdocs.exceptions import PluginError

    for page, paths in pages(packages()).items():
        url = Path(page).with_suffix("").as_posix()
        html = (Path(config.site_dir) / url / "index.html").read_text(encoding="utf-8")
        missing = [path for path in paths if f'id="{path}"' not in html]
        if missing:
            raise PluginError(f"{page}: no anchor for {', '.join(missing)}")
