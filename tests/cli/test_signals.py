"""Signals to the command: which ask for a checkpoint, how often, and from when on."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from jaxsup.cli.signals import stop_on_signals
from jaxsup.sweep.store.read import take_inventory

SWEEP = """
steps = 2_000_000
batch_size = 16
[features]
kind = "power-law"
count = 12
exponent = 1.5
[teacher]
kind = "diagonal"
exponent = 0.0
[student]
latent = 4
[optimizer]
kind = "sgd"
learning_rate = 0.3
"""
LISTENER = """
import signal, sys, time
from jaxsup.cli.signals import stop_on_signals
with stop_on_signals() as stop:
    print("ready", flush=True)
    while not stop():
        time.sleep(0.01)
    print("asked", flush=True)
    time.sleep(float(sys.argv[1]))
    print("kept", flush=True)
sys.exit(stop.exit_status)
"""
TERMINAL = """
import os, pty, sys
child, terminal = pty.fork()
if not child:
    os.execv(sys.argv[1], sys.argv[1:])
text = b""
while b"median loss" not in text:
    text += os.read(terminal, 1000)
os.close(terminal)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1"])
def test_signals_that_ask_to_stop(name):
    number = getattr(signal, name)
    before = signal.getsignal(number)
    with stop_on_signals() as stop:
        assert not stop()
        signal.raise_signal(number)
        signal.raise_signal(number)  # schedulers forward twice
        assert stop()
    assert stop.exit_status == 128 + number
    assert signal.getsignal(number) is before


def test_what_is_ignored_stays_so():
    """SIGHUP under `nohup`."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stop_on_signals() as stop:
            signal.raise_signal(signal.SIGHUP)
            assert not stop()
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize(("pause", "end"), [(0.1, 143), (1.2, -signal.SIGTERM)])
def test_a_later_repeat_kills(pause, end):
    command = [sys.executable, "-c", LISTENER, "3" if pause > 1 else "0.5"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.terminate()
        assert process.stdout.readline() == b"asked\n"
        time.sleep(pause)
        process.terminate()
        assert process.wait(20) == end
        assert process.stdout.read() == (b"kept\n" if end > 0 else b"")


@pytest.mark.parametrize("wait", [0.0, 0.1, 0.3])
def test_ctrl_c_while_the_command_loads_is_one_line(wait):
    """From where the command has taken over, which is its first line."""
    script = (
        "import sys, threading, os, signal, time\n"
        "import jaxsup.__main__ as command\n"
        "def press():\n"
        "    while signal.getsignal(signal.SIGINT) is signal.default_int_handler:\n"
        "        time.sleep(0.001)\n"
        f"    time.sleep({wait})\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "threading.Thread(target=press, daemon=True).start()\n"
        "sys.argv = ['jaxsup', 'info', os.devnull]\n"
        "command.main()\n"
        "time.sleep(30)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert "Traceback" not in done.stderr
    if done.returncode == 130:
        assert done.stderr == "jaxsup: stopped\n"
    else:  # a fast machine has answered by then
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)


@pytest.mark.slow
def test_a_terminal_that_is_closed_costs_no_checkpoint(tmp_path: Path):
    """SIGHUP as a lost connection sends it: what is printed from then on goes nowhere."""
    (tmp_path / "sweep.toml").write_text(SWEEP)
    options = ("--out", tmp_path / "run", "--checkpoint", 1000)
    command = [sys.executable, "-m", "jaxsup", "sweep", tmp_path / "sweep.toml", *options]
    done = subprocess.run([sys.executable, "-c", TERMINAL, *map(str, command)], check=False)
    assert done.returncode == 128 + signal.SIGHUP
    assert len(take_inventory(tmp_path / "run").unfinished) == 1
