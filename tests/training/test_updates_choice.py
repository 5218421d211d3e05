"""The choice among the updates, and its reasons."""

import jax
import numpy as np
import pytest
from factories import relu_experiment
from helpers import assert_one_line_error, untyped
from update_cases import LARGE, SMALL, STUDENTS, experiment

import jaxsup
from jaxsup.experiment.activations import ACTIVATIONS
from jaxsup.training.updates import Dense, Gathered, Listed, choose_update, explain_update


def test_the_choice_and_its_reasons():
    frozen = STUDENTS["frozen"]
    small, large = experiment(frozen, SMALL), experiment(frozen, LARGE)
    assert isinstance(choose_update(small), Listed)
    assert isinstance(choose_update(large), Gathered)
    assert "at most 1.19 arrivals" in choose_update(small).describe()
    assert "gathered from columns" in choose_update(large).describe()
    exact = "gradients are sampled"
    assert explain_update(small) == {
        "tied": exact,
        "population": exact,
        "finite-set": "samples are fresh",
        "gathered": "fewer than 128 features",
        "listed": "",
        "dense": "",
    }

    def reason(kind, **changes):
        changed = experiment(**{"student": frozen, "count": LARGE, **changes})
        return explain_update(changed)[kind]

    matrix = jaxsup.MatrixTeacher(np.eye(LARGE))
    assert reason("gathered", teacher=matrix) == "the teacher is not diagonal"
    elementwise = jaxsup.ElementwiseTeacher("relu")
    assert (
        reason("listed", teacher=elementwise) == "ElementwiseTeacher is known by its targets alone"
    )
    for kind in ("gathered", "listed", "dense"):
        assert reason(kind, training_set=9) == "samples are of a training set"
    assert reason("listed", sampling="dense") == "dense samples were asked for"
    gaussian = jaxsup.GaussianFeatures(LARGE, 1.5)
    assert "gaussian features are not sparse" in reason("listed", features=gaussian)
    assert reason("gathered", student=STUDENTS["gelu"]) == "phi phi' is not phi for gelu"
    assert reason("listed", student=jaxsup.HiddenLayerStudent(12)).startswith("HiddenLayerStudent")
    bias_alone = jaxsup.Student(LARGE, "identity", core=False)
    assert reason("gathered", student=bias_alone) == "neither W nor B"
    linear = {"student": STUDENTS["frozen, linear"], "gradient": "exact"}
    assert reason("tied", **linear) == "not a ReLU student on one active feature"
    assert reason("dense", **linear) == "gradients are exact"
    assert choose_update(experiment(count=LARGE, **linear)).evaluation == "linear"


@pytest.mark.parametrize(("count", "most"), [(64, 8), (128, 8), (256, 16), (1024, 32)])
def test_lists_are_drawn_up_to_a_share_of_the_features(count: int, most: int) -> None:
    for rate, reason in ((0.99 * most, ""), (1.01 * most, f"arrivals a sample, more than {most}")):
        law = jaxsup.SparseFeatures(np.full(count, -np.expm1(-rate / count)))
        found = explain_update(relu_experiment(jaxsup.Student(8), features=law))["listed"]
        assert found.endswith(reason)
        assert bool(found) == bool(reason)


@pytest.mark.parametrize(
    "features", [jaxsup.GaussianFeatures(64, 1.5), jaxsup.PowerLawFeatures(64, 1.5, density=50)]
)
def test_sparse_samples_of_a_law_that_does_not_suit_are_refused(features):
    case = experiment(STUDENTS["frozen"], 64, features=features, sampling="sparse")
    refusal = r"sampling: expected 'auto' or 'dense'; got an experiment that does not suit it: "
    for start in (choose_update, jaxsup.Sweep, lambda e: jaxsup.simulate(e, jax.random.key(0))):
        with pytest.raises(ValueError, match=refusal):
            start(case)
    with pytest.raises(ValueError, match=r"sampling: expected one of"):
        experiment(STUDENTS["frozen"], 64, features=features, sampling="none")


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_each_update_takes_the_activations_it_is_proven_for_and_refuses_others_by_name(name):
    """`test_updates` holds each accepted pair to automatic differentiation in float64."""
    student = jaxsup.Student(12, activation=name)
    reasons = explain_update(experiment(student, LARGE))
    assert reasons["listed"] == ""
    gated = student.activation.gate is not None
    assert reasons["gathered"] == ("" if gated else f"phi phi' is not phi for {name}")
    law = jaxsup.OneActiveFeatures(LARGE)
    exact = jaxsup.Experiment(law, jaxsup.DiagonalTeacher(0.0), student, jaxsup.SGD(0.1))
    assert exact.closed_form == {"identity": "linear", "relu": "one-active"}.get(name)


def test_simulate_takes_no_update_of_another_experiment():
    """A ReLU student is not trained, nor recorded, by the closed form of a linear one."""
    gaussian, law = jaxsup.GaussianFeatures(6, 1.0), jaxsup.PowerLawFeatures(256, 1.5)
    teacher, sgd, key = jaxsup.DiagonalTeacher(0.0), jaxsup.SGD(0.1), jax.random.key(0)
    relu = jaxsup.Experiment(gaussian, teacher, jaxsup.Student(3), sgd, steps=2)
    linear = jaxsup.Experiment(
        gaussian, teacher, jaxsup.Student(3, activation="identity"), sgd, steps=2, gradient="exact"
    )
    for update, reason in (
        (choose_update(linear), "'population', though gradients are sampled"),
        (Dense("linear"), "'dense', though the loss has not the linear closed form"),
    ):
        assert_one_line_error(lambda u=update: jaxsup.simulate(relu, key, u), reason)
    assert jaxsup.simulate(relu, key, Dense(None)).loss.size == 3
    # What is known outside of a trace may be handed in.
    sparse = jaxsup.Experiment(law, teacher, jaxsup.Student(8), sgd, steps=1)
    update = choose_update(sparse)
    assert update.kind == "gathered"

    def run(exponent):
        scanned = jaxsup.PowerLawFeatures(256, exponent)
        return jaxsup.simulate(
            jaxsup.Experiment(scanned, teacher, jaxsup.Student(8), sgd, steps=1), key, update
        )

    assert np.isfinite(jax.vmap(run)(np.asarray([1.5, 1.6], np.float32)).loss).all()


@untyped
def test_the_name_of_an_update_is_none():
    relu, update = relu_experiment(), "dense"
    match = "update: expected an update; got 'dense'; leave it out"
    run = lambda: jaxsup.simulate(relu, jax.random.key(0), update)  # noqa: E731 # pyright: ignore[reportArgumentType]
    assert_one_line_error(run, match)
