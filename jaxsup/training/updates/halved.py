"""The gradient of a large frozen student by products of float16, to float32's accuracy.

Products are those of `jaxsup.training.updates.halves`. What becomes of z = W^T h + c is in the same
kernel: it leaves the slopes of the loss, in halves. Rows of a batch that hold nothing, for which
there is room, are passed over. It draws the same samples as the other updates; numbers agree to
rounding, but for what tensor cores cut off, see docs/accelerators.md.
"""

import functools
from typing import Any, NamedTuple, Protocol, runtime_checkable

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int, Key

from jaxsup._internal.precision import capability_of, products_on
from jaxsup.experiment.experiment import Experiment
from jaxsup.experiment.students import Student, StudentParameters
from jaxsup.experiment.teachers import DiagonalTeacher
from jaxsup.training.losses import weights_of
from jaxsup.training.sampling.arrivals import SparseBatch
from jaxsup.training.updates.fused import unfit_device
from jaxsup.training.updates.halved_kernels import columns_kernel, slopes_kernel
from jaxsup.training.updates.halves import (
    Halves,
    halve,
    longest,
    product,
    product_in_halves,
    unit_of,
)
from jaxsup.training.updates.tiles import Tile, kernel_of

# Tiles are as large as its shared memory allows.
_CAPABILITY = 9
# Entries of W from which on products surely take longer than what else there is to do. (Twice as
# fast as without it at 2^18, on an H200; smaller ones were not measured.)
_FEWEST_ENTRIES = 2**17
# A tile of a product with W^T has 128 columns: where less than half of them are used, the others
# take more than halves save.
_FEWEST_LATENT = 64
# The fastest of six each on an H200, for 64 networks of 1,024 features, K = 256, batch 1,024.
_COLUMNS = Tile(2, 256, 1, 2, 1)
_SLOPES = Tile(64, 128, 32, 4, 4)


@runtime_checkable
class Sampler(Protocol):
    """What draws sparse batches."""

    def draw(self, key: Key[Array, ""]) -> SparseBatch:
        """The batch of a key."""
        ...


class HalvedTables(NamedTuple):
    """What many updates share.

    Attributes:
        sampler: the law, made ready: what it draws counts, and nothing else.
        embedding: the frozen W.
        columns: W^T.
        longest: the norm of a column of W, at most.
    """

    sampler: Sampler
    embedding: Halves
    columns: Float[Array, "features latent"]
    longest: Float[Array, ""]


class Arrivals(NamedTuple):
    """The arrivals of each row of a batch.

    Attributes:
        first: where they begin in its list.
        number: how many they are.
        rows: how many rows have any; they come first. [1]
    """

    first: Int[Array, " rows"]
    number: Int[Array, " rows"]
    rows: Int[Array, "1"]


def unfit(experiment: Experiment, device: Any) -> str | None:
    """Why an experiment of `Gathered`'s has no such gradient on a device, for people; None: it has.

    Arguments:
        experiment: what is trained.
        device: what will compute.
    """
    student = experiment.student
    assert isinstance(student, Student)
    if products_on(device, experiment.precision) == products_on(device, "fast"):
        return "products are the device's own"
    if student.learns_embedding or not student.core:
        return "W learns, or there is no core"
    if student.embedding == "identity":
        return "W is the identity"
    if experiment.features.count * student.latent < _FEWEST_ENTRIES:
        return f"W has fewer than {_FEWEST_ENTRIES} entries"
    if student.latent < _FEWEST_LATENT:
        return f"W has fewer than {_FEWEST_LATENT} rows"
    return unfit_card(device)


def unfit_card(device: Any) -> str | None:
    """Why a device runs no kernels of halves, for people; None: it does."""
    reason = unfit_device(device)
    if reason is None and capability_of(device) // 1 != _CAPABILITY:
        return f"tiles were tried on compute capability {_CAPABILITY} alone"
    return reason


def halved_tables(sampler: Sampler, W: Float[Array, "latent features"]) -> HalvedTables:
    """What many updates of a network share."""
    # Materialized: a program that reads a column of W as it lies reads a line of memory an entry.
    columns = lax.optimization_barrier(W.T)
    return HalvedTables(sampler, halve(W, jnp.max(jnp.abs(W))), columns, longest(W, 0))


def halved_gradient(
    experiment: Experiment,
    tables: HalvedTables,
    learned: StudentParameters,
    frozen: StudentParameters,
    key: Key[Array, ""],
    *,
    interpret: bool = False,
) -> StudentParameters:
    """Derivative of the training loss on the batch that `key` draws, as `Gathered.gradient`.

    Arguments:
        experiment: a frozen W with a core, a gated activation, a diagonal teacher.
        tables: its law, made ready, and its W.
        learned: what learns: the core, and the bias if there is one.
        frozen: the rest.
        key: of the batch.
        interpret: whether JAX interprets the kernels, on any device: for tests.
    """
    parameters, batch = eqx.combine(learned, frozen), tables.sampler.draw(key)
    core, arrivals = parameters.core, _arrivals(batch)
    assert core is not None
    rows = arrivals.rows
    inner, most = _sums_of_columns(tables, batch, arrivals, interpret=interpret)
    # |h_k| is at most |B_k| |W x|, and |z_i| at most |h| |w_i|.
    most = most * longest(core, 1)
    halved_core = halve(core, jnp.max(jnp.abs(core)))
    hidden = product_in_halves(
        *(inner, halved_core, most), rows=rows, turned=(False, True), interpret=interpret
    )
    most = most * len(core) ** 0.5 * tables.longest
    slopes, bias = _slopes(
        *(experiment, tables, parameters, batch, arrivals, hidden, most), interpret=interpret
    )
    back = product(slopes, tables.embedding, rows=rows, turned=(False, True), interpret=interpret)
    back = halve(back, jnp.max(jnp.abs(back)))
    of_core = product(back, inner, rows=rows, turned=(True, False), interpret=interpret)
    gradient = eqx.tree_at(lambda g: g.core, learned, of_core)
    return gradient if learned.bias is None else eqx.tree_at(lambda g: g.bias, gradient, bias)


def _slopes(
    experiment: Experiment,
    tables: HalvedTables,
    parameters: StudentParameters,
    batch: SparseBatch,
    arrivals: Arrivals,
    hidden: Halves,
    most: Float[Array, ""],
    *,
    interpret: bool,
) -> tuple[Halves, Float[Array, " features"]]:
    """Derivatives of the loss in z of each row, and in the bias; V^T h is at most `most`."""
    student, teacher = experiment.student, experiment.teacher
    assert isinstance(student, Student)
    assert isinstance(teacher, DiagonalTeacher)
    rows, latent = hidden.high.shape
    scale = weights_of(experiment) * (2.0 / batch.batch)
    gains = teacher.gains(batch.count)
    target = gains.at[batch.feature].get(mode="promise_in_bounds") * batch.value
    bias = jnp.zeros_like(scale) if parameters.bias is None else parameters.bias
    most = most + jnp.max(jnp.abs(bias)) + jnp.max(jnp.abs(target))
    unit, W = unit_of(jnp.max(scale) * most), tables.embedding
    half = jax.ShapeDtypeStruct((rows, batch.count), jnp.float16)
    sums = jax.ShapeDtypeStruct((-(-rows // _SLOPES.rows), batch.count), jnp.float32)
    gated = student.activation.gate == "positive"
    kernel, shapes = (
        functools.partial(slopes_kernel, terms=latent, gated=gated),
        (half, half, sums),
    )
    compute = kernel_of(kernel, _SLOPES, shapes, half.shape, "halved_slopes", interpret=interpret)
    units = jnp.stack([hidden.unit * W.unit, unit])
    arrays = hidden.high, hidden.low, W.high, W.low, units, bias, scale
    high, low, sums = compute(*arrivals, *arrays, batch.feature, target)
    empty = (batch.batch - arrivals.rows).astype(bias.dtype)
    bias_slope = jnp.sum(sums, axis=0) + scale * student.activation(bias) * empty
    return Halves(high, low, unit), bias_slope


def _arrivals(batch: SparseBatch) -> Arrivals:
    """The arrivals by rows."""
    places = jnp.arange(batch.row.size, dtype=batch.row.dtype)
    # Room that is not used repeats the last row.
    used = places <= jnp.max(jnp.where(batch.active, places, -1))
    row = jnp.where(used, batch.row, batch.rows)
    ends = jnp.arange(batch.rows + 1, dtype=row.dtype)
    starts = jnp.searchsorted(row, ends, method="compare_all").astype(row.dtype)
    number = starts[1:] - starts[:-1]
    rows = jnp.sum((number > 0).astype(number.dtype))
    return Arrivals(starts[:-1], number, jnp.reshape(rows, (1,)))


def _sums_of_columns(
    tables: HalvedTables, batch: SparseBatch, arrivals: Arrivals, *, interpret: bool
) -> tuple[Halves, Float[Array, ""]]:
    """W x of each row, its terms in order, and what its norm is at most."""
    number = jnp.max(arrivals.number).astype(batch.value.dtype)
    most = number * jnp.max(jnp.abs(batch.value)) * tables.longest
    half = jax.ShapeDtypeStruct((batch.rows, tables.columns.shape[1]), jnp.float16)
    kernel, shapes, unit = columns_kernel, (half, half), unit_of(most)
    compute = kernel_of(kernel, _COLUMNS, shapes, half.shape, "halved_columns", interpret=interpret)
    arrays = tables.columns, jnp.reshape(unit, (1,)), batch.feature, batch.value
    high, low = compute(*arrivals, *arrays)
    return Halves(high, low, unit), most
