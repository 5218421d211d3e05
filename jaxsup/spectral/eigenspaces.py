"""Clusters of eigenvalues and what the features are on them, with derivatives at fixed clusters."""

import functools
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
from jax import Array, lax
from jaxtyping import Bool, Float, Int

from jaxsup._internal.serial import one_at_a_time
from jaxsup.spectral.arrays import exact_product, or_one

_eigh = one_at_a_time(functools.partial(jnp.linalg.eigh, symmetrize_input=False))


Matrix: TypeAlias = Float[Array, "eigenvalues eigenvalues"]
PerEigenvalue: TypeAlias = Float[Array, " eigenvalues"]
Labels: TypeAlias = Int[Array, " eigenvalues"]


@jax.custom_jvp
def _follow(
    S: Matrix, values: PerEigenvalue, vectors: Matrix, labels: Labels
) -> tuple[PerEigenvalue, Matrix]:
    """The eigenpairs of S as given, with their derivative at fixed clusters.

    d lambda_a = u_a^T dS u_a;  d u_b = sum_a u_a (u_a^T dS u_b) / (lambda_b - lambda_a) over the a
    outside b's cluster: a basis moves only as its eigenspace does.
    """
    return values, vectors


@_follow.defjvp
def _follow_derivative(
    primals: tuple[Array, ...], tangents: tuple[Any, ...]
) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    values, vectors = _follow(*primals)
    labels = primals[3]
    turned = exact_product(vectors.T, exact_product(tangents[0], vectors))
    same = labels[:, None] == labels[None, :]
    gaps = jnp.where(same, 1.0, values[None, :] - values[:, None])
    moved = exact_product(vectors, jnp.where(same, 0.0, turned / gaps))
    return (values, vectors), (jnp.diagonal(turned), moved)


def _eigenspaces(
    S: Matrix, relative_tolerance: Float[Array, ""], rank_tolerance: Float[Array, ""]
) -> tuple[PerEigenvalue, Matrix, Labels]:
    """Descending eigenvalues, eigenvectors, and the cluster of each (the size of S: null space)."""
    values, vectors = _eigh(lax.stop_gradient(S))
    values, vectors = values[::-1], vectors[:, ::-1]
    nonzero = (values > rank_tolerance * values[0]) & (values > 0)
    opens = values[:-1] - values[1:] > relative_tolerance * values[0]
    opens = jnp.concatenate([jnp.ones((1,), bool), opens])
    labels = jnp.where(nonzero, jnp.cumsum(opens & nonzero) - 1, len(values))
    return *_follow(S, values, vectors, labels), labels


def eigen_coordinates(
    V: Float[Array, "latent features"], S: Matrix, tolerances: list[Float[Array, ""]]
) -> tuple[
    PerEigenvalue, Labels, Float[Array, "latent eigenvalues"], Float[Array, "eigenvalues features"]
]:
    """Eigenvalues, clusters, eigenvectors u_a of F (zero in the null space) and u_a . w_i.

    `S` is the smaller product of V, the tolerances are the relative one and that of the rank.
    """
    values, vectors, labels = _eigenspaces(S, *tolerances)
    nonzero = labels < len(values)
    vectors = jnp.where(nonzero[None, :], vectors, 0.0)
    if V.shape[0] <= V.shape[1]:
        return values, labels, vectors, exact_product(vectors.T, V)
    root = jnp.sqrt(jnp.where(nonzero, values, 1.0))[None, :]
    return values, labels, exact_product(V, vectors / root), (vectors * root).T


def first_largest(
    measures: Float[Array, "*batch eigenspaces features"],
) -> Int[Array, "*batch features"]:
    """The first row with the largest entry of each column, as two plain reductions.

    XLA compares values and places together in `argmax`, entry by entry on a CPU.
    """
    count = measures.shape[-2]
    places = lax.broadcasted_iota(int, measures.shape, measures.ndim - 2)
    largest = measures == jnp.max(measures, axis=-2, keepdims=True, initial=0.0)
    return jnp.min(jnp.where(largest, places, count), axis=-2, initial=count)


def tightness_residuals(
    offsets: PerEigenvalue,
    coordinates: Float[Array, "eigenvalues features"],
    home: Bool[Array, "eigenvalues features"],
    member: Float[Array, "eigenvalues eigenspaces"],
) -> Float[Array, " eigenspaces"]:
    """|P_k (S_k - lambda_k P_k)|_F^2, from P_k (F - lambda_k P_k) less the features from elsewhere.

    `offsets` are the eigenvalues less their means, `home` says which features belong to an
    eigenvector's eigenspace, `member` which eigenspace an eigenvector is in.
    """
    foreign = jnp.where(home, 0.0, coordinates)
    difference = jnp.diag(offsets) - exact_product(foreign, coordinates.T)  # rows: eigenvectors
    return jnp.sum(jnp.sum(difference**2, axis=1)[:, None] * member, axis=0)


@jax.custom_jvp
def leverages(
    V: Float[Array, "latent features"],
    basis: Float[Array, "latent eigenvalues"],
    coordinates: Float[Array, "eigenvalues features"],
) -> Float[Array, " features"]:
    """l_i = v_i^T F^+ v_i from eigenvectors u_a (zero in the null space) and c_ai = u_a . v_i.

    The sum over a of c_ai^2 / sum_j c_aj^2, whose sum over features is the rank. Its derivative at
    fixed rank is that of l = max_y (2 v . y - y^T F y), with y_i = F^+ v_i held: 2 y . dv - y^T dF
    y, which no basis of an eigenspace enters.
    """
    return jnp.sum(coordinates**2 / _row_squares(coordinates), axis=0)


def _row_squares(
    coordinates: Float[Array, "eigenvalues features"],
) -> Float[Array, "eigenvalues 1"]:
    """The eigenvalues as the coordinates have them; 1 in the null space."""
    return or_one(jnp.sum(coordinates**2, axis=1))[:, None]


@leverages.defjvp
def _leverages_derivative(
    primals: tuple[Array, ...], tangents: tuple[Any, ...]
) -> tuple[Array, Array]:
    V, basis, coordinates = primals
    moved = tangents[0]
    y = exact_product(basis, coordinates / _row_squares(coordinates))
    if V.shape[0] <= V.shape[1]:  # half of y^T dF y, through the smaller square
        bent = y * exact_product(exact_product(moved, V.T), y)
        return leverages(*primals), 2.0 * jnp.sum(y * moved - bent, axis=0)
    bent = exact_product(y.T, moved) * exact_product(y.T, V)
    return leverages(*primals), 2.0 * (jnp.sum(y * moved, axis=0) - jnp.sum(bent, axis=1))
