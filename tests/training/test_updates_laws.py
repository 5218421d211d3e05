"""Updates on groups, trees and any frequencies: the right one, its gradient and its errors."""

import jax
import numpy as np
import pytest
from update_cases import (
    LARGE,
    SMALL,
    STUDENTS,
    all_samples,
    assert_errors_are_plain,
    assert_gradient_is_plain,
    assert_gradient_is_the_mean,
    experiment,
    split,
)

import jaxsup
from jaxsup.experiment.experiment import initial_parameters
from jaxsup.experiment.features import GroupedFeatures, HierarchicalFeatures
from jaxsup.training.evaluation import estimated_errors
from jaxsup.training.updates import choose_update, explain_update

pytestmark = pytest.mark.usefixtures("full_precision")

# Law, student, and the update that trains them.
CASES = {
    "pairs": (GroupedFeatures(LARGE, 2, "correlated", 0.01, 0.2), "frozen", "gathered"),
    "exclusive": (GroupedFeatures(LARGE, 4, "anticorrelated", 0.02), "tied", "gathered"),
    "trees": (
        HierarchicalFeatures(0.1, 0.5, branching=3, depth=1, trees=LARGE // 4, exponent=1.0),
        "tied",
        "gathered",
    ),
    "frequencies": (
        jaxsup.SparseFeatures(np.geomspace(0.3, 1e-3, LARGE), "uniform"),
        "frozen",
        "gathered",
    ),
    "few pairs": (GroupedFeatures(SMALL, 2, "correlated", 0.02), "gelu", "listed"),
    "few trees": (
        HierarchicalFeatures(0.1, 0.5, branching=2, depth=1, trees=SMALL // 3),
        "autoencoder",
        "listed",
    ),
}


QUICK = {"pairs", "trees"}


def cases():
    return [
        pytest.param(name, marks=() if name in QUICK else pytest.mark.extended) for name in CASES
    ]


@pytest.mark.parametrize("name", cases())
def test_gradient_and_errors_are_those_of_the_plain_loss(name):
    """JAX differentiates the loss of the same samples in float64; float32's rounding."""
    law, student, kind = CASES[name]
    case = experiment(STUDENTS[student], law.count, features=law)
    update, key = choose_update(case), jax.random.key(5)
    assert update.kind == kind
    parameters = initial_parameters(case, jax.random.key(1))
    learned, frozen = split(case, parameters)
    tables = update.prepare(case, case.batch_size)
    gradient = update.gradient(case, tables, learned, frozen, key)
    assert_gradient_is_plain(gradient, case, all_samples(tables.draw(key)), learned, frozen)
    x = all_samples(tables.draw(jax.random.fold_in(key, 0)))
    assert_errors_are_plain(estimated_errors(case, update, parameters, key), case, x, parameters)


def test_what_is_often_active_is_drawn_densely_and_says_why():
    law = GroupedFeatures(LARGE, 2, "correlated", 0.3)
    case = experiment(STUDENTS["frozen"], LARGE, features=law)
    assert choose_update(case).kind == "dense"
    assert "to be listed a sample" in explain_update(case)["gathered"]


def test_a_subclass_is_drawn_as_it_says():
    class Mine(GroupedFeatures):
        """A law of a user."""

    case = experiment(STUDENTS["frozen"], LARGE, features=Mine(LARGE, 2, "correlated", 0.01))
    assert choose_update(case).kind == "dense"
    assert explain_update(case)["gathered"] == "Mine is known by its samples alone"


@pytest.mark.extended
@pytest.mark.parametrize("relation", ["correlated", "anticorrelated"])
def test_exact_gradients_are_those_of_the_errors_of_many_samples(relation):
    student = jaxsup.Student(3, "untied", core_scale=0.5, bias_scale=0.2, activation="identity")
    law = GroupedFeatures(6, 2, relation, 0.3, 0.5)
    case = experiment(student, 6, features=law, gradient="exact", importance=0.9)
    assert_gradient_is_the_mean(case, choose_update(case))
