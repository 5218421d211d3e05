r"""Write the exponents of a run of `jaxsup reproduce transition` as a small JSON file.

python scripts/exponents_of_transition.py runs/transition-paper \
    --command "jaxsup reproduce transition --scale paper" --out docs/data/transition-paper.json

The file holds what a reader needs to check or redraw the figure without the dataset: for each law
and student the first and the last power law, the steepest place, the overlap, and what trained it.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from jaxsup import open_store

MACHINE = (
    "jaxsup_version",
    "jax_version",
    "platform",
    "device",
    "device_count",
    "seconds",
)
PLAIN = ("a", "b", "kind", "ratio", "latent", "randomness", "overlap", "learning_rate", "seeds")


def rounded(value: Any) -> Any:
    """Numbers to five digits, inside of lists and tables too."""
    if isinstance(value, float):
        return float(f"{value:.5g}")
    if isinstance(value, dict):
        return {name: rounded(item) for name, item in value.items()}
    return [rounded(item) for item in value] if isinstance(value, list) else value


def law(stretch: dict[str, Any] | None) -> dict[str, Any] | None:
    """A power law without its kind."""
    if stretch is None:
        return None
    return {name: stretch[name] for name in ("exponent", "interval", "window", "decades")}


def describe(record: dict[str, Any]) -> dict[str, Any]:
    """A record of the figure, in short."""
    laws = []
    if record["regimes"]:
        laws = [s for s in record["regimes"]["stretches"] if s["kind"] == "power-law"]
    found = {"first": law(laws[0] if laws else None), "last": law(laws[-1] if laws else None)}
    lost = {name: record[name] for name in ("silent", "diverged") if record[name]}
    shown = {name: record[name] for name in PLAIN}
    return {**shown, **lost, **found, "steepest": record["steepest"], "linear": record["theory"]}


def main() -> None:
    """Read, shorten, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path, help="what the command wrote")
    parser.add_argument("--command", required=True, help="the command, as it was given")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    report = json.loads((arguments.folder / "transition.json").read_text(encoding="utf-8"))
    attributes = open_store(arguments.folder / "dataset.zarr").attrs
    table = {
        "command": arguments.command,
        "scale": report["scale"],
        "trained_by": {name: attributes[name] for name in MACHINE if name in attributes},
        "rows": [rounded(describe(record)) for record in report["records"]],
    }
    rows = ",\n".join(f"  {json.dumps(row)}" for row in table.pop("rows"))
    head = json.dumps(table, indent=1).removesuffix("\n}")
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(f'{head},\n "rows": [\n{rows}\n ]\n}}\n', encoding="utf-8")


if __name__ == "__main__":
    main()
