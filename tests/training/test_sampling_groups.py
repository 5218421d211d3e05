"""Sparse samples of groups, of trees and of any frequencies: every set of active features."""

import dataclasses

import jax
import numpy as np
import pytest
from activity_patterns import SMALL, pattern_probabilities, quick
from scipy import stats

import jaxsup
from jaxsup.experiment.features import GroupedFeatures, HierarchicalFeatures
from jaxsup.training.sampling.arrivals import prepare_sampler
from jaxsup.training.sampling.plan import arrival_rate, plan_sparse, sparse_level, unsuitable_law

LAWS = {
    **SMALL,
    "any frequencies": jaxsup.SparseFeatures([0.3, 0.02, 0.5, 0.1, 0.25, 0.004], "uniform"),
}
BATCH, BATCHES = 250, 200


def draws(law, batch=BATCH, batches=BATCHES, seed=0):
    """x of sparse batches, [samples, features], the empty samples put back."""
    sampler = prepare_sampler(law, plan_sparse(sparse_level(law), batch))
    keys = jax.random.split(jax.random.key(seed), batches)
    x = jax.jit(lambda: jax.lax.map(lambda key: sampler.draw(key).columns(), keys))()
    x = np.moveaxis(np.asarray(x, np.float64), 1, 2)
    missing = np.zeros((batches, batch - x.shape[1], law.count))
    return np.concatenate([x, missing], axis=1).reshape(-1, law.count)


def expected_patterns(law):
    """The probability of each pattern, [2^N]."""
    if not isinstance(law, jaxsup.SparseFeatures):
        return pattern_probabilities(law).ravel()
    chances = np.ones(1)
    for p in np.asarray(law.probabilities, np.float64):
        chances = np.concatenate([chances[:, None] * (1 - p), chances[:, None] * p], axis=1).ravel()
    return chances


def assert_patterns(x, chances):
    """A chi-square test of all patterns, and none that cannot be; 1 of 1e6 fails by chance."""
    codes = (x != 0) @ 2 ** np.arange(x.shape[1])[::-1]
    observed, expected = np.bincount(codes, minlength=chances.size), chances * len(x)
    assert not observed[chances == 0].any()
    often = expected >= 20
    seen, awaited = observed[often], expected[often]
    if not often.all():
        seen, awaited = (
            np.append(seen, len(x) - seen.sum()),
            np.append(awaited, len(x) - awaited.sum()),
        )
    seen, awaited = seen[awaited > 1e-6], awaited[awaited > 1e-6]
    assert seen.size >= 4
    assert stats.chisquare(seen, awaited).pvalue > 1e-6


@pytest.mark.parametrize("name", quick(LAWS))
def test_sparse_samples_have_the_law_of_dense_ones(name):
    """Both against the probability of each set of active features, from the definition."""
    law = LAWS[name]
    x = draws(law)
    assert_patterns(x, expected_patterns(law))
    assert_patterns(np.asarray(law.sample_batch(jax.random.key(1), len(x))), expected_patterns(law))
    values = x[x != 0]
    if law.values == "sign":
        assert set(np.unique(values)) == {-1.0, 1.0}
        assert stats.binomtest(int((values > 0).sum()), values.size).pvalue > 1e-6
    else:
        low, width = {"uniform": (0, 2), "unit": (0, 1), "symmetric": (-1, 2)}[law.values]
        assert stats.kstest((values - low) / width, "uniform").pvalue > 1e-6


@pytest.mark.parametrize(
    "name", ["correlated", pytest.param("ragged trees", marks=pytest.mark.slow)]
)
def test_values_of_features_that_come_together_are_independent(name):
    x = draws(LAWS[name], seed=3)
    first, second = (x[:, pair] for pair in ((0, 1), (0, 2)))
    for both in (first, second):
        active = both[(both != 0).all(axis=1)]
        assert len(active) > 2000
        correlation = float(np.asarray(np.corrcoef(active.T))[0, 1])
        assert abs(correlation) * np.sqrt(len(active)) < stats.norm.isf(0.5e-6)


LARGE = {
    "pairs": GroupedFeatures(64, 2, "correlated", 0.02, 0.5),
    "exclusive": GroupedFeatures(66, 3, "anticorrelated", 0.04, 0.3, "sign"),
    "trees": HierarchicalFeatures(0.1, 0.5, branching=2, depth=2, trees=10, exponent=1.0),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", quick(LARGE))
def test_large_laws_suit_and_are_lists_of_sets(name):
    """Marginals by exact binomial tails; the relation in every sample; no feature listed twice."""
    law = LARGE[name]
    assert unsuitable_law(law, BATCH) is None
    x = draws(law, seed=5)
    active, p = x != 0, np.asarray(law.probabilities, np.float64)
    counts = active.sum(axis=0)
    lower, upper = stats.binom.cdf(counts, len(x), p), stats.binom.sf(counts - 1, len(x), p)
    assert 2 * np.minimum(lower, upper).min() > 1e-6 / law.count
    if isinstance(law, HierarchicalFeatures):
        child = law.ancestry >= 0
        assert not (active[:, child] & ~active[:, law.ancestry[child]]).any()
    else:
        members = active.reshape(len(x), -1, law.size).sum(axis=2)
        most = {"correlated": law.size, "anticorrelated": 1}[law.relation]
        assert set(np.unique(members)) == {0, most}
    batch = prepare_sampler(law, plan_sparse(sparse_level(law), BATCH)).draw(jax.random.key(0))
    row, feature, value, listed = map(
        np.asarray, (batch.row, batch.feature, batch.value, batch.active)
    )
    places = list(zip(row[listed], feature[listed], strict=True))
    assert len(places) == len(set(places)) > 0
    assert (np.diff(row) >= 0).all()
    assert ((value != 0) == listed).all()
    assert 0 <= feature.min() <= feature.max() < law.count


@pytest.mark.extended
def test_the_numbers_do_not_depend_on_the_room():
    law, key = LARGE["trees"], jax.random.key(3)
    level = sparse_level(law)
    few, many = (
        prepare_sampler(law, plan_sparse(some, BATCH)).draw(key) for some in (level, level + 3)
    )
    assert many.value.size > few.value.size
    x, y = np.asarray(few.columns()), np.asarray(many.columns())
    np.testing.assert_array_equal(x, y[:, : few.rows])
    assert not y[:, few.rows :].any()


@pytest.mark.slow
def test_more_arrivals_than_planned_are_no_silent_loss():
    law = LARGE["pairs"]
    busy = dataclasses.replace(law, probability=0.03)
    sampler = prepare_sampler(busy, plan_sparse(sparse_level(law), BATCH))
    assert not np.isfinite(sampler.draw(jax.random.key(0)).value).all()


def test_arrivals_are_of_what_comes_by_itself():
    """L = sum -log(1 - p) over groups, exclusive groups, roots, features."""
    for law, p in (
        (LARGE["pairs"], 0.02 * np.arange(1, 33) ** -0.5),
        (LARGE["exclusive"], 0.12 * np.arange(1, 23) ** -0.3),
        (LARGE["trees"], 0.1 / np.arange(1, 11)),
        (jaxsup.SparseFeatures(np.linspace(0.01, 0.2, 40)), np.linspace(0.01, 0.2, 40)),
    ):
        assert arrival_rate(law) == pytest.approx(-np.log1p(-p).sum(), rel=1e-9)


@pytest.mark.parametrize(
    ("law", "reason"),
    [
        (jaxsup.SparseFeatures(np.append(np.full(40, 0.01), 0.99)), "a feature is active with pro"),
        (jaxsup.SparseFeatures(np.full(40, 0.2)), "8.93 arrivals a sample, more than 5"),
        (GroupedFeatures(64, 2, "anticorrelated", 0.5), "a group is active with probability 1"),
        (
            GroupedFeatures(64, 2, "correlated", 0.2),
            "14.3 features to be listed a sample, 7.14 arrivals of 2 features each, more than 8",
        ),
        (HierarchicalFeatures(0.99, 0.1, branching=63, depth=1), "a tree is active with probabil"),
        (
            HierarchicalFeatures(0.5, 0.01, branching=63, depth=1),
            "44.4 features to be listed a sample, 0.693 arrivals of 64 features each, more than 8",
        ),
        (LAWS["any frequencies"], "not 32 to 65536 features"),
    ],
)
def test_laws_that_do_not_suit_say_why(law, reason):
    assert reason in (unsuitable_law(law, 1) or "")
