"""Small experiments that compile fast, for all test files: change what a test is about."""

import dataclasses
from typing import Any

import jaxsup


def relu_experiment(
    student: jaxsup.AbstractStudent | None = None,
    optimizer: Any = None,
    **changes: Any,
) -> jaxsup.Experiment:
    """A ReLU student, N = 6 and K = 3, on sparse samples.

    Arguments:
        student: its student, instead of a bottleneck.
        optimizer: its optimizer, instead of SGD at 0.2.
        changes: other fields of the experiment.
    """
    settings: dict[str, Any] = {
        "features": jaxsup.PowerLawFeatures(6, 1.1, 2.0),
        "teacher": jaxsup.DiagonalTeacher(0.5),
        "student": student or jaxsup.Student(3, core_scale=0.5),
        "optimizer": optimizer or jaxsup.SGD(0.2),
        "batch_size": 8,
        "steps": 6,
        "record": jaxsup.Record(points=1000, spacing="linear", evaluation_samples=32),
    }
    return jaxsup.Experiment(**{**settings, **changes})


def linear_experiment(
    student: jaxsup.Student | None = None,
    optimizer: Any = None,
    **changes: Any,
) -> jaxsup.Experiment:
    """The same with a linear student on Gaussian features and the population's loss."""
    student = dataclasses.replace(
        student or jaxsup.Student(3, core_scale=0.5), activation="identity"
    )
    settings = {"features": jaxsup.GaussianFeatures(6, 1.2), "gradient": "exact", **changes}
    return relu_experiment(student, optimizer, **settings)
