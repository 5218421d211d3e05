"""Linear students without superposition, whose theory is known: for tables beside it."""

import xarray as xr

import jaxsup

EXPERIMENT = jaxsup.Experiment(
    jaxsup.GaussianFeatures(64, 2.0),
    jaxsup.DiagonalTeacher(0.5),
    jaxsup.Student(64, "identity", core_scale=0, activation="identity", bias=False),
    jaxsup.SGD(1.0),
    steps=1000,
    gradient="exact",
    record=jaxsup.Record(points=60),
)


def train_exactly() -> xr.Dataset:
    """Students at a = 0, 2 and b = 0.5, 1."""
    axes = {"features.exponent": [0.0, 2.0], "teacher.exponent": [0.5, 1.0]}
    return jaxsup.run(jaxsup.Sweep(EXPERIMENT, axes))
