"""Sums of columns of a matrix, M x for a batch of sparse x, in an order that is always the same.

A CPU adds the columns of a sample one after the other. On an accelerator such additions go on at
once, in whatever order: the last bits of a sum would differ from run to run. There each sum is one
expression, its terms in order, and the derivative in M a product with x written out.
"""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

from jaxsup.training.sampling.arrivals import SparseBatch

# So many terms are written into an expression; where samples may have more, x is written out.
_MOST_TERMS = 48


class Sizes(NamedTuple):
    """What is known of a batch before it is drawn: `SparseBatch` has the same."""

    rows: int
    count: int
    deepest: int


def sums_of_columns(
    matrix: Float[Array, "latent features"], batch: SparseBatch
) -> Float[Array, "rows latent"]:
    """M x for each row of a sparse batch."""
    sizes = Sizes(batch.rows, batch.count, batch.deepest)
    return lax.platform_dependent(
        *(matrix, batch.row, batch.feature, batch.value),
        cpu=functools.partial(_added, sizes),
        default=functools.partial(_in_order, sizes),
    )


def _added(
    sizes: Sizes,
    matrix: Float[Array, "latent features"],
    row: Int[Array, " arrivals"],
    feature: Int[Array, " arrivals"],
    value: Float[Array, " arrivals"],
) -> Float[Array, "rows latent"]:
    """One column after the other is added to its row."""
    # Written out: read as it lies, each entry of a column comes from another line of the cache.
    columns = lax.optimization_barrier(matrix.T)
    chosen = columns.at[feature].get(mode="promise_in_bounds")
    h = jnp.zeros((sizes.rows, matrix.shape[0]), chosen.dtype)
    return h.at[row].add(chosen * value[:, None], mode="promise_in_bounds", indices_are_sorted=True)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _in_order(
    sizes: Sizes,
    matrix: Float[Array, "latent features"],
    row: Int[Array, " arrivals"],
    feature: Int[Array, " arrivals"],
    value: Float[Array, " arrivals"],
) -> Float[Array, "rows latent"]:
    """Each row is one expression of its columns."""
    if sizes.deepest > _MOST_TERMS:
        return _written_out(sizes, row, feature, value) @ matrix.T
    columns, rows = matrix.T, jnp.arange(sizes.rows, dtype=row.dtype)
    first = jnp.searchsorted(row, rows, method="compare_all").astype(row.dtype)
    h = jnp.zeros((sizes.rows, matrix.shape[0]), matrix.dtype)
    for depth in range(sizes.deepest):
        place = jnp.minimum(first + depth, row.size - 1)
        own = (first + depth < row.size) & (row[place] == rows)
        weight = jnp.where(own, value[place], 0.0)
        h += weight[:, None] * columns.at[feature[place]].get(mode="promise_in_bounds")
    return h


def _written_out(
    sizes: Sizes,
    row: Int[Array, " arrivals"],
    feature: Int[Array, " arrivals"],
    value: Float[Array, " arrivals"],
) -> Float[Array, "rows features"]:
    """x, a sample a row: an active feature stands at one place, where nothing else is but 0."""
    x = jnp.zeros((sizes.rows, sizes.count), value.dtype)
    return x.at[row, feature].add(value, mode="promise_in_bounds")


def _in_order_forward(sizes: Sizes, matrix: Any, *arrivals: Any) -> tuple[Any, Any]:
    return _in_order(sizes, matrix, *arrivals), arrivals


def _in_order_backward(sizes: Sizes, arrivals: Any, slope: Any) -> tuple[Any, ...]:
    return slope.T @ _written_out(sizes, *arrivals), None, None, None


_in_order.defvjp(_in_order_forward, _in_order_backward)
