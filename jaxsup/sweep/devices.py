"""The devices that a run takes unless it is told which: on a CPU, one a core."""

import contextlib
import functools
import logging
import os
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from jaxsup._internal.system import available_cores
from jaxsup._internal.validation import fail

log = logging.getLogger(__name__)

_OF_XLA = "xla_force_host_platform_device_count"


def chosen_devices(devices: Sequence[Any] | None) -> list[Any]:
    """The devices that were asked for; without any wish, all of this process.

    Raises:
        ValueError: they are none, or no devices, or one of them comes twice.
    """
    if devices is None:
        return default_devices()
    chosen = np.ravel(np.asarray(devices, object)).tolist()
    others = [device for device in chosen if not isinstance(device, jax.Device)]
    if len(set(chosen)) < len(chosen) and not others:
        text, advice = "one of them more often", "name each once"
        raise fail("devices", "different devices", text, advice, described=True)
    if others or not chosen:
        text = repr(others[0]) if others else "none"
        advice = "choose some of jax.local_devices(), or leave it out for all"
        raise fail("devices", "a list of devices", text, advice, described=True)
    return chosen


def default_devices() -> list[Any]:
    """All devices of this process.

    A CPU is one device, whatever its cores, unless JAX is told otherwise before its first use: it
    is told here, where nobody else has told it (``jax_num_cpu_devices``, or XLA's flag). After that
    use it is too late, and one line says so.
    """
    told = jax.config.jax_num_cpu_devices > 0 or _OF_XLA in os.environ.get("XLA_FLAGS", "")  # pyright: ignore[reportAttributeAccessIssue]
    if not told:
        with contextlib.suppress(RuntimeError):  # in use already
            jax.config.update("jax_num_cpu_devices", available_cores())
    devices = jax.local_devices()
    cores = available_cores()
    if not told and devices[0].platform == "cpu" and len(devices) < cores:
        _tell(len(devices), cores)
    return devices


@functools.cache
def _tell(devices: int, cores: int) -> None:
    """Say once what is not used, and how it would be."""
    log.warning(
        "networks are trained on %d CPU device of %d cores: JAX was used before jaxsup.run; for "
        "all cores, put jax.config.update('jax_num_cpu_devices', %d) right after import jax",
        devices,
        cores,
        cores,
    )
