"""Feature distributions: what the networks see, with exact moments and samplers.

Every distribution offers ``sample_batch(key, batch)``, independent draws of shape [batch,
features]; the package's own also ``moments()``, their exact first and second moments.
"""

import abc
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from jaxsup._internal.validation import (
    Scalar,
    Values,
    as_numbers,
    check_choice,
    check_number,
    check_positive_integer,
    fail,
    is_traced,
)
from jaxsup._internal.words import draw_words, values_from_words
from jaxsup.experiment.configuration import (
    Configuration,
    check_exponent,
    check_growth,
    check_positive,
)
from jaxsup.experiment.moments import Moments

# E[v], E[v^2] of a feature's value given that it is active.
_VALUE_MOMENTS = {
    "uniform": (1.0, 4.0 / 3.0),
    "unit": (0.5, 1.0 / 3.0),
    "symmetric": (0.0, 1.0 / 3.0),
    "sign": (0.0, 1.0),
}
_ONE_ACTIVE_MOMENTS = {"unit": (0.5, 1.0 / 3.0), "one": (1.0, 1.0)}
# float32 numbers no more of them one by one.
_MOST_FEATURES = 2**24


class AbstractFeatures(Configuration):
    """A distribution of feature vectors x of length `count`.

    A law of one's own gives `count` and `sample_batch`, and `moments` where they are known: with
    them, linear students are evaluated exactly.

    Attributes:
        count: number of features N.
        kind: name in a TOML file; needed by the package's own laws only.
    """

    section: ClassVar[str] = "features"
    count: eqx.AbstractVar[int]
    kind: ClassVar[str]

    @abc.abstractmethod
    def sample_batch(self, key: Key[Array, ""], batch: int) -> Float[Array, "batch features"]:
        """Independent draws of x."""

    def moments(self) -> Moments | None:
        """Exact first and second moments; None where they are not known."""
        return None


def _check_count(count: object) -> None:
    advice = "give the number N of features"
    check_positive_integer("features.count", count, advice, most=_MOST_FEATURES)


def _power_law(count: int, exponent: Scalar, *, normalize: bool) -> Float[Array, " features"]:
    """i^-a for i = 1..N, divided by its sum if asked."""
    dtype = jnp.result_type(float)
    logs = -jnp.asarray(exponent, dtype) * jnp.log(jnp.arange(1, count + 1, dtype=dtype))
    if not normalize:
        return jnp.exp(logs)
    # Relative to the largest, which is the first for a >= 0: i^-a itself may be beyond the dtype.
    weights = jnp.exp(logs - jax.lax.stop_gradient(jnp.max(logs)))
    return weights / jnp.sum(weights)


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
        _check_count(self.count)
        check_exponent("features.exponent", self.exponent, "give the frequency exponent a")
        advice = "give the expected number of active features a sample"
        check_positive("features.density", self.density, advice)
        check_choice("features.values", self.values, _VALUE_MOMENTS)

    @property
    def probabilities(self) -> Float[Array, " features"]:
        """p_i, the probability that feature i is active."""
        law = _power_law(self.count, self.exponent, normalize=self.normalize)
        return jnp.minimum(1.0, self.density * law)

    def moments(self) -> Moments:
        """m_i = p_i E[v]; C = diag(p_i E[v^2] - p_i^2 E[v]^2) + m m^T."""
        first, second = _VALUE_MOMENTS[self.values]
        p = self.probabilities
        return Moments(mean=p * first, diagonal=p * second - (p * first) ** 2, factor=p * first)

    def sample_batch(self, key: Key[Array, ""], batch: int) -> Float[Array, "batch features"]:
        """Independent draws of x; p_i is realized to within 2^-32.

        A float32 uniform number has 23 random bits: it would make a feature with p = 6e-7, the
        rarest of 1024 at a = 2, a fifth too frequent. So 32 random bits are compared instead.
        """
        shape = (batch, self.count)
        choices, others = draw_words(key, np.arange(batch * self.count))
        p = self.probabilities[None, :]
        chosen = choices.reshape(shape).astype(p.dtype)
        active = (chosen < p * 2.0**32) | (p >= 1.0)
        return jnp.where(active, values_from_words(self.values, others.reshape(shape)), 0.0)


class GaussianFeatures(AbstractFeatures):
    """Dense independent features x_i ~ N(0, l_i), l_i = variance * i^-a / sum_j j^-a.

    With ``normalize=False``, l_i = variance * i^-a. The covariance is exactly diagonal, which is
    the setting of the closed-form loss curves.

    Arguments:
        count: number of features N, from 1 to 2^24.
        exponent: variance exponent a, finite.
        variance: > 0; total variance if normalized, else the first feature's.

    Raises:
        ValueError: an argument is outside of its range.
    """

    kind: ClassVar[str] = "gaussian"
    count: int = eqx.field(static=True)
    exponent: Scalar
    variance: Scalar = 1.0
    normalize: bool = eqx.field(static=True, default=True, kw_only=True)

    def __check_init__(self) -> None:
        _check_count(self.count)
        check_exponent("features.exponent", self.exponent, "give the variance exponent a")
        check_positive("features.variance", self.variance, "give the total variance")
        if not self.normalize:
            advice, base = "normalize, or take a larger exponent", self.count
            name, a, scale = "features.exponent", self.exponent, self.variance
            check_growth(name, a, advice, power=-a, base=base, scale=scale)

    @property
    def variances(self) -> Float[Array, " features"]:
        """l_i, the variance of feature i."""
        law = _power_law(self.count, self.exponent, normalize=self.normalize)
        return law * self.variance

    def moments(self) -> Moments:
        """m = 0; C = diag(l)."""
        zero = jnp.zeros(self.count, jnp.result_type(float))
        return Moments(mean=zero, diagonal=self.variances, factor=zero)

    def sample_batch(self, key: Key[Array, ""], batch: int) -> Float[Array, "batch features"]:
        """Independent draws of x."""
        return jax.random.normal(key, (batch, self.count)) * jnp.sqrt(self.variances)[None, :]


class CorrelatedFeatures(AbstractFeatures):
    """Gaussian features x ~ N(0, C) with any covariance C.

    Arguments:
        covariance: symmetric positive semi-definite matrix, [features, features].

    Raises:
        ValueError: the matrix is not square, finite, symmetric and positive semi-definite.
    """

    kind: ClassVar[str] = "correlated"
    covariance: Array | np.ndarray

    def __init__(self, covariance: Values) -> None:
        self.covariance = as_numbers("features.covariance", covariance)

    def __check_init__(self) -> None:
        name = "features.covariance"
        if self.covariance.ndim != 2 or self.covariance.shape[0] != self.covariance.shape[1]:
            shape, advice = (
                f"a shape {self.covariance.shape}",
                "give E[x x^T], features by features",
            )
            raise fail(name, "a square matrix", shape, advice, described=True)
        if is_traced(self.covariance):
            return
        matrix = np.asarray(self.covariance, np.float64)
        check_number(name, matrix, "remove the entries that are not finite")
        scale = max(float(np.abs(matrix).max()), np.finfo(np.float64).tiny)
        if np.abs(matrix - matrix.T).max() > 1e-5 * scale:
            text, advice = "a matrix that is not", "give (C + C^T) / 2"
            raise fail(name, "a symmetric matrix", text, advice, described=True)
        if np.linalg.eigvalsh(matrix).min() < -1e-5 * scale:
            text, advice = "a matrix with one", "give a covariance"
            raise fail(name, "no negative eigenvalue", text, advice, described=True)

    @property
    def count(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Number of features N."""
        return self.covariance.shape[0]

    def moments(self) -> Moments:
        """m = 0; C as given."""
        zero = jnp.zeros(self.count, jnp.result_type(float))
        dense = jnp.asarray(self.covariance, zero.dtype)
        return Moments(mean=zero, diagonal=zero, factor=zero, dense=dense)

    def sample_batch(self, key: Key[Array, ""], batch: int) -> Float[Array, "batch features"]:
        """Independent draws x = C^(1/2) n, n standard normal; C may be singular."""
        values, vectors = jnp.linalg.eigh(jnp.asarray(self.covariance, jnp.result_type(float)))
        root = vectors * jnp.sqrt(jnp.maximum(values, 0.0))[None, :]
        noise = jax.random.normal(key, (batch, self.count))
        return jnp.matmul(noise, root.T, precision=jax.lax.Precision.HIGHEST)


class OneActiveFeatures(AbstractFeatures):
    """Exactly one active feature: x = v e_j, j ~ f_j with f_j = j^-a / sum_k k^-a.

    ``exponent=0`` makes j uniform. It is the limit of sparse data in which the loss of a ReLU
    autoencoder has a closed form (`jaxsup.theory.one_sparse_loss`).

    Arguments:
        count: number of features N, from 1 to 2^24.
        exponent: frequency exponent a, finite.
        values: law of v: ``"unit"`` = uniform on [0, 1], or ``"one"``, v = 1 always.

    Raises:
        ValueError: an argument is outside of its range.
    """

    kind: ClassVar[str] = "one-active"
    count: int = eqx.field(static=True)
    exponent: Scalar = 0.0
    values: str = eqx.field(static=True, default="unit")

    def __check_init__(self) -> None:
        _check_count(self.count)
        check_exponent("features.exponent", self.exponent, "give the frequency exponent a")
        check_choice("features.values", self.values, _ONE_ACTIVE_MOMENTS)

    @property
    def frequencies(self) -> Float[Array, " features"]:
        """f_j, the probability that feature j is the active one."""
        return _power_law(self.count, self.exponent, normalize=True)

    def moments(self) -> Moments:
        """m_j = f_j E[v]; C = diag(f_j E[v^2]), since no two features are active together."""
        first, second = _ONE_ACTIVE_MOMENTS[self.values]
        f = self.frequencies
        return Moments(mean=f * first, diagonal=f * second, factor=jnp.zeros_like(f))

    def sample_batch(self, key: Key[Array, ""], batch: int) -> Float[Array, "batch features"]:
        """Independent draws of x."""
        index_key, value_key = jax.random.split(key)
        index = jax.random.categorical(index_key, jnp.log(self.frequencies), shape=(batch,))
        if self.values == "one":
            return jax.nn.one_hot(index, self.count, dtype=jnp.result_type(float))
        v = jax.random.uniform(value_key, (batch,))
        return jax.nn.one_hot(index, self.count, dtype=v.dtype) * v[:, None]


FEATURES = (PowerLawFeatures, GaussianFeatures, CorrelatedFeatures, OneActiveFeatures)
"""The package's own laws."""
