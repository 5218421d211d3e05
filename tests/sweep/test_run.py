"""What the dataset of a sweep holds, and that no layout changes it."""

import json
from typing import Any

import jax
import numpy as np
import pytest
import xarray as xr
from sweep_cases import LATER, assert_close, assert_simulated, linear, relu, run

import jaxsup
from jaxsup.experiment.record import Record
from jaxsup.sweep.store.read import open_store
from jaxsup.sweep.store.root import PLANNING
from jaxsup.sweep.tables import sweep_from_tables, sweep_to_tables

AXES = {
    "features.exponent": [1.1, 2.0],
    "student.latent": [2, 3, 5],
    "optimizer.learning_rate": [0.1, 0.5],
}
SEEDS = 3


@pytest.fixture(scope="module")
def reference() -> xr.Dataset:
    return jaxsup.run(jaxsup.Sweep(relu(), AXES, SEEDS), widths=1)


def test_dataset_is_labeled(reference):
    assert reference["loss"].dims == (*AXES, "seed", "step")
    assert reference["loss"].shape == (2, 3, 2, 3, 4)
    assert reference["status"].dims == (*AXES, "seed")
    for name, values in AXES.items():
        np.testing.assert_array_equal(reference[name], values)
        assert reference[name].attrs["long_name"]
    np.testing.assert_array_equal(reference["seed"], [0, 1, 2])
    np.testing.assert_array_equal(reference["step"], [0, 1, 3, 8])
    assert reference["step"].attrs["units"] == "updates"
    assert reference["loss"].attrs.keys() >= {"long_name", "units"}
    ratio = reference["superposition_ratio"]
    assert ratio.dims == ("student.latent",)
    np.testing.assert_allclose(ratio, 8 / np.array([2, 3, 5]))
    assert (reference["status"] == 0).all()
    assert (reference["last_step"] == 8).all()
    attrs = reference.attrs
    assert attrs["dtype"] == attrs["precision"] == "float32"
    assert attrs["jaxsup_version"] == jaxsup.__version__
    assert attrs["jax_version"] == jax.__version__
    assert attrs["platform"] == jax.default_backend()
    assert attrs["replicas"] == 36
    assert attrs["seconds"] > 0
    assert attrs["loss_evaluation"] == "32 samples a seed"


def test_every_replica_is_its_own_simulation(reference):
    assert_simulated(reference, jaxsup.Sweep(relu(), AXES, SEEDS))
    losses = reference["loss"].values[..., -1]
    assert np.unique(losses).size == losses.size


def test_provenance_makes_the_same_sweep_again(reference):
    again = sweep_from_tables(json.loads(reference.attrs["configuration"]))
    assert sweep_to_tables(again) == sweep_to_tables(jaxsup.Sweep(relu(), AXES, SEEDS))


@pytest.mark.slow
def test_parameter_snapshots_are_in_the_dataset():
    record = Record(points=3, parameter_steps=(0, 8))
    sweep = jaxsup.Sweep(linear(record=record), {"teacher.exponent": [0.0, 0.5]}, seeds=[4])
    dataset = run(sweep)
    assert dataset["kept_step"].values.tolist() == [0, 8]
    dims = {
        "embedding": ("latent", "feature"),
        "core": ("latent", "latent_in"),
        "bias": ("feature",),
    }
    for row in (0, 1):
        simulation = jaxsup.simulate(sweep.experiment_at((row,)), jax.random.key(4))
        for name, inner in dims.items():
            snapshots = dataset[name].isel({"teacher.exponent": row, "seed": 0})
            assert snapshots.dims == ("kept_step", *inner)
            expected = np.asarray(getattr(simulation.snapshots, name))
            np.testing.assert_allclose(snapshots, expected, rtol=LATER, atol=1e-6)


@pytest.mark.slow
def test_store_holds_the_dataset(tmp_path):
    record = Record(points=3, observables=("feature_error",), parameter_steps=(8,))
    setting = {"teacher.exponent": [0.0, 1.0], "features.exponent": [1.0, 2.0]}
    axes = {"setting": setting, "optimizer": [jaxsup.Adam(0.1), jaxsup.Adam(0.01)]}
    sweep = jaxsup.Sweep(linear(record=record), axes, seeds=2)
    path = tmp_path / "deep" / "sweep"
    dataset = run(sweep, store=path)
    plain = xr.open_zarr(path, consolidated=False).load()
    plain.attrs = {name: value for name, value in plain.attrs.items() if name not in PLANNING}
    for stored in (plain, open_store(path).load()):
        xr.testing.assert_identical(stored, dataset)
        assert json.loads(stored.attrs["configuration"])["seeds"] == [0, 1]


def test_a_diverged_replica_disturbs_no_other():
    rates = {"optimizer.learning_rate": [0.1, 1e6, 0.3]}
    record = Record(points=31, spacing="linear")
    reports: list[Any] = []
    sweep = jaxsup.Sweep(linear(steps=30, record=record), rates, seeds=2)
    wild = run(sweep, progress=reports.append)
    calm = {"optimizer.learning_rate": [0.1, 0.2, 0.3]}
    quiet = run(jaxsup.Sweep(linear(steps=30, record=record), calm, seeds=2))
    assert wild["status"].values.tolist() == [[0, 0], [1, 1], [0, 0]]
    np.testing.assert_array_equal(wild["loss"][[0, 2]], quiet["loss"][[0, 2]])
    for seed in (0, 1):
        last = int(wild["last_step"][1, seed])
        assert 1 <= last < 30
        line = wild["loss"][1, seed].values
        assert np.isfinite(line[:last]).all()
        assert np.isnan(line[last + 1 :]).all()
    assert reports[-1].diverged == 2


@pytest.mark.parametrize("order", [(2, 0, 1), pytest.param((1, 2, 0), marks=pytest.mark.extended)])
def test_any_order_of_axes(reference, order):
    names = list(AXES)
    axes = {names[i]: AXES[names[i]] for i in order}
    dataset = run(jaxsup.Sweep(relu(), axes, SEEDS), widths=1)
    assert dataset["loss"].dims[:3] == tuple(axes)
    assert_close(dataset["loss"].transpose(*reference["loss"].dims), reference["loss"])


@pytest.mark.parametrize("chunk", [pytest.param(1, marks=pytest.mark.extended), 7])
def test_any_chunk(reference, chunk):
    dataset = run(jaxsup.Sweep(relu(), AXES, SEEDS), widths=1, chunk=chunk)
    assert_close(dataset["loss"], reference["loss"])


@pytest.mark.parametrize("count", [1, pytest.param(2, marks=pytest.mark.extended)])
def test_any_number_of_devices(reference, count):
    devices = jax.local_devices()
    if len(devices) < 4:
        pytest.skip("needs 4 devices")
    assert reference.attrs["device_count"] == len(devices)
    dataset = run(jaxsup.Sweep(relu(), AXES, SEEDS), widths=1, devices=devices[:count])
    assert dataset.attrs["device_count"] == count
    assert_close(dataset["loss"], reference["loss"])


def test_seeds_are_shared_out_where_there_are_few_points():
    """More devices than points: the seeds, 6 over 4 devices, go to the devices instead."""
    sweep = jaxsup.Sweep(linear(), {"teacher.exponent": [0.0, 0.5, 1.0]}, seeds=6)
    dataset = jaxsup.run(sweep)
    assert_simulated(dataset, sweep)


def test_a_second_run_gives_the_same_bits(reference):
    again = jaxsup.run(jaxsup.Sweep(relu(), AXES, SEEDS), widths=1)
    xr.testing.assert_equal(again, reference)
