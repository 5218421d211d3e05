"""Where the replicas of a part lie: on which device, and along which axes of the arrays.

Replicas lie on [lanes, slots]. A lane has one seed, and its slots share that seed's keys, so that
its random numbers are drawn once for all of them. Devices share out the slots of every lane, or
the lanes, and never talk to each other.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
from jax.sharding import Mesh, PartitionSpec

Axes = tuple[int | None, int | None]
"""Where an argument has its axes over lanes and over slots; None where it has none."""


@dataclasses.dataclass(frozen=True)
class Placement:
    """How replicas [lanes, slots] lie on the devices of a mesh.

    Attributes:
        mesh: the devices, along one axis called "replica".
        shape: lanes and slots over all devices, a multiple of the devices where they are shared
            out.
        alike: whether all lanes train the same settings. These are then passed once, [slots, ...],
            and what depends on them alone is computed once for all seeds; else they are
            [lanes, slots, ...].
        one_copy: whether the slots of a lane hold one copy of the arrays that are not learned,
            [lanes, ...]; else [lanes, slots, ...].
    """

    mesh: Mesh
    shape: tuple[int, int]
    alike: bool
    one_copy: bool

    @property
    def by_slots(self) -> bool:
        """Whether devices share out the slots of every lane; else the lanes."""
        return shares_slots(self.shape, self.mesh.size)

    @property
    def local_shape(self) -> tuple[int, int]:
        """Lanes and slots on each device."""
        lanes, slots = self.shape
        devices = self.mesh.size
        return (lanes, slots // devices) if self.by_slots else (lanes // devices, slots)

    @property
    def grid(self) -> PartitionSpec:
        """Of arrays [lanes, slots, ...]."""
        return PartitionSpec(None, "replica") if self.by_slots else PartitionSpec("replica")

    @property
    def keys(self) -> PartitionSpec:
        """Of the keys, [lanes]."""
        return PartitionSpec() if self.by_slots else PartitionSpec("replica")

    @property
    def settings(self) -> PartitionSpec:
        """Of the numbers that differ between points."""
        if not self.alike:
            return self.grid
        return PartitionSpec("replica") if self.by_slots else PartitionSpec()

    @property
    def frozen(self) -> PartitionSpec:
        """Of the arrays that are not learned."""
        return self.keys if self.one_copy else self.grid

    @property
    def grid_axes(self) -> Axes:
        """Of arrays [lanes, slots, ...]."""
        return 0, 0

    @property
    def key_axes(self) -> Axes:
        """Of the keys."""
        return 0, None

    @property
    def setting_axes(self) -> Axes:
        """Of the numbers that differ between points."""
        return (None if self.alike else 0), 0

    @property
    def frozen_axes(self) -> Axes:
        """Of the arrays that are not learned."""
        return 0, (None if self.one_copy else 0)

    def over_replicas(self, function: Callable[..., Any], *arguments: tuple[Axes, Any]) -> Any:
        """A function of one replica, applied to all that lie on a device.

        Slots lie inside and lanes outside: what depends on the key alone is computed once.

        Arguments:
            function: takes the parts of the arguments that belong to one replica.
            arguments: where an argument has its axes, and the argument.
        """
        lanes, slots = self.local_shape
        per_lane = _map(function, tuple(axes[1] for axes, _ in arguments), slots)
        per_device = _map(per_lane, tuple(axes[0] for axes, _ in arguments), lanes)
        return per_device(*(argument for _, argument in arguments))

    def over_settings(self, function: Callable[..., Any], varying: Any) -> Any:
        """A function of one setting, applied to all that lie on a device, as `settings` has them.

        Arguments:
            function: takes what belongs to one setting.
            varying: along `setting_axes`.
        """
        lanes, slots = self.local_shape
        per_lane = _map(function, (0,), slots)
        return (per_lane if self.alike else _map(per_lane, (0,), lanes))(varying)


def shares_slots(shape: tuple[int, int], devices: int) -> bool:
    """Whether devices share out the slots of every lane, or the lanes: [lanes, slots]."""
    lanes, slots = shape
    return slots >= devices or slots >= lanes


def _map(
    function: Callable[..., Any], in_axes: tuple[int | None, ...], size: int
) -> Callable[..., Any]:
    """`jax.vmap`, without an axis where it would have size 1: products are faster for it."""
    if size > 1:
        return jax.vmap(function, in_axes=in_axes, axis_size=size)

    def alone(*arguments: Any) -> Any:
        first = [
            argument if axis is None else jax.tree.map(lambda leaf: leaf[0], argument)
            for argument, axis in zip(arguments, in_axes, strict=True)
        ]
        return jax.tree.map(lambda leaf: leaf[None], function(*first))

    return alone
