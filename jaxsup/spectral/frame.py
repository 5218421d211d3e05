"""Quantities of a frame that need no eigendecomposition."""

from functools import partial
from math import sqrt

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.typing import ArrayLike
from jaxtyping import Bool, Float

from jaxsup.spectral.arrays import (
    as_array,
    exact_product,
    normalise,
    rounding,
    safe_sqrt,
    smaller_product,
)


def frame_operator(W: ArrayLike) -> Float[Array, "latent latent"]:
    """F = W W^T = sum_i w_i w_i^T at full precision."""
    W = as_array(W)
    return exact_product(W, W.T)


def gram_matrix(W: ArrayLike) -> Float[Array, "features features"]:
    """M = W^T W, M_ij = w_i . w_j, at full precision; quadratic in the number of features."""
    W = as_array(W)
    return exact_product(W.T, W)


def feature_norms(W: ArrayLike) -> Float[Array, "features"]:
    """|w_i|, with gradient zero (not NaN) at a zero column."""
    V, scale = normalise(as_array(W))
    return scale * safe_sqrt(jnp.sum(V * V, axis=0))


def squared_overlaps(W: ArrayLike) -> Float[Array, "features"]:
    """sum_j (w_i . w_j)^2 = w_i^T F w_i, own term included; never forms N x N when K < N."""
    V, scale = normalise(as_array(W))
    return scale**4 * overlaps(V, smaller_product(V))


def capacities(W: ArrayLike) -> Float[Array, "features"]:
    """D_i = |w_i|^4 / sum_j (w_i . w_j)^2, in [0, 1] (arXiv 2209.10652; 2602.02224).

    Equal to |w_i|^2 / E_mu_i[lambda]; sum_i D_i <= rank W, with equality exactly when every feature
    is localised on one eigenspace. Needs no eigendecomposition, so gradients are exact anywhere;
    columns below the norm threshold of "not represented" have D_i = 0 and gradient 0.
    """
    V, _ = normalise(as_array(W))
    squares = jnp.sum(V * V, axis=0)
    visible = squares > rounding(V.shape, V.dtype) * jnp.max(squares)
    return scaled_capacities(squares, overlaps(V, smaller_product(V)), visible)


def frame_potential(W: ArrayLike) -> Float[Array, ""]:
    """sum_ij (w_i . w_j)^2 = |F|_F^2 (Benedetto & Fickus 2003), own terms included.

    At least |W|_F^4 / K (N^2 / K for unit columns), with equality exactly for tight frames.
    """
    V, scale = normalise(as_array(W))
    return scale**4 * jnp.sum(smaller_product(V) ** 2)


def dimensions_per_feature(W: ArrayLike) -> Float[Array, ""]:
    """D* = K / |W|_F^2 (Elhage et al., arXiv 2209.10652); infinite for a zero matrix."""
    W = as_array(W)
    return W.shape[0] / jnp.sum(W * W)


def welch_bound(features: int, latent: int) -> float:
    """sqrt((N - K) / (K (N - 1))), 0 if N <= K: the least coherence of N unit vectors (Welch 1974).

    Reached exactly by equiangular tight frames.
    """
    if features < 1 or latent < 1:
        raise ValueError(
            f"expected at least one feature and one latent dimension; got features={features}, "
            f"latent={latent}; do welch_bound(W.shape[1], W.shape[0])"
        )
    return sqrt(max(features - latent, 0) / (latent * max(features - 1, 1)))


def coherence(W: ArrayLike, *, block: int = 2048) -> Float[Array, ""]:
    """max_{i != j} |w_i . w_j| / (|w_i| |w_j|) over represented features, in [0, 1].

    Works through block x block tiles, so memory stays O(N K + block^2) while time is O(N^2 K). Zero
    with fewer than two represented features.
    """
    if block < 1:
        raise ValueError(f"expected block >= 1; got {block}; do leave the default")
    return _coherence(as_array(W), block)


@jax.jit
def overlaps(V: Float[Array, "K N"], S: Float[Array, "slots slots"]) -> Float[Array, "N"]:
    wide = V.shape[0] <= V.shape[1]
    return jnp.sum(V * exact_product(S, V), axis=0) if wide else jnp.sum(S * S, axis=0)


@jax.jit
def scaled_capacities(
    squares: Float[Array, "N"], overlaps: Float[Array, "N"], shown: Bool[Array, "N"]
) -> Float[Array, "N"]:
    """|w|^4 / overlap; the overlap is at least |w|^4, its own term, whatever the rounding."""
    safe = jnp.where(shown, jnp.maximum(overlaps, squares**2), 1.0)
    return jnp.where(shown, squares**2 / safe, 0.0)


@partial(jax.jit, static_argnames="block")
def _coherence(W: Array, block: int) -> Array:
    V, _ = normalise(W)
    squares = jnp.sum(V * V, axis=0)
    shown = squares > rounding(V.shape, V.dtype) * jnp.max(squares)
    unit = jnp.where(shown[None, :], V / jnp.sqrt(jnp.where(shown, squares, 1.0))[None, :], 0.0)
    block = min(block, V.shape[1])
    tiles = -(-V.shape[1] // block)
    unit = jnp.pad(unit, ((0, 0), (0, tiles * block - V.shape[1])))

    def largest(best: Array, tile: Array) -> tuple[Array, None]:
        left, right = (lax.dynamic_slice_in_dim(unit, t * block, block, axis=1) for t in tile)
        itself = (tile[0] == tile[1]) & jnp.eye(block, dtype=bool)
        cosines = jnp.where(itself, 0.0, jnp.abs(exact_product(left.T, right)))
        return jnp.maximum(best, jnp.max(cosines)), None

    pairs = jnp.stack(jnp.triu_indices(tiles), axis=1)
    return lax.scan(largest, jnp.zeros((), V.dtype), pairs)[0].clip(max=1.0)
