"""Try faults and bad inputs at random, count what was survived, write the table of docs/faults.md.

python scripts/faults.py --count 40 --seed 0 --out docs/faults.md
"""

import argparse
import collections
import importlib
import pathlib
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]

_HEAD = """# Faults and bad inputs tried

A fault counts as survived if nothing came out wrong in silence and nothing stored is lost;
a bad input as handled if it gave one line (what was expected, what came, what to do; of unknown
options, the parser's box of a few lines), a non-zero status and no traceback, or the right result
where it was none after all. Cases are drawn at random by a seed; the test suite runs a few.

Made by `{command}` in {minutes:.0f} minutes.

| what | tried | held |
|---|---|---|
"""


def main() -> None:
    """Run every module of trials."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=40, help="cases of each kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", help="modules of tests/trials to run")
    parser.add_argument("--out", type=pathlib.Path, help="the table, as Markdown")
    arguments = parser.parse_args()
    sys.path.insert(0, str(ROOT / "tests"))
    names = sorted(p.stem for p in (ROOT / "tests/trials").glob("*.py") if p.stem != "outcome")
    began = time.perf_counter()
    tried: collections.Counter[str] = collections.Counter()
    held: collections.Counter[str] = collections.Counter()
    for name in arguments.only or names:
        module = importlib.import_module(f"trials.{name}")
        with tempfile.TemporaryDirectory() as folder:
            for outcome in module.trials(pathlib.Path(folder), arguments.count, arguments.seed):
                tried[outcome.kind] += 1
                held[outcome.kind] += outcome.held
                if not outcome.held:
                    print(f"NOT HELD  {outcome.kind}: {outcome.case}: {outcome.got}", flush=True)
        print(f"{name}: {time.perf_counter() - began:.0f} s so far", flush=True)
    rows = [f"| {kind} | {count} | {held[kind]} |" for kind, count in tried.items()]
    rows.append(f"| all | {tried.total()} | {held.total()} |")
    command = f"python scripts/faults.py --count {arguments.count} --seed {arguments.seed}"
    text = _HEAD.format(command=command, minutes=(time.perf_counter() - began) / 60)
    text += "\n".join(rows) + "\n"
    print(text)
    if arguments.out:
        arguments.out.write_text(text)


if __name__ == "__main__":
    main()
