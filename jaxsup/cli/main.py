"""The `jaxsup` command. Heavy modules are imported by the subcommand that needs them."""

from __future__ import annotations

import logging
import os
import sys
from typing import Annotated

import tyro

from jaxsup.cli.fit import FitCommand
from jaxsup.cli.info import InfoCommand
from jaxsup.cli.plot import PlotCommand
from jaxsup.cli.reproduce import ReproduceCommand
from jaxsup.cli.spectrum import SpectrumCommand
from jaxsup.cli.sweep import SweepCommand

Command = (
    Annotated[SweepCommand, tyro.conf.subcommand("sweep")]
    | Annotated[InfoCommand, tyro.conf.subcommand("info")]
    | Annotated[FitCommand, tyro.conf.subcommand("fit")]
    | Annotated[PlotCommand, tyro.conf.subcommand("plot")]
    | Annotated[SpectrumCommand, tyro.conf.subcommand("spectrum")]
    | Annotated[ReproduceCommand, tyro.conf.subcommand("reproduce")]
)

_DESCRIPTION = """Train thousands of small teacher-student networks at once, measure how they learn.

Start here:
  jaxsup reproduce transition
  jaxsup sweep examples/transition.toml --out runs/transition
  jaxsup info runs/transition
  jaxsup fit runs/transition
  jaxsup plot runs/transition --out transition.png
  jaxsup spectrum weights.safetensors --out weights.png
"""


def main() -> None:
    """Entry point: a mistake becomes one line on standard error.

    Raises:
        SystemExit: status 2 after a mistake, 130 after Ctrl-C, 1 where nobody reads the output.
    """
    logging.basicConfig(format="jaxsup: %(message)s", level=logging.WARNING)
    logging.getLogger("jaxsup").setLevel(logging.INFO)
    try:
        command = tyro.cli(
            Command,  # pyright: ignore[reportArgumentType]
            prog="jaxsup",
            description=_DESCRIPTION,
            config=(tyro.conf.OmitSubcommandPrefixes, tyro.conf.OmitArgPrefixes),
        )
        command.run()
    except BrokenPipeError:  # the reader of our output has gone, as `| head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(1) from None
    except (ValueError, OSError) as error:
        print(f"jaxsup: {one_line(error)}", file=sys.stderr)
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        print("jaxsup: stopped", file=sys.stderr)
        raise SystemExit(130) from None


def one_line(error: Exception) -> str:
    """An error's message without line breaks."""
    return " ".join(str(error).split())
