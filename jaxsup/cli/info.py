"""`jaxsup info`: what a store holds."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tyro

if TYPE_CHECKING:
    from jaxsup.sweep.store.read import Inventory

# Diverged networks that are listed; --json lists all.
_LISTED = 20
# Numbers of a list that are shown one by one.
_SHOWN = 64


@dataclasses.dataclass
class InfoCommand:
    """Tell what a sweep's folder holds: how complete it is, where it was trained, what diverged.

    Try:
      jaxsup info runs/transition
      jaxsup info runs/transition --json

    Every file is held against its checksum. Exit status 1 if one is damaged or missing:
    `jaxsup sweep ... --resume` trains those networks again and keeps the others. What the system
    does not give now (no permission, a failing disk) is named as unread, and is left as it is.

    Attributes:
        directory: Folder of a sweep.
        json: Print everything for programs.
    """

    directory: tyro.conf.Positional[Path]
    json: bool = False

    def run(self) -> None:
        """Take the inventory and print it.

        Raises:
            SystemExit: a file is damaged, missing or cannot be read; status 1.
            ValueError: the folder holds no sweep.
        """
        from jaxsup.sweep.store.read import take_inventory

        inventory = take_inventory(self.directory)
        if self.json:
            print(json.dumps(dataclasses.asdict(inventory), indent=1))
        else:
            print(format_inventory(inventory))
        if inventory.damages or inventory.unread:
            raise SystemExit(1)


def format_inventory(inventory: Inventory) -> str:
    """An inventory for people."""
    from jaxsup.sweep.memory import format_bytes

    attributes = inventory.attributes
    sizes = ", ".join(f"{name} {size}" for name, size in inventory.sizes.items())
    state = "complete" if inventory.tiles_stored == inventory.tiles else "unfinished"
    lines = [
        f"dataset   {inventory.path}  ({format_bytes(inventory.nbytes)}, "
        f"layout {attributes.get('layout_version', 1)})",
        f"sizes     {sizes}",
        f"state     {state}: {inventory.networks_stored} of {inventory.networks} networks, "
        f"{inventory.tiles_stored} of {inventory.tiles} tiles",
    ]
    lines += [
        f"waiting   {name}: a part that was stopped on its way" for name in inventory.unfinished
    ]
    if "dtype" in attributes:
        own = attributes["precision"] != "float32"
        products = f"training products: {attributes['precision']}, " if own else ""
        lines.append(
            f"numbers   {attributes['dtype']}, {products}loss: {attributes['loss_evaluation']}"
        )
    lines += [f"updates   {line}" for line in json.loads(attributes.get("updates", "[]"))]
    for machine, networks in inventory.machines:
        lines.append(f"trained   {networks} networks with {machine}")
    lines.append(f"time      {inventory.seconds:g} s of training")
    diverged = inventory.diverged
    lines.append(f"diverged  {'not known' if diverged is None else len(diverged)}")
    for network in (diverged or [])[:_LISTED]:
        where = ", ".join(f"{name} {value}" for name, value in network.items())
        lines.append(f"          {where}")
    if len(diverged or []) > _LISTED:
        lines.append(f"          and {len(diverged or []) - _LISTED} more: see --json")
    lines += [f"damaged   {damage}" for damage in inventory.damages]
    lines += [f"unread    {damage}" for damage in inventory.unread]
    lines.append(f"configuration (fingerprint {attributes.get('fingerprint', 'none')[:16]})")
    tables = json.loads(attributes["configuration"])
    lines += [f"          {name} = {json.dumps(_shown(value))}" for name, value in tables.items()]
    return "\n".join(lines)


def _shown(value: Any) -> Any:
    """A value of a configuration; lists of many numbers as size, range and digest of their JSON."""
    if isinstance(value, Mapping):
        return {key: _shown(item) for key, item in value.items()}
    if not isinstance(value, list):
        return value
    import numpy as np

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
