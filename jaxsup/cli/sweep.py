"""`jaxsup sweep`: train."""

from __future__ import annotations

import dataclasses
import json
import logging
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import tyro

from jaxsup.cli.devices import configure_devices, single_threaded_lapack, use_devices
from jaxsup.cli.signals import stop_on_signals

if TYPE_CHECKING:
    from jaxsup.sweep.processes import Share


@dataclasses.dataclass
class SweepCommand:
    """Train every point of a sweep with every seed, and write a labelled dataset.

    Try:
      jaxsup sweep examples/transition.toml --out runs/transition
      jaxsup sweep examples/transition.toml --out runs/transition --resume
      jaxsup sweep examples/exponents.toml --out runs/exponents --seeds 16 --json

    The TOML file describes one experiment and the axes to scan; the files in examples/ explain
    every key. The dataset is a Zarr folder that xarray opens, filled in chunk by chunk. Ctrl-C and
    SIGTERM keep what is done; --resume goes on, also after a crash. Ask what the dataset says with
    `jaxsup fit DIR`, how complete it is with `jaxsup info DIR`, see it with `jaxsup plot DIR`.

    Many machines write to one DIR: with --distributed under SLURM, Open MPI or Kubernetes (or with
    --coordinator, --processes and --process-id), or one job each with --shard 1/8 ... --shard 8/8.
    """

    config: tyro.conf.Positional[Path]
    """Sweep in TOML."""
    out: Path
    """Folder for the dataset; a new one, unless --resume or a share of it is asked for."""
    resume: bool = False
    """Go on with what the folder holds."""
    seeds: int | None = None
    """Number of seeds, in place of the file's."""
    widths: int = 2
    """Padded widths that a scan over student.latent may compile to."""
    memory: str | None = None
    """Memory to use, like 4GiB: of the accelerators, or of the process on a CPU."""
    chunk: int | None = None
    """Replicas trained at once; default: as many as fit in the memory."""
    checkpoint: float = 60.0
    """Seconds between two checkpoints of the chunk at hand."""
    devices: int | None = None
    """Number of devices; on a CPU, number of cores. Default: all."""
    x64: bool = False
    """Compute in float64."""
    shard: str | None = None
    """I/N: train the I-th of N shares of the sweep."""
    distributed: bool = False
    """Share the sweep among processes joined by jax.distributed."""
    coordinator: str | None = None
    """HOST:PORT of process 0; default: as the scheduler's environment says."""
    processes: int | None = None
    """Number of processes; default: as the scheduler's environment says."""
    process_id: int | None = None
    """This process, from 0; default: as the scheduler's environment says."""
    json: bool = False
    """Print a summary for programs; no progress."""

    def run(self) -> None:
        """Train and write."""
        single_threaded_lapack()
        from jaxsup.sweep.callbacks import Stopped
        from jaxsup.sweep.grid import Sweep
        from jaxsup.sweep.memory import parse_bytes
        from jaxsup.sweep.progress import show_progress
        from jaxsup.sweep.run import run
        from jaxsup.sweep.store.plan import check_store
        from jaxsup.sweep.tables import read_sweep

        if self.json:
            logging.getLogger("jaxsup").setLevel(logging.WARNING)
        sweep = read_sweep(self.config)
        share = self._shard()
        check_store(self.out, join=self.resume or self.distributed or share is not None)
        if self.memory is not None:
            parse_bytes(self.memory)
        if self.seeds is not None:
            sweep = Sweep(sweep.experiment, sweep.axis_table(), self.seeds)
        configure_devices(self.devices, x64=self.x64)
        if self.distributed:
            share = self._join()
        devices = use_devices(self.devices)
        with stop_on_signals() as stop, show_progress(quiet=self.json) as progress:
            try:
                dataset = run(
                    sweep,
                    self.out,
                    resume=self.resume,
                    widths=self.widths,
                    chunk=self.chunk,
                    memory=self.memory,
                    devices=devices,
                    share=share,
                    checkpoint=self.checkpoint,
                    progress=progress,
                    stop=stop,
                )
            except Stopped:
                self._tell_how_to_go_on()
                raise SystemExit(stop.exit_status) from None
        complete = dataset["complete"].values
        summary = {
            "dataset": str(self.out),
            "replicas": sweep.replicas,
            "complete": int(complete.sum()),
            "diverged": int((dataset["status"] == 1).sum()),
            "seconds": dataset.attrs.get("seconds"),
        }
        if self.json:
            print(json.dumps(summary))
        elif complete.all():
            print(
                f"{sweep.replicas} networks, {summary['seconds']:g} s of training, "
                f"{summary['diverged']} diverged"
            )
            print(f"dataset  {self.out}")
        else:
            print(f"{summary['complete']} of {sweep.replicas} networks are there")
            print(f"dataset  {self.out}  (shared: see `jaxsup info {self.out}`)")

    def _shard(self) -> Share | None:
        from jaxsup._internal.validation import fail
        from jaxsup.sweep.processes import parse_shard

        if self.distributed and self.shard is not None:
            raise fail("--shard", "one of --shard and --distributed", self.shard, "drop one")
        named = (self.coordinator, self.processes, self.process_id)
        if not self.distributed and any(value is not None for value in named):
            raise fail(
                "--coordinator", "--distributed with it", "a call without", "add --distributed"
            )
        return None if self.shard is None else parse_shard(self.shard)

    def _join(self) -> Share:
        from jaxsup.sweep.processes import join_processes

        return join_processes(self.coordinator, self.processes, self.process_id)

    def _tell_how_to_go_on(self) -> None:
        words = [word for word in sys.argv[1:] if word != "--resume"]
        command = shlex.join(["jaxsup", *words, "--resume"])
        print(f"jaxsup: stopped; what is done is stored; go on with: {command}", file=sys.stderr)
