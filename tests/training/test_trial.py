"""Kernels are tried on the device that is to run them, and given up where they do not hold."""

import logging

import jax
import numpy as np
import pytest

import jaxsup
from jaxsup.training.updates import (
    choose_update,
    fused,
    fused_draws,
    fused_trial,
    gathered,
    halved,
    halved_trial,
    halves,
    sparse,
    tiles,
    trial,
)
from jaxsup.training.updates.tiles import Tile


@pytest.fixture(autouse=True)
def untried(monkeypatch):
    """Smaller tiles, of which the trial has several; and a process that has tried nothing."""
    monkeypatch.setattr(halves, "_PRODUCT", Tile(64, 64, 32, 4, 1))
    monkeypatch.setattr(halved, "_SLOPES", Tile(64, 128, 32, 4, 1))
    monkeypatch.setattr(trial, "_FAULTS", {})


def test_right_kernels_pass_and_the_batch_is_a_batch():
    assert halved_trial.error_of_halved(interpret=True) < 1e-6
    batch, x = halved_trial.make_trial().batch, halved_trial.make_trial().x
    assert np.array_equal(np.asarray(batch.columns()).T[: len(x)], x)
    assert (np.diff(np.asarray(batch.row)) >= 0).all()
    assert 1 < len(x) < batch.rows


def test_the_trial_of_small_networks_has_programs_of_as_many_warps_as_any():
    sides = [tuple(map(tiles.side_of, case[:2])) for case in fused_trial._CASES]
    assert {fused._warps(latent, count) for count, latent in sides} == {1, 2}
    assert max(latent * count for count, latent in sides) == fused._MOST_ENTRIES


def test_wrong_kernels_are_seen(monkeypatch):
    monkeypatch.setattr(halves, "_LARGEST", 2.0**17)
    assert halved_trial.error_of_halved(interpret=True) == np.inf


@pytest.mark.slow
def test_the_kernel_of_small_networks_passes_and_wrong_draws_are_seen(monkeypatch):
    assert fused_trial.error_of_fused(interpret=True) < 1e-6
    monkeypatch.setattr(fused_draws, "_ROTATIONS", ((13, 15, 26, 6), (17, 29, 16, 23)))
    assert fused_trial.error_of_fused(interpret=True) > 1e-2


@pytest.mark.parametrize(
    ("error", "reason"),
    [(3e-3, "a gradient was off by 0.003 of its largest entry"), (2e-6, None)],
)
def test_a_device_is_tried_once(error, reason, caplog):
    tries = []

    def find_error():
        tries.append(1)
        return error

    device = jax.local_devices()[0]
    with caplog.at_level(logging.WARNING):
        for networks in ("small", "large"):
            found = [trial.fault_of_kernels(networks, find_error, device) for _ in range(2)]
            assert found == [reason, reason]
    assert len(tries) == 2
    assert len(caplog.messages) == 2 * (reason is not None)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("networks", "count", "room", "name"),
    [("small", 64, sparse, "unfit_device"), ("large", 128, gathered, "unfit")],
)
def test_what_does_not_compile_is_not_used(networks, count, room, name, monkeypatch, caplog):
    """A CPU runs no such kernel: whoever says it does is told so, and trained without."""
    monkeypatch.setattr(room, name, lambda *arguments: None)
    experiment = jaxsup.Experiment(
        jaxsup.PowerLawFeatures(count, 1.5), jaxsup.DiagonalTeacher(0.0), jaxsup.Student(16),
        jaxsup.SGD(0.5),
    )  # fmt: skip
    update = choose_update(experiment)
    with caplog.at_level(logging.WARNING):
        assert update.on(experiment, jax.local_devices()[0]) is update
    assert f"kernels for {networks} networks are not used on" in caplog.text


def test_a_trial_may_begin_while_something_is_traced():
    seen = []

    def find_error():
        # As training asks for it, whatever the caller's own is.
        assert jax.config.jax_default_matmul_precision == "highest"  # pyright: ignore[reportAttributeAccessIssue]
        seen.append(halved_trial.error_of_halved(interpret=True))
        return seen[-1]

    @jax.jit
    def traced(x):
        with jax.default_matmul_precision("bfloat16"):
            assert trial.fault_of_kernels("large", find_error, jax.local_devices()[0]) is None
        return x + 1

    assert traced(1.0) == 2.0
    assert seen[0] < 1e-6


@pytest.mark.parametrize(
    "text",
    [
        "RESOURCE_EXHAUSTED: Out of memory while trying to allocate 64 bytes.",
        "INTERNAL: Failed to load in-memory CUBIN: CUDA_ERROR_OUT_OF_MEMORY: out of memory",
    ],
)
def test_a_shortage_of_memory_is_no_fault_of_the_kernels(text):
    """It is raised, for whoever makes room, and the kernels are tried again."""
    tries = []

    def find_error():
        tries.append(1)
        if len(tries) == 1:
            raise jax.errors.JaxRuntimeError(text)
        return 1e-7

    device = jax.local_devices()[0]
    with pytest.raises(MemoryError, match=f"^{text}: .* has no room to try kernels out$"):
        trial.fault_of_kernels("small", find_error, device)
    assert trial.fault_of_kernels("small", find_error, device) is None


def test_a_kernel_too_large_for_a_multiprocessor_is_its_fault(caplog):
    def find_error():
        text = "RESOURCE_EXHAUSTED: Shared memory size limit exceeded: requested 20480"
        raise jax.errors.JaxRuntimeError(text)

    fault = trial.fault_of_kernels("small", find_error, jax.local_devices()[0])
    assert "Shared memory" in (fault or "")
    assert "Shared memory" in caplog.text
