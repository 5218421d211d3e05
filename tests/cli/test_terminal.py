"""What the command reads from its surroundings and writes to them."""

import io
import logging
import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import jax
import numpy as np
import pytest
from helpers import assert_error_form

from jaxsup._internal import system
from jaxsup.cli import devices
from jaxsup.cli.info import InfoCommand
from jaxsup.cli.main import main
from jaxsup.cli.terminal import PlainStream, one_line, plain_streams, plain_text

COMMAND = f"{sys.executable} -m jaxsup"


def shell(line: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A line of the shell, with `jaxsup` as the command."""
    return subprocess.run(
        ["sh", "-c", line.replace("jaxsup", COMMAND)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, **environment},
    )


@pytest.fixture
def ended(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[Callable[[], None]], tuple[int, str, str]]:
    """Status and output of `jaxsup info x` whose work is the given function."""

    def end(work: Callable[[], None]) -> tuple[int, str, str]:
        monkeypatch.setattr(InfoCommand, "run", lambda _: work())
        monkeypatch.setattr(sys, "argv", ["jaxsup", "info", "x"])
        status = 0
        try:
            main()
        except SystemExit as stopped:
            status = int(stopped.code or 0)
        output = capsys.readouterr()
        return status, output.out, output.err

    return end


def test_control_characters_are_written_out() -> None:
    text = "a\x1b]0;title\x07\x9b2J\r\u202eb\x7f\u2028\udcff ü 漢\u3000\tc\n"
    shown = "a\\x1b]0;title\\x07\\x9b2J\\r\\u202eb\\x7f\\u2028\\udcff ü 漢\u3000\tc\n"
    assert plain_text(text) == shown
    assert one_line("a\n b\x1b") == "a b\\x1b"


@pytest.mark.parametrize(
    ("encoding", "shown"), [("ascii", "\\xfc\\u2022\\udcff"), ("utf-8", "ü•\\udcff")]
)
def test_what_a_stream_cannot_encode_is_written_out(encoding: str, shown: str) -> None:
    buffer = io.BytesIO()
    stream = PlainStream(io.TextIOWrapper(buffer, encoding))
    assert stream.write("ü•\udcff") == 3
    stream.flush()
    assert buffer.getvalue().decode(encoding) == shown


def test_colors_pass_to_a_terminal_while_they_may() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    stream = PlainStream(terminal)
    stream.write("\x1b[1mbold\x1b[0m \x1b[2J")
    stream.colors = False
    stream.write(" \x1b[1m")
    assert terminal.getvalue() == "\x1b[1mbold\x1b[0m \\x1b[2J \\x1b[1m"
    assert stream.isatty()  # pyright: ignore[reportCallIssue]


def test_nothing_of_a_message_reaches_the_terminal_but_text(ended) -> None:
    def work() -> None:
        print("out\x1b[2J")
        raise ValueError("file\x1b]0;x\x07\nname: expected a; got b; do c")

    assert ended(work) == (
        2,
        "out\\x1b[2J\n",
        "jaxsup: file\\x1b]0;x\\x07 name: expected a; got b; do c\n",
    )


def test_streams_that_are_not_there_take_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    with plain_streams():
        print("x")
        print("x", file=sys.stderr)
    assert (sys.stdout, sys.stderr) == (None, None)


def test_a_log_that_cannot_be_written_stops_nothing() -> None:
    class Full(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(28, "No space left on device")

    assert PlainStream(Full(), optional=True).write("x") == 1
    with pytest.raises(OSError, match="No space"):
        PlainStream(Full()).write("x")


@pytest.mark.parametrize("descriptor", [1, 2])
def test_a_closed_descriptor_is_no_error(tmp_path: Path, descriptor: int) -> None:
    done = shell(f"jaxsup info {tmp_path / 'none'} {descriptor}>&-")
    assert done.returncode == 2
    assert (done.stdout, "got none there" in done.stderr) == ("", descriptor == 1)


def test_help_in_ascii_and_one_column() -> None:
    done = shell("jaxsup --help", COLUMNS="1", PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, "")
    assert "jaxsup sweep" in done.stdout


def test_without_assertions_it_does_not_start() -> None:
    done = shell("jaxsup info .", PYTHONOPTIMIZE="1")
    assert (done.returncode, done.stdout) == (2, "")
    assert "expected assertions, which zarr needs" in done.stderr
    assert_error_form(done.stderr.strip())
    system.check_assertions()  # there are some here


def test_no_memory_is_one_line(ended) -> None:
    def work() -> None:
        raise MemoryError("Unable to allocate 8 GiB")

    status, out, err = ended(work)
    assert (status, out) == (2, "")
    assert "expected enough memory; got Unable to allocate 8 GiB" in err
    assert_error_form(err.strip())


def test_warnings_about_numbers_are_not_shown(ended) -> None:
    def work() -> None:
        warnings.warn("overflow encountered in cast", RuntimeWarning, stacklevel=1)

    assert ended(work) == (0, "", "")


@pytest.mark.parametrize("error", [RuntimeError("Unable to initialize"), AssertionError()])
def test_a_platform_that_is_not_there_is_named(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def refuse() -> None:
        raise error

    monkeypatch.setattr(jax, "local_devices", refuse)
    monkeypatch.setenv("JAX_PLATFORMS", "tpu")
    with pytest.raises(ValueError, match=r"JAX_PLATFORMS: expected .*; got 'tpu'; leave") as caught:
        devices.use_devices(None)
    assert_error_form(str(caught.value))


@pytest.mark.slow
@pytest.mark.parametrize("platforms", ["cuda", "gpu", "wrong", "cpu,wrong"])
def test_platforms_that_are_not_there_are_one_line(tmp_path: Path, platforms: str) -> None:
    np.save(tmp_path / "w.npy", np.eye(2))
    done = shell(f"jaxsup spectrum {tmp_path / 'w.npy'}", JAX_PLATFORMS=platforms)
    if done.returncode:  # else this machine has one
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith("jaxsup: JAX_PLATFORMS: expected")
        assert_error_form(done.stderr.strip())


@pytest.mark.parametrize(
    ("variable", "option", "x64"),
    [("1", False, True), ("true", False, True), ("0", False, False), ("", True, True)],
)
def test_the_environment_may_ask_for_float64(
    monkeypatch: pytest.MonkeyPatch, variable: str, option: bool, x64: bool
) -> None:
    settings = {}
    monkeypatch.setattr(jax.config, "update", settings.__setitem__)
    monkeypatch.setenv("JAX_ENABLE_X64", variable)
    devices.configure_devices(1, x64=option)
    assert settings["jax_enable_x64"] is x64


def test_log_lines_are_plain(ended) -> None:
    handler = logging.StreamHandler()

    def work() -> None:
        handler.setStream(sys.stderr)
        handler.emit(logging.makeLogRecord({"msg": "found \x1b[2J"}))

    assert ended(work) == (0, "", "found \\x1b[2J\n")
