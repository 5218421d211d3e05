"""The law of sparse samples as a device draws them, against exact probabilities.

Every test is two-sided and exact in the number of samples: a right sampler fails one of a million.
"""

from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
from scipy import stats

import jaxsup
from benchmarks.accelerator.journal import Finding, at_least
from benchmarks.accelerator.stages import Surroundings
from jaxsup.training.sampling.arrivals import prepare_sampler
from jaxsup.training.sampling.plan import plan_sparse, sparse_level

LEVEL = 1e-6
"""Probability of a finding that does not hold although all is well."""
LAWS = {
    "64 features, a = 1.1": jaxsup.PowerLawFeatures(64, 1.1),
    "48 features, a = 0.7, four active": jaxsup.PowerLawFeatures(48, 0.7, density=4.0),
    "1024 features, a = 1.5": jaxsup.PowerLawFeatures(1024, 1.5),
}
# Counts of a class below this are joined: the chi-square law holds for large counts.
_LEAST_EXPECTED = 20


def find(surroundings: Surroundings) -> Iterator[Finding]:
    """Counts of each feature, of active features a sample, and the law of the values."""
    batch, batches = (250, 400) if surroundings.small else (1024, 4000)
    for name, law in list(LAWS.items())[: 1 if surroundings.small else None]:
        counts, numbers, values = draw(law, batch, batches)
        samples, p = batch * batches, _probabilities(law)
        yield _judged(f"{name}: each feature", features_chance(counts, p, samples), samples)
        yield _judged(f"{name}: active features", numbers_chance(numbers, p), samples)
        chance = float(stats.kstest(values / 2, "uniform").pvalue)
        yield _judged(f"{name}: values on [0, 2]", chance, values.size)


def _judged(name: str, chance: float, samples: int) -> Finding:
    note = f"probability of a finding like this one, from {samples:,} draws"
    return at_least(name, chance, LEVEL, note=note)


def draw(
    law: jaxsup.PowerLawFeatures, batch: int, batches: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What a device draws.

    Returns:
        How often each feature was active, how often a sample had k active ones, and the values of
        the first batches.
    """
    sampler = prepare_sampler(law, plan_sparse(sparse_level(law), batch))

    @jax.jit
    def count(keys: jax.Array) -> tuple[jax.Array, jax.Array]:
        def one(key: jax.Array) -> tuple[jax.Array, jax.Array]:
            active = sampler.draw(key).columns() != 0
            numbers = jnp.bincount(jnp.sum(active, axis=0), length=law.count + 1)
            empty = batch - active.shape[1]
            return jnp.sum(active, axis=1), numbers.at[0].add(empty)

        counts, numbers = jax.lax.map(one, keys)
        return jnp.sum(counts, axis=0), jnp.sum(numbers, axis=0)

    keys = jax.random.split(jax.random.key(7), batches)
    counts, numbers = map(np.asarray, count(keys))
    few = jax.jit(jax.vmap(lambda key: sampler.draw(key).columns()))(keys[:32])
    values = np.asarray(few, np.float64)
    return counts, numbers, values[values != 0]


def _probabilities(law: jaxsup.PowerLawFeatures) -> np.ndarray:
    weights = np.arange(1, law.count + 1.0) ** -float(law.exponent)
    return float(law.density) * weights / weights.sum()


def features_chance(counts: np.ndarray, p: np.ndarray, samples: int) -> float:
    """The probability that any of all features is as far off, by exact binomial tails."""
    tails = np.minimum(stats.binom.cdf(counts, samples, p), stats.binom.sf(counts - 1, samples, p))
    return float(min(1.0, 2 * tails.min() * len(p)))


def numbers_chance(numbers: np.ndarray, p: np.ndarray) -> float:
    """The chi-square probability of how many samples had k active features, by convolution."""
    exact = np.ones(1)
    for chance in p:
        exact = np.convolve(exact, [1 - chance, chance])
    expected = exact * numbers.sum()
    often = np.cumsum(expected[::-1])[::-1] >= _LEAST_EXPECTED
    last = int(np.sum(often)) - 1
    joined = [np.append(x[:last], x[last:].sum()) for x in (numbers, expected)]
    return float(stats.chisquare(joined[0], joined[1] * numbers.sum() / joined[1].sum()).pvalue)
