"""Segments that accelerators are given ahead: the host looks at one while the next is trained.

A CPU is given one at a time; here it is told to take two, so that the same code runs.
"""

import contextlib
from typing import Any

import jax
import numpy as np
import pytest
import xarray as xr
from sweep_cases import EagerSaves, Stop, assert_same_bits, rate_sweep, run, run_into

from jaxsup.sweep import trainer as training
from jaxsup.sweep.callbacks import Stopped
from jaxsup.sweep.task import TaskRun

WILD = 1e9


@pytest.fixture
def ahead(monkeypatch) -> list[tuple[str, int]]:
    """Two segments at once, each of one update; what is sent and received, by its last update."""
    events: list[tuple[str, int]] = []
    send, receive = TaskRun.send, TaskRun.receive

    def send_one(self: TaskRun, stop: int, *, due: bool) -> None:
        events.append(("due" if due else "sent", stop))
        send(self, stop, due=due)

    def receive_one(self: TaskRun) -> float:
        events.append(("received", self.sent[0].stop))
        return receive(self)

    monkeypatch.setattr(training, "_DEPTH", {"cpu": 2})
    monkeypatch.setattr(training, "_SEGMENT_SECONDS", 0.0)
    monkeypatch.setattr(TaskRun, "send", send_one)
    monkeypatch.setattr(TaskRun, "receive", receive_one)
    return events


@pytest.fixture(scope="module")
def reference() -> xr.Dataset:
    """One wild replica a seed; one segment at a time."""
    return run(rate_sweep([0.1, WILD, 0.3]), chunk=9)


@pytest.mark.parametrize("count", [1, 3])
def test_segments_sent_ahead_change_no_bit(reference, ahead, count):
    devices = jax.local_devices()[:count]
    dataset = run(rate_sweep([0.1, WILD, 0.3]), chunk=9, devices=devices)
    if count == 1:
        assert_same_bits(dataset, reference)
    assert int((dataset["status"] == 1).sum()) == 3
    np.testing.assert_allclose(dataset["loss"], reference["loss"], rtol=5e-5)
    np.testing.assert_array_equal(dataset["last_step"], reference["last_step"])


def test_the_next_segment_is_sent_before_the_last_is_waited_for(ahead):
    """But at records, where diverged replicas may be dropped: 0, 1, 3, 8."""
    run(rate_sweep(), chunk=9)
    assert ahead[:10] == [
        ("due", 0),
        ("received", 0),
        ("due", 1),
        ("received", 1),
        ("sent", 2),
        ("due", 3),
        ("received", 2),
        ("received", 3),
        ("sent", 4),
        ("sent", 5),
    ]
    assert ahead[10:] == [
        ("received", 4),
        ("sent", 6),
        ("received", 5),
        ("sent", 7),
        ("received", 6),
        ("due", 8),
        ("received", 7),
        ("received", 8),
    ]


@pytest.mark.parametrize("after", [1, 3, 5])
def test_a_run_that_is_stopped_sends_nothing_more_and_goes_on(tmp_path, ahead, after):
    """What was sent is in the checkpoint, so that a request waits for no more than it."""
    path, asked = tmp_path / "store", Stop(after)
    requests: list[int] = []

    def stop() -> bool:
        if asked():
            requests.append(len(ahead))
            return True
        return False

    with contextlib.suppress(Stopped):
        run_into(path, rate_sweep([0.1, WILD, 0.3]), chunk=9, stop=stop)
    assert len(requests) == 1
    assert {kind for kind, _ in ahead[requests[0] :]} <= {"received"}
    sent = [stop for kind, stop in ahead if kind != "received"]
    ahead.clear()
    resumed = run_into(path, rate_sweep([0.1, WILD, 0.3]), chunk=9, resume=True)
    assert ahead[0][1] in {sent[-1], sent[-1] + 1}  # a record that is due is made again
    assert_same_bits(
        resumed.load(), run_into(tmp_path / "whole", rate_sweep([0.1, WILD, 0.3]), chunk=9).load()
    )


def test_a_checkpoint_that_is_due_holds_all_that_was_sent(tmp_path, ahead):
    """Kept between any two segments: seconds 0."""
    kept: list[Any] = []
    checkpoint = TaskRun.checkpoint

    def keep(self: TaskRun) -> dict[str, np.ndarray]:
        arrays = checkpoint(self)
        kept.append((int(arrays["step"]), len(self.sent)))
        return arrays

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TaskRun, "checkpoint", keep)
        patch.setattr(training, "Saves", EagerSaves)
        run_into(tmp_path / "store", chunk=9)
    assert kept
    assert {sent for _, sent in kept} == {0}
    expected = run_into(tmp_path / "whole", chunk=9)
    assert_same_bits(xr.open_zarr(tmp_path / "store").load(), expected.load())
