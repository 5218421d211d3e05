"""How a sweep's progress is shown: a bar on a terminal, plain lines elsewhere."""

import math
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from jaxsup.sweep.run import Progress

# Seconds between two plain lines: a log file stays short.
_LINE_EVERY = 15.0


@contextmanager
def show_progress(*, quiet: bool = False) -> Iterator[Callable[[Progress], None] | None]:
    """A callback for `jaxsup.run` that shows where it stands, on standard error."""
    if quiet:
        yield None
    elif sys.stderr.isatty():
        with _bar() as callback:
            yield callback
    else:
        yield _Lines()


@contextmanager
def _bar() -> Iterator[Callable[[Progress], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TextColumn("{task.fields[text]}"),
        TimeRemainingColumn(compact=True),
        TextColumn("left"),
    )
    with Bar(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("training", total=None, text="compiling")

        def show(progress: Progress) -> None:
            bar.update(
                task,
                total=progress.network_steps,
                completed=progress.network_steps_done,
                text=_text(progress),
            )

        yield show


class _Lines:
    """Prints a line now and then."""

    def __init__(self) -> None:
        self.last = time.perf_counter()

    def __call__(self, progress: Progress) -> None:
        now = time.perf_counter()
        done = progress.replicas_done == progress.replicas
        if now - self.last < _LINE_EVERY and not done:
            return
        self.last = now
        share = progress.network_steps_done / progress.network_steps
        missing = progress.network_steps - progress.network_steps_done
        left = missing / progress.rate if progress.rate else math.inf
        line = f"{100 * share:3.0f}%  {_text(progress)}"
        print(line if done else f"{line}, {left:.0f} s left", file=sys.stderr, flush=True)


def _text(progress: Progress) -> str:
    text = (
        f"{progress.replicas_done}/{progress.replicas} networks, "
        f"{progress.rate:,.0f} network-steps/s"
    )
    if math.isfinite(progress.median_loss):
        text += f", median loss {progress.median_loss:.3g}"
    return text + (f", {progress.diverged} diverged" if progress.diverged else "")
