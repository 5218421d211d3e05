"""`jaxsup plot`: pictures of a dataset."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import tyro

from jaxsup.cli.fit import open_curves, tell_notes
from jaxsup.cli.pictures import check_picture, use_house_style

if TYPE_CHECKING:
    import xarray as xr


@dataclasses.dataclass
class PlotCommand:
    """Draw a sweep: loss curves, local exponents, exponent against N/K, or its map over (a, b).

    Try:
      jaxsup plot runs/transition --out transition.png
      jaxsup plot runs/transition --out curves.pdf --kind loss --regimes --at setting=0
      jaxsup plot losses.csv --out local.png --kind local

    Without --kind, a sweep over student.latent is drawn as exponent against ratio, one over both
    exponents as a map, any other as loss curves. Where the loss has a closed form it is laid over.

    Attributes:
        source: Folder of a sweep, file of loss curves, or - for text from standard input, as
            `jaxsup fit` has them.
        out: Picture to write: .png, .pdf or .svg.
        kind: What to draw.
        at: Positions of axes that the picture has no room for, as NAME=INDEX, like a=0; several
            behind one --at, or each behind its own.
        window: First and last step of the fits.
        after: Leave out earlier steps of the fits; default: the start-up, as `jaxsup fit` has it.
        regimes: Mark the regimes on loss curves, with their exponents.
        step: Column of the steps in a file.
        loss: Column of losses in a file; repeat it for several.
        by: Column of a file that tells runs apart.
        seeds: Runs of a file, or columns without --by, are seeds of one setting.
        force: Replace a picture that is there.
    """

    source: tyro.conf.Positional[Path]
    out: Path
    kind: Literal["loss", "local", "ratio", "map"] | None = None
    at: tyro.conf.UseAppendAction[tuple[tuple[str, ...], ...]] = ()
    window: tuple[float, float] | None = None
    after: float | None = None
    regimes: bool = False
    step: str | None = None
    loss: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    by: str | None = None
    seeds: bool = False
    force: bool = False

    def run(self) -> None:
        """Draw and write.

        Raises:
            ValueError: the folder holds no sweep, or an option does not suit it.
        """
        check_picture(self.out, force=self.force)
        use_house_style()
        from jaxsup import plot
        from jaxsup.plot.style import ALONE
        from jaxsup.sweep.pictures import draw, guess_kind

        curves = open_curves(
            self.source, step=self.step, loss=self.loss, by=self.by, seeds=self.seeds
        )
        dataset = select_positions(curves.load(), tuple(itertools.chain(*self.at)))
        kind = self.kind or guess_kind(dataset)
        check_axes(dataset, kind)
        self._check_options(kind)
        figure, ax = plot.new_figure(width=ALONE)
        draw(dataset, kind, ax, window=self.window, after=self.after, regimes=self.regimes)
        plot.save_figure(figure, self.out)
        tell_notes(dataset)
        print(f"figure   {self.out}")

    def _check_options(self, kind: str) -> None:
        """Check that the options suit a kind of picture.

        Raises:
            ValueError: one does not.
        """
        from jaxsup._internal.validation import fail

        if self.regimes and kind != "loss":
            raise fail("--regimes", "loss curves", kind, "add --kind loss")
        if self.window is not None and kind in ("loss", "local"):
            raise fail("--window", "a picture of fits", kind, "leave it out or add --kind ratio")


def select_positions(dataset: xr.Dataset, at: tuple[str, ...]) -> xr.Dataset:
    """The dataset at the positions that NAME=INDEX pairs name.

    Arguments:
        dataset: a sweep.
        at: pairs, positions counted from 0; pictures need seeds and steps, they are not chosen.

    Raises:
        ValueError: a pair is malformed, or its axis or position is not there.
    """
    from jaxsup._internal.aliases import full_name, suggest_name
    from jaxsup._internal.validation import fail
    from jaxsup.sweep.pictures import axes_of

    for pair in at:
        name, _, index = pair.partition("=")
        axes = axes_of(dataset)
        name = name if name in axes else full_name(name)
        if name not in axes:
            do = suggest_name(name, axes) if axes else "leave it out, there is no axis to choose"
            if name in ("seed", "step"):
                do = "leave it out, pictures are of all seeds and steps"
            raise fail("--at", "NAME=INDEX with an axis of the sweep", pair, do)
        size = dataset.sizes[name]
        if not index.isdecimal() or len(index) > 9 or int(index) >= size:
            raise fail("--at", f"a position 0..{size - 1} of {name}", pair, "count from 0")
        dataset = dataset.isel({name: int(index)})
    return dataset


def check_axes(dataset: xr.Dataset, kind: str) -> None:
    """Raise if a picture has no room for all axes of a sweep.

    Raises:
        ValueError: there are more than it shows; the message says how to choose.
    """
    from jaxsup.sweep.pictures import check_room

    check_room(dataset, kind, "--at", "add --at {}=0, or another position".format)
