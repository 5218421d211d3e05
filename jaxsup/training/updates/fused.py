"""The gradient of a small network on a sparse batch, as two kernels of an NVIDIA GPU.

What the other sparse updates compute in thirty kernels, each of which reads and writes all of its
arrays in the card's memory, is computed here where it is needed: the first kernel draws
(`jaxsup.training.updates.fused_draws`); a program of the second one's grid holds one network, takes
the samples that hold anything a tile at a time, and leaves nothing in memory but the gradient. The
draws are those of `SparseSampler.draw`. Numbers agree with the other updates to rounding.

Written in Pallas for its Triton backend: arrays in the kernels have sides that are powers of two.
"""

import functools
import importlib.util
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Key

from jaxsup._internal.precision import has_tensor_float
from jaxsup.experiment.experiment import Experiment
from jaxsup.experiment.features import PowerLawFeatures, SparseFeatures
from jaxsup.experiment.students import Student, StudentParameters
from jaxsup.experiment.teachers import DiagonalTeacher
from jaxsup.training.losses import weights_of
from jaxsup.training.sampling.arrivals import SparseSampler
from jaxsup.training.sampling.plan import SparsePlan
from jaxsup.training.updates.fused_draws import MOST_DEEP, fused_draws
from jaxsup.training.updates.tiles import load, side_of, store_at

# Entries of W, on sides that are powers of two. Registers hold it beside tiles of x and z: on an
# H200 the kernel, when it drew as well, took 27 ns for 64 x 16 (the other way: 59); for 128 x 64
# both took longer than the other way.
_MOST_ENTRIES = 2048
# Of a batch, which one program takes tile by tile: of few networks, the other updates' programs
# fill a card, and this one's do not. Batches of 64 were measured.
_MOST_SAMPLES = 1024
# Samples a tile, and entries of W a warp holds: of seven pairs the fastest on an H200. Larger tiles
# spill more; warps of one program wait for each other.
_ROWS = 16
_ENTRIES_A_WARP = 1024
_LAWS = PowerLawFeatures, SparseFeatures


def unfit_device(device: Any) -> str | None:
    """Why a device runs no such kernel, for people; None: it does."""
    if not has_tensor_float(device):
        return "no card of NVIDIA's with a compute capability of 8 or more"
    if jax.config.jax_enable_x64:  # pyright: ignore[reportAttributeAccessIssue]
        return "numbers are float64"
    try:
        there = importlib.util.find_spec("jax.experimental.pallas.triton")
    except ModuleNotFoundError:  # not even what it would be a part of
        there = None
    return None if there else "this version of JAX has no Triton backend"


def unfit_network(experiment: Experiment, plan: SparsePlan) -> str | None:
    """Why a network has no place in a kernel, or is not of its kind, for people; None: it has."""
    student = experiment.student
    # Of its own class, or padded with rows of zeros, as no sparse update takes others.
    if not isinstance(student, Student) or student.learns_embedding or not student.core:
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
    if side_of(features.count) * side_of(student.latent) > _MOST_ENTRIES:
        return f"W has more than {_MOST_ENTRIES} entries"
    if plan.batch > _MOST_SAMPLES:
        return f"a batch has more than {_MOST_SAMPLES} samples"
    if plan.deepest > MOST_DEEP:
        return f"more than {MOST_DEEP} arrivals in a sample"
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
    student = experiment.student
    assert isinstance(student, Student)
    warps = _warps(side_of(student.latent), side_of(tables.count))
    return gradient_by(
        *(_kernel, warps, experiment, tables, learned, frozen, key), interpret=interpret
    )


def gradient_by(
    kernel: Any,
    warps: int,
    experiment: Experiment,
    tables: SparseSampler,
    learned: StudentParameters,
    frozen: StudentParameters,
    key: Key[Array, ""],
    *,
    interpret: bool,
) -> StudentParameters:
    """The gradient by a kernel of so many warps that reads what `_kernel` reads."""
    # Not when the package is imported: only where there is such a card.
    from jax.experimental import pallas
    from jax.experimental.pallas import triton

    parameters = eqx.combine(learned, frozen)
    student, count = experiment.student, tables.count
    assert isinstance(student, Student)
    assert isinstance(experiment.teacher, DiagonalTeacher)
    assert parameters.core is not None
    scale = weights_of(experiment) * (2.0 / tables.plan.batch)
    bias = jnp.zeros_like(scale) if parameters.bias is None else parameters.bias
    gated = student.activation.gate == "positive"
    options = None if interpret else triton.CompilerParams(num_warps=warps, num_stages=1)
    core, slope = pallas.pallas_call(
        functools.partial(kernel, plan=tables.plan, gated=gated),
        out_shape=(
            jax.ShapeDtypeStruct(parameters.core.shape, parameters.core.dtype),
            jax.ShapeDtypeStruct(bias.shape, bias.dtype),
        ),
        compiler_params=options,
        interpret=interpret,
        name="sparse_gradient",
    )(
        *fused_draws(tables, key, interpret=interpret),
        parameters.embedding,
        parameters.core,
        bias,
        scale,
        experiment.teacher.gains(count),
    )
    gradient = eqx.tree_at(lambda g: g.core, learned, core)
    return gradient if learned.bias is None else eqx.tree_at(lambda g: g.bias, gradient, slope)


def _kernel(
    occupied_of: Any,
    starts: Any,
    features: Any,
    values: Any,
    embedding: Any,
    core: Any,
    bias: Any,
    scale: Any,
    gains: Any,
    core_slope: Any,
    bias_slope: Any,
    *,
    plan: SparsePlan,
    gated: bool,
) -> None:
    """One network: its whole batch, tile by tile of the rows that hold anything."""
    latent, count = embedding.shape
    K, N = side_of(latent), side_of(count)
    k, n = jnp.arange(K), jnp.arange(N)
    square = (k < latent)[:, None] & (k < latent)[None, :]
    oblong = (k < latent)[:, None] & (n < count)[None, :]
    W = load(embedding, (k[:, None], n[None, :]), oblong)
    B = load(core, (k[:, None], k[None, :]), square)
    c, s, g = (load(ref, (n,), n < count) for ref in (bias, scale, gains))
    occupied = occupied_of[0]

    def tile(index: Any, sums: Any) -> Any:
        core_sum, bias_sum = sums
        row = index * _ROWS + jnp.arange(_ROWS)
        there = row < occupied
        start, stop = (load(starts, (place,), there) for place in (row, row + 1))

        def arrive(state: Any) -> Any:
            depth, x = state
            place = start + depth
            used = (place < stop) & (place < plan.arrivals)
            feature = jnp.where(used, load(features, (place,), used), -1)
            here = n[:, None] == feature[None, :]
            return depth - 1, jnp.where(here, load(values, (place,), used)[None, :], x)

        # From the last on: of several arrivals of one feature in one sample the first counts.
        last = jnp.max(stop - start) - 1, jnp.zeros((N, _ROWS), embedding.dtype)
        _, x = lax.while_loop(lambda state: state[0] >= 0, arrive, last)
        h = jnp.dot(W, x)
        z = jnp.dot(W.T, jnp.dot(B, h)) + c[:, None]
        slope = s[:, None] * (z - g[:, None] * x)
        counted = there[None, :]
        slope = jnp.where(counted & (z > 0) if gated else counted, slope, 0.0)
        core_sum += jnp.dot(jnp.dot(W, slope), h.T)
        return core_sum, bias_sum + jnp.sum(slope, axis=1)

    # Of a sample that holds nothing, h = 0 and z = c.
    nothing = (plan.batch - occupied).astype(bias.dtype) * s * c
    if gated:
        nothing = jnp.where(c > 0, nothing, 0.0)
    start = jnp.zeros((K, K), core.dtype), nothing
    core_sum, bias_sum = lax.fori_loop(0, (occupied + _ROWS - 1) // _ROWS, tile, start)
    store_at(core_slope, (k[:, None], k[None, :]), core_sum, square)
    store_at(bias_slope, (n,), bias_sum, n < count)


def _warps(latent: int, count: int) -> int:
    """Warps a program: few, which wait for each other less, but with registers for W."""
    return max(1, latent * count // _ENTRIES_A_WARP)
