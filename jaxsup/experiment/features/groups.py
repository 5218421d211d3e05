"""Sparse features in groups whose members are active together, never together, or as it comes."""

from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from jaxsup._internal.validation import (
    Scalar,
    check_choice,
    check_number,
    check_positive_integer,
    fail,
)
from jaxsup._internal.words import draw_words, happens, index_from_words, values_from_words
from jaxsup.experiment.configuration import check_exponent, check_positive
from jaxsup.experiment.features.base import AbstractFeatures, check_count, power_law
from jaxsup.experiment.features.values import VALUE_MOMENTS, moments_of_each, sample_each
from jaxsup.experiment.moments import Moments

RELATIONS = ("correlated", "anticorrelated", "independent")
"""What the activities of a group's features have to do with each other."""
# A random word picks one of so many.
_LARGEST_GROUP = 2**16


class GroupedFeatures(AbstractFeatures):
    """Sparse features x_i = u_i v_i in groups of consecutive ones whose u_i depend on each other.

    Each feature of group g is active with probability p_g = min(probability * g^-exponent, most),
    g = 1..N/size, whatever the relation is, so that relations are compared at the same marginals:

    * ``"correlated"``: all features of a group are active, with probability p_g, or none;
    * ``"anticorrelated"``: at most one is: the group is active with probability size * p_g, and
      then one of its features, each as likely; so p_g <= most = 1 / size;
    * ``"independent"``: each is active by itself, for comparison.

    Groups are independent of each other, and so are the values v_i of active features. Within a
    group, E[x_i x_j] = p_g E[v]^2, 0 or p_g^2 E[v]^2 for i != j: with values of mean 0 a linear
    student sees no difference.

    Arguments:
        count: number of features N, from 1 to 2^24, a multiple of `size`.
        size: features in a group, from 1 to 2^16; 2: pairs.
        relation: ``"correlated"``, ``"anticorrelated"`` or ``"independent"``.
        probability: that a feature of the first group is active: in (0, 1], anticorrelated in
            (0, 1 / size].
        exponent: frequency exponent a of the groups, finite; 0: all groups alike.
        values: law of v_i, as `jaxsup.PowerLawFeatures` takes it.

    Raises:
        ValueError: an argument is outside of its range.

    Reference: Elhage et al., arXiv 2209.10652, section "The Geometry of Superposition", on
    correlated and anticorrelated sets of features.

    >>> pairs = GroupedFeatures(4, 2, "correlated", 0.25, values="sign")
    >>> [round(float(p), 3) for p in pairs.probabilities]
    [0.25, 0.25, 0.25, 0.25]
    """

    kind: ClassVar[str] = "grouped"
    count: int = eqx.field(static=True)
    size: int = eqx.field(static=True)
    relation: str = eqx.field(static=True)
    probability: Scalar
    exponent: Scalar = 0.0
    values: str = eqx.field(static=True, default="unit")

    def __check_init__(self) -> None:
        check_count(self.count)
        advice = "give the number of features in a group"
        check_positive_integer("features.size", self.size, advice, most=_LARGEST_GROUP)
        if self.count % self.size:
            expected, text = "a multiple of features.size", f"{self.count} of {self.size} a group"
            advice = "take a number of whole groups"
            raise fail("features.count", expected, text, advice, described=True)
        check_choice("features.relation", self.relation, RELATIONS)
        advice = "give the probability that a feature is active"
        if self.most < 1:
            advice += ", at most 1 / features.size: at most one of a group is"
        check_number("features.probability", self.probability, advice, high=self.most)
        check_positive("features.probability", self.probability, advice)
        check_exponent("features.exponent", self.exponent, "give the exponent of the groups")
        check_choice("features.values", self.values, VALUE_MOMENTS)

    @property
    def most(self) -> float:
        """The largest probability that a feature can be active with."""
        return 1 / self.size if self.relation == "anticorrelated" else 1.0

    @property
    def group_probabilities(self) -> Float[Array, " groups"]:
        """p_g, the probability that a given feature of group g is active."""
        law = power_law(self.count // self.size, self.exponent, normalize=False)
        return jnp.minimum(self.most, self.probability * law)

    @property
    def probabilities(self) -> Float[Array, " features"]:
        """The probability that feature i is active."""
        return jnp.repeat(self.group_probabilities, self.size)

    def moments(self) -> Moments:
        """m_i = p_g E[v]; C_ii = p_g E[v^2], C_ij as above, m_i m_j between groups."""
        p, (first, second) = self.group_probabilities, VALUE_MOMENTS[self.values]
        plain = moments_of_each(self.probabilities, self.values)
        if self.relation == "independent" or self.size == 1 or first == 0:
            return plain
        within = p if self.relation == "correlated" else jnp.zeros_like(p)
        blocks = (within - p**2) * first**2
        diagonal = jnp.repeat(p * second - within * first**2, self.size)
        return Moments(plain.mean, diagonal, plain.factor, blocks=blocks)

    def sample_batch(self, key: Key[Array, ""], batch: int) -> Float[Array, "batch features"]:
        """Independent draws of x; probabilities are realized to within 2^-32."""
        if self.relation == "independent":
            return sample_each(key, batch, self.probabilities, self.values)
        groups = self.count // self.size
        words = draw_words(key, np.arange(batch * groups))
        chosen, picked = (some.reshape(batch, groups, 1) for some in words)
        p = self.group_probabilities[None, :, None]
        members = jnp.arange(self.size, dtype=jnp.int32)[None, None, :]
        if self.relation == "anticorrelated":
            p = p * self.size
            member = index_from_words(picked, self.size)
        else:
            member = members
        active = happens(chosen, jnp.broadcast_to(p, chosen.shape)) & (members == member)
        others, _ = draw_words(key, np.arange(batch * self.count), stream=1)
        values = values_from_words(self.values, others.reshape(batch, groups, self.size))
        return jnp.where(active, values, 0.0).reshape(batch, self.count)
