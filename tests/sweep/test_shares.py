"""Processes that fill one folder: each its own tiles, none in another's way."""

import contextlib
import logging
import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from helpers import assert_one_line_error
from sweep_cases import assert_same_bits, rate_sweep, run_into, trained_parts

from jaxsup.cli.sweep import format_summary
from jaxsup.sweep.processes import Share
from jaxsup.sweep.store import journal
from jaxsup.sweep.store.read import take_inventory


def records(store: Path) -> set[str]:
    return {path.parent.name for path in store.glob("journal/*/zarr.json")}


def test_shares_with_unequal_chunks_cover_the_sweep_once(tmp_path, monkeypatch, whole):
    """What share has which tile follows from the store, not from how much is trained at once."""
    store, sizes = tmp_path / "store", trained_parts(monkeypatch)
    for index, chunk in enumerate([3, 9, 6]):
        run_into(store, chunk=chunk, share=Share(index, 3))
        assert sum(sizes) == 3 * (index + 1)
    assert xr.open_zarr(store)["complete"].values.all()
    stored, expected = xr.open_zarr(store)["loss"], xr.open_zarr(whole)["loss"]
    np.testing.assert_allclose(stored, expected, rtol=5e-5)


@pytest.mark.parametrize("chunks", [(2, 4, 8), (8, 2, 8), (2, 12, 6)])
def test_any_number_of_shares_covers_what_the_plan_says(tmp_path, monkeypatch, chunks):
    """Tiles of two networks, five seeds: shares of different sizes."""
    sizes, sweep = trained_parts(monkeypatch), rate_sweep([0.1, 0.2], seeds=5)
    run_into(tmp_path / "store", sweep, chunk=2, share=Share(0, 4))
    for index, chunk in enumerate(chunks, 1):
        run_into(tmp_path / "store", sweep, chunk=chunk, share=Share(index, 4))
    assert xr.open_zarr(tmp_path / "store")["complete"].values.all()
    assert sum(sizes) == 10


def test_a_share_leaves_the_damage_of_another_to_it(copy, monkeypatch, caplog):
    (copy / "loss/c/0/0/0").write_bytes(b"")  # a tile of the first share
    before, sizes = records(copy), trained_parts(monkeypatch)
    with caplog.at_level(logging.WARNING, "jaxsup"):
        run_into(copy, share=Share(1, 2))
    assert (sizes, caplog.records) == ([], [])
    assert records(copy) == before
    assert (copy / "complete/c/0/0").exists()
    with caplog.at_level(logging.WARNING, "jaxsup"):
        run_into(copy, share=Share(0, 2))
    assert sizes == [3]
    assert not take_inventory(copy).damages


def test_what_cannot_be_read_now_is_no_damage(copy, monkeypatch, caplog):
    """EIO on a healthy file: it is neither removed nor trained again."""
    record, opened = copy / "journal/0.1/zarr.json", Path.open
    read = Path.read_bytes

    def fail(path: Path, *arguments: Any, **options: Any) -> Any:
        if path == record:
            raise OSError(5, os.strerror(5))
        return opened(path, *arguments, **options)

    def fail_to_read(path: Path) -> bytes:
        if path == record:
            raise OSError(5, os.strerror(5))
        return read(path)

    monkeypatch.setattr(Path, "open", fail)
    monkeypatch.setattr(Path, "read_bytes", fail_to_read)
    sizes = trained_parts(monkeypatch)
    with caplog.at_level(logging.WARNING, "jaxsup"), contextlib.suppress(OSError):
        run_into(copy, resume=True)
    assert sizes == []
    message = caplog.records[0].getMessage()
    assert "journal/0.1/zarr.json" in message
    assert "left as it is" in message
    monkeypatch.undo()
    assert len(records(copy)) == 3
    assert not take_inventory(copy).damages


def test_one_share_of_one_joins_what_is_there(copy):
    assert run_into(copy, share=Share(0, 1))["complete"].values.all()


def test_a_second_sweep_does_not_do_all_work_twice(tmp_path, caplog):
    """Another one is refused while the first trains; a share is let in, and told."""
    path, met = tmp_path / "store", []

    def meet(_: object) -> None:
        if not met:
            met.append("another process fills now; wait for it, or share the work by --shard")
            assert_one_line_error(lambda: run_into(path, resume=True), met[0], BlockingIOError)
            run_into(path, share=Share(2, 3))

    with caplog.at_level(logging.WARNING, "jaxsup"):
        run_into(path, progress=meet)
    assert ["this share is trained twice" in record.message for record in caplog.records] == [True]
    assert met
    run_into(path, resume=True)  # nothing is left of the lock


def test_shares_do_not_exclude_each_other_but_a_whole_sweep(tmp_path):
    path = tmp_path / "store"

    def meet(_: object) -> None:
        run_into(path, share=Share(1, 2))
        with pytest.raises(BlockingIOError):
            run_into(path, resume=True)

    run_into(path, share=Share(0, 2), progress=meet)
    assert xr.open_zarr(path)["complete"].values.all()


def test_a_temporary_file_of_another_process_is_left_to_it(copy):
    """Shares that end together: only what has no living owner is removed."""
    mine, old = (copy / f"journal/zarr.json.{n * 32}.partial" for n in "ab")
    for path in (mine, old):
        path.write_text("{}")
    os.utime(old, (1, 1))
    run_into(copy, share=Share(0, 2))
    assert (mine.exists(), old.exists()) == (True, False)
    run_into(copy, resume=True)  # alone: nobody else can be at work
    assert not mine.exists()


def test_a_temporary_file_that_is_gone_is_written_again(tmp_path, monkeypatch, whole):
    """A process of an older version clears all of them at its end."""
    replace, taken = os.replace, []

    def late(source: Any, target: Any, **options: Any) -> None:
        if "0.1/zarr.json" in str(target) and not taken:
            taken.append(source)
            os.unlink(source)
        replace(source, target, **options)

    monkeypatch.setattr(os, "replace", late)
    run_into(tmp_path / "store")
    assert len(taken) == 1
    assert_same_bits(xr.open_zarr(tmp_path / "store").load(), xr.open_zarr(whole).load())


def test_a_plan_that_comes_while_we_look_is_taken(tmp_path, whole):
    """The folder is there before its manifest can be seen, as on a network's file system."""
    path = tmp_path / "store"
    path.mkdir()
    (path / "journal").mkdir()

    def come() -> None:
        text = (whole / journal.MANIFEST).read_bytes()
        journal.write_atomically(path / journal.MANIFEST, text)

    timer = threading.Timer(0.05, come)
    timer.start()
    assert run_into(path, resume=True)["complete"].values.all()
    timer.join()


def test_a_summary_with_and_without_seconds():
    """Another process commits the last tile after we have counted, before we open the dataset."""
    summary = {"dataset": "s", "replicas": 9, "complete": 9, "diverged": 1, "seconds": None}
    assert format_summary(summary) == "9 networks, 1 diverged\ndataset  s"
    told = "9 networks, 2.5 s of training with compilation, 1 diverged\ndataset  s"
    assert format_summary({**summary, "seconds": 2.5}) == told
