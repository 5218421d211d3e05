"""`--set KEY=VALUE`: what it changes, in which order, and one line that names the one at fault."""

from typing import Any

import pytest
from helpers import assert_one_line_error
from table_cases import BASE

from jaxsup.sweep.amendments import amend_sweep, parse_amendment
from jaxsup.sweep.grid import Sweep
from jaxsup.sweep.tables import parse_toml, sweep_to_tables

AXES = """
[axes]
"student.latent" = [4, 8]
[axes.law]
"features.exponent" = [1.5, 2.0]
"teacher.exponent" = [0.0, 0.5]
"""


def amended(*texts: str, axes: str = "") -> Sweep:
    tables = parse_toml((BASE + axes).encode(), "sweep.toml")
    return amend_sweep(tables, [parse_amendment(text) for text in texts])


def looked_up(sweep: Sweep, *path: str) -> Any:
    value: Any = sweep_to_tables(sweep)
    for key in path:
        value = value[key]
    return value


CHANGES = {
    "steps=100": (("steps",), 100),
    "experiment.steps = 100": (("steps",), 100),
    "features.exponent=1.75": (("features", "exponent"), 1.75),
    "student.activation=identity": (("student", "activation"), "identity"),
    "student.activation='identity'": (("student", "activation"), "identity"),
    "student.bias=false": (("student", "bias"), False),
    "record.points=7": (("record", "points"), 7),
    "seeds=[3, 1]": (("seeds",), [3, 1]),
    'optimizer={kind="adam", learning_rate=0.5}': (("optimizer", "kind"), "adam"),
    'axes."student.latent"=[2,16]': (("axes", "student.latent"), [2, 16]),
    "axes.student.latent=[2,16]": (("axes", "student.latent"), [2, 16]),
    "axes.student.latent={range=[2, 4]}": (("axes", "student.latent"), [2, 3]),
    'axes.law."teacher.exponent"=[0.25, 0.0]': (("axes", "law", "teacher.exponent"), [0.25, 0.0]),
    "axes.law.teacher.exponent=[0.25, 0.0]": (("axes", "law", "teacher.exponent"), [0.25, 0.0]),
    "axes={}": (("axes",), {}),
}


@pytest.mark.parametrize("text", CHANGES)
def test_a_change_is_that_of_its_key_and_of_no_other(text: str) -> None:
    path, value = CHANGES[text]
    axes = AXES if path[0] == "axes" else ""
    before, after = amended(axes=axes), amended(text, axes=axes)
    assert looked_up(after, *path) == value
    assert looked_up(before, *path) != value
    if len(path) > 1 and text.partition("=")[0] != "optimizer":
        tables, changed = sweep_to_tables(before), sweep_to_tables(after)
        tables[path[0]] = changed[path[0]] = None
        assert tables == changed


def test_the_last_change_counts() -> None:
    assert amended("steps=7", "steps=9", "student.latent=5").experiment.steps == 9


def test_changes_that_are_right_only_together_are_right() -> None:
    sweep = amended("features.count=4", "student.latent=3")
    assert sweep.experiment.features.count == 4


def test_a_file_is_not_changed_by_what_is_read_of_it() -> None:
    tables = parse_toml((BASE + AXES).encode(), "sweep.toml")
    amend_sweep(tables, [parse_amendment("axes.student.latent=[2]")])
    assert tables == parse_toml((BASE + AXES).encode(), "sweep.toml")


MISTAKES = {
    "no value": (["steps"], "^--set steps: expected KEY=VALUE; got 'steps'; write"),
    "nothing after =": (["steps="], "^--set steps=: expected KEY=VALUE; got"),
    "no key": (["=3"], "^--set =3: expected a dotted key of TOML before =; got ''; write"),
    "no key of TOML": (["a b=3"], "^--set a b=3: expected a dotted key of TOML"),
    "two lines": (["a = 1\nb=3"], "^--set .*: expected a value of TOML"),
    "a long value": (
        [f"student.activation={'[' * 200}"],
        r"^--set student.activation=\[{58}\.\.\.: expected a value of TOML after =",
    ),
    "no value of TOML": (["steps=[1,"], r"^--set steps=\[1,: expected a value of TOML after ="),
    "several words": (["student.activation=a b"], "expected a value of TOML after =; got 'a b'"),
    "an unknown key": (
        ["features.exponnet=1.5"],
        "^--set features.exponnet=1.5: features: expected a known key; got 'exponnet'; did you "
        "mean 'exponent'?",
    ),
    "an unknown table": (
        ["featurs.exponent=1.5"],
        "^--set featurs.exponent=1.5: experiment: expected a known key; got 'featurs'; did you "
        "mean 'features'?",
    ),
    "an unknown field of an axis": (
        ['axes."student.latnet"=[2]'],
        "^--set axes.*: axes: expected a field of the experiment; .* mean 'student.latent'?",
    ),
    "a value that is refused": (
        ["steps=9", "student.latent=99", "seeds=2"],
        "^--set student.latent=99: student.latent: expected 1 <= K <= N = 32; got 99",
    ),
    "two that are wrong together": (
        ["steps=0", "student.latent=99"],
        "^--set steps=0: --set student.latent=99: ",
    ),
    "a way through a number": (
        ["steps.more=1"],
        "^--set steps.more=1: expected a table steps; got 50; set steps itself",
    ),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_names_the_change(case: str) -> None:
    texts, message = MISTAKES[case]
    assert_one_line_error(lambda: amended(*texts), message)


def test_a_field_that_an_axis_scans_is_not_set_to_no_effect() -> None:
    message = "^--set features.exponent=3.0: expected a key that no axis scans; got 'features.exp"
    assert_one_line_error(lambda: amended("features.exponent=3.0", axes=AXES), message)
    assert amended("axes={}", "features.exponent=3.0", axes=AXES).experiment.features.count == 32


def test_a_mistake_of_the_file_is_not_that_of_a_change() -> None:
    tables = parse_toml(BASE.replace("latent = 8", "latnet = 8").encode(), "sweep.toml")
    changes = [parse_amendment("steps=3")]
    assert_one_line_error(lambda: amend_sweep(tables, changes), "^student: expected a known key")
