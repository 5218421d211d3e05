"""`jaxsup info`: what a store holds."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import tyro


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
            print(inventory)
        if inventory.damages or inventory.unread:
            raise SystemExit(1)
