"""Published figures by name: every module of `jaxsup.reproduce` is one.

Such a module has a first docstring line that says what the figure shows, and three names:

- ``SCALES``: "smoke" (seconds), "quick" (at most minutes on two cores) and "paper";
- ``configure(scale) -> Sweep``: what is trained, for a value of ``SCALES``;
- ``measure(dataset, sweep) -> Findings``: what the result says, its claims, and its picture.

A figure about weights that the user brings trains nothing: it has
``inspect(weights, scale) -> Findings`` in place of ``configure`` and ``measure``.

Training, the dataset, resuming and the files are the same for all, and are here. The verdict on a
claim follows from its numbers by the rule of `jaxsup.reproduce.claims`.
"""

from __future__ import annotations

import ast
import importlib
import json
import pkgutil
import time
from collections.abc import Callable, Mapping
from importlib.machinery import FileFinder
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, cast, runtime_checkable

from jaxsup.reproduce import figures as _folder

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

    from jaxsup.reproduce.claims import Claim
    from jaxsup.sweep.grid import Sweep
    from jaxsup.sweep.progress import Progress
    from jaxsup.weights.read import Weights


class Findings(NamedTuple):
    """What a figure's measurement gives.

    Attributes:
        records: numbers for programs, JSON-safe.
        text: lines for people.
        figure: the picture.
        claims: the published statements that it is about, each with its verdict.
        dataset: what to store beside the picture, where nothing was trained.
    """

    records: list[dict[str, Any]]
    text: list[str]
    figure: Figure
    claims: list[Claim]
    dataset: xr.Dataset | None = None


class Report(NamedTuple):
    """A figure that was reproduced.

    Attributes:
        name, scale: which one.
        findings: what was measured.
        seconds: wall-clock time of ``"training"``, in the call that ended it, and ``"measuring"``.
    """

    name: str
    scale: str
    findings: Findings
    seconds: dict[str, float]

    def to_dict(self) -> dict[str, Any]:
        """What NAME.json holds."""
        return {
            "figure": self.name,
            "title": figure_titles()[self.name],
            "scale": self.scale,
            "seconds": self.seconds,
            "claims": [claim.to_dict() for claim in self.findings.claims],
            "records": self.findings.records,
        }

    def lines(self) -> list[str]:
        """What NAME.txt holds: the measurement, then the verdicts."""
        from jaxsup.reproduce.claims import format_claims

        return [*self.findings.text, "", *format_claims(self.findings.claims)]


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


@runtime_checkable
class WeightsModule(Protocol):
    """What a module of `jaxsup.reproduce` about the user's weights offers."""

    SCALES: Mapping[str, Any]

    def inspect(self, weights: Weights, scale: Any) -> Findings:
        """What the matrix holds."""
        ...


def figure_titles() -> dict[str, str]:
    """Names of the figures with the first lines of their docstrings; imports none of them."""
    titles = {}
    for module in pkgutil.iter_modules(_folder.__path__):
        assert isinstance(module.module_finder, FileFinder)
        path = Path(module.module_finder.path) / f"{module.name}.py"
        text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        titles[module.name.replace("_", "-")] = text.partition("\n")[0]
    return dict(sorted(titles.items()))


def find_figure(name: str) -> FigureModule | WeightsModule:
    """The module of a figure.

    Raises:
        ValueError: there is none of that name.
    """
    from jaxsup._internal.validation import check_choice

    check_choice("figure", name, figure_titles())
    module = importlib.import_module("jaxsup.reproduce.figures." + name.replace("-", "_"))
    return cast("FigureModule | WeightsModule", module)


def needs_weights(name: str) -> bool:
    """Whether a figure is about a matrix that the user brings.

    Raises:
        ValueError: there is no figure of that name.
    """
    return isinstance(find_figure(name), WeightsModule)


def reproduce(
    name: str,
    scale: str,
    out: Path,
    *,
    weights: Weights | None = None,
    resume: bool = False,
    progress: Callable[[Progress], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> Report:
    """Train a figure's sweep at a scale, measure it, and write everything below `out`.

    Written are dataset.zarr, and NAME.json, NAME.txt and NAME.png.

    Arguments:
        name: one of `figure_titles`.
        scale: one of the module's ``SCALES``.
        out: folder; must not exist yet unless `resume` is set.
        weights: result of `jaxsup.read_weights`, for a figure about them.
        resume: go on with the dataset that is there; what is whole is measured again only.
        progress, stop: as `jaxsup.run` takes them.

    Raises:
        ValueError: no such figure or scale, `out` holds another sweep, or weights are missing or
            not asked for.
        OSError: `out` is there already, or cannot be written.
        Stopped: `stop` said so; what is whole is in the dataset.
    """
    from jaxsup._internal.validation import check_choice
    from jaxsup.sweep.store.plan import check_store

    module = find_figure(name)
    check_choice("scale", scale, module.SCALES)
    _check_weights(name, weights)
    check_store(out, join=resume)
    out.mkdir(parents=True, exist_ok=resume)
    began = time.perf_counter()
    if isinstance(module, WeightsModule):
        assert weights is not None
        findings = module.inspect(weights, module.SCALES[scale])
        seconds = {"training": 0.0, "measuring": time.perf_counter() - began}
    else:
        sweep, report = module.configure(module.SCALES[scale]), out / f"{name}.json"
        findings, seconds = _train_and_measure(report, sweep, module, resume, progress, stop)
    found = Report(name, scale, findings, {key: round(s, 2) for key, s in seconds.items()})
    _write(found, out)
    return found


def _train_and_measure(
    report: Path,
    sweep: Sweep,
    module: FigureModule,
    resume: bool,
    progress: Callable[[Progress], None] | None,
    stop: Callable[[], bool] | None,
) -> tuple[Findings, dict[str, float]]:
    from jaxsup.sweep.run import run

    segments = 0

    def count(p: Progress) -> None:
        nonlocal segments
        segments += 1
        if progress is not None:
            progress(p)

    began = time.perf_counter()
    store = report.parent / "dataset.zarr"
    dataset = run(sweep, store, resume=resume, progress=count, stop=stop)
    halfway = time.perf_counter()
    findings = module.measure(dataset, sweep)
    training = halfway - began
    if not segments and report.exists():  # it was trained by an earlier call
        training = json.loads(report.read_text(encoding="utf-8"))["seconds"]["training"]
    return findings, {"training": training, "measuring": time.perf_counter() - halfway}


def _check_weights(name: str, weights: Weights | None) -> None:
    from jaxsup._internal.validation import fail

    if needs_weights(name) and weights is None:
        raise fail("weights", f"a matrix for {name}", None, "give a file by --weights FILE")
    if weights is not None and not needs_weights(name):
        raise fail("weights", f"none, as {name} trains its own", "a matrix", "leave them out")


def _write(report: Report, out: Path) -> None:
    from jaxsup.plot import save_figure

    name, findings = report.name, report.findings
    (out / f"{name}.txt").write_text("\n".join(report.lines()) + "\n", encoding="utf-8")
    text = json.dumps(report.to_dict(), indent=1, allow_nan=False)
    (out / f"{name}.json").write_text(text + "\n", encoding="utf-8")
    save_figure(findings.figure, out / f"{name}.png")
    if findings.dataset is not None:
        findings.dataset.to_zarr(out / "dataset.zarr", mode="w", consolidated=False)


def summarise(reports: Mapping[str, Report | None]) -> list[str]:
    """One line a claim: figure, claim, published, measured, verdict, seconds; None was skipped."""
    from jaxsup.reproduce.claims import NOT_CLAIMED

    rows = [("figure", "claim", "published", "measured (95% interval)", "verdict", "seconds")]
    for name, report in reports.items():
        if report is None:
            rows.append((name, "skipped: give --weights FILE", "-", "-", NOT_CLAIMED, "-"))
            continue
        spent = f"{sum(report.seconds.values()):.0f}"
        for claim in report.findings.claims:
            published = "-" if claim.published is None else str(claim.published)
            measured = "-" if claim.measured is None else str(claim.measured)
            rows.append((name, claim.quantity, published, measured, claim.verdict, spent))
            name = spent = ""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
