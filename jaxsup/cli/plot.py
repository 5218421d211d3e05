"""`jaxsup plot`: pictures of a dataset."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import tyro

from jaxsup.cli.pictures import check_picture

if TYPE_CHECKING:
    import xarray as xr


@dataclasses.dataclass
class PlotCommand:
    """Draw a sweep: loss curves, exponent against the superposition ratio, or its map over (a, b).

    Try:
      jaxsup plot runs/transition --out transition.png --after 10
      jaxsup plot runs/transition --out curves.pdf --kind loss --at setting=0

    Without --kind, a sweep over student.latent is drawn as exponent against ratio, one over both
    exponents as a map, any other as loss curves. Where the loss has a closed form it is laid over.

    Attributes:
        directory: Folder of a sweep.
        out: Picture to write: .png, .pdf or .svg.
        kind: What to draw.
        at: Positions of axes that the picture has no room for, as NAME=INDEX.
        window: First and last step of the fits.
        after: Leave out earlier steps of the fits.
    """

    directory: tyro.conf.Positional[Path]
    out: Path
    kind: Literal["loss", "ratio", "map"] | None = None
    at: tuple[str, ...] = ()
    window: tuple[float, float] | None = None
    after: float = 0

    def run(self) -> None:
        """Draw and write.

        Raises:
            ValueError: the folder holds no sweep, or an option does not suit it.
        """
        from jaxsup import plot
        from jaxsup.fit.exponents import measure_exponents
        from jaxsup.sweep.closed_forms import theory_curves
        from jaxsup.sweep.store.read import open_store

        check_picture(self.out)
        dataset = select_positions(open_store(self.directory).load(), self.at)
        kind = self.kind or guess_kind(dataset)
        figure, ax = plot.new_figure(width=6.4)
        if kind == "loss":
            plot.loss_curves(dataset, ax, theory=theory_curves(dataset))
        else:
            draw = plot.exponent_against_ratio if kind == "ratio" else plot.exponent_map
            draw(measure_exponents(dataset, window=self.window, after=self.after), ax)
        plot.save_figure(figure, self.out)
        print(f"figure   {self.out}")


def select_positions(dataset: xr.Dataset, at: tuple[str, ...]) -> xr.Dataset:
    """The dataset at the positions that NAME=INDEX pairs name.

    Arguments:
        dataset: a sweep.
        at: pairs, positions counted from 0.

    Raises:
        ValueError: a pair is malformed, or its axis or position is not there.
    """
    from jaxsup._internal.validation import fail, suggest

    for pair in at:
        name, _, index = pair.partition("=")
        if name not in dataset["loss"].dims:
            axes = [str(dim) for dim in dataset["loss"].dims]
            raise fail("--at", "NAME=INDEX with an axis of the sweep", pair, suggest(name, axes))
        size = dataset.sizes[name]
        if not index.isdigit() or int(index) >= size:
            raise fail("--at", f"a position 0..{size - 1} of {name}", pair, "count from 0")
        dataset = dataset.isel({name: int(index)})
    return dataset


def guess_kind(dataset: xr.Dataset) -> str:
    """Which picture suits the axes of a sweep."""
    if set(dataset["loss"].dims) == {"features.exponent", "teacher.exponent", "seed", "step"}:
        return "map"
    ratio = dataset.coords.get("superposition_ratio")
    return "ratio" if ratio is not None and ratio.dims else "loss"
