"""`jaxsup list`: what a configuration can name."""

from __future__ import annotations

import dataclasses
import json
from typing import Annotated

import tyro

from jaxsup.cli.listing import SECTIONS, as_table, format_items


@dataclasses.dataclass
class ListCommand:
    """List what a configuration can name, and what can be set of it.

    Try:
      jaxsup list
      jaxsup list optimizers
      jaxsup list observables --json

    Without a section, the names of all. Types and defaults are those of the classes.

    Attributes:
        section: What to list.
        json: Print everything for programs.
    """

    section: Annotated[
        tyro.conf.Positional[str | None],
        tyro.conf.arg(metavar="[{" + ",".join(SECTIONS) + "}]"),
    ] = None
    json: bool = False

    def run(self) -> None:
        """Print the list.

        Raises:
            ValueError: there is no such section.
        """
        if self.section is not None and self.section not in SECTIONS:
            from jaxsup._internal.validation import check_choice

            check_choice("section", self.section, SECTIONS)
        names = SECTIONS if self.section is None else [self.section]
        items = {name: SECTIONS[name]() for name in names}
        if self.json:
            tables = {name: [as_table(item) for item in some] for name, some in items.items()}
            print(json.dumps(tables if self.section is None else tables[self.section], indent=1))
        elif self.section is None:
            for name, some in items.items():
                print(f"{name}: {', '.join(item.name for item in some)}")
        else:
            print(format_items(items))
