"""Residuals s phi(V^T h + c) - s y of many samples, and what is summed over them.

With slopes s_i = 2 w_i / batch, a diagonal teacher and an activation with a gate, phi phi' = phi,
the derivative of the loss in z is s_i phi(z_i), less s_i y_i phi'(z_i) where x_i is not 0: a dense
array, less few entries.

On a CPU, networks that are not small go one by one, and each of them tile by tile of samples: a
tile of z is still in the caches when it is used again, and there are no more tiles than the samples
with active features fill. (How many these are is known when a batch is drawn; arrays must have room
for the most.)
"""

import abc
import dataclasses
import functools
from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int, PyTree

from jaxsup._internal.batching import in_cache
from jaxsup.experiment.activations import AbstractActivation


class Terms(NamedTuple):
    """What makes residuals of V^T h: s phi(V^T h + bias), less `pulls` at the arrivals.

    Attributes:
        bias, scale: c and s, [features].
        row, feature, pulls: [arrivals]; pulls are s y, and 0 where nothing is active.
    """

    bias: Float[Array, " features"]
    scale: Float[Array, " features"]
    row: Int[Array, " arrivals"]
    feature: Int[Array, " arrivals"]
    pulls: Float[Array, " arrivals"]


class Slopes(NamedTuple):
    """Derivatives in h [rows, latent], V (None if frozen) and c, from so many rows."""

    hidden: Float[Array, "rows latent"]
    readout: Float[Array, "latent features"] | None
    bias: Float[Array, " features"]
    rows: Float[Array, ""]


class Squares(NamedTuple):
    """Squared residuals: summed over so many rows [features], and weighted of each row [rows]."""

    features: Float[Array, " features"]
    samples: Float[Array, " rows"]
    rows: Float[Array, ""]


@dataclasses.dataclass(frozen=True)
class AbstractPass(abc.ABC):
    """A sum over the residuals of a batch: computed whole, or tile by tile where that is faster.

    Attributes:
        activation: phi, with a gate.
        gated: whether pulls count only where phi is positive, as in derivatives.
        tile: rows a tile.
        size: bytes of z of the whole batch.
    """

    activation: AbstractActivation
    gated: bool
    tile: int
    size: int

    @abc.abstractmethod
    def whole(
        self,
        hidden: Float[Array, "rows latent"],
        readout: Float[Array, "latent features"],
        *arrays: Array,
    ) -> PyTree:
        """The result from all rows at once."""

    @abc.abstractmethod
    def by_tiles(
        self,
        hidden: Float[Array, "rows latent"],
        readout: Float[Array, "latent features"],
        *arrays: Array,
    ) -> PyTree:
        """The result from the rows that hold anything, tile by tile."""

    def __call__(
        self,
        hidden: Float[Array, "rows latent"],
        readout: Float[Array, "latent features"],
        terms: Terms,
        *others: Array,
    ) -> PyTree:
        """The result, by the one that suits size and platform; `others` come before the terms."""
        suited = in_cache(self.by_tiles, self.size, together=self.whole)
        return suited(hidden, readout, *others, *terms)

    def residuals(
        self, z: Float[Array, "rows features"], terms: Terms
    ) -> Float[Array, "rows features"]:
        """s phi(z + c), less the pulls."""
        dense, pulls, place = self.dense(z, terms), terms.pulls, (terms.row, terms.feature)
        if self.gated:
            values = dense.at[place].get(mode="promise_in_bounds")
            pulls = jnp.where(values > 0, pulls, 0.0)
        return dense.at[place].add(-pulls, mode="promise_in_bounds")

    def dense(
        self, z: Float[Array, "rows features"], terms: Terms
    ) -> Float[Array, "rows features"]:
        """s phi(z + c)."""
        return self.activation(z + terms.bias[None, :]) * terms.scale[None, :]

    def add_tiles(
        self,
        hidden: Float[Array, "padded latent"],
        readout: Float[Array, "latent features"],
        terms: Terms,
        add: Callable[..., PyTree],
        start: PyTree,
    ) -> tuple[PyTree, Float[Array, ""]]:
        """Add up ``add(sums, h, residuals, first row)`` over tiles, and count the rows.

        Not to be batched: the loops would then run for each network as long as for the longest.
        """
        row, pulls = terms.row, terms.pulls
        # Rows are in order, and room for arrivals that is not used repeats the last one.
        tiles = row[-1] // self.tile + 1
        ends = jnp.arange(0, hidden.shape[0] + 1, self.tile, dtype=row.dtype)
        stops = jnp.searchsorted(row, ends, method="compare_all").astype(row.dtype)
        used = jnp.max(jnp.where(pulls != 0, jnp.arange(1, row.size + 1, dtype=row.dtype), 0))
        stops = jnp.minimum(stops, used)

        def pass_tile(index: Int[Array, ""], sums: PyTree) -> PyTree:
            first = index * self.tile
            h = lax.dynamic_slice_in_dim(hidden, first, self.tile)
            # Materialized, or the loop would start from a copy.
            dense = lax.optimization_barrier(self.dense(h @ readout, terms))
            take_off = functools.partial(self._take_off, terms, first)
            residuals = lax.fori_loop(stops[index], stops[index + 1], take_off, dense)
            return add(sums, h, residuals, first)

        sums = lax.fori_loop(0, tiles, pass_tile, start)
        return sums, (tiles * self.tile).astype(hidden.dtype)

    def _take_off(
        self,
        terms: Terms,
        first: Int[Array, ""],
        arrival: Int[Array, ""],
        residuals: Float[Array, "tile features"],
    ) -> Float[Array, "tile features"]:
        """The residuals of the tile that begins at row `first`, less the pull of one arrival."""
        place = terms.row[arrival] - first, terms.feature[arrival]
        value = lax.dynamic_slice(residuals, place, (1, 1))
        less = value - terms.pulls[arrival]
        changed = jnp.where(value > 0, less, value) if self.gated else less
        return lax.dynamic_update_slice(residuals, changed, place)

    def padded(self, hidden: Float[Array, "rows latent"]) -> Float[Array, "padded latent"]:
        """`hidden` filled up to whole tiles."""
        return jnp.pad(hidden, ((0, -hidden.shape[0] % self.tile), (0, 0)))


@dataclasses.dataclass(frozen=True)
class SlopesPass(AbstractPass):
    """The derivatives of the loss: `Slopes`.

    Attributes:
        learns_readout: whether V is learned.
    """

    learns_readout: bool

    def whole(
        self,
        hidden: Float[Array, "rows latent"],
        readout: Float[Array, "latent features"],
        *terms: Array,
    ) -> Slopes:
        """The derivatives from all rows at once."""
        slope = self.residuals(hidden @ readout, Terms(*terms))
        of_readout = hidden.T @ slope if self.learns_readout else None
        rows = jnp.asarray(hidden.shape[0], hidden.dtype)
        return Slopes(slope @ readout.T, of_readout, jnp.sum(slope, axis=0), rows)

    def by_tiles(
        self,
        hidden: Float[Array, "rows latent"],
        readout: Float[Array, "latent features"],
        *terms: Array,
    ) -> Slopes:
        """The derivatives from the rows that hold anything, tile by tile."""

        def add(
            sums: PyTree,
            h: Float[Array, "tile latent"],
            slope: Float[Array, "tile features"],
            first: Int[Array, ""],
        ) -> PyTree:
            back, of_readout, of_bias = sums
            back = lax.dynamic_update_slice_in_dim(back, slope @ readout.T, first, 0)
            of_readout = of_readout + h.T @ slope if self.learns_readout else None
            return back, of_readout, of_bias + jnp.sum(slope, axis=0)

        padded = self.padded(hidden)
        zero = jnp.zeros_like(readout) if self.learns_readout else None
        start = jnp.zeros_like(padded), zero, jnp.zeros(readout.shape[1], readout.dtype)
        sums, rows = self.add_tiles(padded, readout, Terms(*terms), add, start)
        back, of_readout, of_bias = sums
        return Slopes(back[: hidden.shape[0]], of_readout, of_bias, rows)


@dataclasses.dataclass(frozen=True)
class SquaresPass(AbstractPass):
    """`Squares`: the arrays before the terms are the weights of the loss, [features]."""

    def squares(
        self, errors: Float[Array, "rows features"], weights: Float[Array, " features"]
    ) -> Squares:
        """From the residuals of all rows."""
        squares, rows = errors**2, jnp.asarray(errors.shape[0], errors.dtype)
        return Squares(jnp.sum(squares, axis=0), jnp.sum(squares * weights[None, :], axis=1), rows)

    def whole(
        self,
        hidden: Float[Array, "rows latent"],
        readout: Float[Array, "latent features"],
        *arrays: Array,
    ) -> Squares:
        """The squares from all rows at once."""
        weights, *terms = arrays
        return self.squares(self.residuals(hidden @ readout, Terms(*terms)), weights)

    def by_tiles(
        self,
        hidden: Float[Array, "rows latent"],
        readout: Float[Array, "latent features"],
        *arrays: Array,
    ) -> Squares:
        """The squares from the rows that hold anything, tile by tile."""
        weights, *rest = arrays
        terms = Terms(*rest)

        def add(
            sums: tuple[Float[Array, " features"], Float[Array, " padded"]],
            h: Float[Array, "tile latent"],
            errors: Float[Array, "tile features"],
            first: Int[Array, ""],
        ) -> tuple[Float[Array, " features"], Float[Array, " padded"]]:
            del h
            total, each = sums
            squares = self.squares(errors, weights)
            each = lax.dynamic_update_slice_in_dim(each, squares.samples, first, 0)
            return total + squares.features, each

        padded = self.padded(hidden)
        # Rows that no tile reaches are empty: z = c, y = 0.
        empty = jnp.sum(self.activation(terms.bias) ** 2 * weights)
        start = jnp.zeros(readout.shape[1], readout.dtype), jnp.full(padded.shape[0], empty)
        (total, each), rows = self.add_tiles(padded, readout, terms, add, start)
        return Squares(total, each[: hidden.shape[0]], rows)
