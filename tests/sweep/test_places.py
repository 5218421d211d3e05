"""Folders that move or vanish while they are filled, and folders that cannot be renamed onto."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import xarray as xr
from helpers import assert_error_form, assert_one_line_error
from sweep_cases import assert_same_bits, run_into

from jaxsup.sweep.store.place import Place
from jaxsup.sweep.store.plan import check_store
from jaxsup.sweep.store.read import take_inventory


def disturbed(path: Path, disturb: Callable[[], object], after: int, **options: Any) -> str:
    """What a sweep says that is disturbed after so many segments."""
    reports: list[object] = []

    def report(progress: object) -> None:
        reports.append(progress)
        if len(reports) == after:
            disturb()

    with pytest.raises(FileNotFoundError) as error:
        run_into(path, progress=report, **options)
    assert_error_form(str(error.value))
    assert len(reports) <= after + 4  # it stops with the part at hand
    return str(error.value)


@pytest.mark.parametrize(("after", "options"), [(6, {"checkpoint": 0}), (6, {}), (1, {})])
def test_a_folder_that_is_moved_is_followed_and_training_stops(tmp_path, whole, after, options):
    path, moved = tmp_path / "store", tmp_path / "elsewhere"
    message = disturbed(path, lambda: path.rename(moved), after, **options)
    assert f"got it moved; training stops, what is at hand is in {moved}: go on there" in message
    assert not path.exists()
    inventory = take_inventory(moved)
    if options:  # at a checkpoint
        assert len(inventory.unfinished) == 1
    else:  # at the end of the part
        assert inventory.networks_stored == 3 * (1 + (after > 4))
    run_into(moved, resume=True)
    assert_same_bits(xr.open_zarr(moved).load(), xr.open_zarr(whole).load())


@pytest.mark.parametrize("options", [{"checkpoint": 0}, {}])
def test_of_a_folder_that_is_deleted_the_part_at_hand_is_kept_beside(tmp_path, whole, options):
    path, rescued = tmp_path / "store", tmp_path / "store.rescued"
    message = disturbed(path, lambda: shutil.rmtree(path), 6, **options)
    assert f"got it deleted; training stops, what is at hand is in {rescued}" in message
    assert not path.exists()
    inventory = take_inventory(rescued)
    assert (len(inventory.unfinished), inventory.networks_stored) == ((1, 0) if options else (0, 3))
    rescued.rename(path)
    run_into(path, resume=True)
    assert_same_bits(xr.open_zarr(path).load(), xr.open_zarr(whole).load())


def test_where_the_system_does_not_tell_the_part_is_kept_beside(tmp_path, monkeypatch):
    monkeypatch.setattr(Place, "found", lambda _: None)
    (tmp_path / "store.rescued").mkdir()
    (tmp_path / "store.rescued/mine").write_text("")
    path, moved = tmp_path / "store", tmp_path / "elsewhere"
    with pytest.raises(FileNotFoundError, match=r"store\.rescued\.2: go on"):
        run_into(path, progress=lambda _: path.exists() and path.rename(moved), checkpoint=0)
    assert len(take_inventory(tmp_path / "store.rescued.2").unfinished) == 1
    assert os.listdir(tmp_path / "store.rescued") == ["mine"]


def test_another_sweep_that_takes_the_place_is_not_written_into(tmp_path):
    path, moved = tmp_path / "store", tmp_path / "elsewhere"

    def swap() -> None:
        path.rename(moved)
        path.mkdir()
        (path / "mine").write_text("")

    assert str(moved) in disturbed(path, swap, 1)
    assert os.listdir(path) == ["mine"]


def empty(path: Path) -> Path:
    path.mkdir()
    return path


def linked(path: Path) -> Path:
    path.symlink_to(empty(path.with_name("target")))
    return path


def mounted(path: Path) -> Path:
    """A disk of its own, as ext4 makes it."""
    (empty(path) / "lost+found").mkdir()
    return path


def with_traces(path: Path) -> Path:
    """Of a process that was killed between making its probe and removing it."""
    empty(path)
    for name in ("probe.0", f"probe.{'0' * 32}", "probe.x_1.partial"):
        (path / name).touch()
    (path / f".skeleton.{'0' * 32}.partial").mkdir()
    return path


PLACES = {"empty": empty, "linked": linked, "mounted": mounted, "with traces": with_traces}


@pytest.mark.parametrize("resume", [False, True])
@pytest.mark.parametrize("case", PLACES)
def test_a_folder_with_nothing_in_it_is_filled_in_place(tmp_path, case, resume):
    """It may be a mount point, which no other folder can be renamed onto."""
    path = PLACES[case](tmp_path / "store")
    before = path.stat().st_ino
    assert run_into(path, resume=resume)["complete"].values.all()
    assert path.stat().st_ino == before
    assert not [name for name in os.listdir(path) if "probe" in name or "partial" in name]
    assert sorted(os.listdir(tmp_path)) in (["store"], ["store", "target"])


def test_the_folder_that_we_are_in(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run_into(Path(), resume=True)["complete"].values.all()


def test_a_link_to_nowhere_is_named(tmp_path):
    (tmp_path / "store").symlink_to(tmp_path / "absent")
    message = "expected a folder; got a link to .*absent, which is not there; make that folder"
    for resume in (False, True):
        assert_one_line_error(
            lambda resume=resume: run_into(tmp_path / "store", resume=resume),
            message,
            FileNotFoundError,
        )


def test_looking_for_permission_leaves_nothing(tmp_path):
    for path in (tmp_path / "new/store", empty(tmp_path / "store")):
        before = sorted(tmp_path.rglob("*"))
        check_store(path)
        assert sorted(tmp_path.rglob("*")) == before


def test_what_a_killed_process_left_beside_is_cleared_when_it_is_old(tmp_path):
    """Skeletons of an older version lie beside their store."""
    left = [tmp_path / f".{name}.{'0' * 32}.partial" for name in ("store", "store2", "store")]
    left[2] = left[2].with_name(f".store.{'1' * 32}.partial")
    for path in left:
        path.mkdir()
    for path in left[:2]:
        os.utime(path, (1, 1))
    run_into(tmp_path / "store")
    assert not left[0].exists()
    assert left[1].exists()  # of another store
