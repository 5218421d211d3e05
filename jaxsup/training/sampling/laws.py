"""Laws that are drawn as arrivals: of what, with which probabilities, and what an arrival brings.

What arrives by itself, independently of all others, is a source: a feature; a group, all of whose
features come with it, or one of them; a tree, whose root comes and of its other features those
whose parents came and whose own lot falls so.
"""

from collections.abc import Mapping
from typing import Any, TypeAlias, TypeGuard

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key

from jaxsup._internal.words import draw_words, happens, values_from_words
from jaxsup.experiment.features import (
    GroupedFeatures,
    HierarchicalFeatures,
    PowerLawFeatures,
    SparseFeatures,
)
from jaxsup.experiment.features.hierarchy import jumps_to_ancestors

SparseLaw: TypeAlias = PowerLawFeatures | SparseFeatures | GroupedFeatures | HierarchicalFeatures
"""A law that can be drawn as arrivals."""
NUMBERS: dict[type, tuple[str, ...]] = {
    PowerLawFeatures: ("exponent", "density"),
    SparseFeatures: (),
    GroupedFeatures: ("probability", "exponent"),
    HierarchicalFeatures: ("probability", "exponent"),
}
"""Each such law, and the numbers that its sources' probabilities depend on."""
# What a message calls a source.
_WORDS = {"correlated": "group", "anticorrelated": "group", "independent": "feature"}
# The features of trees are drawn from a stream of their own: 0 and 1 are the arrivals'.
_STREAM = 2


def is_sparse_law(features: object) -> TypeGuard[SparseLaw]:
    """Whether a law is of a type that can be drawn as arrivals: exactly, and no subclass."""
    return type(features) in NUMBERS


def source_word(features: SparseLaw) -> str:
    """What a source of the law is, for people."""
    if isinstance(features, HierarchicalFeatures):
        return "tree"
    return _WORDS[features.relation] if isinstance(features, GroupedFeatures) else "feature"


def source_probabilities(
    features: SparseLaw, numbers: Mapping[str, Any]
) -> Float[np.ndarray, "laws sources"]:
    """The probability of each source of several laws in float64, before it is clipped to 1.

    Arguments:
        features: all that the laws share.
        numbers: those of each law by name, [laws]; the law's own where they are missing.
    """
    if isinstance(features, SparseFeatures):
        return np.asarray(features.probabilities, np.float64)[None, :]
    owned = {name: numbers.get(name, getattr(features, name)) for name in NUMBERS[type(features)]}
    columns = {name: np.asarray(v, np.float64).reshape(-1, 1) for name, v in owned.items()}
    if isinstance(features, PowerLawFeatures):
        laws = _power_laws(features.count, columns["exponent"], normalize=features.normalize)
        return laws * columns["density"]
    if isinstance(features, HierarchicalFeatures):
        roots = int((features.ancestry < 0).sum())
        return _power_laws(roots, columns["exponent"]) * columns["probability"]
    groups = features.count // features.size
    p = _power_laws(groups, columns["exponent"]) * columns["probability"]
    if features.relation == "anticorrelated":
        return np.minimum(p, features.most) * features.size
    return p if features.relation == "correlated" else np.repeat(p, features.size, axis=1)


def _power_laws(
    count: int, exponents: Float[np.ndarray, "laws 1"], *, normalize: bool = False
) -> Float[np.ndarray, "laws count"]:
    """i^-a of several laws, divided by their sums if asked."""
    laws = -exponents * np.log(np.arange(1, count + 1, dtype=np.float64))
    if normalize:
        laws -= laws.max(axis=1, keepdims=True)
    with np.errstate(over="ignore"):  # such features are always active
        np.exp(laws, out=laws)
    if normalize:
        laws /= laws.sum(axis=1, keepdims=True)
    return laws


def arrival_rates(features: SparseLaw) -> Float[Array, " items"]:
    """-log(1 - p) of each thing that an arrival can be: a source, or a feature of an exclusive one.

    Of a group of which one feature at most is active, arrivals are spread evenly over its features
    (marking): the first one counts, whichever it is.
    """
    if isinstance(features, GroupedFeatures) and features.relation == "anticorrelated":
        rates = -jnp.log1p(-features.group_probabilities * features.size) / features.size
        return jnp.repeat(rates, features.size)
    if isinstance(features, GroupedFeatures) and features.relation == "correlated":
        return -jnp.log1p(-features.group_probabilities)
    if isinstance(features, HierarchicalFeatures):
        return -jnp.log1p(-features.root_probabilities)
    return -jnp.log1p(-jnp.asarray(features.probabilities, jnp.result_type(float)))


def exclusive_size(features: SparseLaw) -> int:
    """How many consecutive features exclude each other."""
    if isinstance(features, GroupedFeatures) and features.relation == "anticorrelated":
        return features.size
    return 1


class Members(eqx.Module):
    """The features that come with each source, or may come.

    Attributes:
        feature: [sources, size]; smaller trees repeat feature 0 with chance 0.
        chance: of coming where the parent came, [sources, size]; 1: always.
        jumps: positions of ancestors within the tree, as
            `jaxsup.experiment.features.hierarchy.jumps_to_ancestors` has them.
    """

    feature: Int[Array, "sources size"]
    chance: Float[Array, "sources size"]
    jumps: tuple[Int[Array, "sources size"], ...]

    @property
    def size(self) -> int:
        """Features of the largest source."""
        return self.feature.shape[1]

    def draw(
        self, key: Key[Array, ""], source: Int[Array, " arrivals"], values: str
    ) -> tuple[
        Int[Array, "arrivals size"], Bool[Array, "arrivals size"], Float[Array, "arrivals size"]
    ]:
        """Feature, whether it came, and its value, of each arrival: numbers of the key alone."""
        shape = (source.size, self.size)
        words = draw_words(key, np.arange(source.size * self.size), stream=_STREAM)
        lots, others = (some.reshape(shape) for some in words)
        came = happens(lots, self.chance.at[source].get(mode="promise_in_bounds"))
        for jump in self.jumps:
            places = jump.at[source].get(mode="promise_in_bounds")
            padded = jnp.concatenate([came, jnp.ones((source.size, 1), bool)], axis=1)
            came &= jnp.take_along_axis(padded, places, axis=1)
        feature = self.feature.at[source].get(mode="promise_in_bounds")
        return feature, came, values_from_words(values, others)


def members_of(features: SparseLaw) -> Members | None:
    """What comes with each source; None where it is one feature."""
    dtype = jnp.result_type(float)
    if isinstance(features, GroupedFeatures) and features.relation == "correlated":
        every = np.arange(features.count, dtype=np.int32).reshape(-1, features.size)
        return Members(jnp.asarray(every), jnp.ones(every.shape, dtype), ())
    if not isinstance(features, HierarchicalFeatures):
        return None
    trees, ancestry = _trees(features.ancestry)
    chance = jnp.where(trees < 0, 0.0, jnp.asarray(features.conditional, dtype))
    chance = jnp.where((trees >= 0) & (ancestry < 0), 1.0, chance)
    jumps = tuple(jnp.asarray(jump) for jump in jumps_to_ancestors(ancestry))
    return Members(jnp.asarray(np.maximum(trees, 0)), chance, jumps)


def members_an_arrival(features: SparseLaw) -> int:
    """Features that are listed for each arrival."""
    if isinstance(features, HierarchicalFeatures):
        return _trees(features.ancestry)[0].shape[1]
    if isinstance(features, GroupedFeatures) and features.relation == "correlated":
        return features.size
    return 1


def _trees(
    ancestry: Int[np.ndarray, " features"],
) -> tuple[Int[np.ndarray, "trees size"], Int[np.ndarray, "trees size"]]:
    """The features of each tree in order, and the position of each one's parent among them; -1."""
    tree, position = np.zeros_like(ancestry), np.zeros_like(ancestry)
    sizes = np.zeros(int((ancestry < 0).sum()), np.int32)
    roots = 0
    for feature, parent in enumerate(ancestry):
        if parent < 0:
            tree[feature], roots = roots, roots + 1
        else:
            tree[feature] = tree[parent]
        position[feature] = sizes[tree[feature]]
        sizes[tree[feature]] += 1
    features = np.full((roots, int(sizes.max())), -1, np.int32)
    features[tree, position] = np.arange(ancestry.size)
    parents = np.full_like(features, -1)
    parents[tree, position] = np.where(ancestry < 0, -1, position[ancestry])
    return features, parents
