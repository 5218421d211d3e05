"""Stop cleanly on a signal: finish what is at hand, keep it, say how to go on."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from jaxsup._internal.stop_request import StopRequest

if TYPE_CHECKING:
    from types import FrameType

# Ctrl-C, what schedulers send before a job's time is up, and a terminal that is closed.
_NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1")


@contextmanager
def stop_on_signals() -> Iterator[StopRequest]:
    """The first signal asks to stop between two segments; a later one ends the program at once.

    A second one within a second is the same request. What is ignored, as SIGHUP is under `nohup`,
    stays so.
    """
    request = StopRequest()
    numbers = [getattr(signal, name) for name in _NAMES if hasattr(signal, name)]
    before = {number: signal.getsignal(number) for number in numbers}
    handled = {n: old for n, old in before.items() if old not in (signal.SIG_IGN, None)}

    def ask(number: int, frame: FrameType | None) -> None:
        del frame
        if request.ask(number):
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)

    for number in handled:
        signal.signal(number, ask)
    try:
        yield request
    finally:
        for number, handler in handled.items():
            signal.signal(number, handler)
