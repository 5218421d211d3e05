"""A sweep as TOML, for tests of what is read."""

from typing import Any

import jaxsup

BASE = """
batch_size = 16
steps = 50
seeds = 3

[features]
kind = "power-law"
count = 32
exponent = 1.5

[teacher]
kind = "diagonal"
exponent = 0.0

[student]
latent = 8

[optimizer]
kind = "sgd"
learning_rate = 0.5
"""


def write(path, text: str):
    file = path / "sweep.toml"
    file.write_text(text, encoding="utf-8")
    return file


def experiment(**changes: Any) -> jaxsup.Experiment:
    settings: dict[str, Any] = {
        "features": jaxsup.PowerLawFeatures(4, 1.5),
        "teacher": jaxsup.DiagonalTeacher(0.25),
        "student": jaxsup.Student(2, activation="identity"),
        "optimizer": jaxsup.SGD(0.5),
        "steps": 20,
    }
    return jaxsup.Experiment(**{**settings, **changes})
