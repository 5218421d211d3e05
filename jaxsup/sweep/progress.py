"""How far a sweep is, counted and shown: a bar on a terminal or in a notebook, else plain lines."""

import dataclasses
import math
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, TextIO, cast

import numpy as np

from jaxsup._internal.validation import fail
from jaxsup.sweep.callbacks import PartProgress
from jaxsup.sweep.processes import Share
from jaxsup.sweep.programs import Program
from jaxsup.sweep.trainer import Trainer
from jaxsup.sweep.work import Part
from jaxsup.training.state import DIVERGED

# Seconds between two plain lines: a log file stays short. A notebook replaces its line.
_LINE_EVERY = 15.0
_NOTEBOOK_EVERY = 0.25
_BAR_LENGTH = 30


@dataclasses.dataclass(frozen=True)
class Progress:
    """How far a sweep is: handed to the callback of `run` after every segment.

    In a sweep that several processes share, all counts are of this process's share.

    Attributes:
        replicas_done: networks whose training has ended, stored ones included.
        replicas: networks in all.
        network_steps_done: updates made so far, summed over networks.
        network_steps: updates in all.
        diverged: networks that have left the finite numbers, stored ones not counted.
        seconds: wall-clock time since the start, compilation included.
        compile_seconds: of these, spent on compilation.
        network_steps_stored: updates that were in the store at the start.
        median_loss: median of the losses recorded last in the part at hand; NaN if there is none.
    """

    replicas_done: int
    replicas: int
    network_steps_done: int
    network_steps: int
    diverged: int
    seconds: float
    compile_seconds: float = 0.0
    network_steps_stored: int = 0
    median_loss: float = float("nan")

    @property
    def rate(self) -> float:
        """Network-steps per second of training."""
        network_steps = self.network_steps_done - self.network_steps_stored
        return network_steps / max(self.seconds - self.compile_seconds, 1e-9)


class ProgressCount:
    """Counts updates over parts and tells the callback.

    Arguments:
        parts: all parts of the sweep.
        todo: those that this process trains.
        programs: by the numbers that parts name them by.
        share: this process's share.
        trainer: counts the seconds of compilation.
        callback: called after every segment and every part.
    """

    def __init__(
        self,
        parts: Sequence[Part],
        todo: Sequence[Part],
        programs: Sequence[Program],
        share: Share,
        trainer: Trainer,
        callback: Callable[[Progress], None] | None,
    ) -> None:
        self.began = time.perf_counter()
        self.callback = callback
        self.trainer = trainer
        self.updates = [program.fixed.steps for program in programs]
        counted = parts if share.count == 1 else todo
        self.replicas = sum(part.replicas for part in counted)
        self.steps = sum(part.replicas * self.updates[part.program] for part in counted)
        self.replicas_done = self.replicas - sum(part.replicas for part in todo)
        self.steps_done = self.steps - sum(p.replicas * self.updates[p.program] for p in todo)
        self.steps_stored = self.steps_done
        self.diverged = 0
        self.median = float("nan")

    def advanced(self, progress: PartProgress) -> None:
        """The part at hand has gone through a segment."""
        if self.callback is not None:
            finite = progress.losses[np.isfinite(progress.losses)]
            self.median = float(np.median(finite)) if finite.size else float("nan")
            self._report(progress.network_steps, progress.diverged)

    def ended(self, part: Part, block: dict[str, np.ndarray]) -> None:
        """A part has ended."""
        self.replicas_done += part.replicas
        self.steps_done += part.replicas * self.updates[part.program]
        self.diverged += int((block["status"] == DIVERGED).sum())
        self._report(0, 0)

    def _report(self, steps: int, diverged: int) -> None:
        if self.callback is None:
            return
        self.callback(
            Progress(
                replicas_done=self.replicas_done,
                replicas=self.replicas,
                network_steps_done=self.steps_done + steps,
                network_steps=self.steps,
                diverged=self.diverged + diverged,
                seconds=time.perf_counter() - self.began,
                compile_seconds=self.trainer.compiler.seconds,
                network_steps_stored=self.steps_stored,
                median_loss=self.median,
            )
        )


def check_progress(progress: object) -> None:
    """Check that it is what `show_progress` takes.

    Raises:
        ValueError: it is not.
    """
    if not (progress is None or isinstance(progress, bool) or callable(progress)):
        raise fail("progress", "True, False or a function", progress, "leave it out")


@contextmanager
def show_progress(
    progress: Callable[[Progress], None] | bool | None = None,
) -> Iterator[Callable[[Progress], None] | None]:
    """What is called with the progress of a sweep; None where nothing is.

    Arguments:
        progress: a function of one's own; True for a bar in a notebook or on a terminal, or else
            plain lines on standard error; False for nothing; None: True where somebody sees it, in
            a notebook or on a terminal.

    Raises:
        ValueError: it is something else.
    """
    check_progress(progress)
    if progress is None:
        progress = _in_notebook() or _on_terminal()
    if not isinstance(progress, bool):
        yield progress
    elif not progress:
        yield None
    elif _in_notebook():
        yield _NotebookLine()
    elif _on_terminal():
        with _bar() as callback:
            yield callback
    else:
        yield _Lines()


def _in_notebook() -> bool:
    """Whether a kernel runs this, as those of Jupyter do, whose page shows what is displayed."""
    if "IPython" not in sys.modules:
        return False
    from IPython import get_ipython  # pyright: ignore[reportMissingImports]

    return hasattr(get_ipython(), "kernel")


def _on_terminal() -> bool:
    return sys.stderr is not None and sys.stderr.isatty()


class _LossyStream:
    """A terminal that may be closed while training goes on."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        with suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            self._stream.flush()


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
    # The terminal itself: the command's own stream lets no control characters through.
    terminal = _LossyStream(getattr(sys.stderr, "terminal", sys.stderr))
    with Bar(*columns, console=Console(file=cast(TextIO, terminal))) as bar:
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
        complete = progress.replicas_done == progress.replicas
        if now - self.last < _LINE_EVERY and not complete:
            return
        self.last = now
        with suppress(OSError):
            print(_line(progress), file=sys.stderr, flush=True)


class _NotebookLine:
    """A bar of characters below a notebook's cell: rich's own asks for another package there."""

    def __init__(self) -> None:
        from IPython.display import display  # pyright: ignore[reportMissingImports]

        self.last = 0.0
        content = {"text/plain": "compiling"}
        self.place: Any = display(content, raw=True, display_id=True)

    def __call__(self, progress: Progress) -> None:
        now = time.perf_counter()
        if now - self.last < _NOTEBOOK_EVERY and progress.replicas_done < progress.replicas:
            return
        self.last = now
        done = int(_BAR_LENGTH * progress.network_steps_done / progress.network_steps)
        bar = "━" * done + "·" * (_BAR_LENGTH - done)
        self.place.update({"text/plain": f"{bar} {_line(progress)}"}, raw=True)


def _line(progress: Progress) -> str:
    """Share of the updates, what there is to say, and the time left."""
    line = f"{100 * progress.network_steps_done / progress.network_steps:3.0f}%  {_text(progress)}"
    if progress.rate and progress.replicas_done < progress.replicas:
        missing = progress.network_steps - progress.network_steps_done
        line += f", {missing / progress.rate:.0f} s left"
    return line


def _text(progress: Progress) -> str:
    text = f"{progress.replicas_done}/{progress.replicas} networks"
    if progress.rate:  # none is known before the first segment of this call
        text += f", {progress.rate:,.0f} network-steps/s"
    if math.isfinite(progress.median_loss):
        text += f", median loss {progress.median_loss:.3g}"
    return text + (f", {progress.diverged} diverged" if progress.diverged else "")
