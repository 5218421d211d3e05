"""The sweep that a device is held against, trained by a CPU in a process of its own.

python -m benchmarks.accelerator.reference SIZE FILE   # SIZE is "small" or "full"
"""

import sys
from pathlib import Path

import numpy as np

import jaxsup


def make_sweep(*, small: bool) -> jaxsup.Sweep:
    """Laws x widths x seeds, by the listed update or, in full, the gathered one."""
    features = 48 if small else 160
    experiment = jaxsup.Experiment(
        jaxsup.PowerLawFeatures(features, 1.5),
        jaxsup.DiagonalTeacher(0.0),
        jaxsup.Student(16, core_scale=0.1),
        jaxsup.SGD(0.3),
        batch_size=32 if small else 128,
        steps=40 if small else 400,
        record=jaxsup.Record(
            points=8, observables=("response_spectrum",), evaluation_samples=256 if small else 2048
        ),
    )
    axes = {"features.exponent": [1.1, 1.5], "student.latent": [16] if small else [8, 16]}
    return jaxsup.Sweep(experiment, axes, 3)


def main(size: str, file: str) -> None:
    """Train the sweep and keep what was recorded."""
    dataset = jaxsup.run(make_sweep(small=size == "small"))
    with Path(file).open("wb") as target:
        np.savez(target, loss=dataset["loss"].values)


if __name__ == "__main__":
    main(*sys.argv[1:])
