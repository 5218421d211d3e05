"""Settings without a result: each has its row, with the reason that holds, in every table."""

import json
from typing import Any

import numpy as np
import pytest
import xarray as xr
from fit_tables import TABLES
from helpers import assert_one_line_error, untyped

import jaxsup

STEPS = np.unique(np.round(np.geomspace(1, 1e4, 80)))
LAW = np.broadcast_to(STEPS**-0.5, (2, 3, STEPS.size))


def sweep(loss: np.ndarray, status: int = 0) -> xr.Dataset:
    """Two settings of three seeds at the first of the steps."""
    return xr.Dataset(
        {
            "loss": (("case", "seed", "step"), np.array(loss)),
            "status": (("case", "seed"), np.full(loss.shape[:2], status)),
        },
        coords={"case": ["one", "two"], "step": STEPS[: loss.shape[-1]]},
    )


LOST = {
    "diverged": (sweep(LAW, 1), {}, "none: all seeds diverged"),
    "untrained": (sweep(LAW * np.nan, -1), {}, "not trained yet"),
    "four steps": (sweep(LAW[..., :4]), {"after": 3}, "none: too short"),
    "two steps": (sweep(LAW[..., :2]), {}, "none: too short"),
    "not positive": (sweep(-LAW), {}, "none: nothing positive"),
    "empty": (sweep(LAW * np.nan), {}, "none: nothing recorded"),
}


@pytest.mark.parametrize("kind", TABLES)
@pytest.mark.parametrize("case", LOST)
def test_every_table_has_a_row_for_each_lost_setting(case: str, kind: str) -> None:
    (dataset, options, words), (measure, records, text) = LOST[case], TABLES[kind]
    table = measure(dataset, **options)
    _, *lines = text(table).splitlines()
    assert len(lines) == 2
    assert all(words in line for line in lines)
    rows = json.loads(json.dumps(records(table), allow_nan=False))
    assert [row["case"] for row in rows] == ["one", "two"]
    problem = words.removeprefix("none: ")
    assert {row["problem"] for row in rows} == {problem}
    assert all(row["reason"] for row in rows)


@pytest.mark.parametrize("kind", TABLES)
def test_a_lost_setting_without_axes_has_its_row(kind: str) -> None:
    measure, records, text = TABLES[kind]
    table = measure(sweep(LAW, 1).isel(case=0, drop=True))
    assert len(records(table)) == 1
    assert "none: all seeds diverged" in text(table)


@pytest.mark.parametrize("kind", TABLES)
def test_seeds_are_fitted_at_the_steps_that_all_recorded(kind: str) -> None:
    measure, records, text = TABLES[kind]
    gaps = sweep(LAW)
    gaps["loss"][0, 0, 10] = gaps["loss"][0, 1, 20] = np.nan
    gaps["loss"][0, 2, 50:] = np.nan  # stops early
    gaps["loss"][1, 1] = np.nan  # an empty column is no seed
    one, two = records(measure(gaps))
    left_out = STEPS.size - 50 + 2
    assert (one["seeds_used"], one["seeds_dropped"], one["steps_partial"]) == (3, 0, left_out)
    assert (two["seeds_used"], two["seeds_dropped"], two["steps_partial"]) == (2, 0, 0)
    note = text(measure(gaps)).splitlines()[-1]
    assert note == f"case one: {left_out} steps left out that not all seeds recorded"
    common = np.isfinite(gaps["loss"].values[0]).all(0)
    alone = sweep(LAW).isel(step=common, case=[0])
    expected = records(measure(alone))[0]
    numbers = {"exponents": "exponent", "regimes": "first_exponent", "local": "exponent"}[kind]
    assert one[numbers] == expected[numbers]


def test_a_diverged_seed_leaves_out_no_steps_of_the_others() -> None:
    dataset = sweep(LAW)
    dataset["loss"][0, 0, 20:] = np.nan
    dataset["status"][0, 0] = 1
    table = jaxsup.measure_exponents(dataset)
    assert table["seeds_dropped"].values.tolist() == [1, 0]
    assert table["steps_partial"].values.tolist() == [0, 0]
    assert table["window_last"].values[0] == 1e4


@pytest.mark.parametrize("kind", TABLES)
def test_the_first_step_to_use_is_a_finite_number(kind: str) -> None:
    for wrong in (np.nan, np.inf):
        assert_one_line_error(
            lambda wrong=wrong: TABLES[kind][0](sweep(LAW), after=wrong),
            "after: expected a finite number; got (nan|inf); give the first step to use",
        )


@untyped
@pytest.mark.parametrize("after", ["x", "5", [1.0, 2.0]])
def test_the_first_step_to_use_is_no_text(after: Any) -> None:
    for measure, _, _ in TABLES.values():
        assert_one_line_error(lambda m=measure: m(sweep(LAW), after=after), "after: expected a fin")


@pytest.mark.parametrize("kind", TABLES)
def test_no_recorded_step_is_late_enough(kind: str) -> None:
    """The cause is the argument, and not how often there is a record."""
    words = "after: expected a part of the record; got 1000000.0; choose it within the recorded "
    assert_one_line_error(lambda: TABLES[kind][0](sweep(LAW), after=1e6), words + "steps 1 to 1000")


@pytest.mark.parametrize("kind", TABLES)
def test_one_setting_of_which_no_recorded_step_is_late_enough(kind: str) -> None:
    measure, records, text = TABLES[kind]
    dataset = sweep(LAW)
    dataset["loss"][0] = dataset["loss"][0].where(dataset["step"] <= 50)
    one, two = records(measure(dataset, after=100))
    assert (one["problem"], two["problem"]) == ("outside of the record", "")
    assert one["reason"].endswith(f"steps 1 to {STEPS[STEPS <= 50][-1]:g} are all before 100")
    assert "none: outside of the record" in text(measure(dataset, after=100)).splitlines()[1]


def test_a_window_before_the_first_step_to_use() -> None:
    words = r"window: expected a part of the steps from 50 on; got \(1, 9\); leave out `after`"
    measure = jaxsup.measure_exponents
    assert_one_line_error(lambda: measure(sweep(LAW), window=(1, 9), after=50), words)


@pytest.mark.parametrize("kind", TABLES)
@pytest.mark.parametrize("name", ["point", "exponent", "theory", "problem", "stretch", "stretches"])
def test_an_axis_may_be_called_as_a_column(kind: str, name: str) -> None:
    """Such axes are refused before training; there are stores that have them."""
    measure, records, text = TABLES[kind]
    axis = xr.Dataset(coords={name: ["one", "two"]})
    dataset = sweep(LAW).drop_vars("case").rename(case=name).merge(axis)
    table = measure(dataset)
    rows, expected = records(table), records(measure(sweep(LAW)))
    key = name if name in rows[0] and rows[0][name] == "one" else f"{name}_axis"
    assert [row.pop(key) for row in rows] == ["one", "two"]
    assert rows == [{k: v for k, v in row.items() if k != "case"} for row in expected]
    headers = text(table).splitlines()[0].split()
    assert len({*headers}) == len(headers)


@pytest.mark.parametrize("kind", TABLES)
@pytest.mark.parametrize(
    "wrong", [LAW + 0j, LAW > 0.1, LAW.astype(str)], ids=lambda w: w.dtype.name
)
def test_losses_are_real_numbers(kind: str, wrong: np.ndarray) -> None:
    dataset = sweep(LAW)
    dataset["loss"] = dataset["loss"].dims, wrong
    words = f"loss: expected an array of real numbers; got dtype {wrong.dtype}; convert"
    assert_one_line_error(lambda: TABLES[kind][0](dataset), words)


@pytest.mark.parametrize("kind", ["exponents", "regimes"])
def test_steps_need_not_be_integers(kind: str) -> None:
    measure, _, text = TABLES[kind]
    dataset = sweep(LAW)
    dataset = dataset.assign_coords(step=dataset["step"] * 1e-5)
    assert "1e-05..0.1" in text(measure(dataset))


EMPTY = {
    "no settings": (sweep(LAW).isel(case=slice(0, 0)), "got nothing along case; select"),
    "no seeds": (sweep(LAW).isel(seed=slice(0, 0)), "got nothing along seed; select"),
    "no steps": (sweep(LAW).isel(step=slice(0, 0)), "got nothing along step; select"),
    "one seed": (sweep(LAW).isel(seed=0), 'a loss over "seed" and "step"; got one over case, step'),
    "no loss": (sweep(LAW).drop_vars("loss"), 'a loss over "seed" and "step"; got none; take'),
    "steps uncounted": (sweep(LAW).drop_vars("step"), 'a coordinate "step"; got none; assign'),
}


@pytest.mark.parametrize("kind", TABLES)
@pytest.mark.parametrize("case", EMPTY)
def test_a_selection_without_curves_is_refused(case: str, kind: str) -> None:
    dataset, words = EMPTY[case]
    assert_one_line_error(lambda: TABLES[kind][0](dataset), f"dataset: expected .*{words}")


@pytest.mark.parametrize("lost", [1, 2])
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"confidence": 2}, "confidence: expected"),
        ({"window": (5, 1)}, r"window: expected \(first, last\) with first < last; got \(5, 1\)"),
    ],
)
def test_a_lost_setting_hides_no_invalid_argument(
    lost: int, options: dict[str, Any], words: str
) -> None:
    dataset = sweep(LAW)
    dataset["status"][:lost] = 1
    assert_one_line_error(lambda: jaxsup.measure_exponents(dataset, **options), words)


def test_a_lost_setting_hides_no_window_that_suits_no_other() -> None:
    dataset = sweep(LAW)
    dataset["status"][0] = 1
    words = "window: expected a part of the record"
    assert_one_line_error(lambda: jaxsup.measure_exponents(dataset, window=(2e4, 3e4)), words)


@pytest.mark.parametrize("kind", TABLES)
@pytest.mark.parametrize(
    "other",
    [
        sweep(LAW).assign(loss=sweep(LAW)["loss"].mean("case")),
        sweep(LAW).assign(status=sweep(LAW)["status"].isel(case=0)),
        sweep(LAW).assign(status=sweep(LAW)["status"].isel(seed=0)),
    ],
)
def test_a_status_of_other_settings_is_one_line(kind: str, other: xr.Dataset) -> None:
    """One that was averaged, or left, when the loss was not."""
    assert_one_line_error(lambda: TABLES[kind][0](other), "a status over .*drop_vars")


@pytest.mark.parametrize("kind", TABLES)
def test_a_seed_that_is_there_twice_is_one_line(kind: str) -> None:
    """The copies would count as independent runs: intervals of half the seeds, and too narrow."""
    numbered = sweep(LAW).assign_coords(seed=[3, 1, 7])
    twice = xr.concat([numbered, numbered], dim="seed")
    assert_one_line_error(lambda: TABLES[kind][0](twice), "each seed once; got 3 twice")
    TABLES[kind][0](twice.assign_coords(seed=range(6)))


@pytest.mark.parametrize("kind", TABLES)
def test_masked_steps_are_steps_that_nobody_recorded(kind: str) -> None:
    """`xarray.Dataset.where` lays the status along what it masks."""
    dataset = sweep(LAW * np.exp(0.1 * np.sin(np.arange(6.0).reshape(2, 3, 1) + STEPS)))
    dataset["status"][0, 1] = 1
    measure, records, _ = TABLES[kind]
    masked = records(measure(dataset.where(dataset["step"] >= 10)))
    assert masked == records(measure(dataset.sel(step=slice(10, None))))
    assert [row["seeds_dropped"] for row in masked] == [1, 0]


def test_a_status_in_another_order_of_axes_is_of_the_same_networks() -> None:
    loss = np.broadcast_to(STEPS**-0.5, (2, 2, 3, STEPS.size))
    status = np.zeros((2, 2, 3), np.int8)
    status[0, 1] = 1
    dataset = xr.Dataset(
        {"loss": (("a", "b", "seed", "step"), loss), "status": (("a", "b", "seed"), status)},
        coords={"step": STEPS},
    )
    other = dataset.assign(status=dataset["status"].transpose("b", "seed", "a"))
    table = jaxsup.measure_exponents(other)
    np.testing.assert_array_equal(table["found"], [[True, False], [True, True]])


@pytest.mark.parametrize("kind", TABLES)
def test_a_masked_setting_of_a_table_keeps_its_row(kind: str) -> None:
    """`where` puts NaN into counts, words and yes or no, and makes floats of the others."""
    measure, records, text = TABLES[kind]
    table = measure(sweep(LAW * np.array([1.0, 1.01, 1.02])[:, None]))
    masked = table.where(table["case"] == "two")
    first, second = json.loads(json.dumps(records(masked), allow_nan=False))
    assert first["problem"] == first["reason"] == "masked"
    assert second == records(table)[1]
    header, line, *_ = text(masked).splitlines()
    assert "none: masked" in line
    assert header.split() == text(table).splitlines()[0].split()


@pytest.mark.parametrize(("kind", "inner"), [("local", "step"), ("regimes", "stretch")])
def test_a_table_that_is_masked_along_its_curves_is_one_line(kind: str, inner: str) -> None:
    measure, records, _ = TABLES[kind]
    table = measure(sweep(LAW))
    masked = table.where(table[inner] >= 1)
    assert_one_line_error(lambda: records(masked), f"got one masked along its {inner}; mask")
