"""The table of how exponents depend on the protocol's numbers."""

import json

import numpy as np
from helpers import assert_one_line_error

from jaxsup.fit import regimes
from jaxsup.fit.stretches.sensitivity import VARIATIONS, format_sensitivity, measure_sensitivity

STEPS = np.unique(np.round(np.geomspace(1, 30_000, 80)))
LOSS = STEPS**-0.3 * (1 + (STEPS / 300) ** 7.0) ** -0.1


def test_every_value_has_the_exponent_of_that_option():
    records = measure_sensitivity(STEPS, LOSS)
    json.dumps(records, allow_nan=False)
    named = [(record["option"], record["value"]) for record in records]
    assert named == [(option, value) for option, values in VARIATIONS.items() for value in values]
    record = next(
        each for each in records if each["option"] == "min_decades" and each["value"] == 1
    )
    last = regimes(STEPS, LOSS, min_decades=1.0).last_before_floor
    assert last is not None
    assert record["exponent"] == last.exponent
    assert (record["low"], record["high"]) == last.interval
    assert (record["first"], record["last"]) == last.window


def test_a_curve_without_law_has_rows_without_numbers():
    records = measure_sensitivity(STEPS, np.ones_like(STEPS), variations={"penalty": (3.0,)})
    assert records[0]["exponent"] is None
    assert records[0]["power_laws"] == 0
    assert "none" in format_sensitivity(records)


def test_the_table_is_aligned():
    text = format_sensitivity(measure_sensitivity(STEPS, LOSS, which="first"))
    lines = text.splitlines()
    assert len(lines) == 1 + sum(map(len, VARIATIONS.values()))
    assert len({len(line) for line in lines}) == 1
    assert all("0.3" in line or "0.29" in line for line in lines[1:])


def test_an_unknown_stretch_is_told():
    assert_one_line_error(
        lambda: measure_sensitivity(STEPS, LOSS, which="last"), "which: expected one of 'first'"
    )
