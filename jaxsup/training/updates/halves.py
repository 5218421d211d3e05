"""Products of float32's accuracy by tensor cores that multiply float16: numbers cut in halves.

A number over a power of two, at most 2^15, is the sum of a float16 and of a float16 of what remains
of it, to 2^-22 of itself and 2^-39 of the largest; and a product is three,

    a b = a_low b_high + a_high b_low + a_high b_high + O(2^-22),

each of them twice as fast as one of TensorFloat-32. Tensor cores add up in float32, but cut digits
off where float32 rounds, so that long sums are systematically too small: each tile of a sum is
added up by itself, and tiles by float32's own rules.

Reference: Ootomo and Yokota, Recovering single precision accuracy from Tensor Cores while
surpassing the FP32 theoretical peak performance, Int. J. High Perform. Comput. Appl. 36 (2022).
"""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Float16, Int

from jaxsup._internal.powers import power_of_two
from jaxsup.training.updates.tiles import (
    Tile,
    first_row,
    kernel_of,
    load_tile,
    places,
    store,
)

# The largest numbers are made this large; float16 ends at 2^16.
_LARGEST = 2.0**14
# No power of two is taken of what is smaller: its inverse has to be one too.
_SMALLEST = 2.0**-100
# The fastest of eight on an H200, for 64 products of 814 x 1,024 x 256.
_PRODUCT = Tile(128, 128, 64, 8, 3)


class Halves(NamedTuple):
    """A matrix, (high + low) unit."""

    high: Float16[Array, "m n"]
    low: Float16[Array, "m n"]
    unit: Float[Array, ""]


def halve(a: Float[Array, "m n"], most: Float[Array, ""]) -> Halves:
    """A matrix in halves: no entry of it is larger than `most`.

    Where that is not finite no half is, as then no product is.
    """
    unit = unit_of(most)
    scaled = a / unit
    # What a conversion there and back keeps, but no compiler takes this for superfluous.
    high = lax.reduce_precision(scaled, exponent_bits=5, mantissa_bits=10)
    return Halves(high.astype(jnp.float16), (scaled - high).astype(jnp.float16), unit)


def unit_of(most: Float[Array, ""]) -> Float[Array, ""]:
    """The power of two over which numbers up to `most` are 2^15 at most."""
    return jnp.maximum(power_of_two(most), _SMALLEST) / _LARGEST


def longest(a: Float[Array, "m n"], axis: int) -> Float[Array, ""]:
    """The largest norm along an axis; squares of small numbers do not vanish."""
    unit = unit_of(jnp.max(jnp.abs(a)))
    return unit * jnp.sqrt(jnp.max(jnp.sum((a / unit) ** 2, axis=axis)))


def product(
    a: Halves,
    b: Halves,
    *,
    rows: Int[Array, "1"],
    turned: tuple[bool, bool],
    interpret: bool = False,
) -> Float[Array, "m n"]:
    """a b, to float32's accuracy.

    Arguments:
        a, b: the factors.
        rows: rows of a that hold anything, and of b where a is turned; the others count as 0.
        turned: which of the factors are given turned, as their transposes.
        interpret: whether JAX interprets the kernel.
    """
    compute = _products(a, b, turned, jnp.float32, 1, interpret=interpret)
    unit = jnp.reshape(a.unit * b.unit, (1,))
    (whole,) = compute(rows, a.high, a.low, b.high, b.low, unit)
    return whole


def product_in_halves(
    a: Halves,
    b: Halves,
    most: Float[Array, ""],
    *,
    rows: Int[Array, "1"],
    turned: tuple[bool, bool],
    interpret: bool = False,
) -> Halves:
    """a b in halves: no entry of it is larger than `most`. The rest is as `product` takes it."""
    compute = _products(a, b, turned, jnp.float16, 2, interpret=interpret)
    unit = unit_of(most)
    units = jnp.reshape(a.unit * b.unit / unit, (1,))
    high, low = compute(rows, a.high, a.low, b.high, b.low, units)
    return Halves(high, low, unit)


def _products(
    a: Halves, b: Halves, turned: tuple[bool, bool], dtype: Any, count: int, *, interpret: bool
) -> Any:
    """The kernel that leaves so many arrays of a type."""
    terms, m = a.high.shape if turned[0] else a.high.shape[::-1]
    shape = m, b.high.shape[0 if turned[1] else 1]
    kernel = functools.partial(_product_kernel, terms=terms, turned=turned)
    outs = (jax.ShapeDtypeStruct(shape, dtype),) * count
    return kernel_of(kernel, _PRODUCT, outs, shape, "halved_product", interpret=interpret)


def _product_kernel(
    rows: Any,
    a_high: Any,
    a_low: Any,
    b_high: Any,
    b_low: Any,
    unit: Any,
    *outs: Any,
    tile: Tile,
    shape: tuple[int, int],
    terms: int,
    turned: tuple[bool, bool],
) -> None:
    """A tile of a product."""
    factors = (a_high, a_low), (b_high, b_low)
    held = (shape[0], rows[0]) if turned[0] else (rows[0], terms)
    total = sum_of_halves(factors, shape, held, turned, tile) * unit[0]
    if len(outs) == 1:
        store(outs[0], places(tile), total, shape)
    else:
        store_halves(outs, places(tile), total, shape)


def sum_of_halves(
    factors: tuple[tuple[Any, Any], tuple[Any, Any]],
    shape: tuple[int, int],
    held: tuple[Any, Any],
    turned: tuple[bool, bool],
    tile: Tile,
) -> Any:
    """A tile of a product of halves, without their units.

    Arguments:
        factors: high and low of both.
        shape: of the product.
        held: how many rows and terms of the first factor hold anything.
        turned: as `product` takes it.
        tile: the program's.
    """
    (row, column), (a, b) = places(tile), factors
    multiply = functools.partial(
        jnp.dot, precision=lax.Precision.DEFAULT, preferred_element_type=jnp.float32
    )

    def add(turn: Any, total: Any) -> Any:
        term = turn * tile.terms + jnp.arange(tile.terms)
        a_high, a_low = (load_tile(half, (row, term), held, turned[0]) for half in a)
        sides = held[1], shape[1]
        b_high, b_low = (load_tile(half, (term, column), sides, turned[1]) for half in b)
        part = multiply(a_low, b_high)
        part = multiply(a_high, b_low) + part
        part = multiply(a_high, b_high) + part
        return total + part

    # Tiles without a row that holds anything are 0.
    holds = (first_row(tile) < held[0]).astype(jnp.int32)
    turns = holds * ((held[1] + tile.terms - 1) // tile.terms)
    zero = jnp.zeros((tile.rows, tile.columns), jnp.float32)
    return lax.fori_loop(0, turns, add, zero)


def store_halves(refs: Any, places: tuple[Any, Any], values: Any, shape: tuple[int, int]) -> None:
    """A tile of a matrix over its unit, in halves."""
    high = values.astype(jnp.float16)
    low = (values - high.astype(jnp.float32)).astype(jnp.float16)
    store(refs[0], places, high, shape)
    store(refs[1], places, low, shape)
