"""`jaxsup list`: names, types and defaults are those that the classes take."""

import json
import subprocess
import sys

import jax
import numpy as np
import pytest
from commands import jaxsup
from helpers import assert_error_form
from table_cases import BASE

import jaxsup as package
from jaxsup.cli.listing import SECTIONS, as_table, settings_of, type_words
from jaxsup.experiment.observables import OBSERVABLE_NAMES
from jaxsup.experiment.tables import object_from_table
from jaxsup.reproduce.registry import FIGURES
from jaxsup.sweep.tables import parse_toml, sweep_from_tables

FIELDS = {
    "features": "features",
    "teachers": "teacher",
    "students": "student",
    "optimizers": "optimizer",
    "activations": "activation",
    "schedules": "schedule",
}
# What is required, for classes that want something.
REQUIRED = {
    "count": 6,
    "size": 2,
    "relation": "correlated",
    "probability": 0.25,
    "conditional": 0.5,
    "exponent": 1.5,
    "probabilities": [0.5, 0.25],
    "covariance": [[1.0, 0.0], [0.0, 1.0]],
    "matrix": [[1.0, 0.0], [0.0, 1.0]],
    "function": "relu",
    "latent": 2,
    "learning_rate": 0.1,
    "weight_decay": 0.0,
    "warmup": 3,
}
# What stands in for settings of which none is required, but one of them.
ALTERNATIVES = {"hierarchical": {"parents": [-1, 0, 0]}}


def listed(*words: str) -> str:
    done = jaxsup("list", *words)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("section", FIELDS)
def test_defaults_written_out_make_what_leaving_them_out_makes(section: str) -> None:
    """What is listed is what the class takes, all of it, with the types that are told."""
    kinds = {"text": str, "true or false": bool, "integer": int, "number": float}
    for item in SECTIONS[section]():
        least = {s.name: REQUIRED[s.name] for s in item.settings if s.required}
        defaults = {
            s.name: s.default for s in item.settings if not s.required and s.default is not None
        }
        least |= ALTERNATIVES.get(item.name, {})
        field, short = FIELDS[section], {"kind": item.name, **least}
        made = object_from_table(field, {**short, **defaults})
        assert jax.tree.structure(made) == jax.tree.structure(object_from_table(field, short))
        for setting in item.settings:
            kind = kinds.get(setting.type)
            if setting.name in defaults and kind is not None:
                assert type(setting.default) is kind, setting
            assert setting.description, (item.name, setting.name)
            assert "\n" not in setting.description
        assert item.description


def test_the_settings_of_an_experiment_are_the_keys_at_the_top_of_a_file() -> None:
    (item,) = SECTIONS["experiment"]()
    defaults = {s.name: s.default for s in item.settings if not s.required}
    del defaults["steps"]
    tables = parse_toml(BASE.encode(), "sweep.toml")
    sweep = sweep_from_tables({**defaults, **tables})
    assert sweep.experiment == sweep_from_tables(tables).experiment
    assert {s.name for s in item.settings if s.required} == {
        "features",
        "teacher",
        "student",
        "optimizer",
    }


def test_observables_say_their_dimensions_and_units() -> None:
    items = {row["name"]: row for row in json.loads(listed("observables", "--json"))}
    assert tuple(items) == OBSERVABLE_NAMES or set(items) == set(OBSERVABLE_NAMES)
    assert items["capacities"]["dims"] == ["feature"]
    assert items["entropy"]["units"] == "nats"
    lines = listed("observables").splitlines()
    assert "  embedding_norm: Frobenius norm of W (1)" in lines
    assert "  eigenvalues [eigenvalue]: eigenvalues of F = W W^T, falling, with multiplicity" in (
        line.rpartition(" (")[0] for line in lines
    )


def test_without_a_section_there_are_the_names_of_all() -> None:
    lines = dict(line.split(": ") for line in listed().splitlines())
    assert set(lines) == set(SECTIONS)
    assert lines["optimizers"] == "sgd, adam, adamw, norm-adamw"
    assert lines["figures"].split(", ") == list(FIGURES)
    everything = json.loads(listed("--json"))
    assert {k: ", ".join(row["name"] for row in rows) for k, rows in everything.items()} == lines


def test_a_list_for_people_has_a_line_a_setting() -> None:
    lines = listed("optimizers").splitlines()
    start = lines.index(
        "  adamw: Adam with decoupled weight decay: theta <- theta - eta (adam step + "
        "weight_decay theta)."
    )
    assert lines[start + 1] == "    learning_rate: number, required. eta >= 0."
    assert lines[start + 3].startswith("    b1: number, default: 0.9. decays of the running means")
    schedule = "    schedule: table, default: left out. factor on the learning rates."
    assert schedule in lines[start:]


def test_what_is_required_has_no_default_for_programs() -> None:
    (sgd, *_) = (as_table(item) for item in SECTIONS["optimizers"]())
    rate, momentum, schedule, _ = sgd["settings"]
    assert "default" not in rate
    assert momentum["default"] == 0.0
    assert schedule["default"] is None


def test_types_in_words() -> None:
    assert type_words(str | package.LeakyReLU) == "text or table"
    assert type_words(np.ndarray) == "list"
    words = {s.name: s.type for s in settings_of(package.Student)}
    assert words["embedding_scale"] == "number"
    assert words["latent"] == "integer"
    (sparse,) = [item for item in SECTIONS["features"]() if item.name == "sparse"]
    assert sparse.settings[0].type == "list of numbers"


def test_a_section_that_is_none_is_one_line() -> None:
    done = jaxsup("list", "optimisers")
    assert done.returncode == 2
    assert "did you mean 'optimizers'?" in done.stderr
    assert_error_form(done.stderr.strip())


def test_figures_are_listed_without_jax() -> None:
    code = (
        "import sys; sys.argv = ['jaxsup', 'list', 'figures']; import jaxsup.cli.main as m; "
        "m.main(); sys.exit('jax' in sys.modules or 'numpy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
