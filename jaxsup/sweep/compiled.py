"""The compiled programs of a part: its frozen arrays, its start, and a segment of its training.

Here alone the sweep calls the functions of one run (`jaxsup.training.state`).
"""

import dataclasses
import functools
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jax.stages import Traced, Wrapped
from jaxtyping import Array, Bool, Int, Integer, Key, PRNGKeyArray, PyTree

from jaxsup.experiment.experiment import Experiment
from jaxsup.sweep.keys import seed_keys
from jaxsup.sweep.placement import Placement
from jaxsup.sweep.programs import Program
from jaxsup.training.state import (
    State,
    advance,
    drop_frozen,
    frozen_parameters,
    observe,
    restore_frozen,
    start,
)
from jaxsup.training.updates import AbstractUpdate


class Inputs(NamedTuple):
    """What the replicas of a part follow from, the same from the first update to the last.

    Attributes:
        varying: leaves of the experiment that differ between points, along the axes of
            `Placement.setting_axes`; None elsewhere.
        fixed: the leaves that all points share; None elsewhere.
        update: how updates are computed; it has no leaves.
        keys: the keys of the lanes.
    """

    varying: Experiment
    fixed: Experiment
    update: AbstractUpdate
    keys: Key[Array, " lanes"]


class Segment(NamedTuple):
    """From which update to which, and whether the replicas are observed at the end."""

    first: Int[Array, ""]
    stop: Int[Array, ""]
    due: Bool[Array, ""]


Start = dict[str, Array]
"""Arrays from which replicas start, [lanes, slots, ...], by name; empty where all are drawn."""
_Advanced = tuple[State, Int[Array, "lanes slots"], dict[str, Array]]


@dataclasses.dataclass(frozen=True, eq=False)
class Programs:
    """What is compiled for one placement and one structure of experiments.

    Attributes:
        freeze: the arrays that are not learned.
        begin: the replicas before their first update, without these arrays.
        advance: the replicas after a segment, a copy of their status that outlives them, and what
            was observed of them by name, NaN where nothing was due. It takes over the state that it
            is given.
        state: what `begin` and `advance` return, by shapes and types.
    """

    freeze: Callable[[Inputs, Start], PyTree]
    begin: Callable[[Inputs, Start], State]
    advance: Callable[[Inputs, PyTree, State, Segment], _Advanced]
    state: State


class Compiler:
    """Compiles programs for a mesh of devices, each shape once.

    Attributes:
        mesh: the devices.
        seconds: time spent on compilation so far.
    """

    def __init__(self, mesh: Mesh) -> None:
        self.mesh = mesh
        self.seconds = 0.0
        self._programs: dict[Any, Programs] = {}

    def programs(
        self, inputs: Inputs, slots: int, given: Start | None = None, *, alike: bool, one_copy: bool
    ) -> Programs:
        """The programs for inputs of these shapes.

        Arguments:
            inputs: what the replicas follow from.
            slots: slots of each lane.
            given: what they start from.
            alike: whether all lanes train the same settings, see `Placement`.
            one_copy: `Program.shares_frozen`.
        """
        placement = Placement(self.mesh, (len(inputs.keys), slots), alike, one_copy)
        name = placement, structure_of((inputs, given or {}))
        if name not in self._programs:
            began = time.perf_counter()
            self._programs[name] = _compile(placement, inputs, given or {})
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
    experiment, key = program.example, jax.eval_shape(lambda: seed_keys(np.arange(1))[0])
    state = eqx.filter_eval_shape(start, experiment, key)
    records = eqx.filter_eval_shape(observe, experiment, program.update, key, state)
    recorded, snapshots = (
        sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))
        for tree in (records, state.snapshots)
    )
    return len(experiment.recorded_steps) * recorded + snapshots


def _compile(placement: Placement, inputs: Inputs, given: Start) -> Programs:
    segment, state = _trace(placement, inputs)
    return Programs(
        _freezing(placement).lower(inputs, given).compile(),
        _beginning(placement).lower(inputs, given).compile(),
        segment.lower().compile(),
        state,
    )


def _trace(placement: Placement, inputs: Inputs) -> tuple[Traced, State]:
    """A segment, not compiled yet, and the shapes of the state that it takes."""
    frozen = jax.eval_shape(_freezing(placement), inputs, {})
    state = jax.eval_shape(_beginning(placement), inputs, {})
    segment = Segment(jnp.int32(0), jnp.int32(0), jnp.asarray(False))
    return _advancing(placement).trace(inputs, frozen, state, segment), state


@functools.cache
def _freezing(placement: Placement) -> Wrapped:
    specs = (_inputs_specs(placement), placement.grid)
    return _distribute(functools.partial(_freeze, placement), placement, specs, placement.frozen)


@functools.cache
def _beginning(placement: Placement) -> Wrapped:
    specs = (_inputs_specs(placement), placement.grid)
    return _distribute(functools.partial(_begin, placement), placement, specs, placement.grid)


@functools.cache
def _advancing(placement: Placement) -> Wrapped:
    grid, everywhere = placement.grid, PartitionSpec()
    bounds = Segment(everywhere, everywhere, everywhere)  # pyright: ignore[reportArgumentType]
    return _distribute(
        functools.partial(_advance, placement),
        placement,
        (_inputs_specs(placement), placement.frozen, grid, bounds),
        (grid, grid, grid),
        donate_argnums=2,
    )


def _inputs_specs(placement: Placement) -> Inputs:
    everywhere: Any = PartitionSpec()
    settings: Any = placement.settings
    return Inputs(settings, everywhere, everywhere, placement.keys)  # pyright: ignore[reportArgumentType]


def _distribute(
    function: Callable[..., Any],
    placement: Placement,
    inputs: PyTree[PartitionSpec],
    outputs: PyTree[PartitionSpec],
    **options: Any,
) -> Wrapped:
    """`function` of what lies on one device, over all devices."""
    everywhere = jax.shard_map(
        function, mesh=placement.mesh, in_specs=inputs, out_specs=outputs, check_vma=False
    )
    place = functools.partial(NamedSharding, placement.mesh)
    return jax.jit(
        everywhere,
        in_shardings=jax.tree.map(place, inputs),
        out_shardings=jax.tree.map(place, outputs),
        **options,
    )


def _freeze(placement: Placement, inputs: Inputs, given: Start) -> PyTree:
    def freeze(varying: Experiment, key: PRNGKeyArray, given: Start) -> PyTree:
        return frozen_parameters(eqx.combine(varying, inputs.fixed), key, given)

    if placement.one_copy:
        first = 0 if placement.alike else (0, 0)
        setting = jax.tree.map(lambda leaf: leaf[first], inputs.varying)
        return jax.vmap(lambda key: freeze(setting, key, {}))(inputs.keys)
    return placement.over_replicas(freeze, *_arguments(placement, inputs, given))


def _begin(placement: Placement, inputs: Inputs, given: Start) -> State:
    def begin(varying: Experiment, key: PRNGKeyArray, given: Start) -> State:
        experiment = eqx.combine(varying, inputs.fixed)
        return drop_frozen(experiment, start(experiment, key, given))

    return placement.over_replicas(begin, *_arguments(placement, inputs, given))


def _advance(
    placement: Placement, inputs: Inputs, frozen: PyTree, state: State, segment: Segment
) -> _Advanced:
    def train(varying: Experiment, key: PRNGKeyArray, frozen: PyTree, state: State) -> State:
        experiment = eqx.combine(varying, inputs.fixed)
        whole = restore_frozen(frozen, state)
        bounds = segment.first, segment.stop
        return drop_frozen(experiment, advance(experiment, inputs.update, key, whole, *bounds))

    def record(
        varying: Experiment, key: PRNGKeyArray, frozen: PyTree, state: State
    ) -> dict[str, Array]:
        experiment = eqx.combine(varying, inputs.fixed)
        return observe(experiment, inputs.update, key, restore_frozen(frozen, state))

    arguments = *_arguments(placement, inputs), (placement.frozen_axes, frozen)
    state = placement.over_replicas(train, *arguments, (placement.grid_axes, state))

    def record_all() -> dict[str, Array]:
        return placement.over_replicas(record, *arguments, (placement.grid_axes, state))

    empty = jax.tree.map(
        lambda leaf: jnp.full(leaf.shape, jnp.nan, leaf.dtype), jax.eval_shape(record_all)
    )
    records = jax.lax.cond(segment.due, record_all, lambda: empty)
    return state, jnp.copy(state.status), records


def _arguments(placement: Placement, inputs: Inputs, *given: Start) -> tuple[Any, ...]:
    replicas = ((placement.grid_axes, arrays) for arrays in given)
    return (placement.setting_axes, inputs.varying), (placement.key_axes, inputs.keys), *replicas
