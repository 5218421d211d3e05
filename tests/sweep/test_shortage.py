"""Too little memory: a part is halved until it fits, and no bit changes."""

import logging
import re
import subprocess
import sys
from types import SimpleNamespace

import jax
import numpy as np
import pytest
import xarray as xr
from helpers import assert_one_line_error
from scarce_memory import PLACES, hold_at_most
from sweep_cases import assert_same_bits, rate_sweep, run, trained_parts

from jaxsup._internal.shortage import shortage_of
from jaxsup.sweep import compiled, shortage
from jaxsup.sweep.shortage import sharing_advice, smaller_shape

RATES = [0.1, 1e9, 0.3]  # one diverges
SWEEP = rate_sweep(RATES)


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if "memory" in record.getMessage()]


@pytest.fixture(scope="module")
def reference() -> xr.Dataset:
    """A seed at once, as memory for three would have it."""
    return run(SWEEP, chunk=3)


def assert_same(dataset: xr.Dataset, expected: xr.Dataset) -> None:
    assert_same_bits(dataset.drop_attrs(), expected.drop_attrs())


@pytest.mark.parametrize("short", PLACES, ids=lambda place: place.__name__)
def test_a_part_that_does_not_fit_is_halved_and_no_bit_changes(
    reference, monkeypatch, caplog, short
):
    hold_at_most(monkeypatch, 3, short)
    sizes, reports = trained_parts(monkeypatch), []
    with caplog.at_level(logging.WARNING, "jaxsup"):
        dataset = run(SWEEP, chunk=9, progress=reports.append)
    assert_same(dataset, reference)
    assert sizes == [9, 6, 3, 3, 3]
    lines = warnings_of(caplog)
    assert [line.split(" (")[0] for line in lines] == [
        "out of memory with 9 networks at once",
        "out of memory with 6 networks at once",
    ]
    assert lines[1].endswith("; 3 at once from here on")
    assert all(("\n" not in line) and ("llocat" in line) for line in lines)
    done = [report.network_steps_done for report in reports]
    assert done == sorted(done)
    assert (done[-1], reports[-1].diverged) == (9 * 8, 3)
    assert reports[-2].median_loss == pytest.approx(np.nanmedian(dataset["loss"][..., -1]))


def test_rows_are_halved_where_one_seed_does_not_fit(reference, monkeypatch):
    """Tiles of nine, trained one replica at a time."""
    hold_at_most(monkeypatch, 1)
    sizes = trained_parts(monkeypatch)
    dataset = run(SWEEP, chunk=9)
    assert sizes == [9, 6, 3, 2, *[1] * 9]
    np.testing.assert_allclose(dataset["loss"], reference["loss"], rtol=5e-5)


@pytest.mark.slow
@pytest.mark.parametrize("count", [2, 4])
def test_every_device_holds_less(monkeypatch, reference, count):
    devices = jax.local_devices()[:count]
    hold_at_most(monkeypatch, 2)
    dataset = run(SWEEP, chunk=9, devices=devices)
    np.testing.assert_allclose(dataset["loss"], reference["loss"], rtol=5e-5)
    np.testing.assert_array_equal(dataset["status"], reference["status"])


def test_later_parts_begin_with_what_fitted(monkeypatch):
    """Two parts of two seeds: the second is not tried whole."""
    sweep = rate_sweep(RATES, seeds=4)
    hold_at_most(monkeypatch, 3)
    sizes = trained_parts(monkeypatch)
    dataset = run(sweep, chunk=6)
    assert sizes == [6, 3, 3, 3, 3]
    assert_same(dataset, run(sweep, chunk=3))


def test_one_network_that_does_not_fit_is_one_line(monkeypatch):
    hold_at_most(monkeypatch, 0)
    assert_one_line_error(
        lambda: run(SWEEP, chunk=9),
        r"memory: expected room for one network a device; got RESOURCE_EXHAUSTED: Out of memory",
    )


def test_a_gpu_is_shared_by_a_setting_of_jax(monkeypatch, caplog):
    """JAX takes most of it for one process: the lines say how to give each a part."""
    assert sharing_advice(jax.devices()[0]) == ""
    advice = sharing_advice(SimpleNamespace(platform="gpu"))
    assert "XLA_PYTHON_CLIENT_MEM_FRACTION=" in advice
    monkeypatch.setattr(shortage, "sharing_advice", lambda device: advice)
    hold_at_most(monkeypatch, 0)
    with caplog.at_level(logging.WARNING, "jaxsup"):
        assert_one_line_error(lambda: run(SWEEP, chunk=2), re.escape(advice))
    assert caplog.records[0].getMessage().endswith(advice)


def test_another_error_is_not_taken_for_it(monkeypatch):
    def refuse(programs: compiled.Programs) -> compiled.Programs:
        raise jax.errors.JaxRuntimeError("INTERNAL: a driver that is too old")

    hold_at_most(monkeypatch, 0, refuse)
    with pytest.raises(jax.errors.JaxRuntimeError, match="INTERNAL"):
        run(SWEEP, chunk=9)


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("RESOURCE_EXHAUSTED: Out of memory while trying to allocate 8 bytes.", True),
        ("INTERNAL: CUDA_ERROR_OUT_OF_MEMORY: out of memory", True),
        ("INTERNAL: Failed to launch", False),
        # Of a kernel, as for an H200 with 16 KiB: halves of a part ask for as much.
        ("RESOURCE_EXHAUSTED: Shared memory size limit exceeded: requested 20480", False),
        ("INVALID_ARGUMENT: a shape", False),
    ],
)
def test_what_says_that_memory_is_short(text, short):
    found = shortage_of(jax.errors.JaxRuntimeError(text))
    assert found == (text if short else None)
    assert shortage_of(MemoryError()) == "MemoryError"


@pytest.mark.parametrize("devices", [1, 2, 3, 4, 8])
def test_halving_ends_at_one_replica_a_device(devices):
    for shape in np.ndindex(9, 9):
        piece = shape[0] + 1, shape[1] + 1
        while (smaller := smaller_shape(piece, piece, devices)) is not None:
            assert np.prod(smaller) < np.prod(piece)
            piece = smaller
        assert np.prod(piece) <= devices


LIMITED = """
import resource
import sys
import jax
jax.config.update("jax_num_cpu_devices", 1)
import numpy as np
import jaxsup
experiment = jaxsup.Experiment(
    jaxsup.PowerLawFeatures(256, 1.5), jaxsup.DiagonalTeacher(0.0), jaxsup.Student(64, "learned"),
    jaxsup.Adam(1e-3), batch_size=256, steps=3, sampling="dense",
    record=jaxsup.Record(points=3, evaluation_samples=256))
def sweep(rates, seeds):
    return jaxsup.Sweep(experiment, {"optimizer.learning_rate": rates}, seeds)
jaxsup.run(sweep([0.001], 1))  # what the process takes whatever it trains
lines = open("/proc/self/status").read().splitlines()
taken = next(1024 * int(line.split()[1]) for line in lines if line.startswith("VmSize"))
if sys.argv[1] == "limited":
    resource.setrlimit(resource.RLIMIT_AS, (taken + 200 * 2**20, -1))
dataset = jaxsup.run(sweep(np.geomspace(1e-4, 1e-3, 64).tolist(), 8), chunk=512)
print(dataset["loss"].values.tobytes().hex())
"""


@pytest.mark.extended
@pytest.mark.skipif(sys.platform != "linux", reason="Linux limits and tells a process's memory")
def test_a_limit_on_the_process_is_met_for_real():
    """512 networks that need 240 MB at once, and room for 200 MiB."""
    ended = {
        name: subprocess.run(
            [sys.executable, "-c", LIMITED, name], capture_output=True, text=True, timeout=120
        )
        for name in ("free", "limited")
    }
    assert [process.returncode for process in ended.values()] == [0, 0], ended["limited"].stderr
    assert "out of memory" not in ended["free"].stderr
    assert "out of memory with 512 networks at once (RESOURCE_EXHAUSTED" in ended["limited"].stderr
    assert ended["limited"].stdout == ended["free"].stdout
