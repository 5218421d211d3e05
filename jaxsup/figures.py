"""Published figures by name: every module of `jaxsup.reproduce` is one.

Such a module has a first docstring line that says what the figure shows, and three names:

- ``SCALES``: "smoke" (seconds), "quick" (at most minutes on two cores) and "paper";
- ``configure(scale) -> Sweep``: what is trained, for a value of ``SCALES``;
- ``measure(dataset, sweep) -> Findings``: what the result says, and its picture.

Training, the dataset, resuming and the files are the same for all, and are here.
"""

from __future__ import annotations

import ast
import importlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, cast, runtime_checkable

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

    from jaxsup.sweep import Sweep
    from jaxsup.sweep.execution import Progress


class Findings(NamedTuple):
    """What a figure's measurement gives.

    Attributes:
        records: numbers for programs, JSON-safe.
        text: lines for people.
        figure: the picture.
    """

    records: list[dict[str, Any]]
    text: list[str]
    figure: Figure


@runtime_checkable
class FigureModule(Protocol):
    """What a module of `jaxsup.reproduce` offers."""

    SCALES: Mapping[str, Any]

    def configure(self, scale: Any) -> Sweep:
        """What is trained."""
        ...

    def measure(self, dataset: xr.Dataset, sweep: Sweep) -> Findings:
        """What the dataset says."""
        ...


def figure_titles() -> dict[str, str]:
    """Names of the figures with the first lines of their docstrings; imports none of them."""
    titles = {}
    for path in sorted((Path(__file__).parent / "reproduce").glob("*.py")):
        if path.stem != "__init__":
            text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
            titles[path.stem.replace("_", "-")] = text.partition("\n")[0]
    return titles


def find_figure(name: str) -> FigureModule:
    """The module of a figure.

    Raises:
        ValueError: there is none of that name.
    """
    from jaxsup.validation import check_choice

    check_choice("figure", name, figure_titles())
    module = importlib.import_module("jaxsup.reproduce." + name.replace("-", "_"))
    return cast(FigureModule, module)


def reproduce(
    name: str,
    scale: str,
    out: Path,
    *,
    resume: bool = False,
    progress: Callable[[Progress], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> Findings:
    """Train a figure's sweep at a scale, measure it, and write everything below `out`.

    Written are dataset.zarr, and NAME.json, NAME.txt and NAME.png.

    Arguments:
        name: one of `figure_titles`.
        scale: one of the module's ``SCALES``.
        out: folder; must not exist yet unless `resume` is set.
        resume: go on with the dataset that is there.
        progress, stop: as `jaxsup.run` takes them.

    Raises:
        ValueError: no such figure or scale, or `out` holds another sweep.
        OSError: `out` is there already, or cannot be written.
        Stopped: `stop` said so; what is whole is in the dataset.
    """
    from jaxsup.plot import save_figure
    from jaxsup.sweep import run
    from jaxsup.sweep.store import check_store
    from jaxsup.validation import check_choice

    module = find_figure(name)
    check_choice("scale", scale, module.SCALES)
    check_store(out, join=resume)
    sweep = module.configure(module.SCALES[scale])
    out.mkdir(parents=True, exist_ok=resume)
    store = out / "dataset.zarr"
    dataset = run(sweep, store, resume=resume, progress=progress, stop=stop)
    findings = module.measure(dataset, sweep)
    (out / f"{name}.txt").write_text("\n".join(findings.text) + "\n", encoding="utf-8")
    records = json.dumps(findings.records, indent=1)
    (out / f"{name}.json").write_text(records + "\n", encoding="utf-8")
    save_figure(findings.figure, out / f"{name}.png")
    return findings
