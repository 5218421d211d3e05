"""Groups and trees of features: what is active with what, exact moments, and what is refused."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from activity_patterns import SMALL, enumerated_moments, pattern_probabilities, quick
from feature_laws import VALUE_MOMENTS, moments_of
from helpers import assert_one_line_error

import jaxsup
from jaxsup.experiment.features import GroupedFeatures, HierarchicalFeatures
from jaxsup.experiment.features.hierarchy import jumps_to_ancestors

MOMENTS = {**VALUE_MOMENTS, "symmetric": (0.0, 1 / 3)}


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("name", SMALL)
def test_moments_equal_an_enumeration_of_active_sets(name):
    law = SMALL[name]
    mean, C = enumerated_moments(law, *MOMENTS[law.values])
    moments = moments_of(law)
    np.testing.assert_allclose(moments.mean, mean, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(moments.second_moment(), C, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(moments.covariance(), C - np.outer(mean, mean), atol=1e-15)
    D = np.random.default_rng(0).normal(size=(4, 6))
    quadratics = moments.row_quadratics(jnp.asarray(D))
    np.testing.assert_allclose(quadratics, np.diagonal(D @ C @ D.T), rtol=1e-12)
    chances = pattern_probabilities(law)
    for feature, p in enumerate(np.asarray(law.probabilities)):
        assert chances.take(1, feature).sum() == pytest.approx(float(p), rel=1e-12)


@pytest.mark.parametrize("name", quick(SMALL))
def test_samples_have_the_exact_moments(name):
    """Every entry within 5 standard errors of 2^16 samples."""
    law, batch = SMALL[name], 2**16
    x = np.asarray(law.sample_batch(jax.random.key(3), batch), np.float64)
    products = x[:, :, None] * x[:, None, :]
    mean, C = enumerated_moments(law, *MOMENTS[law.values])
    for draws, expected in ((x, mean), (products, C)):
        error = draws.std(axis=0) / np.sqrt(batch)
        assert (np.abs(draws.mean(axis=0) - expected) <= 5 * error + 1e-12).all()
    # Tight enough to tell the relations apart.
    off = products[:, 0, 1].std() / np.sqrt(batch)
    assert 5 * off < 0.2 * max(C[0, 0], C[1, 1])


def test_levels_of_trees_are_numbered_one_after_the_other():
    law = HierarchicalFeatures(0.5, 0.5, branching=3, depth=2, trees=2)
    parents = [-1] * 2 + [0] * 3 + [1] * 3 + [k for k in range(2, 8) for _ in range(3)]
    assert law.count == len(parents) == 26
    assert law.ancestry.tolist() == parents
    np.testing.assert_allclose(law.probabilities, 0.5 ** np.repeat([1.0, 2, 3], [2, 6, 18]))
    chain = HierarchicalFeatures(0.5, 0.9, branching=1, depth=6)
    np.testing.assert_allclose(chain.probabilities, 0.5 * 0.9 ** np.arange(7.0), rtol=1e-6)


def test_jumps_reach_all_ancestors():
    """Products along paths of a random tree, against a walk up each of them."""
    random = np.random.default_rng(1)
    ancestry = np.asarray([random.integers(-1, k) if k else -1 for k in range(60)], np.int32)
    own = random.uniform(0.5, 1, 60)
    product = own
    for jump in jumps_to_ancestors(ancestry):
        product = product * np.append(product, 1.0)[jump]
    for feature in range(60):
        walked, at = 1.0, feature
        while at >= 0:
            walked, at = walked * own[at], int(ancestry[at])
        assert product[feature] == pytest.approx(walked, rel=1e-12)


@pytest.mark.parametrize("name", quick(["correlated pairs", "anticorrelated", "certain children"]))
def test_traced_numbers_equal_eager_ones(name):
    law, key = SMALL[name], jax.random.key(10)

    @jax.jit
    @jax.vmap
    def together(probability):
        traced = dataclasses.replace(law, probability=probability)
        return traced.sample_batch(key, 32), moments_of(traced).second_moment()

    numbers = jnp.asarray([0.1, 0.2])
    drawn, C = together(numbers)
    for row, probability in enumerate(numbers.tolist()):
        alone = dataclasses.replace(law, probability=probability)
        np.testing.assert_allclose(drawn[row], alone.sample_batch(key, 32), rtol=2e-6)
        np.testing.assert_allclose(C[row], moments_of(alone).second_moment(), rtol=2e-6, atol=1e-8)


def grouped(**changes):
    settings = {"count": 6, "size": 2, "relation": "correlated", "probability": 0.2}
    return GroupedFeatures(**{**settings, **changes})


BAD = {
    "no whole groups": (
        lambda: grouped(count=7),
        "features.count: expected a multiple of features.size; got 7 of 2 a group; take a number",
    ),
    "size": (lambda: grouped(size=0), "features.size: expected a positive integer; got 0"),
    "large size": (lambda: grouped(size=2**17), "features.size: .*integer of at most 65536"),
    "relation": (
        lambda: grouped(relation="anti"),
        "features.relation: expected one of 'correlated', 'anticorrelated', 'independent'; got",
    ),
    "probability": (
        lambda: grouped(probability=1.5),
        "features.probability: expected a finite number <= 1; got 1.5; give the probability",
    ),
    "probability of anticorrelated features": (
        lambda: grouped(relation="anticorrelated", probability=0.6),
        "features.probability: expected a finite number <= 0.5; got 0.6; .*at most 1 / features.si",
    ),
    "no probability": (
        lambda: grouped(probability=0.0),
        "features.probability: expected a finite number > 0; got 0.0",
    ),
    "exponent": (lambda: grouped(exponent=np.inf), "features.exponent: expected a finite number"),
    "values": (lambda: grouped(values="unitt"), "features.values: .*did you mean 'unit'"),
    "two forms of trees": (
        lambda: HierarchicalFeatures(0.5, 0.5, [-1, 0], branching=2),
        "features.parents: expected trees once; got branching, depth or trees beside it; give",
    ),
    "no trees": (
        lambda: HierarchicalFeatures(0.5, 0.5),
        "features.branching: expected a positive integer; got None; give parents, or branching",
    ),
    "no depth": (
        lambda: HierarchicalFeatures(0.5, 0.5, branching=2),
        "features.depth: expected a positive integer; got None",
    ),
    "deep trees": (
        lambda: HierarchicalFeatures(0.5, 0.5, branching=10, depth=9),
        "features.depth: expected trees of at most 16777216 features; got more of them",
    ),
    "a circle": (
        lambda: HierarchicalFeatures(0.5, 0.5, [1, 0]),
        "features.parents: expected the position of an earlier feature, or -1; got 1 at 0; number",
    ),
    "half a parent": (
        lambda: HierarchicalFeatures(0.5, 0.5, [-1, 0.5]),
        "features.parents: .*got 0.5 at 1",
    ),
    "a matrix of parents": (
        lambda: HierarchicalFeatures(0.5, 0.5, [[-1]]),
        r"features.parents: expected a list; got a shape \(1, 1\)",
    ),
    "no features": (
        lambda: HierarchicalFeatures(0.5, 0.5, []),
        "features.count: expected a positive integer; got 0",
    ),
    "conditional": (
        lambda: HierarchicalFeatures(0.5, 1.1, [-1]),
        "features.conditional: expected a finite number <= 1; got 1.1",
    ),
    "gradients": (
        lambda: jaxsup.Experiment(
            grouped(),
            jaxsup.DiagonalTeacher(0.0),
            jaxsup.Student(2),
            jaxsup.SGD(0.1),
            gradient="exact",
        ),
        "gradient: expected 'sampled', as the expected loss of this student has no closed form",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_a_one_line_error(case):
    assert_one_line_error(*BAD[case])
