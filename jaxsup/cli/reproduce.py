"""`jaxsup reproduce`: published figures."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Literal

import tyro

from jaxsup.cli.devices import configure_devices


@dataclasses.dataclass
class ReproduceCommand:
    """Run a published figure's experiment, measure it, and draw it.

    Try:
      jaxsup reproduce transition
      jaxsup reproduce transition --scale paper --out runs/transition

    `transition`: training exponent against the superposition ratio for several (a, b), from
    networks without superposition (K = N) to crowded ones ("Superposition unifies power-law
    training dynamics", arXiv 2602.01045).
    """

    name: tyro.conf.Positional[Literal["transition"]]
    """Which figure."""
    scale: Literal["smoke", "quick", "paper"] = "quick"
    """smoke: seconds, to see that it works; quick: minutes on two cores; paper: an accelerator."""
    out: Path | None = None
    """New folder for dataset, figure and table; default: runs/NAME-SCALE."""
    json: bool = False
    """Print the table for programs; no progress."""

    def run(self) -> None:
        """Reproduce."""
        from jaxsup.measure import exponents_to_records
        from jaxsup.progress import show_progress
        from jaxsup.reproduce import transition
        from jaxsup.sweep.store import check_store

        out = self.out or Path("runs") / f"{self.name}-{self.scale}"
        check_store(out)
        configure_devices(None)
        with show_progress(quiet=self.json) as progress:
            table = transition.reproduce(self.scale, out, progress=progress)
        if self.json:
            print(json.dumps(exponents_to_records(table), indent=1))
            return
        print((out / "transition.txt").read_text(encoding="utf-8"))
        for path in sorted(out.iterdir()):
            print(f"wrote    {path}")
