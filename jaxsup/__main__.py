"""The `jaxsup` command, also as ``python -m jaxsup``.

Nothing is imported here that takes time: Ctrl-C is heard from the beginning.
"""

import os
import signal


def main() -> None:
    """Entry point. Ctrl-C ends the command with one line and status 130.

    In the midst of imports KeyboardInterrupt would be lost or shown as a traceback, and a library
    that is half loaded may crash on its way out: the process ends at once. Commands that have
    something to keep handle Ctrl-C themselves.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, lambda *_: _end())
    from jaxsup.cli.main import main

    main()


def _end() -> None:
    try:
        os.write(2, b"jaxsup: stopped\n")
    finally:
        os._exit(130)


if __name__ == "__main__":
    main()
