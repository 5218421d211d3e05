"""Regimes and local exponents over a labeled sweep: the tables hold what one curve's fit says."""

import json
from typing import Any

import numpy as np
import pytest
import xarray as xr

import jaxsup
from jaxsup import fit
from jaxsup.fit.tables.local_tables import format_local_exponents, local_exponents_to_records
from jaxsup.fit.tables.regime_tables import format_regimes, regimes_to_records
from jaxsup.theory.references import linear_reference

ROUNDING = 1e-10
COLUMNS = ["kind", "exponent", "theory", "limit", "window", "decades"]
STEPS = np.unique(np.round(np.geomspace(1, 1e5, 100)))
CONFIGURATION: dict[str, Any] = {
    "features": {"kind": "gaussian", "count": 64, "exponent": 2.0},
    "teacher": {"kind": "diagonal", "exponent": 0.5},
    "student": {"latent": 64},
    "optimizer": {"kind": "sgd", "learning_rate": 1.0},
}


def two_laws() -> np.ndarray:
    """t^-0.3, after step 1,000 t^-1, and from 3e-4 a floor."""
    return np.where(STEPS < 1000, STEPS**-0.3, 1000**0.7 / STEPS) + 3e-4


@pytest.fixture
def dataset() -> xr.Dataset:
    """One law, two laws, and none at all (diverged) at three settings of three seeds."""
    curves = np.stack([STEPS**-0.5, two_laws(), np.full(STEPS.shape, np.nan)])
    noise = np.random.default_rng(3).standard_normal((3, 3, STEPS.size))
    return xr.Dataset(
        {
            "loss": (
                ("optimizer.learning_rate", "seed", "step"),
                curves[:, None] * np.exp(0.02 * noise),
            )
        },
        coords={"optimizer.learning_rate": [0.25, 0.5, 1.0], "step": STEPS},
        attrs={"configuration": json.dumps(CONFIGURATION)},
    )


def test_every_setting_has_the_stretches_of_its_curve(dataset: xr.Dataset) -> None:
    table = fit.measure_regimes(dataset, after=20)
    for place in range(2):
        steps, loss = STEPS[STEPS >= 20], dataset["loss"].values[place][:, STEPS >= 20]
        one = fit.regimes(steps, loss)
        count = len(one.stretches)
        assert table["stretch_count"].values[place] == count
        row = table.isel({"optimizer.learning_rate": place})
        assert row["kind"].values.tolist()[:count] == [s.kind for s in one.stretches]
        assert set(row["kind"].values[count:]) <= {""}
        expected = [stretch.exponent for stretch in one.stretches]
        np.testing.assert_allclose(row["exponent"][:count], expected, rtol=ROUNDING)
        assert np.isnan(row["exponent"].values[count:]).all()
        assert one.first is not None
        assert one.last_before_floor is not None
        assert float(row["first_exponent"]) == pytest.approx(one.first.exponent, rel=ROUNDING)
        last = one.last_before_floor
        assert float(row["last_exponent"]) == pytest.approx(last.exponent, rel=ROUNDING)
        assert float(row["last_interval_low"]) == pytest.approx(last.interval[0], rel=ROUNDING)
        assert row["last_window_last"] == last.window[1]


def test_both_laws_and_the_floor_are_there(dataset: xr.Dataset) -> None:
    row = fit.measure_regimes(dataset, after=0).isel({"optimizer.learning_rate": 1})
    assert abs(float(row["first_exponent"]) - 0.3) < 0.03
    assert abs(float(row["last_exponent"]) - 1.0) < 0.1
    assert float(row["floor_low"]) < 3e-4 < float(row["floor_high"])


def test_a_setting_that_diverged_has_its_row(dataset: xr.Dataset) -> None:
    table = fit.measure_regimes(dataset)
    assert table["problem"].values.tolist() == ["", "", "all seeds diverged"]
    assert table["reason"].values[2] == "no regimes here: all seeds diverged, 3 of 3"
    assert table["seeds_dropped"].values.tolist() == [0, 0, 3]
    assert np.isnan(table["last_exponent"].values[2])
    assert "none: all seeds diverged" in format_regimes(table).splitlines()[-1]
    assert regimes_to_records(table)[2]["stretches"] == []


def test_the_start_up_is_left_out_and_theory_is_of_the_stretch(dataset: xr.Dataset) -> None:
    table = fit.measure_regimes(dataset)
    fits = jaxsup.measure_exponents(dataset)
    np.testing.assert_array_equal(table["fit_after"], fits["fit_after"])
    assert (table["window_first"][0] >= table["fit_after"][0]).values[0]
    law = table.isel({"optimizer.learning_rate": 0, "stretch": 0})
    window = float(law["window_first"]), float(law["window_last"])
    over = jaxsup.measure_exponents(dataset, window=window, after=float(law["fit_after"]))
    np.testing.assert_allclose(law["theory"], over["theory"][0], rtol=1e-9)
    np.testing.assert_allclose(table["theory_limit"], [1.0] * 3)


def test_records_of_regimes_are_safe_for_json(dataset: xr.Dataset) -> None:
    records = json.loads(
        json.dumps(regimes_to_records(fit.measure_regimes(dataset)), allow_nan=False)
    )
    assert [record["optimizer.learning_rate"] for record in records] == [0.25, 0.5, 1.0]
    first = records[0]["stretches"][0]
    assert first["kind"] == "power-law"
    assert first["exponent"] == records[0]["first_exponent"] == pytest.approx(0.5, abs=0.02)
    assert all(len(r["stretches"]) == r["stretch_count"] for r in records)


def test_regimes_are_read_from_top_to_bottom(dataset: xr.Dataset) -> None:
    table = fit.measure_regimes(dataset, after=0)
    header, *lines = format_regimes(table).splitlines()
    assert header.split() == ["lr", *COLUMNS]
    assert [line.split()[0] for line in lines if line[:13].strip()] == ["0.25", "0.5", "1"]
    assert [line.split()[-1] for line in lines if " power-law " in line][-1] == "last"
    assert sum(" floor " in line for line in lines) == np.isfinite(table["floor"]).sum()


def test_local_exponents_are_those_of_each_curve(dataset: xr.Dataset) -> None:
    table = fit.measure_local_exponents(dataset)
    for place in range(2):
        one = fit.local_exponent(STEPS, dataset["loss"].values[place])
        row = table.isel({"optimizer.learning_rate": place})
        there = np.isfinite(row["exponent"].values)
        np.testing.assert_array_equal(row["step"].values[there], one.steps)
        np.testing.assert_allclose(row["exponent"].values[there], one.exponent, rtol=ROUNDING)
        high = row["interval_high"].values[there]
        np.testing.assert_allclose(high, one.interval[:, 1], rtol=ROUNDING)
    assert table["exponent"][2].isnull().all()
    assert table["problem"].values[2] == "all seeds diverged"


def test_the_local_exponent_of_the_theory_is_that_of_its_curve(dataset: xr.Dataset) -> None:
    """Up to where 64 features are learned; later its loss is 0."""
    early = dataset.sel(step=slice(1, 2000))
    table = fit.measure_local_exponents(early)
    steps = early["step"].values
    for place, rate in enumerate((0.25, 0.5)):
        optimizer = {"kind": "sgd", "learning_rate": rate}
        reference = linear_reference({**CONFIGURATION, "optimizer": optimizer})
        assert reference is not None
        expected = fit.local_exponent(steps, reference.loss(steps)).exponent
        np.testing.assert_allclose(table["theory"][place], expected, rtol=1e-9)


def test_a_theory_that_ends_keeps_its_beginning() -> None:
    """One feature at a time: 0.1^(2t) is 0 in double precision from t = 162 on."""
    table = {**CONFIGURATION, "features": {**CONFIGURATION["features"], "count": 1}}
    table["optimizer"] = {"kind": "sgd", "learning_rate": 0.9}
    steps = np.arange(1.0, 301.0)
    dataset = xr.Dataset(
        {"loss": (("seed", "step"), (1 / steps)[None])},
        coords={"step": steps},
        attrs={"configuration": json.dumps(table)},
    )
    local = fit.measure_local_exponents(dataset)
    there = np.isfinite(local["theory"].values)
    assert 100 < local["step"].values[there].max() < 162
    near = local.sel(step=60, method="nearest")
    np.testing.assert_allclose(near["theory"], 2 * near["step"] * np.log(10), rtol=0.05)


def test_settings_that_recorded_other_steps_share_one_axis(dataset: xr.Dataset) -> None:
    late = dataset.copy(deep=True)
    late["loss"][1] = late["loss"][1].where(late["step"] >= 37)
    table = fit.measure_local_exponents(late)
    there = np.isfinite(table["exponent"].values)
    assert table["step"].values[there[1]].min() >= 37
    assert (np.diff(table["step"].values) > 0).all()
    one = fit.local_exponent(STEPS[STEPS >= 37], late["loss"].values[1][:, STEPS >= 37])
    found = table["exponent"].values[1, there[1]]
    np.testing.assert_allclose(found, one.exponent, rtol=ROUNDING)


def test_local_exponents_as_records_and_text(dataset: xr.Dataset) -> None:
    table = fit.measure_local_exponents(dataset)
    records = json.loads(json.dumps(local_exponents_to_records(table), allow_nan=False))
    assert len(records[0]["step"]) == len(records[0]["exponent"]) == len(records[0]["theory"])
    assert np.median(records[0]["exponent"]) == pytest.approx(0.5, abs=0.05)
    assert (records[2]["step"], records[2]["problem"]) == ([], "all seeds diverged")
    header, *lines = format_local_exponents(table).splitlines()
    assert header.split() == ["lr", "step", "local", "exponent", "theory", "limit"]
    assert len(lines) == len(records[0]["step"]) + len(records[1]["step"]) + 1
    assert lines[-1].split() == ["1", "-", "none:", "all", "seeds", "diverged", "-", "1.000"]


def test_sweeps_without_axes(dataset: xr.Dataset) -> None:
    one = dataset.isel({"optimizer.learning_rate": 0}, drop=True)
    assert fit.measure_regimes(one)["first_exponent"].shape == ()
    assert len(regimes_to_records(fit.measure_regimes(one))) == 1
    assert fit.measure_local_exponents(one)["exponent"].dims == ("step",)
