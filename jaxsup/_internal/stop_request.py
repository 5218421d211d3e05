"""Signals that ask a program to stop."""

import signal
import time

# A signal that comes again within this time is the same request: schedulers forward twice.
_REPEATED_SECONDS = 1.0


class StopRequest:
    """Whether somebody asked the program to stop: call it.

    Attributes:
        signal: the signal that asked; None if nobody did.
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        self._asked = 0.0

    def __call__(self) -> bool:
        return self.signal is not None

    @property
    def exit_status(self) -> int:
        """128 plus the signal, as shells count: 130 for Ctrl-C, 143 for SIGTERM."""
        return 128 + (self.signal or signal.SIGINT)

    def ask(self, number: int) -> bool:
        """Take in a signal; whether it says more than an earlier one did."""
        now = time.monotonic()
        if self.signal is None:
            self.signal, self._asked = number, now
            return False
        return now - self._asked > _REPEATED_SECONDS
