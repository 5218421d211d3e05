"""The `jaxsup` command. Heavy modules are imported by the subcommand that needs them."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

if TYPE_CHECKING:
    import xarray as xr


@dataclasses.dataclass
class SweepCommand:
    """Train every point of a sweep with every seed, and write a labelled dataset.

    Try:
      jaxsup sweep examples/transition.toml --out runs/transition
      jaxsup sweep examples/exponents.toml --out runs/exponents --seeds 16 --json

    The TOML file describes one experiment and the axes to scan; the files in examples/ explain
    every key. The dataset is a Zarr folder that xarray opens. Ask what it says with
    `jaxsup fit DIR`, see it with `jaxsup plot DIR --out FILE`.
    """

    config: tyro.conf.Positional[Path]
    """Sweep in TOML."""
    out: Path
    """New folder for the dataset."""
    seeds: int | None = None
    """Number of seeds, in place of the file's."""
    widths: int = 2
    """Padded widths that a scan over student.latent may compile to."""
    chunk: int | None = None
    """Replicas trained at once; default: as many as fit in about 1 GiB."""
    devices: int | None = None
    """Number of devices; on a CPU, number of cores. Default: all."""
    x64: bool = False
    """Compute in float64."""
    json: bool = False
    """Print a summary for programs; no progress."""

    def run(self) -> None:
        """Train and write."""
        from jaxsup.progress import show_progress
        from jaxsup.sweep import Sweep, run
        from jaxsup.sweep.store import check_store
        from jaxsup.sweep.tables import read_sweep

        sweep = read_sweep(self.config)
        check_store(self.out)
        if self.seeds is not None:
            sweep = Sweep(sweep.experiment, sweep.axis_table(), self.seeds)
        devices = use_devices(self.devices, x64=self.x64)
        with show_progress(quiet=self.json) as progress:
            dataset = run(
                sweep,
                self.out,
                widths=self.widths,
                chunk=self.chunk,
                devices=devices,
                progress=progress,
            )
        diverged = int((dataset["status"] == 1).sum())
        summary = {
            "dataset": str(self.out),
            "replicas": sweep.replicas,
            "diverged": diverged,
            "seconds": dataset.attrs["seconds"],
        }
        if self.json:
            print(json.dumps(summary))
        else:
            print(f"{sweep.replicas} networks in {summary['seconds']} s, {diverged} diverged")
            print(f"dataset  {self.out}")


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
    """

    directory: tyro.conf.Positional[Path]
    """Folder of a sweep."""
    window: tuple[float, float] | None = None
    """First and last step; default: chosen for each setting, where the local slope is steady."""
    after: float = 0
    """Leave out earlier steps: a power law in t starts where 2 eta l_1 t is well above 1."""
    floor: bool = False
    """Fit L = c + A t^-alpha."""
    json: bool = False
    """Print every field of every fit for programs."""

    def run(self) -> None:
        """Fit and print."""
        from jaxsup.measure import exponents_to_records, format_exponents, measure_exponents
        from jaxsup.sweep.store import open_store

        dataset = open_store(self.directory)
        options = {"window": self.window, "after": self.after, "floor": self.floor}
        table = measure_exponents(dataset, **options)
        if self.json:
            print(json.dumps(exponents_to_records(table), indent=1))
        else:
            print(format_exponents(table))


@dataclasses.dataclass
class PlotCommand:
    """Draw a sweep: loss curves, exponent against the superposition ratio, or its map over (a, b).

    Try:
      jaxsup plot runs/transition --out transition.png --after 10
      jaxsup plot runs/transition --out curves.pdf --kind loss --at setting=0

    Without --kind, a sweep over student.latent is drawn as exponent against ratio, one over both
    exponents as a map, any other as loss curves. Where the loss has a closed form it is laid over.
    """

    directory: tyro.conf.Positional[Path]
    """Folder of a sweep."""
    out: Path
    """Picture to write: .png, .pdf or .svg."""
    kind: Literal["loss", "ratio", "map"] | None = None
    """What to draw."""
    at: tuple[str, ...] = ()
    """Positions of axes that the picture has no room for, as NAME=INDEX."""
    window: tuple[float, float] | None = None
    """First and last step of the fits."""
    after: float = 0
    """Leave out earlier steps of the fits."""

    def run(self) -> None:
        """Draw and write."""
        from jaxsup import plot
        from jaxsup.measure import measure_exponents, theory_curves
        from jaxsup.sweep.store import open_store

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
        use_devices(None)
        with show_progress(quiet=self.json) as progress:
            table = transition.reproduce(self.scale, out, progress=progress)
        if self.json:
            print(json.dumps(exponents_to_records(table), indent=1))
            return
        print((out / "transition.txt").read_text(encoding="utf-8"))
        for path in sorted(out.iterdir()):
            print(f"wrote    {path}")


Command = (
    Annotated[SweepCommand, tyro.conf.subcommand("sweep")]
    | Annotated[FitCommand, tyro.conf.subcommand("fit")]
    | Annotated[PlotCommand, tyro.conf.subcommand("plot")]
    | Annotated[ReproduceCommand, tyro.conf.subcommand("reproduce")]
)

_DESCRIPTION = """Train thousands of small teacher-student networks at once, measure how they learn.

Start here:
  jaxsup reproduce transition
  jaxsup sweep examples/transition.toml --out runs/transition
  jaxsup fit runs/transition
  jaxsup plot runs/transition --out transition.png
"""


def main() -> None:
    """Entry point: one line on standard error and exit status 2 for a mistake, 130 for Ctrl-C."""
    try:
        command = tyro.cli(
            Command,  # pyright: ignore[reportArgumentType]
            prog="jaxsup",
            description=_DESCRIPTION,
            config=(tyro.conf.OmitSubcommandPrefixes, tyro.conf.OmitArgPrefixes),
        )
        command.run()
    except BrokenPipeError:  # the reader of our output has gone, as `| head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(1) from None
    except (ValueError, OSError) as error:
        print(f"jaxsup: {one_line(error)}", file=sys.stderr)
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        print("jaxsup: stopped; nothing was written", file=sys.stderr)
        raise SystemExit(130) from None


def one_line(error: Exception) -> str:
    """An error's message without line breaks."""
    return " ".join(str(error).split())


def select_positions(dataset: xr.Dataset, at: tuple[str, ...]) -> xr.Dataset:
    """The dataset at the positions that NAME=INDEX pairs name.

    Raises:
        ValueError: a pair is malformed, or its axis or position is not there.
    """
    from jaxsup.validation import fail, suggest

    for pair in at:
        name, _, index = pair.partition("=")
        if name not in dataset["loss"].dims:
            known = [str(dim) for dim in dataset["loss"].dims]
            raise fail("--at", "NAME=INDEX with an axis of the sweep", pair, suggest(name, known))
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


def use_devices(count: int | None, *, x64: bool = False) -> list[Any]:
    """Settle JAX's devices and precision before its first use, and return the devices.

    On a CPU each core becomes a device: for many small networks that is faster than threads inside
    of each product.

    Raises:
        ValueError: there are fewer accelerators than `count`.
    """
    import jax

    from jaxsup.validation import check_positive_integer, fail

    if count is not None:
        check_positive_integer("--devices", count, "give a number of devices")
    jax.config.update("jax_num_cpu_devices", count or os.cpu_count() or 1)
    jax.config.update("jax_enable_x64", x64)
    devices = jax.local_devices()
    if count is not None and count > len(devices):
        raise fail("--devices", f"at most the {len(devices)} there are", count, "ask for fewer")
    return devices[:count]


def check_picture(path: Path) -> None:
    """Raise unless a picture can be written at `path`.

    Raises:
        ValueError: the ending names no format.
        FileNotFoundError: the folder is not there.
    """
    if path.suffix not in (".png", ".pdf", ".svg"):
        raise ValueError(f"{path}: expected .png, .pdf or .svg; got {path.suffix!r}; rename it")
    if not path.absolute().parent.is_dir():
        raise FileNotFoundError(
            f"{path}: expected a folder that is there; got none at {path.parent}; make it first"
        )
