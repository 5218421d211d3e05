"""Which features a matrix represents: the one definition that the package uses."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float

from jaxsup._internal.validation import fail
from jaxsup.spectral.arrays import (
    check_finite,
    check_real,
    check_tolerances,
    check_unmasked,
    floating_type,
    where_it_is,
)
from jaxsup.spectral.spectrum import decompose


def represented(
    W: ArrayLike,
    *,
    shortest: float | None = None,
    rank_tolerance: float | Float[Array, ""] | None = None,
) -> Bool[Array | np.ndarray, "*networks features"]:
    """Which features have a direction: |w_i| > shortest max_j |w_j|.

    By default the rule of `decompose`: |w_i|^2 > r max_j |w_j|^2, and more than half of |w_i|^2
    lies outside of the numerical null space of F (what is left of a short column beside the
    rounding of F is noise).

    Arguments:
        W: [latent, features], finite and real; with `shortest`, any number of matrices
            [*networks, latent, features], each with its own longest feature.
        shortest: norm, relative to the longest one, up to which a feature is not represented; in
            [0, 1). Trained weights in which features fade away want 0.1 or 0.5, exact ones 1e-3.
        rank_tolerance: r in [0, 1) where `shortest` is not given; default: see `jaxsup.spectral`.

    Returns:
        One boolean for each feature: a NumPy array if `shortest` is given and W is none of JAX.

    Raises:
        ValueError: W is no finite, real, non-empty matrix, a number is outside of [0, 1), or both
            `shortest` and `rank_tolerance` are given.

    >>> represented(np.array([[3.0, 1.0, 0.0], [4.0, 0.0, 0.0]]), shortest=0.1).tolist()
    [True, True, False]
    """
    if shortest is None:
        return decompose(W, rank_tolerance=rank_tolerance).represented
    if rank_tolerance is not None:
        do = "leave one of the two out"
        raise fail("rank_tolerance", "None beside `shortest`", rank_tolerance, do)
    check_tolerances(shortest=shortest)
    check_unmasked("W", W)
    matrices = where_it_is(W)
    if matrices.ndim < 2 or 0 in matrices.shape:
        expected, text = "a non-empty [latent, features] array", f"shape {matrices.shape}"
        raise fail("W", expected, text, "give features as columns", described=True)
    check_real("W", matrices)
    on_host = isinstance(matrices, np.ndarray)
    integers = np.float64 if on_host else jnp.result_type(float)
    with np.errstate(over="ignore"):  # found by the check
        matrices = matrices.astype(floating_type(matrices.dtype, integers))
    check_finite(matrices)
    chosen = _longer(np if on_host else jnp, matrices, shortest)
    return jnp.asarray(chosen) if isinstance(W, jax.Array) else chosen


def _longer(library: Any, matrices: Any, shortest: float) -> Any:
    """The rule of `shortest`, with columns over their largest entries: squares stay in range."""
    peaks = library.abs(matrices).max(axis=-2, keepdims=True)
    # XLA multiplies by inverses, which have to be normal numbers.
    most = 1 / jnp.finfo(matrices.dtype).tiny
    units = library.where(peaks > 0, library.minimum(peaks, most), 1.0)
    lengths = library.linalg.norm(matrices / units, axis=-2)
    norms = (units / units.max(axis=-1, keepdims=True))[..., 0, :] * lengths
    return norms > shortest * norms.max(axis=-1, keepdims=True)
