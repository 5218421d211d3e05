"""The store of a sweep: what is committed stays, and going on changes no bit."""

import dataclasses
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
import xarray as xr
from sweep_cases import Stop, assert_same_bits, rate_sweep, run, run_into, trained_parts

from jaxsup.sweep.callbacks import Stopped
from jaxsup.sweep.store import machine, store
from jaxsup.sweep.store.files import Damage
from jaxsup.sweep.store.read import take_inventory


def test_a_stored_sweep_is_the_sweep_in_memory(whole):
    memory = run(rate_sweep(), chunk=3)
    stored = xr.open_zarr(whole)
    assert_same_bits(memory, stored.load())
    assert stored["complete"].values.all()
    assert {name: stored[name].attrs for name in stored} == {
        name: memory[name].attrs for name in memory
    }
    key = jax.random.wrap_key_data(stored["key_data"].values[1], impl="threefry2x32")
    assert key == jax.random.key(1)


def test_no_file_mixes_what_is_committed_apart(whole):
    stored = xr.open_zarr(whole)
    inventory = take_inventory(whole)
    assert (inventory.tiles, inventory.tiles_stored) == (3, 3)
    assert {stored[name].encoding["chunks"][:2] for name in stored} == {(3, 1)}


def test_an_inventory_of_a_store_that_is_filled(whole, tmp_path, monkeypatch):
    """Files come and go while they are counted."""
    folder = tmp_path / "store"
    shutil.copytree(whole, folder)
    walk = os.walk

    def vanishing(path):
        for parent, folders, names in walk(path):
            yield parent, folders, [*names, "x.0123.partial"]

    monkeypatch.setattr(os, "walk", vanishing)
    assert take_inventory(folder).nbytes == take_inventory(whole).nbytes > 0


def test_a_working_directory_may_change_while_a_store_is_filled(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (elsewhere := tmp_path / "elsewhere").mkdir()
    dataset = run(rate_sweep(), Path("store"), chunk=3, progress=lambda _: os.chdir(elsewhere))
    assert dataset["complete"].values.all()
    assert (tmp_path / "store" / "zarr.json").is_file()


def test_an_inventory_shows_itself_on_one_line_and_in_a_notebook_whole(whole):
    inventory = take_inventory(whole)
    mib = f"{inventory.nbytes / 1024:.0f} KiB"
    shown = f"<Inventory: {whole}, complete: 9 of 9 networks, 3 of 3 tiles, {mib}"
    assert repr(inventory) == f"{shown}>"
    files = [Damage(f"loss/c/0/{place}<b>", None, "missing") for place in range(3000)]
    networks = [{"seed": seed, "last_step": 5} for seed in range(1000)]
    bad = dataclasses.replace(inventory, damages=files, unread=files[:1], diverged=networks)
    assert repr(bad) == f"{shown}, 1000 diverged, 3000 damaged, 1 unread>"
    page = bad._repr_html_()
    assert "damaged   loss/c/0/2999&lt;b&gt;: missing" in page
    lines = str(bad).splitlines()
    assert lines[2] == "state     complete: 9 of 9 networks, 3 of 3 tiles"
    assert [line for line in lines if "more" in line] == ["          and 980 more: see --json"]


def test_an_inventory_says_what_it_says_once_and_what_its_seconds_hold(whole):
    inventory = take_inventory(whole)
    updates = json.dumps(["one way", "another", "one way"])
    changed = {**inventory.attributes, "updates": updates}
    lines = str(dataclasses.replace(inventory, attributes=changed, seconds=1.5)).splitlines()
    told = [line for line in lines if line.startswith("updates ")]
    assert told == ["updates   one way", "updates   another"]
    assert "time      1.5 s of training with compilation" in lines


@pytest.mark.parametrize("after", [0, 2, 3, 5, 9])
def test_a_stopped_sweep_goes_on_to_the_same_bits(whole, tmp_path, after, monkeypatch):
    path = tmp_path / "store"
    with pytest.raises(Stopped):
        run_into(path, stop=Stop(after))
    before = take_inventory(path)
    assert before.networks_stored == 3 * ((after + 1) // 4)
    unfinished = xr.open_zarr(path)
    done = unfinished["complete"].values
    assert done.sum() == before.networks_stored
    assert np.isnan(unfinished["loss"].values[~done]).all()
    assert np.isfinite(unfinished["loss"].values[done]).all()
    assert (unfinished["status"].values == np.where(done, 0, -1)).all()
    sizes = trained_parts(monkeypatch)
    run_into(path, resume=True)
    assert sum(sizes) == 9 - before.networks_stored
    assert_same_bits(xr.open_zarr(path).load(), xr.open_zarr(whole).load())
    assert not list(path.rglob("unfinished*"))


def test_a_stop_in_the_middle_of_a_part_loses_no_step(tmp_path):
    path = tmp_path / "store"
    reports: list[Any] = []
    with pytest.raises(Stopped):
        run_into(path, stop=Stop(2))
    assert len(take_inventory(path).unfinished) == 1
    run_into(path, resume=True, progress=reports.append)
    assert reports[0].network_steps_done >= 3 * 3  # not from step 0


def test_a_finished_sweep_trains_nothing_again(copy, monkeypatch):
    sizes = trained_parts(monkeypatch)
    dataset = run_into(copy, resume=True)
    assert sizes == []
    assert dataset["complete"].values.all()


def machine_of(*, card: str) -> Callable[[list[Any], str], dict[str, Any]]:
    return lambda devices, products: {**machine.machine(devices, products), "device": card}


def test_a_store_keeps_the_machine_that_trained_it(tmp_path, monkeypatch):
    path = tmp_path / "store"
    monkeypatch.setattr(store, "machine", machine_of(card="card A"))
    with pytest.raises(Stopped):
        run_into(path, stop=Stop(5))
    assert 0 < take_inventory(path).networks_stored < 9
    monkeypatch.setattr(store, "machine", machine_of(card="card B"))
    assert run_into(path, resume=True).attrs["device"] == "card A, card B"
    # Who only looks has trained nothing.
    monkeypatch.setattr(store, "machine", machine_of(card="card C"))
    attrs = run_into(path, resume=True).attrs
    assert attrs["device"] == "card A, card B"
    assert attrs["jax_version"] == jax.__version__
    assert attrs["products"] == "of the dtype's own precision"


def test_resume_without_a_store_begins_one(tmp_path):
    assert run_into(tmp_path / "new", resume=True)["complete"].values.all()


def test_an_inventory_tells_what_diverged(tmp_path):
    run_into(tmp_path / "store", rate_sweep(rates=[0.1, 1e9], steps=40))
    inventory = take_inventory(tmp_path / "store")
    assert inventory.diverged is not None
    replicas = [(entry["optimizer.learning_rate"], entry["seed"]) for entry in inventory.diverged]
    assert replicas == [(1e9, 0), (1e9, 1), (1e9, 2)]
    assert all(0 < entry["last_step"] < 40 for entry in inventory.diverged)
    assert inventory.networks_stored == 6
    assert inventory.seconds > 0
    assert [count for _, count in inventory.machines] == [6]
    assert inventory.sizes["seed"] == 3
