"""Kernels are tried on the device that is to run them, and given up where they do not hold."""

import logging

import jax
import numpy as np
import pytest

import jaxsup
from jaxsup.training.updates import choose_update, gathered, halved, halves, trial
from jaxsup.training.updates.tiles import Tile


@pytest.fixture(autouse=True)
def untried(monkeypatch):
    """Smaller tiles, of which the trial has several; and a process that has tried nothing."""
    monkeypatch.setattr(halves, "_PRODUCT", Tile(64, 64, 32, 4, 1))
    monkeypatch.setattr(halved, "_SLOPES", Tile(64, 128, 32, 4, 1))
    monkeypatch.setattr(trial, "_FAULTS", {})


def test_right_kernels_pass_and_the_batch_is_a_batch():
    assert trial.error_of_kernels(interpret=True) < 1e-6
    batch, x = trial.make_trial().batch, trial.make_trial().x
    assert np.array_equal(np.asarray(batch.columns()).T[: len(x)], x)
    assert (np.diff(np.asarray(batch.row)) >= 0).all()
    assert 1 < len(x) < batch.rows


def test_wrong_kernels_are_seen(monkeypatch):
    monkeypatch.setattr(halves, "_LARGEST", 2.0**17)
    assert trial.error_of_kernels(interpret=True) == np.inf


@pytest.mark.parametrize(
    ("error", "reason"),
    [(3e-3, "a gradient was off by 0.003 of its largest entry"), (2e-6, None)],
)
def test_a_device_is_tried_once(error, reason, monkeypatch, caplog):
    tries = []
    monkeypatch.setattr(trial, "error_of_kernels", lambda: tries.append(1) or error)
    device = jax.local_devices()[0]
    with caplog.at_level(logging.WARNING):
        assert [trial.fault_of_kernels(device) for _ in range(2)] == [reason, reason]
    assert len(tries) == 1
    assert len(caplog.messages) == (reason is not None)


def test_what_does_not_compile_is_not_used(monkeypatch, caplog):
    """A CPU runs no such kernel: whoever says it does is told so, and trained without."""
    monkeypatch.setattr(gathered, "unfit", lambda experiment, device: None)
    experiment = jaxsup.Experiment(
        jaxsup.PowerLawFeatures(128, 1.5), jaxsup.DiagonalTeacher(0.0), jaxsup.Student(16),
        jaxsup.SGD(0.5),
    )  # fmt: skip
    update = choose_update(experiment)
    with caplog.at_level(logging.WARNING):
        assert update.on(experiment, jax.local_devices()[0]) is update
    assert "kernels for large networks are not used on" in caplog.text


def test_a_trial_may_begin_while_something_is_traced(monkeypatch):
    seen = []
    whole = trial.error_of_kernels

    def tried():
        seen.append(whole(interpret=True))
        return seen[-1]

    monkeypatch.setattr(trial, "error_of_kernels", tried)

    @jax.jit
    def traced(x):
        with jax.default_matmul_precision("bfloat16"):
            assert trial.fault_of_kernels(jax.local_devices()[0]) is None
        return x + 1

    assert traced(1.0) == 2.0
    assert seen[0] < 1e-6
