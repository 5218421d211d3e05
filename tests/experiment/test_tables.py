"""Sweeps from TOML and back."""

import json
import re
import sys
from typing import Any

import jax
import numpy as np
import pytest
from helpers import assert_one_line_error
from table_cases import BASE, experiment, write

import jaxsup
from jaxsup.experiment.features import GroupedFeatures, HierarchicalFeatures
from jaxsup.experiment.record import Record
from jaxsup.experiment.schedules import (
    ConstantSchedule,
    InverseRootSchedule,
    LinearSchedule,
    StepSchedule,
)
from jaxsup.experiment.tables import experiment_from_table, to_table
from jaxsup.sweep.tables import read_sweep, sweep_from_tables, sweep_to_tables


def toml(value: Any) -> str:
    """A value as TOML; tables inline."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)} = {toml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(toml(v) for v in value) + "]"
    return json.dumps(value)


def assert_same_experiment(result, expected):
    assert jax.tree.structure(result) == jax.tree.structure(expected)
    for leaf, value in zip(jax.tree.leaves(result), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(leaf, value, rtol=1e-7)


PARTS: dict[str, dict[str, Any]] = {
    "power-law": {
        "features": jaxsup.PowerLawFeatures(4, 1.5, 0.5, "sign", normalize=False),
    },
    "gaussian": {"features": jaxsup.GaussianFeatures(4, 2.0, 3.0, normalize=False)},
    "correlated": {"features": jaxsup.CorrelatedFeatures(np.diag([4.0, 3, 2, 1]))},
    "sparse": {"features": jaxsup.SparseFeatures([0.5, 0.25, 1.0, 0.125], "sign")},
    "grouped": {"features": GroupedFeatures(4, 2, "anticorrelated", 0.25, 0.5, "sign")},
    "hierarchical": {"features": HierarchicalFeatures(0.5, 0.25, [-1, 0, 0, 1], exponent=1.0)},
    "trees": {"features": HierarchicalFeatures(0.5, 1.0, branching=1, depth=1, trees=2)},
    "bias mean": {"student": jaxsup.Student(3, bias_mean=-0.1)},
    "hidden noise": {"student": jaxsup.Student(3, hidden_noise=0.1), "training_set": 7},
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
    **{
        schedule.kind: {"optimizer": jaxsup.SGD(0.1, schedule=schedule)}
        for schedule in (
            ConstantSchedule(warmup=3),
            StepSchedule(5, 0.5, warmup=2),
            LinearSchedule(0.1, warmup=4),
            InverseRootSchedule(7.5, warmup=3),
        )
    },
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


@pytest.mark.parametrize(
    ("kind", "text", "match"),
    [
        (
            "own_law:Law",
            "import nowhere_at_all",
            r"put the module on PYTHONPATH \(ModuleNotFound.*\)",
        ),
        ("own_law:Law", "Law = 1 / 0", r"mend it \(ZeroDivisionError: division by zero\)"),
        ("own_law:Law", "def law(:", r"mend it \(SyntaxError: .*\)"),
        (":Law", "", r"mend it \(ValueError: Empty module name\)"),
        ("..own_law:Law", "", r"mend it \(TypeError: .*\)"),
    ],
)
def test_a_module_that_cannot_be_imported_is_a_one_line_error(
    kind, text, match, tmp_path, monkeypatch
):
    (tmp_path / "own_law.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "own_law", raising=False)
    table = {**to_table(experiment()), "features": {"kind": kind}}
    start = rf"^features\.kind: expected a class that can be imported; got '{re.escape(kind)}'; "
    assert_one_line_error(lambda: experiment_from_table(table, imports=True), f"{start}{match}$")
