"""What a store holds, for programs and for people."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from jaxsup._internal.display import html_text, named
from jaxsup._internal.text import plain_name
from jaxsup.sweep.store.files import Damage

# Diverged networks that are listed; the field holds all.
_LISTED = 20
# Numbers of a list that are shown one by one.
_SHOWN = 64


@dataclasses.dataclass(frozen=True)
class Inventory:
    """What a store holds.

    Attributes:
        path: the folder.
        attributes: what the dataset says of itself: configuration, versions, devices.
        sizes: of the dataset's dimensions.
        tiles, tiles_stored: tiles in all, and stored whole.
        networks, networks_stored: networks in all, and stored whole.
        diverged: coordinates of the networks that diverged, with ``last_step``; None where damaged
            metadata hide them.
        damages: files that are not as they were written.
        unread: files that the system does not give now.
        nbytes: bytes on disk.
        seconds: time that training took with compilation, summed over processes.
        machines: (versions and devices, networks trained there).
        unfinished: names of the checkpoints of parts that were stopped on their way and are not
            stored yet.
    """

    path: str
    attributes: dict[str, Any]
    sizes: dict[str, int]
    tiles: int
    tiles_stored: int
    networks: int
    networks_stored: int
    diverged: list[dict[str, Any]] | None
    damages: list[Damage]
    unread: list[Damage]
    nbytes: int
    seconds: float
    machines: list[tuple[str, int]]
    unfinished: list[str]

    @property
    def _state(self) -> str:
        """Whether all of it is there, and how much."""
        state = "complete" if self.tiles_stored == self.tiles else "unfinished"
        networks = f"{self.networks_stored} of {self.networks} networks"
        return f"{state}: {networks}, {self.tiles_stored} of {self.tiles} tiles"

    @property
    def _size(self) -> str:
        """On disk."""
        from jaxsup.sweep.memory import format_bytes

        return format_bytes(self.nbytes)

    def __repr__(self) -> str:
        lists = {"diverged": self.diverged, "damaged": self.damages, "unread": self.unread}
        counts = [f"{len(found)} {what}" for what, found in lists.items() if found]
        parts = [plain_name(self.path), self._state, self._size, *counts]
        return named(self, ", ".join(parts))

    def _repr_html_(self) -> str:
        return html_text(f"{self!r}\n\n{self}")

    def __str__(self) -> str:
        """All of it for people: a line a number, what is wrong, the configuration."""
        attributes = self.attributes
        sizes = ", ".join(f"{name} {size}" for name, size in self.sizes.items())
        lines = [
            f"dataset   {self.path}  ({self._size}, layout {attributes.get('layout_version', 1)})",
            f"sizes     {sizes}",
            f"state     {self._state}",
        ]
        lines += [
            f"waiting   {name}: a part that was stopped on its way" for name in self.unfinished
        ]
        if "dtype" in attributes:
            own = attributes["precision"] != "float32"
            products = f"training products: {attributes['precision']}, " if own else ""
            lines.append(
                f"numbers   {attributes['dtype']}, {products}loss: {attributes['loss_evaluation']}"
            )
        if "initial" in attributes:
            digest, origin = attributes["initial"], attributes["initial_origin"]
            lines.append(f"started   from {origin} (SHA-256 {digest[:16]})")
        # Programs that differ in what these do not tell have the same lines.
        updates = dict.fromkeys(json.loads(attributes.get("updates", "[]")))
        lines += [f"updates   {line}" for line in updates]
        for machine, networks in self.machines:
            lines.append(f"trained   {networks} networks with {machine}")
        lines.append(f"time      {self.seconds:g} s of training with compilation")
        lines += _list_diverged(self.diverged)
        lines += [f"damaged   {damage}" for damage in self.damages]
        lines += [f"unread    {damage}" for damage in self.unread]
        lines.append(f"configuration (fingerprint {attributes.get('fingerprint', 'none')[:16]})")
        tables = json.loads(attributes["configuration"])
        lines += [
            f"          {name} = {json.dumps(_shown(table))}" for name, table in tables.items()
        ]
        return "\n".join(lines)


def _list_diverged(networks: list[dict[str, Any]] | None) -> list[str]:
    """How many diverged, and a line each for the first of them."""
    if networks is None:
        return ["diverged  not known"]
    lines = [f"diverged  {len(networks)}"]
    for network in networks[:_LISTED]:
        where = ", ".join(f"{name} {value}" for name, value in network.items())
        lines.append(f"          {where}")
    if len(networks) > _LISTED:
        lines.append(f"          and {len(networks) - _LISTED} more: see --json")
    return lines


def _shown(value: Any) -> Any:
    """A value of a configuration; lists of many numbers as size, range and digest of their JSON."""
    if isinstance(value, Mapping):
        return {key: _shown(item) for key, item in value.items()}
    if not isinstance(value, list):
        return value
    numbers = np.asarray(value if _is_numbers(value) else [])
    if numbers.size <= _SHOWN:
        return [_shown(item) for item in value]
    shape = " x ".join(f"{size:,}" for size in numbers.shape)
    digest = hashlib.sha256(json.dumps(value).encode()).hexdigest()[:16]
    return f"{shape} numbers, {numbers.min():.3g} to {numbers.max():.3g}, SHA-256 {digest}"


def _is_numbers(value: Any) -> bool:
    """Whether a list holds numbers, or lists of them, of one length each."""
    if all(isinstance(item, int | float) and not isinstance(item, bool) for item in value):
        return True
    rows = all(isinstance(item, list) and _is_numbers(item) for item in value)
    return rows and len({len(item) for item in value}) == 1
