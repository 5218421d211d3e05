"""Reproducing a figure: train, measure, write; and one table for many of them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from jaxsup._internal.display import fields_in_short
from jaxsup._internal.paths import local_path
from jaxsup._internal.text import align_left
from jaxsup._internal.validation import fail
from jaxsup.plot import save_figure
from jaxsup.reproduce.claims import NOT_CLAIMED, format_claims
from jaxsup.reproduce.contracts import check_figure, check_findings, to_json
from jaxsup.reproduce.figure import AbstractFigure, AbstractWeightsFigure, Findings
from jaxsup.reproduce.registry import find_figure
from jaxsup.sweep.progress import Progress, show_progress
from jaxsup.sweep.run import run
from jaxsup.sweep.store.plan import check_store
from jaxsup.weights.files.read import Weights


class Report(NamedTuple):
    """A figure that was reproduced.

    Attributes:
        name, title, scale: which one.
        findings: what was measured.
        seconds: wall-clock time of ``"training"``, in the call that ended it, and ``"measuring"``.
    """

    name: str
    title: str
    scale: str
    findings: Findings
    seconds: dict[str, float]
    __repr__ = fields_in_short

    def to_dict(self) -> dict[str, Any]:
        """What NAME.json holds."""
        return {
            "figure": self.name,
            "title": self.title,
            "scale": self.scale,
            "seconds": self.seconds,
            "claims": [claim.to_dict() for claim in self.findings.claims],
            "records": to_json(self.name, self.findings.records),
        }

    def lines(self) -> list[str]:
        """What NAME.txt holds: the measurement, then the verdicts."""
        return [*self.findings.text, "", *format_claims(self.findings.claims)]


def reproduce(
    figure: str | AbstractFigure[Any] | AbstractWeightsFigure[Any],
    scale: str,
    out: str | Path,
    *,
    weights: Weights | None = None,
    resume: bool = False,
    progress: Callable[[Progress], None] | bool | None = None,
    stop: Callable[[], bool] | None = None,
) -> Report:
    """Train a figure's sweep at a scale, measure it, and write everything below `out`.

    Written are dataset.zarr, and NAME.json, NAME.txt and NAME.png.

    Arguments:
        figure: one of `jaxsup.reproduce.figure_titles`, or a figure of your own.
        scale: one of the figure's `scales`.
        out: folder; must be new or empty unless `resume` is set.
        weights: result of `jaxsup.weights.read_weights`, for a figure about them.
        resume: go on with the dataset that is there; what is whole is measured again only.
        progress, stop: as `jaxsup.run` takes them.

    Raises:
        ValueError: no such figure or scale, `out` holds another sweep, weights are missing or not
            asked for, or a figure of your own gives something else than findings.
        OSError: `out` is there already, or cannot be written.
        Stopped: `stop` said so; what is whole is in the dataset.
    """
    out = local_path(out)
    if isinstance(figure, str):
        figure = find_figure(figure)
    check_figure(figure)
    size = figure.scale(scale)
    _check_weights(figure, weights)
    check_store(out, join=resume)
    _check_files(out, figure.name)
    out.mkdir(parents=True, exist_ok=True)
    if isinstance(figure, AbstractFigure):
        findings, seconds = _train_and_measure(figure, size, out, resume, progress, stop)
    else:
        start = time.perf_counter()
        assert weights is not None
        findings = figure.inspect(weights, size)
        seconds = {"training": 0.0, "measuring": time.perf_counter() - start}
    check_findings(figure.name, findings)
    rounded = {key: round(duration, 2) for key, duration in seconds.items()}
    report = Report(figure.name, figure.title, scale, findings, rounded)
    _write(report, out)
    return report


def _train_and_measure(
    figure: AbstractFigure[Any],
    size: object,
    out: Path,
    resume: bool,
    progress: Callable[[Progress], None] | bool | None,
    stop: Callable[[], bool] | None,
) -> tuple[Findings, dict[str, float]]:
    start, segments = time.perf_counter(), 0
    sweep, report = figure.configure(size), out / f"{figure.name}.json"
    options: dict[str, Any] = {"resume": resume, "stop": stop, "widths": figure.widths}
    with show_progress(progress) as show:

        def count(state: Progress) -> None:
            nonlocal segments
            segments += 1
            if show is not None:
                show(state)

        dataset = run(sweep, out / "dataset.zarr", progress=count, **options)
    halfway = time.perf_counter()
    findings = figure.measure(dataset, sweep)
    training = halfway - start
    if not segments and report.exists():  # it was trained by an earlier call
        training = json.loads(report.read_text(encoding="utf-8"))["seconds"]["training"]
    return findings, {"training": training, "measuring": time.perf_counter() - halfway}


def _check_files(out: Path, name: str) -> None:
    """Raise where files of these names are there that no earlier call has written."""
    ours = (out / f"{name}.txt", out / "dataset.zarr")
    if any(path.exists() for path in ours):
        return
    for path in (out / f"{name}.json", out / f"{name}.png"):
        if path.exists():
            raise FileExistsError(
                f"{path}: expected a folder of this figure to go on with; got a file that would be "
                "replaced; choose another folder"
            )


def _check_weights(
    figure: AbstractFigure[Any] | AbstractWeightsFigure[Any], weights: Weights | None
) -> None:
    trains = isinstance(figure, AbstractFigure)
    if weights is None and not trains:
        do = "give a file by --weights FILE"
        raise fail("weights", f"a matrix for {figure.name}", None, do)
    if weights is not None and trains:
        expected = f"none, as {figure.name} trains its own"
        raise fail("weights", expected, "a matrix", "leave them out", described=True)


def _write(report: Report, out: Path) -> None:
    name, findings = report.name, report.findings
    text = json.dumps(report.to_dict(), indent=1, allow_nan=False)
    (out / f"{name}.txt").write_text("\n".join(report.lines()) + "\n", encoding="utf-8")
    (out / f"{name}.json").write_text(text + "\n", encoding="utf-8")
    save_figure(findings.figure, out / f"{name}.png")
    if findings.dataset is not None:
        findings.dataset.to_zarr(out / "dataset.zarr", mode="w", consolidated=False)


def summarize(reports: Mapping[str, Report | None]) -> list[str]:
    """One line a claim: figure, claim, published, measured, verdict, seconds.

    Arguments:
        reports: by the name of the figure; None for one that was skipped for want of weights.
    """
    rows = [("figure", "claim", "published", "measured (95% interval)", "verdict", "seconds")]
    for name, report in reports.items():
        if report is None:
            rows.append((name, "skipped: give --weights FILE", "-", "-", NOT_CLAIMED, "-"))
            continue
        first = name, f"{sum(report.seconds.values()):.0f}"
        for claim in report.findings.claims:
            published = "-" if claim.published is None else str(claim.published)
            measured = "-" if claim.measured is None else str(claim.measured)
            figure, seconds = first
            rows.append((figure, claim.quantity, published, measured, claim.verdict, seconds))
            first = "", ""
    return align_left(rows)
