"""`jaxsup fit`: exponents, regimes and local exponents of a sweep or of a file of loss curves."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tyro

from jaxsup.cli.pictures import check_picture, use_house_style
from jaxsup.cli.terminal import one_line

if TYPE_CHECKING:
    import xarray as xr


@dataclasses.dataclass
class FitCommand:
    """Fit a power law L ~ t^-alpha to every curve of a sweep or file, or cut it into regimes.

    Try:
      jaxsup fit runs/transition
      jaxsup fit runs/transition --window 300 6000
      jaxsup fit runs/transition --floor --json > exponents.json
      jaxsup fit losses.csv --regimes --out losses.png
      jaxsup fit train.log --loss "val loss" --local
      jaxsup fit runs.csv --by seed --seeds
      ssh cluster cat train.log | jaxsup fit -

    Prints the exponent with its standard error, and the window of steps that was fitted. Beside it
    stand two exponents without superposition: "theory", of a linear student with K = N at this
    number of features, step size and window, and "limit", (a + 2b - 1)/a, of infinitely many
    features. A setting whose curve is no power law says so and why in short (--json has all of it);
    the slope in brackets is what a blind fit would have given.

    Your own curves: .csv, .tsv and .parquet have a header, a column of steps ("step", or the first)
    and a column for each curve; an empty cell is a step that was not recorded, and a curve that
    ends in nan diverged. A .npz holds the columns as arrays, or losses [runs, steps]; a .npy a
    structured array, rows with the steps first, or losses alone. A .json is a dictionary of lists,
    a list of dictionaries, or a trainer_state.json. Of a log (.log, .txt, .jsonl) lines with a step
    and a loss are read: JSON, printed dictionaries, "step 250: train loss 2.04", "step=250
    loss=2.04". Where names contain "loss", the other columns are left out, and you are told.

    Attributes:
        source: Folder of a sweep, file of loss curves, or - for text from standard input.
        step: Column of the steps. Default: the one called step, iter or alike, or the first.
        loss: Column of losses; repeat it for several. Default: all with "loss" in their name, or
            all with numbers.
        by: Column that tells runs apart, where their rows stand below each other.
        seeds: Runs of a file, or columns without --by, are seeds of one setting.
        window: First and last step; default: chosen for each setting, where the local slope is
            steady.
        after: Leave out earlier steps. Default: the start-up, as far as theory knows it: until the
            first features are learned and the local exponent of infinitely many stays within 2% of
            (a + 2b - 1)/a. With an optimizer other than plain SGD, and where there is no such law,
            the warm-up of the learning rate, if it has one. Nothing with --window and --local.
        floor: Fit L = c + A t^-alpha.
        regimes: Cut each curve into stretches of one power law each, and what lies between.
        local: Print the local exponent -d log L / d log t along each curve.
        json: Print every field of every fit for programs.
        out: Figure to write, .png, .pdf or .svg: the curves with what was fitted, and their local
            exponents.
        force: Replace a figure that is there.
    """

    source: tyro.conf.Positional[Path]
    step: str | None = None
    loss: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    by: str | None = None
    seeds: bool = False
    window: tuple[float, float] | None = None
    after: float | None = None
    floor: bool = False
    regimes: bool = False
    local: bool = False
    json: bool = False
    out: Path | None = None
    force: bool = False

    def run(self) -> None:
        """Fit, print and draw.

        Raises:
            ValueError: there is no sweep or file, or an option does not suit it.
        """
        self._check_options()
        if self.out is not None:
            check_picture(self.out, force=self.force)
            use_house_style()
        dataset = open_curves(
            self.source, step=self.step, loss=self.loss, by=self.by, seeds=self.seeds
        )
        if self.out is not None:
            check_panels(dataset)
        if self.regimes:
            table, records, text = self._regimes(dataset)
        elif self.local:
            table, records, text = self._local_exponents(dataset)
        else:
            table, records, text = self._exponents(dataset)
        tell_notes(dataset)
        # What was measured is told first: a picture that can't be drawn must not take it along.
        print(json.dumps(records, indent=1) if self.json else text, flush=True)
        if self.out is not None:
            from jaxsup.plot import save_figure
            from jaxsup.plot.fits import fit_figure

            local = table if self.local else self._local_exponents(dataset)[0]
            save_figure(fit_figure(dataset, table, local), self.out)
            if not self.json:
                print(f"\nfigure   {self.out}")

    def _check_options(self) -> None:
        from jaxsup._internal.validation import fail

        kinds = [name for name in ("regimes", "local") if getattr(self, name)]
        if len(kinds) > 1:
            raise fail("--regimes", "one kind of table", "--local too", "leave one out")
        for name in ("window", "floor"):
            if kinds and getattr(self, name):
                other = f"--{kinds[0]}"
                raise fail(f"--{name}", "a single fit", other, f"leave out --{name} or {other}")

    def _exponents(self, dataset: xr.Dataset) -> tuple[xr.Dataset, list[dict[str, Any]], str]:
        from jaxsup.fit.tables.exponents import (
            exponents_to_records,
            format_exponents,
            measure_exponents,
        )

        options = {"window": self.window, "after": self.after, "floor": self.floor}
        table = measure_exponents(dataset, **options)
        return table, exponents_to_records(table), format_exponents(table)

    def _regimes(self, dataset: xr.Dataset) -> tuple[xr.Dataset, list[dict[str, Any]], str]:
        from jaxsup.fit.tables.regime_tables import (
            format_regimes,
            measure_regimes,
            regimes_to_records,
        )

        table = measure_regimes(dataset, after=self.after)
        return table, regimes_to_records(table), format_regimes(table)

    def _local_exponents(self, dataset: xr.Dataset) -> tuple[xr.Dataset, list[dict[str, Any]], str]:
        from jaxsup.fit.tables.local_tables import (
            format_local_exponents,
            local_exponents_to_records,
            measure_local_exponents,
        )

        table = measure_local_exponents(dataset, after=self.after or 0)
        return table, local_exponents_to_records(table), format_local_exponents(table)


def open_curves(
    source: Path,
    *,
    step: str | None = None,
    loss: tuple[str, ...] = (),
    by: str | None = None,
    seeds: bool = False,
) -> xr.Dataset:
    """The loss curves of a sweep's folder, or of a file.

    Arguments:
        source: folder, file, or "-" for standard input.
        step, loss, by, seeds: as in `jaxsup.fit.tables.files.read_curves`, of a file.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it cannot be read, or an option of files comes with a folder.
    """
    from jaxsup._internal.validation import fail

    if _is_file(source):
        from jaxsup.fit.tables.files import read_curves

        return read_curves(source, step=step, loss=loss, by=by, seeds=seeds)
    for name, given in {"step": step, "loss": loss, "by": by, "seeds": seeds}.items():
        if given:
            text, do = "a sweep's folder", "leave it out: a sweep knows its curves and seeds"
            raise fail(f"--{name}", "a file of curves", text, do, described=True)
    from jaxsup.sweep.store.read import open_store

    return open_store(source)


def _is_file(source: Path) -> bool:
    """Whether a source is meant to be a file of curves, be it there or not."""
    if (source / "zarr.json").exists():
        return False
    if source.exists() and not source.is_dir():
        return True
    from jaxsup.fit.tables.files import ENDINGS, STANDARD_INPUT

    return str(source) == STANDARD_INPUT or source.suffix.lower() in ENDINGS


def check_panels(dataset: xr.Dataset) -> None:
    """Raise if a figure of curves has no room for all axes of a sweep.

    Raises:
        ValueError: there are several axes.
    """
    from jaxsup._internal.validation import fail

    axes = [str(dim) for dim in dataset["loss"].dims if dim not in ("seed", "step")]
    if len(axes) > 1:
        do = f"draw one position with jaxsup plot --kind loss --at {axes[-1]}=0"
        raise fail("--out", "at most one axis in a figure", ", ".join(axes), do, described=True)


def tell_notes(dataset: xr.Dataset) -> None:
    """What the reader of a file assumed, on standard error, a line each."""
    for note in dataset.attrs.get("notes", ()):
        print(f"jaxsup: {one_line(note)}", file=sys.stderr)
