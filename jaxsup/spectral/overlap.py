"""Cosines of pairs of features: their mean square, the largest one, and its least value."""

from functools import partial
from math import sqrt

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike
from jaxtyping import Bool, Float

from jaxsup._internal.validation import check_positive_integer, fail
from jaxsup.spectral.arrays import (
    as_array,
    exact_product,
    exceeds,
    normalize,
    or_one,
    rounding,
    safe_sqrt,
    smaller_product,
)
from jaxsup.spectral.represented import represented as represented_features

_BLOCK = 4096  # columns that are summed at once on the host


def mean_squared_cosine(W: ArrayLike, represented: ArrayLike | None = None) -> Float[Array, ""]:
    """Mean of cos^2(w_i, w_j) over pairs i != j of represented features.

    With U their unit columns and n their number: (|U U^T|_F^2 - n) / (n (n - 1)), from the smaller
    of U U^T and U^T U. At least (n - K) / (K (n - 1)), with equality exactly where U is a tight
    frame; 1/K on average for random directions.

    Arguments:
        W: [latent, features], finite and real. Computed in its precision: where the cosines are
            far below the square root of that, take `mean_squared_cosine_on_host`.
        represented: [features], booleans: which of them count; default: those that
            `jaxsup.spectral.represented` says.

    Returns:
        In [0, 1], but for rounding; NaN for fewer than two represented features.

    Raises:
        ValueError: W is no finite, real, non-empty matrix, or `represented` is not one for each
            feature.

    Reference: Welch, IEEE Trans. Inf. Theory 20 (1974).

    >>> angles = 2 * np.pi * np.arange(5) / 5
    >>> round(float(mean_squared_cosine(np.stack([np.cos(angles), np.sin(angles)]))), 4)
    0.375
    """
    W = as_array(W)
    chosen = _checked_choice(W, represented)
    V, _ = normalize(W)
    norms = safe_sqrt(jnp.sum(V * V, axis=0))
    U = jnp.where(chosen[None, :], V / or_one(norms)[None, :], 0.0)
    count = jnp.sum(chosen).astype(V.dtype)
    excess = jnp.sum(smaller_product(U) ** 2) - count
    # At least 0 in value, whatever the rounding; the derivative is that of the quotient.
    excess = excess - lax.stop_gradient(jnp.minimum(excess, 0.0))
    pairs = jnp.where(count > 1, count * (count - 1.0), 1.0)
    return jnp.where(count > 1, excess / pairs, jnp.nan)


def mean_squared_cosine_on_host(W: Float[np.ndarray, "latent features"]) -> float:
    """`mean_squared_cosine` of all columns, in float64 by NumPy, for matrices of any size.

    Arguments:
        W: [latent, features], finite; every column counts, so none may be zero.

    Returns:
        In [0, 1]; NaN for fewer than two features.
    """
    count = W.shape[1]
    if count < 2:
        return float("nan")
    unit = W / np.linalg.norm(W, axis=0)
    wide = unit if unit.shape[0] <= count else unit.T
    product = np.zeros((len(wide), len(wide)))
    for start in range(0, wide.shape[1], _BLOCK):
        block = wide[:, start : start + _BLOCK].astype(np.float64)
        product += block @ block.T
    diagonal = float(np.sum(np.sum(unit.astype(np.float64) ** 2, axis=0) ** 2))
    return max(float(np.sum(product**2)) - diagonal, 0.0) / (count * (count - 1))


def _checked_choice(
    W: Float[Array, "latent features"], represented: ArrayLike | None
) -> Bool[Array, " features"]:
    if represented is None:
        return jnp.asarray(represented_features(W))
    chosen = jnp.asarray(represented)
    if chosen.shape != W.shape[1:] or chosen.dtype != bool:
        text = f"shape {chosen.shape} of {chosen.dtype}"
        expected = f"booleans of shape {W.shape[1:]}"
        raise fail("represented", expected, text, "give one for each column of W", described=True)
    return chosen


def welch_bound(features: int, latent: int) -> float:
    """sqrt((N - K) / (K (N - 1))), 0 if N <= K: the least coherence of N unit vectors.

    Reached exactly by equiangular tight frames.

    Arguments:
        features: N >= 1.
        latent: K >= 1.

    Raises:
        ValueError: a size is no positive integer.

    Reference: Welch, IEEE Trans. Inf. Theory 20 (1974).
    """
    check_positive_integer("features", features, "give W.shape[1]")
    check_positive_integer("latent", latent, "give W.shape[0]")
    return sqrt(max(features - latent, 0) / (latent * max(features - 1, 1)))


def coherence(W: ArrayLike, *, block: int = 2048) -> Float[Array, ""]:
    """max_{i != j} |w_i . w_j| / (|w_i| |w_j|) over represented features.

    Works through block x block tiles, so memory stays O(N K + block^2) while time is O(N^2 K). Of
    the two conditions for being represented, only that on the norm is applied.

    Arguments:
        W: [latent, features], finite and real.
        block: features on each side of a tile, at least 1; the result does not depend on it.

    Returns:
        In [0, 1]; 0 with fewer than two represented features.

    Raises:
        ValueError: W is no finite, real, non-empty matrix, or `block` is no positive integer.
    """
    check_positive_integer("block", block, "give the number of features on a side of a tile")
    return _coherence(as_array(W), block)


@partial(jax.jit, static_argnames="block")
def _coherence(W: Float[Array, "latent features"], block: int) -> Float[Array, ""]:
    V, _ = normalize(W)
    squares = jnp.sum(V * V, axis=0)
    visible = exceeds(squares, rounding(V.shape, V.dtype))
    unit = jnp.where(visible[None, :], V / jnp.sqrt(jnp.where(visible, squares, 1.0))[None, :], 0.0)
    block = min(block, V.shape[1])
    tiles = -(-V.shape[1] // block)
    unit = jnp.pad(unit, ((0, 0), (0, tiles * block - V.shape[1])))

    def largest(best: Float[Array, ""], tile: Array) -> tuple[Float[Array, ""], None]:
        rows, columns = (lax.dynamic_slice_in_dim(unit, t * block, block, axis=1) for t in tile)
        itself = (tile[0] == tile[1]) & jnp.eye(block, dtype=bool)
        cosines = jnp.where(itself, 0.0, jnp.abs(exact_product(rows.T, columns)))
        return jnp.maximum(best, jnp.max(cosines)), None

    pairs = jnp.stack(jnp.triu_indices(tiles), axis=1)
    return lax.scan(largest, jnp.zeros((), V.dtype), pairs)[0].clip(max=1.0)
