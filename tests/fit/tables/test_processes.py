"""Fits of many curves in several processes are those of one, also where a process fails."""

import os
import signal
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

import jaxsup
from jaxsup.fit.tables import processes

STEPS = np.arange(1, 400)


@pytest.fixture(autouse=True)
def two_processes(monkeypatch):
    monkeypatch.setattr(processes, "available_cores", lambda: 2)
    monkeypatch.setattr(processes, "_FEWEST", 4)
    monkeypatch.setattr(processes, "_A_PROCESS", 2)


def curves():
    """Laws of one and three seeds, curves that are refused, and records of other lengths."""
    rng = np.random.default_rng(0)
    noise = np.exp(0.02 * rng.standard_normal((3, STEPS.size)))
    law = STEPS**-0.6
    diverged = np.where(np.arange(3)[:, None] == 1, np.nan, law * noise)
    return [
        (STEPS, law * noise[:1]),
        (STEPS, law * noise),
        (STEPS, np.exp(-STEPS / 50)[None]),
        (STEPS[200:], (law * noise)[:1, 200:]),
        (STEPS, diverged),
    ]


def one_by_one(monkeypatch, options):
    with monkeypatch.context() as patch:
        patch.setattr(processes, "_serve_all", None)
        patch.setattr(processes, "_FEWEST", 100)
        return processes.fit_curves(curves(), options)


@pytest.mark.parametrize("options", [{}, {"window": (np.int64(2), 150), "floor": True}])
def test_they_are_those_of_one_process(options, monkeypatch):
    expected = one_by_one(monkeypatch, options)
    assert len({type(result) for result in expected}) == 1 + bool(options)  # a window outside
    served = []
    serve_all = processes._serve_all

    def watched(*arguments):
        served.extend(serve_all(*arguments))
        return served

    monkeypatch.setattr(processes, "_serve_all", watched)
    found = processes.fit_curves(curves(), options)
    assert list(map(repr, found)) == list(map(repr, expected))
    assert [len(results) for results in served] == [2, 2]  # the first is fitted before
    for theirs, own in zip(expected, found, strict=True):
        if not isinstance(theirs, ValueError):
            assert list(map(repr, vars(own).items())) == list(map(repr, vars(theirs).items()))


@pytest.mark.parametrize(
    "program",
    [
        "import sys; sys.exit(3)",
        "print('a greeting')",
        "print(5)",
        "print('{}')",
        "import os, signal, sys; sys.stdin.buffer.read(); os.kill(os.getpid(), signal.SIGKILL)",
    ],
    ids=["ends", "says something else", "a number", "no fit", "killed"],
)
def test_what_a_process_leaves_undone_is_done_here(program, monkeypatch):
    expected = one_by_one(monkeypatch, {})
    monkeypatch.setattr(processes, "_PROGRAM", program)
    assert list(map(repr, processes.fit_curves(curves(), {}))) == list(map(repr, expected))


def test_of_a_process_that_ends_in_a_line_what_came_before_is_kept(monkeypatch):
    expected = one_by_one(monkeypatch, {})
    lines = "p._lines_of(sys.stdin.buffer)"
    program = f"import sys; from jaxsup.fit.tables import processes as p; line = next({lines})"
    half = "print(line); print(line[:9], end='', flush=True); import os; os._exit(1)"
    monkeypatch.setattr(processes, "_PROGRAM", f"{program}; {half}")
    fitted, fit = [], processes._fit
    monkeypatch.setattr(processes, "_fit", lambda *given: fitted.append(1) or fit(*given))
    assert list(map(repr, processes.fit_curves(curves(), {}))) == list(map(repr, expected))
    assert len(fitted) == 3  # the first, and the last of each process


def test_without_a_python_to_start_fits_are_made_here(monkeypatch):
    expected = one_by_one(monkeypatch, {})
    monkeypatch.setattr(processes.sys, "executable", "/no/such/python")
    assert list(map(repr, processes.fit_curves(curves(), {}))) == list(map(repr, expected))


def test_what_no_fit_takes_is_told_before_a_process_starts(monkeypatch):
    monkeypatch.setattr(processes, "_serve_all", None)
    with pytest.raises(TypeError):
        processes.fit_curves(curves(), {"window": 3})


def test_an_interrupt_leaves_no_process(monkeypatch):
    monkeypatch.setattr(processes, "_PROGRAM", "import time; time.sleep(60)")

    def interrupt(*arguments):
        raise KeyboardInterrupt

    before, began = signal.signal(signal.SIGALRM, interrupt), time.monotonic()
    signal.setitimer(signal.ITIMER_REAL, 1.0)
    try:
        with pytest.raises(KeyboardInterrupt):
            processes.fit_curves(curves(), {})
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert time.monotonic() - began < 30
    own = [child for child in psutil.Process(os.getpid()).children() if "sleep" in _words(child)]
    assert not own


def _words(process):
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def found_by(process):
    output, _ = process.communicate()
    return output.decode().strip()


def test_what_lies_in_the_current_folder_is_not_run(tmp_path, monkeypatch):
    expected = one_by_one(monkeypatch, {})
    for name in ("json", "numpy"):
        (tmp_path / f"{name}.py").write_text("open('it_ran', 'w')")
    monkeypatch.chdir(tmp_path)
    assert list(map(repr, processes.fit_curves(curves(), {}))) == list(map(repr, expected))
    assert not (tmp_path / "it_ran").exists()


@pytest.mark.parametrize("place", [0, None], ids=["first", "found otherwise"])
def test_a_process_imports_this_package_also_from_the_current_folder(place, monkeypatch):
    """As in `python -c` in a checkout: sys.path has "" in place of it."""
    root = str(Path(jaxsup.__file__).parents[1])
    others = [path for path in dict.fromkeys(sys.path) if path not in ("", root)]
    monkeypatch.chdir(root)
    monkeypatch.setattr(sys, "path", others if place is None else ["", *others])
    monkeypatch.setattr(processes, "_PROGRAM", "import jaxsup; print(jaxsup.__file__)")
    if place == 0:
        assert found_by(processes._begin()) == jaxsup.__file__
    assert processes._search_path().index(root) == (len(others) if place is None else 0)
