"""`jaxsup fit`: exponents, regimes and local exponents of a dataset or of a table of curves."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tyro

if TYPE_CHECKING:
    import xarray as xr


@dataclasses.dataclass
class FitCommand:
    """Fit a power law L ~ t^-alpha at every setting of a sweep, or cut its curves into regimes.

    Try:
      jaxsup fit runs/transition
      jaxsup fit runs/transition --window 300 6000
      jaxsup fit runs/transition --floor --json > exponents.json
      jaxsup fit runs/transition --regimes
      jaxsup fit losses.csv --local --json > local.json

    Prints the exponent with its standard error, and the window of steps that was fitted. Beside it
    stand two exponents without superposition: "theory", of a linear student with K = N at this
    number of features, step size and window, and "limit", (a + 2b - 1)/a, of infinitely many
    features. A setting whose curve is no power law says so and why in short (--json has all of it);
    the slope in brackets is what a blind fit would have given.

    A CSV file has a header, a column of steps ("step", or the first) and a column for each curve.
    An empty cell is a step that was not recorded; a curve that ends in nan diverged.

    Attributes:
        source: Folder of a sweep, or a CSV file.
        window: First and last step; default: chosen for each setting, where the local slope is
            steady.
        after: Leave out earlier steps. Default: the start-up, as far as theory knows it: until the
            first features are learned and the local exponent of infinitely many stays within 2% of
            (a + 2b - 1)/a. Nothing is left out with --window, with --local, with an optimizer other
            than plain SGD, and where there is no such law.
        floor: Fit L = c + A t^-alpha.
        regimes: Cut each curve into stretches of one power law each, and what lies between.
        local: Print the local exponent -d log L / d log t along each curve.
        seeds: The columns of a CSV file are seeds of one setting.
        json: Print every field of every fit for programs.
    """

    source: tyro.conf.Positional[Path]
    window: tuple[float, float] | None = None
    after: float | None = None
    floor: bool = False
    regimes: bool = False
    local: bool = False
    seeds: bool = False
    json: bool = False

    def run(self) -> None:
        """Fit and print.

        Raises:
            ValueError: there is no sweep or table, or an option does not suit it.
        """
        self._check_options()
        dataset = open_curves(self.source, seeds=self.seeds)
        if self.regimes:
            records, text = self._regimes(dataset)
        elif self.local:
            records, text = self._local_exponents(dataset)
        else:
            records, text = self._exponents(dataset)
        print(json.dumps(records, indent=1) if self.json else text)

    def _check_options(self) -> None:
        from jaxsup._internal.validation import fail

        kinds = [name for name in ("regimes", "local") if getattr(self, name)]
        if len(kinds) > 1:
            raise fail("--regimes", "one kind of table", "--local too", "leave one out")
        for name in ("window", "floor"):
            if kinds and getattr(self, name):
                other = f"--{kinds[0]}"
                raise fail(f"--{name}", "a single fit", other, f"leave out --{name} or {other}")

    def _exponents(self, dataset: xr.Dataset) -> tuple[list[dict[str, Any]], str]:
        from jaxsup.fit.tables.exponents import (
            exponents_to_records,
            format_exponents,
            measure_exponents,
        )

        options = {"window": self.window, "after": self.after, "floor": self.floor}
        table = measure_exponents(dataset, **options)
        return exponents_to_records(table), format_exponents(table)

    def _regimes(self, dataset: xr.Dataset) -> tuple[list[dict[str, Any]], str]:
        from jaxsup.fit.tables.regime_tables import (
            format_regimes,
            measure_regimes,
            regimes_to_records,
        )

        table = measure_regimes(dataset, after=self.after)
        return regimes_to_records(table), format_regimes(table)

    def _local_exponents(self, dataset: xr.Dataset) -> tuple[list[dict[str, Any]], str]:
        from jaxsup.fit.tables.local_tables import (
            format_local_exponents,
            local_exponents_to_records,
            measure_local_exponents,
        )

        table = measure_local_exponents(dataset, after=self.after or 0)
        return local_exponents_to_records(table), format_local_exponents(table)


def open_curves(source: Path, *, seeds: bool) -> xr.Dataset:
    """The loss curves of a sweep's folder, or of a CSV file.

    Arguments:
        source: folder, or file whose name ends in .csv.
        seeds: the columns of the file are seeds.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it cannot be read, or `seeds` are asked of a folder.
    """
    from jaxsup._internal.validation import fail

    if source.suffix.lower() == ".csv" and not (source / "zarr.json").exists():
        from jaxsup.fit.tables.files import read_curves

        return read_curves(source, seeds=seeds)
    if seeds:
        raise fail("--seeds", "a CSV file", str(source), "leave it out: a sweep knows its seeds")
    from jaxsup.sweep.store.read import open_store

    return open_store(source)
