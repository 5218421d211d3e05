"""Short names of fields: one table, wherever an axis is named; what is stored knows full names."""

from typing import Any

import pytest
from factories import relu_experiment
from helpers import assert_one_line_error
from table_cases import BASE

import jaxsup
from jaxsup._internal.aliases import ALIASES, find_name, resolve_axes, short_name
from jaxsup.experiment.observables import DATASET_NAMES, DIMENSIONS, OBSERVABLE_NAMES
from jaxsup.experiment.tables import SECTIONS
from jaxsup.sweep.amendments import amend_sweep, parse_amendment
from jaxsup.sweep.axes import field_names
from jaxsup.sweep.programs import plan_programs
from jaxsup.sweep.store.schema import Layout
from jaxsup.sweep.tables import parse_toml, sweep_from_tables, sweep_to_tables

FULL = {
    "features.exponent": [1.1, 1.5],
    "wide": {"student.latent": [2, 3], "optimizer.learning_rate": [0.1, 0.2]},
}
SHORT = {"a": [1.1, 1.5], "wide": {"K": [2, 3], "lr": [0.1, 0.2]}}


def test_an_alias_is_one_name_and_no_other() -> None:
    fields: set[str] = set()
    for optimizer in (jaxsup.SGD(0.1, 0.9), jaxsup.AdamW(0.1, weight_decay=0.1)):
        fields |= {*field_names(relu_experiment(optimizer=optimizer))}
    assert {*ALIASES.values()} <= fields | {"superposition_ratio"}
    assert len({*ALIASES.values()}) == len(ALIASES)
    dims = [name for names in jaxsup.Student.parameter_dims.values() for name in names]
    taken = {*DATASET_NAMES, *DIMENSIONS, *OBSERVABLE_NAMES, *dims, *fields}
    assert not taken & {*ALIASES}
    # Sections are tables of TOML: that alone is a word for a field and for what it holds.
    assert {*SECTIONS} & {*ALIASES} == {"activation"}


def test_a_sweep_is_the_same_by_either_names() -> None:
    full, short = (jaxsup.Sweep(relu_experiment(), axes, seeds=2) for axes in (FULL, SHORT))
    assert [axis.name for axis in short.axes] == ["features.exponent", "wide"]
    assert sweep_to_tables(short) == sweep_to_tables(full)
    layouts = [Layout(sweep, plan_programs(sweep, 2)) for sweep in (full, short)]
    assert layouts[0].fingerprint == layouts[1].fingerprint
    assert layouts[0].dataset().identical(layouts[1].dataset())


TOML = """
[axes]
a = [1.5, 2.0]
K = {range = [2, 4]}
[axes.law]
b = [0.0, 0.5]
batch = [8, 16]
"""


def test_files_and_changes_know_aliases() -> None:
    tables = parse_toml((BASE + TOML).encode(), "sweep.toml")
    assert sweep_to_tables(sweep_from_tables(tables))["axes"] == {
        "features.exponent": [1.5, 2.0],
        "student.latent": [2, 3],
        "law": {"teacher.exponent": [0.0, 0.5], "batch_size": [8, 16]},
    }
    changes = [
        "axes.a=[1.25]",
        "axes.student.latent=[4, 5, 6]",
        "axes.law.b=[0.25, 1.0]",
        "lr=0.25",
    ]
    sweep = amend_sweep(tables, [parse_amendment(text) for text in changes])
    assert sweep_to_tables(sweep)["axes"] == {
        "features.exponent": [1.25],
        "student.latent": [4, 5, 6],
        "law": {"teacher.exponent": [0.25, 1.0], "batch_size": [8, 16]},
    }
    assert sweep_to_tables(sweep)["optimizer"]["learning_rate"] == 0.25


def test_a_joint_axis_of_that_name_is_itself() -> None:
    axes = {"K": {"a": [1.1, 1.5], "b": [0.0, 0.5]}}
    resolved = {"K": {"features.exponent": [1.1, 1.5], "teacher.exponent": [0.0, 0.5]}}
    assert resolve_axes(axes) == resolved
    assert find_name("at", "an axis", "K", ["K", "student.latent"]) == "K"
    tables = parse_toml(BASE.encode(), "sweep.toml")
    sweep = amend_sweep(tables, [parse_amendment("axes.K={a=[1.5, 2.0], lr=[0.1, 0.2]}")])
    fields = {"features.exponent": [1.5, 2.0], "optimizer.learning_rate": [0.1, 0.2]}
    assert sweep_to_tables(sweep)["axes"] == {"K": fields}


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        ({"a": [1.0], "features.exponent": [2.0]}, "each field once; got features.exponent also"),
        ({"x": {"lr": [1.0], "optimizer.learning_rate": [2.0]}}, "each field once; got optimizer"),
        ({"a": [1.0], "x": {"a": [1.0]}}, "each field on one axis; got 'features.exponent'"),
        ({"exponent": [1.0]}, r"got 'exponent'; did you mean features.exponent \(a\) or teacher"),
        ({"k": [1]}, r"got 'k'; did you mean student.latent \(K\)"),
        ({"count": [1]}, r"did you mean features.count \(N\)"),
        (
            {"x": {"weight_decay": [0.1]}},
            r"got optimizer.weight_decay \(weight_decay\); did you mean",
        ),
        (
            {"N/K": [1]},
            "got 'superposition_ratio'; 'superposition_ratio' is a dimension of its own",
        ),
    ],
)
def test_names_that_mean_nothing_or_too_much(axes: dict[str, Any], message: str) -> None:
    assert_one_line_error(lambda: jaxsup.Sweep(relu_experiment(), axes), message)


def test_headers_are_aliases() -> None:
    assert [short_name(name) for name in ALIASES.values()] == [*ALIASES]
    assert short_name("record.points") == "points"
