"""Devices that are none, for whoever asks what they can do."""

import types


def card(
    platform: str = "gpu", version: str = "PJRT C API cuda 13000", capability: str = "9.0"
) -> types.SimpleNamespace:
    """A card of NVIDIA's, or what differs from one."""
    client = types.SimpleNamespace(platform_version=version)
    return types.SimpleNamespace(platform=platform, client=client, compute_capability=capability)
