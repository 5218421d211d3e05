"""Sweeps of many values are made in a time that grows with their number, too many are refused."""

import time
from functools import partial
from typing import Any

import numpy as np
import pytest
import xarray as xr
from factories import relu_experiment
from helpers import assert_one_line_error, untyped
from sweep_cases import linear

import jaxsup
from jaxsup.fit.tables.exponents import measure_exponents
from jaxsup.fit.tables.local_tables import measure_local_exponents
from jaxsup.fit.tables.regime_tables import measure_regimes
from jaxsup.sweep.axes import replace_fields

FIELDS = ("features.exponent", "teacher.exponent", "optimizer.learning_rate")
LONG = np.linspace(0.1, 1, 1000)
# A hundred times what it takes, and a thirtieth of what it took when it was quadratic.
QUICK = 20.0


@pytest.mark.parametrize(
    "axes",
    [
        {"features.exponent": np.linspace(0.1, 3, 10**5)},
        {"importance": np.linspace(0.1, 1, 10**5)},
        {"both": {f: np.linspace(0.1, 1, 10**5).tolist() for f in FIELDS[:2]}},
        dict.fromkeys(FIELDS, LONG[:100]) | {"importance": [0.5]},
    ],
)
def test_many_values_are_checked_in_linear_time(axes):
    base = relu_experiment(jaxsup.Student(8), features=jaxsup.PowerLawFeatures(128, 1.0))
    began = time.perf_counter()
    sweep = jaxsup.Sweep(base, axes, seeds=10)
    assert time.perf_counter() - began < QUICK
    assert sweep.points >= 10**5


def test_one_bad_value_of_many_is_a_one_line_error():
    for place in (0, 4321, 9999):
        values = np.linspace(0.1, 1, 10_000)
        values[place] = -1.5
        make = partial(jaxsup.Sweep, linear(), {"optimizer.learning_rate": values})
        assert_one_line_error(make, "optimizer.learning_rate: expected .* >= 0; got -1.5; give")


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "seeds": (
        {"seeds": 10**9},
        "seeds: expected a positive integer of at most 10000000; got 1000000000",
    ),
    "three axes": (
        {"axes": dict.fromkeys(FIELDS, LONG)},
        "axes: expected at most 10000000 settings; got 1000000000; make several sweeps of it",
    ),
    "a joint axis and another": (
        {"axes": {"both": dict.fromkeys(FIELDS[:2], range(10**5)), FIELDS[2]: LONG}},
        "axes: expected at most 10000000 settings; got 100000000",
    ),
    "networks": (
        {"axes": dict.fromkeys(FIELDS[:2], LONG), "seeds": 1000},
        "axes: expected at most 100000000 networks, settings times seeds,; got 1000000000",
    ),
    "an axis": (
        {"axes": {"features.exponent": range(10**9)}},
        "axes.features.exponent: expected at most 10000000 values; got 1000000000 of them",
    ),
    "a joint axis": (
        {"axes": {"both": dict.fromkeys(FIELDS[:2], range(10**9))}},
        "axes.both: expected at most 10000000 values; got 1000000000 of them",
    ),
    "sizes": (
        {"axes": {"steps": range(1, 20_001)}},
        "axes: expected at most 10000 settings that differ in more than numbers; got 20000",
    ),
    "truth values as seeds": (
        {"seeds": [True, False]},
        r"seeds: expected different whole numbers .*; got \[True, False\]",
    ),
    "truth values on an axis": (
        {"axes": {"features.exponent": [True, False]}},
        "features.exponent: expected a number; got True",
    ),
    "text on an axis": (
        {"axes": {"optimizer.learning_rate": ["0.5"]}},
        "optimizer.learning_rate: expected a number; got '0.5'; write it without",
    ),
    "rows on an axis": (
        {"axes": {"optimizer.learning_rate": np.ones((2, 2))}},
        r"optimizer.learning_rate: expected one number; got a shape \(2,\)",
    ),
    "a name with a slash": (
        {"axes": {"a/b": {"features.exponent": [1.0]}}},
        "axes: expected a name without slashes; got 'a/b'; call the axis by a word",
    ),
    "no name": ({"axes": {"": {"features.exponent": [1.0]}}}, "axes: expected a name without"),
    "the loss": (
        {"axes": {"loss": {"features.exponent": [1.0]}}},
        "axes: expected a field or a free name; got 'loss'; 'loss' is a dimension of its own",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_sizes_and_values_are_one_line_errors(case):
    arguments, match = BAD[case]
    began = time.perf_counter()
    assert_one_line_error(lambda: jaxsup.Sweep(linear(), **arguments), match)
    assert time.perf_counter() - began < QUICK


@untyped
def test_what_is_no_sweep_is_a_one_line_error():
    match = "sweep: expected a Sweep; got Experiment.*; write jaxsup.Sweep"
    assert_one_line_error(lambda: jaxsup.run(linear()), match)  # pyright: ignore[reportArgumentType]
    match = "experiment: expected an Experiment; got 3; write jaxsup.Experiment"
    assert_one_line_error(lambda: jaxsup.Sweep(3), match)  # pyright: ignore[reportArgumentType]
    match = r"axes: expected lists of values by name; got \[1.0\]"
    assert_one_line_error(lambda: jaxsup.Sweep(linear(), [1.0]), match)  # pyright: ignore[reportArgumentType]


@pytest.mark.slow
def test_axes_may_be_called_as_columns_of_the_tables_of_fits():
    """Every column and dimension of every table: the axis is then told apart."""
    axes = {"point": {"features.exponent": [1.0, 2.0]}}
    record = jaxsup.Record(points=40)
    dataset = jaxsup.run(jaxsup.Sweep(linear(steps=40, record=record), axes, seeds=2))
    for measure in (measure_exponents, measure_local_exponents, measure_regimes):
        table = measure(dataset, after=0)
        names = {*map(str, table.variables), *map(str, table.dims)} - {*dataset.variables}
        assert len(names - {"point"}) > 5
        for name in names - {"point", *dataset.dims}:
            jaxsup.Sweep(linear(), {name: {"features.exponent": [1.0]}})
            renamed = measure(dataset.rename(point=name), after=0)
            assert f"{name}_axis" in renamed.dims
            xr.testing.assert_identical(renamed.rename({f"{name}_axis": "point"}), table)


def test_two_fields_of_one_inner_part_change_together():
    schedule = jaxsup.WarmupCosine(3, 0.1)
    base = linear(optimizer=jaxsup.SGD(0.1, schedule=schedule))
    changes = {"optimizer.schedule.warmup": 2, "optimizer.schedule.final": 0.5}
    optimizer: Any = replace_fields(base, changes).optimizer
    assert (optimizer.schedule.warmup, optimizer.schedule.final) == (2, 0.5)
