"""The `jaxsup` command in a process of its own, forked from one that has imported what it needs.

A Python that starts afresh takes a second to import as much. What is tested is what a shell starts:
arguments, standard output and error, and the exit status are the process's own.
"""

import os
import runpy
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from helpers import assert_error_form
from warm_processes import warm_context


def jaxsup(
    *arguments: object, cwd: Path | None = None, seconds: float = 300
) -> subprocess.CompletedProcess[str]:
    """Run the command, at most so many seconds.

    Arguments:
        arguments: of the command, a subcommand first.
        cwd: folder to run it in. Default: where the test runs.
        seconds: the time after which it is ended, and the test fails.
    """
    words = ["jaxsup", *map(str, arguments)]
    with tempfile.TemporaryDirectory() as folder:
        files = Path(folder, "output"), Path(folder, "error")
        process = warm_context().Process(target=_become, args=(words, cwd or Path.cwd(), files))
        process.start()
        process.join(seconds)
        if process.is_alive():
            process.kill()
            raise subprocess.TimeoutExpired(words, seconds)
        output, error = (file.read_text() for file in files)
    assert process.exitcode is not None
    return subprocess.CompletedProcess(words, process.exitcode, output, error)


def spectrum_here(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    """`jaxsup spectrum` in this process, whose devices are settled."""
    from jaxsup.cli.main import main

    monkeypatch.setattr(sys, "argv", ["jaxsup", "spectrum", *arguments])
    monkeypatch.setattr("jaxsup.cli.spectrum.configure_devices", lambda *_, **__: None)
    main()


def assert_spectrum_refuses(
    arguments: tuple[str, ...],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """`jaxsup spectrum` ends with one line that holds the message, before it asks for devices."""
    from jaxsup.cli.main import main

    monkeypatch.setattr(sys, "argv", ["jaxsup", "spectrum", *arguments])
    monkeypatch.setattr(
        "jaxsup.cli.spectrum.configure_devices", lambda *_, **__: pytest.fail("too late")
    )
    with pytest.raises(SystemExit) as stopped:
        main()
    output = capsys.readouterr()
    assert (stopped.value.code, output.out) == (2, "")
    assert output.err.startswith("jaxsup: ")
    assert message in output.err
    assert_error_form(output.err.strip())


def _become(words: list[str], cwd: Path, files: tuple[Path, Path]) -> None:
    """Be the command from here on."""
    for descriptor, file in zip((1, 2), files, strict=True):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT), descriptor)
    os.chdir(cwd)
    sys.argv = words
    runpy.run_module("jaxsup", run_name="__main__", alter_sys=True)
