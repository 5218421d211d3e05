"""Clusters of eigenvalues and what the features are on them, with derivatives at fixed clusters."""

import functools

import jax
import jax.numpy as jnp
from jax import Array, lax

from jaxsup._internal.serial import one_at_a_time
from jaxsup.spectral.arrays import exact_product

_eigh = one_at_a_time(functools.partial(jnp.linalg.eigh, symmetrize_input=False))


@jax.custom_jvp
def _follow(S: Array, values: Array, vectors: Array, labels: Array) -> tuple[Array, Array]:
    """The eigenpairs of S as given, with their derivative at fixed clusters.

    d lambda_a = u_a^T dS u_a;  d u_b = sum_a u_a (u_a^T dS u_b) / (lambda_b - lambda_a) over the a
    outside b's cluster: a basis moves only as its eigenspace does.
    """
    return values, vectors


@_follow.defjvp
def _follow_derivative(primals, tangents):
    values, vectors = _follow(*primals)
    labels = primals[3]
    turned = exact_product(vectors.T, exact_product(tangents[0], vectors))
    same = labels[:, None] == labels[None, :]
    gaps = jnp.where(same, 1.0, values[None, :] - values[:, None])
    moved = exact_product(vectors, jnp.where(same, 0.0, turned / gaps))
    return (values, vectors), (jnp.diagonal(turned), moved)


def _eigenspaces(S: Array, relative_tolerance: Array, rank_tolerance: Array) -> tuple[Array, ...]:
    """Descending eigenvalues, eigenvectors, and the cluster of each (the size of S: null space)."""
    values, vectors = _eigh(lax.stop_gradient(S))
    values, vectors = values[::-1], vectors[:, ::-1]
    kept = (values > rank_tolerance * values[0]) & (values > 0)
    opens = values[:-1] - values[1:] > relative_tolerance * values[0]
    opens = jnp.concatenate([jnp.ones((1,), bool), opens])
    labels = jnp.where(kept, jnp.cumsum(opens & kept) - 1, len(values))
    return *_follow(S, values, vectors, labels), labels


def eigen_coordinates(V: Array, S: Array, tolerances: list[Array]) -> tuple[Array, ...]:
    """Eigenvalues, clusters, eigenvectors u_a of F (zero in the null space) and u_a . w_i."""
    values, vectors, labels = _eigenspaces(S, *tolerances)
    kept = labels < len(values)
    vectors = jnp.where(kept[None, :], vectors, 0.0)
    if V.shape[0] <= V.shape[1]:
        return values, labels, vectors, exact_product(vectors.T, V)
    root = jnp.sqrt(jnp.where(kept, values, 1.0))[None, :]
    return values, labels, exact_product(V, vectors / root), (vectors * root).T


def tightness_residuals(offsets: Array, coordinates: Array, own: Array, member: Array) -> Array:
    """|P_k (S_k - lambda_k P_k)|_F^2, from P_k (F - lambda_k P_k) less what is not k's own."""
    foreign = jnp.where(own, 0.0, coordinates)
    difference = jnp.diag(offsets) - exact_product(foreign, coordinates.T)  # rows: eigenvectors
    return jnp.sum(jnp.sum(difference**2, axis=1)[:, None] * member, axis=0)
