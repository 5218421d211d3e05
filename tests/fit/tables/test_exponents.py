"""Exponents of a labeled sweep: what is fitted, what the theory column holds, what is printed."""

import json
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import xarray as xr

import jaxsup
from jaxsup.fit.tables.exponents import exponents_to_records, format_exponents


def power_law_dataset(exponents: np.ndarray, *, noise: float = 0.0) -> xr.Dataset:
    """L = t^-alpha at two settings, three seeds, with multiplicative noise."""
    steps = np.unique(np.geomspace(1, 1e4, 60).astype(int))
    rng = np.random.default_rng(0)
    loss = steps[None, None] ** -exponents[:, None, None]
    loss = loss * np.exp(noise * rng.standard_normal((len(exponents), 3, len(steps))))
    configuration = {
        "features": {"kind": "power-law", "exponent": 9.0},
        "teacher": {"kind": "diagonal", "exponent": 0.5},
    }
    return xr.Dataset(
        {"loss": (("features.exponent", "seed", "step"), loss)},
        coords={"features.exponent": [1.5, 2.0], "seed": [0, 1, 2], "step": steps},
        attrs={"configuration": json.dumps(configuration)},
    )


def test_every_setting_gets_the_exponent_of_its_curve() -> None:
    truth = np.asarray([0.4, 1.3])
    table = jaxsup.measure_exponents(power_law_dataset(truth))
    np.testing.assert_allclose(table["exponent"], truth, atol=1e-10)
    assert table["found"].all()
    assert table["seeds_used"].values.tolist() == [3, 3]


def test_it_is_fit_power_law_on_the_same_numbers() -> None:
    dataset = power_law_dataset(np.asarray([0.4, 1.3]), noise=0.05)
    table = jaxsup.measure_exponents(dataset, window=(10, 5000))
    fit = jaxsup.fit_power_law(dataset["step"].values, dataset["loss"].values[1], window=(10, 5000))
    for name in ("exponent", "stderr", "amplitude", "slope"):
        assert table[name].values[1] == getattr(fit, name)
    assert (table["interval_low"].values[1], table["interval_high"].values[1]) == fit.interval


def test_the_limit_takes_a_from_the_axis_and_b_from_the_configuration() -> None:
    table = jaxsup.measure_exponents(power_law_dataset(np.asarray([0.4, 1.3])))
    np.testing.assert_allclose(table["theory_limit"], [1.0, 1.0])  # b = 0.5: (a + 1 - 1) / a


def test_the_limit_is_nan_where_the_teacher_has_no_exponent() -> None:
    dataset = power_law_dataset(np.asarray([0.4, 1.3]))
    dataset.attrs["configuration"] = json.dumps({"teacher": {"kind": "matrix"}})
    assert np.isnan(jaxsup.measure_exponents(dataset)["theory_limit"]).all()


def with_features(*entries: dict[str, Any], scanned: list[float] | None = None) -> xr.Dataset:
    """Two settings of these features: as written, with a scanned exponent, or whole objects."""
    dataset = power_law_dataset(np.asarray([0.4, 1.3])).drop_vars("features.exponent")
    configuration = json.loads(dataset.attrs["configuration"])
    configuration |= {"features": entries[0], "steps": 9}
    dataset.attrs["configuration"] = json.dumps(configuration)
    if len(entries) > 1:
        texts = np.asarray([json.dumps(entry) for entry in entries], object)
        return dataset.rename({"features.exponent": "features"}).assign_coords(features=texts)
    if scanned is None:
        return dataset.rename({"features.exponent": "steps"}).assign_coords(steps=[8, 9])
    return dataset.assign_coords({"features.exponent": scanned})


USERS_OWN = {"kind": "mine.laws:Bursts", "exponent": 2.0}
NAN = float("nan")


@pytest.mark.parametrize(
    ("dataset", "theory"),
    [
        (with_features({"kind": "power-law", "exponent": 2.0}), [1.0, 1.0]),
        (with_features({"kind": "power-law", "exponent": 0.0}), [NAN, NAN]),
        (with_features({"kind": "power-law", "exponent": -1.0}), [NAN, NAN]),
        (with_features({"kind": "gaussian", "exponent": 9.0}, scanned=[0.0, 2.0]), [NAN, 1.0]),
        (with_features(USERS_OWN), [NAN, NAN]),
        (with_features(USERS_OWN, scanned=[1.5, 2.0]), [NAN, NAN]),
        (with_features(USERS_OWN, {"kind": "power-law", "exponent": 2.0}), [NAN, 1.0]),
    ],
    ids=[
        "written",
        "no decay",
        "rising",
        "scanned",
        "a user's own",
        "its exponent scanned",
        "objects",
    ],
)
def test_the_limit_is_of_power_laws_that_decay(dataset: xr.Dataset, theory: list[float]) -> None:
    """b = 0.5: (a + 2b - 1) / a = 1 for any a but 0."""
    np.testing.assert_array_equal(jaxsup.measure_exponents(dataset)["theory_limit"], theory)


def test_steps_that_a_setting_did_not_record_are_left_out() -> None:
    dataset = power_law_dataset(np.asarray([0.4, 1.3]))
    dataset["loss"][0, :, ::2] = np.nan
    table = jaxsup.measure_exponents(dataset)
    np.testing.assert_allclose(table["exponent"], [0.4, 1.3], atol=1e-10)
    assert table["seeds_dropped"].values.tolist() == [0, 0]


def test_a_diverged_seed_is_left_out_and_counted() -> None:
    dataset = power_law_dataset(np.asarray([0.4, 1.3]))
    dataset["loss"][1, 2, 20:] = np.nan
    table = jaxsup.measure_exponents(dataset)
    np.testing.assert_allclose(table["exponent"], [0.4, 1.3], atol=1e-10)
    assert table["seeds_dropped"].values.tolist() == [0, 1]
    assert "2 (1 diverged)" in format_exponents(table)


def test_where_every_seed_diverged_there_is_no_power_law() -> None:
    dataset = power_law_dataset(np.asarray([0.4, 1.3]))
    dataset["loss"][1, :, 40:] = np.nan
    status = np.asarray([[0, 0, 0], [1, 1, 1]])
    table = jaxsup.measure_exponents(dataset.assign(status=(("features.exponent", "seed"), status)))
    assert table["found"].values.tolist() == [True, False]
    assert table["seeds_dropped"].values.tolist() == [0, 3]
    assert "none: all seeds diverged  " in format_exponents(table).splitlines()[2]


def test_where_every_seed_diverged_at_once_there_is_no_power_law() -> None:
    dataset = power_law_dataset(np.asarray([0.4, 1.3]))
    dataset["loss"][1, :, 1:] = np.nan
    status = np.asarray([[0, 0, 0], [1, 1, 1]])
    table = jaxsup.measure_exponents(dataset.assign(status=(("features.exponent", "seed"), status)))
    assert table["seeds_dropped"].values.tolist() == [0, 3]
    assert table["reason"].values[1] == "no power law here: all seeds diverged, 3 of 3"


def test_no_power_law_is_said_and_the_slope_kept_apart() -> None:
    dataset = power_law_dataset(np.asarray([0.4, 1.3]))
    dataset["loss"][0] = np.exp(-dataset["step"].values / 300.0) + 1e-12
    table = jaxsup.measure_exponents(dataset, window=(30, 9000))
    assert table["found"].values.tolist() == [False, True]
    assert np.isnan(table["exponent"][0])
    assert "no power law here" in table["reason"].values[0]
    lines = format_exponents(table).splitlines()
    assert "none: steepens (slope 3" in lines[1]
    assert "1.300 +- 0.000" in lines[2]


def test_what_one_curve_leaves_open_is_said() -> None:
    """80 log-spaced entries with noise of rho = 0.9: told, with the interval at its widest."""
    rng = np.random.default_rng(1)
    steps, noise = np.geomspace(10, 1e5, 80), rng.standard_normal(80)
    for entry in range(1, 80):
        noise[entry] = 0.9 * noise[entry - 1] + np.sqrt(1 - 0.9**2) * noise[entry]
    losses = np.stack([steps**-0.5 * np.exp(0.01 * noise), steps**-0.7])[:, None]
    like = power_law_dataset(np.asarray([0.5, 0.7]))
    dataset = xr.Dataset(
        {"loss": (like["loss"].dims, losses)},
        coords={"features.exponent": [1.5, 2.0], "seed": [0], "step": steps},
        attrs=like.attrs,
    )
    table = jaxsup.measure_exponents(dataset)
    assert table["correlation_open"].values.tolist() == [True, False]
    first = table.isel({"features.exponent": 0})
    assert first["widest_low"] < first["interval_low"] < first["exponent"]
    assert first["exponent"] < first["interval_high"] < first["widest_high"]
    lines = format_exponents(table).splitlines()
    assert "(open)" in lines[1]
    assert "(open)" not in lines[2]
    assert lines[3].startswith("open: the record of one curve does not tell how long its noise is")
    assert len(format_exponents(table.isel({"features.exponent": [1]})).splitlines()) == 2


def test_records_are_safe_for_json() -> None:
    dataset = power_law_dataset(np.asarray([0.4, 1.3]))
    dataset["loss"][0] = 1.0
    records = exponents_to_records(jaxsup.measure_exponents(dataset))
    text = json.dumps(records, allow_nan=False)
    assert json.loads(text)[0]["exponent"] is None
    assert json.loads(text)[1]["exponent"] == pytest.approx(1.3)


def test_records_begin_with_the_coordinates() -> None:
    table = jaxsup.measure_exponents(power_law_dataset(np.asarray([0.4, 1.3])))
    record = exponents_to_records(table.assign_coords(superposition_ratio=4.0))[1]
    assert list(record)[:3] == ["features.exponent", "superposition_ratio", "exponent"]
    assert (record["features.exponent"], record["superposition_ratio"]) == (2.0, 4.0)
    assert record["seeds_used"] == 3
    assert record["found"] is True
    assert record["reason"] == ""


def test_a_table_reads_from_left_to_right() -> None:
    rows = [power_law_dataset(np.asarray(row)) for row in ([0.4, 1.3], [0.5, 2.0])]
    dataset = xr.concat(rows, "student.latent").rename({"features.exponent": "student.kind"})
    dataset = dataset.assign_coords(
        {
            "superposition_ratio": ("student.latent", [1.0, 0.25]),
            "student.latent": [64, 128],
            "student.kind": np.asarray(["tied", "untied"], object),
        }
    )
    configuration = json.loads(dataset.attrs["configuration"]) | {"student": {}}
    dataset.attrs["configuration"] = json.dumps(configuration)
    # a = 9, b = 0.5 of the configuration: (a + 2b - 1) / a = 1
    assert format_exponents(jaxsup.measure_exponents(dataset)).splitlines() == [
        "  K    kind   N/K        exponent  theory  limit    window  seeds",
        " 64    tied     1  0.400 +- 0.000       -  1.000  1..10000      3",
        " 64  untied     1  1.300 +- 0.000       -  1.000  1..10000      3",
        "128    tied  0.25  0.500 +- 0.000       -  1.000  1..10000      3",
        "128  untied  0.25  2.000 +- 0.000       -  1.000  1..10000      3",
    ]


def test_a_sweep_without_axes_has_one_row() -> None:
    dataset = power_law_dataset(np.asarray([0.4, 1.3])).isel({"features.exponent": 0})
    table = jaxsup.measure_exponents(dataset)
    assert table["exponent"].shape == ()
    assert len(format_exponents(table).splitlines()) == 2
    assert len(exponents_to_records(table)) == 1


def test_steps_before_a_given_one_belong_to_no_fit() -> None:
    dataset = power_law_dataset(np.asarray([0.4, 1.3]))
    early = dataset["step"].values < 100
    dataset["loss"][:, :, early] = 5.0
    table = jaxsup.measure_exponents(dataset, after=100)
    np.testing.assert_allclose(table["exponent"], [0.4, 1.3], atol=1e-10)
    assert (table["window_first"] >= 100).all()


def test_seeds_that_wait_for_training_are_neither_fitted_nor_called_diverged() -> None:
    dataset = power_law_dataset(np.asarray([0.4, 1.3]))
    status = np.asarray([[0, -1, -1], [-1, -1, -1]])
    dataset["status"] = (("features.exponent", "seed"), status)
    dataset["loss"] = dataset["loss"].where(dataset["status"] == 0)
    table = jaxsup.measure_exponents(dataset)
    assert table["seeds_used"].values.tolist() == [1, 0]
    assert table["seeds_dropped"].values.tolist() == [0, 0]
    assert table["exponent"].values[0] == pytest.approx(0.4)
    assert table["reason"].values[1] == "not trained yet"
    assert format_exponents(table).splitlines()[-1].split("  ")[-1].strip() == "0"
    assert "not trained yet" in format_exponents(table).splitlines()[-1]


def test_fits_know_nothing_of_what_they_are_fitted_to() -> None:
    rooms = ("experiment", "training", "sweep", "reproduce", "plot", "cli")
    code = "import sys, jaxsup.fit; print(*(m for m in sys.modules if m.startswith('jaxsup.')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    modules = {name.split(".")[1] for name in done.stdout.split()}
    assert "fit" in modules
    assert not modules.intersection(rooms)
