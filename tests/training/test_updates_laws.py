"""Updates on groups, trees and any frequencies: the right one, its gradient and its errors."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from update_cases import LARGE, SMALL, STUDENTS, all_samples, experiment, plain_gradient, split

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
    expected = plain_gradient(case, all_samples(tables.draw(key)), learned, frozen)
    for ours, plain in zip(jax.tree.leaves(gradient), jax.tree.leaves(expected), strict=True):
        assert np.abs(plain).max() > 1e-5
        np.testing.assert_allclose(ours, plain, rtol=0, atol=2e-6 * np.abs(plain).max())
    errors, stderr = estimated_errors(case, update, parameters, key)
    x = all_samples(tables.draw(jax.random.fold_in(key, 0)))
    with jax.enable_x64(True):
        wide = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), parameters)
        outputs = np.asarray(case.student.outputs(wide, jnp.asarray(x)))
        squares = (outputs - np.asarray(case.teacher.targets(jnp.asarray(x)))) ** 2
    np.testing.assert_allclose(errors, squares.mean(axis=0), rtol=1e-5, atol=1e-9)
    losses = 0.5 * squares.sum(axis=1)
    np.testing.assert_allclose(stderr, losses.std(ddof=1) / 200**0.5, rtol=1e-5)


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
    """The mean gradient over 2^18 samples in float64: within 5 standard errors, from 64 batches."""
    student = jaxsup.Student(3, "untied", core_scale=0.5, bias_scale=0.2, activation="identity")
    law = GroupedFeatures(6, 2, relation, 0.3, 0.5)
    case = experiment(student, 6, features=law, gradient="exact", importance=0.9)
    update, key = choose_update(case), jax.random.key(8)
    learned, frozen = split(case, initial_parameters(case, key))
    exact = update.gradient(case, update.prepare(case, 1), learned, frozen, key)
    x = np.asarray(law.sample_batch(key, 2**18), np.float64)
    batches = plain_gradient(case, x.reshape(64, -1, 6), learned, frozen)
    for ours, pieces in zip(*map(jax.tree.leaves, (exact, batches)), strict=True):
        error = np.std(pieces, axis=0, ddof=1) / 8
        assert (np.abs(ours - np.mean(pieces, axis=0)) < 5 * error + 1e-6).all()
        assert error.max() < 0.05 * np.abs(ours).max()
