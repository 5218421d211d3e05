"""Devices that are none, for whoever asks what they can do."""

import contextlib
import types

import jax


def card(
    platform: str = "gpu", version: str = "PJRT C API cuda 13000", capability: str = "9.0"
) -> types.SimpleNamespace:
    """A card of NVIDIA's, or what differs from one."""
    client = types.SimpleNamespace(platform_version=version)
    return types.SimpleNamespace(platform=platform, client=client, compute_capability=capability)


def lowering_for_a_card() -> contextlib.AbstractContextManager[None]:
    """Inside, kernels are lowered for a card where there is none: JAX asks which, from 0.11 on."""
    if jax.__version_info__ < (0, 11):
        return contextlib.nullcontext()
    device = jax.sharding.AbstractDevice("NVIDIA H200", None, "gpu")
    mesh = jax.sharding.AbstractMesh((), (), abstract_device=device)
    return jax.sharding.use_abstract_mesh(mesh)
