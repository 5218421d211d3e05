"""Sparse features in trees: a feature is active only where its parent is."""

import functools
from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key, Shaped

from jaxsup._internal.validation import (
    Scalar,
    Values,
    as_numbers,
    check_choice,
    check_number,
    check_positive_integer,
    fail,
)
from jaxsup._internal.words import draw_words, happens, values_from_words
from jaxsup.experiment.configuration import check_exponent, check_positive
from jaxsup.experiment.features.base import (
    MOST_FEATURES,
    AbstractFeatures,
    check_count,
    power_law,
)
from jaxsup.experiment.features.values import VALUE_MOMENTS
from jaxsup.experiment.moments import Moments


class HierarchicalFeatures(AbstractFeatures):
    """Sparse features x_i = u_i v_i in trees, u_i = 1 only where u of its parent is.

    The r-th root is active with probability min(1, probability * r^-exponent), a child of an
    active parent with probability `conditional`, independently of its siblings. So feature i is
    active with P_i, the product along its path from the root, and for i != j
    E[x_i x_j] = E[v]^2 P_i P_j / P_k, k their last common ancestor (P_k = 1 where there is none).

    The trees are given by `parents`, or by `branching` and `depth`: then features are numbered by
    level, the roots first, and the children of a feature are consecutive.

    Arguments:
        probability: that the first root is active, in (0, 1].
        conditional: that a child is active where its parent is, in (0, 1].
        parents: for each feature the position of its parent, from 0, which comes before it in the
            list; -1: a root.
        branching: children of each feature that is not on the last level, >= 1.
        depth: levels below the roots, >= 1.
        trees: number of trees of this form.
        exponent: frequency exponent a of the roots, finite; 0: all roots alike.
        values: law of v_i, as `jaxsup.PowerLawFeatures` takes it.

    Attributes:
        count: number of features N, at most 2^24.

    Raises:
        ValueError: an argument is outside of its range, or both or neither form of the trees is
            given.

    Reference: the hierarchies of synthetic data for sparse autoencoders, in which a child fires
    only with its parent: Chanin et al., arXiv 2409.14507 (feature absorption).

    >>> tree = HierarchicalFeatures(0.5, 0.2, branching=2, depth=1)
    >>> [round(float(p), 3) for p in tree.probabilities], tree.ancestry.tolist()
    ([0.5, 0.1, 0.1], [-1, 0, 0])
    """

    kind: ClassVar[str] = "hierarchical"
    probability: Scalar
    conditional: Scalar
    parents: tuple[int, ...] | None = eqx.field(static=True)
    branching: int | None = eqx.field(static=True)
    depth: int | None = eqx.field(static=True)
    trees: int = eqx.field(static=True)
    exponent: Scalar
    values: str = eqx.field(static=True)
    count: int = eqx.field(static=True, init=False)

    def __init__(
        self,
        probability: Scalar,
        conditional: Scalar,
        parents: Values | None = None,
        *,
        branching: int | None = None,
        depth: int | None = None,
        trees: int = 1,
        exponent: Scalar = 0.0,
        values: str = "unit",
    ) -> None:
        self.probability, self.conditional = probability, conditional
        self.parents = None if parents is None else _as_parents(parents)
        self.branching, self.depth, self.trees = branching, depth, trees
        self.exponent, self.values = exponent, values
        self.count = self._check_trees()

    def __check_init__(self) -> None:
        for name in ("probability", "conditional"):
            value, advice = getattr(self, name), "give the probability of being active"
            check_number(f"features.{name}", value, advice, high=1)
            check_positive(f"features.{name}", value, advice)
        check_exponent("features.exponent", self.exponent, "give the exponent of the roots")
        check_choice("features.values", self.values, VALUE_MOMENTS)

    def _check_trees(self) -> int:
        """N, after a check of the trees."""
        if self.parents is not None:
            if self.branching is not None or self.depth is not None or self.trees != 1:
                text, advice = "branching, depth or trees beside it", "give the one or the others"
                raise fail("features.parents", "trees once", text, advice, described=True)
            check_count(len(self.parents))
            return len(self.parents)
        for name in ("branching", "depth", "trees"):
            advice = "give parents, or branching and depth"
            check_positive_integer(f"features.{name}", getattr(self, name), advice)
        assert self.branching is not None
        assert self.depth is not None
        count = level = self.trees
        for _ in range(self.depth):
            level *= self.branching
            count += level
            if count > MOST_FEATURES:
                expected, text = f"trees of at most {MOST_FEATURES} features", "more of them"
                raise fail("features.depth", expected, text, "make it less deep", described=True)
        return count

    @property
    def ancestry(self) -> Int[np.ndarray, " features"]:
        """For each feature the position of its parent, -1 for roots."""
        if self.parents is not None:
            return np.asarray(self.parents, np.int32)
        assert self.branching is not None
        places = np.arange(self.count, dtype=np.int32) - self.trees
        return np.where(places < 0, -1, places // self.branching).astype(np.int32)

    @property
    def root_probabilities(self) -> Float[Array, " roots"]:
        """The probability that each root is active."""
        law = power_law(int((self.ancestry < 0).sum()), self.exponent, normalize=False)
        return jnp.minimum(1.0, self.probability * law)

    @property
    def probabilities(self) -> Float[Array, " features"]:
        """P_i, the probability that feature i is active."""
        return self._with_ancestors(self._own()[None, :])[0]

    def moments(self) -> Moments:
        """m_i = P_i E[v]; C_ii = P_i E[v^2], C_ij as above."""
        P, (first, second) = self.probabilities, VALUE_MOMENTS[self.values]
        zero = jnp.zeros_like(P)
        if first == 0:
            return Moments(mean=zero, diagonal=P * second, factor=zero)
        common = jnp.append(P, 1.0)[_common_ancestors(tuple(self.ancestry.tolist()))]
        dense = first**2 * (P[:, None] / common) * P[None, :]
        return Moments(P * first, P * (second - first**2), zero, dense)

    def sample_batch(self, key: Key[Array, ""], batch: int) -> Float[Array, "batch features"]:
        """Independent draws of x; probabilities are realized to within 2^-32."""
        shape = (batch, self.count)
        words = draw_words(key, np.arange(batch * self.count))
        chosen, others = (some.reshape(shape) for some in words)
        own = happens(chosen, jnp.broadcast_to(self._own()[None, :], shape))
        values = values_from_words(self.values, others)
        return jnp.where(self._with_ancestors(own), values, 0.0)

    def _own(self) -> Float[Array, " features"]:
        """The probability of each feature where its parent is active."""
        roots = self.ancestry < 0
        own = jnp.full(self.count, self.conditional, jnp.result_type(float))
        return own.at[np.flatnonzero(roots)].set(self.root_probabilities)

    def _with_ancestors(
        self, own: Shaped[Array, "rows features"]
    ) -> Shaped[Array, "rows features"]:
        """Each entry times those of the feature's ancestors."""
        for jump in jumps_to_ancestors(self.ancestry):
            none = jnp.ones((own.shape[0], 1), own.dtype)
            own = own * jnp.concatenate([own, none], axis=1)[:, jump]
        return own


def jumps_to_ancestors(ancestry: Int[np.ndarray, "*trees features"]) -> list[np.ndarray]:
    """Positions of the ancestors 1, 2, 4, ... levels above; the number of features where none is.

    Multiplying each entry by those at the first positions, then at the second ones and so on, gives
    the product along all of the path to the root.
    """
    count = ancestry.shape[-1]
    beyond = np.full_like(ancestry[..., :1], count)
    jump, found = np.where(ancestry < 0, count, ancestry), []
    while (jump < count).any():
        found.append(jump)
        jump = np.take_along_axis(np.concatenate([jump, beyond], axis=-1), jump, axis=-1)
    return found


@functools.lru_cache(maxsize=8)
def _common_ancestors(ancestry: tuple[int, ...]) -> Int[np.ndarray, "features features"]:
    """The last common ancestor of each two features, which may be one of them; N: none."""
    count = len(ancestry)
    common = np.full((count, count), count, np.int32)
    for feature, parent in enumerate(ancestry):
        if parent >= 0:
            common[feature, :feature] = common[parent, :feature]
            common[:feature, feature] = common[parent, :feature]
        common[feature, feature] = feature
    return common


def _as_parents(parents: Values) -> tuple[int, ...]:
    """The list of parents, checked."""
    name = "features.parents"
    numbers = np.asarray(as_numbers(name, parents))
    if numbers.ndim != 1:
        text, advice = f"a shape {numbers.shape}", "give one parent a feature"
        raise fail(name, "a list", text, advice, described=True)
    places = np.arange(numbers.size)
    wrong = np.flatnonzero((numbers != np.floor(numbers)) | (numbers < -1) | (numbers >= places))
    if wrong.size:
        text = f"{numbers[wrong[0]]:g} at {wrong[0]}"
        advice = "number parents from 0 and before their children, -1 for a root"
        raise fail(name, "the position of an earlier feature, or -1", text, advice, described=True)
    return tuple(int(number) for number in numbers)
