"""Exact first and second moments of the data: all that a squared loss sees of a linear student."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


class Moments(eqx.Module):
    """Exact moments of x: mean m = E[x], and C = E[x x^T] = diag(d) + r r^T (+ S if dense).

    C is the second moment, not the covariance: it is what a squared loss sees. Keeping its
    structure makes a quadratic form cost O(N^2) instead of O(N^3) for all distributions but the
    correlated one.
    """

    mean: Float[Array, " features"]
    diagonal: Float[Array, " features"]
    factor: Float[Array, " features"]
    dense: Float[Array, "features features"] | None = None

    def row_quadratics(self, D: Float[Array, "rows features"]) -> Float[Array, " rows"]:
        """(D C D^T)_ii for every row i, as a sum of squares where C is diagonal plus rank one."""
        exact = jax.lax.Precision.HIGHEST
        quadratics = jnp.matmul(D * D, self.diagonal, precision=exact)
        quadratics += jnp.matmul(D, self.factor, precision=exact) ** 2
        if self.dense is not None:
            quadratics += jnp.sum(jnp.matmul(D, self.dense, precision=exact) * D, axis=1)
        return quadratics

    def second_moment(self) -> Float[Array, "features features"]:
        """C = E[x x^T] as a full matrix."""
        matrix = jnp.diag(self.diagonal) + jnp.outer(self.factor, self.factor)
        return matrix if self.dense is None else matrix + self.dense
