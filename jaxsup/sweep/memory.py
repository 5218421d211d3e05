"""How much memory a replica takes, and how many fit: the memory plan of a sweep.

The count is made before anything is compiled, from the shapes alone. Beside what a replica keeps
(parameters, optimiser state, snapshots) it holds what an update needs at its widest moment: the
batch of the update, the rows on which the loss is evaluated, or gradients and updates on their way
into the parameters. These three follow each other, so that the largest counts. `test_memory` holds
the count against the peak that the system saw.
"""

import dataclasses
import math
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from jaxsup._internal.batching import is_large
from jaxsup._internal.validation import fail
from jaxsup.experiment.experiment import Experiment
from jaxsup.sweep.programs import Program
from jaxsup.training.sampling.plan import plan_sparse
from jaxsup.training.state import observe, start
from jaxsup.training.updates.gathered import response_bytes

EVALUATION_DRAWS, EVALUATION_ROWS = 256, 64
TILE, TILE_OF_LEARNED = 2**18, 3 * 2**18

_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
# What is left for the chunk: the rest of an accelerator's memory goes to the compiled programs, to
# fragmentation, and to whoever shares it.
_USABLE = 0.8
# On a CPU a chunk that stays near the caches is faster than the largest that memory holds: see
# `benchmarks/scaling.py`.
_CPU_WORKING_SET = 40 * 2**20
# What a compiled program takes whatever its size: threads, scratch of the matrix products.
_RUNTIME = 24 * 2**20
COMPILING = 256 * 2**20
"""Bytes that compilation takes on the host and does not give back."""


@dataclasses.dataclass(frozen=True)
class Footprint:
    """Bytes of one replica of a compiled shape, and of what the replicas of a seed share.

    Attributes:
        parameters: the arrays of the network, frozen ones too where the seed's replicas do not
            share them.
        optimizer: the optimiser's moments.
        snapshots: parameters kept for the dataset.
        batch: samples, activations and their derivatives at the widest moment of a step.
        gradients: gradients and updates, where they outgrow the batch.
        records: what the dataset keeps of the run, on the host.
        shared: samples, random bits and frozen arrays that all replicas of a seed share on a
            device.
        responses: arrays of features x features or features x samples that each replica holds for
            itself on an accelerator, but not on a CPU: `jaxsup._internal.batching`.
        turn: what a CPU holds in their place, of the one replica whose turn it is.
    """

    parameters: int
    optimizer: int
    snapshots: int
    batch: int
    gradients: int
    records: int
    shared: int
    responses: int = 0
    turn: int = 0

    @property
    def device(self) -> int:
        """Bytes of a replica on its device."""
        return self.parameters + self.optimizer + self.snapshots + self.batch + self.gradients

    def each(self, devices: Sequence[Any]) -> int:
        """Bytes of a replica where `devices` keep what they work with."""
        return self.device + (self.records if devices[0].platform == "cpu" else self.responses)

    def fixed(self, devices: Sequence[Any]) -> int:
        """Bytes that do not depend on how many replicas there are."""
        turns = self.turn if devices[0].platform == "cpu" else 0
        return _RUNTIME + len(devices) * turns

    def smallest(self, devices: Sequence[Any]) -> int:
        """Bytes of a chunk with one replica a device."""
        return self.fixed(devices) + len(devices) * (self.each(devices) + self.shared)

    def chunk(self, replicas: int, seeds: int, devices: Sequence[Any]) -> int:
        """Bytes that a chunk takes, over all devices and with its records."""
        others = 0 if devices[0].platform == "cpu" else self.records
        own = replicas * (self.each(devices) + others)
        return self.fixed(devices) + own + min(seeds * len(devices), replicas) * self.shared

    def __str__(self) -> str:
        parts = {
            "parameters": self.parameters,
            "optimizer": self.optimizer,
            "snapshots": self.snapshots,
            "batch": self.batch,
            "gradients": self.gradients,
            "records": self.records,
        }
        listed = ", ".join(f"{name} {format_bytes(size)}" for name, size in parts.items() if size)
        return f"{format_bytes(sum(parts.values()))} a replica ({listed})"


def footprint(program: Program) -> Footprint:
    """The count for the compiled shape of a program."""
    experiment = program.example
    global _UPDATE
    _UPDATE = program.update
    key = jax.eval_shape(lambda: jax.random.key(0))
    state = eqx.filter_eval_shape(start, experiment, key)
    learned, _ = eqx.partition(state.parameters, experiment.student.trainable(state.parameters))
    parameters, moments, gradients = _size(state.parameters), _size(state.moments), _size(learned)
    one_copy = program.shares_frozen
    frozen = parameters - gradients if one_copy else 0
    # Samples depend on the seed alone, unless the points have feature laws of their own.
    own_samples = bool(jax.tree.leaves(program.varying.features))
    batch, shared = _batch(experiment, gradients, own_samples=own_samples)
    responses, turn = _responses(experiment)
    # An update holds gradients, updates and the new parameters and moments at once.
    update = 3 * gradients + moments
    records = eqx.filter_eval_shape(observe, experiment, program.update, key, state)
    kept = len(experiment.recorded_steps) * _size(records) + _size(state.snapshots)
    return Footprint(
        parameters=parameters - frozen,
        optimizer=moments,
        snapshots=_size(state.snapshots),
        batch=batch,
        gradients=max(0, update - batch),
        records=2 * kept,
        shared=shared + frozen,
        responses=responses,
        turn=turn,
    )


def _batch(experiment: Experiment, gradients: int, *, own_samples: bool) -> tuple[int, int]:
    """Bytes of the widest moment of a step: a replica's own, and what the seed's replicas share."""
    count, latent = experiment.features.count, experiment.student.latent
    inner = 0 if experiment.student.embedding == "identity" else latent
    moments = []
    if experiment.gradient == "sampled":
        activations, samples = _update(experiment, inner)
        # The gradient of W as it reads, and as it writes; where JAX differentiates, their sum too.
        parts = 3 if getattr(_UPDATE, "level", None) is None else 2
        activations += parts * gradients if experiment.student.learns_embedding else 0
        sparse_alone = own_samples and getattr(_UPDATE, "level", None) is not None
        moments.append(
            (activations + (samples if own_samples else 0), 0 if sparse_alone else samples)
        )
    elif _one_table(experiment) and _own_gradient(experiment):
        moments.append((gradients, 0))
    else:
        moments.append(((3 if inner else 1) * _word() * count * count + gradients, 0))
    if _UPDATE.evaluation is None:
        moments.append(_evaluation(experiment, inner, own_samples=own_samples))
    elif not _one_table(experiment):
        moments.append((_cfb(experiment.features.count), 0))
    own, shared = zip(*moments, strict=True)
    return max(own), max(shared)


def _own_gradient(experiment: Experiment) -> bool:
    """Whether the gradient of the population loss comes from `jaxsup.theory.tied_loss`."""
    return _UPDATE.kind == "tied"


def _one_table(experiment: Experiment) -> int:
    """Bytes that a closed form holds of the replica whose turn it is; 0 if all go together."""
    size = _cfb(experiment.features.count)
    if _UPDATE.evaluation is None or not is_large(size):
        return 0
    return size * 3 // 2 if _own_gradient(experiment) else size


def _responses(experiment: Experiment) -> tuple[int, int]:
    """Bytes of `Footprint.responses` and of `Footprint.turn`."""
    sizes = [(_one_table(experiment),) * 2]
    evaluated = experiment.record.evaluation_samples if _UPDATE.evaluation is None else 0
    trained = experiment.batch_size if experiment.gradient == "sampled" else 0
    learns = experiment.student.learns_embedding
    for samples, tile in (
        (trained, TILE_OF_LEARNED if learns else TILE),
        (min(evaluated, EVALUATION_DRAWS), TILE),
    ):
        size = _response(experiment, samples) if samples else 0
        if is_large(size):
            sizes.append((size, min(size, tile)))
    responses, turns = zip(*sizes, strict=True)
    return max(responses), max(turns)


def _response(experiment: Experiment, samples: int) -> int:
    """Bytes of z of so many samples where `jaxsup.training.updates.gathered` may tile it, else 0."""
    if _UPDATE.kind != "gathered" or experiment.student.embedding == "identity":
        return 0
    assert getattr(_UPDATE, "level", None) is not None
    rows = plan_sparse(_UPDATE.level, samples).rows
    return response_bytes(rows, experiment.features.count)


def _update(experiment: Experiment, inner: int) -> tuple[int, int]:
    """Bytes of activations and slopes of an update, and of its samples."""
    count, rows = experiment.features.count, experiment.batch_size
    if getattr(_UPDATE, "level", None) is None:
        return _word() * rows * (count + 2 * inner), _word() * rows * count
    return _sparse(experiment, inner, rows)


def _evaluation(experiment: Experiment, inner: int, *, own_samples: bool) -> tuple[int, int]:
    """Bytes of a replica in an evaluation of the loss, and of the samples that a seed's share."""
    count = experiment.features.count
    drawn = min(EVALUATION_DRAWS, experiment.record.evaluation_samples)
    if getattr(_UPDATE, "level", None) is not None:
        activations, samples = _sparse(experiment, inner, drawn)
        return (activations + samples, 0) if own_samples else (activations, samples)
    rows = min(EVALUATION_ROWS, drawn)
    samples = _word() * 2 * drawn * count
    # The wide product with the frozen W packs its input once more.
    packed = _word() * rows * count
    moment = _word() * rows * (2 * count + 2 * inner)
    return max(samples + packed if own_samples else 0, moment), samples


def _sparse(experiment: Experiment, inner: int, samples: int) -> tuple[int, int]:
    """Bytes of the activations of sparse samples, and of the samples."""
    assert getattr(_UPDATE, "level", None) is not None
    count, plan = experiment.features.count, plan_sparse(_UPDATE.level, samples)
    # Columns of W by arrival, or columns of B and their products.
    columns = plan.arrivals * (inner or 2 * count)
    listed = 6 * (plan.arrivals + plan.deepest)
    if _UPDATE.kind == "gathered":
        tiled = is_large(_response(experiment, samples))
        own = plan.rows * ((0 if tiled else count) + 3 * inner)
        return _word() * (own + columns), _word() * listed
    own = plan.rows * (count + inner)
    return _word() * own, _word() * (listed + plan.rows * count)


def _word() -> int:
    return jnp.dtype(jnp.result_type(float)).itemsize


def _size(tree: Any) -> int:
    return sum(math.prod(leaf.shape) * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))


def choose_chunk(
    need: Footprint, points: int, devices: Sequence[Any], memory: int | str | None
) -> int:
    """How many replicas to train at once: as many as `memory` holds.

    On a CPU, where no memory is named: as many as stay near the caches, at least one a device.

    Raises:
        ValueError: not even one a device fits.
    """
    budget = memory_budget(memory, devices)
    fitting = replicas_that_fit(need, points, devices, budget)
    if memory is not None or devices[0].platform != "cpu":
        return fitting
    least = need.smallest(devices)
    near = replicas_that_fit(need, points, devices, max(_CPU_WORKING_SET, least))
    return min(fitting, near)


def replicas_that_fit(need: Footprint, points: int, devices: Sequence[Any], memory: int) -> int:
    """How many replicas of this shape `memory` bytes hold, at least one a device.

    Arguments:
        need: count of the shape.
        points: settings that the program trains: so many replicas share a seed. A chunk takes
            points first, then seeds, and each seed brings what its replicas share.
        devices: devices that share the chunk.
        memory: bytes over all devices; on a CPU with the records.

    Raises:
        ValueError: not even one a device fits.
    """
    each, shared = need.each(devices), len(devices) * need.shared
    if need.smallest(devices) > memory:
        raise fail(
            "memory",
            f"at least {format_bytes(need.smallest(devices))} for one network a device",
            f"a budget of {format_bytes(memory)}",
            "allow more, use fewer devices, or make the batch or the network smaller",
        )
    left = memory - need.fixed(devices)
    seeds = left // (points * each + shared)
    return max(len(devices), seeds * points if seeds else (left - shared) // each)


def memory_budget(memory: int | str | None, devices: Sequence[Any]) -> int:
    """Bytes that the chunks may take, over all `devices`.

    Arguments:
        memory: bytes, or text like ``"4GiB"``: on an accelerator what its arrays may take, on a CPU
            what the whole process may. Default: four fifths of an accelerator's memory; on a CPU
            half of what is free.

    Raises:
        ValueError: `memory` is no size, or too small for the process itself.
    """
    if devices[0].platform != "cpu":
        if memory is not None:
            return parse_bytes(memory)
        limits = [(device.memory_stats() or {}).get("bytes_limit", 2**33) for device in devices]
        return int(_USABLE * min(limits) * len(devices))
    if memory is None:
        return int(_free_memory() / 2)
    budget = parse_bytes(memory) - resident_memory() - COMPILING
    if budget <= 0:
        least = format_bytes(resident_memory() + COMPILING)
        raise fail("memory", f"more than the {least} of the program itself", memory, "allow more")
    return budget


def parse_bytes(text: int | str) -> int:
    """A number of bytes from 2147483648, "2GiB", "2G" or "512 MiB" (powers of 1,024).

    Raises:
        ValueError: it is none.

    >>> parse_bytes("1.5 GiB")
    1610612736
    """
    match = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]*)?)\s*([KMGT]?)(?:i?B)?\s*", str(text), re.I)
    size = int(float(match[1]) * _UNITS[match[2].upper()]) if match else 0
    if isinstance(text, bool) or size < 1:
        raise fail("memory", "a size in bytes", text, "write it like 4GiB or 512MiB")
    return size


def format_bytes(size: float) -> str:
    """A size for people.

    >>> format_bytes(1610612736), format_bytes(700)
    ('1.5 GiB', '700 B')
    """
    units = ["B", "KiB", "MiB", "GiB", "TiB"]
    unit = units.pop(0)
    while size >= 1024 and units:
        size, unit = size / 1024, units.pop(0)
    return f"{size:.0f} {unit}" if size >= 100 or unit == "B" else f"{size:.2g} {unit}"


def resident_memory() -> int:
    """Bytes of memory that this process holds now; 0 where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def _free_memory() -> int:
    """Bytes of memory that are free: of the machine, or of the container that this runs in."""
    free = [2**33]
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        free = [1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable")]
        group = Path("/sys/fs/cgroup")
        limit, used = (
            (group / f"memory.{name}").read_text().strip() for name in ("max", "current")
        )
        if limit != "max":
            free.append(max(0, int(limit) - int(used)))
    except (OSError, ValueError, IndexError):
        pass
    return min(free or [2**33])


def _cfb(count):
    return 2 * 4 * count**2


_UPDATE = None
