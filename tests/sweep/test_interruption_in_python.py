"""Ctrl-C in a call of `jaxsup.run`: the part at hand is kept, KeyboardInterrupt is raised."""

import re
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import xarray as xr
from sweep_cases import Stop, assert_same_bits, rate_sweep, run, run_into

from jaxsup._internal import stop_request
from jaxsup._internal.stop_request import StopRequest
from jaxsup.sweep.callbacks import Stopped
from jaxsup.sweep.progress import Progress
from jaxsup.sweep.store.read import take_inventory


class Presses:
    """Ctrl-C after these segments."""

    def __init__(self, *segments: int) -> None:
        self.segments, self.count = segments, 0

    def __call__(self, _: object) -> None:
        self.count += 1
        for _ in range(self.segments.count(self.count)):
            signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("presses", [Presses(2), Presses(2, 2), Presses(7)])
def test_the_part_at_hand_is_kept(tmp_path, whole, presses):
    path = tmp_path / "store"
    again = re.escape(f"go on with: jaxsup.run(sweep, {str(path)!r}, resume=True)")
    with pytest.raises(KeyboardInterrupt, match=f"^stopped; what is done is stored; {again}$"):
        run_into(path, progress=presses)
    assert presses.count == presses.segments[0]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    inventory = take_inventory(path)
    assert (len(inventory.unfinished), inventory.networks_stored) == (
        1,
        3 * (presses.count > 4),
    )
    reports: list[Progress] = []
    run_into(path, resume=True, progress=reports.append)
    done = 3 * 8 if presses.count > 4 else 0
    assert reports[0].network_steps_done > done  # not from step 0
    assert_same_bits(xr.open_zarr(path).load(), xr.open_zarr(whole).load())


def test_without_a_store_it_says_what_would_have_kept_it():
    presses = Presses(2)
    with pytest.raises(KeyboardInterrupt, match=r"^stopped; nothing is kept: give a store, "):
        run(rate_sweep(), chunk=3, progress=presses)
    assert presses.count == 2
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_at_the_very_end_it_is_raised_too(tmp_path):
    """Nothing is left to keep; the caller's program is to stop all the same."""

    def press(progress: Progress) -> None:
        if progress.replicas_done == progress.replicas:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run_into(tmp_path / "store", progress=press)
    assert take_inventory(tmp_path / "store").networks_stored == 9


def test_later_once_more_it_stops_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(stop_request, "_REPEATED_SECONDS", -1.0)
    with pytest.raises(KeyboardInterrupt):
        run_into(tmp_path / "store", progress=Presses(2, 2))
    assert take_inventory(tmp_path / "store").unfinished == []


def test_a_stop_of_the_callers_own_stays_one(tmp_path):
    with pytest.raises(Stopped):
        run_into(tmp_path / "store", stop=Stop(2))
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_handler_of_the_callers_own_stays_in_place(tmp_path):
    heard: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: heard.append(number))
    try:
        run_into(tmp_path / "store", progress=Presses(2))
    finally:
        signal.signal(signal.SIGINT, before)
    assert heard == [signal.SIGINT]
    assert take_inventory(tmp_path / "store").networks_stored == 9


def test_in_another_thread_signals_are_left_alone(tmp_path):
    def train(path: Path, results: list) -> None:
        results.append(bool(run_into(path)["complete"].values.all()))

    results: list[bool] = []
    thread = threading.Thread(target=train, args=(tmp_path / "store", results))
    thread.start()
    thread.join()
    assert results == [True]


@pytest.mark.parametrize(
    ("moments", "more"), [([0.0, 0.2], [False, False]), ([0.0, 0.9, 1.1], [False, False, True])]
)
def test_a_signal_that_comes_twice_within_a_second_is_one_request(monkeypatch, moments, more):
    clock: Callable[[], float] = iter(moments).__next__
    monkeypatch.setattr(stop_request.time, "monotonic", clock)
    request = StopRequest()
    assert not request()
    assert [request.ask(signal.SIGTERM) for _ in moments] == more
    assert request()
    assert request.exit_status == 143
