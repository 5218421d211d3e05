"""`jaxsup reproduce`: published figures."""

from __future__ import annotations

import dataclasses
import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from jaxsup._internal.blas import one_blas_thread
from jaxsup.cli.devices import configure_devices, share_memory, use_devices
from jaxsup.cli.pictures import use_house_style
from jaxsup.cli.signals import stop_on_signals
from jaxsup.reproduce.registry import figure_titles

if TYPE_CHECKING:
    from jaxsup.reproduce.figure import AbstractFigure, AbstractWeightsFigure
    from jaxsup.reproduce.run import Report
    from jaxsup.weights.files.read import Weights

_TITLES = figure_titles()
_FIGURES = "Which figure, or all of them one after the other:" + "".join(
    f"\n  {name}: {title}" for name, title in _TITLES.items()
)


@dataclasses.dataclass
class ReproduceCommand:
    """Run a published figure's experiment, measure it, hold it to what was published, draw it.

    Try:
      jaxsup reproduce transition --scale first
      jaxsup reproduce toy-phase-diagram
      jaxsup reproduce transition --scale paper --out runs/transition
      jaxsup reproduce real-weights --weights model.safetensors --tensor wte.weight
      jaxsup reproduce all --scale quick --out runs/all --resume

    Every claim gets a verdict: agrees, differs, or not claimed (with the reason). It follows from
    the measured 95% interval and the published range; the table says both. A figure of your own is
    run from Python, see jaxsup.reproduce.AbstractFigure.

    Attributes:
        scale: smoke: seconds, to see that it works; first: about a minute on two cores, for the
            transition; quick: minutes on two cores; standard: half an hour on two cores, for
            figures that have it; paper: an accelerator.
        out: New folder for dataset, figure and table; default: runs/NAME-SCALE.
        resume: Go on with what the folder holds; what is whole is measured again without training.
        weights: For real-weights: .npy, .npz or .safetensors with the matrix. Nothing is unpickled.
        tensor: Name of the matrix, where the file holds several.
        strict: Exit with status 1 if any verdict is "differs".
        json: Print everything for programs; no progress.
    """

    name: Annotated[
        tyro.conf.Positional[str],
        tyro.conf.arg(metavar="{" + ",".join([*_TITLES, "all"]) + "}", help=_FIGURES),
    ]
    scale: Literal["smoke", "first", "quick", "standard", "paper", "large"] = "quick"
    out: Path | None = None
    resume: bool = False
    weights: Path | None = None
    tensor: str | None = None
    strict: bool = False
    json: bool = False

    @one_blas_thread()
    def run(self) -> None:
        """Reproduce.

        Raises:
            ValueError: there is no such figure, or an option does not suit it.
            SystemExit: a verdict is "differs" and --strict is given; status 1.
        """
        share_memory()
        use_house_style()
        import jax

        from jaxsup._internal.validation import check_choice
        from jaxsup.reproduce.claims import DIFFERS
        from jaxsup.reproduce.figure import AbstractWeightsFigure
        from jaxsup.reproduce.registry import find_figure
        from jaxsup.sweep.store.plan import check_store

        names = list(figure_titles())
        check_choice("figure", self.name, [*names, "all"])
        weights = self._read_weights()
        figures = [find_figure(name) for name in (names if self.name == "all" else [self.name])]
        for figure in figures:
            figure.scale(self.scale)  # refused before anything is trained
            check_store(self._folder(figure.name), join=self.resume)
        configure_devices(None)
        use_devices(None)
        reports: dict[str, Report | None] = {}
        for figure in figures:
            inspects = isinstance(figure, AbstractWeightsFigure)
            if self.name == "all" and inspects and weights is None:
                reports[figure.name] = None
                continue
            matrix = None if self.name == "all" and not inspects else weights
            reports[figure.name] = self._reproduce(figure, matrix)
            # No figure needs another's programs, and there is room for so many.
            jax.clear_caches()
        self._print(reports)
        verdicts = [c.verdict for r in reports.values() if r for c in r.findings.claims]
        if self.strict and DIFFERS in verdicts:
            raise SystemExit(1)

    def _read_weights(self) -> Weights | None:
        from jaxsup._internal.validation import fail
        from jaxsup.weights.files.read import read_weights

        if self.weights is not None:
            return read_weights(self.weights, tensor=self.tensor)
        if self.tensor is not None:
            raise fail("--tensor", "a file that it is in", self.tensor, "add --weights FILE")
        return None

    def _folder(self, name: str) -> Path:
        if self.out is None:
            return Path("runs") / f"{name}-{self.scale}"
        return self.out / name if self.name == "all" else self.out

    def _reproduce(
        self, figure: AbstractFigure[Any] | AbstractWeightsFigure[Any], weights: Weights | None
    ) -> Report:
        from jaxsup.reproduce.run import reproduce
        from jaxsup.sweep.callbacks import Stopped

        out = self._folder(figure.name)
        if self.name == "all" and not self.json:
            print(f"\n{figure.name}", flush=True)
        with stop_on_signals() as stop:
            try:
                report = reproduce(
                    figure,
                    self.scale,
                    out,
                    weights=weights,
                    resume=self.resume,
                    progress=not self.json,
                    stop=stop,
                )
            except Stopped:
                words = [word for word in sys.argv[1:] if word != "--resume"]
                again = shlex.join(["jaxsup", *words, "--resume"])
                print(f"jaxsup: stopped; go on with: {again}", file=sys.stderr)
                raise SystemExit(stop.exit_status) from None
        if not self.json:
            print("\n".join(report.lines()))
            for path in sorted(out.iterdir()):
                print(f"wrote    {path}")
        return report

    def _print(self, reports: dict[str, Report | None]) -> None:
        """The summary table of all figures, or everything as JSON."""
        from jaxsup.reproduce.run import summarize

        if self.json:
            tables = {name: None if r is None else r.to_dict() for name, r in reports.items()}
            print(json.dumps(tables if self.name == "all" else tables[self.name], indent=1))
        elif self.name == "all":
            print("\n" + "\n".join(summarize(reports)))
