"""Sparse samples: exact laws, lists that are sets, room that suffices, numbers of the key alone."""

import dataclasses
import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from jaxsup import (
    CorrelatedFeatures,
    GaussianFeatures,
    OneActiveFeatures,
    PowerLawFeatures,
)
from jaxsup.training.sampling.alias import alias_table
from jaxsup.training.sampling.arrivals import prepare_sampler
from jaxsup.training.sampling.plan import UNLIKELY, plan_sparse, sparse_level, unsuitable_law

LAWS = {
    "a = 1.1": PowerLawFeatures(64, 1.1),
    "a = 2, rare tail": PowerLawFeatures(512, 2.0, values="unit"),
    "dense": PowerLawFeatures(48, 0.7, density=4.0),
    "sparse": PowerLawFeatures(40, 1.5, density=0.2, values="sign"),
    "one dominates": PowerLawFeatures(32, 5.0),
    "alike": PowerLawFeatures(40, 0.0, density=0.1, normalize=False),
    "rising": PowerLawFeatures(33, -0.5, values="symmetric"),
}
BATCH, BATCHES = 250, 400


def plan_of(law, batch=BATCH, more=0):
    assert unsuitable_law(law, batch) is None
    return plan_sparse(sparse_level(law) + more, batch)


def draw(law, key, batch=BATCH, more=0):
    return prepare_sampler(law, plan_of(law, batch, more)).draw(key)


def laws(*names):
    """Laws to be tested, all but two of them in the whole run only."""
    quick = ("a = 1.1", "dense")
    return [
        pytest.param(name, marks=() if name in quick else pytest.mark.extended)
        for name in names or LAWS
    ]


class Samples:
    """x of a law, [features, samples], the empty samples left out by the lists put back."""

    @functools.cache  # noqa: B019 - one object
    def __getitem__(self, name):
        law, seed = LAWS[name], list(LAWS).index(name)
        sampler = prepare_sampler(law, plan_of(law))
        keys = jax.random.split(jax.random.key(seed), BATCHES)
        x = jax.jit(lambda: jax.lax.map(lambda key: sampler.draw(key).columns(), keys))()
        x = np.moveaxis(np.asarray(x), 0, 1)
        missing = np.zeros((law.count, BATCHES, BATCH - x.shape[2]), x.dtype)
        return np.concatenate([x, missing], axis=2).reshape(law.count, -1)


@pytest.fixture(scope="module")
def samples():
    return Samples()


def probabilities(law):
    index = np.arange(1, law.count + 1.0)
    p = index**-law.exponent
    return law.density * (p / p.sum() if law.normalize else p)


@pytest.mark.parametrize("name", laws())
def test_each_feature_is_active_with_its_probability(samples, name):
    """Exact binomial tails, two-sided; one of 1e6 tests fails by chance."""
    x, law = samples[name], LAWS[name]
    active, p = (x != 0).sum(axis=1), probabilities(law)
    trials = x.shape[1]
    tails = np.minimum(stats.binom.cdf(active, trials, p), stats.binom.sf(active - 1, trials, p))
    assert (2 * tails).min() > 1e-6 / law.count


@pytest.mark.parametrize("name", laws())
def test_the_number_of_active_features_has_its_law(samples, name):
    """Sums of independent indicators: the exact law by convolution, a chi-square test."""
    exact = np.ones(1)
    for p in probabilities(LAWS[name]):
        exact = np.convolve(exact, [1 - p, p])
    numbers = (samples[name] != 0).sum(axis=0)
    expected = exact * numbers.size
    last = int(np.argmax(np.cumsum(expected[::-1])[::-1] < 20))
    observed = np.bincount(np.minimum(numbers, last), minlength=last + 1)
    expected = np.append(expected[:last], expected[last:].sum())
    assert stats.chisquare(observed, expected * numbers.size / expected.sum()).pvalue > 1e-6


@pytest.mark.parametrize("name", laws("a = 1.1", "dense", "alike", "rising"))
def test_pairs_of_features_are_independent(samples, name):
    """Standardised covariances are standard normal: none is far off, and their squares sum up."""
    p = probabilities(LAWS[name])
    active = (samples[name] != 0).astype(np.float64) - p[:, None]
    often = p > math.sqrt(20 / samples[name].shape[1])  # every pair is expected 20 times
    deviation = active[often] / np.sqrt(p[often] * (1 - p[often]))[:, None]
    scores = deviation @ deviation.T / math.sqrt(deviation.shape[1])
    pairs = scores[np.triu_indices(len(scores), 1)]
    assert len(pairs) >= 3
    assert np.abs(pairs).max() < stats.norm.isf(0.5e-6 / len(pairs))
    low, high = stats.chi2.ppf([0.5e-6, 1 - 0.5e-6], len(pairs))
    assert low < (pairs**2).sum() < high


@pytest.mark.parametrize("name", laws())
def test_values_have_their_law_whatever_feature_and_neighbors(samples, name):
    x, law = samples[name], LAWS[name]
    values = x[x != 0]
    if law.values == "sign":
        assert set(np.unique(values)) == {-1.0, 1.0}
        assert stats.binomtest(int((values > 0).sum()), values.size).pvalue > 1e-6
        return
    low, width = {"uniform": (0, 2), "unit": (0, 1), "symmetric": (-1, 2)}[law.values]
    for some in (values, x[0][x[0] != 0], x[:, (x != 0).sum(axis=0) > 1][-8:].ravel()):
        shares = (some[some != 0] - low) / width
        assert shares.size < 30 or stats.kstest(shares, "uniform").pvalue > 1e-6


@pytest.mark.parametrize("name", laws("a = 1.1", "dense", "alike"))
def test_samples_and_batches_are_independent(samples, name):
    """Active features of a batch: their number has the mean and the variance of independent draws,
    and that of the next batch does not depend on it. (Samples are in no order of their own.)"""
    p = probabilities(LAWS[name])
    totals = (samples[name] != 0).sum(axis=0).reshape(BATCHES, BATCH).sum(axis=1)
    mean, variance = BATCH * p.sum(), BATCH * (p * (1 - p)).sum()
    assert abs(totals.mean() - mean) < stats.norm.isf(0.5e-6) * math.sqrt(variance / BATCHES)
    low, high = stats.chi2.ppf([0.5e-6, 1 - 0.5e-6], BATCHES)
    assert low < ((totals - mean) ** 2).sum() / variance < high
    score = ((totals[1:] - mean) * (totals[:-1] - mean)).sum() / variance / math.sqrt(BATCHES)
    assert abs(score) < stats.norm.isf(0.5e-6)


@pytest.mark.parametrize("name", laws())
def test_a_list_is_a_set_in_order_of_rows(name):
    """No feature twice in a sample, values where active and only there, nothing out of range."""
    law = LAWS[name]
    sampler = prepare_sampler(law, plan_of(law))
    lists = jax.jit(jax.vmap(lambda key: (sampler.draw(key), sampler.draw(key).columns())))(
        jax.random.split(jax.random.key(0), 20)
    )
    for draw_number in range(20):
        batch, columns = jax.tree.map(lambda leaf, k=draw_number: np.asarray(leaf[k]), lists)
        row, feature, value, active = batch.row, batch.feature, batch.value, batch.active
        places = list(zip(row[active], feature[active], strict=True))
        assert len(places) == len(set(places)) > 0
        assert (np.diff(row[active]) >= 0).all()
        assert ((value != 0) == active).all()
        assert 0 <= row.min() <= row.max() < batch.rows
        assert 0 <= feature.min() <= feature.max() < law.count
        x = np.zeros((law.count, batch.rows), np.float32)
        x[feature[active], row[active]] = value[active]
        np.testing.assert_array_equal(columns, x)


@pytest.mark.extended
def test_the_numbers_do_not_depend_on_the_room():
    """More room, and a larger batch for the samples before it, change nothing that is there."""
    law = LAWS["a = 1.1"]
    key = jax.random.key(3)
    plain, roomy = draw(law, key), draw(law, key, more=5)
    assert roomy.value.size > plain.value.size
    for name in ("feature", "value", "active"):
        few, many = np.asarray(getattr(plain, name)), np.asarray(getattr(roomy, name))
        np.testing.assert_array_equal(few[: plain.active.sum()], many[: plain.active.sum()])
    x, y = np.asarray(plain.columns()), np.asarray(roomy.columns())
    np.testing.assert_array_equal(x[:, : plain.rows], y[:, : plain.rows])
    assert not y[:, plain.rows :].any()


@pytest.mark.slow
def test_more_arrivals_than_planned_are_no_silent_loss():
    busy = dataclasses.replace(LAWS["a = 1.1"], density=1.3)
    sampler = prepare_sampler(busy, plan_of(LAWS["a = 1.1"]))
    assert not np.isfinite(sampler.draw(jax.random.key(0)).value).all()
    assert np.isfinite(draw(busy, jax.random.key(0)).value).all()


@pytest.mark.parametrize("level", [-8, 0, 1, 7])
@pytest.mark.parametrize("batch", [1, 64, 1000, 2**14, 2**20])
def test_the_room_is_the_least_that_suffices(level, batch):
    plan = plan_sparse(level, batch)
    rate, share = 2 ** (level / 4), UNLIKELY / 3
    assert stats.poisson.sf(plan.arrivals, rate * batch) <= share
    assert plan.arrivals == 1 or stats.poisson.sf(plan.arrivals - 1, rate * batch) > share
    assert batch * stats.poisson.sf(plan.deepest, rate) <= share
    assert plan.deepest == 1 or batch * stats.poisson.sf(plan.deepest - 1, rate) > share
    occupied = -math.expm1(-rate)
    assert plan.rows == batch or stats.binom.sf(plan.rows, batch, occupied) <= share
    assert plan.rows == 1 or stats.binom.sf(plan.rows - 1, batch, occupied) > share


SHARES = {
    "power law": np.arange(1, 1001.0) ** -2,
    "equal": np.ones(37),
    "one": np.append(np.full(63, 1e-7), 1.0),
    "rising": np.arange(1, 300.0) ** 1.5,
    "random": np.random.default_rng(0).exponential(size=257) ** 3,
    "two": np.asarray([0.5, 0.5]),
    "single": np.ones(1),
}


@pytest.mark.parametrize("name", SHARES)
def test_the_alias_table_holds_the_shares(name):
    """What the table gives in exact arithmetic is the share, to float32's own rounding of it."""
    shares = SHARES[name] / SHARES[name].sum()
    accepted, alias = alias_table(jnp.asarray(shares, jnp.float32))
    kept = np.asarray(accepted, np.float64) / 2**32
    given = kept / shares.size
    np.add.at(given, np.asarray(alias), (1 - kept) / shares.size)
    np.testing.assert_allclose(given, shares, rtol=1e-4, atol=1e-9)
    np.testing.assert_allclose(given.sum(), 1, rtol=1e-12)


@pytest.mark.usefixtures("x64")
def test_float64_keeps_the_shares_to_a_random_word():
    shares = SHARES["power law"] / SHARES["power law"].sum()
    accepted, alias = alias_table(jnp.asarray(shares))
    kept = np.asarray(accepted, np.float64) / 2**32
    given = kept / shares.size
    np.add.at(given, np.asarray(alias), (1 - kept) / shares.size)
    np.testing.assert_allclose(given, shares, rtol=1e-6, atol=shares.size * 2**-40)


@pytest.mark.parametrize(
    ("law", "reason"),
    [
        (GaussianFeatures(64, 1.5), "gaussian features are not sparse"),
        (OneActiveFeatures(64), "one-active features are not sparse"),
        (CorrelatedFeatures(np.eye(40)), "correlated features are not sparse"),
        (PowerLawFeatures(31, 1.5), "not 32 to 65536 features"),
        (PowerLawFeatures(64, 9.0), "a feature is active with probability 0.998"),
        (PowerLawFeatures(64, 0.0, density=0.2, normalize=False), "14.3 arrivals a sample"),
    ],
)
def test_laws_that_do_not_suit_say_why(law, reason):
    assert reason in (unsuitable_law(law, 1) or "")


def test_places_of_a_batch_are_numbered_in_32_bits():
    assert unsuitable_law(PowerLawFeatures(2**15, 1.5), 2**15) is None
    assert "than 32 bits number" in (unsuitable_law(PowerLawFeatures(2**15, 1.5), 2**16) or "")


def test_a_traced_law_is_not_looked_at():
    reasons = []

    @jax.jit
    def look(exponent):
        reasons.append(unsuitable_law(PowerLawFeatures(64, exponent), 1))
        return exponent

    look(1.5)
    assert "traced" in reasons[0]
