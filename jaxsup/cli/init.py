"""`jaxsup init`: a configuration to begin with, every key explained."""

from __future__ import annotations

import dataclasses
import os
import shlex
from pathlib import Path

import tyro

from jaxsup.cli.template import TEMPLATE


@dataclasses.dataclass
class InitCommand:
    """Write a small sweep in TOML to begin with, every key explained.

    Try:
      jaxsup init first.toml
      jaxsup sweep first.toml --out runs/first
      jaxsup fit runs/first

    Attributes:
        name: File to write; .toml is added where it is missing.
        force: Replace a file that is there.
    """

    name: tyro.conf.Positional[str]
    force: bool = False

    def run(self) -> None:
        """Write the file, and say what to do with it.

        Raises:
            ValueError: there is such a file, or it cannot be written.
        """
        path = Path(os.path.expanduser(self.name))
        if path.suffix != ".toml":
            path = path.with_name(f"{path.name}.toml")
        out = Path("runs", path.stem)
        text = TEMPLATE.format(file=shlex.quote(str(path)), out=shlex.quote(str(out)))
        try:
            with path.open("w" if self.force else "x", encoding="utf-8") as file:
                file.write(text)
        except OSError as error:
            from jaxsup._internal.validation import fail

            if isinstance(error, FileExistsError):
                advice = "choose another name, or add --force to replace it"
                raise fail(
                    str(path), "a new file", "one that exists", advice, described=True
                ) from None
            expected, advice = "a file that can be written", "choose another folder"
            text = error.strerror or str(error)
            raise fail(str(path), expected, text, advice, described=True) from None
        file, out = shlex.quote(str(path)), shlex.quote(str(out))
        print(f"{path} written; what it will take: jaxsup sweep {file} --dry-run")
        print(f"train it: jaxsup sweep {file} --out {out}")
