"""Print how the last exponents of the transition depend on the numbers of the protocol.

python scripts/sensitivity_of_transition.py runs/transition-paper --scale paper --ratio 4

One Markdown table: a row for each value of each option of `jaxsup.fit.regimes`, the others at their
defaults, and a column for each law with b = 0, of the students with that N/K. A star marks the
default.
"""

import argparse
import inspect
from pathlib import Path

from jaxsup import fit, open_store
from jaxsup.fit.stretches.sensitivity import VARIATIONS, measure_sensitivity
from jaxsup.reproduce.analysis import transition_table
from jaxsup.reproduce.figures.transition import SCALES, Transition


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path, help="what `jaxsup reproduce transition` wrote")
    parser.add_argument("--scale", default="paper", choices=SCALES)
    parser.add_argument("--ratio", type=float, default=4.0, help="N/K of the students")
    parser.add_argument("--which", default="last_before_floor", help="or first, or steepest")
    arguments = parser.parse_args()
    sweep = Transition().configure(SCALES[arguments.scale])
    table = transition_table.measure(open_store(arguments.folder / "dataset.zarr"), sweep)
    rows = [
        row
        for row in table
        if row.kind == "random" and row.b == 0 and abs(row.ratio - arguments.ratio) < 0.01
    ]
    columns = [measure_sensitivity(row.steps, row.loss, which=arguments.which) for row in rows]
    defaults = inspect.signature(fit.regimes).parameters
    print("| option | value | " + " | ".join(f"a = {row.a:g}" for row in rows) + " |")
    print("|---|---|" + "---|" * len(rows))
    places = [(option, value) for option, values in VARIATIONS.items() for value in values]
    for place, (option, value) in enumerate(places):
        cells = [
            "none"
            if records[place]["exponent"] is None
            else f"{records[place]['exponent']:.2f} ({records[place]['first']:.0f}.."
            f"{records[place]['last']:.0f})"
            for records in columns
        ]
        star = "*" if value == defaults[option].default else ""
        print(f"| `{option}` | {value:g}{star} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
