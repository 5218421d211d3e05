"""Sparse features that are active independently: by a power law, or each by its own probability."""

from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from jaxsup._internal.validation import (
    Scalar,
    Values,
    as_numbers,
    check_choice,
    check_number,
    fail,
    is_traced,
)
from jaxsup.experiment.configuration import check_exponent, check_positive
from jaxsup.experiment.features.base import AbstractFeatures, check_count, power_law
from jaxsup.experiment.features.values import VALUE_MOMENTS, moments_of_each, sample_each
from jaxsup.experiment.moments import Moments


class PowerLawFeatures(AbstractFeatures):
    """Sparse features x_i = u_i v_i with u_i ~ Bernoulli(p_i) independent.

    p_i = min(1, density * i^-a / sum_j j^-a); with ``normalize=False``, p_i = min(1, density *
    i^-a). So ``density`` is the expected number of active features a sample (normalized, nothing
    clipped), or the probability of the first feature; ``exponent=0, normalize=False`` makes all
    features active with probability ``density``, as toy models of superposition have it.

    Arguments:
        count: number of features N, from 1 to 2^24.
        exponent: frequency exponent a, finite.
        density: > 0.
        values: law of v_i: ``"uniform"`` on [0, 2], ``"unit"`` = uniform on [0, 1],
            ``"symmetric"`` = uniform on [-1, 1], or ``"sign"``, +1 or -1 with equal probability.
        normalize: divide the frequencies by their sum.

    Raises:
        ValueError: an argument is outside of its range.

    Reference: arXiv 2602.01045 (sparse power-law data); arXiv 2505.10465 (values on [0, 2]).

    >>> [round(float(p), 3) for p in PowerLawFeatures(4, 1.0, density=0.5).probabilities]
    [0.24, 0.12, 0.08, 0.06]
    """

    kind: ClassVar[str] = "power-law"
    count: int = eqx.field(static=True)
    exponent: Scalar
    density: Scalar = 1.0
    values: str = eqx.field(static=True, default="uniform")
    normalize: bool = eqx.field(static=True, default=True, kw_only=True)

    def __check_init__(self) -> None:
        check_count(self.count)
        check_exponent("features.exponent", self.exponent, "give the frequency exponent a")
        advice = "give the expected number of active features a sample"
        check_positive("features.density", self.density, advice)
        check_choice("features.values", self.values, VALUE_MOMENTS)

    @property
    def probabilities(self) -> Float[Array, " features"]:
        """p_i, the probability that feature i is active."""
        law = power_law(self.count, self.exponent, normalize=self.normalize)
        return jnp.minimum(1.0, self.density * law)

    def moments(self) -> Moments:
        """m_i = p_i E[v]; C = diag(p_i E[v^2] - p_i^2 E[v]^2) + m m^T."""
        return moments_of_each(self.probabilities, self.values)

    def sample_batch(self, key: Key[Array, ""], batch: int) -> Float[Array, "batch features"]:
        """Independent draws of x; p_i is realized to within 2^-32."""
        return sample_each(key, batch, self.probabilities, self.values)


class SparseFeatures(AbstractFeatures):
    """Sparse features x_i = u_i v_i with u_i ~ Bernoulli(p_i) independent and any p_i.

    Arguments:
        probabilities: p_i in (0, 1], one a feature; in TOML a list, or a file of numbers:
            ``{file = "frequencies.npy"}``.
        values: law of v_i, as `PowerLawFeatures` takes it.

    Raises:
        ValueError: an argument is outside of its range.

    >>> SparseFeatures([0.5, 0.25], values="sign").count
    2
    """

    kind: ClassVar[str] = "sparse"
    probabilities: Array | np.ndarray
    values: str = eqx.field(static=True)
    # Known also where the array is taken out, as a scan over it does.
    count: int = eqx.field(static=True, init=False)

    def __init__(self, probabilities: Values, values: str = "unit") -> None:
        self.probabilities = as_numbers("features.probabilities", probabilities)
        self.values = values
        self.count = self.probabilities.size

    def __check_init__(self) -> None:
        check_choice("features.values", self.values, VALUE_MOMENTS)
        if self.probabilities.ndim != 1 or not self.probabilities.size:
            text = f"a shape {self.probabilities.shape}"
            advice = "give one probability a feature"
            raise fail("features.probabilities", "a list", text, advice, described=True)
        check_count(self.probabilities.size)
        if not is_traced(self.probabilities):
            name, advice = "features.probabilities", "give the probability of being active"
            check_number(name, self.probabilities, advice, low=0, high=1, low_open=True)

    def moments(self) -> Moments:
        """m_i = p_i E[v]; C = diag(p_i E[v^2] - p_i^2 E[v]^2) + m m^T."""
        return moments_of_each(jnp.asarray(self.probabilities, jnp.result_type(float)), self.values)

    def sample_batch(self, key: Key[Array, ""], batch: int) -> Float[Array, "batch features"]:
        """Independent draws of x; p_i is realized to within 2^-32."""
        p = jnp.asarray(self.probabilities, jnp.result_type(float))
        return sample_each(key, batch, p, self.values)
