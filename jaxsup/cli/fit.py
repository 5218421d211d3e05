"""`jaxsup fit`: exponents of a dataset."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import tyro


@dataclasses.dataclass
class FitCommand:
    """Fit a power law L ~ t^-alpha at every setting of a sweep.

    Try:
      jaxsup fit runs/transition --after 10
      jaxsup fit runs/transition --window 300 6000
      jaxsup fit runs/transition --floor --json > exponents.json

    Prints the exponent with its standard error beside (a + 2b - 1)/a, the exponent without
    superposition, and the window of steps that was fitted. A setting whose curve is no power law
    says so; the slope in brackets is what a blind fit would have given.

    Attributes:
        directory: Folder of a sweep.
        window: First and last step; default: chosen for each setting, where the local slope is
            steady.
        after: Leave out earlier steps: a power law in t starts where 2 eta l_1 t is well above 1.
        floor: Fit L = c + A t^-alpha.
        json: Print every field of every fit for programs.
    """

    directory: tyro.conf.Positional[Path]
    window: tuple[float, float] | None = None
    after: float = 0
    floor: bool = False
    json: bool = False

    def run(self) -> None:
        """Fit and print.

        Raises:
            ValueError: the folder holds no sweep, or an option does not suit it.
        """
        from jaxsup.fit.exponents import exponents_to_records, format_exponents, measure_exponents
        from jaxsup.sweep.store.read import open_store

        dataset = open_store(self.directory)
        options = {"window": self.window, "after": self.after, "floor": self.floor}
        table = measure_exponents(dataset, **options)
        if self.json:
            print(json.dumps(exponents_to_records(table), indent=1))
        else:
            print(format_exponents(table))
