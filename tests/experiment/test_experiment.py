"""An experiment names its closed form and refuses what does not fit together."""

from typing import Any

import numpy as np
import optax
import optax.contrib
import pytest
from factories import relu_experiment
from helpers import assert_one_line_error, untyped

import jaxsup

LINEAR = jaxsup.Student(3, activation="identity")
BAD = {
    "batch": (
        lambda: relu_experiment(batch_size=0),
        "^batch_size: expected a positive integer; got 0",
    ),
    "steps": (lambda: relu_experiment(steps=0), "^steps: expected a positive integer; got 0"),
    "steps negative": (lambda: relu_experiment(steps=-5), "^steps: .*got -5"),
    "gradient": (
        lambda: relu_experiment(gradient="exakt"),
        "gradient: .*'exakt'; did you mean 'exact'",
    ),
    "reduction": (
        lambda: relu_experiment(reduction="half-sum"),
        "reduction: .*got 'half-sum'; did you mean 'half_sum'",
    ),
    "importance negative": (
        lambda: relu_experiment(importance=-0.1),
        "importance: expected a finite number >= 0; got -0.1; give weights >= 0",
    ),
    "importance nan": (lambda: relu_experiment(importance=float("nan")), "importance: .*got nan"),
    "importance of another shape": (
        lambda: relu_experiment(importance=np.ones(5)),
        r"importance: expected a number or 6 weights; got a shape \(5,\)",
    ),
    "an optax transformation of losses": (
        lambda: relu_experiment(optimizer=optax.contrib.reduce_on_plateau()),
        "optimizer: expected an optax transformation of gradients and parameters; got one with",
    ),
    "K above N": (
        lambda: relu_experiment(jaxsup.Student(7)),
        "student.latent: expected 1 <= K <= N = 6; got 7; shrink K or add features",
    ),
    "identity with K below N": (
        lambda: relu_experiment(jaxsup.Student(3, "identity")),
        "student.latent: expected K = N = 6 with the identity embedding; got 3; set latent=6",
    ),
    "matrix of another size": (
        lambda: relu_experiment(teacher=jaxsup.MatrixTeacher(np.eye(5))),
        r"teacher.matrix: expected a 6 x 6 matrix; got a shape \(5, 5\); match the features",
    ),
    "no closed form": (
        lambda: relu_experiment(gradient="exact"),
        "gradient: expected 'sampled', as the expected loss .* no closed form; got 'exact'; use a",
    ),
    "no closed form with a matrix": (
        lambda: relu_experiment(
            features=jaxsup.OneActiveFeatures(6),
            teacher=jaxsup.MatrixTeacher(np.eye(6)),
            gradient="exact",
        ),
        "gradient: .*OneActiveFeatures with a DiagonalTeacher",
    ),
    "warm-up as long as the run": (
        lambda: relu_experiment(optimizer=jaxsup.SGD(0.1, schedule=jaxsup.WarmupCosine(6))),
        "optimizer.schedule.warmup: expected less than steps = 6; got 6; shorten the warm-up",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_a_one_line_error(case):
    assert_one_line_error(*BAD[case])


UNTYPED: dict[str, tuple[dict[str, Any], str]] = {
    "no features": (
        {"features": 6},
        "features: expected an AbstractFeatures; got 6; write jaxsup.PowerLawFeatures",
    ),
    "a name for an optimizer": (
        {"optimizer": "adam"},
        r"optimizer: expected an optimizer; got 'adam'; write jaxsup.SGD",
    ),
    "a name for a student": (
        {"student": "relu"},
        "student: expected an AbstractStudent; got 'relu'",
    ),
    "a name for a teacher": ({"teacher": 0.5}, "teacher: expected an AbstractTeacher; got 0.5"),
    "a name for a record": ({"record": 5}, "record: expected a Record; got 5; write jaxsup.Record"),
}


@untyped
@pytest.mark.parametrize("case", UNTYPED)
def test_bad_types_are_a_one_line_error(case):
    arguments, match = UNTYPED[case]
    assert_one_line_error(lambda: relu_experiment(**arguments), match)


def test_closed_forms_are_named():
    assert relu_experiment().closed_form is None
    assert relu_experiment(LINEAR).closed_form == "linear"
    one_active = relu_experiment(features=jaxsup.OneActiveFeatures(6))
    assert one_active.closed_form == "one-active"
