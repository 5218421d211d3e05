"""The `jaxsup` command. Heavy modules are imported by the subcommand that needs them."""

from __future__ import annotations

import dataclasses
import logging
import os
import sys
import warnings
from pathlib import Path
from typing import Annotated, Any

import tyro

from jaxsup._internal.system import check_assertions
from jaxsup.cli.fit import FitCommand
from jaxsup.cli.info import InfoCommand
from jaxsup.cli.init import InitCommand
from jaxsup.cli.list import ListCommand
from jaxsup.cli.plot import PlotCommand
from jaxsup.cli.reproduce import ReproduceCommand
from jaxsup.cli.spectrum import SpectrumCommand
from jaxsup.cli.sweep import SweepCommand
from jaxsup.cli.terminal import one_line, plain_streams, widen
from jaxsup.cli.version import format_versions

Command = (
    Annotated[SweepCommand, tyro.conf.subcommand("sweep")]
    | Annotated[InfoCommand, tyro.conf.subcommand("info")]
    | Annotated[FitCommand, tyro.conf.subcommand("fit")]
    | Annotated[PlotCommand, tyro.conf.subcommand("plot")]
    | Annotated[SpectrumCommand, tyro.conf.subcommand("spectrum")]
    | Annotated[ReproduceCommand, tyro.conf.subcommand("reproduce")]
    | Annotated[InitCommand, tyro.conf.subcommand("init")]
    | Annotated[ListCommand, tyro.conf.subcommand("list")]
)

_DESCRIPTION = """Train thousands of small teacher-student networks at once, measure how they learn.

Start here:
  jaxsup reproduce transition
  jaxsup sweep examples/transition.toml --out runs/transition
  jaxsup info runs/transition
  jaxsup fit runs/transition
  jaxsup plot runs/transition --out transition.png
  jaxsup spectrum weights.safetensors --out weights.png
  jaxsup init mine.toml
  jaxsup list optimizers
  jaxsup --version
"""


def main() -> None:
    """Entry point: a mistake becomes one line on standard error.

    Raises:
        SystemExit: status 2 after a mistake, 130 after Ctrl-C, 1 where nobody reads the output.
    """
    with plain_streams() as streams, warnings.catch_warnings():
        if not sys.warnoptions:
            # Of numbers out of range: a run's status and the messages say so.
            warnings.simplefilter("ignore", RuntimeWarning)
        logging.basicConfig(format="jaxsup: %(message)s", level=logging.WARNING)
        logging.getLogger("jaxsup").setLevel(logging.INFO)
        try:
            check_assertions()
            widen()
            if sys.argv[1:] == ["--version"]:
                print(format_versions(), flush=True)
                return
            command = tyro.cli(
                Command,  # pyright: ignore[reportArgumentType]
                prog="jaxsup",
                description=_DESCRIPTION,
                config=(tyro.conf.OmitSubcommandPrefixes, tyro.conf.OmitArgPrefixes),
            )
            for stream in streams:
                stream.colors = False  # from here on, text may come from files
            with_local_paths(command).run()
            sys.stdout.flush()
        except BrokenPipeError:  # the reader of our output has gone, as `| head` does
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise SystemExit(1) from None
        except (ValueError, OSError) as error:
            print(f"jaxsup: {one_line(error)}", file=sys.stderr)
            raise SystemExit(2) from None
        except MemoryError as error:
            text = one_line(error) or "no more"
            print(f"jaxsup: expected enough memory; got {text}; make it smaller", file=sys.stderr)
            raise SystemExit(2) from None
        except KeyboardInterrupt:
            print("jaxsup: stopped", file=sys.stderr)
            raise SystemExit(130) from None


def with_local_paths(command: Any) -> Any:
    """The command with every path as `jaxsup._internal.paths.local_path` has it.

    Raises:
        ValueError: an option names no path of this machine.
    """
    paths = {
        field.name: value
        for field in dataclasses.fields(command)
        if isinstance(value := getattr(command, field.name), Path)
    }
    if not paths:
        return command
    from jaxsup._internal.paths import local_path

    return dataclasses.replace(command, **{k: local_path(path, k) for k, path in paths.items()})
