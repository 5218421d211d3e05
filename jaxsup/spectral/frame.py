"""Quantities of a frame that need no eigendecomposition."""

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Bool, Float

from jaxsup.spectral.arrays import (
    as_array,
    exact_product,
    exceeds,
    in_units,
    normalize,
    or_one,
    rounding,
    safe_sqrt,
    smaller_product,
)


def frame_operator(W: ArrayLike) -> Float[Array, "latent latent"]:
    """F = W W^T = sum_i w_i w_i^T at full precision.

    Arguments:
        W: [latent, features], finite and real.

    Raises:
        ValueError: W is no finite, real, non-empty matrix.
    """
    W = as_array(W)
    return exact_product(W, W.T)


def gram_matrix(W: ArrayLike) -> Float[Array, "features features"]:
    """M = W^T W, M_ij = w_i . w_j, at full precision; quadratic in the number of features.

    Arguments:
        W: [latent, features], finite and real.

    Raises:
        ValueError: W is no finite, real, non-empty matrix.
    """
    W = as_array(W)
    return exact_product(W.T, W)


def feature_norms(W: ArrayLike) -> Float[Array, " features"]:
    """|w_i|, with gradient zero (not NaN) at a zero column.

    Arguments:
        W: [latent, features], finite and real.

    Raises:
        ValueError: W is no finite, real, non-empty matrix.
    """
    V, scale = normalize(as_array(W))
    return scale * safe_sqrt(jnp.sum(V * V, axis=0))


def squared_overlaps(W: ArrayLike) -> Float[Array, " features"]:
    """sum_j (w_i . w_j)^2 = w_i^T F w_i, the feature itself included.

    The N x N Gram matrix is never formed where K < N.

    Arguments:
        W: [latent, features], finite and real.

    Returns:
        In units of W to the fourth.

    Raises:
        ValueError: W is no finite, real, non-empty matrix.
    """
    V, scale = normalize(as_array(W))
    return in_units(overlaps(V, smaller_product(V)), scale, 4)


def capacities(W: ArrayLike) -> Float[Array, " features"]:
    """D_i = |w_i|^4 / sum_j (w_i . w_j)^2, the fractional dimension of each feature.

    Equal to |w_i|^2 / E_mu_i[lambda]; sum_i D_i <= rank W, with equality exactly when every feature
    is localized on one eigenspace. Needs no eigendecomposition, so gradients are exact anywhere.

    Arguments:
        W: [latent, features], finite and real.

    Returns:
        In [0, 1]; 0 with gradient 0 for columns whose squared norm is at most r times the largest.

    Raises:
        ValueError: W is no finite, real, non-empty matrix.

    Reference: arXiv 2209.10652 (dimensions per feature); arXiv 2602.02224 (capacity saturation).
    """
    V, _ = normalize(as_array(W))
    squares = jnp.sum(V * V, axis=0)
    visible = exceeds(squares, rounding(V.shape, V.dtype))
    return scaled_capacities(squares, overlaps(V, smaller_product(V)), visible)


def frame_potential(W: ArrayLike) -> Float[Array, ""]:
    """sum_ij (w_i . w_j)^2 = |F|_F^2, i = j included.

    At least |W|_F^4 / K (N^2 / K for unit columns), with equality exactly for tight frames.

    Arguments:
        W: [latent, features], finite and real.

    Returns:
        In units of W to the fourth.

    Raises:
        ValueError: W is no finite, real, non-empty matrix.

    Reference: Benedetto & Fickus, Adv. Comput. Math. 18 (2003).
    """
    V, scale = normalize(as_array(W))
    return in_units(jnp.sum(smaller_product(V) ** 2), scale, 4)


def dimensions_per_feature(W: ArrayLike) -> Float[Array, ""]:
    """D* = K / |W|_F^2; infinite for a zero matrix.

    Arguments:
        W: [latent, features], finite and real.

    Raises:
        ValueError: W is no finite, real, non-empty matrix.

    Reference: Elhage et al., arXiv 2209.10652, "The geometry of superposition".
    """
    W = as_array(W)
    return W.shape[0] / jnp.sum(W * W)


@jax.jit
def overlaps(
    V: Float[Array, "latent features"], S: Float[Array, "eigenvalues eigenvalues"]
) -> Float[Array, " features"]:
    """sum_j (v_i . v_j)^2, given the smaller of V V^T and V^T V."""
    wide = V.shape[0] <= V.shape[1]
    return jnp.sum(V * exact_product(S, V), axis=0) if wide else jnp.sum(S * S, axis=0)


@jax.jit
def scaled_capacities(
    squares: Float[Array, " features"],
    overlaps: Float[Array, " features"],
    represented: Bool[Array, " features"],
) -> Float[Array, " features"]:
    """|w|^4 / overlap; the overlap is at least |w|^4, its own term, whatever the rounding."""
    safe = jnp.where(represented, jnp.maximum(overlaps, squares**2), 1.0)
    return jnp.where(represented, squares**2 / safe, 0.0)


@jax.jit
def deviations(
    V: Float[Array, "latent features"],
    S: Float[Array, "eigenvalues eigenvalues"],
    means: Float[Array, " features"],
) -> Float[Array, " features"]:
    """|F v_i - kappa_i v_i| / |v_i|, given the smaller product; 0 where the mean kappa_i is."""
    if V.shape[0] <= V.shape[1]:
        offsets = exact_product(S, V) - means[None, :] * V
    else:  # F V - V diag(kappa) = V (S - diag(kappa))
        offsets = exact_product(V, S - jnp.diag(means))
    variances, squares = jnp.sum(offsets**2, axis=0), jnp.sum(V * V, axis=0)
    return safe_sqrt(jnp.where(means > 0, variances / or_one(squares), 0.0))
