"""Axes by a rule in TOML: the values are numpy's and Python's, and each mistake is one line."""

import json
import math

import numpy as np
import pytest
from helpers import assert_one_line_error
from table_cases import BASE, write

import jaxsup
from jaxsup.sweep.spacings import spaced_values
from jaxsup.sweep.tables import read_sweep, sweep_from_tables, sweep_to_tables

RULES = {
    '"features.exponent" = {linspace = [1, 2, 11]}': [1 + i / 10 for i in range(11)],
    '"features.exponent" = {linspace = [1.5, 1.25, 3]}': [1.5, 1.375, 1.25],
    '"optimizer.learning_rate" = {logspace = [-3, 0, 4]}': [1e-3, 1e-2, 1e-1, 1.0],
    '"optimizer.learning_rate" = {geomspace = [0.01, 0.08, 4]}': [0.01, 0.02, 0.04, 0.08],
    '"features.exponent" = {linspace = [1, 2, 1]}': [1.0],
    '"student.latent" = {range = [2, 6]}': [2, 3, 4, 5],
    "student.latent = {range = [8, 33, 8]}": [8, 16, 24, 32],
    '"student.latent" = {range = [8, 2, -3]}': [8, 5],
    "steps = {range = [10, 31, 10]}": [10, 20, 30],
}


@pytest.mark.parametrize("line", RULES)
def test_values_are_those_of_the_rule(line: str, tmp_path) -> None:
    (axis,) = read_sweep(write(tmp_path, f"{BASE}\n[axes]\n{line}\n")).axes
    (values,) = axis.fields.values()
    assert [type(value) for value in values] == [type(value) for value in RULES[line]]
    np.testing.assert_allclose(values, RULES[line], rtol=1e-15)


def test_a_joint_axis_has_lists_and_rules_beside_each_other(tmp_path) -> None:
    text = """
    [axes.setting]
    features.exponent = {linspace = [1.25, 1.75, 3]}
    "student.latent" = {range = [2, 5]}
    "optimizer.learning_rate" = [0.1, 0.2, 0.3]
    """
    (axis,) = read_sweep(write(tmp_path, BASE + text)).axes
    assert axis.name == "setting"
    assert axis.fields == {
        "features.exponent": (1.25, 1.5, 1.75),
        "student.latent": (2, 3, 4),
        "optimizer.learning_rate": (0.1, 0.2, 0.3),
    }


def test_what_is_stored_are_the_values(tmp_path) -> None:
    line = '"optimizer.learning_rate" = {logspace = [-2, -1, 3]}'
    sweep = read_sweep(write(tmp_path, f"{BASE}\n[axes]\n{line}\n"))
    tables = json.loads(json.dumps(sweep_to_tables(sweep)))
    assert tables["axes"] == {"optimizer.learning_rate": [0.01, 10**-1.5, 0.1]}
    assert sweep_to_tables(sweep_from_tables(tables)) == tables
    rates = {"optimizer.learning_rate": np.logspace(-2, -1, 3)}
    assert sweep_to_tables(jaxsup.Sweep(sweep.experiment, rates, sweep.seeds)) == tables


MISTAKES = {
    "a number is missing": (
        '"features.exponent" = {linspace = [1, 2]}',
        r"axes.features.exponent.linspace: expected \[start, stop, count\]; got \[1, 2\]; write",
    ),
    "no list": (
        "steps = {logspace = 3}",
        r"steps.logspace: .*count\]; got 3; write logspace = \[-",
    ),
    "words": (
        '"features.exponent" = {linspace = ["a", 2, 3]}',
        "exponent.linspace: expected a finite number; got 'a'; give numbers",
    ),
    "not finite": ("steps = {linspace = [0, inf, 3]}", "expected a finite number; got inf"),
    "a power that no float holds": (
        '"optimizer.learning_rate" = {logspace = [0, 400, 3]}',
        r"rate.logspace: expected finite values; got \[0, 400, 3\]; choose nearer ends",
    ),
    "zero for geomspace": (
        '"optimizer.learning_rate" = {geomspace = [0, 1, 5]}',
        "rate.geomspace: expected a finite number > 0; got 0; take linspace",
    ),
    "below zero for geomspace": (
        '"optimizer.learning_rate" = {geomspace = [1, -1, 5]}',
        "expected a finite number > 0; got -1; take",
    ),
    "none": (
        "steps = {linspace = [1, 2, 0]}",
        "steps.linspace: expected a positive integer; got 0",
    ),
    "a part of one": ("steps = {linspace = [1, 2, 2.5]}", "a positive integer; got 2.5; give the"),
    "too many": (
        '"features.exponent" = {linspace = [1, 2, 100000000000]}',
        "expected a positive integer of at most 10000000; got 100000000000; give",
    ),
    "a range of parts": (
        '"student.latent" = {range = [1, 2.5]}',
        r"latent.range: expected \[start, stop\] or .*; got \[1, 2.5\]; write range",
    ),
    "a range of one": ("steps = {range = [5]}", r"steps.range: expected .*; got \[5\]; write"),
    "a range without a list": ("steps = {range = 5}", "steps.range: expected .*; got 5; write"),
    "a step of 0": ("steps = {range = [1, 5, 0]}", "a step other than 0; got .*; leave the step"),
    "an empty range": (
        "steps = {range = [5, 1]}",
        r"steps.range: expected 1 to 10000000 values; got \[5, 1\], which holds 0; mind",
    ),
    "a long range": ("steps = {range = [1, 10000000000000]}", "which holds over 10.12; mind"),
    "two rules": (
        '"features.exponent" = {linspace = [1, 2, 3], geomspace = [1, 2, 3]}',
        "exponent: expected one rule for .*; got a table with linspace and geomspace; keep one",
    ),
    "a rule and a key": (
        '"features.exponent" = {linspace = [1, 2, 3], num = 3}',
        "exponent: expected a list of values, or one of linspace, .*; got 'num'; choose one of",
    ),
    "a misspelled rule": (
        '"features.exponent" = {linpsace = [1, 2, 3]}',
        "got 'linpsace'; did you mean 'linspace'?",
    ),
    "a misspelled rule on a joint axis": (
        'setting = {"features.exponent" = {logspaced = [1, 2, 3]}, steps = [1, 2, 3]}',
        "axes.setting.features.exponent: expected .*; got 'logspaced'; did you mean 'logspace'?",
    ),
    "no rule": (
        'setting = {"features.exponent" = {}, steps = [1, 2, 3]}',
        "axes.setting.features.exponent: .*; got a table with no key; keep one",
    ),
    "other lengths on a joint axis": (
        'setting = {"features.exponent" = {linspace = [1, 2, 3]}, steps = [1, 2]}',
        "axes.setting: expected lists of one length",
    ),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_each_mistake_is_one_line(case: str, tmp_path) -> None:
    line, message = MISTAKES[case]
    file = write(tmp_path, f"{BASE}\n[axes]\n{line}\n")
    assert_one_line_error(lambda: read_sweep(file), message)


def test_the_stop_is_not_passed() -> None:
    """Counts of `range` are Python's for every small start, stop and step."""
    for start in range(-3, 4):
        for stop in range(-3, 4):
            for step in (-3, -2, -1, 1, 2, 3):
                expected = list(range(start, stop, step))
                if expected:
                    tables = {"range": [start, stop, step]}
                    values = spaced_values("axes.steps", tables)
                    assert values == expected
                    assert len(values) == math.ceil((stop - start) / step)
