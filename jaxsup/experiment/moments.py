"""Exact first and second moments of the data: all that a squared loss sees of a linear student."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


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
