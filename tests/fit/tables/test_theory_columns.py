"""Exponents beside those of the linear student at the same N and window; the start-up left out."""

import dataclasses
import json
import math
from typing import Any

import numpy as np
import pytest
import xarray as xr
from students_of_theory import EXPERIMENT, train_exactly

import jaxsup
from jaxsup.experiment.tables import to_table
from jaxsup.fit.tables.exponents import exponents_to_records, format_exponents
from jaxsup.fit.tables.references import theory_limit
from jaxsup.theory.references import LinearReference, linear_reference, start_up


@pytest.fixture(scope="module")
def dataset() -> xr.Dataset:
    return train_exactly()


def test_theory_is_the_slope_of_this_sum_over_this_window(dataset: xr.Dataset) -> None:
    """The students are those of the theory, so that both are the slope of one curve."""
    table = jaxsup.measure_exponents(dataset)
    assert table["found"].values[1].all()
    np.testing.assert_allclose(table["theory"][1], table["exponent"][1], rtol=1e-4)
    np.testing.assert_allclose(table["theory_limit"][1], [1.0, 1.5])


def test_theory_is_of_the_given_window(dataset: xr.Dataset) -> None:
    """Late in training the 64 features are learned, and the slope is beyond the limit."""
    early = jaxsup.measure_exponents(dataset, window=(20, 300))
    late = jaxsup.measure_exponents(dataset, window=(100, 1000))
    for table in (early, late):
        np.testing.assert_allclose(table["theory"][1], table["slope"][1], rtol=1e-4)
    assert late["theory"][1, 0] > early["theory"][1, 0] + 0.005
    assert late["theory_limit"][1, 0] == early["theory_limit"][1, 0]


def test_the_start_up_is_left_out_and_recorded(dataset: xr.Dataset) -> None:
    table = jaxsup.measure_exponents(dataset)
    leading = 1 / np.sum(np.arange(1, 65.0) ** -2)
    expected = [start_up(2.0, b, leading) for b in (0.5, 1.0)]
    np.testing.assert_allclose(table["fit_after"][1], expected, rtol=1e-6)
    assert (table["window_first"][1] >= table["fit_after"][1]).all()


def test_a_number_or_a_window_stands_above_the_start_up(dataset: xr.Dataset) -> None:
    assert (jaxsup.measure_exponents(dataset, after=3)["fit_after"] == 3).all()
    table = jaxsup.measure_exponents(dataset, window=(2, 500))
    assert (table["fit_after"] == 0).all()
    assert (table["window_first"] == 2).all()


def test_no_decay_means_no_law_and_no_start_up(dataset: xr.Dataset) -> None:
    table = jaxsup.measure_exponents(dataset)
    assert table["theory"][0].isnull().all()
    assert table["theory_limit"][0].isnull().all()
    assert (table["fit_after"][0] == 0).all()
    assert format_exponents(table).splitlines()[1].split()[-4:-2] == ["-", "-"]
    records = exponents_to_records(table)
    assert records[0]["theory"] is records[0]["theory_limit"] is None


DESCENT = {"kind": "sgd", "learning_rate": 0.1}


@pytest.mark.parametrize(
    ("changes", "limit"),
    [
        ({"optimizer": {**DESCENT, "momentum": 0.9}}, [1.0, 1.5]),
        ({"optimizer": {"kind": "adam", "learning_rate": 0.1}}, [math.nan, math.nan]),
        ({"importance": 0.95}, [math.nan, math.nan]),
        ({"student": {"kind": "student", "hidden_noise": 0.1}}, [math.nan, math.nan]),
    ],
    ids=["momentum", "adam", "importance", "noise"],
)
def test_what_is_no_plain_descent_has_a_limit_at_most(
    dataset: xr.Dataset, changes: dict[str, Any], limit: list[float]
) -> None:
    """Momentum leaves the limit as it is; it does not hold for Adam, weighted losses and noise."""
    configuration = json.loads(dataset.attrs["configuration"])
    for name, value in changes.items():
        before = configuration[name] if name == "student" else {}
        configuration[name] = {**before, **value} if isinstance(value, dict) else value
    table = jaxsup.measure_exponents(
        dataset.assign_attrs(configuration=json.dumps(configuration)).isel({"features.exponent": 1})
    )
    assert table["theory"].isnull().all()
    assert (table["fit_after"] == 0).all()
    np.testing.assert_allclose(table["theory_limit"], limit)


def test_each_setting_has_its_own_reference() -> None:
    """Axes over whole objects, over several fields at once and over nothing that matters."""
    short = dataclasses.replace(EXPERIMENT, steps=200)
    axes = {
        "optimizer": [jaxsup.SGD(0.5), jaxsup.Adam(0.01), jaxsup.SGD(1.0)],
        "setting": {"teacher.exponent": [0.0, 1.0], "batch_size": [8, 16]},
    }
    table = jaxsup.measure_exponents(jaxsup.run(jaxsup.Sweep(short, axes)))
    leading = 1 / np.sum(np.arange(1, 65.0) ** -2)
    expected = [
        [start_up(2.0, b, rate * leading) if rate else 0 for b in (0.0, 1.0)]
        for rate in (0.5, None, 1.0)
    ]
    np.testing.assert_allclose(table["fit_after"], expected, rtol=1e-6)
    assert table["theory"].isnull().values.tolist() == [[False] * 2, [True] * 2, [False] * 2]


def test_sizes_of_all_kinds_are_scanned() -> None:
    """Of K nothing depends on it, of N the theory does: fewer features are learned sooner."""
    steps = np.unique(np.round(np.geomspace(1, 5000, 80)))
    table = jaxsup.measure_exponents(
        xr.Dataset(
            {
                "loss": (
                    ("features.count", "student.latent", "seed", "step"),
                    np.tile(steps**-0.6, (2, 2, 1, 1)),
                )
            },
            coords={"features.count": [32, 64], "student.latent": [8, 16], "step": steps},
            attrs={"configuration": json.dumps(to_table(EXPERIMENT))},
        )
    )
    assert (table["theory"][:, 0] == table["theory"][:, 1]).all()
    assert (table["theory"][0] > table["theory"][1] + 0.05).all()


def test_a_run_that_ends_in_its_start_up_says_so(dataset: xr.Dataset) -> None:
    table = jaxsup.measure_exponents(dataset.sel(step=slice(0, 30)).isel({"features.exponent": 1}))
    assert table["problem"].values.tolist() == ["too short", "still in its start-up"]
    words = (
        "no power law here: recorded steps 1 to 28 are all before 31.25: the start-up, by theory"
    )
    assert table["reason"].values[1] == words
    assert "none: still in its start-up" in format_exponents(table)


def test_what_one_setting_is_refused_for_leaves_the_others_theirs(dataset: xr.Dataset) -> None:
    """One recorded 30 steps only, so that the window lies outside of them."""
    short = dataset.isel({"features.exponent": 1}).copy(deep=True)
    short["loss"][0] = short["loss"][0].where(short["step"] <= 30)
    table = jaxsup.measure_exponents(short, window=(50, 900))
    assert table["found"].values.tolist() == [False, True]
    assert "none: outside of the record" in format_exponents(table).splitlines()[1]
    assert "choose it within the recorded steps 1 to 28" in str(table["reason"].values[0])
    with pytest.raises(ValueError, match="choose it within the recorded steps"):
        jaxsup.measure_exponents(short.isel({"teacher.exponent": [0]}), window=(50, 900))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_seeds_that_diverged_have_their_row_without_a_status(value: float) -> None:
    steps = np.arange(1, 101)
    loss = np.broadcast_to(steps**-0.5, (2, 3, 100)).copy()
    loss[0] = value
    table = jaxsup.measure_exponents(
        xr.Dataset({"loss": (("case", "seed", "step"), loss)}, coords={"step": steps})
    )
    assert table["found"].values.tolist() == [False, True]
    assert table["problem"].values.tolist() == ["all seeds diverged", ""]
    assert table["seeds_dropped"].values.tolist() == [3, 0]
    assert format_exponents(table).splitlines()[1].endswith("0 (3 diverged)")


def configured(features: dict[str, Any]) -> dict[str, Any]:
    """These features at b = 0.5 and rate 0.5."""
    optimizer = {"kind": "sgd", "learning_rate": 0.5}
    return {**to_table(EXPERIMENT), "features": features, "optimizer": optimizer}


def law_with(features: dict[str, Any], steps: np.ndarray) -> xr.Dataset:
    """t^-0.6, said to be of these features."""
    return xr.Dataset(
        {"loss": (("seed", "step"), steps[None] ** -0.6)},
        coords={"step": steps},
        attrs={"configuration": json.dumps(configured(features))},
    )


def measured_with(features: dict[str, Any], steps: np.ndarray) -> xr.Dataset:
    """Its exponent beside the theory of these features."""
    return jaxsup.measure_exponents(law_with(features, steps))


STEPS = np.unique(np.round(np.geomspace(1, 1e5, 120)))
EIGHT = {"kind": "power-law", "count": 8, "exponent": 1.5, "values": "sign"}


def test_where_the_theory_falls_to_zero_it_has_no_slope() -> None:
    """Eight features are learned to the last digit before the window ends."""
    table = measured_with(EIGHT, STEPS)
    assert (bool(table["found"]), float(table["window_last"])) == (True, 1e5)
    assert np.isnan(table["theory"])
    assert np.isfinite(measured_with(EIGHT, STEPS[STEPS < 1e4])["theory"])


def test_local_exponents_of_the_theory_end_before_it_is_too_small_for_fits() -> None:
    """Losses below 1e-290 are 0 to a fit, also those that have not yet fallen to 0 themselves."""
    reference = linear_reference(configured(EIGHT))
    assert reference is not None
    times = np.arange(1.0, 1e5)
    last = times[reference.loss(times) > 1e-300][-1]
    steps = np.geomspace(1, last, 400)
    table = jaxsup.fit.measure_local_exponents(law_with(EIGHT, steps))
    whole = law_with(EIGHT, steps[reference.loss(steps) > 1e-280])
    expected = jaxsup.fit.measure_local_exponents(whole)["theory"].values
    found = table["theory"].values[np.isfinite(table["theory"].values)]
    np.testing.assert_allclose(found[:-1], expected[: found.size - 1], rtol=0.01)
    assert np.isnan(table["theory"].values[-1])


def test_no_fit_is_lost_to_the_theory(monkeypatch: pytest.MonkeyPatch) -> None:
    def exhausted(*_: object) -> None:
        raise MemoryError

    expected = measured_with(EIGHT, STEPS)
    monkeypatch.setattr(LinearReference, "loss", exhausted)
    table = measured_with(EIGHT, STEPS)
    assert np.isnan(table["theory"])
    assert table["fit_after"] == expected["fit_after"] > 0
    assert table["exponent"] == expected["exponent"]


def test_of_more_features_than_can_be_solved_the_exponent_is_measured() -> None:
    features = {"kind": "power-law", "count": 60_000, "exponent": 1.5}
    table = measured_with(features, STEPS)
    assert np.isnan(table["theory"])
    assert table["fit_after"] > 0
    assert table["exponent"] == pytest.approx(0.6)


@pytest.mark.parametrize("section", ["optimizer", "student"])
def test_an_object_of_an_axis_has_no_limit_that_its_own_entries_exclude(section: str) -> None:
    """A rate that changes, and noise in the hidden layer, of one setting of several."""
    changes = {
        "optimizer": {"schedule": jaxsup.WarmupCosine(warmup=10)},
        "student": {"hidden_noise": 0.1},
    }
    plain = getattr(EXPERIMENT, section)
    objects = [plain, dataclasses.replace(plain, **changes[section])]
    texts = np.asarray([json.dumps(to_table(item)) for item in objects], object)
    attributes = {"configuration": json.dumps(to_table(EXPERIMENT))}
    table = xr.Dataset(coords={section: texts}, attrs=attributes)
    limit = theory_limit(table, xr.DataArray(np.zeros(2), dims=[section]))
    np.testing.assert_allclose(limit, [1.0, math.nan])
