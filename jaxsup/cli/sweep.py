"""`jaxsup sweep`: train."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import logging
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from jaxsup.cli.devices import configure_devices, share_memory, use_devices
from jaxsup.cli.signals import stop_on_signals

if TYPE_CHECKING:
    import xarray as xr

    from jaxsup.sweep.grid import Sweep
    from jaxsup.sweep.processes import Share


@dataclasses.dataclass
class SweepCommand:
    """Train every point of a sweep with every seed, and write a labeled dataset.

    Try:
      jaxsup sweep examples/transition.toml --out runs/transition
      jaxsup sweep examples/transition.toml --out runs/transition --resume
      jaxsup sweep examples/exponents.toml --out runs/exponents --seeds 16 --json
      jaxsup sweep examples/exponents.toml --out runs/short --set steps=2000
      jaxsup sweep examples/pairs.toml --out runs/further --initial runs/pairs
      jaxsup sweep examples/transition.toml --dry-run

    The TOML file describes one experiment and the axes to scan; the files in examples/ explain
    every key. The dataset is a Zarr folder that xarray opens, filled in tile by tile. Ctrl-C,
    SIGTERM, SIGHUP and SIGUSR1 keep what is done; --resume goes on, also after a crash. Ask what
    the dataset says with `jaxsup fit DIR`, how complete it is with `jaxsup info DIR`, see it with
    `jaxsup plot DIR`.

    Many machines write to one DIR: with --distributed under SLURM, Open MPI or Kubernetes (or with
    --coordinator, --processes and --process-id), or one job each with --shard 1/8 ... --shard 8/8.

    Attributes:
        config: Sweep in TOML.
        out: Folder for the dataset; a new one, unless --resume or a share of it is asked for.
        dry_run: Train and write nothing; tell programs, memory, disk, and time from a few updates.
        resume: Go on with what the folder holds.
        initial: Start from the end of the sweep in this folder, matched by axes and seeds.
        settings: A key of the file with another value, like steps=100, features.exponent=1.5 or
            'axes."student.latent"=[8,16]', or by alias a=1.5 or axes.K=[8,16], see `jaxsup list
            aliases`; repeatable, the last one counts.
        seeds: Number of seeds, in place of the file's.
        widths: Padded widths that a scan over student.latent may compile to.
        memory: Memory to use, like 4GiB: of the accelerators, or of the process on a CPU.
        chunk: Replicas trained at once; default: as many as fit in the memory.
        checkpoint: Seconds between two checkpoints of the part at hand.
        devices: Number of devices; on a CPU, number of cores. Default: all.
        x64: Compute in float64.
        shard: I/N: train the I-th of N shares of the sweep.
        distributed: Share the sweep among processes joined by jax.distributed.
        coordinator: HOST:PORT of process 0; default: as the scheduler's environment says.
        processes: Number of processes; default: as the scheduler's environment says.
        process_id: This process, from 0; default: as the scheduler's environment says.
        json: Print a summary for programs; no progress.
    """

    config: tyro.conf.Positional[Path]
    # What `jaxsup.run` calls `store`.
    out: Annotated[Path | None, tyro.conf.arg(aliases=["--store"])] = None
    dry_run: bool = False
    resume: bool = False
    initial: Path | None = None
    settings: Annotated[
        tyro.conf.UseAppendAction[tuple[str, ...]], tyro.conf.arg(name="set", metavar="KEY=VALUE")
    ] = ()
    seeds: int | None = None
    widths: int = 2
    memory: str | None = None
    chunk: int | None = None
    checkpoint: float = 60.0
    devices: int | None = None
    x64: bool = False
    shard: str | None = None
    distributed: bool = False
    coordinator: str | None = None
    processes: int | None = None
    process_id: int | None = None
    json: bool = False

    def run(self) -> None:
        """Train and write.

        Raises:
            ValueError: the file or an option does not describe a sweep.
            SystemExit: a signal stopped it; the status says which.
        """
        share_memory()
        if self.json:
            logging.getLogger("jaxsup").setLevel(logging.WARNING)
        sweep, share = self._read(), self._shard()
        if self.dry_run:
            self._forecast(sweep)
            return
        self._check_place(share)
        configure_devices(self.devices, x64=self.x64)
        if self.distributed:
            share = self._join()
        dataset = self._train(sweep, share)
        summary = {
            "dataset": str(self.out),
            "replicas": sweep.replicas,
            "complete": int(dataset["complete"].sum()),
            "diverged": int((dataset["status"] == 1).sum()),
            "seconds": dataset.attrs.get("seconds"),
        }
        print(json.dumps(summary) if self.json else format_summary(summary))

    def _read(self) -> Sweep:
        """The sweep of the file, with the changes and the seeds that were asked for."""
        from jaxsup.sweep.amendments import amend_sweep, parse_amendment
        from jaxsup.sweep.grid import Sweep
        from jaxsup.sweep.tables import read_tables

        amendments = [parse_amendment(text) for text in self.settings]
        sweep = amend_sweep(read_tables(self.config), amendments)
        if self.seeds is None:
            return sweep
        return Sweep(sweep.experiment, sweep.axis_table(), self.seeds)

    def _forecast(self, sweep: Sweep) -> None:
        """Tell what the sweep will take.

        Raises:
            ValueError: an option is of a run that writes.
        """
        from jaxsup._internal.validation import fail
        from jaxsup.cli.dry_run import format_forecast
        from jaxsup.sweep.forecast import forecast

        shared = self.distributed or self.shard is not None
        if self.resume or shared:
            expected, text = "a plan of the whole sweep", "a call for a part of it"
            advice = "drop --resume, --shard and --distributed"
            raise fail("--dry-run", expected, text, advice, described=True)
        configure_devices(self.devices, x64=self.x64)
        logging.getLogger("jaxsup").setLevel(logging.WARNING)  # the plan is in the forecast
        if self.initial is not None:  # it takes the same, if it fits
            from jaxsup.sweep.programs import plan_programs
            from jaxsup.sweep.starting import read_initial

            read_initial(sweep, plan_programs(sweep, self.widths), self.initial)
        plan = forecast(
            sweep,
            use_devices(self.devices),
            widths=self.widths,
            chunk=self.chunk,
            memory=self.memory,
        )
        print(
            json.dumps(dataclasses.asdict(plan), indent=1) if self.json else format_forecast(plan)
        )

    def _check_place(self, share: Share | None) -> None:
        """Find mistakes in --out and --memory before anything expensive starts.

        Raises:
            ValueError: there is one.
        """
        from jaxsup._internal.validation import fail
        from jaxsup.sweep.memory import parse_bytes
        from jaxsup.sweep.store.plan import check_store

        if self.out is None:
            text, advice = "a call without it", "add --out DIR, or --dry-run to train nothing"
            raise fail("--out", "a folder for the dataset", text, advice, described=True)
        check_store(self.out, join=self.resume or self.distributed or share is not None)
        if self.memory is not None:
            parse_bytes(self.memory)

    def _train(self, sweep: Sweep, share: Share | None) -> xr.Dataset:
        """Train, with progress on standard error; the program ends where a signal stops it."""
        from jaxsup.sweep.callbacks import Stopped
        from jaxsup.sweep.run import run

        devices = use_devices(self.devices)
        with stop_on_signals() as stop:
            try:
                return run(
                    sweep,
                    self.out,
                    resume=self.resume,
                    initial=self.initial,
                    widths=self.widths,
                    chunk=self.chunk,
                    memory=self.memory,
                    devices=devices,
                    share=share,
                    checkpoint=self.checkpoint,
                    progress=not self.json,
                    stop=stop,
                )
            except Stopped:
                self._tell_how_to_go_on()
                raise SystemExit(stop.exit_status) from None

    def _shard(self) -> Share | None:
        from jaxsup._internal.validation import fail
        from jaxsup.sweep.processes import parse_shard

        if self.distributed and self.shard is not None:
            raise fail("--shard", "one of --shard and --distributed", self.shard, "drop one")
        names = (self.coordinator, self.processes, self.process_id)
        if not self.distributed and any(value is not None for value in names):
            expected, advice = "--distributed with it", "add --distributed"
            raise fail("--coordinator", expected, "a call without", advice, described=True)
        return None if self.shard is None else parse_shard(self.shard)

    def _join(self) -> Share:
        from jaxsup.sweep.processes import join_processes

        return join_processes(self.coordinator, self.processes, self.process_id)

    def _tell_how_to_go_on(self) -> None:
        words = [word for word in sys.argv[1:] if word != "--resume"]
        command = shlex.join(["jaxsup", *words, "--resume"])
        with contextlib.suppress(OSError):  # a terminal that was closed
            print(
                f"jaxsup: stopped; what is done is stored; go on with: {command}", file=sys.stderr
            )


def format_summary(summary: dict[str, Any]) -> str:
    """What a sweep has come to, for people."""
    replicas, complete, place = summary["replicas"], summary["complete"], summary["dataset"]
    if complete < replicas:
        return (
            f"{complete} of {replicas} networks are there\n"
            f"dataset  {place}  (shared: see `jaxsup info {place}`)"
        )
    # Another process may have committed the last networks, and not summed up the seconds yet.
    seconds = summary["seconds"]
    training = "" if seconds is None else f"{seconds:g} s of training with compilation, "
    return f"{replicas} networks, {training}{summary['diverged']} diverged\ndataset  {place}"
