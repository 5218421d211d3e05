"""Stores that are not filled: another sweep, another version, no room."""

import json
import resource
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from helpers import assert_error_form, assert_one_line_error
from sweep_cases import assert_same_bits, rate_sweep, run_into, trained_parts

from jaxsup.experiment.record import Record
from jaxsup.sweep.store.identity import differences
from jaxsup.sweep.store.read import open_store, take_inventory
from jaxsup.sweep.store.schema import LAYOUT_VERSION


def times_of(store: Path) -> list[tuple[Path, int]]:
    """When each file was last written."""
    return sorted((path, path.stat().st_mtime_ns) for path in store.rglob("*"))


def test_a_finished_store_is_not_written_over(copy):
    before = times_of(copy)
    assert_one_line_error(
        lambda: run_into(copy),
        "expected a new folder; got one that exists; choose",
        FileExistsError,
    )
    assert times_of(copy) == before


def test_another_configuration_is_refused_and_its_fields_named(copy):
    before = times_of(copy)
    changed = rate_sweep(rates=[0.1, 0.2, 0.4], steps=9, seeds=4)
    with pytest.raises(ValueError, match="expected the sweep that it holds; got another") as error:
        run_into(copy, changed, resume=True)
    text = str(error.value)
    assert_error_form(text)
    assert "steps 9 instead of 8" in text
    assert "seeds [0, 1, 2, 3] instead of [0, 1, 2]" in text
    assert "axes.optimizer.learning_rate [0.1, 0.2, 0.4] instead of [0.1, 0.2, 0.3]" in text
    assert "batch_size" not in text
    assert times_of(copy) == before


def test_another_dtype_is_refused(copy, x64):
    assert_one_line_error(lambda: run_into(copy, resume=True), "dtype float64 instead of float32")


def test_differences_go_into_lists_of_fields():
    stored = {"a": {"b": 1, "c": [1, 2]}, "d": "x"}
    changed = {"a": {"b": 2, "c": [1, 2]}}
    assert differences(stored, stored) == ""
    assert differences(stored, changed) == "a.b 2 instead of 1, d absent instead of x"


def test_chunks_smaller_than_a_tile_are_refused(copy):
    assert_one_line_error(
        lambda: run_into(copy, resume=True, chunk=2),
        "chunk: expected at least 3 replicas, a tile of this",
    )


def test_a_folder_of_something_else_is_refused(tmp_path):
    (tmp_path / "file").write_text("mine")
    assert_one_line_error(
        lambda: run_into(tmp_path, resume=True),
        r"expected the folder of a sweep; got one whose zarr\.json",
    )
    assert_one_line_error(
        lambda: run_into(tmp_path / "file", resume=True),
        "expected a folder; got a file of that name",
        NotADirectoryError,
    )
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.extended
def test_a_full_disk_is_an_error_at_the_first_commit(tmp_path):
    """A limit on file sizes stands in for a full disk: the system refuses the write."""
    path = tmp_path / "store"
    record = Record(points=2000, spacing="linear", observables=("feature_error",))
    big = rate_sweep([1e-4, 2e-4, 3e-4], steps=2000, record=record)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        assert_one_line_error(
            lambda: run_into(path, big),
            "expected room to write; got 'File too large'; what is",
            OSError,
        )
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert take_inventory(path).networks_stored == 0
    run_into(path, big, resume=True)
    assert_same_bits(open_store(path).load(), run_into(tmp_path / "other", big).load())


def test_a_dataset_larger_than_the_disk_is_refused_before_training(tmp_path, monkeypatch):
    small = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: small)
    sizes = trained_parts(monkeypatch)
    assert_one_line_error(
        lambda: run_into(tmp_path / "store"),
        r"expected room for 1\.. KiB; got 1000 B that are free",
        OSError,
    )
    assert sizes == []


def test_the_first_layout_is_read_and_not_filled(whole, tmp_path):
    path = tmp_path / "old"
    old = xr.open_zarr(whole).load().drop_vars(["complete", "key_data"])
    for name in ("layout_version", "fingerprint", "plan"):
        del old.attrs[name]
    for variable in old.variables.values():
        variable.encoding = {}
    old.to_zarr(path, zarr_format=3, consolidated=False)
    np.testing.assert_array_equal(open_store(path)["loss"], old["loss"])
    inventory = take_inventory(path)
    assert (inventory.networks, inventory.networks_stored) == (9, 9)
    assert_one_line_error(
        lambda: run_into(path, resume=True), "got 1, which can only be read; begin a new folder"
    )


def test_a_later_layout_is_refused(copy):
    for name in ("zarr.json", "journal/zarr.json"):
        data = json.loads((copy / name).read_text())
        data["attributes"]["layout_version"] = LAYOUT_VERSION + 1
        (copy / name).write_text(json.dumps(data))
    reads = (
        lambda: open_store(copy),
        lambda: take_inventory(copy),
        lambda: run_into(copy, resume=True),
    )
    for read in reads:
        assert_one_line_error(read, "expected a store of layout 4 or before; got 5; update")
