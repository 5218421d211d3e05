"""The closed-form curve of an experiment is the curve that `simulate` follows."""

import dataclasses
from typing import Any

import jax
import numpy as np
import pytest
from helpers import assert_one_line_error

import jaxsup
from jaxsup import theory
from jaxsup.experiment.features import GroupedFeatures, HierarchicalFeatures

N = 24
STEPS = 400
IDENTITY: dict[str, Any] = {"embedding": "identity", "activation": "identity"}
RANDOM: dict[str, Any] = {"embedding": "random", "activation": "identity", "bias": False}


def correlation(seed: int) -> np.ndarray:
    """A second moment of unit trace that is not diagonal."""
    factor = np.random.default_rng(seed).standard_normal((N, N))
    return factor @ factor.T / np.trace(factor @ factor.T)


class MyFeatures(jaxsup.GaussianFeatures):
    """A law of a user: its kind is inherited, its moments could be anything."""


class MyTeacher(jaxsup.DiagonalTeacher):
    """A teacher of a user, whose gains need not be all there is to it."""


class MyStudent(jaxsup.Student):
    """A student of a user."""


class MySGD(jaxsup.SGD):
    """An optimizer of a user, which may do something else with its rate."""


def experiment(**changes: Any) -> jaxsup.Experiment:
    """A linear student without superposition on Gaussian features, population loss."""
    base = jaxsup.Experiment(
        jaxsup.GaussianFeatures(N, 1.5),
        jaxsup.DiagonalTeacher(0.5),
        jaxsup.Student(N, **IDENTITY, core_scale=0.0, bias=False),
        jaxsup.SGD(0.5),
        steps=STEPS,
        gradient="exact",
    )
    return dataclasses.replace(base, **changes)


CASES: dict[str, dict[str, Any]] = {
    "diagonal": {},
    "random start": {"student": jaxsup.Student(N, **IDENTITY, core_scale=0.3)},
    "sparse features with a bias that moves": {
        "features": jaxsup.PowerLawFeatures(N, 1.1),
        "student": jaxsup.Student(N, **IDENTITY, core_scale=0.1, bias_scale=0.2),
    },
    "sparse features without a bias": {
        "features": jaxsup.PowerLawFeatures(N, 1.1, density=3.0),
        "student": jaxsup.Student(N, **IDENTITY, bias=False),
    },
    "correlated features and a general teacher": {
        "features": jaxsup.CorrelatedFeatures(correlation(0)),
        "teacher": jaxsup.MatrixTeacher(correlation(1)),
    },
    "correlated groups with a bias that moves": {
        "features": GroupedFeatures(N, 3, "correlated", 0.3, 0.5, "uniform"),
        "student": jaxsup.Student(N, **IDENTITY, core_scale=0.1, bias_scale=0.2),
        "optimizer": jaxsup.SGD(0.1),
    },
    "anticorrelated groups, bottleneck": {
        "features": GroupedFeatures(N, 4, "anticorrelated", 0.2, 0.5, "uniform"),
        "student": jaxsup.Student(8, **RANDOM),
        "optimizer": jaxsup.SGD(0.1),
    },
    "trees": {
        "features": HierarchicalFeatures(
            0.6, 0.4, branching=2, depth=2, trees=4, exponent=0.5, values="uniform"
        ),
        "teacher": jaxsup.DiagonalTeacher(0.5),
        "student": jaxsup.Student(28, **IDENTITY, bias=False),
        "optimizer": jaxsup.SGD(0.1),
    },
    "any frequencies": {
        "features": jaxsup.SparseFeatures(np.linspace(0.05, 0.9, N), "symmetric"),
        "student": jaxsup.Student(N, **IDENTITY, core_scale=0.0, bias=False),
    },
    "sum": {"reduction": "sum"},
    "mean": {"reduction": "mean"},
    "bottleneck": {"student": jaxsup.Student(8, **RANDOM, core_scale=0.2)},
    "bottleneck on sparse features, general teacher": {
        "features": jaxsup.PowerLawFeatures(N, 2.0),
        "teacher": jaxsup.MatrixTeacher(correlation(1)),
        "student": jaxsup.Student(8, **RANDOM),
        "optimizer": jaxsup.SGD(0.1),
    },
    "bottleneck, bias at rest": {
        "features": jaxsup.PowerLawFeatures(N, 1.5, values="sign"),
        "student": jaxsup.Student(8, embedding="random", activation="identity"),
        "optimizer": jaxsup.SGD(0.1),
    },
}


# One case with a diagonal core, one with a bottleneck, one with a second moment of its own.
QUICK = {"diagonal", "bottleneck, bias at rest", "trees"}


@pytest.mark.parametrize(
    "name",
    [name if name in QUICK else pytest.param(name, marks=pytest.mark.extended) for name in CASES],
)
def test_simulation_follows_the_closed_form(x64: None, name: str) -> None:
    trained = experiment(**CASES[name])
    key = jax.random.key(3)
    run = jaxsup.simulate(trained, key)
    exact = theory.loss_curve(trained, run.steps, key=key)
    np.testing.assert_allclose(run.loss, exact, rtol=1e-6)
    assert exact[-1] < 0.9 * exact[0]


def test_flow_is_the_limit_of_small_steps(x64: None) -> None:
    slow = experiment(optimizer=jaxsup.SGD(1e-3))
    discrete = theory.loss_curve(slow, [0, 1000, 4000])
    flow = theory.loss_curve(slow, [0, 1000, 4000], dynamics="flow")
    np.testing.assert_allclose(discrete, flow, rtol=1e-2)
    assert discrete[1] != flow[1]


def test_without_a_key_the_start_is_zero(x64: None) -> None:
    started = experiment(student=jaxsup.Student(N, **IDENTITY, core_scale=0.3, bias=False))
    at_zero = theory.loss_curve(started, [0, 10])
    np.testing.assert_allclose(at_zero, theory.loss_curve(experiment(), [0, 10]), rtol=1e-12)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"student": jaxsup.Student(N, "identity")},
            "got a student with the activation ReLU; set activation='identity'",
        ),
        ({"student": jaxsup.Student(8, "learned", activation="identity")}, "got a learned"),
        (
            {"student": jaxsup.Student(8, core=False, activation="identity")},
            "got a student without a core",
        ),
        ({"optimizer": jaxsup.SGD(0.1, momentum=0.9)}, "one rate, without momentum and schedule"),
        ({"optimizer": jaxsup.SGD(0.1, bias_learning_rate=0.2)}, "use SGD with one rate"),
        (
            {"optimizer": jaxsup.SGD(0.1, schedule=jaxsup.WarmupCosine(5))},
            "without momentum",
        ),
        ({"optimizer": jaxsup.Adam(0.1)}, "use SGD"),
        ({"importance": 0.9}, "leave the importance at 1"),
        ({"importance": np.ones(N)}, "leave the importance at 1"),
        (
            {"features": MyFeatures(N, 1.5)},
            "got features of type MyFeatures; use PowerLawFeatures or SparseFeatures or Gaussian",
        ),
        (
            {"teacher": MyTeacher(0.5)},
            "got a teacher of type MyTeacher; use DiagonalTeacher or MatrixTeacher",
        ),
        (
            {"student": MyStudent(N, **IDENTITY)},
            "got a student of type MyStudent; use Student itself",
        ),
        ({"optimizer": MySGD(0.1)}, "use SGD with one rate"),  # pyright: ignore
        (
            {"student": jaxsup.Student(8, **RANDOM)},
            "key: expected a key, since W is random; got None; pass the key that simulate gets",
        ),
    ],
)
def test_what_has_no_closed_form_is_refused(changes: dict[str, Any], message: str) -> None:
    sampled = experiment(**{"gradient": "sampled", **changes})
    assert_one_line_error(lambda: theory.loss_curve(sampled, [0, 1]), message)


def test_a_bottleneck_with_a_bias_that_moves_is_refused() -> None:
    moving = experiment(
        features=jaxsup.PowerLawFeatures(N, 1.5), student=jaxsup.Student(8, activation="identity")
    )
    assert_one_line_error(
        lambda: theory.loss_curve(moving, [0, 1], key=jax.random.key(0)),
        "a bottleneck with a bias that moves",
    )
