"""Which devices and which precision a command computes with."""

from __future__ import annotations

import os
from typing import Any


def use_devices(count: int | None, *, x64: bool = False) -> list[Any]:
    """Settle JAX's devices and precision before its first use, and return the devices.

    On a CPU each core becomes a device: for many small networks that is faster than threads inside
    of each product.

    Raises:
        ValueError: there are fewer accelerators than `count`.
    """
    import jax

    from jaxsup.validation import check_positive_integer, fail

    if count is not None:
        check_positive_integer("--devices", count, "give a number of devices")
    jax.config.update("jax_num_cpu_devices", count or os.cpu_count() or 1)
    jax.config.update("jax_enable_x64", x64)
    devices = jax.local_devices()
    if count is not None and count > len(devices):
        raise fail("--devices", f"at most the {len(devices)} there are", count, "ask for fewer")
    return devices[:count]
