"""Datasets that xarray saved, as researchers keep a part of a sweep: read, and not filled."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from helpers import assert_one_line_error
from sweep_cases import rate_sweep, run, run_into

from jaxsup.sweep.store.read import open_store, take_inventory

SOURCES: dict[str, Callable[[Path], xr.Dataset]] = {
    "a store": open_store,
    "a store that xarray opened": lambda path: part_of(xr.open_zarr(path)),
    "memory": lambda _: run(rate_sweep()),
    "a part": lambda path: part_of(open_store(path)),
}


def part_of(dataset: xr.Dataset) -> xr.Dataset:
    """The last two seeds, in turned order, of all that was recorded but one variable."""
    return dataset.isel(seed=[-1, -2]).drop_vars("loss_stderr", errors="ignore")


@pytest.mark.filterwarnings("ignore:Consolidated metadata")
@pytest.mark.parametrize("source", SOURCES)
def test_what_xarray_saved_is_read_and_not_filled(
    whole: Path, tmp_path: Path, source: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "saved"
    dataset = SOURCES[source](whole).load()
    dataset.to_zarr(path, zarr_format=3)
    assert not (path / "journal").exists()
    found = open_store(path)
    assert "without checksums" in caplog.text
    xr.testing.assert_equal(found, dataset)
    assert found["loss"].dims == dataset["loss"].dims
    inventory = take_inventory(path)
    networks = dataset["status"].size
    assert (inventory.networks, inventory.networks_stored) == (networks, networks)
    assert inventory.sizes["seed"] == dataset.sizes["seed"]
    assert not inventory.damages
    assert_one_line_error(
        lambda: run_into(path, resume=True), "got a dataset that another program saved, without"
    )
    np.testing.assert_array_equal(open_store(path)["loss"], dataset["loss"])


@pytest.mark.filterwarnings("ignore:Consolidated metadata")
def test_losses_alone_are_opened_and_have_no_inventory(whole: Path, tmp_path: Path) -> None:
    losses = open_store(whole)[["loss"]].load()
    losses.to_zarr(tmp_path / "saved", zarr_format=3)
    xr.testing.assert_equal(open_store(tmp_path / "saved"), losses)
    assert_one_line_error(
        lambda: take_inventory(tmp_path / "saved"), "expected status and last_step; got none; save"
    )
