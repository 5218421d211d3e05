"""Run the benchmarks: a table on the terminal, and a JSON with the environment.

python -m benchmarks                     # all of them
python -m benchmarks --quick             # fewer rounds, shorter turns
python -m benchmarks --only bottleneck   # one; repeat for several

What an accelerator computes, and how fast, is python -m benchmarks.accelerator.
"""

import argparse
import dataclasses
import importlib
import time
from pathlib import Path
from typing import Any

from benchmarks.report import environment, print_rows, write_json

# One claim each.
NAMES = (
    "bottleneck",
    "published_sweep",
    "trainability",
    "two_features",
    "spectra",
    "fits",
    "first_result",
    "scaling",
    "looking",
)


def main() -> None:
    """Run what was asked for, one after the other."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", action="append", choices=NAMES, help="one benchmark")
    parser.add_argument("--quick", action="store_true", help="shorter turns, fewer rounds")
    parser.add_argument(
        "--json", type=Path, default=Path(__file__).parent / "benchmarks.json", help="report"
    )
    arguments = parser.parse_args()
    settings = environment()
    versions = (f"{name} {settings[name]}" for name in ("jax", "numpy", "torch"))
    print(f"{settings['cores']} cores, {settings['processor']}; {', '.join(versions)}")
    results: dict[str, Any] = {}
    impossible: list[str] = []
    for name in arguments.only or NAMES:
        module = importlib.import_module(f"benchmarks.{name}")
        print(f"\n{name}: {(module.__doc__ or '').splitlines()[0].removeprefix('Claim: ')}")
        began = time.perf_counter()
        rows = module.measure(quick=arguments.quick)
        print_rows(rows)
        results[name] = {
            "seconds": time.perf_counter() - began,
            "rows": [
                {**dataclasses.asdict(row), "met": row.met, "impossible": row.impossible}
                for row in rows
            ],
        }
        impossible += [row.work for row in rows if row.impossible]
        write_json(arguments.json, results)
    print(f"\nwrote {arguments.json}")
    if impossible:
        raise SystemExit(f"benchmarks: above what is attainable: {'; '.join(impossible)}")


if __name__ == "__main__":
    main()
