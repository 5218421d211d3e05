"""Segments, compaction and devices: how replicas are trained together changes none of them.

Replicas laid out otherwise (parts, devices, processes) agree bit for bit where XLA compiles the
same loops for both shapes, and to float32 rounding elsewhere: rtol 2e-6 before the first update,
5e-5 later.
"""

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
import xarray as xr

import jaxsup
from jaxsup.experiment.record import Record
from jaxsup.sweep import trainer as training
from jaxsup.sweep.compiled import Compiler

FIRST, LATER = 2e-6, 5e-5
RATES = [0.05, 0.1, 0.2, 0.3]
WILD = 1e9


def relu(**changes: Any) -> jaxsup.Experiment:
    settings: dict[str, Any] = {
        "features": jaxsup.PowerLawFeatures(8, 1.1, 2.0),
        "teacher": jaxsup.DiagonalTeacher(0.5),
        "student": jaxsup.Student(3, core_scale=0.3),
        "optimizer": jaxsup.SGD(0.2),
        "batch_size": 8,
        "steps": 12,
        "record": Record(points=4, evaluation_samples=32, parameter_steps=(12,)),
    }
    return jaxsup.Experiment(**{**settings, **changes})


def sweep(rates: list[float], seeds: int = 6, **changes: Any) -> jaxsup.Sweep:
    return jaxsup.Sweep(relu(**changes), {"optimizer.learning_rate": rates}, seeds)


def assert_close(got: xr.Dataset, expected: xr.Dataset) -> None:
    for name in ("loss", "embedding", "core", "bias"):
        one, other = got[name].values, expected[name].values
        np.testing.assert_array_equal(np.isnan(one), np.isnan(other))
        rounding = np.nanmax(np.abs(other)) * LATER
        np.testing.assert_allclose(one, other, rtol=LATER, atol=rounding)
    np.testing.assert_allclose(got["loss"][..., 0], expected["loss"][..., 0], rtol=FIRST)
    for name in ("status", "last_step", "complete"):
        np.testing.assert_array_equal(got[name], expected[name])


@pytest.fixture(scope="module")
def reference() -> xr.Dataset:
    return jaxsup.run(sweep(RATES), devices=jax.local_devices()[:1], chunk=24)


@pytest.mark.parametrize("devices", [1, 2, 4])
@pytest.mark.parametrize("chunk", [1, 7, 64, None])
def test_devices_and_chunks_change_nothing(reference, devices, chunk):
    some = jax.local_devices()[:devices]
    assert_close(jaxsup.run(sweep(RATES), devices=some, chunk=chunk), reference)


def test_short_segments_change_no_bit(reference, monkeypatch):
    monkeypatch.setattr(training, "_SEGMENT_SECONDS", 0.0)
    reports: list[Any] = []
    one = jax.local_devices()[:1]
    short = jaxsup.run(sweep(RATES), devices=one, chunk=24, progress=reports.append)
    assert len(reports) > 12  # every update is a segment of its own
    for name in reference:
        assert short[name].values.tobytes() == reference[name].values.tobytes()


@pytest.mark.parametrize("chunk", [3, 6, 30])
def test_one_wild_replica_in_each_part_disturbs_no_other(reference, chunk):
    one = jax.local_devices()[:1]
    wild = jaxsup.run(sweep([*RATES[:2], WILD, *RATES[2:]]), devices=one, chunk=chunk)
    assert (wild["status"].sel({"optimizer.learning_rate": WILD}) == 1).all()
    assert_close(wild.drop_sel({"optimizer.learning_rate": WILD}), reference)


@pytest.mark.parametrize("devices", [1, 2])
def test_diverged_replicas_are_dropped_and_the_rest_trained_on(monkeypatch, devices):
    """Slots shrink by halves; a replica's results do not depend on when others left."""
    some = jax.local_devices()[:devices]
    rates = [0.05, WILD, 0.1, 2 * WILD, 3 * WILD, 1e7, 0.2, 1e8]
    options: dict[str, Any] = {"devices": some, "chunk": 48}
    changes: dict[str, Any] = {
        "steps": 40,
        "record": Record(
            points=40, spacing="linear", parameter_steps=(12, 40), evaluation_samples=32
        ),
    }
    monkeypatch.setattr(training, "_COMPILING_WORTH", np.inf)
    kept = jaxsup.run(sweep(rates, **changes), **options)
    monkeypatch.setattr(training, "_COMPILING_WORTH", 0.0)
    shapes: list[tuple[int, int]] = []
    compile_programs = Compiler.programs

    def programs(self: Compiler, inputs: Any, slots: int, **options: Any) -> Any:
        shapes.append((len(inputs.keys), slots))
        return compile_programs(self, inputs, slots, **options)

    monkeypatch.setattr(Compiler, "programs", programs)
    dropped = jaxsup.run(sweep(rates, **changes), **options)
    assert shapes[0] == (6, 8)
    assert shapes[-1] == (6, 4)
    calm = {"optimizer.learning_rate": [rate for rate in rates if rate < 1]}
    assert_close(dropped.sel(calm), kept.sel(calm))
    for name in ("status", "last_step"):
        np.testing.assert_array_equal(dropped[name], kept[name])
    np.testing.assert_array_equal(np.isnan(dropped["loss"]), np.isnan(kept["loss"]))
    assert int((dropped["status"] == 1).sum()) == 5 * 6


def test_a_part_whose_replicas_are_all_gone_ends_early():
    reports: list[Any] = []
    one = jax.local_devices()[:1]
    record = Record(points=40, spacing="linear", evaluation_samples=32)
    dataset = jaxsup.run(
        sweep([WILD, 2 * WILD], steps=400, record=record), devices=one, progress=reports.append
    )
    assert (dataset["status"] == 1).all()
    assert len(reports) < 20
    assert reports[-1].network_steps_done == reports[-1].network_steps == 400 * 12


def test_progress_tells_rate_and_median_loss(reference):
    reports: list[Any] = []
    jaxsup.run(sweep(RATES), devices=jax.local_devices()[:1], progress=reports.append)
    last = reports[-1]
    assert last.median_loss == pytest.approx(float(np.median(reference["loss"][..., -1])), rel=1e-4)
    assert 0 < last.compile_seconds < last.seconds
    assert last.rate == pytest.approx(24 * 12 / (last.seconds - last.compile_seconds))


# Processes

CODE = """
import sys
import jax
jax.config.update("jax_num_cpu_devices", 2)
from jaxsup.sweep.processes import join_processes, parse_shard
sys.path.insert(0, {tests!r})
from test_trainer import RATES, sweep
import jaxsup
port, process, path = sys.argv[1:]
share = parse_shard(process) if port == "none" else join_processes(
    "localhost:" + port, 2, int(process), timeout=60)
dataset = jaxsup.run(sweep(RATES), path, chunk=4, share=share)
print(int(dataset["complete"].sum()))
"""


def start(*arguments: str, code: str = CODE) -> subprocess.Popen[str]:
    code = code.format(tests=str(Path(__file__).parent))
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "JAX_PLATFORMS": "cpu"},
    )


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        return str(probe.getsockname()[1])


@pytest.mark.slow
@pytest.mark.parametrize("coordinated", [True, False])
def test_two_processes_fill_one_store(reference, tmp_path, coordinated):
    path = tmp_path / "store"
    port = free_port() if coordinated else "none"
    names = ("0", "1") if coordinated else ("1/2", "2/2")
    running = [start(port, name, str(path)) for name in names]
    ended = [process.communicate(timeout=300) for process in running]
    assert [process.returncode for process in running] == [0, 0], ended
    assert_close(jaxsup.open_store(path).load(), reference)
    complete = [int(out.splitlines()[-1]) for out, _ in ended]
    assert max(complete) == 24
    one = jaxsup.run(sweep(RATES), tmp_path / "one", chunk=4, devices=jax.local_devices()[:2])
    both = jaxsup.open_store(path)
    for name in one:
        assert one[name].values.tobytes() == both[name].values.tobytes(), name


WAITING = """
import sys
from jaxsup.sweep import processes
process = int(sys.argv[2])
share = processes.join_processes("localhost:" + sys.argv[1], 2, process, timeout=60)
processes._PATIENCE = 1
if process == 0:
    try:
        share.wait_for_all("a barrier where nobody comes")
    except ValueError as error:
        print(error)
share.leave()
"""


@pytest.mark.slow
def test_processes_that_do_not_come_are_told_in_one_line():
    port = free_port()
    running = [start(port, name, code=WAITING) for name in "01"]
    (out, err), _ = [process.communicate(timeout=300) for process in running]
    assert out.count("\n") == 1, err
    assert out.startswith("--distributed: expected 2 processes within 1 s; got ")


def test_a_lost_process_costs_only_its_parts(reference, tmp_path):
    """One of two shares is never trained; any number of processes finish it later."""
    path = tmp_path / "store"
    one = jax.local_devices()[:1]
    half = jaxsup.run(sweep(RATES), path, chunk=4, devices=one, share=jaxsup.Share(1, 2))
    assert int(half["complete"].sum()) == 12
    assert np.isnan(half["loss"].values[~half["complete"].values]).all()
    for index in range(3):
        jaxsup.run(sweep(RATES), path, chunk=4, devices=one, share=jaxsup.Share(index, 3))
    assert_close(jaxsup.open_store(path).load(), reference)


@pytest.mark.parametrize(("index", "count"), [(2, 2), (-1, 2), (0, 0)])
def test_a_share_that_is_none_is_refused(index, count):
    with pytest.raises(ValueError, match=r"share\.(index|count): expected"):
        jaxsup.Share(index, count)


@pytest.mark.parametrize("text", ["0/2", "3/2", "1", "a/b", "1/2/3", "-1/2"])
def test_a_shard_that_is_none_is_refused(text):
    from jaxsup.sweep.processes import parse_shard

    with pytest.raises(ValueError, match=r"--shard: expected I/N with 1 <= I <= N; got"):
        parse_shard(text)


def test_half_a_description_of_the_processes_is_refused():
    from jaxsup.sweep.processes import join_processes

    with pytest.raises(ValueError, match="expected coordinator, processes and process together"):
        join_processes("localhost:1", None, 0)
    with pytest.raises(ValueError, match=r"--process-id: expected 0\.\.1; got 2"):
        join_processes("localhost:1", 2, 2)
    with pytest.raises(ValueError, match="--processes: expected a positive integer; got 0"):
        join_processes("localhost:1", 0, 0)
