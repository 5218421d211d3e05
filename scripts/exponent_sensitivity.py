"""Print how the exponents of loss curves depend on the numbers of the protocol.

python scripts/exponent_sensitivity.py curves.npz --which last_before_floor

The file holds `steps` [steps] and `loss` [..., seeds, steps]; every curve gets a table.
"""

import argparse
from pathlib import Path

import numpy as np

from jaxsup.fit.stretches.sensitivity import format_sensitivity, measure_sensitivity


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("file", type=Path, help="an .npz file with steps and loss")
    parser.add_argument("--which", default="last_before_floor", help="or first, or steepest")
    arguments = parser.parse_args()
    with np.load(arguments.file) as arrays:
        steps, loss = arrays["steps"], np.asarray(arrays["loss"], np.float64)
    for place in np.ndindex(loss.shape[:-2]):
        print(f"curve {place}" if place else "curve")
        print(format_sensitivity(measure_sensitivity(steps, loss[place], which=arguments.which)))


if __name__ == "__main__":
    main()
