"""Exponents of a labelled sweep: what is fitted, what the theory column holds, what is printed."""

import json
from typing import Any

import numpy as np
import pytest
import xarray as xr

import jaxsup
from jaxsup.fit.exponents import exponents_to_records, format_exponents, theory_curves


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


def test_theory_takes_a_from_the_axis_and_b_from_the_configuration() -> None:
    table = jaxsup.measure_exponents(power_law_dataset(np.asarray([0.4, 1.3])))
    np.testing.assert_allclose(table["theory"], [1.0, 1.0])  # b = 0.5: (a + 1 - 1) / a


def test_theory_is_nan_where_the_teacher_has_no_exponent() -> None:
    dataset = power_law_dataset(np.asarray([0.4, 1.3]))
    dataset.attrs["configuration"] = json.dumps({"teacher": {"kind": "matrix"}})
    assert np.isnan(jaxsup.measure_exponents(dataset)["theory"]).all()


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
    assert "2 (-1 diverged)" in format_exponents(table)


def test_where_every_seed_diverged_there_is_no_power_law() -> None:
    dataset = power_law_dataset(np.asarray([0.4, 1.3]))
    dataset["loss"][1, :, 40:] = np.nan
    status = np.asarray([[0, 0, 0], [1, 1, 1]])
    table = jaxsup.measure_exponents(dataset.assign(status=(("features.exponent", "seed"), status)))
    assert table["found"].values.tolist() == [True, False]
    assert table["seeds_dropped"].values.tolist() == [0, 3]
    assert "none" in format_exponents(table).splitlines()[2]


def test_no_power_law_is_said_and_the_slope_kept_apart() -> None:
    dataset = power_law_dataset(np.asarray([0.4, 1.3]))
    dataset["loss"][0] = np.exp(-dataset["step"].values / 300.0) + 1e-12
    table = jaxsup.measure_exponents(dataset, window=(30, 9000))
    assert table["found"].values.tolist() == [False, True]
    assert np.isnan(table["exponent"][0])
    assert "no power law here" in table["reason"].values[0]
    lines = format_exponents(table).splitlines()
    assert "none (slope" in lines[1]
    assert "1.300 +- 0.000" in lines[2]


def test_records_are_safe_for_json() -> None:
    dataset = power_law_dataset(np.asarray([0.4, 1.3]))
    dataset["loss"][0] = 1.0
    records = exponents_to_records(jaxsup.measure_exponents(dataset))
    text = json.dumps(records, allow_nan=False)
    assert json.loads(text)[0]["exponent"] is None
    assert json.loads(text)[1]["exponent"] == pytest.approx(1.3)


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


def linear_sweep(**student: Any) -> jaxsup.Sweep:
    """Linear students on the exact loss, over the importance exponent b, two seeds."""
    experiment = jaxsup.Experiment(
        jaxsup.GaussianFeatures(12, 1.5),
        jaxsup.DiagonalTeacher(0.0),
        jaxsup.Student(activation="identity", core_scale=0.2, **student),
        jaxsup.SGD(0.3),
        steps=40,
        gradient="exact",
        record=jaxsup.Record(points=8),
    )
    return jaxsup.Sweep(experiment, {"teacher.exponent": [0.0, 1.0]}, seeds=[3, 8])


@pytest.mark.parametrize(
    "student", [{"latent": 12, "embedding": "identity"}, {"latent": 5, "bias": False}]
)
def test_theory_curves_are_the_medians_of_what_the_seeds_do(student: dict[str, Any]) -> None:
    dataset = jaxsup.run(linear_sweep(**student))
    theory = theory_curves(dataset)
    assert theory is not None
    assert theory.dims == ("teacher.exponent", "step")
    np.testing.assert_allclose(theory, dataset["loss"].median("seed"), rtol=1e-4)
    one = theory_curves(dataset.isel({"teacher.exponent": 1}, drop=False))
    assert one is not None
    np.testing.assert_allclose(one, theory[1])


def test_there_are_no_theory_curves_without_a_closed_form() -> None:
    sweep = linear_sweep(latent=12, embedding="learned", core=False)
    assert theory_curves(jaxsup.run(sweep)) is None


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
