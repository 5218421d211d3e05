"""Datasets whose coordinates no longer tell what their settings are, and those that still do."""

import numpy as np
import pytest
import xarray as xr
from fit_tables import TABLES
from students_of_theory import EXPERIMENT, train_exactly

import jaxsup


@pytest.fixture(scope="module")
def dataset() -> xr.Dataset:
    return train_exactly()


LOST = {
    "dropped": lambda d: d.isel({"teacher.exponent": 1}, drop=True),
    "no coordinate": lambda d: d.drop_vars("teacher.exponent"),
    "another name": lambda d: d.rename({"teacher.exponent": "b"}),
    "averaged": lambda d: d.mean("teacher.exponent", keep_attrs=True),
    "averaged losses": lambda d: d[["loss"]].assign(loss=d["loss"].mean("teacher.exponent")),
    "laid along a run": lambda d: xr.concat([d, d], "run", combine_attrs="override"),
}


@pytest.mark.parametrize("case", LOST)
@pytest.mark.parametrize("kind", TABLES)
def test_what_no_coordinate_tells_has_no_theory(dataset: xr.Dataset, case: str, kind: str) -> None:
    """The configuration has b = 0.5 whatever the setting is: its theory would be another one's."""
    table = TABLES[kind][0](LOST[case](dataset.isel({"features.exponent": [1]})))
    assert table["theory_limit"].isnull().all()
    if kind == "exponents":
        assert table["theory"].isnull().all()
        assert (table["fit_after"] == 0).all()


def test_coordinates_that_tell_all_have_theory_in_whatever_dimensions(dataset: xr.Dataset) -> None:
    whole = jaxsup.measure_exponents(dataset)
    axes = ("features.exponent", "teacher.exponent")
    parts = [dataset.isel({"teacher.exponent": b}) for b in (0, 1)]
    for other in (
        dataset.stack(setting=axes),
        dataset.stack(setting=axes).reset_index("setting"),
        xr.concat(
            parts, "run", coords="different", compat="equals", combine_attrs="override"
        ).transpose("features.exponent", ...),
    ):
        table = jaxsup.measure_exponents(other)
        for name in ("theory", "theory_limit", "fit_after"):
            np.testing.assert_array_equal(np.ravel(table[name]), np.ravel(whole[name]))


def test_a_lost_coordinate_without_a_part_in_theory_costs_none() -> None:
    sweep = jaxsup.Sweep(EXPERIMENT, {"record.points": [50, 60]})
    part = jaxsup.run(sweep).isel({"record.points": 1}, drop=True)
    assert jaxsup.measure_exponents(part)["theory_limit"] == 1


@pytest.mark.parametrize("kind", TABLES)
def test_columns_have_the_order_of_the_axes_whatever_that_of_the_coordinates(kind: str) -> None:
    """A store, as Zarr lists it, has the coordinates in another order than memory."""
    joint = {"teacher.exponent": [0.5, 1.0], "optimizer.learning_rate": [1.0, 0.5]}
    axes = {"features.exponent": [1.5, 2.0], "both": joint}
    dataset = jaxsup.run(jaxsup.Sweep(EXPERIMENT, axes))
    names = ["optimizer.learning_rate", "teacher.exponent", "seed", "step", "features.exponent"]
    turned = xr.Dataset(coords={name: dataset[name] for name in names}, attrs=dataset.attrs)
    turned = turned.assign(loss=dataset["loss"], status=dataset["status"])
    measure, _, text = TABLES[kind]
    assert text(measure(dataset)).split()[:3] == ["a", "b", "lr"]
    assert text(measure(turned)).split()[:3] == ["a", "b", "lr"]
