"""Small sweeps, how the tests run them, and what their datasets are compared by.

Replicas of one sweep laid out otherwise (chunks, devices, padding, order of axes) differ by float32
rounding, amplified over a few steps: the first record, before any update, must agree to 2e-6 and
all of them to 5e-5. An error of a wrong key, row or mask is of order 1.
"""

import dataclasses
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
import xarray as xr

import jaxsup
from jaxsup.experiment.record import Record
from jaxsup.sweep.callbacks import Saves
from jaxsup.sweep.task import Task
from jaxsup.sweep.trainer import Trainer

FIRST, LATER = 2e-6, 5e-5
RATES = [0.1, 0.2, 0.3]


def relu(**changes: Any) -> jaxsup.Experiment:
    """Sampled batches of 8 for 8 updates."""
    settings: dict[str, Any] = {
        "features": jaxsup.PowerLawFeatures(8, 1.1, 2.0),
        "teacher": jaxsup.DiagonalTeacher(0.5),
        "student": jaxsup.Student(3, core_scale=0.3),
        "optimizer": jaxsup.SGD(0.2),
        "batch_size": 8,
        "steps": 8,
        "record": Record(points=4, evaluation_samples=32),
    }
    return jaxsup.Experiment(**{**settings, **changes})


def linear(student: jaxsup.Student | None = None, **changes: Any) -> jaxsup.Experiment:
    """Cheap to compile: the population loss of a linear student."""
    student = student or jaxsup.Student(3, core_scale=0.3)
    settings: dict[str, Any] = {
        "features": jaxsup.GaussianFeatures(8, 1.1),
        "teacher": jaxsup.DiagonalTeacher(0.5),
        "student": dataclasses.replace(student, activation="identity"),
        "optimizer": jaxsup.SGD(0.2),
        "steps": 8,
        "gradient": "exact",
        "record": Record(points=4),
    }
    return jaxsup.Experiment(**{**settings, **changes})


def rate_sweep(rates: list[float] = RATES, seeds: int = 3, **changes: Any) -> jaxsup.Sweep:
    """Nine linear networks; a part of three is one seed with all learning rates."""
    settings: dict[str, Any] = {
        "features": jaxsup.GaussianFeatures(6, 1.1),
        "record": Record(points=4, observables=("feature_error",), parameter_steps=(8,)),
    }
    experiment = linear(jaxsup.Student(2, core_scale=0.3), **{**settings, **changes})
    return jaxsup.Sweep(experiment, {"optimizer.learning_rate": rates}, seeds)


def run(sweep: jaxsup.Sweep, store: Path | None = None, **options: Any) -> xr.Dataset:
    """On one device, which compiles fastest."""
    return jaxsup.run(sweep, store, **{"devices": jax.local_devices()[:1], **options})


def run_into(store: Path, sweep: jaxsup.Sweep | None = None, **options: Any) -> xr.Dataset:
    """Nine networks in parts of three, unless another sweep or part is given."""
    return run(sweep or rate_sweep(), store, **{"chunk": 3, **options})


class Stop:
    """Ask to stop after so many segments."""

    def __init__(self, after: int) -> None:
        self.remaining = after

    def __call__(self) -> bool:
        self.remaining -= 1
        return self.remaining < 0


class EagerSaves(Saves):
    """Keeps a checkpoint between any two segments, if it may."""

    def pause(self, checkpoint: Any) -> None:
        self.seconds, self.saved = 0.0, -np.inf
        super().pause(checkpoint)


def trained_parts(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of the parts that are trained from here on."""
    sizes: list[int] = []
    train_all = Trainer.train

    def train(self: Trainer, task: Task, *rest: Any) -> Any:
        sizes.append(len(task.rows) * len(task.seeds))
        return train_all(self, task, *rest)

    monkeypatch.setattr(Trainer, "train", train)
    return sizes


def assert_close(losses: xr.DataArray, expected: xr.DataArray) -> None:
    """Two layouts of one sweep without gaps agree but for rounding."""
    assert losses.dims == expected.dims
    assert losses.shape == expected.shape
    assert not np.isnan(expected.values).any()
    np.testing.assert_allclose(losses[..., 0], expected[..., 0], rtol=FIRST)
    np.testing.assert_allclose(losses, expected, rtol=LATER)


def assert_simulated(dataset: xr.Dataset, sweep: jaxsup.Sweep) -> None:
    """Every replica is the simulation of its own setting and seed."""
    losses = [
        np.asarray(jaxsup.simulate(sweep.experiment_at(index), jax.random.key(seed)).loss)
        for index in np.ndindex(sweep.shape)
        for seed in sweep.seeds
    ]
    expected = np.asarray(losses).reshape(*sweep.shape, len(sweep.seeds), -1)
    assert_close(dataset["loss"], dataset["loss"].copy(data=expected))


def assert_same_bits(dataset: xr.Dataset, expected: xr.Dataset) -> None:
    """Two datasets have the same variables and coordinates, bit for bit."""
    assert set(dataset.variables) == set(expected.variables)
    for name in dataset.variables:
        assert dataset[name].values.tobytes() == expected[name].values.tobytes(), name
