"""What trained a sweep: versions and devices."""

import os
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from typing import Any

import jax

from jaxsup import __version__

# What totals tell, beside the seconds.
NAMES = {
    "jaxsup_version",
    "jax_version",
    "platform",
    "device",
    "device_count",
    "products",
}


def machine(devices: list[Any], products: str) -> dict[str, Any]:
    """What trains here, and how it multiplies."""
    return {
        "jaxsup_version": __version__,
        "jax_version": jax.__version__,
        "platform": devices[0].platform,
        "device": ", ".join(sorted({device.device_kind for device in devices})),
        "device_count": len(devices),
        "products": products,
    }


def bits(machine: Mapping[str, Any]) -> dict[str, str]:
    """What decides the bits that a program computes here, beside the program, by name."""
    return {
        "devices": str(machine["device_count"]),
        "platform": f"{machine['platform']} {machine['device']}",
        "versions": f"{machine['jaxsup_version']} {machine['jax_version']} {version('jaxlib')}",
        "flags": " ".join(sorted(os.environ.get("XLA_FLAGS", "").split())),
    }


def totals(records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What a finished store says of its training, by the records of all its tiles."""
    seconds = round(sum(record["seconds"] for record in records), 3)
    return {**join_machines(records), "seconds": seconds}


def join_machines(records: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """What trained several tiles, by their records; where they differ, all of it.

    Who opens a finished store on another machine has trained nothing of it.
    """
    values: dict[str, dict[Any, None]] = {}
    for record in records:
        for name in NAMES & record.keys():
            values.setdefault(name, {})[record[name]] = None
    return {
        name: next(iter(found)) if len(found) == 1 else ", ".join(sorted(map(str, found)))
        for name, found in sorted(values.items())
    }


def in_words(record: Mapping[str, Any]) -> str:
    """Versions, devices and products in words."""
    products = f", products {record['products']}" if "products" in record else ""
    return (
        f"jaxsup {record['jaxsup_version']}, jax {record['jax_version']}, "
        f"{record['device_count']} x {record['device']} ({record['platform']}){products}"
    )
