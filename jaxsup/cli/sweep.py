"""`jaxsup sweep`: train."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import tyro

from jaxsup.cli.devices import use_devices


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
