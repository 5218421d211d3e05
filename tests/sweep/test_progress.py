"""What is shown while a sweep runs."""

import io
import sys

import pytest

from jaxsup.sweep.progress import Progress, show_progress


def halfway() -> Progress:
    """Half of the updates made, one network diverged."""
    return Progress(4, 10, 500, 1000, 1, 2.0)


def finished() -> Progress:
    """All of the updates made."""
    return Progress(10, 10, 1000, 1000, 0, 4.0)


def test_quiet_shows_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with show_progress(quiet=True) as callback:
        assert callback is None
    assert capsys.readouterr().err == ""


def test_plain_lines_are_rare_and_the_last_one_is_there(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with show_progress() as callback:
        assert callback is not None
        callback(halfway())
        callback(finished())
    assert capsys.readouterr().err == "100%  10/10 networks, 250 network-steps/s\n"


def test_a_plain_line_tells_the_time_left(capsys: pytest.CaptureFixture[str]) -> None:
    with show_progress() as callback:
        assert callback is not None
        callback.last -= 60  # pyright: ignore[reportFunctionMemberAccess]
        callback(halfway())
    line = " 50%  4/10 networks, 250 network-steps/s, 1 diverged, 2 s left\n"
    assert capsys.readouterr().err == line


def test_before_the_first_update_no_rate_and_no_time_are_told(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with show_progress() as callback:
        assert callback is not None
        callback.last -= 60  # pyright: ignore[reportFunctionMemberAccess]
        callback(Progress(0, 10, 0, 1000, 0, 2.0))
    assert capsys.readouterr().err == "  0%  0/10 networks\n"


def test_a_terminal_gets_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

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
