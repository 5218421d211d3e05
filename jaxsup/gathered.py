"""The gradient and the errors of large students on lists of active features.

With preactivations z = V^T h + c, h = B W x, slopes s_i = 2 w_i / batch and a diagonal teacher, the
derivative of the loss in z is s_i phi(z_i), less s_i y_i phi'(z_i) where x_i is not 0. The first
part goes through three dense products, tile by tile of samples, so that a tile of z is still in the
caches when it is used again; the second part is few terms, with z_i summed anew for each of them.
W x is a sum of columns of W. With W = V = I no product is left: B x is a sum of columns of B.
"""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from jaxsup.experiment import Experiment
from jaxsup.losses import loss_weights
from jaxsup.sparse import SparseBatch
from jaxsup.students import StudentParameters
from jaxsup.teachers import DiagonalTeacher

# Entries of z in a tile: half a megabyte in float32.
_TILE = 2**17


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
    readout = student.readout_of(parameters)
    if readout is None:
        slope = _slopes(experiment, batch, hidden, parameters.bias, scale)
        back = _Slopes(slope, None, jnp.sum(slope, axis=0), batch.rows)
    else:
        bias = jnp.zeros(batch.count, hidden.dtype) if parameters.bias is None else parameters.bias
        learns = student.learns_embedding
        back = _dense_part(experiment, hidden, readout, bias, scale, learns_readout=learns)
        back = _less_targets(experiment, batch, hidden, readout, bias, scale, back)
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
    z = student.gathered_hidden(parameters, batch)
    readout = student.readout_of(parameters)
    z = z if readout is None else z @ readout
    z = z if parameters.bias is None else z + parameters.bias[None, :]
    errors = student.activate(z).at[batch.row, batch.feature].add(-_targets(experiment, batch))
    squares = jnp.sum(errors**2, axis=0)
    if parameters.bias is None:
        return squares
    return squares + student.activate(parameters.bias) ** 2 * (batch.batch - batch.rows)


class _Slopes(NamedTuple):
    """Derivatives in h [rows, latent], V (None if frozen) and c, from so many rows."""

    hidden: Float[Array, "rows latent"]
    readout: Float[Array, "latent features"] | None
    bias: Float[Array, " features"]
    rows: int


def _targets(experiment: Experiment, batch: SparseBatch) -> Float[Array, " arrivals"]:
    """y where x is not 0, by arrival."""
    assert isinstance(experiment.teacher, DiagonalTeacher)
    gains = experiment.teacher.gains(batch.count)
    return gains.at[batch.feature].get(mode="promise_in_bounds") * batch.value


def _slopes(
    experiment: Experiment,
    batch: SparseBatch,
    z: Float[Array, "rows features"],
    bias: Float[Array, " features"] | None,
    scale: Float[Array, " features"],
) -> Float[Array, "rows features"]:
    """The derivative in z, where there are no products to save."""
    z = z if bias is None else z + bias[None, :]
    pulls = _targets(experiment, batch) * scale.at[batch.feature].get(mode="promise_in_bounds")
    if experiment.student.activation == "relu":
        pulls = jnp.where(z.at[batch.row, batch.feature].get() > 0, pulls, 0.0)
    slope = experiment.student.activate(z) * scale[None, :]
    return slope.at[batch.row, batch.feature].add(-pulls)


def _dense_part(
    experiment: Experiment,
    hidden: Float[Array, "rows latent"],
    readout: Float[Array, "latent features"],
    bias: Float[Array, " features"],
    scale: Float[Array, " features"],
    *,
    learns_readout: bool,
) -> _Slopes:
    """The derivatives of sum_i s_i / 2 phi(z_i)^2 over all rows."""
    rows, latent = hidden.shape
    tile = max(1, min(rows, _TILE // bias.size))
    tiles = -(-rows // tile)

    def pass_tile(sums: tuple, h: Float[Array, "tile latent"]) -> tuple[tuple, Array]:
        slope = experiment.student.activate(h @ readout + bias[None, :]) * scale[None, :]
        of_readout = sums[0] + h.T @ slope if learns_readout else None
        return (of_readout, sums[1] + jnp.sum(slope, axis=0)), slope @ readout.T

    sums = jnp.zeros_like(readout) if learns_readout else None, jnp.zeros_like(bias)
    padded = jnp.pad(hidden, ((0, tiles * tile - rows), (0, 0)))
    if tiles == 1:
        sums, back = pass_tile(sums, padded)
    else:
        sums, back = lax.scan(pass_tile, sums, padded.reshape(tiles, tile, latent))
        back = back.reshape(-1, latent)[:rows]
    return _Slopes(back, sums[0], sums[1], tiles * tile)


def _less_targets(
    experiment: Experiment,
    batch: SparseBatch,
    hidden: Float[Array, "rows latent"],
    readout: Float[Array, "latent features"],
    bias: Float[Array, " features"],
    scale: Float[Array, " features"],
    back: _Slopes,
) -> _Slopes:
    """Take off what the targets pull: s_i y_i phi'(z_i) where x_i is not 0."""
    h = hidden.at[batch.row].get(mode="promise_in_bounds")
    columns = readout.T.at[batch.feature].get(mode="promise_in_bounds")
    pulls = _targets(experiment, batch) * scale.at[batch.feature].get(mode="promise_in_bounds")
    if experiment.student.activation == "relu":
        own_bias = bias.at[batch.feature].get(mode="promise_in_bounds")
        pulls = jnp.where(jnp.sum(h * columns, axis=1) + own_bias > 0, pulls, 0.0)
    of_readout = back.readout
    if of_readout is not None:
        of_readout = of_readout.T.at[batch.feature].add(-pulls[:, None] * h).T
    return _Slopes(
        back.hidden.at[batch.row].add(
            -pulls[:, None] * columns, mode="promise_in_bounds", indices_are_sorted=True
        ),
        of_readout,
        back.bias.at[batch.feature].add(-pulls),
        back.rows,
    )
