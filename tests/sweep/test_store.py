"""The store of a sweep: what is whole stays, what is damaged is named and made again alone."""

import json
import logging
import resource
import shutil
import signal
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
import xarray as xr

import jaxsup
from jaxsup.experiment.record import Record
from jaxsup.sweep.store.metadata import differences
from jaxsup.sweep.store.plan import check_store
from jaxsup.sweep.store.read import open_store, take_inventory
from jaxsup.sweep.store.schema import LAYOUT_VERSION
from jaxsup.sweep.trainer import Task, Trainer

RATES = [0.1, 0.2, 0.3]


def sweep(rates: list[float] = RATES, seeds: int = 3, **changes: Any) -> jaxsup.Sweep:
    """Nine networks, cheap to compile; a part of three is one seed with all rates."""
    settings: dict[str, Any] = {
        "features": jaxsup.GaussianFeatures(6, 1.1),
        "teacher": jaxsup.DiagonalTeacher(0.5),
        "student": jaxsup.Student(2, core_scale=0.3, activation="identity"),
        "optimizer": jaxsup.SGD(0.2),
        "steps": 8,
        "gradient": "exact",
        "record": Record(points=4, observables=("feature_error",), parameter_steps=(8,)),
    }
    experiment = jaxsup.Experiment(**{**settings, **changes})
    return jaxsup.Sweep(experiment, {"optimizer.learning_rate": rates}, seeds)


def run(path: Path, which: jaxsup.Sweep | None = None, **options: Any) -> xr.Dataset:
    one = jax.local_devices()[:1]
    return jaxsup.run(which or sweep(), path, devices=one, **{"chunk": 3, **options})


def same_bits(one: xr.Dataset, other: xr.Dataset) -> None:
    assert set(one.variables) == set(other.variables)
    for name in one.variables:
        assert one[name].values.tobytes() == other[name].values.tobytes(), name


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("whole") / "store"
    run(path)
    return path


@pytest.fixture
def copy(whole: Path, tmp_path: Path) -> Path:
    shutil.copytree(whole, tmp_path / "store")
    return tmp_path / "store"


class Stop:
    """Ask to stop after so many segments."""

    def __init__(self, after: int) -> None:
        self.left = after

    def __call__(self) -> bool:
        self.left -= 1
        return self.left < 0


def trained(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of the parts that are trained from here on."""
    sizes: list[int] = []
    train_all = Trainer.train

    def train(self: Trainer, task: Task, *rest: Any) -> Any:
        sizes.append(len(task.rows) * len(task.seeds))
        return train_all(self, task, *rest)

    monkeypatch.setattr(Trainer, "train", train)
    return sizes


def test_a_stored_sweep_is_the_sweep_in_memory(whole):
    one = jax.local_devices()[:1]
    memory = jaxsup.run(sweep(), devices=one, chunk=3)
    stored = xr.open_zarr(whole)
    same_bits(memory, stored.load())
    assert stored["complete"].values.all()
    assert {v: stored[v].attrs for v in stored} == {v: memory[v].attrs for v in memory}
    key = jax.random.wrap_key_data(stored["key_data"].values[1], impl="threefry2x32")
    assert key == jax.random.key(1)


def test_no_file_mixes_what_is_committed_apart(whole):
    stored = xr.open_zarr(whole)
    inventory = take_inventory(whole)
    assert (inventory.tiles, inventory.tiles_stored) == (3, 3)
    assert {stored[name].encoding["chunks"][:2] for name in stored} == {(3, 1)}


@pytest.mark.parametrize("after", [0, 2, 3, 5, 9])
def test_a_stopped_sweep_goes_on_to_the_same_bits(whole, tmp_path, after, monkeypatch):
    path = tmp_path / "store"
    with pytest.raises(jaxsup.Stopped):
        run(path, stop=Stop(after))
    before = take_inventory(path)
    assert before.networks_stored == 3 * ((after + 1) // 4)
    unfinished = xr.open_zarr(path)
    done = unfinished["complete"].values
    assert done.sum() == before.networks_stored
    assert np.isnan(unfinished["loss"].values[~done]).all()
    assert np.isfinite(unfinished["loss"].values[done]).all()
    assert (unfinished["status"].values == np.where(done, 0, -1)).all()
    sizes = trained(monkeypatch)
    run(path, resume=True)
    assert sum(sizes) == 9 - before.networks_stored
    same_bits(xr.open_zarr(path).load(), xr.open_zarr(whole).load())
    assert not list(path.rglob("unfinished*"))


def test_a_stop_in_the_middle_of_a_part_loses_no_step(tmp_path, monkeypatch):
    path = tmp_path / "store"
    reports: list[Any] = []
    with pytest.raises(jaxsup.Stopped):
        run(path, stop=Stop(2))
    assert len(take_inventory(path).unfinished) == 1
    run(path, resume=True, progress=reports.append)
    first = reports[0]
    assert first.network_steps_done >= 3 * 3  # not from step 0


def test_a_finished_sweep_trains_nothing_again(copy, monkeypatch):
    sizes = trained(monkeypatch)
    dataset = run(copy, resume=True)
    assert sizes == []
    assert dataset["complete"].values.all()


def test_resume_without_a_store_begins_one(tmp_path):
    assert run(tmp_path / "new", resume=True)["complete"].values.all()


# Damage

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


@pytest.mark.parametrize("case", DAMAGES)
def test_damage_is_named_and_made_again_alone(copy, whole, case, monkeypatch, caplog):
    name, change = DAMAGES[case]
    damage(copy, name, change)
    with pytest.raises(ValueError, match="expected files as they were written; got ") as error:
        open_store(copy)
    assert name in str(error.value)
    assert "\n" not in str(error.value)
    inventory = take_inventory(copy)
    assert [damage.path for damage in inventory.damages] == [name]
    assert inventory.networks_stored == 6
    sizes = trained(monkeypatch)
    with caplog.at_level(logging.WARNING, "jaxsup"):
        run(copy, resume=True)
    assert [name in record.message for record in caplog.records] == [True]
    assert sizes == [3]
    same_bits(open_store(copy).load(), xr.open_zarr(whole).load())
    assert not take_inventory(copy).damages


@pytest.mark.parametrize(
    "name", ["loss/zarr.json", "zarr.json", "journal/zarr.json", "step/c/0", "seed/zarr.json"]
)
def test_damaged_metadata_is_named_and_restored(copy, whole, name, monkeypatch, caplog):
    damage(copy, name, lambda data: data[: len(data) // 2])
    with pytest.raises(ValueError, match="expected files as they were written; got ") as error:
        open_store(copy)
    assert name in str(error.value)
    sizes = trained(monkeypatch)
    with caplog.at_level(logging.WARNING, "jaxsup"):
        run(copy, resume=True)
    assert any(name in record.message for record in caplog.records)
    assert sizes == []
    same_bits(open_store(copy).load(), xr.open_zarr(whole).load())


def test_xarray_alone_does_not_read_a_flipped_byte(copy):
    damage(copy, *DAMAGES["flipped byte"])
    with pytest.raises(ValueError, match="checksum"):
        xr.open_zarr(copy)["loss"].load()


def test_a_checkpoint_that_does_not_fit_is_named_and_ignored(tmp_path, whole, caplog):
    for change in (lambda data: data[:-20], lambda data: data[:-5] + bytes(5)):
        path = tmp_path / "store"
        shutil.rmtree(path, ignore_errors=True)
        with pytest.raises(jaxsup.Stopped):
            run(path, stop=Stop(2))
        file = next(path.rglob("unfinished*"))
        damage(path, str(file.relative_to(path)), change)
        caplog.clear()
        with caplog.at_level(logging.WARNING, "jaxsup"):
            run(path, resume=True)
        assert ["this part starts again" in record.message for record in caplog.records] == [True]
        same_bits(xr.open_zarr(path).load(), xr.open_zarr(whole).load())


# Refusals


def test_another_configuration_is_refused_and_its_fields_named(copy):
    before = sorted((p, p.stat().st_mtime_ns) for p in copy.rglob("*"))
    other = sweep(rates=[0.1, 0.2, 0.4], steps=9, seeds=4)
    with pytest.raises(ValueError, match="expected the sweep that it holds; got another") as error:
        run(copy, other, resume=True)
    text = str(error.value)
    assert "steps 9 instead of 8" in text
    assert "seeds [0, 1, 2, 3] instead of [0, 1, 2]" in text
    assert "axes.optimizer.learning_rate [0.1, 0.2, 0.4] instead of [0.1, 0.2, 0.3]" in text
    assert "batch_size" not in text
    assert sorted((p, p.stat().st_mtime_ns) for p in copy.rglob("*")) == before


def test_another_precision_is_refused(copy, x64):
    with pytest.raises(ValueError, match="precision float64 instead of float32"):
        run(copy, resume=True)


def test_differences_go_into_lists_of_fields():
    one = {"a": {"b": 1, "c": [1, 2]}, "d": "x"}
    assert differences(one, one) == ""
    assert (
        differences(one, {"a": {"b": 2, "c": [1, 2]}})
        == "a.b 2 instead of 1, d absent instead of x"
    )


def test_chunks_smaller_than_a_tile_are_refused(copy):
    with pytest.raises(ValueError, match="chunk: expected at least 3 replicas, a tile of this"):
        run(copy, resume=True, chunk=2)


def test_two_processes_may_look_at_a_new_folder_at_once(tmp_path, monkeypatch):
    """The other one takes its empty folder away between our making it and our writing there."""
    touch, path, taken = Path.touch, tmp_path / "store", []

    def late(probe):
        if not taken:
            taken.append(probe)
            path.rmdir()
        touch(probe)

    monkeypatch.setattr(Path, "touch", late)
    check_store(path)
    assert len(taken) == 1
    assert not path.exists()


def test_a_folder_of_something_else_is_refused(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(
        ValueError, match=r"expected the folder of a sweep; got one whose zarr\.json"
    ):
        run(tmp_path, resume=True)
    with pytest.raises(NotADirectoryError, match="expected a folder; got a file of that name"):
        run(tmp_path / "file", resume=True)
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_full_disk_is_an_error_at_the_first_commit(tmp_path):
    """A limit on file sizes stands in for a full disk: the system refuses the write."""
    path = tmp_path / "store"
    record = Record(points=2000, spacing="linear", observables=("feature_error",))
    big = sweep([1e-4, 2e-4, 3e-4], steps=2000, record=record)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        with pytest.raises(OSError, match="expected room to write; got 'File too large'; what is"):
            run(path, big)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert take_inventory(path).networks_stored == 0
    run(path, big, resume=True)
    same_bits(open_store(path).load(), run(tmp_path / "other", big).load())


def test_a_dataset_larger_than_the_disk_is_refused_before_training(tmp_path, monkeypatch):
    small = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: small)
    sizes = trained(monkeypatch)
    with pytest.raises(OSError, match=r"expected room for 1\.. KiB; got 1000 B that are free"):
        run(tmp_path / "store")
    assert sizes == []


# Other versions


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
    with pytest.raises(ValueError, match="got 1, which can only be read; begin a new folder"):
        run(path, resume=True)


def test_a_later_layout_is_refused(copy):
    for name in ("zarr.json", "journal/zarr.json"):
        data = json.loads((copy / name).read_text())
        data["attributes"]["layout_version"] = LAYOUT_VERSION + 1
        (copy / name).write_text(json.dumps(data))
    for reads in (open_store, take_inventory, lambda path: run(path, resume=True)):
        with pytest.raises(
            ValueError, match=f"layout {LAYOUT_VERSION} or before; got {LAYOUT_VERSION + 1}; update"
        ):
            reads(copy)


def test_an_inventory_tells_what_diverged(tmp_path):
    run(tmp_path / "store", sweep(rates=[0.1, 1e9], steps=40))
    inventory = take_inventory(tmp_path / "store")
    assert [(n["optimizer.learning_rate"], n["seed"]) for n in inventory.diverged] == [
        (1e9, 0),
        (1e9, 1),
        (1e9, 2),
    ]
    assert all(0 < n["last_step"] < 40 for n in inventory.diverged)
    assert inventory.networks_stored == 6
    assert inventory.seconds > 0
    assert [count for _, count in inventory.machines] == [6]
    assert inventory.sizes["seed"] == 3
