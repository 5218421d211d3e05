"""How the arrays of students start: normal rows, scaled or with columns of unit norm."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from jaxsup._internal.serial import one_at_a_time
from jaxsup._internal.validation import Scalar, check_number

_decompose = one_at_a_time(lambda columns: tuple(jnp.linalg.qr(columns)))


def check_scales(embedding_scale: Scalar | None, **scales: Scalar) -> None:
    """Check the standard deviations of a student's start.

    Arguments:
        embedding_scale: > 0, or None for unit columns.
        scales: those of other arrays by the names of their fields, >= 0.

    Raises:
        ValueError: one is outside of its range.
    """
    for name, scale in scales.items():
        advice = "give the standard deviation of the start"
        check_number(f"student.{name}", scale, advice, low=0)
    if embedding_scale is not None:
        advice = "give the standard deviation of W's entries, or leave it out for unit columns"
        check_number("student.embedding_scale", embedding_scale, advice, low=0, low_open=True)


def scale_columns(
    W: Float[Array, "latent features"], scale: Scalar | None
) -> Float[Array, "latent features"]:
    """W times `scale`, or with columns of unit norm."""
    if scale is not None:
        return W * scale
    return W / jnp.linalg.norm(W, axis=0, keepdims=True)


def mix_columns(
    W: Float[Array, "latent features"], randomness: Scalar
) -> Float[Array, "latent features"]:
    """Unit columns between orthogonal and independent ones, see `Student`.

    Arguments:
        W: independent normals; rows of zeros, which pad it, are last and stay.
        randomness: r in [0, 1]; at 1 the columns are those of W, to the bit.
    """
    # Rows one after the other, so that those in use do not feel the padding behind them.
    rotation, triangle = _decompose(W.T)
    rows = rotation.T * jnp.sign(jnp.diagonal(triangle))[:, None]
    independent, share = scale_columns(W, None), jnp.asarray(randomness, W.dtype)
    mixed = (1.0 - share) * scale_columns(rows, None) + share * independent
    return jnp.where(share == 1.0, independent, scale_columns(mixed, None))


def sample_rows(key: Key[Array, ""], rows: int, columns: int) -> Float[Array, "rows columns"]:
    """Standard normals whose row k depends on the key, k and the number of columns alone."""
    keys = jax.vmap(lambda k: jax.random.fold_in(key, k))(jnp.arange(rows))
    return jax.vmap(lambda row_key: jax.random.normal(row_key, (columns,)))(keys)
