"""Damage of a store is named, and made again alone."""

import logging
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import xarray as xr
from helpers import assert_one_line_error
from sweep_cases import Stop, assert_same_bits, run_into, trained_parts

from jaxsup.sweep.callbacks import Stopped
from jaxsup.sweep.store.read import open_store, take_inventory

DATA = "loss/c/0/1/0"
DAMAGES = {
    "flipped byte": (DATA, lambda data: data[:9] + bytes([data[9] ^ 4]) + data[10:]),
    "deleted chunk": (DATA, None),
    "truncated chunk": ("status/c/0/1", lambda data: data[:-3]),
    "truncated record": ("journal/0.1/zarr.json", lambda data: data[:30]),
}


def damage(store: Path, name: str, change: Any) -> None:
    path = store / name
    data = path.read_bytes()
    path.unlink()
    if change is not None:
        path.write_bytes(change(data))


def assert_named(store: Path, name: str) -> None:
    """The store is not read, and the damaged file is named."""
    message = f"expected files as they were written; got .*{re.escape(name)}"
    assert_one_line_error(lambda: open_store(store), message)


@pytest.mark.parametrize("case", DAMAGES)
def test_damage_is_named_and_made_again_alone(copy, whole, case, monkeypatch, caplog):
    name, change = DAMAGES[case]
    damage(copy, name, change)
    assert_named(copy, name)
    inventory = take_inventory(copy)
    assert [damage.path for damage in inventory.damages] == [name]
    assert inventory.networks_stored == 6
    sizes = trained_parts(monkeypatch)
    with caplog.at_level(logging.WARNING, "jaxsup"):
        run_into(copy, resume=True)
    assert [name in record.message for record in caplog.records] == [True]
    assert sizes == [3]
    assert_same_bits(open_store(copy).load(), xr.open_zarr(whole).load())
    assert not take_inventory(copy).damages


@pytest.mark.parametrize(
    "name", ["loss/zarr.json", "zarr.json", "journal/zarr.json", "step/c/0", "seed/zarr.json"]
)
def test_damaged_metadata_is_named_and_restored(copy, whole, name, monkeypatch, caplog):
    damage(copy, name, lambda data: data[: len(data) // 2])
    assert_named(copy, name)
    sizes = trained_parts(monkeypatch)
    with caplog.at_level(logging.WARNING, "jaxsup"):
        run_into(copy, resume=True)
    assert any(name in record.message for record in caplog.records)
    assert sizes == []
    assert_same_bits(open_store(copy).load(), xr.open_zarr(whole).load())


def test_xarray_alone_does_not_read_a_flipped_byte(copy):
    damage(copy, *DAMAGES["flipped byte"])
    with pytest.raises(ValueError, match="checksum"):
        xr.open_zarr(copy)["loss"].load()


def test_a_checkpoint_that_does_not_fit_is_named_and_ignored(tmp_path, whole, caplog):
    for change in (lambda data: data[:-20], lambda data: data[:-5] + bytes(5)):
        path = tmp_path / "store"
        shutil.rmtree(path, ignore_errors=True)
        with pytest.raises(Stopped):
            run_into(path, stop=Stop(2))
        file = next(path.rglob("unfinished*"))
        damage(path, str(file.relative_to(path)), change)
        caplog.clear()
        with caplog.at_level(logging.WARNING, "jaxsup"):
            run_into(path, resume=True)
        assert ["this part starts again" in record.message for record in caplog.records] == [True]
        assert_same_bits(xr.open_zarr(path).load(), xr.open_zarr(whole).load())
