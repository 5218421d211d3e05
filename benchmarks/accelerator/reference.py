"""The sweeps that a device is held against, trained by a CPU in a process of its own.

python -m benchmarks.accelerator.reference SIZE FILE   # SIZE is "small" or "full"
"""

import sys
from pathlib import Path

import numpy as np

import jaxsup


def make_sweep(*, small: bool, features: int = 48) -> jaxsup.Sweep:
    """Laws x widths x seeds of networks that cards of NVIDIA's train in two kernels, if few."""
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


def make_sweeps(*, small: bool) -> dict[str, jaxsup.Sweep]:
    """By name: that sweep; in full larger ones: gathered without our kernels, and by halves."""
    sweeps = {"small networks": make_sweep(small=small)}
    if not small:
        sweeps["middling networks"] = make_sweep(small=False, features=160)
        experiment = jaxsup.Experiment(
            jaxsup.PowerLawFeatures(512, 1.5),
            jaxsup.DiagonalTeacher(0.0),
            jaxsup.Student(256),
            jaxsup.SGD(0.7),
            batch_size=256,
            steps=400,
            record=jaxsup.Record(points=8, evaluation_samples=2048),
        )
        sweeps["large networks"] = jaxsup.Sweep(experiment, seeds=2)
    return sweeps


def main(size: str, file: str) -> None:
    """Train the sweeps and keep what was recorded."""
    sweeps = make_sweeps(small=size == "small")
    losses = {name: jaxsup.run(sweep)["loss"].values for name, sweep in sweeps.items()}
    with Path(file).open("wb") as target:
        np.savez(target, **losses)


if __name__ == "__main__":
    main(*sys.argv[1:])
