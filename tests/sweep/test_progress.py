"""What is shown while a sweep runs."""

import io
import sys
import types
from typing import Any

import pytest
from helpers import assert_one_line_error
from sweep_cases import run_into

from jaxsup.sweep.progress import Progress, check_progress, show_progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def halfway() -> Progress:
    """Half of the updates made, one network diverged."""
    return Progress(4, 10, 500, 1000, 1, 2.0)


def finished() -> Progress:
    """All of the updates made."""
    return Progress(10, 10, 1000, 1000, 0, 4.0)


def test_quiet_shows_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with show_progress(False) as callback:
        assert callback is None
    assert capsys.readouterr().err == ""


def test_plain_lines_are_rare_and_the_last_one_is_there(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with show_progress(True) as callback:
        assert callback is not None
        callback(halfway())
        callback(finished())
    assert capsys.readouterr().err == "100%  10/10 networks, 250 network-steps/s\n"


def test_a_plain_line_tells_the_time_left(capsys: pytest.CaptureFixture[str]) -> None:
    with show_progress(True) as callback:
        assert callback is not None
        callback.last -= 60  # pyright: ignore[reportFunctionMemberAccess]
        callback(halfway())
    line = " 50%  4/10 networks, 250 network-steps/s, 1 diverged, 2 s left\n"
    assert capsys.readouterr().err == line


def test_before_the_first_update_no_rate_and_no_time_are_told(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with show_progress(True) as callback:
        assert callback is not None
        callback.last -= 60  # pyright: ignore[reportFunctionMemberAccess]
        callback(Progress(0, 10, 0, 1000, 0, 2.0))
    assert capsys.readouterr().err == "  0%  0/10 networks\n"


def test_a_terminal_gets_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    with show_progress() as callback:
        assert callback is not None
        callback(halfway())
        callback(finished())
    text = terminal.getvalue()
    assert "100%" in text
    assert "10/10 networks, 250 network-steps/s" in text


def test_nobody_sees_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    with show_progress() as callback:
        assert callback is None
    assert capsys.readouterr().err == ""


def test_a_function_of_ones_own_is_called() -> None:
    reports: list[Progress] = []
    with show_progress(reports.append) as callback:
        assert callback is not None
        callback(halfway())
    assert list(map(repr, reports)) == [repr(halfway())]  # NaN in fields equals nothing


def test_run_shows_progress_where_it_is_asked_for(
    tmp_path: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run_into(tmp_path / "silent")
    assert capsys.readouterr().err == ""
    run_into(tmp_path / "lines", progress=True)
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("100%  9/9 networks, ")
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    monkeypatch.setenv("TERM", "xterm")
    run_into(tmp_path / "lines", resume=True)  # all is there
    run_into(tmp_path / "lines", resume=True, progress=False)
    assert "left" in terminal.getvalue()


def test_what_is_no_progress_is_refused() -> None:
    assert_one_line_error(lambda: check_progress("bar"), "True, False or a function")


def test_a_notebook_gets_one_line_that_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shells of kernels are told by their kernel; what they are sent is kept here."""
    sent: list[tuple[str, str]] = []

    class Shell:
        kernel = None

    class Place:
        def update(self, content: dict[str, str], *, raw: bool) -> None:
            assert raw
            sent.append(("update", content["text/plain"]))

    def display(content: dict[str, str], *, raw: bool, display_id: bool) -> Place:
        assert raw
        assert display_id
        sent.append(("display", content["text/plain"]))
        return Place()

    monkeypatch.setitem(sys.modules, "IPython", shell := types.ModuleType("IPython"))
    monkeypatch.setitem(sys.modules, "IPython.display", page := types.ModuleType("IPython.display"))
    monkeypatch.setattr(shell, "get_ipython", Shell, raising=False)
    monkeypatch.setattr(page, "display", display, raising=False)
    with show_progress() as callback:
        assert callback is not None
        callback(halfway())
        callback(halfway())  # too soon for another
        callback(finished())
    bars = "━" * 15 + "·" * 15, "━" * 30
    assert sent == [
        ("display", "compiling"),
        ("update", f"{bars[0]}  50%  4/10 networks, 250 network-steps/s, 1 diverged, 2 s left"),
        ("update", f"{bars[1]} 100%  10/10 networks, 250 network-steps/s"),
    ]
