"""A forecast: what it counts is what a run would do, and its time follows from what was timed."""

import logging
import time
from typing import Any

import jax
import pytest
from helpers import assert_one_line_error
from table_cases import BASE

import jaxsup
from jaxsup.cli.dry_run import format_forecast, format_seconds
from jaxsup.sweep.axes import replace_fields
from jaxsup.sweep.forecast import Forecast, forecast
from jaxsup.sweep.tables import parse_toml, sweep_from_tables
from jaxsup.sweep.task import TaskRun
from jaxsup.sweep.trainer import Trainer

AXES = """
[axes]
"student.latent" = [4, 16]
"optimizer.learning_rate" = [0.1, 0.2, 0.3]
"""
UPDATE, RECORD = 0.25, 8.0


@pytest.fixture(scope="module")
def sweep() -> jaxsup.Sweep:
    return sweep_from_tables(parse_toml((BASE + AXES).encode(), "sweep.toml"))


@pytest.fixture
def clocked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, bool]]:
    """Updates take a quarter of a second and records eight, as far as anybody can tell."""
    segments: list[tuple[int, bool]] = []
    receive = TaskRun.receive

    def timed(run: TaskRun) -> float:
        before, (stop, due, *_) = run.step, run.sent[0]
        receive(run)
        segments.append((stop - before, due))
        return UPDATE * (stop - before) + RECORD * due

    monkeypatch.setattr(TaskRun, "receive", timed)
    return segments


def forecast_of(sweep: jaxsup.Sweep, **options: float) -> Forecast:
    return forecast(sweep, jax.local_devices()[:1], chunk=5, **options)  # pyright: ignore[reportArgumentType]


@pytest.mark.slow
def test_it_counts_what_a_run_does(
    sweep: jaxsup.Sweep, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = forecast_of(sweep, timed=0.01)
    begun: list[int] = []
    begin = Trainer.begin

    def counted(trainer: Trainer, task, shape) -> TaskRun:
        begun.append(task.program.width)
        return begin(trainer, task, shape)

    monkeypatch.setattr(Trainer, "begin", counted)
    with caplog.at_level(logging.INFO, logger="jaxsup"):
        dataset = jaxsup.run(sweep, devices=jax.local_devices()[:1], chunk=5)
    assert (plan.settings, plan.seeds, plan.networks) == (6, 3, 18)
    assert [(row.latent, row.networks, row.settings) for row in plan.programs] == [
        (4, 9, 3),
        (16, 9, 3),
    ]
    assert [row.plan for row in plan.programs] == [
        r.getMessage() for r in caplog.records if "program" in r.getMessage()
    ]
    assert [row.parts for row in plan.programs] == [begun.count(4), begun.count(16)]
    assert {row.updates for row in plan.programs} == {int(dataset["step"][-1])}
    assert {row.records for row in plan.programs} == {dataset.sizes["step"]}
    assert plan.disk_bytes == sum(dataset[name].nbytes for name in dataset.data_vars)


def test_time_is_that_of_updates_and_records(
    sweep: jaxsup.Sweep, clocked: list[tuple[int, bool]]
) -> None:
    plan = forecast_of(sweep, timed=1e9)
    for row in plan.programs:
        assert row.timing is not None
        assert row.timing.updates <= row.updates
        assert (row.timing.update, row.timing.record) == (UPDATE, RECORD)
        assert row.timing.start > 0
        assert row.timing.compilation > 0
        part = row.timing.start + row.updates * UPDATE + row.records * RECORD
        assert row.seconds == pytest.approx(row.parts * part, rel=1e-12)
    updates = [updates for updates, _ in clocked if updates]
    assert updates[:3] == [1, 4, 16]
    assert not any(due for updates, due in clocked if updates)
    assert plan.seconds == pytest.approx(sum(row.seconds or 0 for row in plan.programs))


def test_a_program_that_is_slow_is_timed_for_one_update(
    sweep: jaxsup.Sweep, clocked: list[tuple[int, bool]]
) -> None:
    plan = forecast_of(sweep, timed=1e-9)
    timings = [row.timing for row in plan.programs if row.timing]
    assert [timing.updates for timing in timings] == [1, 1]
    assert [timing.update for timing in timings] == [UPDATE, UPDATE]
    assert sum(updates for updates, _ in clocked) == 2


def test_programs_without_time_are_taken_by_their_arithmetic(
    sweep: jaxsup.Sweep, clocked: list[tuple[int, bool]]
) -> None:
    plan = forecast_of(sweep, timed=1.0, most=0.0)
    first, second = plan.programs
    assert first.timing is not None
    assert first.seconds is not None
    assert second.timing is None
    # An update at batch 16 and N = 32 costs 2 N K + K^2 a sample.
    ratio = (2 * 32 * second.latent + second.latent**2) / (2 * 32 * first.latent + first.latent**2)
    assert second.seconds == pytest.approx(ratio * first.seconds, rel=1e-12)
    assert plan.compilation == pytest.approx(2 * first.timing.compilation)
    assert "1 programs were not timed" in format_forecast(plan)
    del clocked


def test_no_memory_for_a_trial_is_said(
    sweep: jaxsup.Sweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    def short(*_: object) -> TaskRun:
        raise MemoryError

    monkeypatch.setattr(Trainer, "begin", short)
    plan = forecast_of(sweep)
    assert [(row.timing, row.seconds) for row in plan.programs] == [(None, None)] * 2
    assert (plan.seconds, plan.compilation) == (None, None)
    assert format_forecast(plan).splitlines()[-1].startswith("time      not known")


def test_other_errors_of_the_device_are_not_hidden(
    sweep: jaxsup.Sweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> TaskRun:
        raise jax.errors.JaxRuntimeError("INTERNAL: the device is gone")

    monkeypatch.setattr(Trainer, "begin", broken)
    with pytest.raises(jax.errors.JaxRuntimeError, match="the device is gone"):
        forecast_of(sweep)


@pytest.mark.parametrize(
    ("name", "value"), [("timed", 0.0), ("most", -1.0), ("chunk", 0), ("widths", 0)]
)
def test_arguments_are_checked(sweep: jaxsup.Sweep, name: str, value: float) -> None:
    arguments: dict[str, Any] = {name: value}
    assert_one_line_error(lambda: forecast(sweep, jax.local_devices(), **arguments), f"^{name}: ")


@pytest.mark.slow
def test_trial_time_is_bounded(sweep: jaxsup.Sweep) -> None:
    """Compilation apart, so many seconds are spent on updates and no more than twice that."""
    long = jaxsup.Sweep(replace_fields(sweep.experiment, {"steps": 10**6}))
    began = time.perf_counter()
    plan = forecast(long, jax.local_devices()[:1], timed=2.0)
    (row,) = plan.programs
    assert row.timing is not None
    assert time.perf_counter() - began < row.timing.compilation + 2 * 2.0 + 30
    assert 0 < row.timing.updates * row.timing.update < 2 * 2.0


@pytest.mark.parametrize(
    ("seconds", "text"), [(80.0, "80 s"), (90.0, "1.5 min"), (5400.0, "1.5 h"), (2e5, "2.3 d")]
)
def test_durations_for_people(seconds: float, text: str) -> None:
    assert format_seconds(seconds) == text
