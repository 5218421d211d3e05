"""Loss of tied autoencoders relu(W^T W x + c) on one active feature, with a gradient by hand.

Two products of N x K x N and one pass over the N x N responses, where reverse differentiation
needs three products and keeps several N x N arrays: with g = W^T W symmetric and m_ij the
derivative of the loss by g_ij, dL/dW = W (m + m^T), and m_ji is a function of g_ij and c_j, so
that nothing is transposed.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.custom_derivatives import SymbolicZero
from jaxtyping import Array, Float

from jaxsup._internal.batching import in_cache
from jaxsup.theory.modes import product

Respond = Callable[[Array, Array, Array], tuple[Array, Array, Array]]
"""(response g, bias, target) -> error, its derivatives by g and by the bias, elementwise."""


@functools.partial(jax.custom_jvp, nondiff_argnums=(0,))
def tied_loss(
    respond: Respond,
    W: Float[Array, "latent features"],
    bias: Float[Array, " features"],
    weights: Float[Array, " features"],
    frequencies: Float[Array, " features"],
    gains: Float[Array, " features"],
) -> Float[Array, ""]:
    """sum_ij weights_i frequencies_j T(g_ij, bias_i, gains_i delta_ij) with g = W^T W."""
    return _plain_loss(respond, W, bias, weights, frequencies, gains)


def _plain_loss(
    respond: Respond, W: Array, bias: Array, weights: Array, frequencies: Array, gains: Array
) -> Array:
    error, _, _ = respond(product(W.T, W), bias[:, None], jnp.diag(gains))
    return jnp.sum(weights[:, None] * frequencies[None, :] * error)


@functools.partial(tied_loss.defjvp, symbolic_zeros=True)
def _tied_loss_jvp(
    respond: Respond, primals: tuple[Array, ...], tangents: tuple[Any, ...]
) -> tuple[Array, Array]:
    d_W, d_bias, *others = tangents
    if not all(isinstance(tangent, SymbolicZero) for tangent in others):
        solid = [
            jnp.zeros_like(p) if isinstance(t, SymbolicZero) else t
            for p, t in zip(primals, tangents, strict=True)
        ]
        return jax.jvp(functools.partial(_plain_loss, respond), primals, tuple(solid))
    loss, by_W, by_bias = _value_and_slopes(respond, *primals)
    slope = jnp.zeros_like(loss)
    for tangent, by in ((d_W, by_W), (d_bias, by_bias)):
        if not isinstance(tangent, SymbolicZero):
            slope += jnp.sum(by * tangent)
    return loss, slope


def _slopes(
    respond: Respond, W: Array, bias: Array, weights: Array, frequencies: Array, gains: Array
) -> tuple[Array, Array, Array]:
    """The loss and its derivatives by W and by the bias."""
    index = jnp.arange(bias.shape[0])
    # Written out, or XLA folds the transposition into a product that takes twice as long on a CPU.
    transposed = jax.lax.optimization_barrier(W.T)
    G = product(transposed, W)
    target = jnp.where(index[:, None] == index[None, :], gains[:, None], 0)
    error, by_response, by_bias = respond(G, bias[:, None], target)
    _, turned, _ = respond(G, bias[None, :], target)  # at (i, j) what `by_response` is at (j, i)
    w, f = weights, frequencies
    # Not (w f^T) * by_response: the product would be an array to read in every step.
    S = w[:, None] * (f[None, :] * by_response) + f[:, None] * (w[None, :] * turned)
    # Sums over j as products with f: weighting first would write another N x N array.
    return jnp.sum(w * product(error, f)), product(W, S), w * product(by_bias, f)


@functools.partial(jax.custom_jvp, nondiff_argnums=(0,))
def _value_and_slopes(respond: Respond, *arrays: Array) -> tuple[Array, Array, Array]:
    count, word = arrays[1].shape[0], arrays[1].dtype.itemsize
    return in_cache(functools.partial(_slopes, respond), 2 * count**2 * word)(*arrays)


@_value_and_slopes.defjvp
def _value_and_slopes_jvp(
    respond: Respond, primals: tuple[Array, ...], tangents: tuple[Array, ...]
) -> tuple[Any, Any]:
    return jax.jvp(functools.partial(_slopes, respond), primals, tangents)
