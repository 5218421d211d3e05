"""The kernels of `jaxsup.training.updates.halved`: sums of columns of W, and slopes of the loss."""

from typing import Any

import jax.numpy as jnp
from jax import lax

from jaxsup.training.updates.halves import store_halves, sum_of_halves
from jaxsup.training.updates.tiles import Tile, load, places, store_row


def columns_kernel(
    first: Any,
    number: Any,
    rows: Any,
    columns: Any,
    unit: Any,
    feature: Any,
    value: Any,
    high: Any,
    low: Any,
    *,
    tile: Tile,
    shape: tuple[int, int],
) -> None:
    """A tile of W x, in halves."""
    row, latent = places(tile)
    there = latent < shape[1]
    listed = _Listed(first, number, feature, value, row, row < rows[0])

    def arrive(state: Any) -> Any:
        depth, total = state
        arrived, weight = listed.at(depth)
        place = jnp.maximum(arrived, 0)[:, None], latent[None, :]
        column = load(columns, place, (arrived >= 0)[:, None] & there[None, :])
        return depth + 1, total + weight[:, None] * column

    zero = jnp.zeros((tile.rows, tile.columns), jnp.float32)
    _, total = lax.while_loop(lambda s: s[0] < listed.deepest, arrive, (jnp.int32(0), zero))
    store_halves((high, low), (row, latent), total / unit[0], shape)


def slopes_kernel(
    first: Any,
    number: Any,
    rows: Any,
    h_high: Any,
    h_low: Any,
    w_high: Any,
    w_low: Any,
    units: Any,
    bias: Any,
    scale: Any,
    feature: Any,
    target: Any,
    high: Any,
    low: Any,
    sums: Any,
    *,
    tile: Tile,
    shape: tuple[int, int],
    terms: int,
    gated: bool,
) -> None:
    """A tile of slopes, s (phi(z) - y) phi'(z), in halves, and their sums over its rows."""
    row, column = places(tile)
    factors, held = ((h_high, h_low), (w_high, w_low)), (rows[0], terms)
    total = sum_of_halves(factors, shape, held, (False, False), tile)
    here, there = column < shape[1], row < rows[0]
    z = total * units[0] + load(bias, (column,), here)[None, :]
    listed = _Listed(first, number, feature, target, row, there)

    def arrive(state: Any) -> Any:
        depth, errors = state
        arrived, taken = listed.at(depth)
        hit = arrived[:, None] == column[None, :]
        return depth + 1, errors - jnp.where(hit, taken[:, None], 0.0)

    # Written such that what is no number stays none.
    shut = (z <= 0) if gated else jnp.zeros(z.shape, bool)
    start = jnp.int32(0), jnp.where(shut, 0.0, z)
    _, errors = lax.while_loop(lambda state: state[0] < listed.deepest, arrive, start)
    slopes = errors * load(scale, (column,), here)[None, :]
    slopes = jnp.where(shut | ~there[:, None], 0.0, slopes)
    store_halves((high, low), (row, column), slopes / units[1], shape)
    store_row(sums, column, jnp.sum(slopes, axis=0), here)


class _Listed:
    """The arrivals of a tile's rows: `at` gives those of a depth, feature -1 where there is none.

    Attributes:
        deepest: arrivals of a row of the tile, at most.
    """

    def __init__(
        self, first: Any, number: Any, feature: Any, value: Any, row: Any, there: Any
    ) -> None:
        self._begins, self._number = load(first, (row,), there), load(number, (row,), there)
        self._feature, self._value = feature, value
        self.deepest = jnp.max(self._number)

    def at(self, depth: Any) -> tuple[Any, Any]:
        """Features and values of the arrivals of a depth."""
        own = depth < self._number
        place = (jnp.where(own, self._begins + depth, 0),)
        arrived = jnp.where(own, load(self._feature, place, own), -1)
        return arrived, load(self._value, place, own)
