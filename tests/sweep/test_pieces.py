"""Checkpoints of parts in pieces, and of parts that no longer fit: little is trained twice."""

import contextlib
import logging
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import jax
import numpy as np
import pytest
import xarray as xr
from scarce_memory import exhaust, hold_at_most
from sweep_cases import (
    EagerSaves,
    Stop,
    assert_same_bits,
    rate_sweep,
    run,
    run_into,
    trained_parts,
)

from jaxsup.experiment.record import Record
from jaxsup.sweep import pieces
from jaxsup.sweep import trainer as training
from jaxsup.sweep.callbacks import Stopped
from jaxsup.sweep.pieces import Pieces
from jaxsup.sweep.resumption import unfit_pieces
from jaxsup.sweep.task import TaskRun

RATES = [0.1, 1e9, 0.3]  # one diverges
SWEEP = rate_sweep(RATES)


@pytest.fixture(scope="module")
def reference() -> xr.Dataset:
    """A seed at once, as memory for three would have it."""
    return run(SWEEP, chunk=3)


def assert_same(dataset: xr.Dataset, expected: xr.Dataset) -> None:
    assert_same_bits(dataset.drop_attrs(), expected.drop_attrs())


def stop_and_go_on(path: Path, after: int, **options: Any) -> None:
    """Fill a store with a stop after so many segments."""
    with contextlib.suppress(Stopped):
        run_into(path, SWEEP, chunk=9, stop=Stop(after), **options)
        return
    run_into(path, SWEEP, chunk=9, resume=True, **options)


@pytest.mark.parametrize("after", [0, 2, 3, 5])
def test_pieces_that_are_stopped_go_on(tmp_path, reference, monkeypatch, after):
    """Stopped within the first piece, between two, within the second."""
    hold_at_most(monkeypatch, 3)
    sizes = trained_parts(monkeypatch)
    stop_and_go_on(tmp_path / "store", after)
    assert_same(xr.open_zarr(tmp_path / "store").load(), reference)
    assert sizes.count(9) == 1  # the checkpoint knows what fitted
    assert sizes.count(3) == 3 + (after not in (3,))


def test_a_checkpoint_of_a_part_that_no_longer_fits_is_cut(tmp_path, reference, monkeypatch):
    """Another process takes memory after a stop: no update is made twice."""
    path, firsts = tmp_path / "store", []
    with pytest.raises(Stopped):
        run_into(path, SWEEP, chunk=9, stop=Stop(2))
    send = TaskRun.send

    def note(self: TaskRun, stop: int, *, due: bool) -> None:
        firsts.append(self.reached)
        send(self, stop, due=due)

    monkeypatch.setattr(TaskRun, "send", note)
    hold_at_most(monkeypatch, 3)
    run_into(path, SWEEP, chunk=9, resume=True)
    assert min(firsts) == 3
    assert_same(xr.open_zarr(path).load(), reference)


def test_memory_that_goes_meanwhile_costs_what_came_after_the_last_checkpoint(
    tmp_path, reference, monkeypatch
):
    """The third segment finds none; the state is lost with it, and one was kept before."""
    path, send, firsts = tmp_path / "store", TaskRun.send, []

    def lose(self: TaskRun, stop: int, *, due: bool) -> None:
        firsts.append(self.reached)
        if len(firsts) == 4:
            jax.tree.map(lambda leaf: leaf.delete(), self.state)
            exhaust()
        send(self, stop, due=due)

    monkeypatch.setattr(TaskRun, "send", lose)
    monkeypatch.setattr(training, "Saves", EagerSaves)
    run_into(path, SWEEP, chunk=9)
    assert firsts[:4] == [0, 0, 1, 3]
    assert min(firsts[4:]) == 3
    monkeypatch.undo()
    np.testing.assert_allclose(xr.open_zarr(path)["loss"], reference["loss"], rtol=5e-5)


@pytest.mark.extended
def test_dropped_replicas_have_no_place_in_a_piece_either(tmp_path, monkeypatch):
    monkeypatch.setattr(training, "_COMPILING_WORTH", 0.0)
    path, record = tmp_path / "store", Record(points=8, spacing="linear", parameter_steps=(8,))
    sweep, members, cut = rate_sweep(RATES, record=record), [], pieces.cut_checkpoint

    def note(*arguments: Any) -> dict[str, np.ndarray]:
        arrays = cut(*arguments)
        members.append(arrays["members"].tolist())
        return arrays

    with pytest.raises(Stopped):
        run_into(path, sweep, chunk=9, stop=Stop(6))
    hold_at_most(monkeypatch, 3)
    monkeypatch.setattr(pieces, "cut_checkpoint", note)
    run_into(path, sweep, chunk=9, resume=True)
    assert members[-3:] == 3 * [[[0, -1, 2]]]
    dataset, reference = xr.open_zarr(path).load(), run(sweep, chunk=3)
    for name in ("status", "last_step"):
        np.testing.assert_array_equal(dataset[name], reference[name])
    np.testing.assert_allclose(dataset["loss"], reference["loss"], rtol=5e-5)


@pytest.fixture(scope="module")
def kept() -> dict[str, np.ndarray]:
    """What is kept of a part in three pieces, the second of them on its way."""
    found: list[dict[str, np.ndarray]] = []
    checkpoint = Pieces.checkpoint

    def keep(self: Pieces, *arguments: Any) -> dict[str, np.ndarray]:
        found.append(checkpoint(self, *arguments))
        return found[-1]

    with pytest.MonkeyPatch.context() as patch:
        hold_at_most(patch, 3)
        patch.setattr(Pieces, "checkpoint", keep)
        patch.setattr(training, "Saves", EagerSaves)
        with TemporaryDirectory() as folder:
            run_into(Path(folder) / "store", SWEEP, chunk=9)
    return next(arrays for arrays in found if len(arrays["pieces"]) == 2)


CRAFTED: dict[str, tuple[Any, str]] = {
    "no shape": (lambda kept: kept.pop("shape"), "have no shape"),
    "shape of nothing": (lambda kept: kept.update(shape=np.zeros(2, int)), "do not fit"),
    "no results": (lambda kept: kept.pop("results.loss"), "no results.loss"),
    "no pieces": (lambda kept: kept.update(pieces=np.zeros((0, 4), int)), "no pieces"),
    "text": (lambda kept: kept.update(pieces=kept["pieces"].astype(str)), "no shape"),
    "twice": (lambda kept: kept.update(pieces=np.repeat(kept["pieces"], 2, axis=0)), "overlap"),
    "outside": (lambda kept: kept.update(pieces=kept["pieces"] + 7), "none of this part"),
    "backwards": (lambda kept: kept.update(pieces=kept["pieces"][:, ::-1]), "do not fit"),
}


@pytest.mark.parametrize("case", CRAFTED)
def test_pieces_that_are_none_of_the_part_are_told(kept, case):
    empty = {
        name.removeprefix("results."): array
        for name, array in kept.items()
        if name.startswith("results.")
    }
    assert unfit_pieces(kept, empty) is None
    crafted = dict(kept)
    change, reason = CRAFTED[case]
    change(crafted)
    found = unfit_pieces(crafted, empty)
    assert found is not None
    assert reason in found


@pytest.mark.parametrize("name", ["results.loss", "0.state.0"])
def test_a_part_whose_pieces_are_not_fit_starts_again(
    tmp_path, reference, monkeypatch, caplog, name
):
    hold_at_most(monkeypatch, 3)
    save = Pieces.checkpoint

    def craft(self: Pieces, *arguments: Any) -> dict[str, np.ndarray]:
        arrays = save(self, *arguments)
        arrays.pop(name)
        return arrays

    monkeypatch.setattr(Pieces, "checkpoint", craft)
    with caplog.at_level(logging.WARNING, "jaxsup"):
        stop_and_go_on(tmp_path / "store", 2)
    lines = [r.getMessage() for r in caplog.records if "checkpoint of a part" in r.getMessage()]
    assert lines
    assert all(line.endswith("; this part starts again") for line in lines)
    assert_same(xr.open_zarr(tmp_path / "store").load(), reference)
