"""A store among files of others, with folders in the place of files, on a disk that reads badly."""

import errno
import json
import logging
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import xarray as xr
from helpers import assert_error_form, assert_one_line_error
from sweep_cases import assert_same_bits, run_into, trained_parts

from jaxsup.cli.info import InfoCommand
from jaxsup.sweep.store.read import open_store, take_inventory


@pytest.fixture
def unread(monkeypatch: pytest.MonkeyPatch):
    """A function that makes the system refuse to give a file."""
    opened = Path.open

    def refuse(path: Path, number: int) -> None:
        def open_others(self: Path, *arguments: Any, **options: Any) -> Any:
            if self == path:
                raise OSError(number, os.strerror(number), str(path))
            return opened(self, *arguments, **options)

        monkeypatch.setattr(Path, "open", open_others)

    return refuse


def info(store: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, list[str]]:
    """The exit status of `jaxsup info`, and what it prints."""
    try:
        InfoCommand(store).run()
    except SystemExit as error:
        return int(str(error.code)), capsys.readouterr().out.splitlines()
    return 0, capsys.readouterr().out.splitlines()


@pytest.mark.parametrize("number", [errno.EIO, errno.EACCES, errno.ESTALE], ids=errno.errorcode.get)
@pytest.mark.parametrize("name", ["loss/c/0/1/0", "journal/0.1/zarr.json"])
def test_what_cannot_be_read_is_no_damage(copy, name, number, unread, capsys, monkeypatch):
    before = {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()}
    reason = os.strerror(number)
    unread(copy / name, number)
    status, lines = info(copy, capsys)
    assert status == 1
    assert [line for line in lines if "unread" in line] == [
        f"unread    {name}: it cannot be read ({reason})"
    ]
    assert not [line for line in lines if line.startswith("damaged")]
    sizes = trained_parts(monkeypatch)
    for read in (lambda: open_store(copy), lambda: run_into(copy, resume=True)):
        with pytest.raises(
            OSError, match=r"expected a file that can be read; got .*; mend"
        ) as error:
            read()
        assert_error_form(str(error.value))
        assert name in str(error.value)
        assert reason in str(error.value)
    assert sizes == []
    monkeypatch.undo()
    assert before == {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()}


def test_the_rest_is_trained_where_a_file_cannot_be_read(copy, whole, unread, monkeypatch, caplog):
    unread(copy / "loss/c/0/1/0", errno.EIO)
    (copy / "loss/c/0/2/0").unlink()
    sizes = trained_parts(monkeypatch)
    with caplog.at_level(logging.WARNING, "jaxsup"), pytest.raises(OSError, match="0/1/0"):
        run_into(copy, resume=True)
    assert sizes == [3]
    assert "0/1/0" in caplog.text
    monkeypatch.undo()
    assert_same_bits(open_store(copy).load(), xr.open_zarr(whole).load())


@pytest.mark.parametrize("name", ["zarr.json", "journal/zarr.json", "step/c/0"])
def test_metadata_that_cannot_be_read_are_not_written_again(copy, name, unread):
    written = (copy / name).stat().st_mtime_ns
    unread(copy / name, errno.EIO)
    for read in (lambda: open_store(copy), lambda: run_into(copy, resume=True)):
        assert_one_line_error(read, "expected a file that can be read; got .*; mend", OSError)
    assert (copy / name).stat().st_mtime_ns == written


def empty(path: Path) -> None:
    path.write_bytes(b"")


def as_folder(path: Path) -> None:
    path.unlink()
    (path / "of the user").mkdir(parents=True)


def parent_as_file(path: Path) -> None:
    shutil.rmtree(path.parent)
    path.parent.write_bytes(b"of the user")


DISORDER = {
    "empty coordinate": ("step/c/0", empty),
    "empty metadata": ("loss/zarr.json", empty),
    "folder for a chunk": ("loss/c/0/1/0", as_folder),
    "folder for complete": ("complete/c/0/1", as_folder),
    "folder for a coordinate": ("step/c/0", as_folder),
    "folder for a record": ("journal/0.1/zarr.json", as_folder),
    "folder for the root": ("zarr.json", as_folder),
    "file for a folder": ("loss/c/0/1/0", parent_as_file),
    "file for a tile's folder": ("journal/0.1/zarr.json", parent_as_file),
    "file for a coordinate's": ("step/c/0", parent_as_file),
    "no array": ("loss/c", lambda path: shutil.rmtree(path.parent)),
    "no journal": ("journal/zarr.json", lambda path: shutil.rmtree(path.parent)),
}


@pytest.mark.parametrize("case", DISORDER)
def test_disorder_is_named_in_a_line_and_mended(case, copy, whole, capsys):
    name, disturb = DISORDER[case]
    disturb(copy / name)
    status, lines = info(copy, capsys)
    assert status == 1
    assert [line for line in lines if line.startswith("damaged") and name in line]
    assert_one_line_error(lambda: open_store(copy), "expected files as they were written; got ")
    run_into(copy, resume=True)
    assert_same_bits(open_store(copy).load(), xr.open_zarr(whole).load())
    assert info(copy, capsys)[0] == 0
    if disturb in (as_folder, parent_as_file):
        assert len(list(copy.rglob("*.displaced"))) == 1  # nothing of the user's is deleted


def test_files_of_others_in_the_journal_are_ignored(copy, monkeypatch):
    shutil.copytree(copy / "journal/0.0", copy / "journal/0.0 copy")
    for name in ("notes", "0", "0.0.0", "0.9", "00.0", "0.-1", "١.0"):
        (copy / "journal" / name).mkdir()
        (copy / "journal" / name / "zarr.json").write_text("{}")
    (copy / "journal/.DS_Store").write_text("")
    assert take_inventory(copy).damages == []
    assert open_store(copy)["complete"].values.all()
    sizes = trained_parts(monkeypatch)
    run_into(copy, resume=True)
    assert sizes == []
    assert (copy / "journal/0.0 copy/zarr.json").exists()


def test_a_checkpoint_of_what_is_stored_is_not_waited_for(copy):
    (copy / "journal/unfinished.0.1.safetensors").write_bytes(b"stale")
    assert take_inventory(copy).unfinished == []
    shutil.rmtree(copy / "journal/0.1")
    assert take_inventory(copy).unfinished == ["unfinished.0.1.safetensors"]


def test_numbers_without_a_record_are_not_called_missing(copy, caplog):
    """As between the chunks of a commit and its record."""
    shutil.rmtree(copy / "journal/0.1")
    root = json.loads((copy / "zarr.json").read_text())
    del root["attributes"]["seconds"]  # not finished yet
    (copy / "zarr.json").write_text(json.dumps(root))
    with caplog.at_level(logging.WARNING, "jaxsup"):
        open_store(copy)
    assert "2 of 3 tiles are stored; the others are missing (NaN), or not committed" in caplog.text


def test_reading_forces_nothing_to_the_disk(copy, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda handle: pytest.fail("forced to the disk"))
    take_inventory(copy)
    open_store(copy)


def unsealed(path: Path, drop: tuple[str, ...]) -> None:
    document = json.loads(path.read_text())
    names = {"sha256", *drop}
    attributes = {n: v for n, v in document["attributes"].items() if n not in names}
    attributes |= {"layout_version": 3} if "layout_version" in attributes else {}
    path.write_text(json.dumps({**document, "attributes": attributes}))


@pytest.fixture
def third(copy: Path) -> Path:
    """A store of the third layout, which had neither seals nor a schema."""
    new = ("schema", "random_numbers")
    unsealed(copy / "zarr.json", new)
    more = ("updates", "update_identities", "replicas", "loss_evaluation", "title", "coordinates")
    unsealed(copy / "journal/zarr.json", (*new, *more))
    for tile in ("0.0", "0.1", "0.2"):
        unsealed(copy / f"journal/{tile}/zarr.json", ())
    return copy


def test_the_third_layout_is_read_checked_and_not_filled(third, whole):
    assert_same_bits(open_store(third).load(), xr.open_zarr(whole).load())
    inventory = take_inventory(third)
    assert (inventory.networks_stored, inventory.damages) == (9, [])
    assert inventory.attributes["seconds"] == xr.open_zarr(whole).attrs["seconds"]
    assert_one_line_error(
        lambda: run_into(third, resume=True), "got 3, which can only be read; begin a new folder"
    )
    (third / "loss/c/0/1/0").write_bytes(b"damaged")
    shutil.copy(third / "journal/0.0/zarr.json", third / "journal/0.2/zarr.json")
    damages = take_inventory(third).damages
    assert [d.path for d in damages] == ["loss/c/0/1/0", "journal/0.2/zarr.json"]
    assert_one_line_error(
        lambda: open_store(third), r"got loss/c/0/1/0: its checksum differs and 1"
    )
