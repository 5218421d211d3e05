"""The compiled programs of a part: its frozen arrays, its start, and a segment of its training."""

import dataclasses
import functools
import time
import warnings
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.stages import Compiled, Lowered, Traced
from jaxtyping import Int, Integer, PyTree

from jaxsup._internal.system import return_freed_memory
from jaxsup.sweep.distributed import (
    CROWDING,
    Advanced,
    Frozen,
    Inputs,
    Segment,
    Start,
    advancing,
    beginning,
    freezing,
    freezing_parameters,
    release,
    tabulating,
)
from jaxsup.sweep.keys import seed_keys
from jaxsup.sweep.placement import Placement
from jaxsup.sweep.programs import Program, shapes_of
from jaxsup.training.state import State


@dataclasses.dataclass(frozen=True, eq=False)
class Programs:
    """What is compiled for one placement and one structure of experiments.

    Attributes:
        freeze: what no update changes.
        begin: the replicas before their first update, without these arrays.
        advance: the replicas after a segment, a copy of their status that outlives them, and what
            was observed of them by name, NaN where nothing was due. It takes over the state that it
            is given.
        state: what `begin` and `advance` return, by shapes and types.
    """

    freeze: Callable[[Inputs, Start], Frozen]
    begin: Callable[[Inputs, Start], State]
    advance: Callable[[Inputs, Frozen, State, Segment], Advanced]
    state: State


class Compiler:
    """Compiles programs for a mesh of devices, each shape once while there is room for programs.

    Attributes:
        mesh: the devices.
        kernels: folder for what the compiler finds out; None: it keeps that to itself. For a GPU it
            tries kernels out, and what is fastest now may not be the next time: with one folder,
            all processes have the same kernels, and so the same bits.
        seconds: time spent on compilation so far.
    """

    def __init__(self, mesh: Mesh, kernels: Path | None = None) -> None:
        self.mesh, self.kernels = mesh, kernels
        self.seconds = 0.0
        self._programs: dict[Any, Programs] = {}

    def programs(
        self, inputs: Inputs, slots: int, *, alike: bool, one_copy: bool, given: Start | None = None
    ) -> Programs:
        """The programs for inputs of these shapes.

        Arguments:
            inputs: what the replicas follow from.
            slots: slots of each lane.
            alike: whether all lanes train the same settings, see `Placement`.
            one_copy: `Program.shares_frozen`.
            given: what they start from.
        """
        placement = Placement(self.mesh, (len(inputs.keys), slots), alike, one_copy)
        name = placement, structure_of((inputs, given or {}))
        if name not in self._programs:
            began = time.perf_counter()
            options = kernel_options(self.mesh.devices.flat[0].platform, self.kernels)
            compiling = functools.partial(compiled_with, options=options)
            programs = _compile(placement, inputs, given or {}, compiling)
            return_freed_memory()
            if CROWDING.calls_for_release():
                self._programs.clear()
                release()
            self._programs[name] = programs
            self.seconds += time.perf_counter() - began
        return self._programs[name]

    def forget(self) -> None:
        """Give up all programs."""
        self._programs.clear()


def structure_of(tree: PyTree) -> tuple[Any, ...]:
    """What a compiled program depends on, hashable: structure, shapes and types."""
    leaves, structure = jax.tree.flatten(tree)
    return structure, *((jnp.shape(leaf), jnp.result_type(leaf)) for leaf in leaves)


def make_inputs(
    program: Program, rows: Int[np.ndarray, "..."], seeds: Integer[np.ndarray, " lanes"]
) -> Inputs:
    """What lanes with these seeds follow from.

    Arguments:
        program: what is trained.
        rows: positions into ``program.points``, [slots] or [lanes, slots].
        seeds: the seeds themselves.
    """
    varying = jax.tree.map(lambda leaf: jnp.asarray(leaf[rows]), program.varying)
    return Inputs(varying, program.fixed, program.update, seed_keys(seeds))


def trace_training(program: Program, shape: tuple[int, int], device: Any) -> Traced:
    """The segment that trains replicas [lanes, slots] on one device, not compiled yet."""
    lanes, slots = shape
    keys = jax.eval_shape(lambda: seed_keys(np.arange(lanes)))
    varying = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct((slots, *leaf.shape[1:]), jnp.result_type(leaf)),
        program.varying,
    )
    mesh = Mesh(np.asarray([device]), ("replica",))
    placement = Placement(mesh, shape, alike=True, one_copy=program.shares_frozen)
    return _trace(placement, Inputs(varying, program.fixed, program.update, keys))[0]


def kept_bytes(program: Program) -> int:
    """Bytes that a replica leaves for the dataset: what is recorded of it, and its snapshots."""
    state, records = shapes_of(program)
    recorded, snapshots = (
        sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))
        for tree in (records, state.snapshots)
    )
    return len(program.example.recorded_steps) * recorded + snapshots


def kernel_options(platform: str, kernels: Path | None) -> dict[str, str | bool]:
    """Compiler options by which a platform's kernels are those that a folder tells of.

    Arguments:
        platform: as JAX names it.
        kernels: the folder, if any.
    """
    if kernels is None or platform != "gpu":
        return {}
    return {"xla_gpu_per_fusion_autotune_cache_dir": str(kernels.absolute())}


def compiled_with(lowered: Lowered, options: Mapping[str, str | bool]) -> Compiled:
    """A program compiled with options, if this version of the compiler has them."""
    try:
        return lowered.compile(compiler_options=dict(options) or None)
    except jax.errors.JaxRuntimeError as error:
        if not options or "No such compile option" not in str(error):
            raise
        return lowered.compile()


def _compile(
    placement: Placement, inputs: Inputs, given: Start, compiling: Callable[[Lowered], Compiled]
) -> Programs:
    with warnings.catch_warnings():
        # JAX says of its Triton backend that it will go: then there will be no kernels of ours.
        warnings.filterwarnings("ignore", "The Pallas Triton backend", DeprecationWarning)
        segment, state = _trace(placement, inputs)
        training = segment.lower()
    # Compiled at the same time: the longest takes more than the others together.
    with ThreadPoolExecutor() as threads:
        trained = threads.submit(compiling, training)
        begun = threads.submit(compiling, beginning(placement).lower(inputs, given))
        frozen = _compile_freezing(placement, inputs, given, compiling)
        return Programs(frozen, begun.result(), trained.result(), state)


def _compile_freezing(
    placement: Placement, inputs: Inputs, given: Start, compiling: Callable[[Lowered], Compiled]
) -> Callable[[Inputs, Start], Frozen]:
    """What freezes: all at once on a CPU; else the tables are made by the host.

    A loop over the features is many launches for an accelerator; and its powers, rounded otherwise
    than a CPU's, would now and then pick another feature for an arrival: tables are the same
    numbers wherever networks are trained. Where JAX has no CPU, devices make their own.
    """
    host = _host_of(placement)
    if host is None:
        return compiling(freezing(placement).lower(inputs, given))
    parameters = compiling(freezing_parameters(placement).lower(inputs, given))
    tables = tabulating(host).lower(_on_host(inputs)).compile()
    place = NamedSharding(placement.mesh, placement.settings)

    def freeze(inputs: Inputs, given: Start) -> Frozen:
        arrays = jax.tree.map(np.asarray, tables(_on_host(inputs)))
        return Frozen(parameters(inputs, given), jax.device_put(arrays, place))

    return freeze


def _host_of(placement: Placement) -> Placement | None:
    """The same replicas on a CPU; None where that is what they lie on, or where there is none."""
    if placement.mesh.devices.flat[0].platform == "cpu":
        return None
    try:
        host = jax.local_devices(backend="cpu")[:1]
    except RuntimeError:  # JAX_PLATFORMS names none
        return None
    return dataclasses.replace(placement, mesh=Mesh(np.asarray(host), ("replica",)))


def _on_host(inputs: Inputs) -> Inputs:
    """What the tables follow from, away from any device."""
    keyless: Any = None
    return jax.tree.map(
        lambda leaf: np.asarray(leaf) if isinstance(leaf, jax.Array) else leaf,
        inputs._replace(keys=keyless),
    )


def _trace(placement: Placement, inputs: Inputs) -> tuple[Traced, State]:
    """A segment, not compiled yet, and the shapes of the state that it takes."""
    frozen = jax.eval_shape(freezing(placement), inputs, {})
    state = jax.eval_shape(beginning(placement), inputs, {})
    segment = Segment(jnp.int32(0), jnp.int32(0), jnp.asarray(False))
    return advancing(placement).trace(inputs, frozen, state, segment), state
