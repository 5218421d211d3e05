"""Small laws of groups and trees, and the probability of every set of active features of each."""

import itertools
from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest

from jaxsup.experiment.features import AbstractFeatures, GroupedFeatures, HierarchicalFeatures

SMALL = {
    "correlated": GroupedFeatures(6, 3, "correlated", 0.3, 0.5, "uniform"),
    "correlated pairs": GroupedFeatures(6, 2, "correlated", 0.2, values="sign"),
    "anticorrelated": GroupedFeatures(6, 3, "anticorrelated", 0.25, 0.7),
    "anticorrelated pairs": GroupedFeatures(6, 2, "anticorrelated", 0.2, values="uniform"),
    "independent": GroupedFeatures(6, 2, "independent", 0.4, 0.5),
    "alone": GroupedFeatures(6, 1, "anticorrelated", 0.4, 0.5),
    "trees": HierarchicalFeatures(0.4, 0.6, branching=2, depth=1, trees=2, exponent=0.5),
    "ragged trees": HierarchicalFeatures(
        0.5, 0.7, [-1, 0, 0, -1, 2, 4], exponent=0.5, values="uniform"
    ),
    "certain children": HierarchicalFeatures(0.3, 1.0, [-1, -1, 0, 2, 1, 1], values="symmetric"),
}
# Those of the default run; all are in the whole one.
QUICK = ("correlated", "anticorrelated", "ragged trees", "any frequencies", "trees")


def quick(names: Iterable[str]) -> list[Any]:
    """Cases of a test, those that are not `QUICK` marked as extended."""
    return [
        pytest.param(name, marks=() if name in QUICK else pytest.mark.extended) for name in names
    ]


def pattern_probabilities(law: AbstractFeatures) -> np.ndarray:
    """The probability of each pattern of activity, [2] * N, by the definition of the law."""
    chances = np.zeros([2] * law.count)
    for pattern in itertools.product((0, 1), repeat=law.count):
        chance = _grouped if isinstance(law, GroupedFeatures) else _hierarchical
        chances[pattern] = chance(law, pattern)
    return chances


def _grouped(law, pattern) -> float:
    chance = 1.0
    for number, members in enumerate(np.reshape(pattern, (-1, law.size)), 1):
        p, active = law.probability * number**-law.exponent, int(members.sum())
        if law.relation == "correlated":
            chance *= {0: 1 - p, law.size: p}.get(active, 0.0)
        elif law.relation == "anticorrelated":
            chance *= {0: 1 - law.size * p, 1: p}.get(active, 0.0)
        else:
            chance *= p**active * (1 - p) ** (law.size - active)
    return chance


def _hierarchical(law, pattern) -> float:
    parents = law.parents or {(2, 1, 2): (-1, -1, 0, 0, 1, 1)}[law.branching, law.depth, law.trees]
    chance, roots = 1.0, 0
    for feature, parent in enumerate(parents):
        if parent < 0:
            roots += 1
            p = law.probability * roots**-law.exponent
        else:
            p = law.conditional if pattern[parent] else 0.0
        chance *= p if pattern[feature] else 1 - p
    return chance


def enumerated_moments(
    law: AbstractFeatures, first: float, second: float
) -> tuple[np.ndarray, np.ndarray]:
    """E[x] and E[x x^T] as sums over all patterns; E[v] and E[v^2] of the values given."""
    mean, C = np.zeros(law.count), np.zeros((law.count, law.count))
    chances = pattern_probabilities(law)
    for pattern in np.ndindex(*chances.shape):
        u = np.asarray(pattern, float)
        products = np.outer(u, u) * first**2
        np.fill_diagonal(products, u * second)
        mean += chances[pattern] * u * first
        C += chances[pattern] * products
    return mean, C
