"""Dense Gaussian features, independent or of any covariance."""

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from jaxsup._internal.validation import Scalar, Values, as_numbers, check_number, fail, is_traced
from jaxsup.experiment.configuration import check_exponent, check_growth, check_positive
from jaxsup.experiment.features.base import AbstractFeatures, check_count, power_law
from jaxsup.experiment.moments import Moments


class GaussianFeatures(AbstractFeatures):
    """Dense independent features x_i ~ N(0, l_i), l_i = variance * i^-a / sum_j j^-a.

    With ``normalize=False``, l_i = variance * i^-a. The covariance is exactly diagonal, which is
    the setting of the closed-form loss curves.

    Arguments:
        count: number of features N, from 1 to 2^24.
        exponent: variance exponent a, finite.
        variance: > 0; total variance if normalized, else the first feature's.
        normalize: whether the l_i are scaled to the sum `variance`.

    Raises:
        ValueError: an argument is outside of its range.
    """

    kind: ClassVar[str] = "gaussian"
    count: int = eqx.field(static=True)
    exponent: Scalar
    variance: Scalar = 1.0
    normalize: bool = eqx.field(static=True, default=True, kw_only=True)

    def __check_init__(self) -> None:
        check_count(self.count)
        check_exponent("features.exponent", self.exponent, "give the variance exponent a")
        check_positive("features.variance", self.variance, "give the total variance")
        if not self.normalize:
            advice, base = "normalize, or take a larger exponent", self.count
            name, a, scale = "features.exponent", self.exponent, self.variance
            check_growth(name, a, advice, power=-a, base=base, scale=scale)

    @property
    def variances(self) -> Float[Array, " features"]:
        """l_i, the variance of feature i."""
        law = power_law(self.count, self.exponent, normalize=self.normalize)
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

    Sparse features that are active together are
    `jaxsup.experiment.features.GroupedFeatures`.

    Arguments:
        covariance: symmetric positive semi-definite matrix, [features, features].

    Raises:
        ValueError: the matrix is not square, finite, symmetric and positive semi-definite.
    """

    kind: ClassVar[str] = "correlated"
    covariance: Array | np.ndarray
    # Known also where the array is taken out, as a scan over it does.
    count: int = eqx.field(static=True, init=False)

    def __init__(self, covariance: Values) -> None:
        self.covariance = as_numbers("features.covariance", covariance)
        self.count = self.covariance.shape[-1] if self.covariance.ndim else 0

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
