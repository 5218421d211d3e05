"""The gradient of a small network on a sparse batch, as one kernel of an NVIDIA GPU.

What the other sparse updates compute in thirty kernels, each of which reads and writes all of its
arrays in the card's memory, is computed here where it is needed: a program of the grid holds one
network, draws the batch a tile of samples at a time, and leaves nothing in memory but the gradient.
The draws are those of `SparseSampler.draw`: random words by counter, so that any of them can be had
anywhere. Numbers agree with the other updates to rounding.

Written in Pallas for its Triton backend: arrays in the kernel have sides that are powers of two.
"""

import functools
import importlib.util
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Int, Key, UInt

from jaxsup._internal.precision import has_tensor_float
from jaxsup._internal.words import values_from_words
from jaxsup.experiment.experiment import Experiment
from jaxsup.experiment.features import PowerLawFeatures, SparseFeatures
from jaxsup.experiment.students import Student, StudentParameters
from jaxsup.experiment.teachers import DiagonalTeacher
from jaxsup.training.losses import loss_weights
from jaxsup.training.sampling.arrivals import SparseSampler
from jaxsup.training.sampling.plan import SparsePlan
from jaxsup.training.updates.tiles import load, store_at

# Entries of W, on sides that are powers of two. Registers hold it beside tiles of x and z: on an
# H200 the kernel took 27 ns for 64 x 16 (the other way: 59), and for 128 x 64 longer than it.
_MOST_ENTRIES = 2048
# Samples a tile, and entries of W a warp holds: of seven pairs the fastest on an H200. Larger tiles
# spill; warps of one program wait for each other.
_MOST_ROWS = 16
_ENTRIES_A_WARP = 1024
# Thresholds of the number of arrivals are held against a tile of samples at once.
_MOST_DEEP = 64
_LAWS = PowerLawFeatures, SparseFeatures
# Triton's products have no side below this.
_SMALLEST_SIDE = 16
_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
_PARITY = 0x1BD11BDA


def unfit_device(device: Any) -> str | None:
    """Why a device runs no such kernel, for people; None: it does."""
    if not has_tensor_float(device):
        return "no card of NVIDIA's with a compute capability of 8 or more"
    if jax.config.jax_enable_x64:  # pyright: ignore[reportAttributeAccessIssue]
        return "numbers are float64"
    if importlib.util.find_spec("jax.experimental.pallas.triton") is None:
        return "this version of JAX has no Triton backend"
    return None


def unfit_network(experiment: Experiment, plan: SparsePlan) -> str | None:
    """Why a network has no place in a kernel, or is not of its kind, for people; None: it has."""
    student = experiment.student
    if type(student) is not Student or student.learns_embedding or not student.core:
        return "W learns, or there is no core"
    if student.embedding == "identity":
        return "W is the identity"
    if student.activation.gate is None:
        return f"phi phi' is not phi for {student.activation.kind}"
    if type(experiment.teacher) is not DiagonalTeacher:
        return "the teacher is not diagonal"
    features = experiment.features
    if not isinstance(features, PowerLawFeatures | SparseFeatures) or type(features) not in _LAWS:
        return f"{type(features).__name__} have draws of their own"
    if features.values == "symmetric":
        return "values of active features may be 0"
    if _side(features.count) * _side(student.latent) > _MOST_ENTRIES:
        return f"W has more than {_MOST_ENTRIES} entries"
    if plan.deepest > _MOST_DEEP:
        return f"more than {_MOST_DEEP} arrivals in a sample"
    return None


def fused_gradient(
    experiment: Experiment,
    tables: SparseSampler,
    learned: StudentParameters,
    frozen: StudentParameters,
    key: Key[Array, ""],
    *,
    interpret: bool = False,
) -> StudentParameters:
    """Derivative of the training loss on the batch that `key` draws, as `Listed.gradient`.

    Arguments:
        experiment: a frozen, tied W with a core, a gated activation, a diagonal teacher.
        tables: its law, made ready.
        learned: what learns: the core, and the bias if there is one.
        frozen: the rest.
        key: of the batch.
        interpret: whether JAX interprets the kernel, on any device: for tests.
    """
    # Not when the package is imported: only where there is such a card.
    from jax.experimental import pallas

    parameters = eqx.combine(learned, frozen)
    student, count = experiment.student, tables.count
    assert isinstance(student, Student)
    assert isinstance(experiment.teacher, DiagonalTeacher)
    assert parameters.core is not None
    weights = loss_weights(count, experiment.importance, experiment.reduction)
    scale = weights * (2.0 / tables.plan.batch)
    bias = jnp.zeros_like(scale) if parameters.bias is None else parameters.bias
    kernel = functools.partial(
        _kernel,
        plan=tables.plan,
        values=tables.values,
        gated=student.activation.gate == "positive",
    )
    core, slope = pallas.pallas_call(
        kernel,
        out_shape=(
            jax.ShapeDtypeStruct(parameters.core.shape, parameters.core.dtype),
            jax.ShapeDtypeStruct(bias.shape, bias.dtype),
        ),
        compiler_params=None if interpret else _parameters(student.latent, count),
        interpret=interpret,
        name="sparse_gradient",
    )(
        jax.random.bits(key, (2,), jnp.uint32),
        tables.accepted,
        tables.alias,
        tables.exceeding,
        jnp.reshape(tables.excess, (1,)),
        parameters.embedding,
        parameters.core,
        bias,
        scale,
        experiment.teacher.gains(count),
    )
    gradient = eqx.tree_at(lambda g: g.core, learned, core)
    return gradient if learned.bias is None else eqx.tree_at(lambda g: g.bias, gradient, slope)


def _kernel(
    seeds: Any,
    accepted: Any,
    alias: Any,
    exceeding: Any,
    excess: Any,
    embedding: Any,
    core: Any,
    bias: Any,
    scale: Any,
    gains: Any,
    core_slope: Any,
    bias_slope: Any,
    *,
    plan: SparsePlan,
    values: str,
    gated: bool,
) -> None:
    """One network: its whole batch, tile by tile."""
    latent, count = embedding.shape
    K, N = _side(latent), _side(count)
    rows = _rows(plan.batch)
    k, n = jnp.arange(K), jnp.arange(N)
    square = (k < latent)[:, None] & (k < latent)[None, :]
    oblong = (k < latent)[:, None] & (n < count)[None, :]
    W = load(embedding, (k[:, None], n[None, :]), oblong)
    B = load(core, (k[:, None], k[None, :]), square)
    c, s, g = (load(ref, (n,), n < count) for ref in (bias, scale, gains))
    words = functools.partial(_words, seeds[0], seeds[1])

    def tile(index: Any, sums: Any) -> Any:
        core_sum, bias_sum, drawn, occupied = sums
        sample = index * rows + jnp.arange(rows)
        there = sample < plan.batch
        arrivals = jnp.where(there, _arrivals(words, exceeding, plan, sample), 0)
        first = drawn + jnp.cumsum(arrivals) - arrivals
        number = occupied + jnp.cumsum((arrivals > 0).astype(jnp.int32)) - 1
        fitting = jnp.where(number < plan.rows, arrivals, 0)

        def arrive(state: Any) -> Any:
            depth, x = state
            place = first + depth
            used = (depth < fitting) & (place < plan.arrivals)
            word, other = words(place.astype(jnp.uint32), jnp.uint32(0))
            feature = jnp.where(used, _pick(accepted, alias, count, word), -1)
            value = values_from_words(values, other) + excess[0]
            # Of several arrivals of one feature in one sample the first counts; no value is 0.
            first_there = (n[:, None] == feature[None, :]) & (x == 0)
            return depth + 1, jnp.where(first_there, value[None, :], x)

        most = jnp.max(arrivals)
        nothing = jnp.int32(0), jnp.zeros((N, rows), embedding.dtype)
        _, x = lax.while_loop(lambda state: state[0] < most, arrive, nothing)
        h = jnp.dot(W, x)
        z = jnp.dot(W.T, jnp.dot(B, h)) + c[:, None]
        slope = s[:, None] * (z - g[:, None] * x)
        counted = there[None, :]
        slope = jnp.where(counted & (z > 0) if gated else counted, slope, 0.0)
        core_sum += jnp.dot(jnp.dot(W, slope), h.T)
        bias_sum += jnp.sum(slope, axis=1)
        drawn += jnp.sum(arrivals)
        return core_sum, bias_sum, drawn, occupied + jnp.sum((arrivals > 0).astype(jnp.int32))

    zero = jnp.int32(0)
    start = jnp.zeros((K, K), core.dtype), jnp.zeros(N, bias.dtype), zero, zero
    core_sum, bias_sum, _, _ = lax.fori_loop(0, -(-plan.batch // rows), tile, start)
    store_at(core_slope, (k[:, None], k[None, :]), core_sum, square)
    store_at(bias_slope, (n,), bias_sum, n < count)


def _parameters(latent: int, count: int) -> Any:
    from jax.experimental.pallas import triton

    warps = _warps(_side(latent), _side(count))
    return triton.CompilerParams(num_warps=warps, num_stages=1)


def _rows(batch: int) -> int:
    """Samples a tile."""
    return min(_side(batch), _MOST_ROWS)


def _warps(latent: int, count: int) -> int:
    """Warps a program: few, which wait for each other less, but with registers for W."""
    return max(1, latent * count // _ENTRIES_A_WARP)


def _side(size: int) -> int:
    """The side of an array in a kernel that holds so many."""
    return max(_SMALLEST_SIDE, 1 << (size - 1).bit_length())


def _arrivals(words: Any, exceeding: Any, plan: SparsePlan, sample: Any) -> Any:
    """Arrivals of each sample: how many of the thresholds its word is below."""
    even, odd = words((sample // 2).astype(jnp.uint32), jnp.uint32(1))
    word = jnp.where(sample % 2 == 0, even, odd)
    depth = jnp.arange(_side(plan.deepest))
    thresholds = load(exceeding, (depth,), depth < plan.deepest)
    return jnp.sum((word[:, None] < thresholds[None, :]).astype(jnp.int32), axis=1)


def _pick(accepted: Any, alias: Any, count: int, words: UInt[Array, " n"]) -> Int[Array, " n"]:
    """The feature of each arrival, as `SparseSampler` picks it."""
    size = jnp.uint32(count)
    carry = ((words & jnp.uint32(0xFFFF)) * size) >> jnp.uint32(16)
    column = (((words >> jnp.uint32(16)) * size + carry) >> jnp.uint32(16)).astype(jnp.int32)
    everywhere = column >= 0
    own, other = (load(ref, (column,), everywhere) for ref in (accepted, alias))
    return jnp.where(words * size < own, column, other)


def _words(first: Any, second: Any, counter: Any, stream: Any) -> tuple[Any, Any]:
    """Threefry-2x32 with 20 rounds: the two random words of each counter of a stream.

    Reference: Salmon, Moraes, Dror, Shaw, Parallel random numbers: as easy as 1, 2, 3, SC 2011.
    """
    keys = first, second, first ^ second ^ jnp.uint32(_PARITY)
    x, y = counter + keys[0], jnp.broadcast_to(stream + keys[1], counter.shape)
    for group in range(5):
        for turn in _ROTATIONS[group % 2]:
            x = x + y
            y = x ^ ((y << jnp.uint32(turn)) | (y >> jnp.uint32(32 - turn)))
        x = x + keys[(group + 1) % 3]
        y = y + keys[(group + 2) % 3] + jnp.uint32(group + 1)
    return x, y
