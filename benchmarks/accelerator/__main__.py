"""Check an accelerator: what it computes, and how fast, within the minutes that there are.

    python -m benchmarks.accelerator --minutes 6 --out FOLDER
    python -m benchmarks.accelerator --only gradients --only products --out FOLDER

Checks come first: gradients of every update, the sampler's law, spectra, and the engine, each
against float64 numbers of the host or an exact law. Then measurements: peaks and rooflines, where
the time of an update goes, how many networks fill the device, and the figure `transition` as far
as the time goes. Sizes are small on a CPU.

FOLDER/results.jsonl has everything as soon as it is found, FOLDER/report.md the tables; the same
command goes on where one was cut off. The exit status is 1 where a check does not hold or a stage
fails, and 0 where stages were skipped for want of time.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.accelerator.journal import Journal
from benchmarks.accelerator.stages import run_stages
from benchmarks.devices import use_jax
from benchmarks.report import environment


def main(arguments: Sequence[str] | None = None) -> int:
    """Run all stages, print the tables; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.accelerator",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--minutes", type=float, default=6.0, help="time for all (default: 6)")
    parser.add_argument("--out", type=Path, required=True, help="folder for the results")
    parser.add_argument("--only", action="append", help="one stage; repeat for several")
    parsed = parser.parse_args(arguments)
    jax = use_jax()
    from benchmarks.accelerator.contents import STAGES

    names = [stage.name for stage in STAGES]
    for name in set(parsed.only or ()) - set(names):
        parser.error(f"--only: expected one of {', '.join(names)}; got {name}")
    devices = jax.local_devices()
    if devices[0].platform != "cpu":
        _keep_programs(jax, parsed.out)
    journal = Journal(parsed.out, {**environment(), **machine(devices)})
    stages = [stage for stage in STAGES if not parsed.only or stage.name in parsed.only]
    small = devices[0].platform == "cpu"
    run_stages(stages, journal, 60.0 * parsed.minutes, devices, small=small)
    journal.save_tables()
    print(f"\n{journal.tables()}\nwrote {parsed.out}", flush=True)
    return int(journal.fails)


def machine(devices: Sequence[Any]) -> dict[str, Any]:
    """What the devices are."""
    first = devices[0]
    statistics = first.memory_stats() or {}
    return {
        "platform": first.platform,
        "device": first.device_kind,
        "devices": len(devices),
        "device memory": statistics.get("bytes_limit"),
        "platform version": " ".join(str(getattr(first.client, "platform_version", "")).split()),
    }


def _keep_programs(jax: Any, out: Path) -> None:
    """Keep what is compiled beside the results: a second run has it at once."""
    jax.config.update("jax_compilation_cache_dir", str(out.resolve() / "programs"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)


if __name__ == "__main__":
    raise SystemExit(main())
