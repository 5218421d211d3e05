"""`jaxsup reproduce`: published figures."""

from __future__ import annotations

import dataclasses
import json
import shlex
import sys
from pathlib import Path
from typing import Annotated, Literal

import tyro

from jaxsup.cli.devices import configure_devices, single_threaded_lapack
from jaxsup.cli.signals import stop_on_signals
from jaxsup.figures import figure_titles

_TITLES = figure_titles()


@dataclasses.dataclass
class ReproduceCommand:
    """Run a published figure's experiment, measure it, and draw it.

    Try:
      jaxsup reproduce transition
      jaxsup reproduce toy-phase-diagram
      jaxsup reproduce transition --scale paper --out runs/transition
      jaxsup reproduce all --scale smoke

    Figures:
    """

    name: Annotated[
        tyro.conf.Positional[str], tyro.conf.arg(metavar="{" + ",".join([*_TITLES, "all"]) + "}")
    ]
    """Which figure, or all of them one after the other."""
    scale: Literal["smoke", "quick", "paper"] = "quick"
    """smoke: seconds, to see that it works; quick: minutes on two cores; paper: an accelerator."""
    out: Path | None = None
    """New folder for dataset, figure and table; default: runs/NAME-SCALE."""
    resume: bool = False
    """Go on with what the folder holds."""
    json: bool = False
    """Print the table for programs; no progress."""

    def run(self) -> None:
        """Reproduce."""
        single_threaded_lapack()
        from jaxsup.sweep.store import check_store
        from jaxsup.validation import check_choice

        check_choice("figure", self.name, [*_TITLES, "all"])
        names = list(_TITLES) if self.name == "all" else [self.name]
        folders = {name: self._folder(name) for name in names}
        for folder in folders.values():
            check_store(folder, join=self.resume)
        configure_devices(None)
        found = {name: self._reproduce(name, folder) for name, folder in folders.items()}
        if self.json:
            print(json.dumps(found if self.name == "all" else found[self.name], indent=1))

    def _folder(self, name: str) -> Path:
        if self.out is None:
            return Path("runs") / f"{name}-{self.scale}"
        return self.out / name if self.name == "all" else self.out

    def _reproduce(self, name: str, out: Path) -> list[dict]:
        from jaxsup.figures import reproduce
        from jaxsup.progress import show_progress
        from jaxsup.sweep.training import Stopped

        with stop_on_signals() as stop, show_progress(quiet=self.json) as progress:
            try:
                findings = reproduce(
                    name, self.scale, out, resume=self.resume, progress=progress, stop=stop
                )
            except Stopped:
                words = [word for word in sys.argv[1:] if word != "--resume"]
                again = shlex.join(["jaxsup", *words, "--resume"])
                print(f"jaxsup: stopped; go on with: {again}", file=sys.stderr)
                raise SystemExit(stop.exit_status) from None
        if not self.json:
            print("\n".join(findings.text))
            for path in sorted(out.iterdir()):
                print(f"wrote    {path}")
        return findings.records


# The list grows with the files in jaxsup/reproduce.
ReproduceCommand.__doc__ = (ReproduceCommand.__doc__ or "").rstrip() + "".join(
    f"\n      {name}: {title}" for name, title in _TITLES.items()
)
