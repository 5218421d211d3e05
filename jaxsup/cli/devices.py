"""Which devices and which precision a command computes with."""

from __future__ import annotations

import os
from typing import Any


def configure_devices(count: int | None, *, x64: bool = False) -> None:
    """Settle JAX's devices and precision before its first use.

    JAX_ENABLE_X64 asks for float64 as `x64` does.

    On a CPU each core becomes a device: for many small networks that is faster than threads inside
    of each product (`benchmarks/scaling.py` measures it).

    Raises:
        ValueError: `count` is no number of devices.
    """
    import jax

    from jaxsup._internal.system import available_cores
    from jaxsup._internal.validation import check_positive_integer

    if count is not None:
        check_positive_integer("--devices", count, "give a number of devices")
    jax.config.update("jax_num_cpu_devices", count or available_cores())
    jax.config.update("jax_enable_x64", x64 or _asked_for_x64())


def _asked_for_x64() -> bool:
    """Whether the environment asks for float64, in the words that JAX takes."""
    return os.environ.get("JAX_ENABLE_X64", "").lower() in ("y", "yes", "t", "true", "on", "1")


def share_memory() -> None:
    """Let a card's memory be taken as it is needed, unless the environment says otherwise.

    XLA takes three quarters of it at once: a second process on the card then fails. It reads this
    when JAX is first used.
    """
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")


def use_devices(count: int | None) -> list[Any]:
    """The first `count` devices of this process, after `configure_devices`.

    Raises:
        ValueError: there are fewer accelerators than `count`, or none of the platforms that
            JAX_PLATFORMS names.
    """
    import jax

    from jaxsup._internal.validation import fail

    try:
        devices = jax.local_devices()
    except (RuntimeError, AssertionError):
        expected, wanted = "platforms that are here", os.environ.get("JAX_PLATFORMS")
        raise fail("JAX_PLATFORMS", expected, wanted, "leave it out, or set it to cpu") from None
    if count is not None and count > len(devices):
        raise fail("--devices", f"at most the {len(devices)} there are", count, "ask for fewer")
    return devices[:count]
