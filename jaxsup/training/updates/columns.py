"""Sums of columns of a matrix, M x for a batch of sparse x, in an order that is always the same.

A CPU adds the columns of a sample one after the other. On an accelerator such additions go on at
once, in whatever order: the last bits of a sum would differ from run to run. There the terms are
rounded to whole numbers of a unit, sums of which are exact; and the derivative in M is a product
with x written out. (Expressions of as many terms as a sample may have took eight times as long.)
"""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

from jaxsup._internal.powers import power_of_two
from jaxsup.training.sampling.arrivals import SparseBatch

# Bits of a sum of whole numbers, by the bits of the numbers that they stand for.
_WHOLE = {"float32": (jnp.int32, 29), "float64": (jnp.int64, 61)}
# Of sums that are smaller, the unit would be no power of two that float32 has.
_SMALLEST = 2.0**-90


class Sizes(NamedTuple):
    """What is known of a batch before it is drawn: `SparseBatch` has the same."""

    rows: int
    features: int


def sums_of_columns(
    matrix: Float[Array, "latent features"], batch: SparseBatch
) -> Float[Array, "rows latent"]:
    """M x for each row of a sparse batch."""
    sizes = Sizes(batch.rows, batch.count)
    return lax.platform_dependent(
        *(matrix, batch.row, batch.feature, batch.value),
        cpu=functools.partial(_added, sizes),
        default=functools.partial(_in_whole_numbers, sizes),
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
def _in_whole_numbers(
    sizes: Sizes,
    matrix: Float[Array, "latent features"],
    row: Int[Array, " arrivals"],
    feature: Int[Array, " arrivals"],
    value: Float[Array, " arrivals"],
) -> Float[Array, "rows latent"]:
    """Sums of whole numbers: no more than 2^30, or 2^62, of the unit make the largest there is."""
    columns = lax.optimization_barrier(matrix.T)
    terms = value[:, None] * columns.at[feature].get(mode="promise_in_bounds")
    one = (value != 0).astype(jnp.int32)
    number = jnp.zeros(sizes.rows, one.dtype).at[row].add(one, mode="promise_in_bounds")
    most = jnp.max(number).astype(matrix.dtype)
    largest = most * jnp.max(jnp.abs(value)) * jnp.max(jnp.abs(matrix))
    dtype, bits = _WHOLE[matrix.dtype.name]
    unit = jnp.maximum(power_of_two(largest), _SMALLEST) / 2.0**bits
    whole = jnp.rint(terms / unit).astype(dtype)
    sums = jnp.zeros((sizes.rows, matrix.shape[0]), whole.dtype)
    sums = sums.at[row].add(whole, mode="promise_in_bounds", indices_are_sorted=True)
    return sums.astype(matrix.dtype) * unit


def _written_out(
    sizes: Sizes,
    row: Int[Array, " arrivals"],
    feature: Int[Array, " arrivals"],
    value: Float[Array, " arrivals"],
) -> Float[Array, "rows features"]:
    """x, a sample a row: an active feature stands at one place, where nothing else is but 0."""
    x = jnp.zeros((sizes.rows, sizes.features), value.dtype)
    return x.at[row, feature].add(value, mode="promise_in_bounds")


def _forward(sizes: Sizes, matrix: Any, *arrivals: Any) -> tuple[Any, Any]:
    return _in_whole_numbers(sizes, matrix, *arrivals), arrivals


def _backward(sizes: Sizes, arrivals: Any, slope: Any) -> tuple[Any, ...]:
    return slope.T @ _written_out(sizes, *arrivals), None, None, None


_in_whole_numbers.defvjp(_forward, _backward)
