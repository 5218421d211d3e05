"""Exact first and second moments of the data: all that a squared loss sees of a linear student."""

import dataclasses
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxsup._internal.validation import fail, is_traced

# Of C_ii: more than the rounding of float32 leaves of a variance of 0.
_ROUNDING = 1e-4


class Moments(eqx.Module):
    """Exact moments of x: mean m = E[x], and C = E[x x^T] = diag(d) + r r^T (+ more).

    C is the second moment, not the covariance: it is what a squared loss sees. Keeping its
    structure makes a quadratic form cost O(N^2) instead of O(N^3) where it has one.

    Attributes:
        mean: m.
        diagonal: d.
        factor: r.
        dense: a matrix S that is added.
        blocks: b_g of each group of consecutive features, all of one size: b_g is added to C_ij
            where i and j are in group g, i = j too.
    """

    mean: Float[Array, " features"]
    diagonal: Float[Array, " features"]
    factor: Float[Array, " features"]
    dense: Float[Array, "features features"] | None = None
    blocks: Float[Array, " groups"] | None = None

    def row_quadratics(self, D: Float[Array, "rows features"]) -> Float[Array, " rows"]:
        """(D C D^T)_ii for every row i, as a sum of squares where C is diagonal plus rank one."""
        exact = jax.lax.Precision.HIGHEST
        quadratics = jnp.matmul(D * D, self.diagonal, precision=exact)
        quadratics += jnp.matmul(D, self.factor, precision=exact) ** 2
        if self.dense is not None:
            quadratics += jnp.sum(jnp.matmul(D, self.dense, precision=exact) * D, axis=1)
        if self.blocks is not None:
            sums = jnp.sum(D.reshape(D.shape[0], self.blocks.size, -1), axis=2)
            quadratics += jnp.matmul(sums**2, self.blocks, precision=exact)
        return quadratics

    def second_moment(self) -> Float[Array, "features features"]:
        """C = E[x x^T] as a full matrix."""
        matrix = jnp.diag(self.diagonal) + jnp.outer(self.factor, self.factor)
        if self.dense is not None:
            matrix += self.dense
        if self.blocks is not None:
            size = self.mean.size // self.blocks.size
            matrix += jnp.kron(jnp.diag(self.blocks), jnp.ones((size, size), matrix.dtype))
        return matrix

    def covariance(self) -> Float[Array, "features features"]:
        """E[(x - m) (x - m)^T] = C - m m^T as a full matrix."""
        return self.second_moment() - jnp.outer(self.mean, self.mean)


def check_moment_shapes(moments: Any, count: int) -> None:
    """Check that what a law calls its moments has their shapes, and their dtype.

    Arguments:
        moments: what came; its arrays may be known by shape and dtype alone.
        count: number of features N.

    Raises:
        ValueError: it is no `Moments`, or an array has another shape or another dtype.
    """
    if not isinstance(moments, Moments):
        text, advice = (
            f"a {type(moments).__name__}",
            "return jaxsup.experiment.moments.Moments(...), or None",
        )
        raise fail("features", "moments() to be Moments", text, advice, described=True)
    shapes: dict[str, tuple[int, ...]] = {"dense": (count, count)}
    groups = getattr(moments.blocks, "size", 0)
    if groups and count % groups == 0:
        shapes["blocks"] = (groups,)
    real = jnp.result_type(float)
    for field in dataclasses.fields(Moments):
        array: Any = getattr(moments, field.name)
        if array is None and field.name in ("dense", "blocks"):
            continue
        shape = shapes.get(field.name, (count,))
        got = getattr(array, "shape", None), getattr(array, "dtype", None)
        if got != (shape, real):
            expected = f"{field.name} of moments() to be {real} of the shape {shape}"
            text = type(array).__name__ if got[0] is None else f"{got[1]} of a shape {got[0]}"
            advice = "return E[x] and E[x x^T] of all features"
            raise fail("features", expected, text, advice, described=True)


def check_moments(moments: Moments) -> None:
    """Check that there can be such an x: finite numbers, and no negative variance C_ii - m_i^2.

    Raises:
        ValueError: there cannot.
    """
    if is_traced(moments):
        return
    if not all(np.isfinite(np.asarray(array)).all() for array in jax.tree.leaves(moments)):
        text, advice = "some that are not", "remove them"
        raise fail("features", "moments() of finite numbers", text, advice, described=True)
    terms = _terms_of_squares(moments)
    variance = np.sum(terms, axis=0) - np.asarray(moments.mean, np.float64) ** 2
    size = np.sum(np.abs(terms), axis=0)
    if np.any(variance < -_ROUNDING * size):
        feature = int(np.argmin(variance))
        text = f"{variance[feature]:.4g} of feature {feature}"
        advice = "return second moments E[x x^T], not less than the squares of the means"
        raise fail("features", "moments() with variances >= 0", text, advice, described=True)


def mean_squares(moments: Moments) -> Float[np.ndarray, " features"]:
    """C_ii = E[x_i^2] in float64, without forming C."""
    return np.sum(_terms_of_squares(moments), axis=0)


def _terms_of_squares(moments: Moments) -> list[Float[np.ndarray, " features"]]:
    """What C_ii is the sum of."""
    terms = [np.asarray(moments.diagonal, np.float64), np.asarray(moments.factor, np.float64) ** 2]
    if moments.dense is not None:
        terms.append(np.diagonal(np.asarray(moments.dense, np.float64)))
    if moments.blocks is not None:
        blocks = np.asarray(moments.blocks, np.float64)
        terms.append(np.repeat(blocks, moments.mean.size // blocks.size))
    return terms
