"""Every link of the built site leads somewhere, and nothing is loaded from elsewhere.

Looks at the finished HTML, so that what themes, docstrings and notebooks wrote is seen too. Links
that leave the site are listed in a file beside it and not fetched.
"""

import html.parser
import urllib.parse
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig

LOADING = {"img", "script", "source", "iframe", "video", "audio", "embed"}


class Links(html.parser.HTMLParser):
    """What a page links, loads and can be linked by.

    Attributes:
        anchors: ids and names.
        targets: addresses of links.
        loaded: addresses of what a browser fetches to show the page.
    """

    def __init__(self) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.targets: list[str] = []
        self.loaded: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Read one tag."""
        values = {name: value for name, value in attrs if value is not None}
        self.anchors |= {values[name] for name in ("id", "name") if name in values}
        address = values.get("href" if tag in {"a", "link"} else "src")
        if address is None:
            return
        loads = tag in LOADING or (
            tag == "link" and values.get("rel") in {"stylesheet", "preload", "icon", "preconnect"}
        )
        (self.loaded if loads else self.targets).append(address)


def problems(site: Path) -> tuple[list[str], dict[str, set[str]]]:
    """What is wrong with a built site, and the pages that link each address outside of it."""
    pages = {}
    for file in sorted(site.rglob("*.html")):
        pages[file] = Links()
        pages[file].feed(file.read_text(encoding="utf-8"))
    wrong: list[str] = []
    outside: dict[str, set[str]] = defaultdict(set)
    for file, links in pages.items():
        if file == site / "404.html":  # its addresses start at the root of a host
            continue
        name = file.relative_to(site).as_posix()
        wrong += [
            f"{name}: loads {address}"
            for address in links.loaded
            if urllib.parse.urlsplit(address).netloc
        ]
        for address in links.targets + links.loaded:
            parts = urllib.parse.urlsplit(address)
            if parts.scheme or parts.netloc:
                if parts.scheme != "data":
                    outside[address].add(name)
                continue
            path = urllib.parse.unquote(parts.path)
            target = (file.parent / path).resolve() if path else file
            if target.is_dir():
                target = target / "index.html"
            anchor = urllib.parse.unquote(parts.fragment)
            if not target.exists():
                wrong.append(f"{name}: nothing at {address}")
            elif anchor and target in pages and anchor not in pages[target].anchors:
                wrong.append(f"{name}: no anchor {address}")
    return sorted(set(wrong)), outside


def on_post_build(config: "MkDocsConfig") -> None:
    """Fail where a link leads nowhere; list those that leave the site."""
    from mkdocs.exceptions import PluginError

    site = Path(config.site_dir).resolve()
    wrong, outside = problems(site)
    listed = site.with_name(f"{site.name}-external-links.txt")
    lines = [f"{address}  {', '.join(sorted(pages))}" for address, pages in outside.items()]
    listed.write_text("\n".join([*sorted(lines), ""]), encoding="utf-8")
    print(f"links: {len(outside)} leave the site, listed in {listed}")
    if wrong:
        raise PluginError("links:\n" + "\n".join(wrong))
