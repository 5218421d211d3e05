"""Sweeps from TOML and back, and what is said about a file that is wrong."""

import json
from typing import Any

import jax
import numpy as np
import pytest
from helpers import assert_error_form, assert_one_line_error

import jaxsup
from jaxsup.experiment.record import Record
from jaxsup.experiment.tables import experiment_from_table, to_table
from jaxsup.sweep.tables import read_sweep, sweep_from_tables, sweep_to_tables

BASE = """
batch_size = 16
steps = 50
seeds = 3

[features]
kind = "power-law"
count = 32
exponent = 1.5

[teacher]
kind = "diagonal"
exponent = 0.0

[student]
latent = 8

[optimizer]
kind = "sgd"
learning_rate = 0.5
"""


def toml(value: Any) -> str:
    """A value as TOML; tables inline."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)} = {toml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(toml(v) for v in value) + "]"
    return json.dumps(value)


def write(path, text: str):
    file = path / "sweep.toml"
    file.write_text(text, encoding="utf-8")
    return file


def assert_same_experiment(one, other):
    assert jax.tree.structure(one) == jax.tree.structure(other)
    for got, expected in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-7)


def experiment(**changes: Any) -> jaxsup.Experiment:
    settings: dict[str, Any] = {
        "features": jaxsup.PowerLawFeatures(4, 1.5),
        "teacher": jaxsup.DiagonalTeacher(0.25),
        "student": jaxsup.Student(2, activation="identity"),
        "optimizer": jaxsup.SGD(0.5),
        "steps": 20,
    }
    return jaxsup.Experiment(**{**settings, **changes})


PARTS: dict[str, dict[str, Any]] = {
    "power-law": {
        "features": jaxsup.PowerLawFeatures(4, 1.5, 0.5, "sign", normalize=False),
    },
    "gaussian": {"features": jaxsup.GaussianFeatures(4, 2.0, 3.0, normalize=False)},
    "correlated": {"features": jaxsup.CorrelatedFeatures(np.diag([4.0, 3, 2, 1]))},
    "one-active": {"features": jaxsup.OneActiveFeatures(4, 0.5), "gradient": "exact"},
    "one-active ones": {"features": jaxsup.OneActiveFeatures(4, values="one")},
    "matrix": {"teacher": jaxsup.MatrixTeacher(np.arange(16.0).reshape(4, 4))},
    "untied": {
        "student": jaxsup.Student(
            3, "untied", core=False, bias_scale=0.1, embedding_scale=0.3, activation="identity"
        )
    },
    "identity": {"student": jaxsup.Student(4, "identity", core_scale=0, bias=False)},
    "leaky": {"student": jaxsup.Student(4, activation=jaxsup.LeakyReLU(0.2))},
    "gelu": {"student": jaxsup.Student(4, activation="gelu")},
    "hidden layer": {
        "student": jaxsup.HiddenLayerStudent(5, "learned", jaxsup.LeakyReLU(0.1), hidden_bias=True),
        "teacher": jaxsup.ElementwiseTeacher("abs", 0.5),
        "features": jaxsup.PowerLawFeatures(4, 0.0, 0.5, "symmetric", normalize=False),
    },
    "momentum": {"optimizer": jaxsup.SGD(0.1, 0.9)},
    "adam": {"optimizer": jaxsup.Adam(0.1, b1=0.8, schedule=jaxsup.WarmupCosine(5, 0.1))},
    "adamw": {"optimizer": jaxsup.AdamW(0.1, weight_decay=0.01, schedule=jaxsup.WarmupCosine(2))},
    "norm-adamw": {"optimizer": jaxsup.NormAdamW(0.1, weight_decay=-0.5)},
    "bias rate": {"optimizer": jaxsup.SGD(0.1, bias_learning_rate=0.0)},
    "record": {
        "record": Record(
            spacing="linear",
            points=5,
            observables=("core_norm",),
            parameter_steps=(1, 20),
            evaluation_samples=7,
        )
    },
    "record steps": {"record": Record(steps=(1, 5))},
    "importance": {"importance": 0.9, "reduction": "mean", "batch_size": 7},
    "importance weights": {"importance": np.array([1.0, 0.5, 0.25, 0.0])},
}


@pytest.mark.parametrize("case", PARTS)
def test_every_class_survives_toml(case, tmp_path):
    original = experiment(**PARTS[case])
    table = to_table(original)
    assert_same_experiment(experiment_from_table(json.loads(json.dumps(table))), original)
    lines = [f"{key} = {toml(value)}" for key, value in table.items()]
    sweep = read_sweep(write(tmp_path, "\n".join(lines)))
    assert_same_experiment(sweep.experiment, original)
    assert sweep.seeds == (0,)
    assert sweep.shape == ()


def test_a_plain_file_is_read_as_it_says(tmp_path):
    sweep = read_sweep(write(tmp_path, BASE))
    expected = jaxsup.Experiment(
        jaxsup.PowerLawFeatures(32, 1.5),
        jaxsup.DiagonalTeacher(0.0),
        jaxsup.Student(8),
        jaxsup.SGD(0.5),
        batch_size=16,
        steps=50,
    )
    assert_same_experiment(sweep.experiment, expected)
    assert sweep.seeds == (0, 1, 2)


AXES = {
    "quoted": """
[axes]
"features.exponent" = [1.1, 2.0]
"student.latent" = [4, 8, 16]
steps = [10, 20]
""",
    "unquoted": """
[axes]
features.exponent = [1.1, 2.0]
student.latent = [4, 8, 16]
steps = [10, 20]
""",
}


@pytest.mark.parametrize("case", AXES)
def test_axes_may_be_quoted_or_not(case, tmp_path):
    sweep = read_sweep(write(tmp_path, BASE + AXES[case]))
    assert [axis.name for axis in sweep.axes] == ["features.exponent", "student.latent", "steps"]
    assert sweep.shape == (2, 3, 2)
    assert sweep.experiment_at((1, 2, 0)).student.latent == 16


def test_axes_may_be_sections(tmp_path):
    text = BASE + "[axes]\nsteps = [10, 20]\n[axes.student]\nlatent = [4, 8, 16]\n"
    sweep = read_sweep(write(tmp_path, text))
    assert [axis.name for axis in sweep.axes] == ["steps", "student.latent"]


JOINT = {
    "quoted": '"features.exponent" = [1.1, 2.0]\n"teacher.exponent" = [0.0, 0.5]\n',
    "unquoted": "features.exponent = [1.1, 2.0]\nteacher.exponent = [0.0, 0.5]\n",
}


@pytest.mark.parametrize("case", JOINT)
def test_joint_axes_may_be_quoted_or_not(case, tmp_path):
    sweep = read_sweep(write(tmp_path, BASE + "[axes.setting]\n" + JOINT[case]))
    assert [axis.name for axis in sweep.axes] == ["setting"]
    assert set(sweep.axes[0].fields) == {"features.exponent", "teacher.exponent"}
    assert sweep.shape == (2,)


SCHEDULE = BASE + 'schedule = { kind = "warmup-cosine", warmup = 5 }\n'


@pytest.mark.parametrize("key", ['"optimizer.schedule.warmup"', "optimizer.schedule.warmup"])
def test_deep_fields_may_be_quoted_or_not(key, tmp_path):
    sweep = read_sweep(write(tmp_path, SCHEDULE + f"[axes]\n{key} = [5, 10]\n"))
    assert [axis.name for axis in sweep.axes] == ["optimizer.schedule.warmup"]
    optimizer = sweep.experiment_at((1,)).optimizer
    assert isinstance(optimizer, jaxsup.Adam | jaxsup.SGD)
    assert optimizer.schedule == jaxsup.WarmupCosine(10)


def test_objects_are_axes(tmp_path):
    text = BASE + (
        '[axes]\noptimizer = [{ kind = "sgd", learning_rate = 0.1 }, '
        '{ kind = "adam", learning_rate = 0.01 }]\n'
        '[axes.student]\n"latent" = [4, 8]\n'
    )
    sweep = read_sweep(write(tmp_path, text))
    assert isinstance(sweep.experiment_at((1, 0)).optimizer, jaxsup.Adam)
    assert sweep_to_tables(sweep_from_tables(sweep_to_tables(sweep))) == sweep_to_tables(sweep)


def replaced(old: str, new: str) -> str:
    assert old in BASE
    return BASE.replace(old, new)


BAD = {
    "misspelt key": (
        lambda: replaced("batch_size", "batchsize"),
        "experiment: expected a known key; got 'batchsize'; did you mean 'batch_size'",
    ),
    "misspelt axes": (
        lambda: BASE + "[axis]\nsteps = [1]",
        "experiment: expected a known key; got 'axis'; did you mean 'axes'",
    ),
    "misspelt section": (
        lambda: replaced("[optimizer]", "[optimiser]"),
        "experiment: expected a known key; got 'optimiser'; did you mean 'optimizer'",
    ),
    "misspelt inner key": (
        lambda: replaced("learning_rate", "learning_rte"),
        "optimizer: expected a known key; got 'learning_rte'; did you mean 'learning_rate'",
    ),
    "misspelt student": (
        lambda: replaced("latent = 8", "latents = 8"),
        "student: expected a known key; got 'latents'; did you mean 'latent'",
    ),
    "misspelt axis": (
        lambda: BASE + '[axes]\n"feature.exponent" = [1.0]',
        "axes: .*got 'feature.exponent'; did you mean 'features.exponent'",
    ),
    "missing key": (
        lambda: replaced("count = 32\n", ""),
        "features: expected the key 'count'; got a table without it; add count",
    ),
    "missing section": (
        lambda: replaced('[teacher]\nkind = "diagonal"\nexponent = 0.0\n', ""),
        r"experiment: expected the key 'teacher'; got a table without it; add",
    ),
    "no kind": (
        lambda: replaced('kind = "sgd"\n', ""),
        "optimizer.kind: expected one of 'sgd', 'adam', 'adamw', 'norm-adamw'; got a table without",
    ),
    "unknown kind": (
        lambda: replaced('"sgd"', '"adamm"'),
        "optimizer.kind: expected one of .*; got 'adamm'; did you mean 'adam'",
    ),
    "unknown features": (
        lambda: replaced('"power-law"', '"powerlaw"'),
        "features.kind: .*got 'powerlaw'; did you mean 'power-law'",
    ),
    "no table": (
        lambda: replaced("steps = 50", "steps = 50\nrecord = 3"),
        r"record: expected a table; got 3; write a section \[record\]",
    ),
    "axes no table": (
        lambda: replaced("seeds = 3", "seeds = 3\naxes = 3"),
        r"axes: expected a table; got 3; write a section \[axes\]",
    ),
    "size as text": (lambda: replaced("latent = 8", 'latent = "8"'), "student.*: expected "),
    "number as text": (
        lambda: replaced("exponent = 1.5", 'exponent = "x"'),
        "features.*: expected",
    ),
    "broken size": (lambda: replaced("steps = 50", "steps = 50.5"), "(steps|experiment): expected"),
    "seeds as text": (lambda: replaced("seeds = 3", 'seeds = "many"'), "seeds: expected"),
    "broken seeds": (lambda: replaced("seeds = 3", "seeds = 1.5"), "seeds: expected"),
    "list for a number": (
        lambda: replaced("learning_rate = 0.5", "learning_rate = [0.5, 1.0]"),
        "optimizer.*: expected",
    ),
    "density zero": (
        lambda: replaced("exponent = 1.5", "exponent = 1.5\ndensity = 0"),
        "features.density: expected a finite number > 0; got 0; give the expected number",
    ),
    "nan": (
        lambda: replaced("exponent = 1.5", "exponent = nan"),
        "features.exponent: expected a finite number; got nan",
    ),
    "K above N": (
        lambda: replaced("latent = 8", "latent = 33"),
        "student.latent: expected 1 <= K <= N = 32; got 33",
    ),
    "not TOML": (lambda: replaced("steps = 50", "steps = = 50"), r"sweep.toml: expected TOML; got"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_files_are_one_line_errors(case, tmp_path):
    text, match = BAD[case]
    with pytest.raises(ValueError, match=match) as caught:
        read_sweep(write(tmp_path, text()))
    if not isinstance(caught.value.__context__, TypeError):
        # A runtime type checker, as in this test run, explains a wrong type over several lines.
        assert_error_form(str(caught.value))


def test_a_wrong_type_is_a_value_error():
    table = to_table(experiment())
    table["student"]["core"] = [1]
    with pytest.raises(ValueError, match=r"student.*: expected"):
        experiment_from_table(table)


def test_a_file_that_is_not_text_is_refused(tmp_path):
    file = tmp_path / "sweep.toml"
    file.write_bytes(b"\xff\xfe\x00")
    assert_one_line_error(lambda: read_sweep(file), "expected TOML; got")


def test_an_absent_file_is_refused(tmp_path):
    for path in (tmp_path / "absent.toml", tmp_path):
        assert_one_line_error(
            lambda path=path: read_sweep(path),
            "expected a TOML file; got none there; check the",
            FileNotFoundError,
        )
