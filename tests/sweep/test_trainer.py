"""Segments, compaction and devices: how replicas are trained together changes none of them.

Replicas laid out otherwise (parts, devices, processes) agree bit for bit where XLA compiles the
same loops for both shapes, and to float32 rounding elsewhere.
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
from helpers import assert_one_line_error
from sweep_cases import FIRST, LATER, assert_same_bits, rate_sweep, relu, run

import jaxsup
from jaxsup.experiment.record import Record
from jaxsup.sweep import trainer as training
from jaxsup.sweep.compiled import Compiler
from jaxsup.sweep.processes import Share, join_processes, parse_shard

RATES = [0.05, 0.1, 0.2, 0.3]
WILD = 1e9


def sweep(rates: list[float], seeds: int = 6, **changes: Any) -> jaxsup.Sweep:
    settings: dict[str, Any] = {
        "steps": 12,
        "record": Record(points=4, evaluation_samples=32, parameter_steps=(12,)),
    }
    return jaxsup.Sweep(relu(**{**settings, **changes}), {"optimizer.learning_rate": rates}, seeds)


def assert_close(dataset: xr.Dataset, expected: xr.Dataset) -> None:
    """Records and parameters agree but for rounding, gaps and counts without it."""
    for name in ("loss", "embedding", "core", "bias"):
        values, expected_values = dataset[name].values, expected[name].values
        np.testing.assert_array_equal(np.isnan(values), np.isnan(expected_values))
        rounding = np.nanmax(np.abs(expected_values)) * LATER
        np.testing.assert_allclose(values, expected_values, rtol=LATER, atol=rounding)
    np.testing.assert_allclose(dataset["loss"][..., 0], expected["loss"][..., 0], rtol=FIRST)
    for name in ("status", "last_step", "complete"):
        np.testing.assert_array_equal(dataset[name], expected[name])


@pytest.fixture(scope="module")
def reference() -> xr.Dataset:
    return run(sweep(RATES), chunk=24)


QUICK = (4, 7)


@pytest.mark.parametrize(
    ("count", "chunk"),
    [
        pytest.param(
            count,
            chunk,
            marks=pytest.mark.compiler if (count, chunk) == QUICK else pytest.mark.extended,
        )
        for count, chunk in ((1, 7), (1, None), (2, 1), (2, 64), QUICK, (4, None))
    ],
)
def test_devices_and_chunks_change_nothing(reference, count, chunk):
    devices = jax.local_devices()[:count]
    assert_close(jaxsup.run(sweep(RATES), devices=devices, chunk=chunk), reference)


@pytest.mark.compiler
def test_short_segments_change_no_bit(reference, monkeypatch):
    monkeypatch.setattr(training, "_SEGMENT_SECONDS", 0.0)
    reports: list[Any] = []
    dataset = run(sweep(RATES), chunk=24, progress=reports.append)
    assert len(reports) > 12  # every update is a segment of its own
    assert_same_bits(dataset, reference)


@pytest.mark.slow
@pytest.mark.parametrize("chunk", [3, pytest.param(6, marks=pytest.mark.compiler), 30])
def test_one_wild_replica_in_each_part_disturbs_no_other(reference, chunk):
    dataset = run(sweep([*RATES[:2], WILD, *RATES[2:]]), chunk=chunk)
    assert (dataset["status"].sel({"optimizer.learning_rate": WILD}) == 1).all()
    assert_close(dataset.drop_sel({"optimizer.learning_rate": WILD}), reference)


@pytest.mark.extended
@pytest.mark.parametrize("count", [1, pytest.param(2, marks=pytest.mark.compiler)])
def test_diverged_replicas_are_dropped_and_the_rest_trained_on(monkeypatch, count):
    """Slots shrink by halves; a replica's results do not depend on when others are dropped."""
    rates = [0.05, WILD, 0.1, 2 * WILD, 3 * WILD, 1e7, 0.2, 1e8]
    options: dict[str, Any] = {"devices": jax.local_devices()[:count], "chunk": 48}
    changes: dict[str, Any] = {
        "steps": 40,
        "record": Record(
            points=40, spacing="linear", parameter_steps=(12, 40), evaluation_samples=32
        ),
    }
    monkeypatch.setattr(training, "_COMPILING_WORTH", np.inf)
    expected = jaxsup.run(sweep(rates, **changes), **options)
    monkeypatch.setattr(training, "_COMPILING_WORTH", 0.0)
    shapes: list[tuple[int, int]] = []
    compile_programs = Compiler.programs

    def programs(self: Compiler, inputs: Any, slots: int, **options: Any) -> Any:
        shapes.append((len(inputs.keys), slots))
        return compile_programs(self, inputs, slots, **options)

    monkeypatch.setattr(Compiler, "programs", programs)
    dataset = jaxsup.run(sweep(rates, **changes), **options)
    assert shapes[0] == (6, 8)
    assert shapes[-1] == (6, 4)
    calm = {"optimizer.learning_rate": [rate for rate in rates if rate < 1]}
    assert_close(dataset.sel(calm), expected.sel(calm))
    for name in ("status", "last_step"):
        np.testing.assert_array_equal(dataset[name], expected[name])
    np.testing.assert_array_equal(np.isnan(dataset["loss"]), np.isnan(expected["loss"]))
    assert int((dataset["status"] == 1).sum()) == 5 * 6


def test_a_remainder_compiles_nothing_where_its_padding_costs_less(monkeypatch):
    """Parts of three seeds and one: the last has a shape of its own only where that is worth it."""
    compile_programs, compiled, datasets = Compiler.programs, set(), []

    def programs(self: Compiler, inputs: Any, slots: int, **options: Any) -> Any:
        compiled.add((len(inputs.keys), slots))
        return compile_programs(self, inputs, slots, **options)

    monkeypatch.setattr(Compiler, "programs", programs)
    for worth, shapes in ((np.inf, {(3, 3)}), (0.0, {(3, 3), (1, 3)})):
        monkeypatch.setattr(training, "_COMPILING_WORTH", worth)
        compiled.clear()
        datasets.append(run(rate_sweep(seeds=7), chunk=9))
        assert compiled == shapes
    np.testing.assert_allclose(datasets[0]["loss"], datasets[1]["loss"], rtol=LATER)


@pytest.mark.slow
def test_a_part_whose_replicas_are_all_gone_ends_early():
    reports: list[Any] = []
    record = Record(points=40, spacing="linear", evaluation_samples=32)
    dataset = run(sweep([WILD, 2 * WILD], steps=400, record=record), progress=reports.append)
    assert (dataset["status"] == 1).all()
    assert len(reports) < 20
    assert reports[-1].network_steps_done == reports[-1].network_steps == 400 * 12


def test_progress_tells_rate_and_median_loss(reference):
    reports: list[Any] = []
    run(sweep(RATES), progress=reports.append)
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
sys.path[:0] = {folders!r}
from test_trainer import RATES, sweep
import jaxsup
port, process, path = sys.argv[1:]
share = parse_shard(process) if port == "none" else join_processes(
    "localhost:" + port, 2, int(process), timeout=60)
dataset = jaxsup.run(sweep(RATES), path, chunk=4, share=share)
print(int(dataset["complete"].sum()))
"""


def start(*arguments: str, code: str = CODE) -> subprocess.Popen[str]:
    folder = Path(__file__).parent
    code = code.format(folders=[str(folder), str(folder.parent)])
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


@pytest.mark.parametrize(
    "coordinated",
    [
        pytest.param(True, marks=pytest.mark.slow),
        pytest.param(False, marks=pytest.mark.extended),
    ],
)
def test_two_processes_fill_one_store(reference, tmp_path, coordinated):
    path = tmp_path / "store"
    port = free_port() if coordinated else "none"
    names = ("0", "1") if coordinated else ("1/2", "2/2")
    running = [start(port, name, str(path)) for name in names]
    ended = [process.communicate(timeout=300) for process in running]
    assert [process.returncode for process in running] == [0, 0], ended
    dataset = jaxsup.open_store(path).load()
    assert_close(dataset, reference)
    complete = [int(out.splitlines()[-1]) for out, _ in ended]
    assert max(complete) == 24
    devices = jax.local_devices()[:2]
    alone = jaxsup.run(sweep(RATES), tmp_path / "alone", chunk=4, devices=devices)
    assert_same_bits(dataset, alone)


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
    half = run(sweep(RATES), path, chunk=4, share=Share(1, 2))
    assert int(half["complete"].sum()) == 12
    assert np.isnan(half["loss"].values[~half["complete"].values]).all()
    for index in range(3):
        run(sweep(RATES), path, chunk=4, share=Share(index, 3))
    assert_close(jaxsup.open_store(path).load(), reference)


@pytest.mark.parametrize(("index", "count"), [(2, 2), (-1, 2), (0, 0)])
def test_a_share_that_is_none_is_refused(index, count):
    assert_one_line_error(lambda: Share(index, count), r"share\.(index|count): expected")


@pytest.mark.parametrize("text", ["0/2", "3/2", "1", "a/b", "1/2/3", "-1/2"])
def test_a_shard_that_is_none_is_refused(text):
    assert_one_line_error(lambda: parse_shard(text), r"--shard: expected I/N with 1 <= I <= N; got")


def test_half_a_description_of_the_processes_is_refused():
    assert_one_line_error(
        lambda: join_processes("localhost:1", None, 0),
        "expected coordinator, processes and process together",
    )
    assert_one_line_error(
        lambda: join_processes("localhost:1", 2, 2), r"--process-id: expected 0\.\.1; got 2"
    )
    assert_one_line_error(
        lambda: join_processes("localhost:1", 0, 0),
        "--processes: expected a positive integer; got 0",
    )
