"""The gradient and the errors of large students on lists of active features.

With preactivations z = V^T h + c, h = B W x, slopes s_i = 2 w_i / batch and a diagonal teacher, the
derivative of the loss in z is s_i phi(z_i), less s_i y_i phi'(z_i) where x_i is not 0: a dense
array, less few entries. W x is a sum of columns of W. With W = V = I no product is left: B x is a
sum of columns of B.

On a CPU, networks that are not small go one by one, and each of them tile by tile of samples: a
tile of z is still in the caches when it is used again, and there are no more tiles than the samples
with active features fill. (How many these are is known when a batch is drawn; arrays must have room
for the most.)
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

from jaxsup._internal.batching import in_cache
from jaxsup.experiment.experiment import Experiment
from jaxsup.experiment.students import StudentParameters
from jaxsup.experiment.teachers import DiagonalTeacher
from jaxsup.training.losses import loss_weights
from jaxsup.training.sampling.arrivals import SparseBatch

TILE = 2**18
"""Bytes of z in a tile, about."""
TILE_OF_LEARNED = 3 * 2**18
"""The same where V learns: each tile adds to all of its gradient, so that fewer of them pay."""


def gathered_gradient(
    experiment: Experiment,
    batch: SparseBatch,
    learned: StudentParameters,
    rest: StudentParameters,
) -> StudentParameters:
    """Derivative of the training loss on `batch` in the `learned` arrays."""
    student = experiment.student
    parameters = eqx.combine(learned, rest)
    weights = loss_weights(batch.count, experiment.importance, experiment.reduction)
    scale = weights * (2.0 / batch.batch)
    hidden, pull = jax.vjp(
        lambda learned: student.gathered_hidden(eqx.combine(learned, rest), batch), learned
    )
    terms = _terms(experiment, batch, parameters, scale)
    relu, readout = student.activation == "relu", student.readout_of(parameters)
    if readout is None:
        slope = _residuals(relu, relu, hidden, terms)
        back = _Slopes(slope, None, jnp.sum(slope, axis=0), jnp.asarray(batch.rows, hidden.dtype))
    else:
        kind = relu, student.learns_embedding
        tile = _tile(batch, TILE_OF_LEARNED if student.learns_embedding else TILE)
        back = in_cache(
            functools.partial(_slopes_by_tiles, *kind, tile),
            response_bytes(batch.rows, batch.count),
            together=functools.partial(_slopes, *kind),
        )(hidden, readout, *terms)
    (gradient,) = pull(back.hidden)
    if back.readout is not None:
        # The reading side; where W reads out too, pull has given the writing side.
        side = (lambda g: g.embedding) if parameters.readout is None else (lambda g: g.readout)
        gradient = eqx.tree_at(side, gradient, side(gradient) + back.readout)
    if learned.bias is None:
        return gradient
    empty = scale * student.activate(learned.bias) * (batch.batch - back.rows)
    return eqx.tree_at(lambda g: g.bias, gradient, back.bias + empty)


def gathered_errors(
    experiment: Experiment, parameters: StudentParameters, batch: SparseBatch
) -> Float[Array, " features"]:
    """Squared errors of each feature, summed over the batch."""
    student = experiment.student
    hidden = student.gathered_hidden(parameters, batch)
    terms = _terms(experiment, batch, parameters, jnp.ones(batch.count, hidden.dtype))
    relu, readout = student.activation == "relu", student.readout_of(parameters)
    if readout is None:
        squares = jnp.sum(_residuals(relu, False, hidden, terms) ** 2, axis=0)
        rows = jnp.asarray(batch.rows, hidden.dtype)
    else:
        squares, rows = in_cache(
            functools.partial(_squares_by_tiles, relu, _tile(batch, TILE)),
            response_bytes(batch.rows, batch.count),
            together=functools.partial(_squares, relu),
        )(hidden, readout, *terms)
    if parameters.bias is None:
        return squares
    return squares + student.activate(parameters.bias) ** 2 * (batch.batch - rows)


def response_bytes(rows: int, count: int) -> int:
    """Bytes of z for so many samples. If they are large, a CPU holds a tile of one network's."""
    return rows * count * jnp.dtype(jnp.result_type(float)).itemsize


class _Terms(NamedTuple):
    """What makes slopes or errors of V^T h: s phi(V^T h + bias), less `pulls` at the arrivals.

    Attributes:
        bias, scale: [features].
        row, feature, pulls: [arrivals]; pulls are s y, and 0 where nothing is active.
    """

    bias: Float[Array, " features"]
    scale: Float[Array, " features"]
    row: Int[Array, " arrivals"]
    feature: Int[Array, " arrivals"]
    pulls: Float[Array, " arrivals"]


class _Slopes(NamedTuple):
    """Derivatives in h [rows, latent], V (None if frozen) and c, from so many rows."""

    hidden: Float[Array, "rows latent"]
    readout: Float[Array, "latent features"] | None
    bias: Float[Array, " features"]
    rows: Float[Array, ""]


def _terms(
    experiment: Experiment,
    batch: SparseBatch,
    parameters: StudentParameters,
    scale: Float[Array, " features"],
) -> _Terms:
    assert isinstance(experiment.teacher, DiagonalTeacher)
    gains = scale * experiment.teacher.gains(batch.count)
    pulls = gains.at[batch.feature].get(mode="promise_in_bounds") * batch.value
    bias = jnp.zeros(batch.count, pulls.dtype) if parameters.bias is None else parameters.bias
    return _Terms(bias, scale, batch.row, batch.feature, pulls)


def _residuals(
    relu: bool, gated: bool, z: Float[Array, "rows features"], terms: _Terms
) -> Float[Array, "rows features"]:
    """s phi(z + c), less the pulls; `gated`: only where phi is positive, as slopes are."""
    dense, pulls, place = _dense(relu, z, terms), terms.pulls, (terms.row, terms.feature)
    if gated:
        own = dense.at[place].get(mode="promise_in_bounds")
        pulls = jnp.where(own > 0, pulls, 0.0)
    return dense.at[place].add(-pulls, mode="promise_in_bounds")


def _dense(
    relu: bool, z: Float[Array, "rows features"], terms: _Terms
) -> Float[Array, "rows features"]:
    z = z + terms.bias[None, :]
    return (jax.nn.relu(z) if relu else z) * terms.scale[None, :]


def _slopes(relu: bool, learns: bool, hidden: Array, readout: Array, *terms: Array) -> _Slopes:
    """All networks of a batch at once."""
    slope = _residuals(relu, relu, hidden @ readout, _Terms(*terms))
    of_readout = hidden.T @ slope if learns else None
    rows = jnp.asarray(hidden.shape[0], hidden.dtype)
    return _Slopes(slope @ readout.T, of_readout, jnp.sum(slope, axis=0), rows)


def _squares(relu: bool, hidden: Array, readout: Array, *terms: Array) -> tuple[Array, Array]:
    errors = _residuals(relu, False, hidden @ readout, _Terms(*terms))
    return jnp.sum(errors**2, axis=0), jnp.asarray(hidden.shape[0], hidden.dtype)


def _slopes_by_tiles(
    relu: bool, learns: bool, tile: int, hidden: Array, readout: Array, *terms: Array
) -> _Slopes:
    def add(sums: tuple, h: Array, slope: Array, first: Array) -> tuple:
        back, of_readout, of_bias = sums
        back = lax.dynamic_update_slice_in_dim(back, slope @ readout.T, first, 0)
        of_readout = of_readout + h.T @ slope if learns else None
        return back, of_readout, of_bias + jnp.sum(slope, axis=0)

    padded = _whole_tiles(hidden, tile)
    zero = jnp.zeros_like(readout) if learns else None
    start = jnp.zeros_like(padded), zero, jnp.zeros(readout.shape[1], readout.dtype)
    (back, of_readout, of_bias), rows = _add_residuals(
        relu, relu, tile, padded, readout, _Terms(*terms), add, start
    )
    return _Slopes(back[: hidden.shape[0]], of_readout, of_bias, rows)


def _squares_by_tiles(
    relu: bool, tile: int, hidden: Array, readout: Array, *terms: Array
) -> tuple[Array, Array]:
    def add(squares: Array, h: Array, errors: Array, first: Array) -> Array:
        del h, first
        return squares + jnp.sum(errors**2, axis=0)

    start = jnp.zeros(readout.shape[1], readout.dtype)
    padded = _whole_tiles(hidden, tile)
    return _add_residuals(relu, False, tile, padded, readout, _Terms(*terms), add, start)


def _tile(batch: SparseBatch, room: int) -> int:
    """Rows a tile, in eights: as many whole tiles as fill the usual batch, none beyond `room`."""
    tiles = -(-response_bytes(batch.usual, batch.count) // room)
    return -(-batch.usual // (8 * tiles)) * 8


def _whole_tiles(hidden: Array, tile: int) -> Array:
    return jnp.pad(hidden, ((0, -hidden.shape[0] % tile), (0, 0)))


def _add_residuals(
    relu: bool,
    gated: bool,
    tile: int,
    hidden: Float[Array, "padded latent"],
    readout: Float[Array, "latent features"],
    terms: _Terms,
    add: Callable[..., Any],
    start: Any,
) -> tuple[Any, Float[Array, ""]]:
    """Add up what `_residuals` gives, tile by tile, and how many rows that were.

    Not to be batched: the loops would then run for each network as long as for the longest.
    """
    row, feature, pulls = terms.row, terms.feature, terms.pulls
    # Rows are in order, and room for arrivals that is not used repeats the last one.
    tiles = row[-1] // tile + 1
    ends = jnp.arange(0, hidden.shape[0] + 1, tile, dtype=row.dtype)
    stops = jnp.searchsorted(row, ends, method="compare_all").astype(row.dtype)
    used = jnp.max(jnp.where(pulls != 0, jnp.arange(1, row.size + 1, dtype=row.dtype), 0))
    stops = jnp.minimum(stops, used)

    def pass_tile(index: Array, sums: Any) -> Any:
        first = index * tile
        h = lax.dynamic_slice_in_dim(hidden, first, tile)

        def take_off(arrival: Array, residuals: Array) -> Array:
            place = row[arrival] - first, feature[arrival]
            own = lax.dynamic_slice(residuals, place, (1, 1))
            less = own - pulls[arrival]
            return lax.dynamic_update_slice(
                residuals, jnp.where(own > 0, less, own) if gated else less, place
            )

        # Materialised, or the loop would start from a copy.
        dense = lax.optimization_barrier(_dense(relu, h @ readout, terms))
        residuals = lax.fori_loop(stops[index], stops[index + 1], take_off, dense)
        return add(sums, h, residuals, first)

    return lax.fori_loop(0, tiles, pass_tile, start), (tiles * tile).astype(hidden.dtype)
