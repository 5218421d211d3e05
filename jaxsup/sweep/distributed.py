"""A run's three steps for all replicas of a part at once, over the devices that they lie on.

Here alone the sweep calls the functions of one run (`jaxsup.training.state`).
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.sharding import NamedSharding, PartitionSpec
from jax.stages import Wrapped
from jaxtyping import Array, Bool, Int, Key, PRNGKeyArray, PyTree

from jaxsup.experiment.experiment import Experiment
from jaxsup.sweep.mapped import Crowding
from jaxsup.sweep.placement import Placement
from jaxsup.training.state import (
    State,
    Tables,
    advance,
    drop_frozen,
    frozen_parameters,
    observe,
    prepare,
    restore_frozen,
    start,
)
from jaxsup.training.updates import AbstractUpdate
from jaxsup.training.updates.base import training_products


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


class Frozen(NamedTuple):
    """What no update changes.

    Attributes:
        parameters: the arrays that are not learned, along `Placement.frozen_axes`.
        tables: the arrays of the settings' `Tables`, along `Placement.setting_axes`: making them
            takes a loop over the features, which is many launches on an accelerator.
    """

    parameters: PyTree
    tables: Tables


class Segment(NamedTuple):
    """From which update to which, and whether the replicas are observed at the end."""

    first: Int[Array, ""]
    stop: Int[Array, ""]
    due: Bool[Array, ""]


Start = dict[str, Array]
"""Arrays from which replicas start, [lanes, slots, ...], by name; empty where all are drawn."""
Advanced = tuple[State, Int[Array, "lanes slots"], dict[str, Array]]
"""The replicas, a copy of their status, and what was observed."""
CROWDING = Crowding()
"""Of this process."""


@functools.cache
def freezing(placement: Placement) -> Wrapped:
    """Compiles to `Programs.freeze`."""
    specs = (_inputs_specs(placement), placement.grid)
    return _distribute(
        functools.partial(_freeze, placement), placement, specs, _frozen_specs(placement)
    )


@functools.cache
def beginning(placement: Placement) -> Wrapped:
    """Compiles to `Programs.begin`."""
    specs = (_inputs_specs(placement), placement.grid)
    return _distribute(functools.partial(_begin, placement), placement, specs, placement.grid)


@functools.cache
def advancing(placement: Placement) -> Wrapped:
    """Compiles to `Programs.advance`."""
    grid, everywhere = placement.grid, PartitionSpec()
    bounds = Segment(everywhere, everywhere, everywhere)  # pyright: ignore[reportArgumentType]
    return _distribute(
        functools.partial(_advance, placement),
        placement,
        (_inputs_specs(placement), _frozen_specs(placement), grid, bounds),
        (grid, grid, grid),
        donate_argnums=2,
    )


def _inputs_specs(placement: Placement) -> Inputs:
    everywhere: Any = PartitionSpec()
    settings: Any = placement.settings
    return Inputs(settings, everywhere, everywhere, placement.keys)  # pyright: ignore[reportArgumentType]


def _frozen_specs(placement: Placement) -> Frozen:
    settings: Any = placement.settings
    return Frozen(placement.frozen, settings)


@functools.cache
def freezing_parameters(placement: Placement) -> Wrapped:
    """Compiles to the half of `Programs.freeze` that depends on the keys."""
    specs = (_inputs_specs(placement), placement.grid)
    function = functools.partial(_frozen_parameters, placement)
    return _distribute(function, placement, specs, placement.frozen)


@functools.cache
def tabulating(placement: Placement) -> Wrapped:
    """Compiles to the other half, the tables, of inputs without keys."""
    keyless: Any = None
    specs = (_inputs_specs(placement)._replace(keys=keyless),)
    function = functools.partial(_tabulate, placement)
    return _distribute(function, placement, specs, placement.settings)


def release() -> None:
    """Give up what JAX keeps of the programs of all placements: traces, and what was compiled."""
    for kind in (freezing, beginning, advancing, freezing_parameters, tabulating):
        kind.cache_clear()
    CROWDING.note_release()


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


def _freeze(placement: Placement, inputs: Inputs, given: Start) -> Frozen:
    return Frozen(_frozen_parameters(placement, inputs, given), _tabulate(placement, inputs))


def _tabulate(placement: Placement, inputs: Inputs) -> Tables:
    def tabulate(varying: Experiment) -> Tables:
        tables = prepare(eqx.combine(varying, inputs.fixed), inputs.update)
        return eqx.filter(tables, eqx.is_array)

    return placement.over_settings(tabulate, inputs.varying)


def _frozen_parameters(placement: Placement, inputs: Inputs, given: Start) -> PyTree:
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
    placement: Placement, inputs: Inputs, frozen: Frozen, state: State, segment: Segment
) -> Advanced:
    device = placement.mesh.devices.flat[0]

    def train(
        varying: Experiment, key: PRNGKeyArray, frozen: PyTree, tables: Tables, state: State
    ) -> State:
        experiment = eqx.combine(varying, inputs.fixed)
        state = advance(
            experiment,
            inputs.update.on(experiment, device),
            key,
            restore_frozen(frozen, state),
            segment.first,
            segment.stop,
            tables=_whole_tables(experiment, inputs.update, tables).training,
            products=training_products(experiment, device),
        )
        return drop_frozen(experiment, state)

    def record(
        varying: Experiment, key: PRNGKeyArray, frozen: PyTree, tables: Tables, state: State
    ) -> dict[str, Array]:
        experiment, update = eqx.combine(varying, inputs.fixed), inputs.update
        tables = _whole_tables(experiment, update, tables)
        return observe(experiment, update, key, restore_frozen(frozen, state), tables.evaluation)

    arguments = (
        *_arguments(placement, inputs),
        (placement.frozen_axes, frozen.parameters),
        (placement.setting_axes, frozen.tables),
    )
    state = placement.over_replicas(train, *arguments, (placement.grid_axes, state))

    def record_all() -> dict[str, Array]:
        return placement.over_replicas(record, *arguments, (placement.grid_axes, state))

    empty = jax.tree.map(
        lambda leaf: jnp.full(leaf.shape, jnp.nan, leaf.dtype), jax.eval_shape(record_all)
    )
    records = jax.lax.cond(segment.due, record_all, lambda: empty)
    return state, jnp.copy(state.status), records


def _whole_tables(experiment: Experiment, update: AbstractUpdate, arrays: Tables) -> Tables:
    """The tables whose arrays these are, with what stands beside the arrays."""
    shapes = eqx.filter_eval_shape(prepare, experiment, update)
    static = eqx.filter(shapes, lambda leaf: not isinstance(leaf, jax.ShapeDtypeStruct))
    return eqx.combine(arrays, static)


def _arguments(placement: Placement, inputs: Inputs, *given: Start) -> tuple[Any, ...]:
    replicas = ((placement.grid_axes, arrays) for arrays in given)
    return (placement.setting_axes, inputs.varying), (placement.key_axes, inputs.keys), *replicas
