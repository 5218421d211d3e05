"""Two features in one dimension: the exact loss of any weights, and of three arrangements.

Setting (Elhage et al., arXiv 2209.10652, section 3): x_1, x_2 are on independently with probability
s and then uniform on [0, 1]; the network is relu(W^T W x + c) with W [1, 2]; the loss is
e_1 + r e_2, e_i the expected squared error of output i. The three arrangements are those of the
public analysis wattenberg/superposition.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from jaxsup._internal.validation import check_number
from jaxsup.theory.response import uniform_error

_NODES = 32
"""Gauss-Legendre nodes of the one integral that is left; the integrand has kinks in its second
derivative, where an output falls silent, and in its third."""


def two_feature_losses(density: ArrayLike, importance: ArrayLike) -> Float[np.ndarray, "3 ..."]:
    """Losses of the three arrangements, which `density` and `importance` are broadcast to.

    0: the extra feature is dropped, its output its mean: r (s/3 - s^2/4). 1: the dimension is the
    extra feature's: s/3 - s^2/4. 2: antipodal pair, w_2 = -w_1 of norm 1: (1 + r) s^2 / 6. The pair
    wins between r = 2s / (4 - 5s) and r = (4 - 5s) / (2s), equal at s = 4/7, r = 1.

    Arguments:
        density: s, in (0, 1].
        importance: r > 0 of the second, the extra feature.

    Returns:
        The three losses, [3, ...].

    Raises:
        ValueError: a number is out of range.

    Reference: arXiv 2209.10652, section 3; wattenberg/superposition, the analysis of two features.

    >>> two_feature_losses(0.3, 1.0).round(4).tolist()
    [0.0775, 0.0775, 0.03]
    """
    advice = "give a probability"
    check_number("density", density, advice, low=0, low_open=True, high=1)
    check_number("importance", importance, "give the weight", low=0, low_open=True)
    s, r = np.broadcast_arrays(np.asarray(density, float), np.asarray(importance, float))
    variance = s / 3 - s**2 / 4
    return np.stack([r * variance, variance, (1 + r) * s**2 / 6])


@jax.jit
def two_feature_errors(
    W: Float[Array, "*networks features"],
    bias: Float[Array, "*networks features"],
    density: Float[Array, "*networks"],
) -> Float[Array, "*networks features"]:
    """Expected squared error of both outputs, by closed forms and one quadrature.

    With one other feature x_j on, output i is relu(g_ii x_i + (c_i + g_ij x_j)): its mean over x_i
    is the closed form of one active feature with a shifted bias, and the mean over x_j is taken at
    32 Gauss-Legendre nodes.

    Arguments:
        W: the embedding's two entries, [..., 2].
        bias: c, [..., 2].
        density: s, [...].

    Returns:
        e_1 and e_2, [..., 2].
    """
    nodes, weights = (jnp.asarray(x, W.dtype) for x in np.polynomial.legendre.leggauss(_NODES))
    nodes, weights = (nodes + 1.0) / 2.0, weights / 2.0
    direct, cross = W * W, jnp.prod(W, axis=-1, keepdims=True) * jnp.ones_like(W)
    s = density[..., None]
    shifted = bias[..., None] + cross[..., None] * nodes.reshape((1,) * W.ndim + (-1,))
    spread = jnp.ones_like(shifted)
    at_nodes = uniform_error(direct[..., None] * spread, shifted, spread)
    together = jnp.sum(at_nodes * weights.reshape((1,) * W.ndim + (-1,)), axis=-1)
    alone = uniform_error(direct, bias, jnp.ones_like(W))
    other = uniform_error(cross, bias, jnp.zeros_like(W))
    silent = jnp.maximum(bias, 0.0) ** 2
    return s**2 * together + s * (1.0 - s) * (alone + other) + (1.0 - s) ** 2 * silent
