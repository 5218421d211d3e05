"""Pages that are programs: every jupytext file in docs/ is run when the site is built.

A `.py` file in the percent format becomes a page: its Markdown cells are the text, its code cells
are shown and run in a kernel of their own, and what they print or draw stands below them. Shell
commands are `%%bash` cells (``# %% language="bash"``). A cell or a command that fails, fails the
build. Programs run in an empty folder beside links to examples/ and docs/; two run at a time. Tags
of a cell: "remove_input", "remove_output", "remove_cell" (run and not shown).

The page links the notebook with its outputs (.ipynb). While the site is served, outputs are kept
below .cache until the file or the package changes.
"""

import base64
import concurrent.futures
import hashlib
import os
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from public_names import PACKAGE, ROOT

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import File, Files
    from mkdocs.structure.pages import Page

CACHE = ROOT / ".cache" / "notebooks"
SECONDS_OF_A_CELL = 300
SETUP = """
%matplotlib inline
%config InlineBackend.figure_format = "retina"
"""
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
HTML: dict[str, list[str]] = {}
SERVED: list[bool] = [False]


def on_startup(command: str, dirty: bool) -> None:
    """Remember whether the site is served: outputs of a build are never old ones."""
    SERVED[0] = command == "serve"


def on_files(files: "Files", config: "MkDocsConfig") -> "Files":
    """Run the programs, and put a page in the place of each."""
    from mkdocs.structure.files import File

    sources = [f for f in files if f.src_uri.endswith(".py") and f.inclusion.is_included()]
    # The long ones first, or one core waits for the other in the end: by their text, but for one
    # whose few lines train a figure.
    sources.sort(
        key=lambda source: (source.src_uri == "start.py", len(source.content_string)), reverse=True
    )
    # Cells run in the kernel's own process: these threads only wait.
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        finished = list(pool.map(run, sources))
    for source, notebook in zip(sources, finished, strict=True):
        files.remove(source)
        uri = source.src_uri.removesuffix(".py")
        text, pictures, html = page_text(notebook, Path(uri).name)
        HTML[f"{uri}.md"] = html
        files.append(File.generated(config, f"{uri}.md", content=text))
        files.append(File.generated(config, f"{uri}.ipynb", content=as_json(notebook)))
        for name, picture in pictures.items():
            path = (Path(uri).parent / name).as_posix()
            files.append(File.generated(config, path, content=picture))
    return files


def on_page_content(html: str, page: "Page", config: "MkDocsConfig", files: "Files") -> str:
    """Put what objects show of themselves as HTML into its places."""
    for place, output in enumerate(HTML.get(page.file.src_uri, [])):
        html = html.replace(mark(place), output)
    return html


def mark(place: int) -> str:
    """Stands in the Markdown for output that is HTML."""
    return f'<div class="notebook-html" id="output-{place}"></div>'


def run(source: "File") -> Any:
    """The notebook of one file with its outputs."""
    import jupytext
    import nbformat

    text = source.content_string
    hashed = hashlib.sha256(text.encode())
    for file in sorted(PACKAGE.rglob("*.py")):
        hashed.update(file.read_bytes())
    kept = CACHE / f"{hashed.hexdigest()}.ipynb"
    if SERVED[0] and kept.exists():
        return nbformat.read(kept, as_version=4)
    notebook = jupytext.reads(text, fmt="py:percent")
    began = time.perf_counter()
    execute(notebook, source.src_uri)
    print(f"notebooks: {source.src_uri} ran for {time.perf_counter() - began:.1f} s", flush=True)
    if SERVED[0]:
        CACHE.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, kept)
    return notebook


def execute(notebook: Any, name: str) -> None:
    """Run every cell, in a folder of its own, with this environment's commands first in PATH."""
    import nbclient
    import nbformat
    from mkdocs.exceptions import PluginError
    from traitlets.config import Config

    environment = {
        **os.environ,
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
        # Two programs share the cores: threads of a product would wait for each other at full load.
        "OPENBLAS_NUM_THREADS": "1",
        "COLUMNS": "100",
        "NO_COLOR": "1",
        "TERM": "dumb",
    }
    cells = notebook.cells
    for cell in cells:
        if cell.cell_type == "code" and re.search(r"(?m)^\s*!", cell.source):
            raise PluginError(
                f"{name}: '!' hides what fails; make it a cell of bash: {cell.source}"
            )
    run_cells = [strict(cell) for cell in cells]
    with (
        tempfile.TemporaryDirectory(prefix="jaxsup-notebook-") as folder,
        tempfile.TemporaryDirectory(prefix="jaxsup-kernel-") as sockets,
    ):
        for each in ("examples", "docs"):
            (Path(folder) / each).symlink_to(ROOT / each)
        client = nbclient.NotebookClient(
            notebook,
            timeout=SECONDS_OF_A_CELL,
            kernel_name="python3",
            config=Config({"KernelManager": {"transport": "ipc", "ip": f"{sockets}/kernel"}}),
            resources={"metadata": {"path": folder}},
        )
        notebook.cells = [nbformat.v4.new_code_cell(SETUP), *run_cells]
        try:
            client.execute(env=environment)
        except nbclient.exceptions.CellExecutionError as error:
            raise PluginError(f"{name}: {ESCAPES.sub('', str(error))}") from error
        finally:
            notebook.cells = cells
    for cell, finished in zip(cells, run_cells, strict=True):
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = finished.outputs, finished.execution_count


def strict(cell: Any) -> Any:
    """The cell as it is run: one of bash ends at its first command that fails."""
    import nbformat

    source = re.sub(r"\A%%bash\n", "%%bash\nset -e\n", cell.source)
    return nbformat.from_dict({**cell, "source": source})


def as_json(notebook: Any) -> str:
    """The notebook with its outputs as a file."""
    import nbformat

    return nbformat.writes(notebook)


def page_text(notebook: Any, stem: str) -> tuple[str, dict[str, bytes], list[str]]:
    """The page in Markdown, its pictures by file name, and its outputs in HTML.

    Arguments:
        notebook: with outputs.
        stem: name of the page's file without its ending.
    """
    parts: list[str] = []
    pictures: dict[str, bytes] = {}
    html: list[str] = []
    for cell in notebook.cells:
        tags = {tag.replace("-", "_") for tag in cell.metadata.get("tags", [])}
        if "remove_cell" in tags or not cell.source.strip():
            continue
        if cell.cell_type == "markdown":
            parts.append(cell.source)
        elif cell.cell_type == "code":
            if "remove_input" not in tags:
                parts.append(listing(cell.source))
            if "remove_output" not in tags:
                parts += outputs(cell.outputs, stem, pictures, html)
    text = "\n\n".join(parts)
    line = f"[This page as a notebook]({stem}.ipynb){{ .notebook-link }}"
    title, _, rest = text.partition("\n")
    return f"{title}\n\n{line}\n{rest}\n", pictures, html


def listing(source: str) -> str:
    """The code of a cell as Markdown."""
    language = "python"
    if source.startswith("%%bash"):
        source, language = source.partition("\n")[2], "bash"
    return fenced(re.sub(r"(?m)^%matplotlib inline\n", "", source), language)


def outputs(
    found: list[Any], stem: str, pictures: dict[str, bytes], html: list[str]
) -> Iterator[str]:
    """What a cell left, in order: printed text, pictures, HTML."""
    printed = ""
    for output in found:
        if output.output_type == "stream":
            printed += output.text
            continue
        if printed.strip():
            yield printed_text(printed)
        printed = ""
        data = output.get("data", {})
        if "image/png" in data:
            name = f"{stem}-{len(pictures)}.png"
            pictures[name] = base64.b64decode(data["image/png"])
            yield f"![Output of the code above]({name}){{ .notebook-picture }}"
        elif "text/html" in data and "xr-wrap" not in data["text/html"]:  # xarray's fits no theme
            yield mark(len(html))
            html.append(f'<div class="notebook-html">{data["text/html"]}</div>')
        elif "text/markdown" in data:
            yield data["text/markdown"]
        elif "text/plain" in data:
            yield printed_text(data["text/plain"])
    if printed.strip():
        yield printed_text(printed)


def printed_text(text: str) -> str:
    """Printed text as a terminal shows it in the end, without its colors."""
    lines = [line.rstrip("\r").split("\r")[-1] for line in ESCAPES.sub("", text).split("\n")]
    return fenced("\n".join(lines).strip("\n"), "{ .text .output }")


def fenced(text: str, info: str) -> str:
    """A fenced block whose fence is longer than any in the text."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence} {info}\n{text}\n{fence}"
