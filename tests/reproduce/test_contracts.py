"""Figures of one's own that are none, or give no findings, are told in one line."""

import json
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from factories import relu_experiment
from helpers import assert_one_line_error, untyped

import jaxsup
from jaxsup import plot
from jaxsup.reproduce import AbstractFigure, Findings, reproduce


def figure(**attributes: Any) -> AbstractFigure[Any]:
    """A figure of a tiny sweep with these attributes and methods, without those that are None."""
    own = {
        "name": "own",
        "title": "A figure.",
        "scales": {"smoke": 1},
        "configure": lambda self, scale: jaxsup.Sweep(relu_experiment(steps=scale)),
        "measure": lambda self, dataset, sweep: findings([{"a": 1}]),
        **attributes,
    }
    written = {name: value for name, value in own.items() if value is not None}
    return type("Own", (AbstractFigure,), written)()


def findings(records: Any, text: Any = ("line",)) -> Findings:
    """Findings with these records and lines."""
    return Findings(records, text, plot.new_figure(1)[0], [])


@pytest.mark.parametrize(
    ("attributes", "match"),
    [
        ({"name": None}, r"^Own\.name: expected a word .*; got None; write name = "),
        (
            {"name": "../own"},
            r"^Own\.name: expected a word that files .*; got '\.\./own'",
        ),
        ({"name": "a/b"}, r"^Own\.name: .*; got 'a/b'"),
        ({"title": None}, r"^Own\.title: expected a text; got None"),
        ({"scales": ["smoke"]}, r"^Own\.scales: expected values by name; got \['smoke'\]"),
    ],
)
def test_a_figure_without_its_attributes_is_a_one_line_error(attributes, match, tmp_path):
    out = tmp_path / "out"
    assert_one_line_error(lambda: reproduce(figure(**attributes), "smoke", out), match)
    assert not out.exists()


@untyped
def test_a_class_in_place_of_a_figure_is_a_one_line_error(tmp_path):
    kind: Any = type(figure())
    match = r"^figure: expected a figure; got <class .*; pass a name"
    assert_one_line_error(lambda: reproduce(kind, "smoke", tmp_path / "out"), match)


@untyped
@pytest.mark.parametrize(
    ("measured", "match"),
    [
        (lambda: None, r"^figure own: expected Findings of what was measured; got a NoneType"),
        (
            lambda: findings([], "line"),
            r"^figure own: expected a list of lines .*; got 'line'",
        ),
        (lambda: findings([{"a": object}]), r"^figure own: expected records of numbers and texts"),
    ],
    ids=["nothing", "text", "records"],
)
def test_what_a_figure_measures_is_findings(measured, match, tmp_path):
    own = figure(measure=lambda self, dataset, sweep: measured())
    assert_one_line_error(lambda: reproduce(own, "smoke", tmp_path / "out"), match)
    again = reproduce(figure(), "smoke", tmp_path / "out", resume=True)
    assert again.to_dict()["records"] == [{"a": 1}]


def test_records_may_hold_numbers_of_numpy_and_jax(tmp_path):
    records = [{"a": np.float32(0.5), "b": np.int64(2), "c": np.ones(2), "d": jnp.nan, "e": None}]
    own = figure(measure=lambda self, dataset, sweep: findings(records))
    out = tmp_path / "out"
    out.mkdir()  # an empty folder is as good as none
    reproduce(own, "smoke", out)
    told = json.loads((out / "own.json").read_text())["records"]
    assert told == [{"a": 0.5, "b": 2, "c": [1.0, 1.0], "d": None, "e": None}]
