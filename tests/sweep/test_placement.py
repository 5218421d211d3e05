"""Where replicas lie: specs and axes agree with each other, and give each replica its own."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxsup.sweep.placement import Placement, shares_slots


def place(
    lanes: int, slots: int, devices: int = 1, *, alike: bool = True, one_copy: bool = True
) -> Placement:
    mesh = Mesh(np.asarray(jax.local_devices()[:devices]), ("replica",))
    return Placement(mesh, (lanes, slots), alike, one_copy)


@pytest.mark.parametrize(
    ("shape", "devices", "by_slots"),
    [
        ((3, 4), 4, True),  # enough slots for all
        ((8, 2), 4, False),  # too few slots, and more lanes
        ((1, 2), 4, True),  # too few of both: the more numerous
        ((5, 1), 1, True),
    ],
)
def test_devices_share_out_what_there_is_enough_of(shape, devices, by_slots):
    assert shares_slots(shape, devices) == by_slots


@pytest.mark.parametrize("alike", [True, False])
@pytest.mark.parametrize("one_copy", [True, False])
@pytest.mark.parametrize("shape", [(2, 8), (8, 2)])
def test_arrays_cut_by_their_specs_have_the_local_shape(shape, alike, one_copy):
    placement = place(*shape, devices=4, alike=alike, one_copy=one_copy)
    lanes, slots = placement.local_shape
    assert lanes * slots * 4 == shape[0] * shape[1]

    def local(spec: PartitionSpec, whole: tuple[int, ...]) -> tuple[int, ...]:
        return NamedSharding(placement.mesh, spec).shard_shape(whole)

    assert local(placement.grid, shape) == (lanes, slots)
    assert local(placement.keys, shape[:1]) == (lanes,)
    settings = (shape[1:], (slots,)) if alike else (shape, (lanes, slots))
    assert local(placement.settings, settings[0]) == settings[1]
    frozen = (shape[:1], (lanes,)) if one_copy else (shape, (lanes, slots))
    assert local(placement.frozen, frozen[0]) == frozen[1]


@pytest.mark.parametrize("alike", [True, False])
@pytest.mark.parametrize("one_copy", [True, False])
@pytest.mark.parametrize("shape", [(1, 1), (1, 3), (3, 1), (2, 3)])
def test_a_function_of_one_replica_sees_what_is_its_own(shape, alike, one_copy):
    lanes, slots = shape
    placement = place(lanes, slots, alike=alike, one_copy=one_copy)
    grid = jnp.arange(lanes * slots).reshape(shape)
    keys = 100 * jnp.arange(lanes)
    settings = 1000 * jnp.arange(slots) if alike else 1000 * grid
    frozen = 10_000 * (jnp.arange(lanes) if one_copy else grid)
    arguments = (
        (placement.grid_axes, grid),
        (placement.key_axes, keys),
        (placement.setting_axes, settings),
        (placement.frozen_axes, frozen),
    )

    def total(*parts: jax.Array) -> jax.Array:
        assert all(part.shape == () for part in parts)
        return sum(parts, jnp.int32(0))

    expected = grid + keys[:, None] + jnp.broadcast_to(settings, shape)
    expected += jnp.broadcast_to(frozen[:, None] if one_copy else frozen, shape)
    np.testing.assert_array_equal(placement.over_replicas(total, *arguments), expected)


def test_replicas_that_share_everything_are_replicas_still():
    """No argument has an axis over slots: two settings that are the same."""
    placement = place(1, 2)
    keys = (placement.key_axes, jnp.arange(1))
    assert placement.over_replicas(lambda key: key, keys).shape == (1, 2)
