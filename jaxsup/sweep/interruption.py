"""Ctrl-C in a call of `run`: what is at hand is kept first, or how to keep it is told."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

from jaxsup._internal.stop_request import StopRequest
from jaxsup.sweep.callbacks import Stopped, never


@contextlib.contextmanager
def tell_on_interrupt(stop: Callable[[], bool] | None) -> Iterator[Callable[[], bool]]:
    """Ctrl-C stops at once, and says how it would have kept what is done.

    Arguments:
        stop: whether to end early, for other reasons.

    Returns:
        The same.

    Raises:
        KeyboardInterrupt: Ctrl-C.
    """
    try:
        yield stop or never
    except KeyboardInterrupt as error:
        error.args = error.args or ("stopped; nothing is kept: give a store, and Ctrl-C keeps it",)
        raise


@contextlib.contextmanager
def keep_on_interrupt(stop: Callable[[], bool] | None, again: str) -> Iterator[Callable[[], bool]]:
    """Ctrl-C asks to stop between two segments, as `stop` does; once more, it stops at once.

    Where Ctrl-C means something else than KeyboardInterrupt, or outside of the main thread, it is
    left as it is.

    Arguments:
        stop: whether to end early, for other reasons.
        again: what goes on, for people.

    Returns:
        Whether to end early.

    Raises:
        KeyboardInterrupt: Ctrl-C, once the part at hand is kept.
    """
    stop = stop or never
    ours = threading.current_thread() is threading.main_thread()
    if not ours or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield stop
        return
    request = StopRequest()

    def ask(number: int, frame: FrameType | None) -> None:
        if request.ask(number):
            signal.default_int_handler(number, frame)

    signal.signal(signal.SIGINT, ask)
    try:
        yield lambda: request() or stop()
    except Stopped:
        if not request():
            raise
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if request():
        raise KeyboardInterrupt(f"stopped; what is done is stored; go on with: {again}")
